"""What is the same: the hashes by which an index knows bytes, readings and places.

Equal bytes read by the same reader with the same options are one reading, whatever the file is called and wherever it
stands. A file that is found by its name alone has its name in its reading, because there the name is the content.

Knows nothing of stores or models. Imports the standard library and the reading protocol.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from samespace.items import Locator
from samespace.read.protocol import Options

__all__ = ["content_hash", "item_id", "reading_key"]

_CHUNK = 4 << 20
_TEXT = ("passage_chars", "overlap_chars")
_TIMED = ("window_seconds",)


def content_hash(path: Path, stopped: Callable[[], bool] = lambda: False) -> str:
    """Hash of a file's bytes, streamed: 32 hex letters. Raises OSError; InterruptedError if `stopped` says so."""
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            if stopped():
                raise InterruptedError(f"{path}: stopped while it was hashed")
    return digest.hexdigest()


def reading_key(
    content: str,
    mime: str,
    reader: str | None,
    options: Options,
    *,
    tools: Mapping[str, str] | None = None,
    name: str = "",
    limits: bool = False,
) -> str:
    """Hash of everything that leads from bytes to Passages: 32 hex letters.

    Args:
        content: hash of the bytes.
        mime: media type by content.
        reader: its name and version, "pdf/1"; None if nothing reads it.
        options: those that matter for this sort of file count, others do not.
        tools: what reading has at hand for it (tools.py).
        name: of the file, where its Passage is its name.
        limits: whether the limits count: they do for a failure, which a higher limit may mend.
    """
    fields = _TEXT + _TIMED * mime.startswith(("audio/", "video/"))
    parts: dict[str, Any] = {field: getattr(options, field) for field in fields}
    parts |= {"content": content, "mime": mime, "reader": reader, "wants": sorted(options.wants), "name": name}
    parts["tools"] = dict(tools or {})
    if limits:
        parts["limits"] = repr(options.limits)
    return _hash(parts)


def item_id(reading: str, position: int, origin: str, locator: Locator) -> str:
    """Key of one Passage: the reading and the place in it."""
    return _hash([reading, position, origin, locator.to_dict()])


def _hash(parts: Any) -> str:
    text = json.dumps(parts, sort_keys=True)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
