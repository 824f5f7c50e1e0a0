"""The network of EfficientNet-Lite0, with folded normalisation and TensorFlow's padding.

Stages: (repeats, kernel, stride, expansion, width), each block 1x1 up, depthwise, 1x1 down, added to its input where
shapes agree. TensorFlow pads "same": for an even size and stride 2 one pixel more on the right than on the left.

Imports torch. Letters: b pictures, h w pixels, c channels.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Net"]

_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_EPSILON = 1e-3  # of the folded normalisation


class _Conv(nn.Module):
    """A convolution with its normalisation folded in, "same" padding, and ReLU6 where it has one."""

    def __init__(self, wide: int, out: int, kernel: int, stride: int = 1, groups: int = 1, relu: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out, wide // groups, kernel, kernel))
        self.bias = nn.Parameter(torch.empty(out))
        self.kernel, self.stride, self.groups, self.relu = kernel, stride, groups, relu

    def forward(self, x: Tensor) -> Tensor:
        if self.stride > 1:
            left, right, up, down = *self._around(x.shape[3]), *self._around(x.shape[2])
            padding = (up, left) if (up, left) == (down, right) else (0, 0)
            x = x if padding != (0, 0) else functional.pad(x, (left, right, up, down))
        else:
            padding = (self.kernel // 2, self.kernel // 2)
        x = functional.conv2d(x, self.weight, self.bias, self.stride, padding, groups=self.groups)
        return functional.relu6(x, inplace=not torch.is_grad_enabled()) if self.relu else x

    def _around(self, size: int) -> tuple[int, int]:
        whole = max((-(-size // self.stride) - 1) * self.stride + self.kernel - size, 0)
        return whole // 2, whole - whole // 2


class _Block(nn.Module):
    def __init__(self, wide: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = wide * expansion
        self.expand = _Conv(wide, inner, 1) if expansion > 1 else None
        self.depthwise = _Conv(inner, inner, kernel, stride, groups=inner)
        self.project = _Conv(inner, out, 1, relu=False)
        self.adds = stride == 1 and wide == out

    def forward(self, x: Tensor) -> Tensor:
        inner = x if self.expand is None else self.expand(x)
        made: Tensor = self.project(self.depthwise(inner))
        return made + x if self.adds else made


class Net(nn.Module):
    """Stem, 16 blocks, head, classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Conv(3, 32, 3, stride=2)
        blocks, wide = list[nn.Module](), 32
        for repeats, kernel, stride, expansion, out in _STAGES:
            for i in range(repeats):
                blocks.append(_Block(wide, out, kernel, stride if i == 0 else 1, expansion))
                wide = out
        self.blocks = nn.ModuleList(blocks)
        self.head = _Conv(320, 1280, 1)
        self.classifier = nn.Linear(1280, 1000)

    @classmethod
    def from_published(cls, state: Mapping[str, Tensor]) -> "Net":
        """From the published state dict. Raises KeyError, RuntimeError if it is another's."""
        net = cls()
        pairs = [(net.stem, "_conv_stem", "_bn0"), (net.head, "_conv_head", "_bn1")]
        for i, block in enumerate(net.blocks):
            assert isinstance(block, _Block)
            names = f"_blocks.{i}."
            pairs += [(block.expand, f"{names}_expand_conv", f"{names}_bn0")] if block.expand else []
            pairs += [(block.depthwise, f"{names}_depthwise_conv", f"{names}_bn1")]
            pairs += [(block.project, f"{names}_project_conv", f"{names}_bn2")]
        with torch.no_grad():
            for conv, own, norm in pairs:
                scale = state[f"{norm}.weight"] / torch.sqrt(state[f"{norm}.running_var"] + _EPSILON)
                conv.weight.copy_(state[f"{own}.weight"] * scale[:, None, None, None])
                conv.bias.copy_(state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale)
            net.classifier.weight.copy_(state["_fc.weight"])
            net.classifier.bias.copy_(state["_fc.bias"])
        return net.eval().requires_grad_(False)

    def maps(self, x: Tensor, stop: int | None = None) -> Tensor:
        """The maps after `stop` blocks, None = after the head: (b, c, h', w') of pixels (b, 3, h, w)."""
        x = self.stem(x)
        for block in self.blocks[:stop]:
            x = block(x)
        return self.head(x) if stop is None else x

    def forward(self, x: Tensor) -> Tensor:
        """Pixels (b, 3, h, w) → features (b, 1280): the mean over the last map."""
        return self.maps(x).mean(dim=(2, 3))

    @torch.inference_mode()
    def features(self, pixels: np.ndarray) -> np.ndarray:
        """As `forward`, on arrays; float32."""
        return np.asarray(self(torch.from_numpy(pixels).contiguous(memory_format=torch.channels_last)).numpy())

    @torch.inference_mode()
    def stages(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Maps after 11 and after 16 blocks (b, c, h', w'), and the features, in one pass."""
        x = self.stem(torch.from_numpy(pixels).contiguous(memory_format=torch.channels_last))
        for block in self.blocks[:11]:
            x = block(x)
        inner = x.numpy().copy()
        for block in self.blocks[11:]:
            x = block(x)
        return inner, x.numpy(), self.head(x).mean(dim=(2, 3)).numpy()

    @torch.inference_mode()
    def inner(self, pixels: np.ndarray, stops: Sequence[int]) -> list[np.ndarray]:
        """Maps after each of `stops` blocks, (b, c, h', w') each; stops rise."""
        x = self.stem(torch.from_numpy(pixels).contiguous(memory_format=torch.channels_last))
        made, done = list[np.ndarray](), 0
        for stop in stops:
            for block in self.blocks[done:stop]:
                x = block(x)
            made.append(x.numpy().copy())
            done = stop
        return made
