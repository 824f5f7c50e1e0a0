"""What a training is, as text: a state of another one is not gone on from.

Imports numpy.
"""

import hashlib
import json
from dataclasses import asdict
from typing import Any

import numpy as np

from samespace.space import Vectors

__all__ = ["identity"]

_FREE = ("out", "every", "piece")  # where it writes, how often, and how much it holds in memory


def identity(config: Any, *parts: Vectors | np.ndarray | str) -> str:
    """Hash over a plan's settings, but for those that bear on nothing that is learned, and over what it learns from."""
    settings = {k: str(v) for k, v in asdict(config).items() if k not in _FREE}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for part in parts:
        if isinstance(part, str):
            digest.update(f"{part}\n".encode())
            continue
        rows = part.data if isinstance(part, Vectors) else part
        space = part.space.to_json() if isinstance(part, Vectors) else ""
        digest.update(f"{space} {rows.dtype} {rows.shape}".encode() + np.ascontiguousarray(rows).tobytes())
    return digest.hexdigest()
