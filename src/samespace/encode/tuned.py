"""A language model with what was learned in it: adapters and a head over a base that stays where it is (tuned:FOLDER).

    tuned.json             the base: place, hash, how it is read, how many layers of it
    adapter_*, model.*     what was learned in it: adapters (lora.py), or all weights
    1_Dense                the head, as sentence-transformers keeps it; absent where there is none
    modules.json           by which SentenceTransformer(FOLDER, trust_remote_code=True) opens the same (tuned_st.py)

Made by the training plans. Imports torch; transformers and peft when a model is opened. Letters: w model, d head width.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from samespace.encode import card, language, lora, weights
from samespace.encode.hf_model import HfEncoder, Prepared
from samespace.encode.language import Language
from samespace.encode.protocol import Role
from samespace.encode.recipe import Recipe
from samespace.errors import WeightsError, WeightsNotFoundError
from samespace.items import Item, Modality

__all__ = ["Read", "digest", "head_of", "load", "opened", "save", "save_language"]

_MEND = "Make it: samespace train finetune --base MODEL --data ROWS.parquet --out FOLDER"
_WHOLE, _HEAD = "model.safetensors", "1_Dense/model.safetensors"
_FILES = ("tuned.json", *lora.FILES, _WHOLE, _HEAD)
_ST = "samespace.encode.tuned_st.Tuned"
_THEIRS = "sentence_transformers.base.modules"


@dataclass(frozen=True, eq=False)
class Read:
    """A Body (hf_model.py): the model, its pooling, and the head behind it."""

    language: Language
    head: nn.Linear | None

    @property
    def recipe(self) -> Recipe:
        """How the model is read."""
        return self.language.recipe

    @property
    def takes(self) -> frozenset[Modality]:
        """What the model takes in."""
        made: frozenset[Modality] = self.language.body.takes
        return made

    @property
    def device(self) -> str:
        """Where it runs."""
        return str(self.language.body.device)

    def by(self, recipe: Recipe) -> "Read":
        """The same weights, read by another Recipe."""
        used = self.language
        return replace(self, language=Language(used.body.by(recipe), used.place, used.weights, used.layers))

    def prepare(self, item: Item, role: Role) -> Prepared:
        """Tokenize an item."""
        return self.language.prepare(item, role)

    @torch.inference_mode()
    def rows(self, batch: Sequence[Prepared]) -> Tensor:
        """One vector each (b, d)."""
        made: Tensor = self.language(batch)
        return made if self.head is None else torch.as_tensor(self.head(made))

    @torch.inference_mode()
    def hidden(self, one: Prepared) -> Tensor:
        """Token states (t, w)."""
        return self.language.states(self.language.inputs([one]))[0]


def save(used: Language, head: nn.Linear | None, folder: Path) -> None:
    """Write what was learned in a model, and its head."""
    from safetensors.torch import save_file

    save_language(used, folder)
    modules = [("", _ST)]
    if head is not None:
        (folder / "1_Dense").mkdir(exist_ok=True)
        rows = {f"linear.{name}": part.detach().cpu().contiguous() for name, part in head.state_dict().items()}
        with card.tensor_file(folder / _HEAD) as draft:
            save_file(rows, draft, {"format": "pt"})
        said = {"in_features": head.in_features, "out_features": head.out_features, "bias": True}
        _json(folder / "1_Dense/config.json", {**said, "activation_function": "torch.nn.modules.linear.Identity"})
        modules.append(("1_Dense", f"{_THEIRS}.dense.Dense"))
    modules.append(("2_Normalize", f"{_THEIRS}.normalize.Normalize"))
    (folder / "2_Normalize").mkdir(exist_ok=True)
    listed = [{"idx": i, "name": str(i), "path": path, "type": kind} for i, (path, kind) in enumerate(modules)]
    _json(folder / "modules.json", listed)
    _json(folder / "config_sentence_transformers.json", {"similarity_fn_name": "cosine"})


def save_language(used: Language, folder: Path) -> None:
    """Write what was learned in a model; the base is named by place and hash."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    if lora.adapters(used.model):
        lora.write(used.model, folder)
    elif any(part.requires_grad for part in used.model.parameters()):
        rows = {name: part.detach().cpu().contiguous() for name, part in used.model.state_dict().items()}
        with card.tensor_file(folder / _WHOLE) as draft:
            save_file(rows, draft, {"format": "pt"})
    base = {"place": used.place, "weights": used.weights, "layers": used.layers}
    _json(folder / "tuned.json", {"base": base, "recipe": used.recipe.to_dict()})


