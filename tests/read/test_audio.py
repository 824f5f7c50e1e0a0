from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from made import tone

from samespace.errors import ReadError
from samespace.items import Audio, Text
from samespace.read import media
from samespace.read.audio import READER, Spans, read_sound
from samespace.read.media import RATE
from samespace.read.protocol import Facts, Options, Passage, Reader

DEAF = Options(speech=False)


def read(path: Path, options: Options = DEAF, mime: str = "audio/wav") -> tuple[list[Passage], Facts]:
    made = list(READER.read(path, mime, options))
    (facts,) = (m for m in made if isinstance(m, Facts))
    return [m for m in made if isinstance(m, Passage)], facts


def test_it_is_a_reader():
    assert isinstance(READER, Reader)


def test_facts(tmp_path: Path):
    with soundfile.SoundFile(tmp_path / "a.flac", "w", 44_100, 2, format="FLAC") as file:
        file.title, file.artist = "Rain on  the roof", "Jane"
        file.write(np.zeros((44_100 * 3, 2), np.float32))
    passages, facts = read(tmp_path / "a.flac", mime="audio/flac")
    assert passages == []
    assert facts.meta == {"title": "Rain on the roof", "artist": "Jane", "seconds": 3.0, "rate": 44_100, "channels": 2}
    assert (facts.title, facts.kind, facts.mime, facts.reader) == ("Rain on the roof", "audio", "audio/flac", "audio/2")
    assert facts.notes == ("speech was not heard: it is off",)


@pytest.mark.parametrize(
    ("seconds", "windows"),
    [(9.0, [None]), (10.3, [None]), (25.0, [(0, 10), (10, 20), (20, 25)]), (20.3, [(0, 10), (10, 20.3)])],
)
def test_windows_of_sound_cover_it_all(tmp_path: Path, seconds: float, windows: list[tuple[float, float] | None]):
    soundfile.write(tmp_path / "a.wav", tone(seconds), RATE)
    passages, _ = read(tmp_path / "a.wav", replace(DEAF, wants=frozenset({"audio"})))
    assert [p.item.locator.seconds for p in passages] == windows
    assert all(isinstance(p.item, Audio) and p.item.blob.path == tmp_path / "a.wav" for p in passages)
    assert {(p.kind, p.origin) for p in passages} == {("audio", "sound")}
    assert len({p.item.digest() for p in passages}) == len(windows)


@pytest.mark.parametrize(
    ("said", "windows"),
    [
        ([], [(0, 10), (10, 20), (20, 25)]),
        ([(1.0, 9.0)], [(10, 20), (20, 25)]),
        ([(1.0, 5.9), (14.0, 21.0), (21.5, 25.0)], [(0, 10)]),
    ],
)
def test_windows_in_which_people_speak_are_left_to_their_words(tmp_path: Path, said: Spans, windows: Spans):
    soundfile.write(tmp_path / "a.wav", tone(25.0), RATE)
    with media.opened(tmp_path / "a.wav", DEAF.limits) as container:
        tracks = media.tracks(container, DEAF.limits)
    wants = replace(DEAF, wants=frozenset({"audio"}))
    assert [p.item.locator.seconds for p in read_sound(tmp_path / "a.wav", tracks, "audio", wants, said)] == windows


def test_kinds_of_sound_that_are_not_read(tmp_path: Path):
    (tmp_path / "a.mid").write_bytes(b"MThd")
    with pytest.raises(ReadError, match="audio/midi") as caught:
        read(tmp_path / "a.mid", mime="audio/midi")
    assert caught.value.failure == "unsupported"


def test_without_weights_the_file_is_still_listed_and_says_why(tmp_path: Path):
    soundfile.write(tmp_path / "a.wav", tone(1), RATE)
    passages, facts = read(tmp_path / "a.wav", Options(speech_weights=str(tmp_path)))
    assert passages == [] and facts.meta["seconds"] == 1.0
    (note,) = facts.notes
    assert "speech was not heard" in note and "no folder of a CTranslate2 Whisper model" in note


@pytest.mark.slow
@pytest.mark.parametrize("sound", ["silence", "hiss", "tone"])
def test_nothing_is_heard_where_nothing_is_said(tmp_path: Path, sound: str):
    made = {
        "silence": np.zeros(20 * RATE, np.float32),
        "hiss": np.random.default_rng(0).normal(0, 0.05, 20 * RATE).astype(np.float32),
        "tone": tone(20),
    }[sound]
    soundfile.write(tmp_path / "a.wav", made, RATE)
    passages, facts = read(tmp_path / "a.wav", Options())
    assert passages == []
    assert facts.notes == ("no speech was heard",)


@pytest.mark.slow
def test_every_clip_is_heard_word_for_word(data: Path):
    """Eight real voices: the word error rate over all, and seconds that lie within the clip."""
    import re

    import pyarrow.parquet as pq

    wrong = count = 0
    for row in pq.read_table(data / "speech_clips" / "manifest.parquet").to_pylist():
        passages, facts = read(data / "speech_clips" / row["file"], Options())
        assert facts.meta["seconds"] == pytest.approx(row["seconds"], abs=0.05)
        heard = " ".join(p.item.text for p in passages if isinstance(p.item, Text))
        said, got = (re.findall(r"[a-z']+", t.lower()) for t in (row["text"], heard))
        wrong, count = wrong + edits(said, got), count + len(said)
        for passage in passages:
            start, end = passage.item.locator.seconds or (-1, -1)
            assert 0 <= start < end <= row["seconds"] + 0.05
            assert (passage.kind, passage.origin, passage.language) == ("audio", "speech", "en")
    assert wrong / count < 0.05


def edits(a: list[str], b: list[str]) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row, before = [i], row
        for j, y in enumerate(b, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (x != y)))
    return row[-1]


@pytest.mark.slow
def test_what_is_said_is_found_at_its_second(tmp_path: Path, data: Path):
    """Two clips with silence around them: each at the second where it was put."""
    clips = [soundfile.read(data / "speech_clips" / f"spk1_snt{i}.wav", dtype="float32")[0] for i in (1, 5)]
    track = np.zeros(40 * RATE, np.float32)
    for clip, second in zip(clips, (8, 25), strict=True):
        track[second * RATE : second * RATE + clip.size] = clip
    soundfile.write(tmp_path / "a.wav", track, RATE)
    passages, facts = read(tmp_path / "a.wav", Options())
    found = [(p.item.text, p.item.locator.seconds) for p in passages if isinstance(p.item, Text)]
    assert len(found) == 2
    for (text, seconds), word, second in zip(found, ("dog", "Sunday"), (8, 25), strict=True):
        assert word in text
        assert seconds is not None and abs(seconds[0] - second) < 0.6 and seconds[1] < second + 3.5
    assert facts.language == "en" and "English only" in str(facts.meta["speech_model"])
