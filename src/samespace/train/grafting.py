"""What a graft learns from: captions of pictures, or queries of picture and words; the loss and the measure of both.

    captions     words → picture            the language model reads pictures; the words' vectors stay as they are
    composed     picture + words → picture  the language model reads queries; pictures go through two layers

Imports torch. Letters: n rows of a batch, m candidates, d width, ds tower's width.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from samespace.encode.graft import Graft
from samespace.encode.hf_model import Prepared
from samespace.encode.lora import Learned
from samespace.errors import DataError
from samespace.space import Space, Vectors
from samespace.train import heads
from samespace.train.asked import Asked
from samespace.train.best import Best
from samespace.train.losses.masked import masked_info_nce
from samespace.train.perceptron import Perceptron
from samespace.train.retrieval import among

__all__ = ["Growing", "Grown", "Task", "closed", "composed"]

_BATCH = 32  # sequences at a time where no gradient is taken


class Growing(Learned):
    """What is written in the end: the graft, and beside it the two layers for pictures if its Space is its own."""

    def __init__(self, graft: Graft, looks: Perceptron | None) -> None:
        super().__init__()
        self.graft, self.looks = graft, looks


class Grown(Learned):
    """That, the loss's scale, and the best of it so far: all that a state must hold."""

    def __init__(self, parts: Growing, temperature: float) -> None:
        super().__init__()
        self.parts, self.best = parts, Best(parts)
        self.log_scale = nn.Parameter(torch.tensor(1 / temperature).log())


def composed(rows: Asked) -> bool:
    """Whether the anchors are pictures with words. Raises DataError if some are and some are not."""
    with_picture = rows.shown >= 0
    if with_picture.any() and not with_picture.all():
        odd = int(np.flatnonzero(~with_picture)[0])
        fact = f"the anchor has no picture, and {int(with_picture.sum())} of {len(with_picture)} have one"
        mend = "Train on each kind alone: with the one pictures are read, with the other queries"
        raise DataError(odd, "anchor", fact, mend)
    return bool(with_picture.all())


@torch.no_grad()
def closed(task: "Task", graft: Graft, at: np.ndarray, texts: Vectors) -> None:
    """Fit the head of captions in closed form, from the model's states as they are; it stays so.

    Args:
        task: of captions.
        graft: at its start.
        at: rows to fit on.
        texts: (q) vectors of all wordings.
    """
    head, graft.head = graft.head, nn.Identity()  # type: ignore[assignment]
    shown, blank = task.rows.wanted[at], task.ready[-1]
    made = [
        graft(task.pictures[some], torch.ones(len(some), dtype=torch.bool), [blank] * len(some))
        for some in np.array_split(shown, -(-len(shown) // _BATCH))
    ]
    states = Space("states", graft.language.width, "dot", graft.language.weights).vectors(torch.cat(made).numpy())
    frames = heads.Frames.fit(states, texts[task.said[at]])
    weight = heads.closed(frames.features(states), frames.answers(texts[task.said[at]]))
    fit = frames.head(weight, torch.zeros(len(weight)))
    head.load_state_dict({"weight": torch.from_numpy(fit.weight), "bias": torch.from_numpy(fit.bias)})
    graft.head = head.requires_grad_(False)


@dataclass(frozen=True, eq=False)
class Task:
    """The rows and what is known of their parts.

    Attributes:
        rows: by numbers.
        said: (n) the anchors' words, as trained on.
        pictures: (p, ds) the tower's vectors.
        ready: (q) each wording as the language model reads it, and behind them all no words at all.
        answers: (q, d) vectors of the wordings at unit length, where the rows are captions; None = composed.
    """

    rows: Asked
    said: np.ndarray
    pictures: Tensor
    ready: Sequence[Prepared]
    answers: Tensor | None

    def anchors(self, parts: Growing, at: np.ndarray, piece: int) -> Tensor:
        """What is asked (n, d), at unit length."""
        if self.answers is not None:
            return self.answers[self.said[at]]
        return self._read(parts.graft, self.rows.shown[at], self.said[at], piece)

    def told(self, parts: Growing, shown: np.ndarray, piece: int) -> Tensor:
        """Pictures (m, d), at unit length."""
        if parts.looks is not None:
            made: Tensor = parts.looks(self.pictures[shown])
            return made
        return self._read(parts.graft, shown, np.full(len(shown), -1), piece)

    def loss(self, model: Grown, at: np.ndarray, piece: int) -> Tensor:
        """Both ways: anchors to the pictures of the batch with their near misses, and pictures to anchors."""
        shown = self.rows.candidates(at)
        piece = piece if piece < len(at) else len(shown)
        temperature = 1 / model.log_scale.clamp(max=math.log(100)).exp()
        asked, found = self.anchors(model.parts, at, piece), self.told(model.parts, shown, piece)
        there = masked_info_nce(asked, found, temperature=temperature, groups=torch.from_numpy(shown))
        groups = torch.from_numpy(self.rows.wanted[at])
        return (there + masked_info_nce(found[: len(at)], asked, temperature=temperature, groups=groups)) / 2

    @torch.no_grad()
    def measure(self, model: Grown, at: np.ndarray) -> dict[str, float]:
        """Anchor → picture among all of the rows kept apart and their near misses; the best state is remembered."""
        model.eval()
        shown, place = np.unique(self.rows.candidates(at), return_inverse=True)
        scores = self.anchors(model.parts, at, _BATCH) @ self.told(model.parts, shown, _BATCH).T
        point = among(scores.numpy(), place[: len(at)])
        model.best.seen(model.parts, point["recall@1"] + point["recall@10"])
        return point

    def _read(self, graft: Graft, shown: np.ndarray, said: np.ndarray, piece: int) -> Tensor:
        """What the language model makes of pictures with words; so many at a time where memory is short."""

        def some(at: slice) -> Tensor:
            there = torch.ones(len(shown[at]), dtype=torch.bool)
            made: Tensor = graft(self.pictures[shown[at]], there, [self.ready[i] for i in said[at]])
            return made

        parts = [slice(i, i + piece) for i in range(0, len(shown), piece)]
        if len(parts) == 1 or not torch.is_grad_enabled():
            made = [some(part) for part in parts]
        else:
            made = [checkpoint(some, part, use_reentrant=False) for part in parts]
        return functional.normalize(torch.cat(made), dim=1)
