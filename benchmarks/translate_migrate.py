"""Moving an index to another model: what translated rows keep of judged quality, and what the candidate stage costs.

Cranfield, 1,400 abstracts, 225 questions with judgements. A = MiniLM, B = multilingual E5. Vectors are kept under
benchmarks/out/translate, so that the second run encodes nothing but the background of calibration.
"""

import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.data import Retrieval, cranfield, ndcg_at_k
from benchmarks.figure import Figure, check
from benchmarks.translate_data import MODELS, OUT, sentences, vectors
from samespace.encode.load import load
from samespace.encode.protocol import Encoder, Role
from samespace.index.lance import LanceIndex
from samespace.index.migrate import begin, move
from samespace.index.migrate_fit import fitted
from samespace.index.migrate_rows import forget_kept, kept
from samespace.index.migrate_view import Moving
from samespace.index.protocol import FileRow, ItemRow
from samespace.index.search import Searcher
from samespace.items import Item, Locator, Modality, Text
from samespace.space import Space, Vectors
from samespace.translate.domain import Domain
from samespace.translate.fit import fit

__all__ = ["figures"]

_PAIRS, _DEPTHS = (300, 1000), (50, 100, 200)
_SHARES = (0.5, 0.9)
_BARS = {300: (">= 0.82", ">= 0.87"), 1000: (">= 0.92", ">= 0.95")}
_TEXTS, _GENERAL = 24_000, 10_000  # sentences of other kinds, and pairs of them
_TIMED = 24  # documents that are encoded anew, to say what one costs


