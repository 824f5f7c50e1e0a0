"""The common half of the hf: encoders: loading a backbone safely, and the walk from Items to Vectors.

A Body knows one kind of model (text, two towers, vision-language); HfEncoder knows batches, roles, widths and Spaces.

Knows nothing of indexes and files other than the model's. Imports torch; transformers inside functions.
Letters: n, b items, d width of the Space, w width of the model, t tokens.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from samespace.encode import engine
from samespace.encode.hf_folder import Folder
from samespace.encode.protocol import Role
from samespace.encode.recipe import Recipe
from samespace.errors import RecipeError, WeightsError, WeightsNotFoundError
from samespace.items import Blob, Item, Modality
from samespace.space import Space, Vectors

__all__ = ["Body", "HfEncoder", "Prepared", "backbone", "collate", "device_of", "image_processor", "quiet", "tokenizer"]

_BUDGET = {"cpu": 4096, "cuda": 65_536}  # padded tokens a batch; small on a processor, whose caches are
_PIXELS = {"cpu": 8_000_000, "cuda": 64_000_000}
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_NEEDLESS = ("pooler", "lm_head", "position_ids", "logit_scale", "logit_bias", "contrastive_head", "classifier")


@dataclass(frozen=True)
class Prepared:
    """An item, ready but for its pictures, which stay undecoded until their batch.

    Attributes:
        ids: token ids (t); () for a picture alone in a model with two towers.
        pictures: their blobs, in order.
        cost: tokens, visual ones included.
        pixels: that will be decoded.
        key: digest; equal keys give equal rows.
        steps: latent steps before its vector is read.
    """

    ids: tuple[int, ...]
    pictures: tuple[Blob, ...]
    cost: int
    pixels: int
    key: str
    steps: int = 0


class Body(Protocol):
    """One kind of model with its weights, used by one Recipe."""

    @property
    def recipe(self) -> Recipe:
        """How it is used."""

    @property
    def takes(self) -> frozenset[Modality]:
        """What this kind of model can take in at most."""

    def by(self, recipe: Recipe) -> "Body":
        """The same weights in memory, used by another Recipe of the same family and precision."""

    def prepare(self, item: Item, role: Role) -> Prepared:
        """Tokenize; raise TypeError for a modality outside `takes`."""

    def rows(self, batch: Sequence[Prepared]) -> Tensor:
        """One vector each (b, w), before any cut and norm."""

    def hidden(self, one: Prepared) -> Tensor:
        """The token states (t, w) that pooling reads. Raises NotImplementedError where there are none."""


@dataclass(frozen=True, eq=False)
class HfEncoder:
    """An Encoder over a transformers model.

    Attributes:
        space: where its vectors live.
        recipe: how the model is used.
        body: the model.
        stated: the Recipe that the model's own files or the catalogue state, for `doctor`; None if nobody does.
        build: makes the Body of another Recipe over the same files, for `revised`.
    """

    space: Space
    recipe: Recipe
    body: Body
    stated: Recipe | None
    weights: str
    build: Callable[[Recipe], Body]

    @property
    def modalities(self) -> frozenset[Modality]:
        """What it takes in: what the recipe says, as far as the model can."""
        return self.recipe.modalities & self.body.takes

    def encode(self, items: Sequence[Item], *, role: Role = "document", steps: int | None = None) -> Vectors:
        """Encode items (n) to Vectors (n, d).

        Args:
            items: of the kinds it takes.
            role: what the vectors are for.
            steps: think so many latent steps first, which gives Vectors of another Space (hf_think.thinking, by which
                queries can think while documents do not); None = as the recipe says.

        Raises:
            TypeError: an item it does not take, with its position.
            RecipeError: this model cannot think.
        """
        if steps is not None:
            from samespace.encode.hf_think import thinking

            return thinking(self, steps).encode(items, role=role)
        ready = [self._prepare(item, role, position) for position, item in enumerate(items)]
        if not ready:
            return self.space.empty()
        device = device_of(self.body)
        rows = engine.run(
            [p.cost for p in ready],
            lambda batch: self._finish(self.body.rows([ready[i] for i in batch])),
            budget=_BUDGET.get(device, _BUDGET["cuda"]),
            dim=self.space.dim,
            keys=[p.key for p in ready],
            pixels=[p.pixels for p in ready],
            pixel_budget=_PIXELS.get(device, _PIXELS["cuda"]),
        )
        return self.space.vectors(rows)

    def batch(self, items: Sequence[Item], *, role: Role = "document") -> np.ndarray:
        """Rows (n, d) of items that go through the model together, in one padded batch: for `doctor`."""
        ready = [self._prepare(item, role, position) for position, item in enumerate(items)]
        return self._finish(self.body.rows(ready))

    def tokens(self, item: Item, *, role: Role = "document") -> tuple[int, ...]:
        """The token ids an item becomes: for `doctor`."""
        return self._prepare(item, role, 0).ids

    def hidden(self, item: Item, *, role: Role = "document") -> np.ndarray:
        """The token states (t, w) that pooling reads: for `doctor`. Raises NotImplementedError with two towers."""
        return np.asarray(self.body.hidden(self._prepare(item, role, 0)).float().cpu().numpy())

    def revised(self, recipe: Recipe) -> "HfEncoder":
        """The same weights by another Recipe: another Space. They are loaded again only if the precision differs."""
        shared = recipe.precision == self.recipe.precision and recipe.modalities <= self.recipe.modalities
        body = self._used(recipe) if shared else self.build(recipe)
        return replace(self, space=recipe.space(self.space.name, self.weights), recipe=recipe, body=body)

    def _used(self, recipe: Recipe) -> Body:
        """The body by another Recipe, which may think or not."""
        if recipe.thinking is None:
            return self.body.by(recipe)
        from samespace.encode.hf_think import used

        return used(self, recipe)

    def _prepare(self, item: Item, role: Role, position: int) -> Prepared:
        if item.modality not in self.modalities:
            takes = ", ".join(sorted(self.modalities))
            raise TypeError(f"item {position} is {item.modality}, but {self.space.name} takes {takes} only")
        try:
            return self.body.prepare(item, role)
        except TypeError as err:
            raise TypeError(f"item {position}: {err}") from err

    def _finish(self, rows: Tensor) -> np.ndarray:
        """Cut to the width of the Space and bring to unit length, in float32."""
        rows = rows.float()[:, : self.space.dim]
        if self.recipe.normalize:
            rows = torch.nn.functional.normalize(rows, dim=-1)
        return np.asarray(rows.cpu().numpy())


def backbone(folder: Folder, recipe: Recipe, device: str, code: str | None) -> Any:
    """The model of a folder, for inference. Nothing is fetched, no pickle is opened, nothing is left random.

    Args:
        folder: where it is.
        recipe: whose precision it gets.
        device: "cpu", "cuda", ...
        code: commit whose own code may be run; None = never.

    Raises:
        RecipeError: a tensor is missing, a precision is unknown.
        WeightsNotFoundError: there is nothing that we read.
        WeightsError: a file is damaged.
    """
    from safetensors import SafetensorError
    from transformers import AutoModel

    if recipe.precision not in _DTYPES:
        raise RecipeError(folder.name, f"precision {recipe.precision!r}", f"Use one of {', '.join(_DTYPES)}")
    settings: dict[str, Any] = {"gguf_file": folder.gguf} if folder.gguf else {"use_safetensors": True}
    if code:
        settings |= {"trust_remote_code": True, "code_revision": code}
    try:
        with quiet():
            model, report = AutoModel.from_pretrained(
                folder.path,
                dtype=_DTYPES[recipe.precision],
                local_files_only=True,
                output_loading_info=True,
                **settings,
            )
    except (SafetensorError, struct.error) as err:
        raise _damaged(folder, err) from err
    except (OSError, ValueError) as err:
        raise WeightsNotFoundError(
            f"{folder.name} cannot be loaded ({str(err).splitlines()[0]})",
            "It needs config.json and .safetensors files of an architecture that transformers knows; a model that "
            "brings its own code runs only with --trust-remote-code COMMIT",
        ) from err
    missing = [k for k in sorted(report["missing_keys"]) if not any(n in k for n in _NEEDLESS)]
    if missing or report["mismatched_keys"]:
        raise RecipeError(
            folder.name,
            f"{len(missing) or len(report['mismatched_keys'])} tensors are missing or do not fit, {missing[:1]} first",
            "They would be random numbers: get the complete weights of this very model",
        )
    return model.eval().requires_grad_(False).to(device)


def tokenizer(folder: Folder, code: str | None = None) -> Any:
    """The tokenizer of a folder, with a padding token."""
    from transformers import AutoTokenizer

    settings: dict[str, Any] = {"gguf_file": folder.gguf} if folder.gguf else {}
    if code:
        settings |= {"trust_remote_code": True, "code_revision": code}
    try:
        with quiet():
            made = AutoTokenizer.from_pretrained(folder.path, local_files_only=True, **settings)
    except (OSError, ValueError, KeyError, struct.error) as err:
        if folder.gguf:
            raise _damaged(folder, err) from err
        raise WeightsNotFoundError(
            f"{folder.name} has no tokenizer that can be loaded ({str(err).splitlines()[0]})",
            "Put the model's tokenizer.json and tokenizer_config.json into its folder",
        ) from err
    if not made.is_fast:
        raise RecipeError(folder.name, "its tokenizer has no fast form", "Save it with a tokenizer.json")
    if made.pad_token is None:
        made.pad_token = made.eos_token or made.unk_token
    return made


def _damaged(folder: Folder, err: Exception) -> WeightsError:
    file = folder.gguf or "a file of its weights"
    fact = f"{folder.name}: {file} cannot be read ({str(err).splitlines()[0]})"
    return WeightsError(fact, "It is cut, damaged or of another kind: get it again")


def image_processor(folder: Folder) -> Any:
    """The image processor of a folder, on Pillow and numpy: torchvision is never needed."""
    from transformers import AutoImageProcessor

    try:
        load: Any = AutoImageProcessor.from_pretrained
        with quiet():
            return load(folder.path, backend="pil", local_files_only=True)
    except (OSError, ValueError) as err:
        raise WeightsNotFoundError(
            f"{folder.name} has no image processor ({str(err).splitlines()[0]})",
            "Put the model's preprocessor_config.json into its folder, or take it for text only: "
            'samespace.encode.hf.load(path, recipe=Recipe(..., modalities=frozenset({"text"})))',
        ) from err


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' progress bars and notes off stderr; its errors are raised, and ours say more."""
    from transformers.utils import logging as notes

    logging: Any = notes
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def collate(batch: Sequence[Prepared], pad: int, recipe: Recipe, device: str) -> tuple[Tensor, Tensor]:
    """Token ids and mask (b, t), padded on the side and to the length the recipe says."""
    longest = max(len(p.ids) for p in batch)
    width = max(longest, recipe.max_tokens) if recipe.padding == "max_length" else longest
    ids = torch.full((len(batch), width), pad, dtype=torch.long)
    mask = torch.zeros((len(batch), width), dtype=torch.long)
    for row, one in enumerate(batch):
        at = slice(0, len(one.ids)) if recipe.padding_side == "right" else slice(width - len(one.ids), width)
        ids[row, at] = torch.tensor(one.ids, dtype=torch.long)
        mask[row, at] = 1
    return ids.to(device), mask.to(device)


def device_of(body: Body) -> str:
    """Where a Body's weights are: "cpu", "cuda", ..."""
    return str(getattr(body, "device", "cpu")).partition(":")[0]
