"""Models of sentence-transformers as Encoders: st:FOLDER, st:org/model@revision.

Everything that library runs, with all its modules and kinds of input, behind our contract: prompts by role, batches by
cost, a Space that knows its modules. What its defaults get wrong in silence is refused: SigLIP texts not padded
to full length, and folders without modules.json, for which it takes the mean whatever the model.

Knows nothing of indexes. Imports torch and sentence-transformers when a model is loaded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from samespace.encode import engine, hf_folder, picture
from samespace.encode.hf_folder import Folder
from samespace.encode.protocol import Role
from samespace.encode.recipe import Pooling, Recipe
from samespace.errors import MissingExtraError, RecipeError
from samespace.items import Audio, Document, Image, Item, Mixed, Modality, Text
from samespace.space import Space, Vectors

if TYPE_CHECKING:
    from samespace.encode.catalog import Entry

__all__ = ["StEncoder", "load"]

_BUDGET = 16_384  # letters a batch, padding included
_PICTURE = 1024  # what a picture or a recording counts in letters
_POOLINGS: dict[str, Pooling] = {"mean": "mean", "cls": "cls", "lasttoken": "last"}


@dataclass(frozen=True, eq=False)
class StEncoder:
    """An Encoder over a SentenceTransformer.

    Attributes:
        space: where its vectors live.
        recipe: what its modules say, as far as a Recipe can say it; the modules themselves are in the fingerprint.
        modalities: what it takes in.
        model: the SentenceTransformer.
        stated: as in the catalogue, for `doctor`.
    """

    space: Space
    recipe: Recipe
    modalities: frozenset[Modality]
    model: Any
    stated: Recipe | None = None

    def encode(self, items: Sequence[Item], *, role: Role = "document") -> Vectors:
        """Encode items (n) to Vectors (n, d). Raises TypeError with the position of an item it does not take."""
        self._check(items)
        if not items:
            return self.space.empty()
        rows = engine.run(
            [_cost(item) for item in items],
            lambda batch: self.batch([items[i] for i in batch], role=role),
            budget=_BUDGET,
            dim=self.space.dim,
            keys=[item.digest() for item in items],
        )
        return self.space.vectors(rows)

    def batch(self, items: Sequence[Item], *, role: Role = "document") -> np.ndarray:
        """Rows (n, d) of items that go through the model together, as far as it takes their kinds together."""
        rows = np.empty((len(items), self.space.dim), np.float32)
        for kind in {item.modality for item in items}:
            at = [i for i, item in enumerate(items) if item.modality == kind]
            rows[at] = self._call([_input(items[i]) for i in at], role)
        return rows

    def tokens(self, item: Item, *, role: Role = "document") -> tuple[int, ...]:
        """The token ids a text becomes: for `doctor`."""
        made = self.model.preprocess([_input(item)], prompt=self.recipe.prompts[role] or None)
        ids, mask = made["input_ids"][0], made.get("attention_mask")
        return tuple(int(i) for i in (ids[mask[0].bool()] if mask is not None else ids))

    def hidden(self, item: Item, *, role: Role = "document") -> np.ndarray:
        """The token states (t, w) that pooling reads: for `doctor`. Raises NotImplementedError without pooling."""
        if self.recipe.pooling not in ("mean", "cls", "last"):
            raise NotImplementedError("these modules do not pool tokens")
        states = self._call([_input(item)], role, output_value="token_embeddings")[0]
        return np.asarray(states.float().cpu().numpy())

    def _call(self, inputs: Sequence[Any], role: Role, **settings: Any) -> Any:
        run = self.model.encode_query if role == "query" else self.model.encode_document
        prompt = self.recipe.prompts[role]
        return run(list(inputs), prompt=prompt, batch_size=len(inputs), show_progress_bar=False, **settings)

    def _check(self, items: Sequence[Item]) -> None:
        for position, item in enumerate(items):
            if item.modality not in self.modalities:
                takes = ", ".join(sorted(self.modalities))
                raise TypeError(f"item {position} is {item.modality}, but {self.space.name} takes {takes} only")


def load(
    rest: str,
    *,
    entry: "Entry | None" = None,
    device: str | None = None,
    processing: Mapping[str, Mapping[str, Any]] | None = None,
    trust_remote_code: str | None = None,
) -> StEncoder:
    """Load a model.

    Args:
        rest: a folder, or org/model[@revision] of a hub; "" = what `entry` names.
        entry: of the catalogue.
        device: None = an accelerator if there is one.
        processing: sentence-transformers' processing_kwargs, by modality: {"text": {"padding": "max_length"}}.
        trust_remote_code: commit whose code may be run; None = never.

    Raises:
        WeightsNotFoundError: the files are not here, or are pickles.
        RecipeError: sentence-transformers would use this model wrongly; says how to load it.
        MissingExtraError: sentence-transformers is missing.
    """
    folder = hf_folder.locate(rest or (f"{entry.hub}@{entry.revision}".rstrip("@") if entry else rest))
    weights = folder.weights()
    model = _open(folder, device, trust_remote_code)
    if processing:
        model[0].processing_kwargs = {k: dict(v) for k, v in processing.items()}
    recipe = _recipe(folder, model)
    space = recipe.space(folder.name, weights)
    return StEncoder(space, recipe, recipe.modalities, model, entry.recipe if entry else hf_folder.catalogued(folder))


def _open(folder: Folder, device: str | None, code: str | None) -> Any:
    if not folder.config("modules.json") and hf_folder.family(folder) not in ("clip", "siglip"):
        raise RecipeError(
            folder.name,
            "it has no modules.json, so sentence-transformers would take the mean over its tokens, whatever it is",
            "Say how it is read: samespace.encode.hf.load(path, recipe=Recipe(..., pooling=...))",
        )
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as err:
        raise MissingExtraError("st: models", "sentence-transformers", "st") from err
    from samespace.encode.hf_model import quiet

    with quiet():
        return SentenceTransformer(
            str(folder.path),
            device=device,
            trust_remote_code=code is not None,
            local_files_only=True,
            model_kwargs={"use_safetensors": True},
        )


def _recipe(folder: Folder, model: Any) -> Recipe:
    """What the modules say. Raises RecipeError where they are known to give wrong vectors."""
    takes = _takes(model)
    padding, limit = _padding(model), int(model.max_seq_length or 512)
    siglip = folder.config().get("model_type") in ("siglip", "siglip2")
    if siglip and "text" in takes and padding != ("max_length", limit):
        raise RecipeError(
            folder.name,
            f"sentence-transformers pads SigLIP's texts to the longest of a batch, it was trained with {limit} always",
            f"Load it by hf:{folder.path}, which pads as it should, or say samespace.encode.st.load(path, "
            f'processing={{"text": {{"padding": "max_length", "max_length": {limit}}}}})',
        )
    metric: Any = model.similarity_fn_name or "cosine"
    if metric not in ("cosine", "dot", "euclidean"):
        raise RecipeError(folder.name, f"its similarity is {metric!r}", "Spaces compare by cosine, dot or euclidean")
    modes = [getattr(m, "pooling_mode", None) for m in model]
    pooled = next((str(m) for m in modes if m), "head")
    return Recipe(
        family="st",
        dim=int(model.get_embedding_dimension()),
        metric=metric,
        modalities=takes,
        prompts=hf_folder.role_prompts(folder),
        pooling=_POOLINGS.get(pooled, "head"),
        normalize=metric == "cosine",
        padding="max_length" if padding else "longest",
        max_tokens=limit,
        precision=str(model.dtype or "float32").removeprefix("torch."),
    )


def _takes(model: Any) -> frozenset[Modality]:
    """Its modalities in our words."""
    found = set(model.modalities)
    takes: set[Modality] = {m for m in ("text", "image", "audio") if m in found}
    if "image" in takes:
        takes.add("document")
    if model.supports(("image", "text")):
        takes.add("mixed")
    return frozenset(takes)


def _padding(model: Any) -> tuple[str, int] | None:
    """How texts are padded, if not to the longest of a batch."""
    kwargs = {**getattr(model[0], "processing_kwargs", {}).get("common", {})}
    kwargs |= getattr(model[0], "processing_kwargs", {}).get("text", {})
    padding = kwargs.get("padding")
    return ("max_length", int(kwargs.get("max_length", 0))) if padding == "max_length" else None


def _input(item: Item) -> Any:
    """An item in sentence-transformers' words; media are decoded here, in their batch."""
    if isinstance(item, Text):
        return item.text
    if isinstance(item, Image):
        return picture.decode(item.blob)
    if isinstance(item, Document):
        return picture.decode(item.picture)
    if isinstance(item, Audio):
        return _sound(item)
    return _fused(item)


