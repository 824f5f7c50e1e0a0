"""How the starter's heads are fitted: the closed form and the contrastive head, summed; class replay so that nothing
that the trunk knew is forgotten; ConSE comes on top when a picture is encoded.

    closed       ridge to the mean of what is said of an item
    contrastive  symmetric InfoNCE with several positives: items of one label fit each other's captions
    replay       features that the classifier would call class c (mean + its centred weights), towards the name of c

Imports numpy and torch. Letters: n items, t captions, ds dt source and target width, k whitened width, c classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Folded", "Said", "Whitening", "closed", "contrastive", "gate", "replayed", "summed"]

_REPLAYED = 256  # classes a step


@dataclass(frozen=True, eq=False)
class Said:
    """What is said of items.

    Attributes:
        captions: (t, dt) centred, at unit length.
        of: for each item its rows of `captions`, the plainest first.
        labels: (n) integers; items of one label fit each other's captions.
        weights: (n) how often an item is drawn, in any unit.
    """

    captions: np.ndarray
    of: Sequence[np.ndarray]
    labels: np.ndarray
    weights: np.ndarray

    def means(self) -> np.ndarray:
        """(n, dt) the mean caption of each item, at unit length."""
        rows = np.stack([self.captions[at].mean(axis=0) for at in self.of])
        return _unit(rows)


@dataclass(frozen=True, eq=False)
class Whitening:
    """Features x (n, ds) → (x - mean) @ white (n, k): directions of much variance about 1, of little less.

    white = S V (L + strength * mean L)^-1/2, with V, L of the covariance of x S, and S scaling each part of the
    features to a mean variance of 1. The closed form of a ridge of that strength is then the plain mean of y x^T, and a
    step of a gradient goes as far in every direction that the data know well.
    """

    mean: np.ndarray
    white: np.ndarray

    @classmethod
    def fit(
        cls, features: np.ndarray, weights: np.ndarray, strength: float, width: int, parts: Sequence[int] = ()
    ) -> "Whitening":
        """On features (n, ds) with weights (n); `parts` are the widths of parts of the features, () = one."""
        features = features.astype(np.float32, copy=False)
        share = (weights / weights.sum()).astype(np.float32)[:, None]
        mean = (features * share).sum(axis=0, dtype=np.float64).astype(np.float32)
        centred = features - mean
        covariance = centred.T @ (centred * share)
        scale = _scales(np.diag(covariance), parts or (len(mean),))
        values, vectors = _spread(covariance * np.outer(scale, scale))
        white = vectors[:, :width] / np.sqrt(values[:width] + strength * values.mean())
        return cls(mean, (scale[:, None] * white).astype(np.float32))

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """(n, ds) → (n, k) float32."""
        made: np.ndarray = ((features - self.mean) @ self.white).astype(np.float32)
        return made


def _spread(covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues, falling, none below 0, and eigenvectors in columns: float32 by torch, a twentieth of the time."""
    values, vectors = torch.linalg.eigh(torch.from_numpy(covariance.astype(np.float32, copy=False)))
    return np.maximum(values.numpy()[::-1], 0), vectors.numpy()[:, ::-1]


