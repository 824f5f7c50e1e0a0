"""The measures of the starter: which picture a text finds, and which name a picture or a recording gets.

Everything is measured on vectors alone, so that the shipped weights, ConSE and a control that was trained on shuffled
captions go through the same lines. A tie counts against the right answer. Letters: n queries, m candidates, d width.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from samespace.train.starter_rows import Row

__all__ = ["Measured", "Say", "by_name", "named", "nearest", "pictures", "recall", "wordings"]

Say = Callable[[Sequence[str]], np.ndarray]
"""Texts (n) → their vectors as questions (n, d), at unit length."""


@dataclass(frozen=True)
class Measured:
    """A share, what chance gives, and how many were asked."""

    share: float
    chance: float
    n: int


_POOL = 600
_SEED = 0  # of the mixed pool


def recall(texts: np.ndarray, found: np.ndarray, k: int) -> float:
    """Share of texts (n, d) whose own item, the one in the same row of `found` (n, d), is among the first k."""
    scores = texts @ found.T
    own = np.diag(scores)
    rank = (scores >= own[:, None]).sum(axis=1) - 1
    return float((rank < k).mean())


def named(items: np.ndarray, names: np.ndarray, right: np.ndarray) -> float:
    """Share of items (n, d) whose best name of (m, d) is the right one, `right` (n) into the names."""
    scores = items @ names.T
    best = scores.argmax(axis=1)
    sole = (scores >= scores.max(axis=1, keepdims=True)).sum(axis=1) == 1
    return float(((best == right) & sole).mean())


def nearest(items: np.ndarray, labels: Sequence[str]) -> float:
    """Share of items whose nearest other item has their label."""
    scores = items @ items.T
    np.fill_diagonal(scores, -np.inf)
    return float(np.mean([labels[j] == label for j, label in zip(scores.argmax(axis=1), labels, strict=True)]))


def by_name(items: np.ndarray, keys: Sequence[str], names: Mapping[str, Sequence[str]], say: Say) -> float:
    """Share of items (n, d) whose best name is that of their key (n), among all names: key → its wordings."""
    order = sorted(names)
    said = np.stack([say(names[key]).mean(axis=0) for key in order])
    return named(items, said, np.array([order.index(key) for key in keys]))


def wordings(rows: Sequence[Row], count: int) -> dict[str, tuple[str, ...]]:
    """Label → the first `count` ways to say it."""
    return {row.label: row.captions[:count] for row in rows}


def pictures(rows: Mapping[str, Sequence[Row]], made: Mapping[str, np.ndarray], say: Say) -> dict[str, Measured]:
    """All measures of pictures by text.

    Args:
        rows: set → its rows.
        made: set → vectors of its pictures, row by row, at unit length; only those kept apart are looked at.
        say: the text side.
    """
    found: dict[str, Measured] = {}
    book, signs = rows["openstax_figures"], rows["emoji_names"]
    apart = np.array([i for i, r in enumerate(book) if r.apart])
    pools = {
        "photos": [i for i in apart if book[i].kind == "photo"],
        "figures": [i for i in apart if book[i].kind != "photo"],
        "pool": sorted(np.random.default_rng(_SEED).choice(apart, min(_POOL, len(apart)), replace=False).tolist()),
    }
    asked = {name: ("openstax_figures", at, [book[i].captions[0] for i in at]) for name, at in pools.items()}
    for code in ("en", "zh", "de", "fr"):
        at = [i for i, r in enumerate(signs) if r.apart and code in (r.names or {})]
        asked[f"emoji {code}"] = ("emoji_names", at, [(signs[i].names or {})[code] for i in at])
    for name, (where, at, texts) in asked.items():
        said = say(texts)
        for k in (1, 10):
            found[f"{name} R@{k}"] = Measured(recall(said, made[where][at], k), k / len(at), len(at))
    shop, things = rows["grocery_photos"], rows["subject_photos"]
    other = [i for i, r in enumerate(shop) if r.apart]
    labels, kinds = [shop[i].label for i in other], [r.fold for r in things]
    for count, text in ((1, ""), (3, ", 3 wordings")):
        names = wordings(shop, count)
        share = by_name(made["grocery_photos"][other], labels, names, say)
        found[f"grocery 81{text}"] = Measured(share, 1 / len(names), len(labels))
    for count, text in ((1, ""), (2, ", 2 wordings")):
        names = {r.fold: r.captions[:count] for r in things}
        share = by_name(made["subject_photos"], kinds, names, say)
        found[f"subjects 15{text}"] = Measured(share, 1 / len(names), len(kinds))
    return found
