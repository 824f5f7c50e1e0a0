"""What a training plan wrote: NAME.safetensors with the weights, NAME.json with their hash and all else that is known.

Knows nothing of what the weights are. Imports numpy; safetensors where a file is read or written.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from samespace.encode.weights import sha256
from samespace.errors import WeightsError, WeightsNotFoundError

__all__ = ["Card", "read", "said", "write"]


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
    save_file({key: np.ascontiguousarray(rows) for key, rows in tensors.items()}, weights)
    text = json.dumps({**said, "sha256": sha256(weights)}, indent=1, ensure_ascii=False)
    (folder / f"{name}.json").write_text(text + "\n", "utf-8")


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
