"""Speech in recordings and films: sentences, and the seconds in which they are said.

faster-whisper (extra `speech`) on one thread in 8-bit arithmetic. Silence and noise are cut away first by its
voice-activity model; sentences that a speech model makes up for want of speech are dropped by its own doubts.

Long recordings are heard in stretches of some minutes, cut where it is quietest, so that memory stays small. Decoding
is greedy over beams without sampling: the same bytes give the same words.

Knows nothing of files. Imports faster_whisper and numpy where they are used. Letters: n samples.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from samespace.errors import SamespaceError
from samespace.read import whisper
from samespace.read.budget import Budget
from samespace.read.media import RATE

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Heard", "Listener", "joined", "listener", "sentences"]

_STRETCH = 300  # seconds that are heard at a time
_SEARCH = 30  # seconds before its end in which the quietest place is looked for
_PART = 28.0  # seconds that are heard in one piece at most: a Whisper model takes 30
_NEAR = 1.0  # seconds of silence within one piece at most
_TELLING = 4.0  # seconds of speech that tell its language
_BLIP = 0.1  # seconds: shorter sound is not looked at
_QUIET = 0.0005  # root of the mean square, of a whole stretch: nothing but silence
# When the model's doubts outweigh what it wrote (the first three are Whisper's own rules).
_NO_SPEECH, _UNSURE, _REPETITIVE, _WORTHLESS = 0.6, -1.0, 2.4, -1.5
_FOREIGN = -0.95  # for a model that knows English only: another language is likelier than a bad recording
_ENDS = (".", "!", "?", "…", "。", "！", "？", "।", "؟")
_SHORT, _LONG = 60, 300  # letters: shorter passages take the next sentence in, longer ones end at any pause
_REST = 20  # letters: a rest this short goes with what was said before
_ENOUGH = 12.0  # seconds: a passage this long takes nothing more in, sentence or not
_PAUSE = 1.5  # seconds of silence that end a passage


@dataclass(frozen=True)
class Heard:
    """Something that was said.

    Attributes:
        text: in words.
        start: second in which it begins.
        end: second in which it ends.
        language: BCP 47 tag.
    """

    text: str
    start: float
    end: float
    language: str


@dataclass
class Listener:
    """A speech model, ready.

    Attributes:
        name: of the model.
        any_language: False for a model that knows English only.
    """

    name: str
    any_language: bool
    _model: Any

    def hear(self, sound: Iterable["np.ndarray"], budget: Budget, notes: list[str]) -> Iterator[Heard]:
        """Turn sound at 16,000 samples a second into passages of one to three sentences.

        Stops early when the file's time is used up, and says so in `notes`.
        """
        some, doubted = False, list[float]()
        for heard in sentences(self._segments(sound, budget, notes, doubted)):
            some = True
            yield replace(heard, start=round(heard.start, 2), end=round(heard.end, 2))
        if doubted:
            why = "" if self.any_language else ": the speech model knows English only; name the folder of another"
            notes.append(f"{len(doubted)} part{'s' * (len(doubted) > 1)} of the speech not understood{why}")
        elif not some and not notes:
            notes.append("no speech was heard")

    def _segments(
        self, sound: Iterable["np.ndarray"], budget: Budget, notes: list[str], doubted: list[float]
    ) -> Iterator[Heard]:
        """What the model hears; the seconds of its doubtful parts go to `doubted`.

        Each part that is spoken without a pause is heard alone: were silence only taken out, the model would hear
        what was said before and after it as one sentence.
        """
        language: str | None = None if self.any_language else "en"
        for begin, part in _spoken(_stretches(sound)):
            if budget.spent():
                clock = f"{int(begin) // 60}:{int(begin) % 60:02}"
                notes.append(f"speech after {clock} was not heard: the time for one file is over")
                return
            length = part.size / RATE
            if self.any_language and length >= _TELLING:
                language = None  # it may have changed
            segments, info = self._model.transcribe(
                part,
                language=language,
                beam_size=5,
                temperature=0.0,
                condition_on_previous_text=False,
                vad_filter=False,
                word_timestamps=True,  # 3 % more time, and sentences inside a segment get seconds of their own
            )
            language = info.language
            for segment in segments:
                if _made_up(segment, _WORTHLESS if self.any_language else _FOREIGN):
                    doubted.append(begin + segment.start)
                else:
                    yield from _cut(segment.words, begin, length, info.language)


@cache
def listener(folder: str | None) -> Listener | str:
    """The speech model of this process, or why there is none, with the mend."""
    try:
        weights = whisper.find(folder)
        from faster_whisper import WhisperModel

        model = WhisperModel(
            str(weights.folder), device="cpu", compute_type="int8", cpu_threads=1, num_workers=1, local_files_only=True
        )
    except (SamespaceError, ImportError, RuntimeError, ValueError, OSError) as err:
        return "speech was not heard: " + " – ".join(str(err).splitlines())
    return Listener(weights.name, bool(model.model.is_multilingual), model)


def sentences(segments: Iterable[Heard]) -> Iterator[Heard]:
    """Join segments until a sentence ends, there is a pause, or it gets long."""
    held: Heard | None = None
    for segment in segments:
        if held is not None and _parted(held, segment):
            yield held
            held = None
        held = segment if held is None else _joined(held, segment)
    if held is not None:
        yield held


def _cut(words: Iterable[Any], begin: float, length: float, language: str) -> Iterator[Heard]:
    """Words with their seconds, cut where a sentence ends; seconds stay within the part that was heard."""
    held: list[Any] = []
    for word in words:
        held.append(word)
        if word.word.rstrip().endswith(_ENDS):
            yield from _whole(held, begin, length, language)
            held = []
    yield from _whole(held, begin, length, language)


def _whole(words: list[Any], begin: float, length: float, language: str) -> Iterator[Heard]:
    text = " ".join("".join(word.word for word in words).split())
    if text:
        start = min(max(0.0, float(words[0].start)), length)
        yield Heard(text, begin + start, begin + min(max(start, float(words[-1].end)), length), language)


def _joined(first: Heard, second: Heard) -> Heard:
    space = "" if first.language in ("zh", "ja", "th", "yue") else " "
    return replace(first, text=first.text + space + second.text, end=second.end)


def _parted(before: Heard, after: Heard) -> bool:
    complete = before.text.endswith(_ENDS) and len(before.text) >= _SHORT and len(after.text) >= _REST
    long = len(before.text) + len(after.text) > _LONG or before.end - before.start >= _ENOUGH
    return complete or long or after.start - before.end > _PAUSE


def _made_up(segment: Any, worthless: float) -> bool:
    """True if the model itself doubts it: likely silence, or the same words over and over."""
    if segment.no_speech_prob > _NO_SPEECH and segment.avg_logprob < _UNSURE:
        return True
    return bool(segment.compression_ratio > _REPETITIVE or segment.avg_logprob < worthless)


def _spoken(stretches: Iterable[tuple[float, "np.ndarray"]]) -> Iterator[tuple[float, "np.ndarray"]]:
    """(second in which it begins, samples (n,)) of the parts in which somebody speaks, at most half a minute each."""
    import numpy as np
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    options = VadOptions(min_silence_duration_ms=500, speech_pad_ms=200, max_speech_duration_s=_PART)
    for second, sound in stretches:
        if sound.size < _BLIP * RATE or float(np.sqrt(np.mean(np.square(sound)))) < _QUIET:
            continue
        spoken = [(int(t["start"]), int(t["end"])) for t in get_speech_timestamps(sound, options)]
        for begin, end in joined(spoken, int(_NEAR * RATE), int(_PART * RATE)):
            yield second + begin / RATE, sound[begin:end]


def joined(ranges: Iterable[tuple[int, int]], near: int, longest: int) -> Iterator[tuple[int, int]]:
    """Ranges in order, those less than `near` apart put together as long as they are at most `longest`."""
    held: tuple[int, int] | None = None
    for begin, end in ranges:
        if held is not None and begin - held[1] < near and end - held[0] <= longest:
            held = held[0], end
            continue
        if held is not None:
            yield held
        held = begin, end
    if held is not None:
        yield held


def _stretches(sound: Iterable["np.ndarray"]) -> Iterator[tuple[float, "np.ndarray"]]:
    """(second in which it begins, samples (n,)) of stretches of about five minutes, cut where it is quiet."""
    import numpy as np

    held: list[np.ndarray] = []
    length = begin = 0
    for block in sound:
        held.append(block)
        length += block.size
        while length >= _STRETCH * RATE:
            whole = np.concatenate(held)
            cut = _quietest(whole[: _STRETCH * RATE])
            yield begin / RATE, whole[:cut]
            held, length, begin = [whole[cut:]], length - cut, begin + cut
    if length:
        yield begin / RATE, np.concatenate(held)


def _quietest(sound: "np.ndarray") -> int:
    """The middle of the quietest fifth of a second near the end: an index into the samples (n,)."""
    import numpy as np

    step = RATE // 5
    first = max(0, sound.size - _SEARCH * RATE)
    windows = sound[first : first + (sound.size - first) // step * step].reshape(-1, step)
    return first + int(np.square(windows).mean(axis=1).argmin()) * step + step // 2
