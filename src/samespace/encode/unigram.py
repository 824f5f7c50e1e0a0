"""The SentencePiece unigram tokenizer, as XLM-R uses it: text → the likeliest sequence of pieces.

Written here because it starts in a tenth of the time of a general tokenizer library, which is what a single search from
the command line pays. No piece of XLM-R has a word border inside, so words are cut independently of each other and a
word seen once is looked up ever after. Text cannot spell control tokens: "</s>" in a file is five characters.

Knows nothing of models. Imports the standard library only. Letters: t tokens.
Reference: Kudo, Subword Regularization, arXiv:1804.10959.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Unigram"]

_SPACE = "▁"
_UNKNOWN_PENALTY = 10.0  # below the least likely piece, as in SentencePiece
_WORDS_REMEMBERED = 200_000


@dataclass(frozen=True, eq=False)
class Unigram:
    """Pieces with log probabilities, and what each code point is replaced by beforehand.

    Attributes:
        pieces: piece in UTF-8 → id, control tokens left out.
        scores: log probability by id.
        replacements: code point → text, in the form of str.translate.
        bos, eos, unknown: ids.
    """

    pieces: Mapping[bytes, int]
    scores: Sequence[float]
    replacements: Mapping[int, str]
    bos: int
    eos: int
    unknown: int
    _longest: int = field(init=False)
    _unknown_score: float = field(init=False)
    _words: dict[str, list[int]] = field(init=False, default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_longest", max(map(len, self.pieces)))
        object.__setattr__(self, "_unknown_score", min(self.scores) - _UNKNOWN_PENALTY)

    def normalize(self, text: str) -> str:
        """Compose letters and accents, replace by code point, reduce runs of spaces to one, none at the ends."""
        replaced = unicodedata.normalize("NFC", text).translate(self.replacements)
        return re.sub(" {2,}", " ", replaced).strip(" ")

    def encode(self, text: str, limit: int) -> list[int]:
        """Ids with bos and eos around them, at most `limit` in all: (t), 2 <= t <= limit."""
        ids = [self.bos]
        for word in self.normalize(text).split(" "):
            ids += self._word(_SPACE + word)
            if len(ids) >= limit:
                break
        return [*ids[: limit - 1], self.eos]

    def _word(self, word: str) -> list[int]:
        known = self._words.get(word)
        if known is None:
            known = self._cut(word)
            if len(self._words) >= _WORDS_REMEMBERED:
                self._words.clear()
            if len(word) <= 64:
                self._words[word] = known
        return known

    def _cut(self, word: str) -> list[int]:
        """Viterbi: the cut of a word whose scores sum highest; neighbouring unknown characters become one token."""
        raw = word.encode("utf-8", "replace")
        borders = [i for i, byte in enumerate(raw) if byte & 0xC0 != 0x80]
        size = len(borders)
        borders.append(len(raw))
        best = [float("-inf")] * (size + 1)
        best[0] = 0.0
        back: list[tuple[int, int]] = [(0, self.unknown)] * (size + 1)  # start of the piece that ends here, its id
        look, scores, longest = self.pieces.get, self.scores, self._longest
        for start in range(size):
            here, begin = best[start], borders[start]
            for end in range(start + 1, size + 1):
                if borders[end] - begin > longest:
                    break
                piece = look(raw[begin : borders[end]])
                if piece is not None and here + scores[piece] > best[end]:
                    best[end], back[end] = here + scores[piece], (start, piece)
            if here + self._unknown_score > best[start + 1]:
                best[start + 1], back[start + 1] = here + self._unknown_score, (start, self.unknown)
        ids: list[int] = []
        while size:
            size, piece = back[size]
            if piece != self.unknown or not ids or ids[-1] != self.unknown:
                ids.append(piece)
        return ids[::-1]
