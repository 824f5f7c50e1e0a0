"""Vision-language models read as encoders: Qwen2-VL, Qwen2.5-VL, Qwen3-VL, without torchvision.

Text and pictures are one sequence: each picture stands in it as a run of pad tokens, as many as its patches make. The
model's own processors for this need torchvision for films, so the sequence is made here: size of the picture → number
of pads → token ids; pictures are decoded when their batch runs. mm_token_type_ids are always given, because Qwen2.5-VL
without them runs and counts its positions differently.

Knows nothing of films yet. Imports torch. Letters: b sequences, t tokens, w model width.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from samespace.encode import picture
from samespace.encode.hf_model import Prepared, collate
from samespace.encode.hf_text import open_mask
from samespace.encode.pooling import pool
from samespace.encode.protocol import Role
from samespace.encode.recipe import Recipe
from samespace.encode.wording import Wording
from samespace.errors import ReadError
from samespace.items import Blob, Document, Image, Item, Mixed, Modality, Text

__all__ = ["PAD", "RESERVED", "VisionLanguageBody"]

PAD = "<|image_pad|>"
RESERVED = (PAD, "<|video_pad|>", "<|vision_start|>", "<|vision_end|>", "<|im_start|>", "<|im_end|>")
_SLIVER = 200  # the resize rule of these models refuses pictures this many times longer than wide


@dataclass(frozen=True, eq=False)
class VisionLanguageBody:
    """A Qwen-VL model used by a Recipe. A Document is seen, not read; a Mixed is pictures first, then its texts.

    Its head is loaded where a recipe needs it.
    """

    model: Any
    wording: Wording
    processor: Any
    recipe: Recipe
    device: str
    takes: frozenset[Modality] = frozenset({"text", "image", "document", "mixed"})
    head: Any = None

    def by(self, recipe: Recipe) -> "VisionLanguageBody":
        """The same weights, used by another Recipe."""
        return replace(self, recipe=recipe, wording=replace(self.wording, recipe=recipe))

    def prepare(self, item: Item, role: Role) -> Prepared:
        """Render and tokenize; a picture's run of pads is known from its size alone."""
        words, blobs = [], []
        for part in _parts(item):
            if isinstance(part, Text):
                words.append(part.text)
            else:
                blobs.append(part.blob if isinstance(part, Image) else part.picture)
        sizes = [picture.size(blob) for blob in blobs]
        runs = tuple(PAD * self._pads(*size) for size in sizes)
        ids = tuple(self.wording.ids("\n".join(words), role, runs))
        shown = tuple(blobs) if self.model.config.image_token_id in ids else ()  # a template may have no place for them
        pixels = sum(width * height for width, height in sizes)
        return Prepared(ids, shown, len(ids), pixels, f"{role} {item.digest()}")

    def rows(self, batch: Sequence[Prepared]) -> Tensor:
        """One vector each (b, w)."""
        ids, mask, states = self._states(batch)
        found = self.wording.terminal
        terminal = found if found is not None else self.wording.tokenizer.eos_token_id
        return pool(states, mask, self.recipe.pooling, ids=ids, terminal=terminal)

    def hidden(self, one: Prepared) -> Tensor:
        """Token states (t, w) of one item, unpadded."""
        _, mask, states = self._states([one])
        return states[0, mask[0].bool()]

    def inputs(self, batch: Sequence[Prepared]) -> dict[str, Any]:
        """What the model, or a Reasoner, reads of a batch; its pictures are decoded here."""
        ids, mask = collate(batch, int(self.wording.tokenizer.pad_token_id or 0), self.recipe, self.device)
        kinds = (ids == self.model.config.image_token_id).int()
        given: dict[str, Any] = {"input_ids": ids, "attention_mask": mask, "mm_token_type_ids": kinds}
        return given | self._seen([blob for one in batch for blob in one.pictures])

    def states(self, given: dict[str, Any]) -> Tensor:
        """The layer's token states (b, t, w) of `inputs`. Gradients pass."""
        given = dict(given)
        if self.recipe.bidirectional:
            ids, mask = given["input_ids"], given["attention_mask"]
            given["position_ids"] = self.model.get_rope_index(
                ids, mm_token_type_ids=given["mm_token_type_ids"],
                image_grid_thw=given.get("image_grid_thw"), attention_mask=mask,
            )[0]  # fmt: skip
            given["attention_mask"] = open_mask(mask, self.model.dtype)
        layer = self.recipe.layer
        made = self.model(**given, use_cache=False, output_hidden_states=layer != -1)
        return torch.as_tensor(made.last_hidden_state if layer == -1 else made.hidden_states[layer])

    @torch.inference_mode()
    def _states(self, batch: Sequence[Prepared]) -> tuple[Tensor, Tensor, Tensor]:
        """Ids, mask (b, t) and the layer's token states (b, t, w)."""
        given = self.inputs(batch)
        return given["input_ids"], given["attention_mask"], self.states(given)

    def _seen(self, blobs: Sequence[Blob]) -> dict[str, Tensor]:
        """Patches and grids of the pictures of a batch, decoded one at a time."""
        made = [self.processor(images=[picture.decode(b)], return_tensors="pt", size=self._limits()) for b in blobs]
        if not made:
            return {}
        patches = torch.cat([m["pixel_values"] for m in made]).to(self.device, self.model.dtype)
        return {
            "pixel_values": patches,
            "image_grid_thw": torch.cat([m["image_grid_thw"] for m in made]).to(self.device),
        }

    def _pads(self, width: int, height: int) -> int:
        """How many tokens a picture becomes, by the same rule that will resize it."""
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

        if max(width, height) >= _SLIVER * min(width, height):
            raise ReadError("unsupported", f"a picture of {width} x {height} is a sliver", "Cut it into pieces")
        factor = self.processor.patch_size * self.processor.merge_size
        limits = self._limits()
        tall, wide = smart_resize(height, width, factor, limits["shortest_edge"], limits["longest_edge"])
        return int((tall // factor) * (wide // factor))

    def _limits(self) -> dict[str, int]:
        """Least and most pixels, under the names that the processor knows them by."""
        own = self.processor.size
        return {
            "shortest_edge": self.recipe.min_pixels or own["shortest_edge"],
            "longest_edge": self.recipe.max_pixels or own["longest_edge"],
        }


def _parts(item: Item) -> Iterator[Text | Image | Document]:
    """The item's texts and pictures, however deep. Raises TypeError for anything else."""
    if isinstance(item, Mixed):
        for part in item.parts:
            yield from _parts(part)
    elif isinstance(item, Text | Image | Document):
        yield item
    else:
        raise TypeError(f"{item.modality} is neither text nor picture, nor a mix of them")
