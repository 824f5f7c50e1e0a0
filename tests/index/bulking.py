"""What the tests of bulk runs share: a folder with everything that goes wrong in it, and an index as plain rows."""

import os
import time
from dataclasses import replace
from pathlib import Path

from ingesting import words, write

from samespace.encode.hashing import Hashing
from samespace.index.fragment import Order
from samespace.index.lance import LanceIndex
from samespace.read.protocol import Options

LOADER = "samespace.serve.bulk:encoder_at"


def fill(folder: Path, number: int = 40) -> Path:
    """Texts of which some are copies and some share a passage, a long one, one that fails, one found by its name."""
    for i in range(number):
        write(folder, f"{i % 3}/{i:03}.txt", words(i % (number - 6)))
    write(folder, "long.txt", "\n\n".join(words(1000 + i, 12) for i in range(30)))
    write(folder, "longer.txt", "\n\n".join(words(1000 + i, 12) for i in range(33)))  # begins like the other
    write(folder, "broken.pdf", b"%PDF-1.4 nothing of the sort")
    write(folder, "broken copy.pdf", b"%PDF-1.4 nothing of the sort")
    write(folder, "empty.txt", b"")
    return folder


def new(at: Path, encoder: Hashing) -> LanceIndex:
    return LanceIndex.create(str(at), encoder.space, f"hashing:{encoder.space.dim}")


def order(index: LanceIndex, encoder: Hashing, *, loader: str = LOADER) -> Order:
    return Order(index.uri, loader, replace(Options(), wants=encoder.modalities))


def rows_of(index: LanceIndex) -> dict[str, object]:
    """All that an index holds, in an order of its own, each row as often as it is there; times left out."""
    import lance

    tables = {p.stem: lance.dataset(str(p)).to_table() for p in Path(index.uri).glob("*.lance")}
    files = [{**row, "modified": 0.0} for row in tables.pop("files").to_pylist()]
    return {
        "files": sorted(files, key=lambda row: row["path"]),
        "items": sorted(tables.pop("items").to_pylist(), key=lambda row: row["id"]),
        "vectors": sorted((table.sort_by("digest").to_pylist() for table in tables.values()), key=len),
    }


def data_files(index: LanceIndex) -> int:
    return sum(1 for _ in Path(index.uri).glob("*.lance/data/*.lance"))


def wrong_encoder(uri: str) -> Hashing:
    """A loader that takes no heed of the index."""
    from samespace.encode.hashing import load

    return load("128")


class Patient:
    """Hashing that leaves word of the process it works in, and takes its time until it is told to hurry."""

    def __init__(self, inner: Hashing, marks: Path) -> None:
        self.inner, self.space, self.modalities, self._marks = inner, inner.space, inner.modalities, marks

    def encode(self, items, *, role="document"):
        (self._marks / f"working-{os.getpid()}").touch()
        if not (self._marks / "hurry").exists():
            time.sleep(0.5)
        return self.inner.encode(items, role=role)


def patient_encoder(uri: str) -> Patient:
    """A loader of it; the environment says where word is to be left."""
    from samespace.encode.hashing import load

    return Patient(load("64"), Path(os.environ["MARKS"]))
