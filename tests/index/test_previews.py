"""Pictures by the hash of their bytes; no key leads anywhere else."""

from pathlib import Path

import pytest

from samespace.index.previews import Previews


@pytest.fixture(params=["folder", "memory"])
def previews(request, tmp_path: Path) -> Previews:
    return Previews(tmp_path / "previews" if request.param == "folder" else None)


def test_what_was_put_is_there(previews):
    key = previews.put(b"one")
    assert previews.put(b"one") == key != previews.put(b"two")
    previews.sync()
    assert previews.get(key) == b"one"
    assert previews.get("0" * 32) is None


@pytest.mark.parametrize(
    "key", ["", "../../etc/passwd", "0" * 31, "0" * 33, "/etc/passwd", "A" * 32, "0" * 32 + "\n", "٠" * 32]
)
def test_what_is_no_key_leads_nowhere(previews, key):
    assert previews.get(key) is None
    with pytest.raises(ValueError, match="32 hex letters"):
        previews.path(key)


def test_what_nobody_needs_goes(previews, tmp_path):
    one, two = previews.put(b"one"), previews.put(b"two")
    if previews.folder:
        (previews.folder / one[:2] / f"{one}.77.part").write_bytes(b"half")
    assert previews.keep({one, ""}) == (2 if previews.folder else 1)
    assert (previews.get(one), previews.get(two)) == (b"one", None)
    assert not list(tmp_path.rglob("*.part"))


def test_they_lie_in_folders_of_two_letters(tmp_path):
    previews = Previews(tmp_path / "previews")
    key = previews.put(b"one")
    assert [p.relative_to(tmp_path) for p in tmp_path.rglob("*.*")] == [Path("previews") / key[:2] / f"{key}.webp"]
    assert previews.path(key) == tmp_path / "previews" / key[:2] / f"{key}.webp"