def opened(folder: Path, device: str | None = None) -> Language:
    """The model of a folder with what was learned in it, frozen, without its head.

    Raises:
        WeightsNotFoundError: the folder holds none, or its base is not where it was.
        WeightsError: the base is another one, or a file is damaged.
    """
    card = _card(folder)
    recipe, base = Recipe.from_dict(card["recipe"]), card["base"]
    if not Path(base["place"]).exists():
        raise WeightsNotFoundError(
            f"the model that {folder} was trained from is not at {base['place']}",
            f'Put it back, or write where it is now into {folder}/tuned.json, "place"',
        )
    made = language.opened(
        base["place"], layers=base["layers"], precision=recipe.precision, pooling="mean" if recipe.pooling == "mean"
        else "last", template=recipe.template, prompts=recipe.prompts, instruction=recipe.instruction,
        max_tokens=recipe.max_tokens, max_pixels=recipe.max_pixels, device=device,
    )  # fmt: skip
    if made.weights != base["weights"]:
        raise WeightsError(
            f"{base['place']} is not the model that {folder} was trained from (hash {made.weights[:12]}, "
            f"needed {base['weights'][:12]})",
            "Put that model back: what was learned fits no other",
        )
    if (folder / lora.FILES[1]).is_file():
        lora.read(made.model, folder)
    elif (folder / _WHOLE).is_file():
        made.model.load_state_dict(_tensors(folder / _WHOLE))
    made.requires_grad_(False)
    return made


def head_of(folder: Path, device: str = "cpu") -> nn.Linear | None:
    """The head of a folder; None if it has none. Raises WeightsError: it is damaged."""
    if not (folder / _HEAD).is_file():
        return None
    rows = _tensors(folder / _HEAD)
    head = nn.Linear(rows["linear.weight"].shape[1], len(rows["linear.weight"]))
    head.load_state_dict({name.removeprefix("linear."): part for name, part in rows.items()})
    return head.requires_grad_(False).to(device)


def load(rest: str, *, device: str | None = None, **settings: Any) -> HfEncoder:
    """Load "tuned:FOLDER" as an Encoder. Raises what `opened` and `head_of` raise."""
    folder = Path(rest).expanduser()
    recipe = Recipe.from_dict(_card(folder)["recipe"])
    head = head_of(folder)
    recipe = recipe.with_(dim=head.out_features) if head is not None else recipe

    def build(how: Recipe) -> Read:
        used = opened(folder, device)
        return Read(
            Language(used.body.by(how), used.place, used.weights, used.layers), head_of(folder, used.body.device)
        )

    known = digest(folder)
    name = f"{folder.resolve().parent.name}/{folder.resolve().name}@{known[:12]}"
    return HfEncoder(recipe.space(name, known), recipe, build(recipe), recipe, known, build)


def digest(folder: Path) -> str:
    """One hash over all that changes its numbers; the base's hash stands in tuned.json."""
    card = _card(folder)
    card["base"] = {k: v for k, v in card["base"].items() if k != "place"}
    made = hashlib.sha256(json.dumps(card, sort_keys=True).encode())
    for name in _FILES[1:]:
        if (folder / name).is_file() and name != lora.FILES[0]:
            made.update(f"{name} {weights.sha256(folder / name)}\n".encode())
    return made.hexdigest()


def _card(folder: Path) -> dict[str, Any]:
    return card.said(folder, "tuned", _MEND)


def _tensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as err:
        raise WeightsError(f"{path} cannot be read ({err})", _MEND) from err


def _json(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", "utf-8")
