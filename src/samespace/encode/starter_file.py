"""The starter's weights: one safetensors file with the network, the heads, and what was written down of them.

Tensors, float16: net.* (the folded network), picture.* (experts.py), sound.weight (d, 544) and bias, names (c, d) of
the classifier's classes, mean (d) of texts. Its header holds the facts: JSON under "facts".

Knows nothing of texts or of how it was trained. Imports numpy; safetensors when it is opened, torch where it is here.
"""

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from samespace.encode import engine, lite0, lite0_sound, sound
from samespace.encode.bound import laid
from samespace.encode.card import tensor_file
from samespace.encode.experts import Experts
from samespace.encode.looks import FEATURES, looks
from samespace.errors import MissingExtraError, WeightsError, WeightsNotFoundError
from samespace.items import Audio, Image
from samespace.translate.near import unit

if TYPE_CHECKING:
    from samespace.encode.lite0_net import Net
    from samespace.encode.lite0_numpy import NumpyNet

__all__ = ["SHIPPED", "Senses", "facts", "save"]

SHIPPED: Final = Path(str(files("samespace.encode").joinpath("starter.safetensors")))
_MEND = "Install samespace anew, or make it: samespace train starter --data FOLDER --out FOLDER"
_LONGEST_HEADER = 1 << 20
_BATCH = 2  # pictures: more at once do not stay near the processor


@dataclass(frozen=True)
class Senses:
    """Pictures and recordings → rows in the cone of the texts. Opens its file at the first of them."""

    path: Path

    def pictures(self, items: Sequence[Image]) -> np.ndarray:
        """Pictures (n) to (n, d) at unit length. Raises ReadError, WeightsError, MissingExtraError."""
        side = int(self.facts["side"])

        def forward(batch: list[int]) -> np.ndarray:
            return self.seen(looks(self.net, np.stack([lite0.pixels(items[i].blob, side) for i in batch])))

        keys = [item.digest() for item in items]
        return engine.run([1] * len(items), forward, budget=_BATCH, dim=len(self.mean), keys=keys)

    def sounds(self, items: Sequence[Audio]) -> np.ndarray:
        """Recordings (n) to (n, d) at unit length. Raises ReadError, WeightsError, MissingExtraError."""

        def forward(batch: list[int]) -> np.ndarray:
            rows = np.stack([lite0_sound.row(self.net, sound.listen(items[i])) for i in batch])
            return self.heard(rows)

        keys = [item.digest() for item in items]
        return engine.run([1] * len(items), forward, budget=1, dim=len(self.mean), keys=keys)

    def seen(self, rows: np.ndarray) -> np.ndarray:
        """Looks of pictures (n, 2784) → (n, d): heads and ConSE, in the cone."""
        return laid(self.experts(rows, self.named(rows)), self.mean)

    def named(self, rows: np.ndarray) -> np.ndarray:
        """Looks (n, 2784) → (n, d): the names of the classes that the network is surest of, at unit length."""
        held = self.tensors
        logits = rows[:, :FEATURES] @ held["net.classifier.weight"].T + held["net.classifier.bias"]
        return conse(logits, held["names"], int(self.facts["top"]), float(self.facts["sharp"]))

    def heard(self, features: np.ndarray) -> np.ndarray:
        """Features of recordings (n, 544) → (n, d), in the cone."""
        made = unit(features) @ self.tensors["sound.weight"].T + self.tensors["sound.bias"]
        return laid(made, self.mean)

    @property
    def mean(self) -> np.ndarray:
        """Of texts (d): the middle of their cone."""
        return self.tensors["mean"]

    @cached_property
    def facts(self) -> Mapping[str, Any]:
        """What was written down of the weights."""
        return facts(self.path)

    @cached_property
    def tensors(self) -> Mapping[str, np.ndarray]:
        """All of them, float32."""
        try:
            from safetensors import SafetensorError
            from safetensors.numpy import load_file
        except ImportError as err:
            raise MissingExtraError("starter:", "safetensors", "encode") from err
        try:
            return {name: rows.astype(np.float32) for name, rows in load_file(self.path).items()}
        except (SafetensorError, OSError) as err:
            raise WeightsError(f"{self.path} cannot be read ({err})", _MEND) from err

    @cached_property
    def experts(self) -> Experts:
        """The heads of pictures. Raises WeightsError."""
        try:
            return Experts.of(self.tensors, float(self.facts["conse"]))
        except (KeyError, TypeError) as err:
            raise WeightsError(f"{self.path} does not hold the starter's heads as they are now ({err})", _MEND) from err

    @cached_property
    def net(self) -> "Net | NumpyNet":
        """The network: on torch where it is installed, else on numpy, at a third of the speed."""
        own = {k.removeprefix("net."): v for k, v in self.tensors.items() if k.startswith("net.")}
        if find_spec("torch") is None:
            from samespace.encode.lite0_numpy import NumpyNet

            return NumpyNet(own)
        import torch

        from samespace.encode.lite0_net import Net

        net = Net()
        try:
            net.load_state_dict({name: torch.from_numpy(rows) for name, rows in own.items()})
        except RuntimeError as err:
            raise WeightsError(f"{self.path} does not hold the starter's network ({str(err)[:120]})", _MEND) from err
        return net.eval().requires_grad_(False)


def conse(logits: np.ndarray, names: np.ndarray, top: int, sharp: float) -> np.ndarray:
    """The mean of the names of the surest classes, each by its share of the softmax.

    Args:
        logits: (n, c).
        names: (c, d).
        top: classes that count.
        sharp: what logits are multiplied by before the softmax; more trusts the surest class more.

    Returns:
        (n, d) at unit length.
    """
    scaled = sharp * (logits - logits.max(axis=1, keepdims=True))
    shares = np.exp(scaled)
    least = np.partition(shares, -top, axis=1)[:, [-top]]
    shares = np.where(shares >= least, shares, 0)
    made: np.ndarray = unit((shares / shares.sum(axis=1, keepdims=True)) @ names)
    return made


def facts(path: Path) -> dict[str, Any]:
    """What was written down of a file's weights, without reading them. Raises WeightsError, WeightsNotFoundError."""
    try:
        with path.open("rb") as stream:
            (size,) = struct.unpack("<Q", stream.read(8))
            header = json.loads(stream.read(min(size, _LONGEST_HEADER)))
        made: dict[str, Any] = json.loads(header["__metadata__"]["facts"])
        return made
    except FileNotFoundError as err:
        raise WeightsNotFoundError(f"{path} is not a file", _MEND) from err
    except (OSError, ValueError, KeyError, TypeError, struct.error) as err:
        raise WeightsError(f"{path} is not a file of the starter ({err!r})", _MEND) from err


def save(path: Path, tensors: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
    """Write a file, in float16: whole, or what was there stays. Raises OSError."""
    from safetensors.numpy import save_file

    halves = {name: np.ascontiguousarray(rows, np.float16) for name, rows in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with tensor_file(path) as draft:
        save_file(halves, draft, metadata={"facts": json.dumps(dict(facts), ensure_ascii=False, sort_keys=True)})
