"""Models with two towers: CLIP, Chinese-CLIP, MetaCLIP 2, SigLIP, SigLIP 2 (fixed and NaFlex).

A text goes through one tower, a picture through the other; both come out of the model's own heads. SigLIP's text tower
reads its last position, so every text is padded to the full length, without a mask, as it was trained.

Knows nothing of fusing text and picture. Imports torch. Letters: b items, w head width.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from samespace.encode import picture
from samespace.encode.hf_model import Prepared, collate
from samespace.encode.protocol import Role
from samespace.encode.recipe import Recipe
from samespace.encode.wording import Wording
from samespace.items import Document, Image, Item, Modality, Text

__all__ = ["DualBody"]


@dataclass(frozen=True, eq=False)
class DualBody:
    """A model with two towers used by a Recipe: families "clip" and "siglip". A Document is seen, not read."""

    model: Any
    wording: Wording
    processor: Any
    recipe: Recipe
    device: str
    takes: frozenset[Modality] = frozenset({"text", "image", "document"})

    def by(self, recipe: Recipe) -> "DualBody":
        """The same weights, used by another Recipe."""
        return replace(self, recipe=recipe, wording=replace(self.wording, recipe=recipe))

    def prepare(self, item: Item, role: Role) -> Prepared:
        """Tokenize a Text; note a picture's size."""
        if isinstance(item, Text):
            ids = tuple(self.wording.ids(item.text, role))
            full = self.recipe.padding == "max_length"
            return Prepared(ids, (), self.recipe.max_tokens if full else len(ids), 0, f"{role} {item.digest()}")
        if isinstance(item, Image | Document):
            blob = item.blob if isinstance(item, Image) else item.picture
            width, height = picture.size(blob)
            return Prepared((), (blob,), self._patches(), width * height, item.digest())
        raise TypeError(f"{item.modality} is neither text nor picture")

    def rows(self, batch: Sequence[Prepared]) -> Tensor:
        """One vector each (b, w), texts and pictures in any order."""
        seen = [i for i, one in enumerate(batch) if one.pictures]
        read = [i for i, one in enumerate(batch) if not one.pictures]
        parts = [self._read([batch[i] for i in read])] if read else []
        parts += [self._see([batch[i] for i in seen])] if seen else []
        order = torch.tensor(read + seen).argsort()
        return torch.cat(parts)[order.to(self.device)]

    def hidden(self, one: Prepared) -> Tensor:
        """Not read out of tokens here."""
        raise NotImplementedError("a model with two towers pools by its own heads")

    @torch.inference_mode()
    def _read(self, batch: Sequence[Prepared]) -> Tensor:
        pad = self.wording.tokenizer.pad_token_id
        ids, mask = collate(batch, int(pad or 0), self.recipe, self.device)
        given = {"input_ids": ids} if self.recipe.family == "siglip" else {"input_ids": ids, "attention_mask": mask}
        return torch.as_tensor(self.model.get_text_features(**given).pooler_output)

    @torch.inference_mode()
    def _see(self, batch: Sequence[Prepared]) -> Tensor:
        features = [self._features(one.pictures[0]) for one in batch]  # one decoded at a time
        stacked = {name: torch.cat([f[name] for f in features]).to(self.device) for name in features[0]}
        stacked["pixel_values"] = stacked["pixel_values"].to(self.model.dtype)
        return torch.as_tensor(self.model.get_image_features(**stacked).pooler_output)

    def _features(self, blob: Any) -> dict[str, Tensor]:
        settings: dict[str, Any] = {}
        if self.recipe.max_pixels and hasattr(self.processor, "max_num_patches"):
            settings["max_num_patches"] = self.recipe.max_pixels // self.processor.patch_size**2
        return dict(self.processor(images=[picture.decode(blob)], return_tensors="pt", **settings))

    def _patches(self) -> int:
        """Visual tokens of one picture, about."""
        naflex = getattr(self.processor, "max_num_patches", None)
        config = self.model.config.vision_config
        return int(naflex or (getattr(config, "image_size", 224) // config.patch_size) ** 2)
