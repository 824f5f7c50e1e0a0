"""Recordings: what is said in them and when, their sound in windows, and what the file says of itself.

Knows nothing of models of sound. Uses media, speech.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from samespace.errors import ReadError
from samespace.items import Audio, Blob, Locator, Text
from samespace.read import media
from samespace.read.budget import Budget
from samespace.read.preview import preview
from samespace.read.protocol import Facts, Kind, Options, Passage
from samespace.read.speech import listener

__all__ = ["READER", "AudioReader", "Spans", "facts_of", "read_sound", "read_speech"]

_KINDS = (
    *("wav", "flac", "mpeg", "ogg", "mp4", "aac", "aiff", "amr", "basic", "ac3", "webm"),
    *("x-caf", "x-wavpack", "x-ape", "x-tta", "x-matroska", "x-ms-wma", "x-flv"),
)
Spans = list[tuple[float, float]]
"""(from, to) in seconds."""
_LEAST = 0.5  # seconds that a last window has; less is joined to the one before


class AudioReader:
    """Recordings of the formats that FFmpeg reads."""

    name = "audio"
    version = 2
    mimes = frozenset(f"audio/{kind}" for kind in _KINDS)

    def read(self, path: Path, mime: str, options: Options) -> Iterator[Passage | Facts]:
        """Yield what is said, windows of sound, then Facts."""
        if mime.startswith("audio/") and mime not in self.mimes:
            raise ReadError("unsupported", f"sound of the kind {mime} is not read", "Save it as FLAC, MP3 or OGG")
        budget = Budget(options.limits)
        yield from budget.watch(self._read(path, mime, options, budget))

    def _read(self, path: Path, mime: str, options: Options, budget: Budget) -> Iterator[Passage | Facts]:
        notes: list[str] = []
        with media.opened(path, options.limits) as container:
            tracks = media.tracks(container, options.limits)
            front = media.cover(container)
        small = preview(front) if front else None
        meta = facts_of(tracks)
        said: Spans = []
        yield from read_speech(path, tracks, "audio", options, budget, notes, meta, {}, said)
        yield from read_sound(path, tracks, "audio", options, said)
        yield Facts(
            mime=mime,
            kind="audio",
            reader=f"{self.name}/{self.version}",
            title=(tracks.tags or {}).get("title"),
            language=str(meta["language"]) if "language" in meta else None,
            meta=meta,
            notes=tuple(notes),
            preview=small,
        )


def facts_of(tracks: media.Tracks) -> dict[str, str | int | float]:
    """What is worth finding and filtering by."""
    found: dict[str, str | int | float] = dict(tracks.tags or {})
    if tracks.seconds is not None:
        found["seconds"] = round(tracks.seconds, 2)
    if tracks.sound:
        found |= {"rate": tracks.rate, "channels": tracks.channels}
    if tracks.film:
        found |= {"width": tracks.width, "height": tracks.height, "fps": tracks.fps}
    return found


def read_sound(path: Path, tracks: media.Tracks, kind: Kind, options: Options, said: Spans) -> Iterator[Passage]:
    """Windows of the sound for a model that hears, if one wants them. The bytes stay in the file.

    A window in which people speak for more than half of the time is left out: it is found by what they say, and among
    sounds a voice is like any other.
    """
    if "audio" not in options.wants or not tracks.sound:
        return
    if not tracks.seconds or tracks.seconds <= options.window_seconds + _LEAST:
        if not _spoken(said, 0.0, tracks.seconds):
            yield Passage(Audio(Blob(path=path), Locator(path=str(path))), kind, "sound")
        return
    start = 0.0
    while start < tracks.seconds:
        end = start + options.window_seconds
        if tracks.seconds - end < _LEAST:
            end = tracks.seconds
        place = Locator(path=str(path), seconds=(round(start, 2), round(end, 2)))
        if not _spoken(said, start, end):
            yield Passage(Audio(Blob(path=path), place), kind, "sound")
        start = end


def _spoken(said: Spans, start: float, end: float | None) -> bool:
    """Whether people speak for more than half of the time; a recording of unknown length counts as long as speech."""
    end = max((to for _, to in said), default=start) if end is None else end
    return sum(max(0.0, min(to, end) - max(at, start)) for at, to in said) > (end - start) / 2


def read_speech(
    path: Path,
    tracks: media.Tracks,
    kind: Kind,
    options: Options,
    budget: Budget,
    notes: list[str],
    meta: dict[str, str | int | float],
    previews: Mapping[float, bytes],
    said: Spans,
) -> Iterator[Passage]:
    """What is said, with its seconds, which go to `said`. Why nothing is goes to `notes`, model and language to `meta`.

    `previews` holds small pictures of a film by the second from which on each shows what is seen.
    """
    if not tracks.sound:
        return
    if options.speech is False:
        notes.append("speech was not heard: it is off")
        return
    model = listener(options.speech_weights)
    if isinstance(model, str):
        notes.append(model)
        return
    meta["speech_model"] = model.name if model.any_language else f"{model.name} (English only)"
    letters: Counter[str] = Counter()
    for heard in model.hear(media.samples(path, options.limits), budget, notes):
        letters[heard.language] += len(heard.text)
        said.append((heard.start, heard.end))
        place = Locator(path=str(path), seconds=(heard.start, heard.end))
        seen = previews.get(max((s for s in previews if s <= heard.start), default=-1.0))
        yield Passage(Text(heard.text, place), kind, "speech", language=heard.language, preview=seen)
    if letters:
        meta["language"] = letters.most_common(1)[0][0]


READER = AudioReader()
