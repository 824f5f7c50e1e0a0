"""A language model that was given eyes, and what stands beside it (grafted:FOLDER).

Two ways, by what it was trained on (graft.py has the model):

    words → picture             pictures are read by the language model and land in a text model's own Space
    picture + words → picture   queries are read by the language model; pictures go through two layers of their own

Made by the training plan `graft`; the language model is kept beside it as tuned.py keeps one. Imports numpy and torch;
transformers and peft when it is loaded. Letters: n items, d width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from samespace.encode import card, engine, tuned
from samespace.encode.bound import laid
from samespace.encode.graft import Graft
from samespace.encode.intake import pictures_and_texts
from samespace.encode.load import load as load_encoder
from samespace.encode.perceptron import Perceptron
from samespace.encode.protocol import Encoder, Role
from samespace.encode.recipe import Recipe
from samespace.errors import SpaceMismatchError, WeightsError
from samespace.items import Image, Item, Modality, Text
from samespace.space import Space, Vectors

__all__ = ["Grafted", "load", "save"]

_MEND = "Make it: samespace train graft --base MODEL --data ROWS.parquet --out FOLDER"
_TAKES: frozenset[Modality] = frozenset({"text", "image", "mixed"})
_BUDGET = 512  # tokens a batch


@dataclass(frozen=True, eq=False)
class Grafted:
    """An Encoder. `text` and `mean` are there where its Space is a text model's, `looks` where it is its own."""

    space: Space
    recipe: Recipe
    tower: Encoder
    graft: Graft
    text: Encoder | None = None
    mean: np.ndarray | None = None
    looks: Perceptron | None = None
    modalities: frozenset[Modality] = _TAKES

    def encode(self, items: Sequence[Item], *, role: Role = "document") -> Vectors:
        """Encode items (n) to (n, d); the role counts for a text model's texts. Raises TypeError, ReadError."""
        parts = [self._parts(item, row) for row, item in enumerate(items)]
        rows = np.zeros((len(items), self.space.dim), np.float32)
        plain = "text" if self.text else "image"
        beside = [row for row, item in enumerate(items) if item.modality == plain]
        read = [row for row, item in enumerate(items) if item.modality != plain]
        if beside and self.text:
            rows[beside] = self.text.encode([items[row] for row in beside], role=role).data
        elif beside and self.looks:
            rows[beside] = self.looks(self.tower.encode([items[row] for row in beside]).data)
        if read:
            made = self._read([parts[row] for row in read])
            rows[read] = made if self.mean is None else laid(made, self.mean)
        return self.space.vectors(rows)

    def _read(self, items: Sequence[tuple[Image | Text, ...]]) -> np.ndarray:
        """Rows (n, d) of what the language model reads."""
        pictures = [next((part for part in parts if isinstance(part, Image)), None) for parts in items]
        words = [" ".join(part.text for part in parts if isinstance(part, Text)) for parts in items]
        ready = [self.graft.ready(text) for text in words]
        vectors = np.zeros((len(items), self.tower.space.dim), np.float32)
        has = [row for row, picture in enumerate(pictures) if picture is not None]
        if has:
            vectors[has] = self.tower.encode([p for p in pictures if p is not None]).data

        @torch.inference_mode()
        def forward(batch: list[int]) -> np.ndarray:
            shown = torch.tensor([pictures[i] is not None for i in batch])
            made = self.graft(torch.from_numpy(vectors[batch]), shown, [ready[i] for i in batch])
            return np.asarray(torch.nn.functional.normalize(made, dim=1).numpy())

        costs = [one.cost + self.graft.tokens for one in ready]
        keys = [f"{p.digest() if p else ''} {text}" for p, text in zip(pictures, words, strict=True)]
        return engine.run(costs, forward, budget=_BUDGET, dim=self.space.dim, keys=keys)

    def _parts(self, item: Item, row: int) -> tuple[Image | Text, ...]:
        """Its texts and its one picture, in order. Raises TypeError: it holds anything else, or several pictures."""
        found = tuple(pictures_and_texts(item, row, self.space.name))
        if sum(isinstance(part, Image) for part in found) > 1:
            raise TypeError(f"item {row} has several pictures (mixed), but {self.space.name} reads one at a time")
        return found


def save(graft: Graft, rest: dict[str, np.ndarray], said: dict[str, Any], folder: Path) -> None:
    """Write grafted.safetensors, grafted.json, and the language model as tuned.py does.

    Args:
        graft: the model.
        rest: "mean" of a text model's Space, or the layers "looks.…" of one of its own.
        said: {"tower", "tower_space", "text" or None, "text_space" or None, "facts"}.
        folder: where to.
    """
    tuned.save_language(graft.language, folder)
    parts = {"projector": graft.projector, "head": graft.head}
    own = {f"{n}.{k}": v.detach().float().numpy() for n, part in parts.items() for k, v in part.state_dict().items()}
    sizes = {"tokens": graft.tokens, "dim": graft.head.out_features, "hidden": graft.projector[0].out_features}
    card.write(folder, "grafted", {**own, **rest}, {**sizes, "language": tuned.digest(folder), **said})


def load(rest: str, **settings: Any) -> Grafted:
    """Load "grafted:FOLDER".

    Raises:
        WeightsNotFoundError, WeightsError: there is none, it is damaged, or its language model is another one now.
        SpaceMismatchError: an encoder here is not the one that it was trained on.
    """
    folder = Path(rest).expanduser()
    found = card.read(folder, "grafted", _MEND)
    said = found.said
    tower = _known(said["tower"], said["tower_space"])
    text = _known(said["text"], said["text_space"]) if said["text"] else None
    used = tuned.opened(folder, "cpu")
    if tuned.digest(folder) != said["language"]:
        raise WeightsError(f"{folder} holds another language model than the one that grafted.json names", _MEND)
    graft = Graft(used, tower.space.dim, said["tokens"], said["hidden"], said["dim"])
    own = {k: torch.from_numpy(v) for k, v in found.tensors.items()}
    for name, part in (("projector", graft.projector), ("head", graft.head)):
        part.load_state_dict({k.removeprefix(f"{name}."): v for k, v in own.items() if k.startswith(f"{name}.")})
    graft.requires_grad_(False).eval()
    mean = found.tensors.get("mean")
    looks = None if text else Perceptron.of(found.tensors, "looks")
    how = used.recipe
    recipe = Recipe(family="grafted", dim=said["dim"], modalities=_TAKES, pooling=how.pooling, precision=how.precision)
    hashes = found.hash + said["language"] + tower.space.fingerprint
    space = text.space if text else recipe.space(f"samespace/grafted@{found.hash[:8]}", hashes)
    return Grafted(space, recipe, tower, graft, text, mean, looks)


def _known(name: str, space: dict[str, Any]) -> Encoder:
    """An encoder by name. Raises SpaceMismatchError if its Space is another one now."""
    made = load_encoder(name)
    if made.space != Space.from_dict(space):
        raise SpaceMismatchError(str(made.space), str(Space.from_dict(space)))
    return made
