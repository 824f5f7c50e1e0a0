"""Finished objects to plain data and named arrays, and back: nothing is ever run that a file names.

A class is rebuilt only if it is in KINDS; its fields are data. That is why there is no pickle.

Knows nothing of files. Imports numpy only.
"""

import dataclasses
import importlib
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from samespace.space import Space

__all__ = ["KINDS", "kind_of", "pack", "unpack"]

_MADE = "samespace.translate."
KINDS: Final[Mapping[str, str]] = {
    "requantised": "derived:Requantised",
    "cut": "derived:Cut",
    "procrustes": "procrustes:Procrustes",
    "affine": "affine:Affine",
    "low-rank-affine": "affine:LowRankAffine",
    "local-procrustes": "local:LocalProcrustes",
    "kernel": "kernel:Kernel",
    "residual-mlp": "neural:ResidualMLP",
    "linear": "linear:Linear",
    "frame": "frame:Frame",
    "domain": "domain:Domain",
    "vec2vec": "adversarial:Vec2Vec",
    "vec2vec-block": "adversarial:Block",
    "rounded": "defence:Rounded",
}
"""What can be kept: kind → module and class, dataclasses of Spaces, arrays, numbers, plain data and one another."""


def kind_of(value: object) -> str:
    """The kind of an object. Raises TypeError if it has none."""
    path = f"{type(value).__module__.removeprefix(_MADE)}:{type(value).__name__}"
    for kind, known in KINDS.items():
        if known == path:
            return kind
    raise TypeError(f"a {type(value).__name__} cannot be kept\nKinds that can: {', '.join(KINDS)}")


def pack(value: Any, name: str, tensors: dict[str, np.ndarray]) -> Any:
    """As plain data; arrays go into `tensors` under `name` and what stands for their place in the whole.

    Raises:
        TypeError: something that is neither plain data nor of a kind that can be kept.
    """
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return float(value)
        case np.generic():
            return pack(value.item(), name, tensors)
        case np.ndarray():
            tensors[name] = np.ascontiguousarray(value)
            return {"$tensor": name}
        case Space():
            return {"$space": value.to_dict()}
        case tuple():
            return {"$tuple": [pack(one, f"{name}.{i}", tensors) for i, one in enumerate(value)]}
        case list():
            return [pack(one, f"{name}.{i}", tensors) for i, one in enumerate(value)]
        case Mapping():
            return {str(key): pack(one, f"{name}.{key}", tensors) for key, one in value.items()}
        case _:
            lead = f"{name}." if name else ""
            fields = {f.name: pack(getattr(value, f.name), lead + f.name, tensors) for f in _fields(value)}
            return {"$kind": kind_of(value), **fields}


def unpack(data: Any, tensors: Mapping[str, np.ndarray]) -> Any:
    """Back from `pack`.

    Raises:
        ValueError, TypeError, KeyError: the data do not make what they say, or a kind is not known.
    """
    if isinstance(data, list):
        return [unpack(one, tensors) for one in data]
    if not isinstance(data, dict):
        return data
    if "$tensor" in data:
        array = tensors[data["$tensor"]]
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{data['$tensor']} is not finite")
        return array
    if "$space" in data:
        return Space.from_dict(data["$space"])
    if "$tuple" in data:
        return tuple(unpack(one, tensors) for one in data["$tuple"])
    if "$kind" in data:
        return _made(data, tensors)
    return {key: unpack(one, tensors) for key, one in data.items()}


def _made(data: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> Any:
    kind = data["$kind"]
    if kind not in KINDS:
        raise ValueError(f"kind {str(kind)[:80]!r} is not known here")
    module, _, name = KINDS[kind].partition(":")
    made: Any = getattr(importlib.import_module(_MADE + module), name)
    return made(**{key: unpack(one, tensors) for key, one in data.items() if key != "$kind"})


def _fields(value: Any) -> tuple[dataclasses.Field[Any], ...]:
    kind_of(value)
    return tuple(field for field in dataclasses.fields(value) if field.init)
