"""The short form of fuzzing: what was found before stays mended, and a few seconds of each target find nothing new."""

import importlib.util
from pathlib import Path

import pytest

from tests.fuzz.__main__ import FOUND, _only_once, fuzz
from tests.fuzz.targets import TARGETS

FOUND_FILES = sorted(FOUND.glob("*"))


@pytest.mark.parametrize("path", FOUND_FILES, ids=[p.name for p in FOUND_FILES])
def test_what_was_found_stays_mended(path: Path):
    TARGETS[path.name.partition("-")[0]](path.read_bytes())


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TARGETS))
def test_some_seconds_find_nothing(name: str, tmp_path: Path):
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris is not here: pip install 'samespace[dev]'")
    assert fuzz(name, 1, tmp_path) == 0, "python -m tests.fuzz --target NAME writes the input to tests/fuzz/found"


@pytest.mark.slow
def test_a_time_limit_that_the_input_keeps_the_next_time_is_no_finding(tmp_path: Path):
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris is not here: pip install 'samespace[dev]'")
    for kind, dropped in (("timeout", True), ("slow-unit", True), ("crash", False)):
        file = tmp_path / f"found-{kind}-0"
        file.write_bytes(b"some words")
        assert _only_once("text", file) is dropped
