"""A pointer chase in words: "From Ann Ben heard. From Kim Ann heard. … three from Ann"

Who told whom makes one closed round of people, so nobody is the last and no name can be guessed without following. The
answer is the person so many tellings on. All names and numbers are one token each, so a batch needs no padding.

Letters: b questions, h tellings, n names, t tokens.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

__all__ = ["DEPTHS", "Asked", "Tales"]

DEPTHS = 5
_NUMBERS = ("one", "two", "three", "four", "five")
_NAMES = """
Ann Ben Carl Emma Frank Grace Henry Ivan Jack Kate Leo Mary Nick Paul Rosa Sam Tom Vera Will David Eric George Helen
James John Kim Laura Mark Nancy Oliver Peter Robert Sarah Susan Victor Alice Brian Daniel Julia Lily
"""


@dataclass(frozen=True)
class Asked:
    """A batch of questions of equal depth.

    Attributes:
        story: (b, t) token ids.
        question: (b, m, 3), m questions to each story.
        path: (b, m, h), which names are met, as numbers of names.
    """

    story: Tensor
    question: Tensor
    path: Tensor

    @property
    def answer(self) -> Tensor:
        """Numbers of names (b, m)."""
        return self.path[..., -1]


class Tales:
    """Draws questions, as a tokenizer writes them.

    Attributes:
        names: (40) token ids.
        end: id of the token that everything ends with.
    """

    def __init__(self, words: Any, people: int) -> None:
        self._people = people
        self.names = torch.tensor([_only(words, " " + name) for name in _NAMES.split()])
        self.end = int(words.eos_token_id)
        self._from, self._heard, self._stop = (_only(words, word) for word in (" From", " heard", "."))
        self._ask = [words(f" {number} from")["input_ids"] for number in _NUMBERS]

    def ask(self, b: int, depth: int, generator: torch.Generator, m: int = 1) -> Asked:
        """Draw b stories with m questions each, all so many tellings deep."""
        n, people = len(self.names), self._people
        ring = torch.rand(b, n, generator=generator).argsort(1)[:, :people]
        order = torch.rand(b, people, generator=generator).argsort(1)
        who, whom = (self.names[side.gather(1, order)] for side in (ring, ring.roll(-1, 1)))
        from_, heard, stop = (torch.full_like(who, one) for one in (self._from, self._heard, self._stop))
        story = torch.stack([from_, who, whom, heard, stop], -1).flatten(1)
        start = torch.rand(b, people, generator=generator).argsort(1)[:, :m]
        path = ring[:, None].expand(-1, m, -1).gather(2, (start[..., None] + torch.arange(1, depth + 1)) % people)
        asked = torch.tensor(self._ask[depth - 1]).expand(b, m, -1)
        name = self.names[ring.gather(1, start)][..., None]
        return Asked(story, torch.cat([asked, name], -1), path)


def _only(words: Any, text: str) -> int:
    found: list[int] = words(text)["input_ids"]
    assert len(found) == 1, text
    return found[0]
