"""Training the network of ResidualMLP: near its own row, nearest of the batch, with the neighbours it should have.

Imports torch. Letters: n pairs, m rows of a batch, ds and dt widths, h hidden.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from samespace.translate.affine import Affine
from samespace.translate.near import unit
from samespace.translate.pairs import Pairs

__all__ = ["objective", "train"]

_BATCH = 512
_RATE, _WARM, _STRAIGHT = 3e-3, 20, 0.1  # the straight part learns at a tenth of the rate
_OWN, _OWN_TEMPERATURE = 0.1, 0.05
_NEAR, _NEAR_TEMPERATURE = 2.0, 0.1


def objective(made: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    """1 - cos + .1 InfoNCE + 2 KL(neighbours it should have, neighbours it has), of unit rows (m, dt): a scalar.

    The last: softmax over the batch of true_i · true_j / .1 against that of made_i · true_j / .1, j ≠ i.

    Reference: of relations among a batch, Park et al., Relational knowledge distillation, arXiv:1904.05068.
    """
    found, itself = made @ true.T, torch.eye(len(made), dtype=torch.bool, device=made.device)
    own = F.cross_entropy(found / _OWN_TEMPERATURE, torch.arange(len(made), device=made.device))
    wanted = F.softmax((true @ true.T).masked_fill(itself, -9.0) / _NEAR_TEMPERATURE, dim=1)
    near = -(wanted * F.log_softmax(found.masked_fill(itself, -9.0) / _NEAR_TEMPERATURE, dim=1)).sum(dim=1).mean()
    return 1 - (made * true).sum(dim=1).mean() + _OWN * own + _NEAR * near


def train(
    pairs: Pairs, start: Affine, *, hidden: int, epochs: int, device: str, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Matrix (ds, dt), shift (dt,), inner (ds, h), bias (h,) and outer (h, dt), float32, in the Frames of the pairs."""
    draw = np.random.default_rng(seed)
    x, y = (torch.tensor(side, dtype=torch.float32, device=device) for side in (pairs.x, unit(pairs.y)))
    ds, dt = x.shape[1], y.shape[1]
    inner = draw.standard_normal((ds, hidden)) * ds**-0.25
    first = [start.matrix, start.shift, inner, np.zeros(hidden), np.zeros((hidden, dt))]
    made = [torch.tensor(a, dtype=torch.float32, device=device, requires_grad=True) for a in first]
    groups = [{"params": made[:2], "lr": _RATE * _STRAIGHT, "weight_decay": 0.0}, {"params": made[2:], "lr": _RATE}]
    learner = torch.optim.AdamW(groups, weight_decay=1e-2)
    batch = min(_BATCH, len(x))
    steps = epochs * (len(x) // batch)
    falling = torch.optim.lr_scheduler.LambdaLR(
        learner, lambda s: min(1.0, (s + 1) / _WARM) * 0.5 * (1 + math.cos(math.pi * s / steps))
    )
    share = pairs.weights / pairs.weights.sum()
    for _ in range(epochs):
        order = draw.choice(len(x), len(x), p=share) if np.ptp(share) else draw.permutation(len(x))
        for i in range(0, len(x) - batch + 1, batch):
            rows = torch.as_tensor(order[i : i + batch], device=device)
            loss = objective(_forward(x[rows], made), y[rows])
            learner.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            learner.step()
            falling.step()
    matrix, shift, inner, bias, outer = (a.detach().cpu().numpy() for a in made)
    return matrix, shift, inner, bias, outer


def _forward(x: torch.Tensor, made: list[torch.Tensor]) -> torch.Tensor:
    matrix, shift, inner, bias, outer = made
    return F.normalize(x @ matrix + F.relu(x @ inner + bias) @ outer + shift, dim=1)
