"""PLUME's checkpoints: a Qwen2-VL with further tokens, and its latent transition among the model's own tensors.

Its prompt holds <disc_emb>, the anchor; then come <think><bot>, the latent steps, <eot></think>, a line break and
<gen_emb>, where the vector is read. States are fed back as they are, through the routed transition; the steps stand at
the number of tokens before them, not where M-RoPE would have them. How many experts count is not in the files: 2.

    model = AutoModelForImageTextToText.from_pretrained(folder)      # transformers leaves the transition's tensors out
    reasoner = plume.load(folder, tokenizer)
    thought = reasoner(Backbone.of(model), processed)                # processed ends with plume.ENDING

Seen here with a random checkpoint written in that layout, never with the published weights.

Knows nothing of Items. Imports torch; safetensors inside a function. Letters: w model width, m experts, h inner width.
Reference: He et al., arXiv:2604.02073; the layout is that of its repository at 18db7e4.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from samespace.errors import RecipeError, WeightsNotFoundError
from samespace.reason.adapter import Routed
from samespace.reason.latent import Latent

__all__ = ["BEGINNING", "ENDING", "load", "transition"]

BEGINNING: Final = "<think><bot>"
"""What stands before the steps."""
ENDING: Final = "<eot></think>\n<gen_emb>"
"""What is read after them."""
_ANCHOR, _TERMINAL = "<disc_emb>", "<gen_emb>"
_MARK = "latent_moe_transition."


def load(folder: Path | str, tokenizer: Any, *, steps: int = 8, top: int = 2) -> Latent:
    """The Reasoner of a checkpoint.

    Args:
        folder: with .safetensors files; pickles are not opened.
        tokenizer: of the checkpoint.
        steps: how many it was trained with.
        top: experts that count.

    Raises:
        WeightsNotFoundError: no file there holds a latent transition.
        RecipeError: tensors are missing or do not fit, or the tokenizer lacks PLUME's tokens.
    """
    from safetensors import safe_open

    found: dict[str, Tensor] = {}
    for path in sorted(Path(folder).glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            found |= {n.partition(_MARK)[2]: file.get_tensor(n) for n in file.keys() if _MARK in n}  # noqa: SIM118
    if not found:
        raise WeightsNotFoundError(
            f"{folder} holds no tensor named {_MARK}…",
            "Name the folder of a checkpoint trained with its latent transition (LATENT_MOE_ENABLE=True), saved as "
            ".safetensors",
        )
    adapter = transition(found, top=top)
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in (_ANCHOR, _TERMINAL, "<bot>", "<eot>")}
    lost = sorted(t for t, i in ids.items() if i is None or i == tokenizer.unk_token_id)
    if lost:
        raise RecipeError(str(folder), f"its tokenizer lacks {', '.join(lost)}", "Use the checkpoint's own tokenizer")
    return Latent(
        adapter.router.in_features // 2,
        steps=steps,
        feedback="raw",
        adapter=adapter,
        tail=len(tokenizer(ENDING, add_special_tokens=False)["input_ids"]),
        terminal=ids[_TERMINAL],
        anchor=ids[_ANCHOR],
        flat=True,
    )


def transition(state: Mapping[str, Tensor], *, top: int = 2) -> Routed:
    """The routed transition of PLUME's tensors: ln, step_embed, router, experts.N.fc1/fc2, shared_expert.fc1/fc2.

    Without a shared expert, ours is zero. Raises RecipeError naming what is missing, unknown or of another shape.
    """
    try:
        m, h = len(state["router.bias"]), len(state["experts.0.fc1.bias"])
        steps, w = state["step_embed.weight"].shape
    except KeyError as err:
        raise RecipeError(
            "PLUME", f"the tensor {_MARK}{err.args[0]} is missing", "Get the complete checkpoint"
        ) from err
    needed = _shapes(m, h, w, steps, shared="shared_expert.fc1.weight" in state)
    wrong = sorted(n for n in needed.keys() | state.keys() if n not in state or needed.get(n) != state[n].shape)
    if wrong:
        raise RecipeError(
            "PLUME",
            f"{len(wrong)} tensors are missing, unknown or of another shape, {_MARK}{wrong[0]} first",
            "Get the complete checkpoint; an adapter of LoRA alone does not hold it",
        )
    made = Routed(w, experts=m, top=top, inner=h, steps=steps)
    with torch.no_grad():
        made.norm.load_state_dict({"weight": state["ln.weight"], "bias": state["ln.bias"]})
        made.step.weight.copy_(state["step_embed.weight"])
        made.router.load_state_dict({"weight": state["router.weight"], "bias": state["router.bias"]})
        made.first.zero_()
        for number, name in enumerate(["shared_expert", *(f"experts.{i}" for i in range(m))]):
            if f"{name}.fc1.weight" in state:
                made.first[number].copy_(state[f"{name}.fc1.weight"].T)
                made.first_bias[number, 0].copy_(state[f"{name}.fc1.bias"])
                made.last[number].copy_(state[f"{name}.fc2.weight"].T)
                made.last_bias[number, 0].copy_(state[f"{name}.fc2.bias"])
    return made


def _shapes(m: int, h: int, w: int, steps: int, *, shared: bool) -> dict[str, tuple[int, ...]]:
    """Every tensor's shape."""
    made: dict[str, tuple[int, ...]] = {
        "ln.weight": (w,),
        "ln.bias": (w,),
        "step_embed.weight": (steps, w),
        "router.weight": (m, 2 * w),
        "router.bias": (m,),
    }
    for name in [f"experts.{i}" for i in range(m)] + ["shared_expert"] * shared:
        made |= {
            f"{name}.fc1.weight": (h, w),
            f"{name}.fc1.bias": (h,),
            f"{name}.fc2.weight": (w, h),
            f"{name}.fc2.bias": (w,),
        }
    return made
