from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from made import film, gradient, tone

from samespace.errors import ReadError
from samespace.read.media import RATE, cover, opened, samples, tracks
from samespace.read.protocol import Limits

LIMITS = Limits()


def look(path: Path, limits: Limits = LIMITS):
    with opened(path, limits) as container:
        return tracks(container, limits)


def whole(path: Path) -> np.ndarray:
    return np.concatenate(list(samples(path, LIMITS)))


def pitch(sound: np.ndarray) -> float:
    return float(np.abs(np.fft.rfft(sound)).argmax() * RATE / sound.size)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.wav", "PCM_16"), ("a.wav", "FLOAT"), ("a.flac", "PCM_24"), ("a.ogg", "VORBIS"), ("a.mp3", "MPEG_LAYER_III"),
     ("a.aiff", "PCM_16")],
)  # fmt: skip
def test_sound_of_any_format_at_the_rate_that_models_take(tmp_path: Path, name: str, kind: str):
    stereo = np.stack([tone(2, 44_100), tone(2, 44_100)], 1)
    soundfile.write(tmp_path / name, stereo, 44_100, subtype=kind)
    found = look(tmp_path / name)
    assert (found.film, found.sound, found.rate, found.channels) == (False, True, 44_100, 2)
    assert found.seconds == pytest.approx(2, abs=0.1)
    sound = whole(tmp_path / name)
    assert sound.dtype == np.float32 and sound.size == pytest.approx(2 * RATE, abs=0.1 * RATE)
    assert pitch(sound) == pytest.approx(440, abs=2)
    assert np.abs(sound[2000:-2000]).max() == pytest.approx(0.3, abs=0.03)


def test_long_sound_comes_in_blocks_and_nothing_is_lost(tmp_path: Path):
    ramp = np.linspace(-0.5, 0.5, 70 * RATE, dtype=np.float32)
    soundfile.write(tmp_path / "a.wav", ramp, RATE, subtype="FLOAT")
    blocks = list(samples(tmp_path / "a.wav", LIMITS))
    assert len(blocks) == 3
    np.testing.assert_allclose(np.concatenate(blocks), ramp, atol=1e-6)


def test_a_name_means_nothing(tmp_path: Path):
    path = tmp_path / "http: concat\n|x.mp4"
    soundfile.write(tmp_path / "a.wav", tone(1), RATE)
    (tmp_path / "a.wav").rename(path)
    assert look(path).sound


def test_play_lists_are_not_followed(tmp_path: Path):
    soundfile.write(tmp_path / "secret.wav", tone(1), RATE)
    (tmp_path / "a.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.wav\n#EXT-X-ENDLIST\n")
    (tmp_path / "b.txt").write_text(f"ffconcat version 1.0\nfile '{tmp_path}/secret.wav'\n")
    for name in ("a.m3u8", "b.txt"):
        with pytest.raises(ReadError) as caught:
            look(tmp_path / name)
        assert caught.value.failure == "decode"


def test_films(tmp_path: Path):
    film(tmp_path / "a.mp4", [(gradient((160, 120)), 2)], tone(2))
    found = look(tmp_path / "a.mp4")
    assert (found.film, found.sound, found.width, found.height, found.fps) == (True, True, 160, 120, 10.0)
    assert pitch(whole(tmp_path / "a.mp4")) == pytest.approx(440, abs=3)


def test_sound_that_begins_late_keeps_its_seconds(tmp_path: Path):
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        track = container.add_stream("flac", rate=RATE, layout="mono")
        for _ in range(60):
            container.mux(stream.encode(av.VideoFrame.from_image(gradient())))
        container.mux(stream.encode(None))
        sound = (tone(3) * 32_767).astype(np.int16)
        for at in range(0, sound.size, 4096):
            frame = av.AudioFrame.from_ndarray(sound[None, at : at + 4096], format="s16", layout="mono")
            frame.sample_rate, frame.pts = RATE, at + 2 * RATE
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
    sound = whole(tmp_path / "a.mkv")
    begin = float((np.abs(sound) > 0.05).argmax()) / RATE
    assert begin == pytest.approx(2.0, abs=0.1)


def test_the_cover_of_an_album_is_no_film(tmp_path: Path):
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        track = container.add_stream("aac", rate=RATE, layout="mono")
        front = container.add_stream("mjpeg", rate=1)
        front.width, front.height, front.pix_fmt = 64, 48, "yuvj420p"
        front.disposition = av.stream.Disposition.attached_pic
        container.mux(front.encode(av.VideoFrame.from_image(gradient())))
        container.mux(front.encode(None))
        frame = av.AudioFrame.from_ndarray(tone(1)[None, :1024], format="fltp", layout="mono")
        frame.sample_rate = RATE
        container.mux(track.encode(frame))
        container.mux(track.encode(None))
    found = look(tmp_path / "a.mp4")
    assert found.sound and not found.film
    with opened(tmp_path / "a.mp4", LIMITS) as container:
        front = cover(container)
        assert front is not None and front.size == (64, 48)


def test_a_recording_that_breaks_off_gives_what_comes_before(tmp_path: Path):
    soundfile.write(tmp_path / "a.flac", np.random.default_rng(0).normal(0, 0.1, 4 * RATE), RATE)
    data = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(data[: len(data) // 2])
    assert 1 * RATE < whole(tmp_path / "a.flac").size < 3 * RATE


@pytest.mark.parametrize("data", [b"RIFF\x24\0\0\0WAVEfmt ", b"fLaC" + b"\xff" * 500, b"\0" * 4000])
def test_damaged_files_are_read_errors(tmp_path: Path, data: bytes):
    (tmp_path / "a.wav").write_bytes(data)
    with pytest.raises(ReadError) as caught:
        look(tmp_path / "a.wav")
    assert caught.value.failure == "decode"


def test_too_long_is_refused_by_the_header(tmp_path: Path):
    soundfile.write(tmp_path / "a.wav", tone(3), RATE)
    with pytest.raises(ReadError) as caught:
        look(tmp_path / "a.wav", replace(LIMITS, seconds=2))
    assert caught.value.failure == "too_big"


def test_too_long_is_noticed_without_a_header(tmp_path: Path):
    soundfile.write(tmp_path / "a.wav", tone(40), RATE)
    with pytest.raises(ReadError, match="of sound") as caught:
        list(samples(tmp_path / "a.wav", replace(LIMITS, seconds=2)))
    assert caught.value.failure == "too_big"


def test_a_file_that_is_gone_has_vanished(tmp_path: Path):
    with pytest.raises(ReadError) as caught:
        look(tmp_path / "nothing.wav")
    assert caught.value.failure == "vanished"
