"""An index and its encoder, opened together: the model of an index is remembered, and another one is refused.

Imports lance and a model where they are used.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from samespace.encode.protocol import Encoder
from samespace.errors import SpaceMismatchError, StoreError
from samespace.space import Space

if TYPE_CHECKING:
    from samespace.index.lance import LanceIndex
    from samespace.index.migrate_view import Moving

__all__ = ["encoder_of", "open_index", "open_or_create", "searched", "target_encoder", "without_pandas"]


def open_index(uri: str) -> "LanceIndex":
    """The index at a place. Raises IndexNotFoundError with the command that makes one."""
    with without_pandas():
        from samespace.index.lance import LanceIndex

    return LanceIndex.open(uri)


@contextmanager
def without_pandas() -> Iterator[None]:
    """Import pyarrow without pandas, which it looks for at its first array, for whoever may bring one: nobody here.

    Where pandas is installed it is a third of a second of CPU time. Whoever imports it later gets it.
    """

    class Absent:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> None:
            if name == "pandas":
                raise ModuleNotFoundError("not now", name=name)

    finder: Any = Absent()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def encoder_of(index: "LanceIndex") -> Encoder:
    """The encoder of an index, whichever of its forms made it.

    Raises:
        SpaceMismatchError: that model gives another Space today: its weights or recipe changed.
        WeightsError, UnknownNameError, MissingExtraError: the model is not to be had here.
    """
    return _encoder(index.model, index.space, index.uri)


def _encoder(model: str, space: Space, uri: str) -> Encoder:
    """A model in whichever of its forms makes vectors of this Space, that of the index at `uri`."""
    from samespace.encode.load import load

    encoder = load(model)
    if encoder.space != space and encoder.modalities == {"text"}:
        encoder = load(model, accelerate=space.parent == encoder.space)
    if encoder.space != space:
        mend = f"{model} has changed since. Move the index to it as it is now: samespace migrate {uri} --to {model}"
        raise SpaceMismatchError(str(encoder.space), str(space), mend)
    return encoder


def searched(uri: str, model: str | None = None, depth: int | None = None) -> "tuple[LanceIndex | Moving, Encoder]":
    """What a search looks into, and its encoder: the index, or what the model sees of it that it moves to.

    Args:
        uri: of the index.
        model: None = the index's own.
        depth: rows of a ranking that are embedded if they are not yet; None = as many as is usual.

    Raises:
        StoreError: the index is not of that model, and not moving there.
    """
    opened = open_index(uri)
    if model is None or model == opened.model:
        return opened, encoder_of(opened)
    from samespace.index.migrate_record import load
    from samespace.index.migrate_view import DEPTH, Moving

    record = load(opened.uri)
    if record is None or record.target.model != model:
        raise StoreError(
            uri, f"the index is of the model {opened.model!r}, not {model!r}",
            f"Leave --model away, or move it there: samespace migrate {uri} --to {model}",
        )  # fmt: skip
    encoder = _encoder(model, record.target.space, uri)
    return Moving.open(opened, encoder, depth=DEPTH if depth is None else depth), encoder


def target_encoder(uri: str, model: str | None) -> tuple[str, Encoder]:
    """Name and encoder of the model that an index moves to: the one that is named, or that its move remembers.

    Raises:
        StoreError: none is named, and it is not moving.
    """
    from samespace.encode.load import load as encoder
    from samespace.index.migrate_record import load

    opened = open_index(uri)
    record = load(opened.uri)
    if record is not None and model in (None, record.target.model):
        return record.target.model, _encoder(record.target.model, record.target.space, uri)
    if model is None:
        raise StoreError(uri, "it is not moving to another model", f"Begin: samespace migrate {uri} --to MODEL")
    return model, encoder(model)


def open_or_create(uri: str, model: str | None) -> "tuple[LanceIndex, Encoder]":
    """The index at a place with its encoder; made with `model` (or the default one) if there is none.

    Raises:
        StoreError: it was made with another model than the one asked for.
    """
    from samespace.encode.load import DEFAULT_MODEL, load

    with without_pandas():
        from samespace.index.lance import LanceIndex
        from samespace.index.migrate_record import require_at_rest

    if LanceIndex.exists(uri):
        index = LanceIndex.open(uri)
        if model is None or model == index.model:
            return index, encoder_of(index)
        encoder = load(model)
        if encoder.space != index.space:
            require_at_rest(index, encoder.space)
            raise StoreError(
                uri,
                f"the index was made with the model {index.model!r}, not {model!r}",
                f"Leave --model away, or move it there: samespace migrate {uri} --to {model}",
            )
        return index, encoder
    encoder = load(model or DEFAULT_MODEL)
    recipe = getattr(encoder, "recipe", None)
    return LanceIndex.create(
        uri, encoder.space, model or DEFAULT_MODEL, recipe.to_dict() if recipe is not None else None
    ), encoder
