"""Rows of anchor, positive and negatives, ready for a model: split, tokenized, as columns; and how well they are told.

Knows nothing of losses. Imports numpy and torch. Letters: n rows, k negatives a row, d width.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from samespace.encode.hf_model import Prepared
from samespace.encode.language import Language
from samespace.errors import DataError, ReadError
from samespace.items import Item
from samespace.space import Space
from samespace.train import batches, mining
from samespace.train.example import Example
from samespace.train.learner import Learner, embedded
from samespace.train.retrieval import recall_at_k
from samespace.train.split import codes, held_out

__all__ = ["Pairs"]

_SKIP, _WINDOW, _ENOUGH = 30, 100, 1000  # ranks left out as false negatives, and taken; with fewer rows as many less


@dataclass
class Pairs:
    """Rows for a training.

    Attributes:
        examples: (n).
        groups: (n) the number of each row's anchor; rows of one are on one side of the split.
        kept, apart: positions of the rows to train on and of those to measure on.
        columns: 2 + k lists (n) of what a model reads; made by `read_by`.
    """

    examples: Sequence[Example]
    groups: np.ndarray
    kept: np.ndarray
    apart: np.ndarray
    columns: list[list[Prepared]] = field(default_factory=list)

    @classmethod
    def split(cls, examples: Sequence[Example], share: float, seed: int) -> "Pairs":
        """Keep that share of the anchors apart. Raises DataError: too few are left."""
        groups = codes([example.anchor.digest() for example in examples])
        return cls(examples, groups, *held_out(groups, share, seed))

    def read_by(self, language: Language, negatives: int, seed: int) -> None:
        """Tokenize all sides; every row gets as many negatives, as far as there are any.

        Rows with fewer than k = the most that any row has, at most `negatives`, get positives of other rows, drawn.
        Raises DataError: there are too few to draw from, or the model cannot take one in.
        """
        count = min(negatives, max(len(example.negatives) for example in self.examples))
        rng = np.random.default_rng(seed + 2)
        rows = [self._negatives(example, count, rng) for example in self.examples]
        asked = [_ready(language, e, "anchor", e.anchor) for e in self.examples]
        told = [_ready(language, e, "positive", e.positive) for e in self.examples]
        sides = [[(e, row[k]) for e, row in zip(self.examples, rows, strict=True)] for k in range(count)]
        self.columns = [asked, told, *([_ready(language, e, "negatives", item) for e, item in side] for side in sides)]

    def _negatives(self, example: Example, count: int, rng: np.random.Generator) -> list[Item]:
        made = list(example.negatives[:count])
        own = {example.positive.digest(), *(item.digest() for item in made)}
        for row in rng.permutation(self.kept):
            if len(made) == count:
                break
            drawn = self.examples[row]
            if drawn.anchor.digest() != example.anchor.digest() and drawn.positive.digest() not in own:
                made.append(drawn.positive)
                own.add(drawn.positive.digest())
        if len(made) < count:
            fact = f"it has {len(example.negatives)} negatives where others have {count}, and too few rows to draw from"
            raise DataError(example.row, "negatives", fact, "Give it more, or ask for fewer: --negatives")
        return made

    def sampler(self, batch: int, seed: int, how: str, sides: Callable[[], np.ndarray]) -> Any:
        """Batches of positions in `kept`; equal positives never meet in one.

        Args:
            batch: rows.
            seed: of the order.
            how: "random"; "instruction": of one instruction each; "mined": of clusters of rows, a quarter of a batch
                each, that are hard for each other.
            sides: gives the vectors (2, n, d) of anchors and positives by which is mined.
        """
        told = [self.examples[row].instruction if how != "random" else "" for row in self.kept]
        apart = [self.examples[row].positive.digest() for row in self.kept]
        if how == "mined":
            draw = batches.mined(_clusters(sides(), max(batch // 4, 2), told, apart), keys=told, apart=apart)
        else:
            draw = batches.group_by(told, apart=apart)
        return draw(self.kept, batch_size=batch, seed=seed)

    def sides(self, learner: Learner) -> np.ndarray:
        """The vectors (2, n, d) of the anchors and the positives to train on, by a learner as it is."""
        made = [embedded(learner, [column[row] for row in self.kept]) for column in self.columns[:2]]
        return torch.stack(made).numpy()

    def measured(self, learner: Learner) -> dict[str, float]:
        """How the anchors kept apart find their positives: mrr, recall@1 and recall@10, with their chances."""
        rows = [embedded(learner, [column[row] for row in self.apart]) for column in self.columns[:2]]
        scores = (rows[0] @ rows[1].T).numpy()
        groups = self.groups[self.apart]
        right = groups[:, None] == groups[None, :]
        best = np.where(right, scores, -np.inf).max(axis=1)
        rank = 1 + (np.where(right, -np.inf, scores) >= best[:, None]).sum(axis=1)
        return {"mrr": float((1 / rank).mean()), **recall_at_k(scores, groups)}

    def digest(self) -> str:
        """Hash of all rows."""
        digest = hashlib.sha256()
        for example in self.examples:
            items = (example.anchor, example.positive, *example.negatives)
            digest.update(" ".join([example.instruction, *(item.digest() for item in items)]).encode())
        return digest.hexdigest()

    def at(self, column: int, which: list[int]) -> list[Prepared]:
        """What a model reads of some rows of `kept`."""
        return [self.columns[column][row] for row in self.kept[which]]

    def of(self, which: list[int]) -> torch.Tensor:
        """The groups of some rows of `kept`."""
        return torch.from_numpy(self.groups[self.kept[which]])


def _ready(language: Language, example: Example, column: str, item: Item) -> Prepared:
    """A side of a row as a model reads it. Raises DataError: it cannot take it in, such as a picture one pixel high."""
    asks = column == "anchor"
    try:
        return language.prepare(item, "query" if asks else "document", example.instruction if asks else "")
    except ReadError as err:
        raise DataError(example.row, column, err.reason, f"{err.mend}, or leave the row out") from err


def _clusters(sides: np.ndarray, size: int, keys: list[str], same: list[str]) -> list[list[int]]:
    """Clusters of rows that are hard for each other, by the vectors of both sides (2, n, d)."""
    share = min(len(keys) / _ENOUGH, 1.0)
    space = Space("mined", sides.shape[2], "cosine", "")
    skip, window = round(_SKIP * share), max(round(_WINDOW * share), size)
    return mining.clusters(*map(space.vectors, sides), size=size, skip=skip, window=window, keys=keys, same=same)
