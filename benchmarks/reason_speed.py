"""What latent steps cost on a processor, beside a single pass and beside a chain of thought that is written out.

Eight steps against 403 tokens (the mean length of the published chains) that transformers' own `generate` writes with a
KV cache; float32, one thread, CPU time. A ratio says nothing without batch and prefix, so both stand in its name.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.figure import Figure, check
from benchmarks.reason_qwen import qwen
from benchmarks.reason_smol import lacking, model
from samespace.reason.backbone import Backbone
from samespace.reason.latent import Latent

__all__ = ["figures"]

_TOKENS, _STEPS = 403, 8
_BARS = {(1, 64): ">= 30", (1, 300): ">= 18"}


def figures(data: Path, quick: bool) -> Iterator[Figure]:
    """Both models; in the short form a tenth of the tokens, counted as ten times their time."""
    torch.set_num_threads(1)
    for name, made in _models():
        for batch, prefix in [(1, 64), (1, 300), (8, 64)]:
            yield from _compared(name, made, batch, prefix, _TOKENS // 10 if quick else _TOKENS)


def _models() -> Iterator[tuple[str, Any]]:
    if not lacking("speed of SmolLM2-135M"):
        yield "SmolLM2-135M", model()
    yield "Qwen2-VL architecture, random, w 256, 8 layers", qwen("small")


@torch.inference_mode()
def _compared(name: str, model: Any, batch: int, prefix: int, tokens: int) -> Iterator[Figure]:
    ids = torch.randint(100, 20_000, (batch, prefix), generator=torch.Generator().manual_seed(0))
    backbone, think = Backbone.of(model), Latent(Backbone.of(model).width, steps=_STEPS)
    single = _seconds(lambda: think(backbone, {"input_ids": ids}, steps=0), 5)
    latent = _seconds(lambda: think(backbone, {"input_ids": ids}), 5)
    written = _written(model, ids, tokens)
    bar = _BARS.get((batch, prefix))
    place = f"{name}, batch {batch}, prefix {prefix}"
    yield Figure(
        f"{place}: 8 latent steps against 403 written tokens", written / latent, "times", written * 1000, bar,
        check(written / latent, bar) if bar else None, 5,
        f"latent {latent * 1000:.0f} ms CPU, peer = written, ms CPU"
        + ("" if tokens == _TOKENS else f", from {tokens} tokens"),
    )  # fmt: skip
    yield Figure(
        f"{place}: 8 latent steps against a single pass", latent / single, "times", single * 1000, n=5,
        notes="peer = single pass, ms CPU",
    )  # fmt: skip


def _written(model: Any, ids: torch.Tensor, tokens: int) -> float:
    """CPU seconds of 403 tokens; of fewer, their time carried on in proportion after the prompt's."""
    settings = {"attention_mask": torch.ones_like(ids), "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
    first = _seconds(lambda: model.generate(ids, max_new_tokens=1, **settings), 2)
    whole = _seconds(lambda: model.generate(ids, max_new_tokens=tokens, **settings), 1)
    return whole if tokens == _TOKENS else first + (whole - first) * (_TOKENS - 1) / (tokens - 1)


def _seconds(run: Callable[[], object], rounds: int) -> float:
    """Median CPU seconds; with several rounds the first warms up and does not count."""
    took = []
    for _ in range(rounds + (rounds > 1)):
        before = time.process_time()
        run()
        took.append(time.process_time() - before)
    return statistics.median(took[1:] or took)
