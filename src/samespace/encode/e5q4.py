"""multilingual-e5-small at 4 bits, out of the one file that a package carries: the default text model.

Text in about 100 languages → 384 wide. Runs on numpy alone: no framework is loaded, the first vector is there 0.25 CPU
seconds after the start of the process, and the file stays 4-bit in memory. `accelerate.py` has the faster way for bulk.

Knows nothing of where the file is (weights.py) or how a model is chosen (load.py).
Reference: Wang et al., Multilingual E5 Text Embeddings, arXiv:2402.05672.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samespace.encode import catalog, engine, intake
from samespace.encode.catalog import Entry
from samespace.encode.protocol import Role
from samespace.encode.q4_bert import Q4Bert
from samespace.encode.recipe import Recipe
from samespace.encode.weights import sha256
from samespace.errors import WeightsNotFoundError
from samespace.items import Item, Modality
from samespace.space import Space, Vectors

__all__ = ["E5Q4", "load"]

_TOKENS = 1024  # of one batch: its activations stay near the processor


@dataclass(frozen=True, eq=False)
class E5Q4:
    """Text → mean over the last hidden states, "query: " or "passage: " before it, at unit length."""

    space: Space
    recipe: Recipe
    model: Q4Bert
    modalities: frozenset[Modality] = frozenset({"text"})

    def encode(self, items: Sequence[Item], *, role: Role = "document") -> Vectors:
        """Encode texts (n) to (n, 384). Raises TypeError for other modalities."""
        texts = [self.recipe.prompts[role] + text for text in intake.texts(items, self.space.name)]
        ids = [self.model.tokenizer.encode(text, self.recipe.max_tokens) for text in texts]
        forward = lambda batch: self.model.forward([ids[p] for p in batch])  # noqa: E731
        costs = [len(i) for i in ids]
        return self.space.vectors(engine.run(costs, forward, budget=_TOKENS, dim=self.space.dim, keys=texts))

    def tokens(self, item: Item, *, role: Role = "document") -> tuple[int, ...]:
        """The token ids an item becomes: for `doctor` and `accelerate`."""
        (text,) = intake.texts([item], self.space.name)
        return tuple(self.model.tokenizer.encode(self.recipe.prompts[role] + text, self.recipe.max_tokens))


def load(rest: str = "", *, entry: Entry | None = None, **settings: Any) -> E5Q4:
    """Make one.

    Args:
        rest: a file of that format ("e5q4:/path/to/file.bin"); "" = the catalogue's, wherever it is.
        entry: of the catalogue.
        settings: of other plugins; none matters here.

    Raises:
        WeightsError: no such file, another hash than the catalogue's, or not of that format.
    """
    entry = entry or catalog.get("multilingual-e5-small")
    path = Path(rest).expanduser() if rest else entry.locate()
    if not path.is_file():
        raise WeightsNotFoundError(f"{path} is not a file", "Name a file of that format, or use the name " + entry.name)
    weights = sha256(path)
    name = f"{entry.maker}/{entry.name}@q4-{weights[:8]}"
    return E5Q4(entry.recipe.space(name, weights), entry.recipe, Q4Bert(path))
