"""Pictures with words: a learned sum beside a language model with grafted pictures, and that model beside linear heads.

Scenes: 200 composed queries, each asked in a pool of 200 pictures: its own answer and near misses, and those of 39
others (train_scenes.py). Photographs: alt texts of three books never trained on, in pools of 300 and of all.
What is trained is kept under benchmarks/out/train/graft, with the CPU seconds it took.

Letters: n queries, d width.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import reason_smol, train_scenes
from benchmarks.figure import Figure, check
from benchmarks.train_data import OUT, table
from benchmarks.train_starter_measure import recall
from samespace.encode.load import load as load_encoder
from samespace.encode.protocol import Encoder
from samespace.items import Blob, Image, Mixed, Text
from samespace.space import Space, Vectors, similarity
from samespace.train import plan
from samespace.train.heads import Frames, closed
from samespace.train.starter_rows import LETTERS, TEST_BOOKS
from samespace.train.vectors import encoded

__all__ = ["figures"]

_HOME = OUT / "graft"
_SCENES, _QUERIES, _GROUP = 2500, 200, 40
_PHOTOS, _POOL = 1887, 300
_TOWER, _EYES = "lite0-grid:3-160", "lite0-grid:2-160"


def figures(data: Path, quick: bool) -> Iterator[Figure]:
    """All of it. The sum's tower, width, passes and dropout were chosen by these very queries; the graft's not."""
    import torch

    torch.set_num_threads(1)
    yield from _scenes(quick)
    yield from _photos(data, quick)


# composed queries


def _scenes(quick: bool) -> Iterator[Figure]:
    count = 400 if quick else _SCENES
    rows = _HOME / f"scenes-{count}.parquet"
    if not rows.is_file():
        train_scenes.write(train_scenes.rows(count, 1), rows)
    queries = train_scenes.rows(_QUERIES, 2)
    settings: dict[str, Any] = {"data": rows, "tower": _TOWER}
    summed, seconds = _trained("fuse", f"sum-{count}", settings)
    fused = load_encoder(f"fused:{summed}")
    pool = _pool(fused, queries)
    found, blind = _asked(fused, queries, pool), _asked(fused, _dealt(queries), pool)
    alone = _asked(fused, queries, pool, words=False)
    bars = ("", "") if quick else (">= 0.55", ">= 0.92")
    notes = (
        f"{seconds:.0f} CPU s of training; right of its own five {found.five:.3f}, unchanged wins "
        f"{found.unchanged:.3f}; the picture alone {alone.one:.3f}"
    )
    yield from _figures("learned sum", found, blind.one, bars, notes)
    yield _bar("scenes: learned sum, words dealt out anew, recall@1", blind.one, "" if quick else "<= 0.15",
               f"right of its own five {blind.five:.3f}")  # fmt: skip
    control, _ = _trained("fuse", f"sum-dealt-{count}", {**settings, "shuffle": True}, summed)
    other = load_encoder(f"fused:{control}")
    dealt = _asked(other, queries, _pool(other, queries))
    yield _bar("scenes: learned sum trained on words dealt out anew, recall@1", dealt.one, "",
               f"recall@10 {dealt.ten:.3f}; the right scene and blind to words would be .2")  # fmt: skip
    starter = load_encoder("starter:")
    plain = _asked(starter, queries, _pool(starter, queries))
    yield _bar("scenes: untrained sum, the starter's vectors of picture and words, recall@1", plain.one, "",
               f"recall@10 {plain.ten:.3f}, unchanged wins {plain.unchanged:.3f}")  # fmt: skip
    eyes = {**settings, **_base(6), "tokens": 9, "batch": 64, "epochs": 1 if quick else 3}
    grown, seconds = _trained("graft", f"scenes-{count}", eyes, summed)
    grafted = load_encoder(f"grafted:{grown}")
    pool = _pool(grafted, queries)
    found, blind = _asked(grafted, queries, pool), _asked(grafted, _dealt(queries), pool)
    yield from _figures("language model, 6 layers", found, blind.one, ("" if quick else ">= 0.18", ""),
                        f"{seconds:.0f} CPU s of training; right of its own five {found.five:.3f}, unchanged wins "
                        f"{found.unchanged:.3f}")  # fmt: skip


@dataclass(frozen=True)
class _Found:
    """Shares of queries: the answer first, among ten, first of its own five; the unchanged scene first of them."""

    one: float
    ten: float
    five: float
    unchanged: float


def _pool(encoder: Encoder, queries: Sequence[train_scenes.Row]) -> Vectors:
    """Every query's five candidates, query by query."""
    return encoder.encode([_image(b) for q in queries for b in (q.answer, *q.misses)])


