"""The sort of an item: its modality, and of texts the writing: "image", "text/LATIN", "text/CJK".

Imports numpy and pyarrow. Letters: n items.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from samespace.index.words import script

__all__ = ["sorts"]

_LETTERS = 64  # of a text, to tell its writing
_NOT_LATIN = r"[^\x00-\x{02af}\x{1e00}-\x{1eff}\x{2000}-\x{2bff}]"


def sorts(items: pa.Table) -> tuple[np.ndarray, tuple[str, ...]]:
    """(n,) uint8 and what its numbers stand for, of items with `modality` and `text`."""
    plain = pc.dictionary_encode(items["modality"].combine_chunks())
    known = ["text" if name == "" else name for name in plain.dictionary.to_pylist()]
    names = dict.fromkeys([*(name for name in known if name != "text"), "text/LATIN"])
    numbers = {name: i for i, name in enumerate(names)}
    own = np.array([numbers.get(name, numbers["text/LATIN"]) for name in known], np.uint8)
    made = own[plain.indices.to_numpy()] if len(own) else np.empty(0, np.uint8)
    starts = pc.utf8_slice_codeunits(items["text"], 0, _LETTERS).combine_chunks()
    other = pc.match_substring_regex(starts, _NOT_LATIN).to_numpy(zero_copy_only=False).astype(bool)
    rows = np.flatnonzero(other & (made == numbers["text/LATIN"]))
    for row, text in zip(rows, starts.take(pa.array(rows)).to_pylist(), strict=True):
        made[row] = numbers.setdefault("text/" + script(text), len(numbers))
    return made, tuple(numbers)
