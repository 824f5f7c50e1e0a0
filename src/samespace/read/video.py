"""Films: as moments that begin where the picture changes, the words in them, and what is said and when.

Frames are looked at where that is cheap: at the key frames, which encoders set where a scene begins, and only if those
are too far apart at all frames. Of each moment the sharpest frame that was seen stands for it.

A file that is named like a film and has sound only is read as a recording.

Knows nothing of models. Uses audio, media, ocr, preview.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samespace.errors import ReadError
from samespace.items import Blob, Image, Locator, Text, Video
from samespace.read import language, media, ocr
from samespace.read.audio import READER as RECORDINGS
from samespace.read.audio import Spans, facts_of, read_sound, read_speech
from samespace.read.budget import Budget
from samespace.read.charset import clean
from samespace.read.preview import preview, shrunk, webp
from samespace.read.protocol import Facts, Options, Passage

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image as Picture

__all__ = ["READER", "Moment", "VideoReader", "moments"]

_KINDS = (
    *(
        "mp4",
        "quicktime",
        "webm",
        "mpeg",
        "mp2t",
        "ogg",
        "3gpp",
        "x-matroska",
        "x-msvideo",
        "x-ms-wmv",
        "x-flv",
        "x-m4v",
    ),
)
_SIDE = 1024  # pixels of the long side of what a model of pictures gets
_GLANCE = 64  # pixels: frames are compared this small
_CUT = 0.12  # mean difference of greys, as a share, from which on it is another picture; a pan stays below
_TOUCHED = 0.06  # difference of one grey, as a share, that no codec makes by itself
_OTHER = 0.006  # share of greys touched from which on a picture that stood still is another: the words on a slide
_SHORTEST = 1.5  # seconds of a moment; flashes and quick cuts do not begin one
_STILLS = 6  # windows that a still picture may last as one moment
_BRIEF = 120.0  # seconds: a film this short is decoded whole
_SPARSE = 12.0  # seconds between key frames beyond which a film is decoded whole, too
_SHARE = 0.4  # of the time for one file that may go into looking; the rest is for listening
_STEP = 0.5  # seconds between frames that are looked at


@dataclass
class Moment:
    """A stretch of film that shows one thing.

    Attributes:
        start: second in which it begins.
        end: second in which it ends.
        frame: the sharpest that was seen, RGB, at most 2000 px.
    """

    start: float
    end: float
    frame: "Picture"


class VideoReader:
    """Films of the formats that FFmpeg reads."""

    name = "video"
    version = 2
    mimes = frozenset(f"video/{kind}" for kind in _KINDS)

    def read(self, path: Path, mime: str, options: Options) -> Iterator[Passage | Facts]:
        """Yield moments and their words, speech, sound, then Facts."""
        if mime not in self.mimes:
            raise ReadError("unsupported", f"films of the kind {mime} are not read", "Save it as MP4")
        with media.opened(path, options.limits) as container:
            tracks = media.tracks(container, options.limits)
        if not tracks.film:
            yield from RECORDINGS.read(path, mime, options)
            return
        budget = Budget(options.limits)
        yield from budget.watch(self._read(path, mime, tracks, options, budget))

    def _read(
        self, path: Path, mime: str, tracks: media.Tracks, options: Options, budget: Budget
    ) -> Iterator[Passage | Facts]:
        notes, shown = list[str](), dict[float, bytes]()
        meta = facts_of(tracks)
        looking = Budget(options.limits, _SHARE)
        yield from looking.watch(_seen(path, options, looking, notes, shown))
        said: Spans = []
        yield from read_speech(path, tracks, "video", options, budget, notes, meta, shown, said)
        yield from read_sound(path, tracks, "video", options, said)
        yield Facts(
            mime=mime,
            kind="video",
            reader=f"{self.name}/{self.version}",
            title=(tracks.tags or {}).get("title"),
            language=str(meta["language"]) if "language" in meta else None,
            meta=meta | {"moments": len(shown)},
            notes=tuple(notes),
            preview=next(iter(shown.values()), None),
        )


def _seen(
    path: Path, options: Options, budget: Budget, notes: list[str], shown: dict[float, bytes]
) -> Iterator[Passage]:
    """Passages of what is to be seen; small pictures go to `shown` by the second in which each begins."""
    absent = ocr.missing() if options.ocr else "OCR is off"
    if absent:
        notes.append(f"words in the picture were not read: {absent}")
    last: set[str] = set()
    for moment in moments(path, options, budget, notes):
        small = preview(moment.frame)
        place = Locator(path=str(path), seconds=(moment.start, moment.end))
        shown[moment.start] = small
        if "video" in options.wants:
            yield Passage(Video(Blob(path=path), place), "video", "pixels", preview=small)
        elif "image" in options.wants:
            yield Passage(Image(Blob(data=webp(moment.frame, _SIDE)), place), "video", "pixels", preview=small)
        if absent or budget.spent():
            continue
        lines = ocr.read_lines(moment.frame)
        words = {word for line in lines for word in line.text.casefold().split()}
        if not words or len(words & last) >= 0.8 * len(words | last):  # the same as a moment ago
            continue
        last = words
        for block in ocr.blocks(lines, options.passage_chars):
            spot = Locator(place.path, None, place.seconds, None, block.box)
            tongue = language.guess(block.text)
            yield Passage(Text(clean(block.text), spot), "video", "ocr", language=tongue, preview=small)


def moments(path: Path, options: Options, budget: Budget, notes: list[str]) -> Iterator[Moment]:
    """Cut a film where its picture changes, and at least every window unless the picture stands still.

    Raises:
        ReadError: decode, if not one frame can be read.
    """
    maker = _Cutter(options.window_seconds)
    end = 0.0
    some = False
    for second, frame in _frames(path, options, key_frames=not _all_frames(path, options)):
        if budget.spent():
            notes.append(f"the picture after {int(second) // 60}:{int(second) % 60:02} was not looked at: "
                         "the time for one file is over")  # fmt: skip
            break
        some, end = True, second
        yield from maker.add(second, frame)
    else:
        end = max(end, _length(path, options) or 0.0)
    if not some:
        raise ReadError(
            "decode", "no frame of the film can be decoded", "Play it with another program, then convert it"
        )
    yield from maker.close(end)


class _Cutter:
    """Takes frames in order, gives Moments as they end."""

    def __init__(self, window: float) -> None:
        self.window = window
        self.start = 0.0
        self.first: np.ndarray | None = None
        self.before: np.ndarray | None = None
        self.still = True
        self.best: tuple[float, Picture] | None = None

    def add(self, second: float, frame: Any) -> Iterator[Moment]:
        """Look at one frame."""
        import numpy as np

        glance = _glance(frame)
        if self.first is None or self.before is None:
            self.first = glance
        else:
            cut = float(np.abs(glance - self.before).mean()) >= _CUT
            changed = float((np.abs(glance - self.first) > _TOUCHED).mean())
            other = cut or (self.still and changed >= _OTHER)  # another scene, or another slide
            self.still = self.still and changed < _OTHER
            length = second - self.start
            if (other and length >= _SHORTEST) or length >= self.window * (_STILLS if self.still else 1):
                yield from self.close(second)
                self.first, self.still = glance, True
        self.before = glance
        sharpness = _sharpness(glance)
        if self.best is None or sharpness > self.best[0]:
            self.best = sharpness, shrunk(frame.to_image(), 2000)

    def close(self, second: float) -> Iterator[Moment]:
        """End the moment that is open, at a second."""
        if self.best is not None:
            yield Moment(round(self.start, 2), round(max(second, self.start), 2), self.best[1])
        self.start, self.best = second, None


def _frames(path: Path, options: Options, *, key_frames: bool) -> Iterator[tuple[float, Any]]:
    """(second, av frame) at least half a second apart, from the beginning; a fault ends it."""
    import av

    with media.opened(path, options.limits) as container:
        stream = _film(container)
        stream.thread_type = "NONE"
        stream.codec_context.thread_count = 1
        if key_frames:
            stream.codec_context.skip_frame = "NONKEY"
        zero = max(0.0, (container.start_time or 0) / 1e6)
        due = 0.0
        try:
            for count, frame in enumerate(container.decode(stream)):
                if count >= options.limits.frames:
                    raise ReadError("too_big", f"more than {options.limits.frames:,} frames", "Cut it into parts")
                second = max(0.0, (frame.time or 0.0) - zero)
                if second > options.limits.seconds:
                    raise ReadError(
                        "too_big", f"more than {options.limits.seconds / 3600:.1f} hours", "Cut it into parts"
                    )
                if second >= due:
                    due = second + _STEP
                    yield second, frame
        except av.error.FFmpegError:
            return  # what was seen until here counts


def _all_frames(path: Path, options: Options) -> bool:
    """True if all frames are to be looked at: in a short film, or where key frames lie far apart.

    Tells by the packets of the first two minutes; nothing is decoded.
    """
    with media.opened(path, options.limits) as container:
        last = worst = 0.0
        for packet in container.demux(_film(container)):
            if packet.pts is None:
                continue
            second = float(packet.pts * packet.time_base) - max(0.0, (container.start_time or 0) / 1e6)
            worst = max(worst, second - last)
            last = second if packet.is_keyframe else last
            if worst > _SPARSE:
                return True
            if second > _BRIEF:
                return False
    return True


def _film(container: Any) -> Any:
    """The track of moving pictures."""
    return next(s for s in container.streams.video if s.codec_context is not None and not media.is_cover(s))


def _length(path: Path, options: Options) -> float | None:
    with media.opened(path, options.limits) as container:
        return media.tracks(container, options.limits).seconds


def _glance(frame: Any) -> "np.ndarray":
    """(64, 64) greys in [0, 1] of a frame."""
    import numpy as np

    small = frame.reformat(width=_GLANCE, height=_GLANCE, format="gray")
    greys: np.ndarray = small.to_ndarray().astype(np.float32) / 255
    return greys


def _sharpness(glance: "np.ndarray") -> float:
    """How much there is to see: the mean step between neighbours; least in black, blurred and fading frames."""
    import numpy as np

    return float(np.abs(np.diff(glance, axis=0)).mean() + np.abs(np.diff(glance, axis=1)).mean())


READER = VideoReader()
