"""Files whose content gives the model nothing: listed as such, and found by name."""

import io
import wave
from pathlib import Path

import pytest
from ingesting import Recording, every_vector_is_its_own, words, write

from samespace.index.flat import FlatIndex
from samespace.index.ingest import ingest
from samespace.read.protocol import Options

PLAIN = Options(ocr=False, speech=False)


@pytest.fixture
def recording(encoder) -> Recording:
    return Recording(encoder)


@pytest.fixture
def index(encoder) -> FlatIndex:
    return FlatIndex(encoder.space)


def picture(shade: int) -> bytes:
    from PIL import Image

    data = io.BytesIO()
    Image.new("RGB", (32, 24), (shade, 90, 30)).save(data, "PNG")
    return data.getvalue()


def silence() -> bytes:
    data = io.BytesIO()
    with wave.open(data, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(16000))
    return data.getvalue()


def rows(index) -> dict[str, object]:
    return {Path(path).name: row for path, row in index.files().items()}


def test_a_picture_for_a_text_model_is_found_by_its_name(tmp_path: Path, index, recording) -> None:
    write(tmp_path, "harbourBridge_night.png", picture(1))
    write(tmp_path, "IMG_0001.png", picture(2))
    write(tmp_path, "tide-bell.wav", silence())
    write(tmp_path, "blank.txt", " \n ")
    counts = ingest(index, recording, [tmp_path], options=PLAIN)
    assert (counts.named, counts.encoded, counts.seen) == (3 + ("blank.txt" in named(index)), 0, 4)
    assert sorted(recording.texts) == ["harbour Bridge night png", "tide bell wav"], "a camera's name is not embedded"
    assert {n: r.kind for n, r in rows(index).items() if n in named(index)}.items() >= {
        "harbourBridge_night.png": "image",
        "IMG_0001.png": "image",
        "tide-bell.wav": "audio",
    }.items()
    assert all("found by its name" in r.notes[-1] for n, r in rows(index).items() if n in named(index))
    snapshot = index.snapshot()
    for asked, path in [("bridge", "harbourBridge_night.png"), ("IMG_0001", "IMG_0001.png"), ("bell", "tide-bell.wav")]:
        (row, *_) = snapshot.words(asked, 3).rows
        assert snapshot.items["path"][int(row)].as_py().endswith(path)
    assert every_vector_is_its_own(index, recording.inner) == 2


def named(index) -> set[str]:
    return {name for name, row in rows(index).items() if row.status == "name_only"}


def test_a_new_name_is_new_content_and_the_picture_is_not_read_again(
    tmp_path: Path, index, recording, monkeypatch
) -> None:
    file = write(tmp_path, "harbour.png", picture(1))
    write(tmp_path, "note.txt", words(1))
    ingest(index, recording, [tmp_path], options=PLAIN)
    recording.texts.clear()
    file.rename(tmp_path / "lighthouse.png")
    with monkeypatch.context() as patched:
        patched.setattr("samespace.index.ingest.ReaderPool.read", _nothing_to_read)
        counts = ingest(index, recording, [tmp_path], options=PLAIN)
    assert (counts.named, counts.encoded, counts.moved, counts.removed) == (1, 0, 1, 0)
    assert recording.texts == ["lighthouse png"]
    assert index.snapshot().items.num_rows == 2
    (tmp_path / "sub").mkdir()
    (tmp_path / "lighthouse.png").rename(tmp_path / "sub/lighthouse.png")
    recording.texts.clear()
    assert ingest(index, recording, [tmp_path], options=PLAIN).reused == 2
    assert recording.texts == [], "another folder is not another name"


def _nothing_to_read(pool, paths):
    assert list(paths) == []
    return iter(())


def test_equal_pictures_under_two_names_are_found_by_both(tmp_path: Path, index, recording) -> None:
    write(tmp_path, "lantern.png", picture(1))
    write(tmp_path, "copper.png", picture(1))
    counts = ingest(index, recording, [tmp_path], options=PLAIN)
    assert counts.named == 2 and sorted(recording.texts) == ["copper png", "lantern png"]
    assert ingest(index, recording, [tmp_path], options=PLAIN).reused == 2
    assert every_vector_is_its_own(index, recording.inner) == 2


def test_previews_are_kept_with_the_row(tmp_path: Path, index, recording) -> None:
    write(tmp_path, "lantern.png", picture(1))
    ingest(index, recording, [tmp_path], options=PLAIN)
    data = index.previews.get(rows(index)["lantern.png"].preview)
    assert data is not None and data[8:12] == b"WEBP"