def _asked(encoder: Encoder, queries: Sequence[train_scenes.Row], pool: Vectors, *, words: bool = True) -> _Found:
    """Ask in pools of 40 queries' candidates; a tie counts against the answer."""
    starts, texts = [_image(q.picture) for q in queries], [Text(q.words) for q in queries]
    if not words:
        asked = encoder.encode(starts, role="query")
    elif "mixed" in encoder.modalities:
        asked = encoder.encode([Mixed(pair) for pair in zip(starts, texts, strict=True)], role="query")
    else:
        asked = (encoder.encode(starts, role="query") + encoder.encode(texts, role="query")).vectors()
    scores = similarity(asked, pool).reshape(len(queries), len(queries), 5)
    ranks, own = list[int](), scores[np.arange(len(queries)), np.arange(len(queries))]
    for row in range(len(queries)):
        first = row // _GROUP * _GROUP
        ranks.append(int((scores[row, first : first + _GROUP] >= own[row, 0]).sum()) - 1)
    place = np.array(ranks)
    best = (own[:, :1] > own[:, 1:]).all(axis=1).mean()
    return _Found(float((place < 1).mean()), float((place < 10).mean()), float(best),
                  float((own.argmax(axis=1) == 1).mean()))  # fmt: skip


def _dealt(queries: Sequence[train_scenes.Row]) -> list[train_scenes.Row]:
    """The same, each with another's words."""
    order = np.random.default_rng(5).permutation(len(queries))
    return [
        train_scenes.Row(q.picture, queries[i].words, q.answer, q.misses) for q, i in zip(queries, order, strict=True)
    ]


def _figures(name: str, found: _Found, blind: float, bars: tuple[str, str], notes: str) -> Iterator[Figure]:
    yield _bar(f"scenes: {name}, recall@1", found.one, bars[0], f"peer: words dealt out anew; {notes}", blind)
    yield _bar(f"scenes: {name}, recall@10", found.ten, bars[1], "chance .050")


def _bar(name: str, value: float, bar: str, notes: str, peer: float | None = 0.005, n: int = _QUERIES) -> Figure:
    if name.endswith("recall@10") and peer == 0.005:
        peer = 0.05
    return Figure(name, value, "share", peer, bar or None, check(value, bar) if bar else None, n, notes)


# captions


def _photos(data: Path, quick: bool) -> Iterator[Figure]:
    rows = table(data, "openstax_figures")
    apart = [any(name in str(r["label"]) for name in TEST_BOOKS) for r in rows]
    train = _file(rows, [i for i in range(len(rows)) if not apart[i]], quick)
    test = [i for i in range(len(rows)) if apart[i] and rows[i]["kind"] == "photo"]
    texts = [Text(_words(rows[i])) for i in test]
    pictures = [_image(rows[i]["bytes"]) for i in test]
    said = encoded(load_encoder("multilingual-e5-small"), texts, "query", OUT).data
    some = np.sort(np.random.default_rng(3).permutation(len(test))[:_POOL])
    eyes = {"data": train, "tower": _EYES, "tokens": 4, "learning_rate": 2e-3, "epochs": 1 if quick else 3}

    def measured(found: np.ndarray) -> Mapping[str, float]:
        return {f"{k} of {n}": recall(said[at], found[at], k) for n, at in ((_POOL, some), (len(test), slice(None)))
                for k in (1, 10)}  # fmt: skip

    closed = measured(_closed(train, pictures))
    line, _ = _trained("bind", f"photos-line-{_many(train)}", {"data": train, "tower": "lite0:160", "held_out": 0.05})
    linear = measured(load_encoder(f"bound:{line}").encode(pictures).data)
    grown, seconds = _trained("graft", f"photos-{_many(train)}", {**eyes, **_base(8)})
    dealt, _ = _trained("graft", f"photos-dealt-{_many(train)}", {**eyes, **_base(8), "shuffle": True}, grown)
    thin, less = _trained("graft", f"photos-thin-{_many(train)}", {**eyes, **_base(2)}, grown)
    found, control, shallow = (
        measured(load_encoder(f"grafted:{folder}").encode(pictures).data) for folder in (grown, dealt, thin)
    )
    for key, value in found.items():
        k, n = int(key.split()[0]), int(key.split()[2])
        bar = ">= 0.3" if key == f"10 of {_POOL}" and not quick else ""
        notes = (
            f"peer: captions dealt out anew; chance {k / n:.3f}; beside it closed form {closed[key]:.3f}, linear "
            f"contrastive {linear[key]:.3f}; {seconds:.0f} CPU s of training, 8 layers"
        )
        yield _bar(f"photos: language model, alt text → picture, recall@{k} of {n}", value, bar, notes, control[key], n)
    key = f"10 of {_POOL}"
    yield _bar(f"photos: language model cut to 2 layers, recall@{key}", shallow[key], "",
               f"peer: 8 layers; {less:.0f} CPU s of training", found[key], _POOL)  # fmt: skip
    yield _bar(f"photos: captions dealt out anew, recall@10 of {_POOL}", control[f"10 of {_POOL}"],
               "" if quick else "<= 0.06", f"chance {10 / _POOL:.3f}", 10 / _POOL, _POOL)  # fmt: skip


