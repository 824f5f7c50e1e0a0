"""The contract of reasoning: a Reasoner reads a batch with a causal backbone, thinks, and reads one vector a row out.

The input is the whole sequence as the model was trained to be read, its terminal token included. The last `tail`
tokens of it are kept back; what stands before them is the prompt. A Reasoner reads the prompt, does its steps, and then
reads the tail: the vector is the state of the last token. With no steps at all this is the model's ordinary vector.

Knows nothing of Items, Encoders or Spaces. Imports torch. Letters: b sequences, t tokens, w model width, s steps,
v vocabulary, l layers.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from torch import Tensor

if TYPE_CHECKING:
    from samespace.reason.backbone import Backbone
    from samespace.reason.thought import Thought

__all__ = ["Feedback", "Inputs", "Reasoner", "Until"]

Inputs = Mapping[str, Tensor]
"""What a transformers model takes: input_ids or inputs_embeds, attention_mask, and pixel_values and the like."""

Feedback = Literal["scale", "raw", "soft", "snap", "parallel"]
"""What a step feeds back: the last state at the length of an embedding · as it is (Coconut) · the embeddings weighted
by its probabilities (LaSER) · the likeliest token's embedding, straight-through · nothing: all steps are learned tokens
in one pass (pause tokens)."""

Until = Literal["kl"]
"""When a row stops before its last step: its next-token distribution no longer moves."""


@runtime_checkable
class Reasoner(Protocol):
    """A way to think: inputs (b, t) → a Thought of b rows."""

    def __call__(
        self, backbone: "Backbone", inputs: Inputs, *, steps: int | None = None, until: Until | None = None
    ) -> "Thought":
        """Think.

        Args:
            backbone: the model.
            inputs: padded on either side; every row ends with the tail.
            steps: at most so many; None = as the Reasoner was made; 0 = none, the model's ordinary vector.
            until: "kl" = each row stops where a further step changes nothing.

        Raises:
            RecipeError: the backbone cannot do this (no KV cache, no causal attention, no head, too few positions).
            ValueError: a row is too short, or does not end with the terminal token.
            TypeError: an input that this backbone does not take, such as pictures.
        """
