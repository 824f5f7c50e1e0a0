"""The network of EfficientNet-Lite0 on numpy alone: where torch is not installed, at about a third of its speed.

The same layers as lite0_net.py, which has their table, on maps that keep their channels last: a 1x1 convolution is one
matrix product, a depthwise one a sum over its few taps.

Imports numpy. Letters: b pictures, h w pixels, c channels.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

__all__ = ["NumpyNet"]

_STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)  # of the blocks


class NumpyNet:
    """Stem, 16 blocks, head; made of the tensors of lite0_net.Net's state, by its names."""

    def __init__(self, state: Mapping[str, np.ndarray]) -> None:
        self._state = {name: np.asarray(rows, np.float32) for name, rows in state.items()}

    def features(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels (b, 3, h, w) → features (b, 1280): the mean over the last map."""
        x = self._pointwise(self._blocks(self._stem(pixels), 0, 16), "head", relu=True)
        made: np.ndarray = x.mean(axis=(1, 2))
        return made

    def stages(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Maps after 11 and after 16 blocks (b, c, h', w'), and the features, in one pass."""
        inner = self._blocks(self._stem(pixels), 0, 11)
        last = self._blocks(inner, 11, 16)
        features = self._pointwise(last, "head", relu=True).mean(axis=(1, 2))
        return inner.transpose(0, 3, 1, 2), last.transpose(0, 3, 1, 2), features

    def inner(self, pixels: np.ndarray, stops: Sequence[int]) -> list[np.ndarray]:
        """Maps after each of `stops` blocks, (b, c, h', w') each; stops rise."""
        x, done, made = self._stem(pixels), 0, list[np.ndarray]()
        for stop in stops:
            x, done = self._blocks(x, done, stop), stop
            made.append(x.transpose(0, 3, 1, 2))
        return made

    def _stem(self, pixels: np.ndarray) -> np.ndarray:
        """3x3, stride 2: the nine taps side by side, then one product."""
        x = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1), np.float32)
        taps = np.concatenate(list(_taps(x, 3, 2)), axis=3)
        weight = self._state["stem.weight"]  # (32, 3, 3, 3)
        made: np.ndarray = taps @ weight.transpose(2, 3, 1, 0).reshape(27, -1) + self._state["stem.bias"]
        return np.clip(made, 0, 6, out=made)

    def _blocks(self, x: np.ndarray, first: int, last: int) -> np.ndarray:
        for i in range(first, last):
            inner = self._pointwise(x, f"blocks.{i}.expand", relu=True) if i else x
            inner = self._depthwise(inner, f"blocks.{i}.depthwise", _STRIDES[i])
            made = self._pointwise(inner, f"blocks.{i}.project", relu=False)
            x = made + x if made.shape == x.shape else made
        return x

    def _pointwise(self, x: np.ndarray, name: str, *, relu: bool) -> np.ndarray:
        made: np.ndarray = x @ self._state[f"{name}.weight"][:, :, 0, 0].T
        made += self._state[f"{name}.bias"]
        return np.clip(made, 0, 6, out=made) if relu else made

    def _depthwise(self, x: np.ndarray, name: str, stride: int) -> np.ndarray:
        weight = self._state[f"{name}.weight"][:, 0]  # (c, kernel, kernel)
        kernel = weight.shape[1]
        held = None
        for tap, part in enumerate(_taps(x, kernel, stride)):
            share = part * weight[:, tap // kernel, tap % kernel]
            held = share if held is None else np.add(held, share, out=held)
        assert held is not None
        held += self._state[f"{name}.bias"]
        return np.clip(held, 0, 6, out=held)


def _taps(x: np.ndarray, kernel: int, stride: int) -> Iterator[np.ndarray]:
    """What each tap of a kernel sees of maps (b, h, w, c), padded as TensorFlow does, row by row of the kernel."""
    around, out = list[tuple[int, int]](), list[int]()
    for size in x.shape[1:3]:
        count = -(-size // stride)
        whole = max((count - 1) * stride + kernel - size, 0)
        around.append((whole // 2, whole - whole // 2))
        out.append(count)
    padded = np.pad(x, ((0, 0), *around, (0, 0)))
    for down in range(kernel):
        for right in range(kernel):
            yield padded[:, down : down + stride * out[0] : stride, right : right + stride * out[1] : stride]
