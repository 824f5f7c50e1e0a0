"""Strange and damaged files of other projects: each is read or refused in our words, none raises anything else."""

import warnings
from pathlib import Path

import pytest

from samespace.errors import ReadError
from samespace.read import readers
from samespace.read.protocol import Facts, Options, Passage
from samespace.read.sniff import sniff

OPTIONS = Options(wants=frozenset({"text", "image", "audio", "video", "document"}), ocr=False, speech=False)


@pytest.mark.slow
def test_none_raises_anything_but_a_read_error(data: Path):
    good = bad = 0
    for path in sorted(p for p in (data / "mixed_files" / "files").rglob("*") if p.is_file()):
        try:
            mime = sniff(path)
        except ReadError:
            continue
        if mime.split("/")[0] not in ("image", "audio", "video") and mime != "application/pdf":
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", DeprecationWarning)
            try:
                made = list(readers.find(mime).read(path, mime, OPTIONS))
            except ReadError as err:
                assert err.reason and err.mend, path
                bad += 1
                continue
        good += 1
        assert sum(isinstance(m, Facts) for m in made) == 1, path
        for passage in (m for m in made if isinstance(m, Passage)):
            assert passage.item.locator.path == str(path)
            assert passage.preview is None or len(passage.preview) < 100_000
    assert good > 400 and bad > 50
