"""What latent steps cost on a GPU: one captured graph a step, beside generate and beside an equally captured chain.

The Qwen2-VL-2B architecture with random weights in bfloat16 (throughput does not depend on them), eight steps against
403 written tokens, at batch 1, 8, 32 and prompts of 64, 364 and 1,364 tokens. Beside each ratio the one that the
hardware's limits allow: a pass takes at least as long as its weights and its cache take to be read, or its products to
be computed. Bars are for the H200.

Without a GPU only the fast path's numbers are held to the eager ones, and the table stays out: run it with

    python -m benchmarks reason --only gpu

Letters: b sequences, t tokens, s steps.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.figure import Figure, check
from benchmarks.reason_qwen import qwen
from samespace.reason.backbone import Backbone
from samespace.reason.fast import Fast
from samespace.reason.latent import Latent

__all__ = ["Chip", "agree", "figures", "floor", "greedy", "row"]

_STEPS, _TOKENS = 8, 403
_BATCHES, _PROMPTS = (1, 8, 32), (64, 364, 1364)
_BARS = {"step": "<= 1.5", "total": "<= 20", "generate": ">= 30", "captured": ">= 20", "single": "<= 2.5"}
_RATIO = "peer = the roofline's ratio"
_FIRST = (1, 364)  # 300 visual tokens and a prompt: what the bars are for


@dataclass(frozen=True)
class Chip:
    """A GPU's limits, by its published figures less what is never reached.

    Attributes:
        bytes_: a second, from memory.
        products: floating point operations a second, bfloat16.
    """

    bytes_: float
    products: float


_CHIPS = {"H200": Chip(0.75 * 4.8e12, 0.5 * 989e12), "H100": Chip(0.75 * 3.35e12, 0.5 * 989e12)}


def figures(data: Path, quick: bool) -> Iterator[Figure]:
    """The table where there is a GPU; without one that the fast path's numbers are the eager ones."""
    found = torch.cuda.is_available()
    device = "cuda" if found else "cpu"
    least = agree(qwen("tiny", device=device, dtype=torch.bfloat16), 2, 40)
    where = torch.cuda.get_device_name() if found else "no GPU at hand: the table of batch x prompt was not run"
    yield Figure(
        "fast path against eager, least cosine, bfloat16", least, "", None, ">= 0.999", least >= 0.999, 2, where
    )
    far = 1 - agree(qwen("tiny", device=device), 2, 40)
    yield Figure("fast path against eager, 1 - least cosine, float32", far, "", None, "<= 1e-05", far <= 1e-5, 2, where)
    if found:
        yield from _table(quick)


@torch.inference_mode()
def agree(model: Any, b: int, t: int) -> float:
    """Least cosine of the fast path's vectors with the eager ones, over batches that differ, one of them padded."""
    backbone = Backbone.of(model)
    think = Latent(backbone.width, steps=_STEPS)
    fast, least = Fast(think, backbone), 1.0
    for seed in range(3):
        ids = torch.randint(1, 400, (b, t), generator=torch.Generator().manual_seed(seed)).to(backbone.table.device)
        mask = torch.ones_like(ids)
        mask[0, : 5 * seed] = 0
        given = {"input_ids": ids, "attention_mask": mask}
        both = fast(given).double(), think(backbone, given).embedding.double()
        least = min(least, float(torch.cosine_similarity(*both, dim=-1).min()))
    return least


def greedy(backbone: Backbone, state: Tensor) -> Tensor:
    """The embedding of the likeliest token: a written chain, one captured step a token."""
    return backbone.table[(state @ backbone.table.T).argmax(-1)]


def floor(model: Any, chip: Chip, b: int, cached: int, new: int, *, head: bool) -> float:
    """Seconds that a pass over `new` tokens a row takes at least, with `cached` tokens before them."""
    config = model.config.get_text_config()
    layers = model.get_decoder().layers
    weights = sum(p.numel() for p in layers.parameters()) + (config.vocab_size * config.hidden_size if head else 0)
    kept = 2 * len(layers) * config.num_key_value_heads * (config.hidden_size // config.num_attention_heads)
    moved = 2 * weights + 2 * kept * b * (cached + new)
    looked = 4 * len(layers) * config.hidden_size * b * new * (cached + new / 2)
    return float(max(moved / chip.bytes_, (2 * weights * b * new + looked) / chip.products))


def _table(quick: bool) -> Iterator[Figure]:
    model = qwen("2B", device="cuda", dtype=torch.bfloat16)
    chip = next((c for name, c in _CHIPS.items() if name in torch.cuda.get_device_name()), _CHIPS["H200"])
    shapes = [_FIRST] if quick else [(b, t) for b in _BATCHES for t in _PROMPTS]
    for b, t in shapes:
        yield from row(model, chip, b, t)


@torch.inference_mode()
def row(model: Any, chip: Chip, b: int, t: int, *, tokens: int = _TOKENS, rounds: int = 20) -> Iterator[Figure]:
    """One batch and prompt, on the model's device; fewer tokens and rounds say nothing but that it runs."""
    backbone = Backbone.of(model)
    think = Latent(backbone.width, steps=_STEPS)
    words = min(100_000, len(backbone.table))
    ids = torch.randint(1, words, (b, t), generator=torch.Generator().manual_seed(0)).to(backbone.table.device)
    given = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    fast, half = Fast(think, backbone), Fast(think, backbone, steps=_STEPS // 2)
    total, fewer = _seconds(lambda: fast(given), rounds), _seconds(lambda: half(given), rounds)
    step = (total - fewer) / (_STEPS - _STEPS // 2)
    single = _seconds(lambda: think(backbone, given, steps=0), rounds)
    chain = Fast(think, backbone, steps=tokens, feed=greedy)
    written = _seconds(lambda: chain(given), min(3, rounds))
    settings = {"do_sample": False, "eos_token_id": None, "pad_token_id": 0, "max_new_tokens": tokens}
    generated = _seconds(lambda: model.generate(**given, **settings), 1)
    read = floor(model, chip, b, 0, t, head=False)
    each = floor(model, chip, b, t, 1, head=False)
    limit = (read + tokens * floor(model, chip, b, t + tokens // 2, 1, head=True)) / (read + _STEPS * each)
    place, n = f"Qwen2-VL-2B architecture, batch {b}, prompt {t}", rounds
    found = [
        ("step", "latent step", step * 1e3, "ms", each * 1e3, "peer = the roofline's"),
        ("total", "8 latent steps in all", total * 1e3, "ms", (read + _STEPS * each) * 1e3, "peer = the roofline's"),
        ("generate", f"against {tokens} tokens of generate", generated / total, "times", limit, _RATIO),
        ("captured", f"against {tokens} captured tokens", written / total, "times", limit, _RATIO),
        ("single", "against a single pass", total / single, "times", single * 1e3, "peer = single pass, ms"),
    ]
    for key, says, value, unit, peer, notes in found:
        bar = _BARS[key] if (b, t) == _FIRST else None
        yield Figure(f"{place}: {says}", value, unit, peer, bar, check(value, bar) if bar else None, n, notes)


def _seconds(run: Callable[[], object], rounds: int) -> float:
    """Median wall seconds, the device waited for; two rounds warm up."""
    wait = torch.cuda.synchronize if torch.cuda.is_available() else int
    took = []
    for _ in range(rounds + 2):
        wait()
        before = time.perf_counter()
        run()
        wait()
        took.append(time.perf_counter() - before)
    return statistics.median(took[2:])
