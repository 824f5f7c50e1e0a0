"""A trace of thinking: what each latent step of one item says, how far it moved, and where its vector would be.

Knows nothing of indexes and of how it is drawn. Imports torch. Letters: s steps.
"""

from dataclasses import dataclass

import torch

from samespace.encode.hf_model import HfEncoder
from samespace.encode.hf_think import ThinkingBody, thinking
from samespace.encode.protocol import Role
from samespace.errors import RecipeError
from samespace.items import Item
from samespace.reason.halting import moved
from samespace.space import Vectors

__all__ = ["Step", "trace"]


@dataclass(frozen=True, eq=False)
class Step:
    """One step; step 0 is before any thinking.

    Attributes:
        number: 0 to s.
        words: the likeliest next tokens and their probabilities, best first; () where the head cannot be had.
        turned: 1 - cosine of its state with the one before, 0 to 2; 0 for step 0.
        moved: KL in nats from what the step before would say; 0 for step 0, None without a head.
        vector: (1, d), what is read out if thinking ends here, in the Space of the encoder that does not think.
    """

    number: int
    words: tuple[tuple[str, float], ...]
    turned: float
    moved: float | None
    vector: Vectors


@torch.inference_mode()
def trace(encoder: HfEncoder, item: Item, steps: int = 8, *, role: Role = "query", words: int = 6) -> tuple[Step, ...]:
    """Think about one item, and look at each step.

    Args:
        encoder: that can think; its own steps do not count.
        item: to be thought about.
        steps: s, at least 1.
        role: whose prompt it gets.
        words: how many a step.

    Raises:
        RecipeError: this model cannot think.
        ValueError: fewer than 1 step, or an item with nothing to think about.
    """
    if steps < 1:
        raise ValueError(f"{steps} steps\nTrace at least one")
    bare = thinking(encoder, 0)
    body = thinking(encoder, steps).body
    assert isinstance(body, ThinkingBody)
    prepared = body.prepare(item, role)
    if not prepared.steps:
        raise ValueError("the item is empty: there is nothing to think about\nGive it a word at least")
    thought = body.thought([prepared])
    vectors = [bare.encode([item], role=role)]
    for k in range(1, steps + 1):
        found = thinking(encoder, {role: k}).encode([item], role=role)
        vectors.append(bare.space.vectors(found.data))
    made = []
    for k, vector in enumerate(vectors):
        state, before = thought.states[:, k], thought.states[:, max(k - 1, 0)]
        turned = 1 - float(torch.nn.functional.cosine_similarity(state.float(), before.float()))
        try:
            likely = thought.logits(k)[0].softmax(-1).topk(words)
            far: float | None = float(moved(body.backbone, before, state)) if k else 0.0
        except RecipeError:
            made.append(Step(k, (), max(turned, 0.0), None, vector))
            continue
        decode = body.inner.wording.tokenizer.decode
        said = tuple((decode([int(i)]), float(p)) for i, p in zip(likely.indices, likely.values, strict=True))
        made.append(Step(k, said, max(turned, 0.0), far, vector))
    return tuple(made)
