"""Small real files, made on the spot: PDFs by hand, pictures with words, sounds, films."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

WHITE = (255, 255, 255)


def picture(words: str = "", size: tuple[int, int] = (640, 360), letters: int = 40, color=WHITE) -> Image.Image:
    """A picture with words on it, one line of text a line."""
    made = Image.new("RGB", size, color)
    if words:
        ImageDraw.Draw(made).multiline_text(
            (20, 20), words, fill=(10, 10, 10), font=ImageFont.load_default(letters), spacing=letters // 2
        )
    return made


def gradient(size: tuple[int, int] = (64, 48)) -> Image.Image:
    """Red from left to right, green from top to bottom: every corner has a colour of its own."""
    x, y = np.meshgrid(np.linspace(0, 255, size[0]), np.linspace(0, 255, size[1]))
    return Image.fromarray(np.stack([x, y, np.zeros_like(x)], 2).astype(np.uint8))


def pdf(pages: Sequence[str], *, info: str = "", password: str | None = None) -> bytes:
    """A PDF by hand; each page a text layer of its lines, "" for a page without one."""
    key = _key(password) if password is not None else None
    count = len(pages)
    kids = " ".join(f"{4 + 2 * i} 0 R" for i in range(count))
    bodies = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {count} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for i, words in enumerate(pages):
        lines = "".join(f"({_escape(line)}) Tj T*\n" for line in words.split("\n")) if words else ""
        stream = f"BT /F1 14 Tf 18 TL 60 780 Td\n{lines}ET".encode("cp1252")
        if key:
            stream = _rc4(hashlib.md5(key + (5 + 2 * i).to_bytes(3, "little") + b"\0\0").digest()[:10], stream)
        bodies.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> "
            f"/Contents {5 + 2 * i} 0 R >>".encode()
        )
        bodies.append(f"<< /Length {len(stream)} >>\nstream\n".encode() + stream + b"\nendstream")
    bodies.append(f"<< {info} >>".encode("cp1252"))
    trailer = f"/Root 1 0 R /Info {len(bodies)} 0 R"
    if password is not None:
        owner = _rc4(hashlib.md5(_padded(password)).digest()[:5], _padded(password))
        user = _rc4(_key(password), _PAD)
        bodies.append(f"<< /Filter /Standard /V 1 /R 2 /P -4 /O <{owner.hex()}> /U <{user.hex()}> >>".encode())
        trailer += f" /Encrypt {len(bodies)} 0 R /ID [<{'00' * 16}> <{'00' * 16}>]"
    return _assembled(bodies, trailer)


def _assembled(bodies: list[bytes], trailer: str) -> bytes:
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(bodies, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    table = "".join(f"{at:010} 00000 n \n" for at in places)
    head = f"xref\n0 {len(bodies) + 1}\n0000000000 65535 f \n{table}trailer\n"
    return out + f"{head}<< /Size {len(bodies) + 1} {trailer} >>\nstartxref\n{len(out)}\n%%EOF\n".encode()


def _escape(line: str) -> str:
    return line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


_PAD = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")


def _padded(password: str) -> bytes:
    return (password.encode("latin-1") + _PAD)[:32]


def _key(password: str) -> bytes:
    owner = _rc4(hashlib.md5(_padded(password)).digest()[:5], _padded(password))
    flags = (-4 & 0xFFFFFFFF).to_bytes(4, "little")
    return hashlib.md5(_padded(password) + owner + flags + bytes(16)).digest()[:5]


def _rc4(key: bytes, data: bytes) -> bytes:
    state, j, out = list(range(256)), 0, bytearray()
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    i = j = 0
    for byte in data:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(out)


def tone(seconds: float, rate: int = 16_000, level: float = 0.3, hertz: float = 440.0) -> np.ndarray:
    """(n,) float32 of a pure tone."""
    t = np.arange(int(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * hertz * t)).astype(np.float32)


def film(
    path: Path,
    scenes: Sequence[tuple[Image.Image, float]],
    sound: np.ndarray | None = None,
    *,
    fps: int = 10,
    gop: int = 12,
    codec: str = "mpeg4",
) -> Path:
    """Write a film that shows each picture for so many seconds, with sound at 16 kHz if given."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height = scenes[0][0].size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = gop
        track = container.add_stream("aac", rate=16_000, layout="mono") if sound is not None else None
        for shown, seconds in scenes:
            for _ in range(round(seconds * fps)):
                container.mux(stream.encode(av.VideoFrame.from_image(shown)))
        container.mux(stream.encode(None))
        if track is not None and sound is not None:
            for at in range(0, sound.size, 1024):
                frame = av.AudioFrame.from_ndarray(sound[None, at : at + 1024], format="fltp", layout="mono")
                frame.sample_rate, frame.pts = 16_000, at
                container.mux(track.encode(frame))
            container.mux(track.encode(None))
    return path
