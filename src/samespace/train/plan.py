"""Plans by name, and their settings from flags and TOML.

A plan is one file in plans/: a frozen Config whose fields say their unit in the comment beside them, and
`run(config) -> Path`, the folder with what came of it. Settings come from the Config alone, so a misspelt key is
an error with the nearest ones, never ignored.

Knows nothing of any one plan. Imports the standard library only; a plan when it is run.
"""

import importlib
import inspect
import math
import os
import re
import tomllib
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from samespace.errors import MissingExtraError, PlanError, UnknownNameError, did_you_mean

__all__ = ["PLANS", "config", "described", "module", "settings"]

PLANS = {
    "bind": "Bind pictures or sounds to the space of a frozen text model.",
    "fuse": "Fuse pictures and words by a learned sum: a picture and what is to be changed in it find the changed one.",
    "distill": "Bring the space of another encoder into a language model.",
    "finetune": "Make an embedder of a language model, one that sees pictures too: adapters or all weights.",
    "graft": "Graft pictures into a causal language model: as tokens, read out at their mean.",
    "merge": "Merge models of one architecture into one, by the mean of their weights or along an arc.",
    "staged": "Texts, then pictures, then mined hard negatives: finetune three times, each from the last.",
    "starter": "Make the weights that ship: pictures and sounds beside the default text model.",
}


def module(name: str) -> Any:
    """The plan of that name, imported. Raises UnknownNameError with the nearest, MissingExtraError."""
    if name not in PLANS:
        raise UnknownNameError("training plan", name, PLANS)
    try:
        return importlib.import_module(f"samespace.train.plans.{name}")
    except ImportError as err:
        package = (err.name or "torch").partition(".")[0]
        if package == "samespace":
            raise
        raise MissingExtraError(f"the plan {name}", package, "train", "" if err.name else str(err)) from err


def config(name: str, given: Mapping[str, Any]) -> Any:
    """The plan's Config of these settings.

    Args:
        name: of the plan.
        given: setting → value, as text or already of its type.

    Raises:
        PlanError: an unknown key (says the nearest), a missing one, or a value of the wrong kind or range.
    """
    kind = module(name).Config
    hints = get_type_hints(kind)
    for key in given:
        if key not in hints:
            raise PlanError(
                name, f"unknown setting {key!r}", did_you_mean(key, hints) or f"See: samespace train {name} -h"
            )
    missing = [f.name for f in fields(kind) if f.default is MISSING and f.name not in given]
    if missing:
        flags = " ".join(f"{_flag(m)} …" for m in missing)
        raise PlanError(name, f"{' and '.join(missing)} must be given", f"samespace train {name} {flags}")
    values = {key: _value(name, key, value, hints[key]) for key, value in given.items()}
    try:
        return kind(**values)
    except ValueError as err:
        fact, _, mend = str(err).partition("\n")
        raise PlanError(name, fact, mend or f"See: samespace train {name} -h") from err


def settings(name: str, words: Sequence[str]) -> dict[str, Any]:
    """Flags as settings: ("--batch-size", "64", "--config", "my.toml") → {...}; what a flag says wins over the file.

    Raises PlanError for a word that is no flag, a flag without its value, or a file that cannot be read.
    """
    found: dict[str, Any] = {}
    files: list[str] = []
    rest = list(words)
    while rest:
        flag, equals, value = rest.pop(0).partition("=")
        if not flag.startswith("--") or len(flag) < 3:
            raise PlanError(name, f"{flag!r} is no flag", f"Write --key value; see: samespace train {name} -h")
        if not equals:
            if not rest:
                raise PlanError(name, f"{flag} has no value", f"Write {flag} VALUE")
            value = rest.pop(0)
        if flag == "--config":
            files.append(value)
        else:
            found[flag[2:].replace("-", "_")] = value
    for file in reversed(files):
        found = {**_toml(name, Path(file)), **found}
    return found


def described(name: str) -> list[tuple[str, str]]:
    """Each setting's flag, and what it says with its default: for --help."""
    kind = module(name).Config
    comments = dict(re.findall(r"^\s+(\w+): [^#\n]+#\s*(.+)$", inspect.getsource(kind), re.MULTILINE))
    made = []
    for field in fields(kind):
        default = "needed" if field.default is MISSING else f"default {field.default}"
        made.append((_flag(field.name), f"{comments.get(field.name, '')} [{default}]".strip()))
    return made


def _flag(key: str) -> str:
    return "--" + key.replace("_", "-")


def _toml(name: str, path: Path) -> dict[str, Any]:
    try:
        return {key.replace("-", "_"): value for key, value in tomllib.loads(path.read_text("utf-8")).items()}
    except OSError as err:
        raise PlanError(
            name, f"{path} cannot be read ({err.strerror})", "Name a TOML file: --config FILE.toml"
        ) from err
    except ValueError as err:
        raise PlanError(name, f"{path} cannot be read as TOML ({err})", "Write one key = value a line") from err


def _value(plan: str, key: str, value: Any, kind: Any) -> Any:
    """A value of the field's type. Raises PlanError saying what is wanted."""
    if isinstance(value, str | Path) and str(value).encode(errors="replace") != os.fsencode(value):
        raise PlanError(plan, f"{key} is {value!r}, not UTF-8", "Rename it: what is made tells its settings as UTF-8")
    options = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    if type(None) in options and (value is None or value == "none"):
        return None
    for option in (o for o in options if o is not type(None)):
        if get_origin(option) is Literal:
            if value in get_args(option):
                return value
            near = did_you_mean(str(value), get_args(option))
            raise PlanError(plan, f"{key} is {value!r}", near or f"Use one of {', '.join(get_args(option))}")
        try:
            return _READ[option](value)
        except (ValueError, TypeError, KeyError):
            continue
    wanted = " or ".join(_WORDS[o] for o in options if o is not type(None))
    raise PlanError(plan, f"{key} is {value!r}", f"Give {wanted}: {_flag(key)} …")


def _whole(value: Any) -> int:
    if isinstance(value, float | bool):
        raise TypeError
    return int(value)


def _number(value: Any) -> float:
    made = float(value)
    if isinstance(value, bool) or not math.isfinite(made):
        raise ValueError
    return made


def _path(value: Any) -> Path:
    if value == "":
        raise ValueError  # it would be this folder
    return Path(value)


def _truth(value: Any) -> bool:
    return {"true": True, "false": False, "yes": True, "no": False}[str(value).lower()]


_READ: Mapping[Any, Callable[[Any], Any]] = {int: _whole, float: _number, bool: _truth, str: str, Path: _path}
_WORDS: Mapping[Any, str] = {
    int: "a whole number", float: "a number", bool: "true or false", str: "text", Path: "a file or folder",
}  # fmt: skip
"""How a setting of each type is read, from text or TOML, and how that is told."""
