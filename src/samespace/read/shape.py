"""Whether a value is what a type says: for messages, whose makers are not trusted.

Plain numbers are held to what an index can keep (finite, 53 bits), words to what is UTF-8.
Knows the few forms of types that our value classes use, and nothing else. Imports the standard library only.
"""

import math
import types
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin

__all__ = ["AnyName", "Test", "test_of"]

_LARGEST = 1 << 53


class AnyName(str):
    """As a type: a name as the system has it, which need not be UTF-8."""

    __slots__ = ()


Test = Callable[[Any], bool]


@cache
def test_of(hint: Any) -> Test:
    """The test of whether a value is of a type, all the way down. Raises TypeError for a form of type not known here.

    >>> fits = test_of(tuple[int, int] | None)
    >>> fits((1, 2)), fits((1, "2"))
    (True, False)
    """
    origin, args = get_origin(hint), get_args(hint)
    if hint in _PLAIN:
        return _PLAIN[hint]
    if origin is Literal:
        return lambda value: isinstance(value, str) and value in args
    if origin in (Union, types.UnionType):
        some = [test_of(arg) for arg in args]
        return lambda value: any(test(value) for test in some)
    if origin is tuple and args[-1] is ...:
        each = test_of(args[0])
        return lambda value: isinstance(value, tuple) and all(map(each, value))
    if origin is tuple:
        places = [test_of(arg) for arg in args]
        return lambda value: (
            isinstance(value, tuple)
            and len(value) == len(places)
            and all(test(v) for test, v in zip(places, value, strict=True))
        )
    if origin is frozenset:
        member = test_of(args[0])
        return lambda value: isinstance(value, frozenset) and all(map(member, value))
    if origin is Mapping:
        key, held = map(test_of, args)
        return lambda value: isinstance(value, Mapping) and all(key(k) and held(v) for k, v in value.items())
    if isinstance(hint, type) and origin is None:
        return lambda value: isinstance(value, hint)
    raise TypeError(f"{hint} is a form of type that no message has")


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -_LARGEST <= value <= _LARGEST


def _is_float(value: object) -> bool:
    return _is_int(value) or (isinstance(value, float) and math.isfinite(value))


def _is_words(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        return value.isascii() or bool(value.encode())
    except UnicodeEncodeError:
        return False


_PLAIN: dict[Any, Test] = {
    int: _is_int,
    float: _is_float,
    str: _is_words,
    AnyName: lambda value: isinstance(value, str),
    bool: lambda value: isinstance(value, bool),
    bytes: lambda value: isinstance(value, bytes),
    type(None): lambda value: value is None,
    Any: lambda _: True,
}
