"""A film by the default model: moments by their picture, by their sound and by what is said, in one index."""

import json
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from PIL import Image

LIBRARY = Path(__file__).parents[2] / "examples" / "library"
RATE = 16_000


def samespace(*args: str) -> str:
    done = subprocess.run([sys.executable, "-m", "samespace", *args], capture_output=True, encoding="utf-8")
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


def heard(name: str) -> np.ndarray:
    made, rate = soundfile.read(LIBRARY / "recordings" / name, dtype="float32")
    assert rate == RATE
    return np.asarray(made)


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    """Ten seconds of bowling while people speak, ten of a paddler while a rooster crows; beside it a note."""
    folder = tmp_path_factory.mktemp("films")
    sound = np.zeros(20 * RATE, np.float32)
    spoken = np.concatenate([heard("memo-2.wav"), heard("memo-4.wav"), heard("memo-6.wav")])
    crows = np.tile(heard("REC_0007.ogg"), 2)
    sound[RATE : RATE + len(spoken)] = spoken
    sound[10 * RATE : 10 * RATE + len(crows)] = crows[: 10 * RATE]
    with av.open(str(folder / "a.mp4"), "w") as out:
        video = out.add_stream("h264", rate=5)
        video.width, video.height, video.pix_fmt = 640, 360, "yuv420p"
        audio = out.add_stream("aac", rate=RATE)
        for name in ("bowling.jpg", "IMG_2063.jpg"):
            still = Image.open(LIBRARY / "photos" / name).convert("RGB").resize((640, 360))
            for _ in range(50):
                out.mux(video.encode(av.VideoFrame.from_image(still)))
        out.mux(video.encode())
        frame = av.AudioFrame.from_ndarray(sound[None], "fltp", "mono")
        frame.sample_rate, frame.pts = RATE, 0
        out.mux(audio.encode(frame))
        out.mux(audio.encode())
    (folder / "note.txt").write_text("The ferry leaves the harbour at ten and comes back in the evening.")
    samespace("index", str(folder), "--index", str(folder / ".index"))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "origin", "place"),
    [
        ("people bowling", "pixels", "00:00"),
        ("paddling on the water", "pixels", "00:10"),
        ("a rooster crows", "sound", "00:10"),
        ("who used up all the pencils", "speech", "00:06"),
    ],
)
def test_a_moment_is_found_by_its_picture_its_sound_and_its_words(film, asked, origin, place) -> None:
    first = json.loads(samespace("search", asked, "--index", str(film / ".index"), "--json").splitlines()[0])
    assert Path(first["path"]).name == "a.mp4"
    assert (first["origin"], first["place"].startswith(place)) == (origin, True)