def _fused(item: Item) -> dict[str, Any]:
    """A Mixed of one text and one picture as one input. Raises TypeError for any other mix."""
    parts = list(item.parts) if isinstance(item, Mixed) else []
    names = ["image" if p.modality == "document" else p.modality for p in parts]
    if not parts or len(set(names)) != len(names) or not set(names) <= {"text", "image", "audio"}:
        raise TypeError(f"a mix of {', '.join(names) or item.modality} cannot be fused: at most one part of each kind")
    return {name: _input(part) for name, part in zip(names, parts, strict=True)}


def _sound(item: Audio) -> dict[str, Any]:
    """The stretch of a recording, mono: {"array": (samples), "sampling_rate": Hz}."""
    import io

    import soundfile

    with soundfile.SoundFile(io.BytesIO(item.blob.read())) as stream:
        rate = stream.samplerate
        start, end = item.locator.seconds or (0.0, stream.frames / rate)
        stream.seek(min(int(start * rate), stream.frames))
        samples = stream.read(max(int((end - start) * rate), 0), dtype="float32", always_2d=True)
    return {"array": samples.mean(axis=1), "sampling_rate": rate}


def _cost(item: Item) -> int:
    """About how dear an item is, in letters."""
    if isinstance(item, Text):
        return min(len(item.text), 4096) + 1
    return sum(_cost(p) for p in item.parts) if isinstance(item, Mixed) else _PICTURE
