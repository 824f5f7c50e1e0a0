"""An index and its encoder, opened together: the model of an index is remembered, and another one is refused.

Imports lance and a model where they are used.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from samespace.encode.protocol import Encoder
from samespace.errors import SpaceMismatchError, StoreError

if TYPE_CHECKING:
    from samespace.index.lance import LanceIndex

__all__ = ["encoder_of", "open_index", "open_or_create"]


def open_index(uri: str) -> "LanceIndex":
    """The index at a place. Raises IndexNotFoundError with the command that makes one."""
    with _without_pandas():
        from samespace.index.lance import LanceIndex

    return LanceIndex.open(uri)


@contextmanager
def _without_pandas() -> Iterator[None]:
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
    from samespace.encode.load import load

    encoder = load(index.model)
    if encoder.space != index.space and encoder.modalities == {"text"}:
        encoder = load(index.model, accelerate=index.space.parent == encoder.space)
    if encoder.space != index.space:
        raise SpaceMismatchError(str(encoder.space), str(index.space))
    return encoder


def open_or_create(uri: str, model: str | None) -> "tuple[LanceIndex, Encoder]":
    """The index at a place with its encoder; made with `model` (or the default one) if there is none.

    Raises:
        StoreError: it was made with another model than the one asked for.
    """
    from samespace.encode.load import DEFAULT_MODEL, load
    from samespace.index.lance import LanceIndex

    if LanceIndex.exists(uri):
        index = LanceIndex.open(uri)
        if model is None or model == index.model:
            return index, encoder_of(index)
        encoder = load(model)
        if encoder.space != index.space:
            raise StoreError(
                uri,
                f"the index was made with the model {index.model!r}, not {model!r}",
                "Leave --model away, or make a second index: --index OTHER_FOLDER --model " + model,
            )
        return index, encoder
    encoder = load(model or DEFAULT_MODEL)
    recipe = getattr(encoder, "recipe", None)
    return LanceIndex.create(
        uri, encoder.space, model or DEFAULT_MODEL, recipe.to_dict() if recipe is not None else None
    ), encoder