def _file(rows: Sequence[Mapping[str, Any]], train: Sequence[int], quick: bool) -> Path:
    """Photographs of the other books and, up to _PHOTOS in all, figures of them; returns the file."""
    count = 300 if quick else _PHOTOS
    path = _HOME / f"photos-{count}.parquet"
    if not path.is_file():
        drawn = np.random.default_rng(0).permutation(train)
        order = sorted(drawn, key=lambda i: rows[i]["kind"] != "photo")[:count]
        columns = {"anchor": [_words(rows[i]) for i in order], "positive": [rows[i]["bytes"] for i in order]}
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), path)
    return path


def _closed(train: Path, pictures: Sequence[Image]) -> np.ndarray:
    """The closed form on the mean of the cells that the language model sees."""
    tower, target = load_encoder(_EYES), load_encoder("multilingual-e5-small")
    rows = pq.read_table(train).to_pylist()
    seen = encoded(tower, [_image(r["positive"]) for r in rows], "document", OUT).data
    texts = encoded(target, [Text(r["anchor"]) for r in rows], "query", OUT)
    space = Space("cells", 1280, "cosine", "mean of 4")
    source = space.vectors(seen.reshape(len(seen), 4, -1).mean(axis=1))
    frames = Frames.fit(source, texts)
    weight = closed(frames.features(source), frames.answers(texts))
    own = encoded(tower, pictures, "document", OUT).data.reshape(len(pictures), 4, -1).mean(axis=1)
    return frames.head(weight, weight.new_zeros(len(weight)))(space.vectors(own)).data


# what both share


def _trained(name: str, place: str, given: Mapping[str, Any], vectors: Path | None = None) -> tuple[Path, float]:
    """Run a plan, or find it run; the CPU seconds of its steps are kept beside it. `vectors`: another run's to use."""
    out = _HOME / place
    if vectors and not (out / "vectors").exists():
        out.mkdir(parents=True, exist_ok=True)
        (out / "vectors").symlink_to(vectors / "vectors")
    seen: list[tuple[float, float]] = []
    config = plan.config(name, {**given, "out": out})
    plan.module(name).run(config, lambda point: seen.append((point["step"], time.process_time())))
    if len(seen) > 1 and not (out / "seconds.json").is_file():
        (first, began), (last, ended) = seen[0], seen[-1]
        (out / "seconds.json").write_text(json.dumps((ended - began) * last / (last - first)))
    kept = out / "seconds.json"
    return out, float(json.loads(kept.read_text())) if kept.is_file() else float("nan")


def _base(layers: int) -> dict[str, Any]:
    return {"base": str(reason_smol._place()), "layers": layers, "precision": "bfloat16"}


def _image(data: bytes) -> Image:
    return Image(Blob(data=data))


def _words(row: Mapping[str, Any]) -> str:
    return " ".join(str(row["alt"]).split())[:LETTERS]


def _many(path: Path) -> str:
    return path.stem.rpartition("-")[2]
