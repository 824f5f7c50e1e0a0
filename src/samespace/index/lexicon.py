"""Full-text search over the item rows of a Snapshot: BM25 on their words and on the names of their files.

Held in RAM, in numpy, over exactly the rows of the Snapshot: what was written a moment ago is found, what was removed
is not, and the weights count nothing that is invisible.

Knows nothing of how an Index is kept. Imports numpy and pyarrow. Letters: m item rows.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from samespace.index.placed import Rows
from samespace.index.protocol import Nearest
from samespace.index.term import normalize
from samespace.index.vocabulary import Vocabulary

__all__ = ["Lexicon", "Postings", "Words", "named"]

_K1, _B = 1.2, 0.75  # Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009


class Words(Protocol):
    """What can tell how well each row matches some terms."""

    def score(self, query: list[str]) -> np.ndarray:
        """(rows,) float32, 0 where no term stands."""


@dataclass(frozen=True, eq=False)
class Postings:
    """An inverted list: for each term the rows it stands in, and how often.

    Attributes:
        terms: the vocabulary (v,).
        starts: (v + 1,) where each term's postings begin.
        rows, counts: the postings, by term, then by row.
        lengths: (m,) terms in each row.
    """

    terms: Vocabulary
    starts: np.ndarray
    rows: np.ndarray
    counts: np.ndarray
    lengths: np.ndarray

    @classmethod
    def of(cls, terms: "pa.ChunkedArray | pa.Array") -> "Postings":
        """From a column of terms joined by single spaces."""
        lists = pc.split_pattern(terms, " ")
        if isinstance(lists, pa.ChunkedArray):
            lists = lists.combine_chunks()
        words = lists.flatten()
        rows = pc.list_parent_indices(lists).to_numpy().astype(np.int64)
        encoded = words.dictionary_encode()
        order = pc.sort_indices(encoded.dictionary).to_numpy()
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        codes = rank[encoded.indices.to_numpy()]
        full = np.flatnonzero(~pc.equal(words, "").to_numpy(zero_copy_only=False))
        codes, rows = codes[full], rows[full]
        width = max(1, len(lists))
        keys, counts = np.unique(codes * width + rows, return_counts=True)
        vocabulary = Vocabulary(encoded.dictionary.take(pa.array(order)))
        starts = np.searchsorted(keys // width, np.arange(len(vocabulary) + 1))
        lengths = np.bincount(rows, minlength=len(lists))
        return cls(vocabulary, starts, (keys % width).astype(np.int32), counts.astype(np.float32), lengths)

    def score(self, query: list[str]) -> np.ndarray:
        """(m,) float32 BM25 of each row; 0 where no term stands.

        score = sum_t idf(t) f (k1 + 1) / (f + k1 (1 - b + b len / mean len)), idf = ln(1 + (m - df + .5) / (df + .5))
        """
        scores = np.zeros(len(self.lengths), np.float32)
        mean = max(1.0, float(self.lengths.mean())) if len(self.lengths) else 1.0
        for term in query:
            code = self.terms.get(term)
            if code is None:
                continue
            span = slice(self.starts[code], self.starts[code + 1])
            rows, counts = self.rows[span], self.counts[span]
            idf = np.log1p((len(scores) - len(rows) + 0.5) / (len(rows) + 0.5))
            scores[rows] += idf * counts * (_K1 + 1) / (counts + _K1 * (1 - _B + _B * self.lengths[rows] / mean))
        return scores


@dataclass(frozen=True, eq=False)
class Lexicon:
    """The words of item rows, and the names and titles of their files.

    Attributes:
        body: over the item rows.
        names: over the files.
        file_of: (m,) file of each item row.
        first: first item row of each file.
    """

    body: Words
    names: Words
    file_of: np.ndarray
    first: np.ndarray

    @classmethod
    def of(cls, rows: Rows, body: Words | None = None, names: Postings | None = None) -> "Lexicon":
        """From the item rows of a Snapshot; `body` and `names` if their words are inverted already."""
        first = np.flatnonzero(np.diff(rows.file, prepend=-1))
        if names is None:
            facts = rows.take(first, ["path", "title"])
            names = Postings.of(named(facts["path"], facts["title"]))
        return cls(body or Postings.of(rows["terms"]), names, rows.file, first)

    def search(self, query: str, k: int, allowed: np.ndarray | None = None) -> Nearest:
        """The k best item rows with their BM25 scores; a file's name counts for rows that match, and for its first."""
        scores = self._scores(query)
        if allowed is not None:
            scores = np.where(allowed, scores, 0)
        found = np.flatnonzero(scores > 0)
        best = found[np.lexsort((found, -scores[found]))][:k]
        return Nearest(best.astype(np.int64), scores[best])

    def count(self, query: str) -> int:
        """How many item rows `search` would find, if it were asked for all."""
        return int(np.count_nonzero(self._scores(query) > 0))

    def _scores(self, query: str) -> np.ndarray:
        """(m,) float32, 0 where nothing matches."""
        terms = list(dict.fromkeys(normalize(query)))
        scores = self.body.score(terms)
        named = self.names.score(terms)
        at = np.union1d(np.flatnonzero(scores), self.first[np.flatnonzero(named)])
        scores[at] += named[self.file_of[at]]
        return scores


def named(paths: "pa.Array | pa.ChunkedArray", titles: "pa.Array | pa.ChunkedArray") -> pa.Array:
    """Terms of the names and titles of files, joined by single spaces: `normalize`, those in ASCII all at once."""
    names = pc.replace_substring_regex(paths, r"(?s)^.*/", "")
    lines = pc.binary_join_element_wise(names, titles, " ")
    lines = lines.combine_chunks() if isinstance(lines, pa.ChunkedArray) else lines
    made = pc.utf8_trim(pc.replace_substring_regex(pc.ascii_lower(lines), "[^a-z0-9]+", " "), " ")
    plain = pc.match_substring_regex(lines, r"^[\x00-\x26\x28-\x7f]*$")  # an apostrophe may stand inside a word
    other = np.flatnonzero(~plain.to_numpy(zero_copy_only=False).astype(bool))
    if len(other):
        cut = pa.array([" ".join(normalize(line)) for line in lines.take(pa.array(other)).to_pylist()], pa.string())
        made = pc.replace_with_mask(made, pc.invert(plain), cut)
    return made
