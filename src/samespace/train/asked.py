"""Rows whose answers are pictures, as numbers: which picture and which words each anchor has, and what it is to find.

Every picture and every wording is held once, so that it is encoded once however many rows show it.

Knows nothing of models. Imports numpy. Letters: n rows, p distinct pictures, q distinct wordings.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from samespace.encode.intake import leaves
from samespace.errors import DataError
from samespace.items import Image, Item, Text
from samespace.train.example import Example
from samespace.train.split import codes

__all__ = ["Asked", "asked"]


@dataclass(frozen=True, eq=False)
class Asked:
    """The rows.

    Attributes:
        pictures: (p), all unlike.
        texts: (q), all unlike.
        shown: (n) the anchor's picture, a number into `pictures`; -1 = it has none.
        said: (n) the anchor's words, a number into `texts`; -1 = it has none.
        wanted: (n) the picture that belongs to it.
        misses: one array a row: pictures that do not.
        groups: (n) numbers from 0: rows that share the anchor's picture, or its words where it has none.
    """

    pictures: list[Image]
    texts: list[Text]
    shown: np.ndarray
    said: np.ndarray
    wanted: np.ndarray
    misses: list[np.ndarray]
    groups: np.ndarray

    def candidates(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """The pictures that stand against each other in a batch: those wanted, row by row, then all the misses."""
        return np.concatenate([self.wanted[rows], *(self.misses[row] for row in rows)])

    def numbers(self) -> np.ndarray:
        """All of the rows' numbers in one row: what tells them from other rows of the same parts."""
        lengths = np.array([len(some) for some in self.misses], int)
        return np.concatenate([self.shown, self.said, self.wanted, lengths, *self.misses])

    def dealt(self, rows: np.ndarray, seed: int) -> np.ndarray:
        """`said`, with the words of `rows` dealt out anew among them: the control."""
        made = self.said.copy()
        made[rows] = made[rows][np.random.default_rng(seed).permutation(len(rows))]
        return made


def asked(examples: Sequence[Example]) -> Asked:
    """Number the parts of examples; an instruction comes before the anchor's words.

    Raises:
        DataError: an anchor of neither words nor picture, with two pictures, or an answer that is no picture.
    """
    pictures, texts = dict[str, tuple[int, Image]](), dict[str, tuple[int, Text]]()

    def picture(item: Item, example: Example, column: str) -> int:
        if not isinstance(item, Image):
            raise DataError(example.row, column, f"it is {item.modality}, not a picture", "Give pictures as answers")
        return pictures.setdefault(item.digest(), (len(pictures), item))[0]

    shown, said, wanted, misses = list[int](), list[int](), list[int](), list[np.ndarray]()
    for example in examples:
        own = list(_parts(example))
        seen = [part for part in own if isinstance(part, Image)]
        words = " ".join(filter(None, [example.instruction, *(p.text for p in own if isinstance(p, Text))]))
        if len(seen) > 1:
            raise DataError(example.row, "anchor", f"it has {len(seen)} pictures", "Give one picture, and words")
        shown.append(picture(seen[0], example, "anchor") if seen else -1)
        said.append(texts.setdefault(words, (len(texts), Text(words)))[0] if words else -1)
        wanted.append(picture(example.positive, example, "positive"))
        misses.append(np.array([picture(m, example, "negatives") for m in example.negatives], int))
    keys = [("picture", p) if p >= 0 else ("words", w) for p, w in zip(shown, said, strict=True)]
    parts = [item for _, item in pictures.values()], [item for _, item in texts.values()]
    return Asked(*parts, np.array(shown), np.array(said), np.array(wanted), misses, codes(keys))


def _parts(example: Example) -> Iterator[Image | Text]:
    """The anchor's pictures and texts. Raises DataError: it holds anything else."""
    for part in leaves(example.anchor):
        if not isinstance(part, Image | Text):
            mend = 'Give words, a picture, or both: {"text": …, "image": …}'
            raise DataError(example.row, "anchor", f"it is {part.modality}, neither words nor a picture", mend)
        yield part
