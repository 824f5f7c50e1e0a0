"""A small collection with awkward names, and the page over it."""

import json
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from samespace import Locator, Text
from samespace.encode.hashing import Hashing
from samespace.index.flat import FlatIndex
from samespace.index.protocol import FileRow, ItemRow
from samespace.index.scan import encode_path

TOKEN = "t0ken-of-the-test_0123456789"
PORT = 7700
EVIL = 'x"><img src=x onerror=alert(1)>.txt'
TURNED = "invoice\u202egpj.exe"


@dataclass
class Desk:
    """The page over a collection, as a client that is let in, and what it stands on."""

    client: TestClient
    index: FlatIndex
    root: Path

    def search(self, *parts: dict[str, Any], **more: Any) -> dict[str, Any]:
        answer = self.client.post("/v1/search", json={"parts": list(parts), **more})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = json.loads(answer.content)
        return found


def fill(index: FlatIndex, encoder: Hashing, root: Path) -> None:
    """Write real files, and the rows that reading them would have given."""
    files: list[FileRow] = []
    items: list[ItemRow] = []
    texts: dict[str, str] = {}

    def add(name: str, kind: str, mime: str, passages: list[tuple[Locator, str]], origin: str = "body") -> None:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes("\n".join(t for _, t in passages).encode() or b"x")
        reading = f"r{len(files):04}"
        for i, (locator, text) in enumerate(passages):
            item = Text(text, locator)
            texts[item.digest()] = text
            items.append(
                ItemRow(f"{reading}i{i}", reading, item.digest(), "text", kind, origin, locator, text, position=i)
            )
        files.append(
            FileRow(
                encode_path(path), encode_path(root), path.stat().st_size, 1.7e9, f"c{len(files)}", reading, "indexed",
                kind, mime, "t/1", items=len(passages),
            )
        )  # fmt: skip

    _tone(root / "talk.wav")
    chapters = [
        (Locator(chars=(10 * i, 10 * i + 9)), f"chapter {i} the lighthouse keeper wound the clock") for i in range(9)
    ]
    add("book.txt", "text", "text/plain", chapters)
    add("talk.wav", "audio", "audio/wav", [(Locator(seconds=(0.5, 1.0)), "ask not what your country can do")], "speech")
    add("talk.avi", "video", "video/x-msvideo", [(Locator(seconds=(3.0, 9.0)), "a walk along the pier")], "speech")
    add(EVIL, "text", "text/plain", [(Locator(), "<b>herring</b> & <script>alert(2)</script> chips")])
    add(TURNED, "text", "text/plain", [(Locator(), "the invoice of the crane")])
    add("deep/caf\udce9.txt", "text", "text/plain", [(Locator(), "an espresso at the harbour café")])
    digests = list(texts)
    with index.writer() as writer:
        writer.commit(files, items, digests, encoder.encode([Text(texts[d]) for d in digests]))


def _tone(path: Path) -> None:
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(b"\x00\x10" * 16000)
