"""Pictures as tokens of a language model: a frozen tower's cells through a projector into its embeddings (LLaVA's way).

    [first token] [picture: k tokens] [the rest of the template with the words] → mean of the states, or last → head

The projector's tokens are brought to the length that the model's own embeddings have. The first token of the text stays
in front, because language models rest their attention there. What is learned: projector, head, adapters (lora.py).

Knows nothing of Spaces or losses. Imports torch. Reference: Liu et al., LLaVA, arXiv:2304.08485.
Letters: b sequences, t tokens, k picture tokens, ds tower's width, w model width, d width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from samespace.encode.hf_model import Prepared
from samespace.encode.language import Language
from samespace.encode.lora import Learned
from samespace.items import Text

__all__ = ["Graft"]


class Graft(Learned):
    """The language model with a projector before it and a head behind it.

    Args:
        language: the model, padded on the right; adapters are put into it by whoever wants it to learn.
        source: ds, width of the tower's vectors.
        tokens: k, into how many equal parts a vector is cut.
        hidden: inner width of the projector.
        dim: d.

    Raises:
        ValueError: ds cannot be cut into k.
    """

    length: Tensor

    def __init__(self, language: Language, source: int, tokens: int, hidden: int, dim: int) -> None:
        super().__init__()
        if source % tokens:
            mend = "Take as many tokens as the tower has cells: 9 for lite0-grid:3, 4 for lite0-grid:2, 1 for any"
            raise ValueError(f"{source} numbers of a picture cannot be cut into {tokens} tokens\n{mend}")
        self.language, self.tokens = language, tokens
        self.part = source // tokens
        self.projector = nn.Sequential(nn.Linear(self.part, hidden), nn.GELU(), nn.Linear(hidden, language.width))
        self.head = nn.Linear(language.width, dim)
        own = language.embedded(torch.arange(min(4096, language.model.config.vocab_size)))
        self.register_buffer("length", own.detach().float().norm(dim=-1).mean())

    def ready(self, words: str) -> Prepared:
        """Words as the model reads them; "" = none. Raises RecipeError if the template leaves no room."""
        return self.language.prepare(Text(words), "query")

    def forward(self, pictures: Tensor, shown: Tensor, words: Sequence[Prepared]) -> Tensor:
        """Rows (b, d), not at unit length.

        Args:
            pictures: (b, ds) the tower's vectors; rows that show none are not looked at.
            shown: (b) bool.
            words: b, made by `ready`.
        """
        inputs = self.language.inputs(words)
        mask, text = inputs["attention_mask"], self.language.embedded(inputs["input_ids"])
        there = shown[:, None].expand(-1, self.tokens).to(mask.dtype)  # masked where there is none: nothing else moves
        whole = torch.cat([mask[:, :1], there, mask[:, 1:]], dim=1)
        seen = self._projected(pictures).to(text.dtype)
        embedded = torch.cat([text[:, :1], seen, text[:, 1:]], dim=1)
        states = self.language.states({"inputs_embeds": embedded, "attention_mask": whole})
        made: Tensor = self.head(self.language.pooled(states, whole))
        return made

    def _projected(self, pictures: Tensor) -> Tensor:
        """Vectors (b, ds) at unit length → tokens (b, k, w), as long as the model's embeddings are."""
        parts = pictures.reshape(len(pictures), self.tokens, self.part) * pictures.shape[1] ** 0.5
        made = self.projector(functional.layer_norm(parts, (self.part,)))
        return functional.normalize(made, dim=-1) * self.length
