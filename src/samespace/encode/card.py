"""What a training plan wrote: NAME.safetensors with the weights, NAME.json with their hash and all else that is known.

Knows nothing of what the weights are. Imports numpy; safetensors where a file is read or written.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from samespace.durably import drafted, write_durably
from samespace.encode.weights import sha256
from samespace.errors import WeightsError, WeightsNotFoundError

__all__ = ["Card", "read", "said", "tensor_file", "write"]


@dataclass(frozen=True, eq=False)
class Card:
    """A folder's content.

    Attributes:
        said: what the JSON file says.
        tensors: by name.
        hash: of the weights.
    """

    said: Mapping[str, Any]
    tensors: Mapping[str, np.ndarray]
    hash: str


def write(folder: Path, name: str, tensors: Mapping[str, np.ndarray], said: Mapping[str, Any]) -> None:
    """Write both files; `said` is plain JSON data."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / f"{name}.safetensors"
    with tensor_file(weights) as draft:
        save_file({key: np.ascontiguousarray(rows) for key, rows in tensors.items()}, draft)
    text = json.dumps({**said, "sha256": sha256(weights)}, indent=1, ensure_ascii=False)
    write_durably(folder / f"{name}.json", f"{text}\n".encode())


@contextmanager
def tensor_file(path: Path) -> Iterator[Path]:
    """`drafted`, for what safetensors writes: it tells of a full or read-only disk by an error of its own.

    Raises OSError: then what was there still is.
    """
    from safetensors import SafetensorError

    try:
        with drafted(path) as draft:
            yield draft
    except SafetensorError as err:
        number = re.search(r"os error (\d+)", str(err))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from err


def said(folder: Path, name: str, mend: str) -> dict[str, Any]:
    """What the JSON file says. Raises WeightsError with `mend` if it is not there or damaged."""
    try:
        made: dict[str, Any] = json.loads((folder / f"{name}.json").read_text("utf-8"))
    except OSError as err:
        raise WeightsNotFoundError(f"{folder} holds no {name}.json", mend) from err
    except ValueError as err:
        raise WeightsError(f"{folder}/{name}.json is damaged ({err})", mend) from err
    return made


def read(folder: Path, name: str, mend: str) -> Card:
    """Read both. Raises WeightsError with `mend` if they are not there, are damaged or do not belong together."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    told = said(folder, name, mend)
    weights = folder / f"{name}.safetensors"
    try:
        if (found := sha256(weights)) != told["sha256"]:
            raise WeightsError(f"{weights} is not the file that {name}.json names", mend)
        return Card(told, load_file(weights), found)
    except (SafetensorError, KeyError, TypeError, FileNotFoundError) as err:
        raise WeightsError(f"{weights} cannot be read ({err})", mend) from err
