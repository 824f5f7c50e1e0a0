"""The two sides of a translation: an index, a model with texts, or a plain file of vectors.

What exists is an index or a file; any other name is a model. A model embeds only the rows that are asked for.

Imports numpy; lance, pyarrow and a model where they are used. Letters: n rows, d width.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from samespace.encode.protocol import Encoder
from samespace.serve.vector_files import VectorFile, is_vector_file
from samespace.space import Metric, Space, Vectors

__all__ = ["FileSide", "IndexSide", "ModelName", "ModelSide", "Side", "checked", "read_texts", "side_of"]

_EMBED = 256
_IDS, _TEXTS = ("id", "ids", "key", "digest"), ("text", "texts", "content", "document")


class Side(Protocol):
    """Rows of one Space, and by what they are known."""

    @property
    def name(self) -> str:
        """For people."""

    @property
    def space(self) -> Space:
        """Where its rows live."""

    def __len__(self) -> int:
        """Rows that there are."""

    def ids(self) -> Sequence[str] | None:
        """(n,) keys of the rows; None if they have none."""

    def texts(self) -> Sequence[str] | None:
        """(n,) what the rows embed, where it is known and is text."""

    def vectors(self, rows: np.ndarray) -> Vectors:
        """Some rows, by rising numbers. Raises VectorError, with the number of the row, where one is no vector."""


class FileSide:
    """A plain file of vectors."""

    def __init__(self, file: VectorFile) -> None:
        self.file = file
        self.name, self.space = file.path.name, file.space

    def __len__(self) -> int:
        return len(self.file)

    def ids(self) -> Sequence[str] | None:
        """The first column of ids that there is."""
        return next((found for name in _IDS if (found := self.file.texts(name)) is not None), None)

    def texts(self) -> Sequence[str] | None:
        """The first column of texts that there is."""
        return next((found for name in _TEXTS if (found := self.file.texts(name)) is not None), None)

    def vectors(self, rows: np.ndarray) -> Vectors:
        """Some rows."""
        return checked(self.file.take(rows), self.space, rows)


class IndexSide:
    """An index: its distinct vectors, known by the digest of what they embed."""

    def __init__(self, uri: str) -> None:
        from samespace.serve.session import open_index

        self.name = Path(uri).name or uri
        self._snapshot = open_index(uri).snapshot()
        self.space = self._snapshot.space

    def __len__(self) -> int:
        return len(self._snapshot)

    def ids(self) -> Sequence[str] | None:
        """Digests."""
        return [str(digest) for digest in self._snapshot.digests.to_pylist()]

    def texts(self) -> Sequence[str] | None:
        """The words of each vector's first item; "" for those that embed no text."""
        first = np.array([self._snapshot.items_of(row)[0] for row in range(len(self))], np.int64)
        table = self._snapshot.rows.take(first, ["text", "modality"])
        rows = zip(table["text"].to_pylist(), table["modality"].to_pylist(), strict=True)
        return [text if modality == "text" else "" for text, modality in rows]

    def vectors(self, rows: np.ndarray) -> Vectors:
        """Some rows."""
        return self._snapshot.vectors(rows)


class ModelSide:
    """A model and the texts that it is to embed."""

    def __init__(self, name: str, encoder: Encoder, texts: Sequence[str], tell: Callable[[str], None]) -> None:
        self.name, self.space = name, encoder.space
        self._encoder, self._texts, self._tell = encoder, texts, tell

    def __len__(self) -> int:
        return len(self._texts)

    def ids(self) -> Sequence[str] | None:
        """None: texts have no keys but themselves."""
        return None

    def texts(self) -> Sequence[str] | None:
        """All of them."""
        return self._texts

    def vectors(self, rows: np.ndarray) -> Vectors:
        """Some rows, embedded now."""
        from samespace.items import Text

        made = self.space.empty()
        for start in range(0, len(rows), _EMBED):
            self._tell(f"{self.name}: {start:,}/{len(rows):,} texts embedded")
            items = [Text(self._texts[row]) for row in rows[start : start + _EMBED]]
            made = made.concat(self._encoder.encode(items))
        return made


@dataclass(frozen=True, eq=False)
class ModelName:
    """A model that waits for its texts: those of the other side.

    Attributes:
        name: as it was given.
        encoder: loaded.
    """

    name: str
    encoder: Encoder

    def side(self, texts: Sequence[str], tell: Callable[[str], None]) -> ModelSide:
        """It with texts; `tell` is told how many are embedded."""
        return ModelSide(self.name, self.encoder, texts, tell)


def side_of(
    name: str, *, space: str | None = None, metric: Metric = "cosine", column: str | None = None
) -> FileSide | IndexSide | ModelName:
    """What a name stands for: a file of vectors, an index, or a model.

    Raises:
        ValueError: a file of something else, or nothing that is known.
        SamespaceError: an index or a model that cannot be opened.
    """
    from samespace.index.lance import LanceIndex

    if is_vector_file(name):
        return FileSide(VectorFile(name, space=space, metric=metric, column=column))
    if LanceIndex.exists(name):
        return IndexSide(name)
    if Path(name).exists() or name.endswith((".npy", ".arrow", ".feather", ".parquet")):
        fact = "is a folder without an index" if Path(name).exists() else "there is no such file"
        raise ValueError(f"{name}: {fact}\nGive an index, a file of vectors, or the name of a model (samespace models)")
    from samespace.encode.load import load

    return ModelName(name, load(name))


def read_texts(path: Path) -> list[str]:
    """Texts of a file: a line each, or the column `text` of an Arrow or Parquet file. Empty ones are left out."""
    head = path.read_bytes()[:6]
    if head.startswith((b"PAR1", b"ARROW1")):
        import pyarrow.feather
        import pyarrow.parquet

        read: Any = pyarrow.parquet.read_table if head.startswith(b"PAR1") else pyarrow.feather.read_table
        table = read(path)
        name = next((n for n in _TEXTS if n in table.schema.names), None)
        if name is None:
            raise ValueError(f"{path} has no column of texts ({', '.join(table.schema.names)})\nGive one named `text`")
        lines = [str(value) for value in table[name].to_pylist() if value is not None]
    else:
        lines = path.read_text("utf-8", "replace").splitlines()
    made = [line for line in lines if line.strip()]
    if not made:
        raise ValueError(f"{path} holds no texts\nGive a file with one text a line")
    return made


def checked(data: np.ndarray, space: Space, numbers: np.ndarray) -> Vectors:
    """Rows of a file in their Space; one that is no vector is named by its number in the file."""
    from samespace.errors import VectorError

    wide = data.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1)
    bad = np.flatnonzero(~np.isfinite(lengths) | ((lengths < 1e-12) & (space.metric == "cosine")))
    if len(bad):
        what = "has length zero and no direction" if np.isfinite(lengths[bad[0]]) else "is not finite"
        more = f", and {len(bad) - 1} more" if len(bad) > 1 else ""
        raise VectorError(f"row {numbers[bad[0]]} {what}{more}", str(space), "Leave such rows out: --drop-bad")
    return space.vectors(data)
