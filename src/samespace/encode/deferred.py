"""A BERT model of the catalogue without torch, on a machine where its OpenVINO form has been measured before.

Importing torch and transformers costs five CPU seconds at every start, and the form that does the work needs neither:
its weights are read from the file, its texts cut by the tokenizer file. That both are what transformers makes of them
is not assumed: the first load, which has transformers, notes what the fixed sentences become, and only where the same
comes out here is torch put off, until something asks for the encoder itself.

Knows nothing of how a model is chosen. Imports tokenizers and safetensors inside functions.
"""

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from samespace.encode import weights
from samespace.encode.accelerate import SENTENCES, Accelerated, Fast, Tokenized, known
from samespace.encode.catalog import Entry
from samespace.encode.hf_bert import HfBert
from samespace.encode.openvino_bert import OpenVinoBert
from samespace.encode.protocol import Encoder, Role
from samespace.encode.recipe import Recipe
from samespace.encode.wording import Wording
from samespace.errors import SamespaceError
from samespace.items import Item, Modality, Text
from samespace.space import Space, Vectors

__all__ = ["deferred", "note"]

_MEMORY = "tokens.json"
_PACKAGES = ("openvino", "tokenizers", "safetensors")


def note(encoder: Accelerated) -> None:
    """Remember what the fixed sentences become by transformers, once for each fingerprint and its version."""
    key = _key(encoder.space)
    if key not in weights.remembered(_MEMORY):
        weights.remember(_MEMORY, key, _digest(encoder.parent))


def deferred(entry: Entry, load: Callable[[], Encoder]) -> Accelerated | None:
    """The model of an entry, without torch; None where that is not known to give the same vectors, or cannot be.

    Args:
        entry: of the catalogue.
        load: loads the encoder itself, for inputs that are no text and for who asks.
    """
    recipe = entry.recipe
    plain = recipe.family == "bert" and recipe.pooling in ("mean", "cls") and recipe.layer == -1
    if not plain or recipe.truncate_dim or recipe.template or not all(map(find_spec, (*_PACKAGES, "transformers"))):
        return None
    try:
        folder = entry.locate().parent
        fingerprint = weights.folder_hash(folder)
        space = recipe.space(f"{entry.maker}/{entry.name}@{fingerprint[:8]}", fingerprint)
        noted = weights.remembered(_MEMORY).get(_key(space))
        if not noted or not known(space):
            return None
        parent = _Later(space, recipe, _wording(folder, recipe, entry.name), load)
        bert = HfBert.at(folder) if _digest(parent) == noted else None
    except (OSError, ValueError, SamespaceError):
        return None  # the ordinary way says what is wrong
    if bert is None:
        return None
    pooling: Literal["mean", "cls"] = "cls" if recipe.pooling == "cls" else "mean"
    return Accelerated(space, recipe, parent, Fast(parent, lambda form: OpenVinoBert(bert, pooling, form), True))


@dataclass(frozen=True, eq=False)
class _Later:
    """An encoder that is loaded when its own vectors are asked for; its tokens are there at once."""

    space: Space
    recipe: Recipe
    wording: Wording
    load: Callable[[], Encoder]
    modalities: frozenset[Modality] = frozenset({"text"})
    _made: list[Encoder] = field(default_factory=list)
    _turn: Any = field(default_factory=threading.Lock)

    def encode(self, items: Sequence[Item], *, role: Role = "document") -> Vectors:
        """Encode texts (n) to (n, d) by the encoder itself. Raises TypeError for other modalities."""
        with self._turn:
            if not self._made:
                self._made.append(self.load())
        return self._made[0].encode(items, role=role)

    def tokens(self, item: Item, *, role: Role = "document") -> tuple[int, ...]:
        """The token ids an item becomes. Raises TypeError for other modalities."""
        if not isinstance(item, Text):
            raise TypeError(f"{item.modality} is not text")
        return tuple(self.wording.ids(item.text, role))


@dataclass(frozen=True, eq=False)
class _Tokenizer:
    """What Wording asks of a tokenizer of transformers where there is no template, by the library it stands on."""

    library: Any
    eos_token_id: int | None = None
    unk_token_id: int | None = None

    def __call__(self, text: str, *, truncation: bool, max_length: int, verbose: bool) -> dict[str, Any]:
        return {"input_ids": self.library.encode(text).ids}  # it cuts by itself

    def convert_tokens_to_ids(self, token: str) -> int | None:
        found: int | None = self.library.token_to_id(token)
        return found


def _wording(folder: Path, recipe: Recipe, name: str) -> Wording:
    from tokenizers import Tokenizer

    library = Tokenizer.from_file(str(folder / "tokenizer.json"))
    library.no_padding()
    library.enable_truncation(recipe.max_tokens)
    return Wording(_Tokenizer(library), recipe, name)


def _digest(encoder: Tokenized) -> str:
    """Hash of the token ids of the fixed sentences in both roles, and of one far beyond the limit."""
    texts = [Text(text) for text in (*SENTENCES, " ".join(SENTENCES) * 4)]
    ids = [encoder.tokens(text, role=role) for text in texts for role in ("query", "document")]
    return hashlib.sha256(repr(ids).encode()).hexdigest()


def _key(space: Space) -> str:
    graphics = " and a graphics card" if Path("/dev/nvidia0").exists() else ""  # one that came later is faster yet
    return f"{space.fingerprint} transformers {version('transformers')} tokenizers {version('tokenizers')}{graphics}"
