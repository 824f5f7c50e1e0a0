"""From a name to an Encoder: a name of the catalogue, or scheme:rest.

    load("multilingual-e5-small")        the catalogue, or one of its aliases
    load("hf:/path/to/folder")           a folder of one's own
    load("hf:org/model@revision")        a model hub; fetched only because it was named

A plugin is called as plugin(rest, entry=Entry | None, trust_remote_code=str | None); rest is "" for a catalogue name.

Knows nothing of indexes. Imports a model's framework only when that model is loaded.
"""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from samespace import registry
from samespace.encode import catalog
from samespace.encode.catalog import Entry
from samespace.encode.protocol import Encoder
from samespace.encode.weights import remember, remembered
from samespace.errors import MissingExtraError, UnknownNameError, WeightsNotFoundError

__all__ = ["DEFAULT_MODEL", "lasting", "load"]

DEFAULT_MODEL: Final = "starter"
"""Texts in a hundred languages, pictures and sounds in one Space, from a package index alone (docs/decisions/0003)."""

_PLACED = ("hf", "st", "onnx", "bound", "fused", "grafted", "tuned")  # schemes of which the rest may be a path
_DECIDE = ("samespace", "transformers", "torch", "tokenizers", "onnxruntime")  # what a recipe's vectors also depend on
_BROKEN_PAIR = ("torchvision::nms", "torchvision.extension", "partially initialized module 'torchvision'")


def load(
    name: str = DEFAULT_MODEL,
    *,
    accelerate: bool | None = None,
    check: bool = True,
    trust_remote_code: str | None = None,
) -> Encoder:
    """Load a model, finished and ready.

    Args:
        name: of the catalogue, an alias, or scheme:rest.
        accelerate: the CPU's faster form of a text model (`accelerate.py`). None = where openvino is installed and
            the vectors stay in their Space; False = never; True = int8, if need be in a Space of its own.
        check: run the quick form of `doctor`, which finds a recipe that gives wrong vectors; once for each.
        trust_remote_code: a commit whose code may be run, for a model that brings its own; None = never.

    Raises:
        UnknownNameError: no such name or scheme; says the nearest.
        WeightsError: its weights are not here, or not the right ones; says how to get them.
        MissingExtraError: a package is missing or broken; says how to mend it.
        RecipeError: `check` found that it would give wrong vectors.
    """
    scheme, rest = registry.split(name)
    entry = None if scheme else _entry(name)
    plugin = _plugin(entry.scheme if entry else scheme)

    def plain() -> Encoder:
        made: Encoder = plugin(rest if scheme else "", entry=entry, trust_remote_code=trust_remote_code)
        return made

    try:
        ready = _ready(entry, plain) if entry and accelerate is None else None
        if ready and (not check or _checked(ready)):
            return ready
        encoder = _accelerated(plain(), accelerate)
        if check and not _checked(encoder):
            _check(encoder)
        if entry and entry.scheme == "hf":
            _note(encoder)
    except (RuntimeError, ImportError) as err:
        if any(words in str(err) for words in _BROKEN_PAIR):
            raise _broken_pair(name, str(err)) from err
        raise
    return encoder


def lasting(name: str) -> str:
    """A model's name as it can be kept: a path in it is absolute, so that it means the same from any folder."""
    scheme, rest = registry.split(name)
    path = Path(rest).expanduser()
    return f"{scheme}:{path.absolute()}" if scheme in _PLACED and rest and path.exists() else name


def _plugin(scheme: str) -> Callable[..., Encoder]:
    """What a scheme leads to. Raises MissingExtraError: it stands on a package that is not here."""
    try:
        made: Callable[..., Encoder] = registry.load("encoders", scheme)
    except ModuleNotFoundError as err:
        package = (err.name or "").partition(".")[0]
        if package in ("", "samespace"):
            raise
        raise MissingExtraError(f"{scheme}:", package, "encode") from err
    return made


def _entry(name: str) -> Entry:
    """The catalogue's entry that this samespace can run."""
    try:
        entry = catalog.get(name)
    except UnknownNameError as err:
        schemes = ", ".join(f"{s}:" for s in registry.names("encoders"))
        hint = f"See them all: samespace models. A folder or hub model needs a scheme ({schemes})"
        raise UnknownNameError("model", name, err.known, hint) from None
    if not entry.scheme:
        raise WeightsNotFoundError(
            f"{entry.name} is in the catalogue for its facts only: nothing here can run it ({entry.limits})",
            "See those that run: samespace models",
        )
    return entry


def _ready(entry: Entry, plain: Callable[[], Encoder]) -> Encoder | None:
    """The faster form alone, where it is known and the encoder itself takes seconds to import."""
    if entry.scheme != "hf":
        return None
    from samespace.encode.deferred import deferred

    return deferred(entry, plain)


def _note(encoder: Encoder) -> None:
    from samespace.encode.accelerate import Accelerated
    from samespace.encode.deferred import note

    if isinstance(encoder, Accelerated) and encoder.translator is None:
        note(encoder)


def _accelerated(encoder: Encoder, accelerate: bool | None) -> Encoder:
    if accelerate is False or encoder.modalities != {"text"}:
        return encoder
    from samespace.encode.accelerate import accelerated

    return accelerated(encoder, make=bool(accelerate))


def _checked(encoder: Encoder) -> bool:
    """Whether the doctor's quick form has passed it: once for each fingerprint and set of libraries."""
    return _check_key(encoder) in remembered("doctor.json")


def _check(encoder: Encoder) -> None:
    """The doctor's quick form; its verdict holds as long as fingerprint and libraries do."""
    from samespace.encode.doctor import quick

    quick(encoder)
    remember("doctor.json", _check_key(encoder), True)


def _check_key(encoder: Encoder) -> str:
    return " ".join([encoder.space.fingerprint, *(f"{name} {_version(name)}" for name in _DECIDE)])


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "-"


def _broken_pair(name: str, because: str) -> MissingExtraError:
    """A torchvision that does not fit the torch beside it breaks every image processor of transformers."""
    cause = f"the torchvision installed here does not fit the torch beside it: {because.splitlines()[0]}"
    return MissingExtraError(
        name, "torch", "encode", cause, "samespace needs no torchvision: pip uninstall torchvision"
    )
