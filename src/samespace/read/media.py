"""Opening recordings and films: what tracks there are, and their sound and frames as plain arrays.

Only a list of container formats is opened: FFmpeg also knows play lists, which would open other files and addresses.
Bytes come from an open file, so that a strange name means nothing.

Knows nothing of Items. Imports av and numpy where they are used. Letters: n samples.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samespace.errors import ReadError
from samespace.read.charset import clean
from samespace.read.opening import as_read_error, open_regular
from samespace.read.protocol import Limits

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

__all__ = ["RATE", "Tracks", "cover", "is_cover", "opened", "samples", "tracks"]

RATE = 16_000  # samples a second of what speech models take
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,asf,flv,mpeg,mpegts,mpegvideo,m4v,h264,hevc,ogg,mp3,wav,w64,flac,aac,"
    "aiff,amr,caf,au,ape,tta,wv,ac3,eac3,dts,mxf,rm,nut,ivf,dv,swf,mpc,mpc8,voc,gsm,qcp,loas"
)
_OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
_BLOCK = 30  # seconds of sound that are handed out at a time
_MEND = "Play it with another program; if that works, convert it to MP4 or FLAC"


@dataclass(frozen=True)
class Tracks:
    """What a recording or film holds, by its header.

    Attributes:
        film: it has moving pictures; the cover of an album is none.
        sound: it has a track of sound.
        seconds: length, None if the header does not say.
        rate: samples a second of the sound as stored.
        channels: of the sound.
        width: pixels of the film.
        height: pixels of the film.
        fps: frames a second of the film.
        tags: "title", "artist", "album", "date", "comment", where it has them.
    """

    film: bool
    sound: bool
    seconds: float | None
    rate: int = 0
    channels: int = 0
    width: int = 0
    height: int = 0
    fps: float = 0.0
    tags: dict[str, str] | None = None


@contextmanager
def opened(path: Path, limits: Limits) -> Iterator[Any]:
    """An av container of the file; faults inside the block become ReadErrors.

    Raises:
        ReadError: decode, unsupported, or what opening raises.
    """
    import av

    av.logging.set_level(None)
    logging.getLogger("libav").setLevel(logging.CRITICAL)
    with open_regular(path) as file:
        try:
            with av.open(file, options=_OPTIONS, metadata_errors="replace") as container:
                yield container
        except ReadError:
            raise
        except MemoryError as err:
            mebi = limits.memory_bytes >> 20
            raise ReadError(
                "too_big", f"reading it needs more than {mebi:,} MiB of memory", "Cut it into parts"
            ) from err
        except av.error.FFmpegError as err:
            raise ReadError(
                "decode", f"the recording cannot be decoded: {err.strerror or type(err).__name__}", _MEND
            ) from err
        except OSError as err:
            raise as_read_error(err) from err


def tracks(container: Any, limits: Limits) -> Tracks:
    """Look at the header.

    Raises:
        ReadError: too_big if it is too long or its frames too large; decode if there is nothing in it; unsupported if
            nothing in it can be decoded.
    """
    films = [s for s in container.streams.video if not is_cover(s) and s.codec_context is not None]
    sounds = [s for s in container.streams.audio if s.codec_context is not None]
    if not films and not sounds:
        if any(s.type in ("audio", "video") and s.codec_context is None for s in container.streams):
            raise ReadError("unsupported", "its sound or film is protected, or of a kind that is not known", _MEND)
        raise ReadError("decode", "it has neither sound nor moving pictures", _MEND)
    seconds = container.duration / 1e6 if container.duration and container.duration > 0 else None
    if seconds is not None and seconds > limits.seconds:
        raise ReadError(
            "too_big", f"{seconds / 3600:.1f} hours, the limit is {limits.seconds / 3600:.1f}", "Cut it into parts"
        )
    film, sound = (films or [None])[0], (sounds or [None])[0]
    if film is not None and film.width * film.height > limits.pixels:
        raise ReadError("too_big", f"frames of {film.width} × {film.height} pixels", "Make it smaller")
    if not (film is not None and film.width > 0) and not (sound is not None and sound.rate):
        raise ReadError("decode", "its film has no size and its sound no rate", _MEND)
    return Tracks(
        film=film is not None and film.width > 0,
        sound=sound is not None and bool(sound.rate),
        seconds=seconds,
        rate=int(sound.rate or 0) if sound else 0,
        channels=int(sound.channels or 0) if sound else 0,
        width=int(film.width) if film else 0,
        height=int(film.height) if film else 0,
        fps=round(float(film.average_rate or 0), 3) if film else 0.0,
        tags=_tags(container.metadata, *(s.metadata for s in [film, sound] if s is not None)),
    )


def samples(path: Path, limits: Limits) -> Iterator["np.ndarray"]:
    """The first track of sound, mixed to one channel.

    Yields:
        Blocks (n,) float32 in [-1, 1] at 16,000 samples a second, about 30 s each, in order. A recording that breaks
        off gives what comes before; one that cannot be decoded at all raises.

    Raises:
        ReadError: decode; too_big once the sound has gone on for longer than allowed.
    """
    import av
    import numpy as np

    with opened(path, limits) as container:
        resampler = av.AudioResampler(format="fltp", rate=RATE)  # channels are averaged here: FFmpeg adds them up
        held = [np.zeros(_late(container), np.float32)]
        length, done = held[0].size, 0
        for frame in _frames(container):
            for part in resampler.resample(frame):
                held.append(part.to_ndarray().mean(axis=0, dtype=np.float32))
                length += held[-1].size
            if length >= _BLOCK * RATE or (frame is None and length):
                done += length
                if done > limits.seconds * RATE:
                    raise ReadError(
                        "too_big", f"more than {limits.seconds / 3600:.1f} hours of sound", "Cut it into parts"
                    )
                yield np.nan_to_num(np.concatenate(held), posinf=0.0, neginf=0.0)
                held, length = [], 0


def _late(container: Any) -> int:
    """How many samples of silence come before the sound, in a film whose sound begins late: 10 minutes at most."""
    track = container.streams.audio[0]
    if track.start_time is None or track.time_base is None:
        return 0
    seconds = float(track.start_time * track.time_base) - max(0.0, (container.start_time or 0) / 1e6)
    return int(min(max(seconds, 0.0), 600.0) * RATE)


def _frames(container: Any) -> Iterator[Any]:
    """Frames of sound, then None; a fault after the first frame ends it, because what was heard counts."""
    import av

    some = False
    track = container.streams.audio[0]
    packets = container.demux(track)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                break
            for frame in packet.decode():
                frame.pts = None  # gaps and jumps of the clock must not stop the resampler
                yield frame
                some = True
        except av.error.FFmpegError:
            if not some and (packet is None or packet.dts is None):
                raise
            if isinstance(packet, av.Packet) and packet.dts is not None:
                packet = None
                continue  # one damaged packet
            break
    yield None


def cover(container: Any) -> "Image | None":
    """The picture on the cover of an album, if it carries one that can be read."""
    import av

    for stream in container.streams.video:
        if is_cover(stream):
            try:
                for frame in container.decode(stream):
                    picture: Image = frame.to_image()
                    return picture
            except av.error.FFmpegError:
                return None
    return None


def is_cover(stream: Any) -> bool:
    """True if a track of pictures is the cover of an album, not a film."""
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.attached_pic)


def _tags(*metadata: Any) -> dict[str, str]:
    """Words of the file on itself; the container's before a track's."""
    found: dict[str, str] = {}
    for source in metadata:
        lower = {str(k).lower(): str(v) for k, v in dict(source).items()}
        for name in ("title", "artist", "album", "date", "comment", "description"):
            value = " ".join(clean(lower.get(name, "")).split())[:1000]
            if value and name not in found:
                found[name] = value
    return found
