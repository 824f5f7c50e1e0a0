"""A mixed collection: textbook pictures and Wikipedia passages in one pool, by raw cosines and by calibrated scores.

Half of the questions are alt texts whose picture is asked for, half are titles whose passage is. Search counts every
score from its kind's own null (index/calibrate.py), as here; raw cosines of two-tower models fall apart by kind.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.data import ndcg_at_k
from benchmarks.figure import Figure
from benchmarks.train_data import OUT
from samespace.encode import starter
from samespace.index.calibrate import Background, Levels, Null
from samespace.items import Image, Item, Text
from samespace.space import Vectors, similarity
from samespace.train import starter_rows
from samespace.train.vectors import encoded

__all__ = ["figures"]

_EACH, _ASKED = 600, 200


def figures(data: Path, quick: bool) -> Iterator[Figure]:
    """nDCG@10 of both halves, raw and calibrated, beside the same questions in a pool of one kind."""
    model = starter.load()
    assert isinstance(model, starter.Starter)
    book = [row for row in starter_rows.load(data, "openstax_figures") if row.apart]
    picked = np.sort(np.random.default_rng(0).choice(len(book), _EACH, replace=False))
    seen = [Image(book[i].blob) for i in picked]
    corpus = pq.read_table(data / "wiki_passages/corpus.parquet").slice(0, _EACH).to_pylist()
    kinds: dict[str, tuple[list[Item], list[str]]] = {
        "pictures": ([*seen], [book[i].captions[0] for i in picked[:_ASKED]]),
        "passages": ([Text(r["text"]) for r in corpus], [r["title"] for r in corpus[:_ASKED]]),
    }
    near = {kind: encoded(model, items, "document", OUT) for kind, (items, _) in kinds.items()}
    asked = {kind: encoded(model, [Text(t) for t in texts], "query", OUT) for kind, (_, texts) in kinds.items()}
    background = Background.of(lambda texts, role: model.encode(texts, role=role), model.space, OUT)
    apart = near | {"pictures": model.space.vectors(_moved(near["pictures"].data))}
    for where, rows in (("mixed", near), ("mixed, pictures moved apart", apart)):
        yield from _both(where, rows, asked, background)
        yield from _gap(where, rows, asked, background)


def _moved(rows: np.ndarray) -> np.ndarray:
    """Rows (n, d) about another middle, as raw two-tower models leave pictures: an axis that no text looks along."""
    middle = rows.mean(axis=0)
    away = np.zeros_like(middle)
    away[np.argmin(np.abs(middle))] = np.linalg.norm(middle)
    made: np.ndarray = rows - middle + away
    return made


def _both(where: str, rows: dict[str, Vectors], asked: dict[str, Vectors], background: Background) -> Iterator[Figure]:
    """Both halves, raw and calibrated."""
    gap = float(np.linalg.norm(rows["pictures"].data.mean(axis=0) - rows["passages"].data.mean(axis=0)))
    raw = {k: np.concatenate([similarity(q, rows[n]) for n in rows], axis=1) for k, q in asked.items()}
    worth = {k: np.concatenate([_worth(q, rows[n], n, background) for n in rows], axis=1) for k, q in asked.items()}
    for start, kind in ((0, "pictures"), (_EACH, "passages")):
        right = [{start + i} for i in range(_ASKED)]
        alone = similarity(asked[kind], rows[kind])
        best = ndcg_at_k(np.argsort(-alone, axis=1)[:, :10], [{i} for i in range(_ASKED)])
        before, after = (ndcg_at_k(np.argsort(-s[kind], axis=1)[:, :10], right) for s in (raw, worth))
        yield Figure(f"{where}: {kind} among both kinds, raw cosine, nDCG@10", before, "", best, None, None, _ASKED,
                     f"peer: in a pool of {kind} alone; {_EACH} of each kind; gap of the means {gap:.3f}")  # fmt: skip
        yield Figure(f"{where}: {kind} among both kinds, calibrated, nDCG@10", after, "", best, None, None, _ASKED,
                     f"peer: in a pool of {kind} alone; raw cosine {before:.3f}")  # fmt: skip


def _worth(asked: Vectors, rows: Vectors, kind: str, background: Background) -> np.ndarray:
    """(q, n) z of every row for every question, as search has it."""
    text = Levels(background.texts, background.weights(["LATIN"]))
    levels = text if kind == "passages" else Levels.of_things(background, rows)
    null = Null.fit(background.queries, background.query_scripts, levels, rows, 2 * _EACH)
    assert null is not None
    return np.stack([null.worth(asked[i], rows, "LATIN")[0] for i in range(len(asked))])


def _gap(where: str, rows: dict[str, Vectors], asked: dict[str, Vectors], background: Background) -> Iterator[Figure]:
    """How far the kinds lie apart in the eyes of unrelated questions: in spreads of their scores, before and after."""
    questions = asked["pictures"].concat(asked["passages"])
    raw = {kind: similarity(questions, some).astype(np.float64) for kind, some in rows.items()}
    worth = {kind: _worth(questions, some, kind, background) for kind, some in rows.items()}
    apart = [abs(s["pictures"].mean() - s["passages"].mean()) / np.mean([s[k].std() for k in s]) for s in (raw, worth)]
    yield Figure(f"{where}: distance of the kinds' mean scores, calibrated", apart[1], "spreads", apart[0], None, None,
                 questions.data.shape[0], "peer: raw cosine")  # fmt: skip
