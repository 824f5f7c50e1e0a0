"""Real files that other projects keep to break their readers: each ends, each with a class, and the pool lives on."""

import resource
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest

from samespace.errors import FailureClass
from samespace.read.pool import ReaderPool
from samespace.read.protocol import Done, Failed, Limits, Options, Some

pytestmark = pytest.mark.slow
_SAMPLE = 150


@pytest.fixture(scope="module")
def strange(data: Path) -> list[Path]:
    """Every seventh or so of the files, always the same ones."""
    folder = data / "mixed_files" / "files"
    if not folder.is_dir():
        pytest.skip("the strange files (mixed_files) are not here: set SAMESPACE_DATA to their folder")
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return files[:: max(1, len(files) // _SAMPLE)][:_SAMPLE]


def test_every_file_ends_with_a_class(strange, tmp_path):
    good = tmp_path / "good.txt"
    good.write_text("words at the end")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ends: Counter[Path] = Counter()
    classes: Counter[str] = Counter()
    with ReaderPool(Options(ocr=False, speech=False, limits=Limits(wall_seconds=60)), workers=2) as pool:
        for event in pool.read([*strange, good]):
            if isinstance(event, Some):
                assert not ends[event.path], "passages after the end"
                assert event.passages
                assert all(p.item.text.strip() for p in event.passages if p.item.modality == "text")
                continue
            ends[event.path] += 1
            classes["done" if isinstance(event, Done) else event.failure] += 1
            if isinstance(event, Failed):
                assert event.failure in get_args(FailureClass)
                assert event.reason
                assert event.mend
                assert "Error:" not in event.reason or event.failure == "decode"
            else:
                assert "/" in event.facts.mime
                assert event.facts.reader
    assert ends == Counter([*strange, good])
    assert set(classes) <= {"done", "decode", "unsupported", "too_big", "encrypted", "empty"}, "no hang, no crash"
    assert classes["done"] > _SAMPLE / 3
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 100_000, f"{grown} KiB more in the parent"