def _scales(variances: np.ndarray, parts: Sequence[int]) -> np.ndarray:
    """(ds) what each feature is multiplied by, so that the features of a part have a mean variance of 1."""
    ends = np.cumsum(parts)
    means = [variances[end - part : end].mean() for part, end in zip(parts, ends, strict=True)]
    return np.repeat(1 / np.sqrt(np.maximum(means, 1e-12)), parts).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Folded:
    """A linear head on features as they are: x @ weight.T + bias. weight (dt, ds), bias (dt)."""

    weight: np.ndarray
    bias: np.ndarray

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """(n, ds) → (n, dt) at unit length."""
        made: np.ndarray = _unit(features @ self.weight.T + self.bias)
        return made

    def narrow(self, features: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The nearest head of that rank on features (n, ds): up (dt, r), down (r, ds), bias (dt)."""
        rows = features @ self.weight.T + self.bias
        middle = rows.mean(axis=0)
        up = _spread((rows - middle).T @ (rows - middle))[1][:, :rank]
        return up, up.T @ self.weight, middle + up @ (up.T @ (self.bias - middle))


def closed(views: Sequence[np.ndarray], said: Said) -> np.ndarray:
    """(dt, k): the closed form of a ridge to the mean captions, of the strength that the views (n, k) were whitened by.

    min over W of the mean of |W x - y|² + strength |W|²: in whitened features simply the mean of y x^T.
    """
    share = (said.weights / said.weights.sum())[:, None]
    wanted = said.means() * share
    made: np.ndarray = (sum(wanted.T @ view for view in views) / len(views)).astype(np.float32)
    return made


def contrastive(
    views: Sequence[np.ndarray],
    said: Said,
    start: np.ndarray,
    *,
    replay: tuple[np.ndarray, np.ndarray] | None = None,
    epochs: int = 12,
    batch: int = 768,
    learning_rate: float = 2e-3,
    weight_decay: float = 0.05,
    dropout: float = 0.2,
    replay_weight: float = 0.3,
    temperature: float = 0.06,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Train a linear head.

    Args:
        views: (n, k) each, whitened; a step draws one of them.
        said: captions; the plainest is drawn half of the time, else any.
        start: (dt, k), zeros or the closed form.
        replay: whitened features (c, k) and what they are called (c, dt).
        epochs: n draws each.
        batch: items a step.
        learning_rate: at the peak of one cycle of AdamW.
        weight_decay: of the weight alone.
        dropout: share of the features left out.
        replay_weight: share of the loss on replayed classes.
        temperature: where the learned one starts.
        seed: of order, captions, views, dropout.

    Returns:
        weight (dt, k), bias (dt).
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    weight, bias = nn.Parameter(torch.from_numpy(start.copy())), nn.Parameter(torch.zeros(len(start)))
    scale = nn.Parameter(torch.tensor(1 / temperature).log())
    groups: list[dict[str, Any]] = [{"params": [weight]}, {"params": [bias, scale], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, learning_rate, weight_decay=weight_decay)
    batch = min(batch, len(said.of))
    steps = epochs * (len(said.of) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps + 1)
    inputs, captions = [torch.from_numpy(v) for v in views], torch.from_numpy(said.captions)
    labels, shares = torch.from_numpy(said.labels), said.weights / said.weights.sum()

    def towards(rows: Tensor) -> Tensor:
        return functional.normalize(functional.linear(functional.dropout(rows, dropout), weight, bias), dim=1)

    for _ in range(steps):
        at = rng.choice(len(said.of), batch, replace=False, p=shares)
        told = [_drawn(said.of[i], rng) for i in at]
        made = towards(inputs[rng.integers(len(inputs))][at])
        sharp = scale.exp().clamp(max=100)
        same = labels[at][:, None] == labels[at][None, :]
        loss = _both(made @ captions[told].T * sharp, same)
        if replay is not None:
            classes = rng.choice(len(replay[0]), min(_REPLAYED, len(replay[0])), replace=False)
            seen, names = (torch.from_numpy(side[classes]) for side in replay)
            loss = loss + replay_weight * functional.cross_entropy(towards(seen) @ names.T * sharp,
                                                                   torch.arange(len(classes)))  # fmt: skip
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return weight.detach().numpy(), bias.detach().numpy()


def gate(
    features: np.ndarray, kinds: np.ndarray, weights: np.ndarray, ridge: float, width: int, parts: Sequence[int] = ()
) -> Folded:
    """Which kind a picture is: ridge to 0 and 1, every kind counting alike.

    Args:
        features: (n, ds).
        kinds: (n) integers.
        weights: (n) how often an item is drawn.
        ridge: strength, in units of a feature's mean variance.
        width: of the whitened features.
        parts: widths of parts of the features, () = one.

    Returns:
        a head (kinds, ds); a picture is of the kind whose number is highest, 1 if it is sure.
    """
    wanted = np.eye(kinds.max() + 1)[kinds]
    share = weights / (weights @ wanted)[kinds]
    share /= share.sum()
    whitening = Whitening.fit(features, share, ridge, width, parts)
    middle = share @ wanted
    weight = ((wanted - middle) * share[:, None]).T @ whitening(features) @ whitening.white.T
    return Folded(weight.astype(np.float32), (middle - weight @ whitening.mean).astype(np.float32))


def replayed(looks: np.ndarray, classifier: np.ndarray) -> np.ndarray:
    """Looks (c, ds) that stand for the classes of a classifier (c, f), without any picture of them.

    The mean of looks (n, ds) all along; on top of its first f features the class's weights less those of all, at the
    length that features usually have from their mean; below 0 there is nothing, as ReLU has it.
    """
    width = classifier.shape[1]
    features, mean = looks[:, :width], looks.mean(axis=0)
    usual = float(np.median(np.linalg.norm(features - mean[:width], axis=1)))
    made = np.tile(mean, (len(classifier), 1))
    made[:, :width] = np.maximum(mean[:width] + usual * _unit(classifier - classifier.mean(axis=0)), 0)
    return made


def summed(whitening: Whitening, features: np.ndarray, heads: Sequence[tuple[np.ndarray, np.ndarray, float]]) -> Folded:
    """Heads on whitened features (weight, bias, share) as one on plain ones; each counts by its share.

    Heads differ in length: each is first brought to a mean length of 1 on features (n, ds).
    """
    x = whitening(features)
    weight, bias = np.zeros((len(heads[0][1]), x.shape[1])), np.zeros(len(heads[0][1]))
    for own, shift, share in heads:
        length = np.linalg.norm(x @ own.T + shift, axis=1).mean()
        weight, bias = weight + share / length * own, bias + share / length * shift
    folded = weight @ whitening.white.T
    return Folded(folded.astype(np.float32), (bias - folded @ whitening.mean).astype(np.float32))


def _both(scores: Tensor, same: Tensor) -> Tensor:
    """InfoNCE both ways; every item of the same label is right: -log of the share that falls on those."""
    there, back = (torch.log_softmax(s, dim=1).masked_fill(~same, -1e9).logsumexp(dim=1) for s in (scores, scores.T))
    return -(there.mean() + back.mean()) / 2


def _drawn(captions: np.ndarray, rng: np.random.Generator) -> int:
    return int(captions[0] if rng.random() < 0.5 else captions[rng.integers(len(captions))])


def _unit(rows: np.ndarray) -> np.ndarray:
    made: np.ndarray = rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)
    return made