def figures(place: Path, quick: bool) -> Iterator[Figure]:
    """All of it: translated only, with the candidate stage, and through the whole search."""
    task = cranfield(place)
    sides = {letter: _Side.of(task, letter) for letter in "AB"}
    draws = range(1 if quick else 3)
    for old, new in (("A", "B"), ("B", "A")):
        yield from _status_quo(task, sides[old], sides[new], f"{old}→{new}")
        for n in _PAIRS:
            yield from _translated(task, sides[old], sides[new], f"{old}→{new}", n, draws)
        yield _general(place, task, sides[old], sides[new], f"{old}→{new}", _GENERAL // 10 if quick else _GENERAL)
        yield from _searched(task, sides[old], sides[new], f"{old}→{new}", quick)
    yield from _cost(task)


@dataclass(frozen=True)
class _Side:
    """Documents and questions in one Space."""

    letter: str
    documents: Vectors
    queries: Vectors

    @classmethod
    def of(cls, task: Retrieval, letter: str) -> "_Side":
        return cls(letter, vectors(task.documents, letter), _queries(task.queries, letter))

    @property
    def space(self) -> Space:
        return self.documents.space


def _queries(texts: Sequence[str], letter: str) -> Vectors:
    """Questions in the role of questions, from the store where they were encoded before."""
    key = hashlib.blake2b("\n".join(texts).encode(), digest_size=12).hexdigest()
    place, card = OUT / f"{MODELS[letter]}-query-{key}.npy", OUT / f"{MODELS[letter]}.json"
    if place.is_file() and card.is_file():
        return Space.from_json(card.read_text()).vectors(np.load(place, allow_pickle=False))
    made = load(MODELS[letter]).encode([Text(t) for t in texts], role="query")
    np.save(place, made.data.astype(np.float32), allow_pickle=False)
    return made


def _ranked(queries: np.ndarray, documents: np.ndarray, k: int = 10) -> np.ndarray:
    return np.argsort(-(queries @ documents.T), axis=1, kind="stable")[:, :k]


def _ndcg(task: Retrieval, queries: Vectors, documents: np.ndarray) -> float:
    return ndcg_at_k(_ranked(queries.data, documents), task.relevant)


def _status_quo(task: Retrieval, old: _Side, new: _Side, way: str) -> Iterator[Figure]:
    full, before = (_ndcg(task, side.queries, side.documents.data) for side in (new, old))
    naive = _ndcg(task, new.queries, old.documents.data)
    yield Figure(
        f"migrate {way}: nDCG@10 when all is embedded", full, "", before, n=225, notes="peer = the old model's"
    )
    yield Figure(f"migrate {way}: kept if vectors are mixed up", naive / full, "", n=225, notes="control: same width")


def _translated(task: Retrieval, old: _Side, new: _Side, way: str, n: int, draws: Sequence[int]) -> Iterator[Figure]:
    """Translated only, both sides, and with the candidate stage; means over draws of the sample."""
    full, before = (_ndcg(task, side.queries, side.documents.data) for side in (new, old))
    kept: dict[str, list[float]] = {}
    for seed in draws:
        rows = np.sort(np.random.default_rng(seed).choice(len(task.documents), n, replace=False))
        bridge, _ = fitted(old.documents[rows], new.documents[rows], uri="")
        made = bridge.forth(old.documents).data
        kept.setdefault("document", []).append(_ndcg(task, new.queries, made) / full)
        asked = bridge.back(new.queries)
        kept.setdefault("query", []).append(_ndcg(task, _centred(asked), _centred(old.documents).data) / before)
        kept.setdefault("plain", []).append(_ndcg(task, asked, old.documents.data) / before)
        for depth in _DEPTHS:
            kept.setdefault(f"stage {depth}", []).append(_staged(task, new, made, depth) / full)
    query, document = _BARS[n]
    mean = {name: float(np.mean(values)) for name, values in kept.items()}
    spread = {name: f"{min(values):.3f} to {max(values):.3f} in {len(values)} draws" for name, values in kept.items()}
    text = f"{n} own documents embedded"
    yield Figure(
        f"migrate {way}: translated only, documents, {text}", mean["document"], "of nDCG", before / full, document,
        check(mean["document"], document), 225, f"peer = staying with the old model; {spread['document']}",
    )  # fmt: skip
    yield Figure(
        f"migrate {way}: translated only, queries, {text}", mean["query"], "of the old model's nDCG", None, query,
        check(mean["query"], query), 225,
        f"means of questions and of documents taken off; {mean['plain']:.3f} without; {spread['query']}",
    )  # fmt: skip
    for depth in _DEPTHS:
        value, bar = mean[f"stage {depth}"], ">= 0.98" if depth == _DEPTHS[-1] else None
        holds = check(value, bar) if bar else None
        yield Figure(
            f"migrate {way}: the first {depth} by translation embedded and ranked, {text}", value, "of nDCG",
            mean["document"], bar, holds, 225, f"peer = translated only; {spread[f'stage {depth}']}",
        )  # fmt: skip


def _general(place: Path, task: Retrieval, old: _Side, new: _Side, way: str, n: int) -> Figure:
    """Pairs of other texts, however many: what is kept, and whether that is said before."""
    texts = sentences(place, _TEXTS)
    source, target = vectors(texts, old.letter)[:n], vectors(texts, new.letter)[:n]
    full = _ndcg(task, new.queries, new.documents.data)
    value = _ndcg(task, new.queries, fit(source, target, role="document")(old.documents).data) / full
    domain = Domain.of(source)
    assert domain is not None
    look = domain.look(old.documents)
    return Figure(
        f"migrate {way}: {n:,} general pairs for the special collection", value, "of nDCG", None,
        "flagged as another domain before", look.outside, 225, f"shift {look.shift:.2f}, other domain from .45",
    )  # fmt: skip


def _centred(vectors: Vectors) -> Vectors:
    return vectors.space.vectors(vectors.data - vectors.data.mean(axis=0))


def _staged(task: Retrieval, new: _Side, made: np.ndarray, depth: int) -> float:
    """NDCG@10 where the first so many by translation are ranked by their true vectors."""
    found = []
    for query, rows in zip(new.queries.data, _ranked(new.queries.data, made, depth), strict=True):
        order = np.argsort(-(new.documents.data[rows] @ query), kind="stable")
        found.append(rows[order[:10]])
    return ndcg_at_k(np.array(found), task.relevant)


@dataclass(eq=False)
class _Known:
    """An encoder that knows the vectors of the task by heart, and asks the real one for the rest."""

    side: _Side
    task: Retrieval
    modalities: frozenset[Modality] = frozenset({"text"})
    asked: int = 0
    _real: Encoder | None = field(default=None)

    def __post_init__(self) -> None:
        self.space = self.side.space
        rows = zip(self.task.documents, self.side.documents.data, strict=True)
        self._rows = {("document", text): row for text, row in rows}
        self._rows |= {("query", t): r for t, r in zip(self.task.queries, self.side.queries.data, strict=True)}

    def encode(self, items: Sequence[Item], *, role: Role = "document") -> Vectors:
        texts = [item.text for item in items if isinstance(item, Text)]
        if all((role, text) in self._rows for text in texts):
            self.asked += len(texts) if role == "document" else 0
            rows = [self._rows[role, text] for text in texts]
            return self.space.vectors(np.stack(rows)) if rows else self.space.empty()
        self._real = self._real or load(MODELS[self.side.letter])
        return self._real.encode(items, role=role)


def _searched(task: Retrieval, old: _Side, new: _Side, way: str, quick: bool) -> Iterator[Figure]:
    """Through a real index and the whole search, by meaning alone: calibrated, merged, embedded on the way."""
    folder = Path(tempfile.mkdtemp(prefix="migrate-"))
    try:
        one, other = _Known(old, task), _Known(new, task)
        full = _quality(task, Searcher(_index(folder / "full", task, other), other))
        index = _index(folder / "moving", task, one)
        begin(index.uri, other, MODELS[new.letter], sample=_PAIRS[0])
        for share in (_PAIRS[0] / len(task.documents), *(() if quick else _SHARES)):
            done = Moving.open(index, other).moved()
            move(index.uri, other, limit=max(0, round((share - done) * len(task.documents))))
            yield from _at(task, index, other, full, f"migrate {way}: searched, {share:.0%} embedded")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _at(task: Retrieval, index: LanceIndex, other: "_Known", full: float, name: str) -> Iterator[Figure]:
    """At one share: without the candidate stage, with it, and what it embeds."""
    alone = _quality(task, Searcher(Moving.open(index, other, depth=0), other)) / full
    yield Figure(f"{name}, merged on calibrated scores", alone, "of nDCG", n=225, notes="no candidate stage")
    moving, asked = Moving.open(index, other), other.asked
    staged = _quality(task, Searcher(moving, other), lambda: forget_kept(list(kept(index.uri, other.space)))) / full
    count, bar = (other.asked - asked) / len(task.queries), ">= 0.98"
    yield Figure(
        f"{name}, with the candidate stage", staged, "of nDCG", alone, bar, check(staged, bar), 225,
        f"{count:.0f} documents embedded a query, each query met first; peer = merged only",
    )  # fmt: skip


def _quality(task: Retrieval, searcher: Searcher, after: Callable[[], None] = lambda: None) -> float:
    """NDCG@10 of searches by meaning alone, a document a hit."""
    ranked = []
    for query in task.queries:
        hits = searcher.search(query, k=10, hybrid=False, group=False, fold=False)
        found = [int(Path(hit.path).stem) for hit in hits]
        ranked.append(found + [-1] * (10 - len(found)))
        after()
    return ndcg_at_k(np.array(ranked), task.relevant)


def _index(place: Path, task: Retrieval, encoder: "_Known") -> LanceIndex:
    """One file a document."""
    index = LanceIndex.create(place, encoder.space, MODELS[encoder.side.letter])
    items = [Text(text, Locator(chars=(0, len(text)))) for text in task.documents]
    files = [
        FileRow(f"/c/{i}.txt", "/c", len(t.text), 1.0, f"content-{i}", f"reading-{i}", "indexed", "text", items=1)
        for i, t in enumerate(items)
    ]
    rows = [
        ItemRow(f"item-{i}", f"reading-{i}", t.digest(), "text", "text", "body", t.locator, t.text)
        for i, t in enumerate(items)
    ]
    with index.writer() as writer:
        writer.commit(files, rows, [t.digest() for t in items], encoder.encode(items))
    return index


def _cost(task: Retrieval) -> Iterator[Figure]:
    """What it costs to embed one candidate: CPU time, one document of some 160 words."""
    for letter in "AB":
        encoder = load(MODELS[letter])
        items = [Text(text) for text in task.documents[:_TIMED]]
        encoder.encode(items[:2])
        started = time.process_time()
        encoder.encode(items)
        spent = 1000 * (time.process_time() - started) / len(items)
        yield Figure(
            f"migrate: to embed one candidate by {MODELS[letter]}", spent, "CPU ms", n=len(items),
            notes=f"{_DEPTHS[-1]} of them: {_DEPTHS[-1] * spent / 1000:.1f} CPU s for a query that meets none embedded",
        )  # fmt: skip
