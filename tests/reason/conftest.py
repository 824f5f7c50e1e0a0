"""Tiny causal models of seven architectures, random, in memory; each with batches that fit it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import torch

SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.15,  # .02 leaves so small a model next to blind
    "vocab_size": 99,
    "max_position_embeddings": 64,
}
TEXT = ("gpt2", "llama", "qwen2", "qwen3")
OTHERS = ("mistral", "phi3", "gemma3", "gpt_neox", "opt")
SEEING = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")
IDS = {"image_token_id": 90, "video_token_id": 91, "vision_start_token_id": 92, "vision_end_token_id": 93}
END = 7


@cache
def make(kind: str) -> Any:
    """The model of a kind, with its head, in evaluation."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with torch.inference_mode(False):  # whoever asks first: others may want gradients
        return (_seeing if kind in SEEING else _text)(kind).eval()


def _text(kind: str) -> Any:
    import transformers as hf

    if kind == "gpt2":
        config = hf.GPT2Config(
            n_embd=32, n_layer=2, n_head=4, n_positions=64, vocab_size=99, initializer_range=0.15, bos_token_id=0
        )
        return hf.GPT2LMHeadModel(config)
    if kind == "llama":
        return hf.LlamaForCausalLM(hf.LlamaConfig(**SIZES))
    if kind == "qwen2":
        return hf.Qwen2ForCausalLM(hf.Qwen2Config(**SIZES, tie_word_embeddings=True))
    if kind in OTHERS:
        return _other(kind, hf)
    return hf.Qwen3ForCausalLM(hf.Qwen3Config(**SIZES, head_dim=8))


def _other(kind: str, hf: Any) -> Any:
    """Not named in the gates, but what a user may bring: as AutoModelForCausalLM makes them."""
    few = {key: value for key, value in SIZES.items() if key != "num_key_value_heads"}
    config = {
        "mistral": lambda: hf.MistralConfig(**SIZES, sliding_window=6),
        "phi3": lambda: hf.Phi3Config(**SIZES, pad_token_id=0, bos_token_id=1, eos_token_id=2),
        "gemma3": lambda: hf.Gemma3TextConfig(**SIZES, head_dim=8, sliding_window=6),
        "gpt_neox": lambda: hf.GPTNeoXConfig(**few),
        "opt": lambda: hf.OPTConfig(
            hidden_size=32, ffn_dim=64, num_hidden_layers=2, num_attention_heads=4, vocab_size=99, init_std=0.15,
            max_position_embeddings=64, word_embed_proj_dim=32,
        ),
    }[kind]()  # fmt: skip
    return hf.AutoModelForCausalLM.from_config(config)


def _seeing(kind: str) -> Any:
    import transformers as hf

    text = {**SIZES, "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e4}}
    eye: dict[str, Any] = {"depth": 1, "num_heads": 2, "patch_size": 4, "temporal_patch_size": 2}
    eye |= {"spatial_merge_size": 2, "initializer_range": 0.15}
    if kind == "qwen2_vl":
        eye |= {"embed_dim": 16, "hidden_size": 32, "mlp_ratio": 2}
        return hf.Qwen2VLForConditionalGeneration(hf.Qwen2VLConfig(text_config=text, vision_config=eye, **IDS))
    eye |= {"hidden_size": 16, "out_hidden_size": 32, "intermediate_size": 32}
    if kind == "qwen2_5_vl":
        eye |= {"fullatt_block_indexes": [0], "window_size": 16}
        return hf.Qwen2_5_VLForConditionalGeneration(hf.Qwen2_5_VLConfig(text_config=text, vision_config=eye, **IDS))
    eye |= {"deepstack_visual_indexes": [0], "num_position_embeddings": 16}
    config = hf.Qwen3VLConfig(text_config={**text, "head_dim": 8}, vision_config=eye, **IDS)
    return hf.Qwen3VLForConditionalGeneration(config)


@dataclass(frozen=True)
class Rows:
    """Rows of unlike length, and the ways to put them together."""

    ids: list[list[int]]
    grids: list[tuple[int, int] | None]
    patch: int = 3 * 2 * 4 * 4

    def batch(self, *rows: int, side: str = "left", extra: int = 0) -> dict[str, torch.Tensor]:
        """Some rows (all, if none is named) in one batch, padded on a side, by `extra` more than needed."""
        chosen = rows or tuple(range(len(self.ids)))
        width = max(len(self.ids[r]) for r in chosen) + extra
        ids, mask = torch.zeros(len(chosen), width, dtype=torch.long), torch.zeros(len(chosen), width, dtype=torch.long)
        for at, row in enumerate(chosen):
            n = len(self.ids[row])
            place = slice(width - n, width) if side == "left" else slice(0, n)
            ids[at, place], mask[at, place] = torch.tensor(self.ids[row]), 1
        made = {"input_ids": ids, "attention_mask": mask}
        seen = [(row, grid) for row in chosen if (grid := self.grids[row])]
        if any(self.grids):
            made["mm_token_type_ids"] = (ids == IDS["image_token_id"]).int()
        if seen:
            made["pixel_values"] = torch.cat([self._pixels(row, *grid) for row, grid in seen])
            made["image_grid_thw"] = torch.tensor([[1, *grid] for _, grid in seen])
        return made

    def _pixels(self, row: int, tall: int, wide: int) -> torch.Tensor:
        return torch.randn(tall * wide, self.patch, generator=torch.Generator().manual_seed(row))


def rows(kind: str) -> Rows:
    """Three rows; of a seeing model's, two have a picture of unlike size and one has none."""
    words = torch.randint(10, 80, (3, 12), generator=torch.Generator().manual_seed(1)).tolist()
    texts = [words[0][:9], words[1][:5], words[2][:12]]
    if kind in (*TEXT, *OTHERS):
        return Rows([[*t, 5, END] for t in texts], [None] * 3)
    grids = [(4, 6), None, (4, 4)]
    shown = [[92, *[90] * (g[0] * g[1] // 4), 93] if g else [] for g in grids]
    return Rows([[t[0], *s, *t[1:], 5, END] for t, s in zip(texts, shown, strict=True)], grids)


@pytest.fixture(scope="session")
def tiny() -> Callable[[str], Any]:
    """A tiny model by its kind."""
    return make


@pytest.fixture(scope="session")
def rows_of() -> Callable[[str], Rows]:
    """Rows for a kind of model."""
    return rows
