from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from made import film, gradient, picture, tone
from PIL import Image

from samespace.errors import ReadError
from samespace.items import Image as ImageItem
from samespace.items import Text, Video
from samespace.read.budget import Budget
from samespace.read.media import RATE
from samespace.read.protocol import Facts, Limits, Options, Passage, Reader
from samespace.read.video import READER, moments

SIZE = (320, 240)
BARE = Options(ocr=False, speech=False)
SHADES = [Image.new("RGB", SIZE, (v, v, v)) for v in (40, 120, 220)]


def read(path: Path, options: Options = BARE, mime: str = "video/mp4") -> tuple[list[Passage], Facts]:
    made = list(READER.read(path, mime, options))
    (facts,) = (m for m in made if isinstance(m, Facts))
    return [m for m in made if isinstance(m, Passage)], facts


def spans(path: Path, options: Options = BARE) -> list[tuple[float, float]]:
    return [(m.start, m.end) for m in moments(path, options, Budget(options.limits), [])]


def busy(i: int) -> Image.Image:
    """A picture that differs from the one before it, but not as much as another scene."""
    made = gradient(SIZE)
    made.paste((255, 255, 255), (10 * i % 280, 60, 10 * i % 280 + 40, 180))
    return made


def test_it_is_a_reader():
    assert isinstance(READER, Reader)


@pytest.mark.parametrize("gop", [4, 300])
def test_a_moment_begins_where_the_picture_changes(tmp_path: Path, gop: int):
    film(tmp_path / "a.mp4", [(SHADES[0], 3), (SHADES[2], 4), (SHADES[1], 2)], gop=gop)
    found = spans(tmp_path / "a.mp4")
    assert len(found) == 3
    for (start, end), (left, right) in zip(found, [(0, 3), (3, 7), (7, 9)], strict=True):
        assert abs(start - left) <= 0.6 and abs(end - right) <= 0.6
    assert all(a[1] == b[0] for a, b in pairwise(found)), "no second is lost"


def test_a_picture_that_moves_is_cut_by_windows_and_one_that_stands_still_is_not(tmp_path: Path):
    film(tmp_path / "moves.mp4", [(busy(i), 0.5) for i in range(50)])
    film(tmp_path / "still.mp4", [(gradient(SIZE), 25)])
    assert len(spans(tmp_path / "moves.mp4")) == 3
    assert len(spans(tmp_path / "still.mp4")) == 1


def test_another_slide_begins_a_moment_though_little_changes(tmp_path: Path):
    film(tmp_path / "a.mp4", [(picture(words, SIZE, 24), 4) for words in ("Bees", "Bees\nand wax", "Honey")])
    assert [round(start) for start, _ in spans(tmp_path / "a.mp4")] == [0, 4, 8]


def test_flashes_do_not_make_moments(tmp_path: Path):
    film(tmp_path / "a.mp4", [(SHADES[0], 1), *((SHADES[i % 2 * 2], 0.5) for i in range(8)), (SHADES[0], 1)])
    assert all(end - start >= 1.4 for start, end in spans(tmp_path / "a.mp4")[:-1])


def test_the_sharpest_frame_stands_for_a_moment(tmp_path: Path):
    film(tmp_path / "a.mp4", [(Image.new("RGB", SIZE), 1), (picture("HELLO", SIZE, color=(60, 60, 60)), 1)])
    (found,) = moments(tmp_path / "a.mp4", replace(BARE, window_seconds=60), Budget(Limits()), [])
    assert np.asarray(found.frame).mean() > 40, "not the black one"


def test_facts_and_what_is_wanted(tmp_path: Path):
    film(tmp_path / "a.mp4", [(SHADES[0], 3), (SHADES[2], 3)], tone(6))
    passages, facts = read(tmp_path / "a.mp4")
    assert passages == []
    assert facts.meta == {
        "seconds": 6.0,
        "rate": RATE,
        "channels": 1,
        "width": 320,
        "height": 240,
        "fps": 10.0,
        "moments": 2,
    }
    assert (facts.kind, facts.reader) == ("video", "video/2") and facts.preview is not None
    assert len(facts.notes) == 2 and "OCR is off" in facts.notes[0] and "speech" in facts.notes[1]

    frames, _ = read(tmp_path / "a.mp4", replace(BARE, wants=frozenset({"image"})))
    assert [type(p.item) for p in frames] == [ImageItem, ImageItem]
    assert {(p.kind, p.origin) for p in frames} == {("video", "pixels")}
    clips, _ = read(tmp_path / "a.mp4", replace(BARE, wants=frozenset({"image", "video", "audio"})))
    assert [type(p.item).__name__ for p in clips] == ["Video", "Video", "Audio"]
    assert isinstance(clips[0].item, Video)
    assert clips[0].item.blob.path == tmp_path / "a.mp4" and clips[0].item.locator.seconds == (0.0, 3.0)
    assert all(p.preview for p in clips[:2])


