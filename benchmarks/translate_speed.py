"""What translating costs beside embedding again, and beside the matrix product that it cannot do without."""

import os
import time
from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.figure import Figure, check
from benchmarks.translate_data import vectors
from samespace.encode.load import load
from samespace.items import Text
from samespace.space import Vectors
from samespace.translate.fit import METHODS
from samespace.translate.procrustes import Procrustes
from samespace.translate.protocol import Translator

__all__ = ["figures"]

_ROWS, _PASSES = 100_000, 10  # rows at once; how often over in the bulk run
_BLOCK = 8_192  # rows of a batch there, as files are read


def figures(texts: tuple[str, ...], quick: bool) -> Iterator[Figure]:
    """MiniLM → E5, both 384 wide. The quick form leaves out what is curved, and a million rows."""
    source, target = vectors(texts, "A"), vectors(texts, "B")
    apiece, words = _embedding(texts, quick)
    repeats = -(-_ROWS // len(source))
    big = source.space.vectors(np.concatenate([source.data] * repeats)[:_ROWS], normalize=False)
    straight = Procrustes.fit(source[:3_000], target[:3_000])
    pinned = f"CPU seconds, OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'unset')}"
    yield _over("straight", straight, big, apiece, f"{words}; {pinned}", ">= 1000", 4)
    yield _bulk(straight, big, 1 if quick else _PASSES, pinned)
    if quick:
        return
    for name, n, bar in (("mlp", 3_000, ">= 250"), ("kernel", 1_000, None), ("kernel", 10_000, None)):
        rows = np.random.default_rng(0).permutation(len(source))[:n]
        settings = {"epochs": 1} if name == "mlp" else {}
        made = METHODS[name](source[rows], target[rows], **settings)
        yield _over(f"{name} of {n:,} pairs", made, big, apiece, pinned, bar, 2)


def _embedding(texts: tuple[str, ...], quick: bool) -> tuple[float, str]:
    """CPU seconds of one text of 17 words by MiniLM."""
    seventeen = [Text(t) for t in texts if len(t.split()) == 17][: 64 if quick else 256]
    encoder = load("all-MiniLM-L6-v2", accelerate=False)
    encoder.encode(seventeen[:8])
    apiece = _least(lambda: encoder.encode(seventeen), 1 if quick else 3) / len(seventeen)
    return apiece, f"embedding {_ROWS:,} in {apiece * _ROWS:.0f} s (torch, 17 words)"


def _over(name: str, made: Translator, big: Vectors, apiece: float, how: str, bar: str | None, rounds: int) -> Figure:
    took = _least(lambda: made(big), rounds)
    value = apiece * len(big) / took
    holds = None if bar is None else check(value, bar)
    what = f"embedding again by MiniLM, over translating, 384→384, {name}"
    return Figure(what, value, "×", None, bar, holds, len(big), f"{len(big):,} × 384 in {took:.2f} s; {how}")


def _bulk(made: Procrustes, big: Vectors, passes: int, pinned: str) -> Figure:
    """The share of the rate of the product alone, block by block and in turn."""
    matrix = made.matrix.astype(np.float32)
    blocks = [big[start : start + _BLOCK] for start in range(0, len(big), _BLOCK)]
    whole = product = 0.0
    for block in passes * blocks:
        product += _least(lambda: block.data @ matrix, 1)  # noqa: B023 - called at once
        whole += _least(lambda: made(block), 1)  # noqa: B023 - called at once
    n = passes * len(big)
    notes = f"{whole:.2f} s, the product alone {product:.2f} s, {_BLOCK:,} rows at a time; {pinned}"
    value = product / whole
    return Figure("translating in bulk, 384→384: share of the sgemm rate", value, "", None, ">= 0.6",
                  check(value, ">= 0.6"), n, notes)  # fmt: skip


def _least(what: Callable[[], object], rounds: int) -> float:
    took = []
    for _ in range(rounds):
        start = time.process_time()
        what()
        took.append(time.process_time() - start)
    return min(took)
