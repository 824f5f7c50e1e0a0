"""Sound as a picture: the log-mel spectrogram that a picture network looks at.

16,000 samples a second, 128 bands from 40 to 7,800 Hz, 64 ms windows every 10 ms. What is loud is bright: the natural
logarithm, minus the clip's maximum, plus 5, by 4, held within ±2; low tones at the bottom.

Knows nothing of networks. Imports numpy; soundfile, PyAV and Pillow where they are used.
"""

import io
from functools import cache

import numpy as np

from samespace.errors import MissingExtraError, ReadError
from samespace.items import Audio, Blob

__all__ = ["RATE", "listen", "log_mel", "resampled"]

RATE = 16_000
_WINDOW, _HOP, _BANDS = 1024, 160, 128
_LOW, _HIGH = 40.0, 7800.0
_FLOOR = 1e-10


def listen(item: Audio) -> np.ndarray:
    """The stretch of a recording: mono (n) float32 at 16,000 samples a second. Raises ReadError."""
    try:
        import soundfile
    except ImportError as err:
        raise MissingExtraError("sound", "soundfile", "read") from err
    stretch = item.locator.seconds
    try:
        with soundfile.SoundFile(item.blob.path or io.BytesIO(item.blob.read())) as stream:
            rate = stream.samplerate
            start, end = stretch or (0.0, stream.frames / rate)
            stream.seek(min(max(int(start * rate), 0), stream.frames))
            samples = stream.read(max(int((end - start) * rate), 0), dtype="float32", always_2d=True).mean(axis=1)
    except soundfile.LibsndfileError:  # a film, or a kind that only FFmpeg reads
        samples, rate = _track(item.blob, stretch), RATE
    if not samples.size:
        raise ReadError("empty", "the recording has no samples there", "Give a stretch inside it")
    return resampled(np.nan_to_num(samples), rate)


def _track(blob: Blob, stretch: tuple[float, float] | None) -> np.ndarray:
    """The first track of sound of whatever FFmpeg reads, or a stretch of it, at 16,000 a second. Raises ReadError."""
    try:
        import av
    except ImportError as err:
        raise MissingExtraError("sound", "av", "read") from err
    start, end = stretch or (0.0, np.inf)
    held = [np.zeros(0, np.float32)]
    try:
        with av.open(blob.path or io.BytesIO(blob.read()), "r", metadata_errors="replace") as container:
            if not container.streams.audio:
                raise ReadError("empty", "there is no track of sound in it", "Give a recording")
            container.seek(int(start * av.time_base))
            resampler = av.AudioResampler(format="fltp", rate=RATE)
            for frame in container.decode(audio=0):
                at = frame.time or 0.0
                if at >= end:
                    break
                for part in resampler.resample(frame):
                    samples = part.to_ndarray().mean(axis=0, dtype=np.float32)
                    lead, tail = max(start - at, 0.0), max(at + samples.size / RATE - end, 0.0)
                    held.append(samples[int(lead * RATE) : samples.size - int(tail * RATE)])
    except av.error.FFmpegError as err:
        raise ReadError("decode", f"not a recording that FFmpeg opens ({err.strerror})", "Convert it to WAV") from err
    return np.concatenate(held)


def resampled(samples: np.ndarray, rate: int, to: int = RATE) -> np.ndarray:
    """Another rate, by cutting or padding the spectrum: exact for what both rates can hold. (n) → (n·to/rate)."""
    if rate == to:
        return np.asarray(samples, np.float32)
    count = max(round(samples.size * to / rate), 1)
    spectrum = np.fft.rfft(samples)
    held = np.zeros(count // 2 + 1, spectrum.dtype)
    shared = min(held.size, spectrum.size)
    held[:shared] = spectrum[:shared]
    return np.asarray(np.fft.irfft(held, count) * (count / samples.size), np.float32)


def log_mel(samples: np.ndarray, side: int = 224, seconds: float = 1.0) -> np.ndarray:
    """A recording as a picture.

    Args:
        samples: (n) at 16,000 a second.
        side: of the square it is stretched to, in pixels.
        seconds: a shorter one is filled with silence to this length, so that a click is not stretched to a tone.

    Returns:
        (3, side, side) float32 in [-2, 2], one plane three times.
    """
    from PIL import Image
    from PIL.Image import Resampling

    wanted = max(int(seconds * RATE), _WINDOW)
    padded = np.pad(samples, (0, max(wanted - samples.size, 0)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(_WINDOW).astype(np.float32), axis=1)).astype(np.float32) ** 2
    mel = np.log(_bands() @ power.T + _FLOOR)
    scaled = np.clip((mel - mel.max() + 5) / 4, -2, 2)[::-1]
    plane = np.asarray(Image.fromarray(np.ascontiguousarray(scaled)).resize((side, side), Resampling.BILINEAR))
    return np.repeat(plane[None], 3, axis=0)


@cache
def _bands() -> np.ndarray:
    """Triangles on the mel scale (bands, window/2 + 1), each of height 1."""
    low, high = (2595 * np.log10(1 + f / 700) for f in (_LOW, _HIGH))
    edges = 700 * (10 ** (np.linspace(low, high, _BANDS + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(_WINDOW, 1 / RATE)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(np.minimum(rising, falling), 0).astype(np.float32)