def test_a_recording_that_is_named_like_a_film_is_a_recording(tmp_path: Path):
    soundfile.write(tmp_path / "a.wav", tone(2), RATE)
    (tmp_path / "a.wav").rename(tmp_path / "a.mp4")
    _, facts = read(tmp_path / "a.mp4")
    assert (facts.kind, facts.reader) == ("audio", "audio/2") and facts.meta["seconds"] == 2.0


def test_a_film_that_breaks_off_gives_what_comes_before(tmp_path: Path):
    film(tmp_path / "a.mkv", [(busy(i), 0.5) for i in range(40)])
    data = (tmp_path / "a.mkv").read_bytes()
    (tmp_path / "a.mkv").write_bytes(data[: len(data) // 2])
    assert 0 < len(spans(tmp_path / "a.mkv")) < 3


def test_a_film_without_a_frame_is_damaged(tmp_path: Path):
    film(tmp_path / "a.mkv", [(busy(1), 1)])
    data = (tmp_path / "a.mkv").read_bytes()
    at = data.index(b"\x1f\x43\xb6\x75")  # the first cluster of frames
    (tmp_path / "a.mkv").write_bytes(data[: at + 12])
    with pytest.raises(ReadError, match="no frame") as caught:
        read(tmp_path / "a.mkv")
    assert caught.value.failure == "decode"


def test_frames_that_are_too_large_are_refused(tmp_path: Path):
    film(tmp_path / "a.mp4", [(SHADES[0], 1)])
    with pytest.raises(ReadError) as caught:
        read(tmp_path / "a.mp4", replace(BARE, limits=Limits(pixels=1000)))
    assert caught.value.failure == "too_big"


@pytest.mark.slow
def test_words_on_slides_come_once_with_their_seconds(tmp_path: Path):
    slides = [(picture("Budget of the bee club", (640, 360)), 20), (picture("Thank you all", (640, 360)), 5)]
    film(tmp_path / "a.mp4", slides)
    passages, _ = read(tmp_path / "a.mp4", Options(speech=False, window_seconds=2))
    found = [(p.item.text, p.item.locator.seconds) for p in passages if isinstance(p.item, Text)]
    assert [text for text, _ in found] == ["Budget of the bee club", "Thank you all"]
    assert found[0][1] is not None and found[1][1] is not None
    assert found[0][1][0] == 0 and abs(found[1][1][0] - 20) < 0.6
    assert {(p.kind, p.origin) for p in passages} == {("video", "ocr")} and all(p.preview for p in passages)


@pytest.mark.slow
def test_what_is_said_in_a_film_has_its_second_and_shows_what_is_seen(tmp_path: Path, data: Path):
    clip, _ = soundfile.read(data / "speech_clips" / "spk1_snt5.wav", dtype="float32")
    track = np.zeros(12 * RATE, np.float32)
    track[7 * RATE : 7 * RATE + clip.size] = clip
    film(tmp_path / "a.mp4", [(SHADES[0], 5), (SHADES[2], 7)], track)
    passages, facts = read(tmp_path / "a.mp4", Options(ocr=False, wants=frozenset({"text", "image"})))
    (said,) = (p for p in passages if p.origin == "speech")
    assert isinstance(said.item, Text) and "Sunday" in said.item.text and said.kind == "video"
    assert said.item.locator.seconds is not None and abs(said.item.locator.seconds[0] - 7) < 0.6
    shown = {p.item.locator.seconds: p.preview for p in passages if p.origin == "pixels"}
    assert said.preview == list(shown.values())[1]
    assert facts.language == "en"
