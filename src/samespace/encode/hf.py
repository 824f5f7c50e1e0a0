"""Models of transformers as Encoders: hf:FOLDER, hf:FILE.gguf, hf:org/model@revision.

    load("/path/to/all-MiniLM-L6-v2")
    load("/path/to/model", recipe=Recipe(family="causal", dim=576, pooling="last"))

What changes the numbers is a Recipe: of the catalogue, of the caller, or read from the model's own files. If nobody
states one, loading asks for it instead of guessing: a wrong one gives vectors that look right.

Knows nothing of indexes. Imports torch and transformers when a model is loaded.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from samespace.encode import doctor, hf_folder
from samespace.encode.hf_folder import Folder
from samespace.encode.recipe import Recipe
from samespace.errors import MissingExtraError, RecipeError
from samespace.items import Text

if TYPE_CHECKING:
    from samespace.encode.catalog import Entry
    from samespace.encode.hf_model import Body, HfEncoder

__all__ = ["body_of", "load"]


def load(
    rest: str,
    *,
    entry: "Entry | None" = None,
    recipe: Recipe | None = None,
    device: str | None = None,
    check: bool = True,
    trust_remote_code: str | None = None,
) -> "HfEncoder":
    """Load a model.

    Args:
        rest: a folder, a .gguf file, or org/model[@revision] of a hub; "" = what `entry` names.
        entry: of the catalogue.
        recipe: how to use it; None = as the entry, its own files, or the catalogue state.
        device: "cpu", "cuda", …; None = an accelerator if there is one.
        check: see that `recipe`, if one is given here, does no known harm (doctor.quick).
        trust_remote_code: commit whose code may be run; None = never.

    Raises:
        WeightsNotFoundError: the files are not here, or are pickles.
        RecipeError: nobody states a recipe, or it does not fit the model, or `check` found fault with it.
        MissingExtraError: torch or transformers are missing or broken.
    """
    _require()
    folder = _folder(rest, entry)
    said = entry.recipe if entry else _said(folder, needed=recipe is None)
    used = recipe or said
    if used is None:
        raise _ask(folder)
    from samespace.encode.hf_model import HfEncoder
    from samespace.encode.hf_think import named, thoughtful

    def build(how: Recipe) -> "Body":
        made = body_of(folder, how, device, trust_remote_code)
        return thoughtful(made, how) if how.thinking else made

    body = build(used)
    _check_width(folder, body)
    weights = folder.weights()
    name = f"{entry.maker}/{entry.name}@{weights[:8]}" if entry else folder.name
    name = named(name, used.thinking.steps) if used.thinking else name
    encoder = HfEncoder(used.space(name, weights), used, body, said, weights, build)
    if check and recipe:
        doctor.quick(encoder)
    return encoder


def _folder(rest: str, entry: "Entry | None") -> Folder:
    if rest or entry is None:
        return hf_folder.locate(rest)
    if not entry.files:
        return hf_folder.locate(f"{entry.hub}@{entry.revision}" if entry.revision else entry.hub)
    path = entry.locate()
    return hf_folder.locate(str(path if path.suffix == ".gguf" else path.parent))


def _said(folder: Folder, *, needed: bool) -> Recipe | None:
    """What the catalogue states for these weights, else their own files. Errors of the files count only if `needed`."""
    if known := hf_folder.catalogued(folder):
        return known
    try:
        return hf_folder.stated(folder)
    except RecipeError:
        if needed:
            raise
        return None


def _ask(folder: Folder) -> RecipeError:
    return RecipeError(
        folder.name,
        "neither its files nor the catalogue say how its vectors are read (pooling, prompts, limits)",
        "Say it, from the model's card: samespace.encode.hf.load(path, recipe=Recipe("
        f'family="{hf_folder.family(folder)}", dim=..., pooling=..., prompts={{"query": ..., "document": ...}}))',
    )


def body_of(folder: Folder, recipe: Recipe, device: str | None = None, code: str | None = None) -> "Body":
    """The model of a folder, used by a Recipe."""
    device = device or _device()
    from samespace.encode import hf_head, hf_model
    from samespace.encode.wording import Wording
    from samespace.reason.backbone import tied

    if recipe.family not in ("bert", "causal", "clip", "siglip", "qwen_vl"):
        raise RecipeError(
            folder.name, f"family {recipe.family!r} is not run by hf:", "Known: bert, causal, clip, siglip, qwen_vl"
        )
    words = hf_model.tokenizer(folder, code)
    seen = hf_model.image_processor(folder) if "image" in recipe.modalities else None
    model = hf_model.backbone(folder, recipe, device, code)
    says = hf_head.needed(recipe) and not tied(model)
    head = hf_head.load(folder, recipe, model, code) if says else None
    if recipe.family in ("bert", "causal"):
        from samespace.encode.hf_text import TextBody

        return TextBody(model, Wording(words, recipe, folder.name), recipe, device, head=head)
    if recipe.family == "qwen_vl":
        from samespace.encode.hf_vl import RESERVED, VisionLanguageBody

        return VisionLanguageBody(model, Wording(words, recipe, folder.name, RESERVED), seen, recipe, device, head=head)
    from samespace.encode.hf_dual import DualBody

    return DualBody(model, Wording(words, recipe, folder.name), seen, recipe, device)


def _check_width(folder: Folder, body: "Body") -> None:
    """One text through the model: its width must be what the recipe declares."""
    recipe = body.recipe
    width = int(body.rows([body.prepare(Text("width"), "document")]).shape[1])
    given = recipe.truncate_dim or width
    if recipe.dim != given or given > width:
        raise RecipeError(
            folder.name,
            f"its vectors are {width} wide, the recipe says {recipe.dim}",
            f"Say dim={width}, or cut them: dim={recipe.dim}, truncate_dim={recipe.dim}",
        )


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"


def _require() -> None:
    """Import what is needed. Raises MissingExtraError; also for a torchvision that does not fit the torch beside it.

    transformers looks for torchvision even where it needs none, and a broken one breaks it in words that name neither.
    """
    try:
        import torch  # noqa: F401

        if find_spec("torchvision"):
            import_module("torchvision")
        import transformers  # noqa: F401
    except ImportError as err:
        raise MissingExtraError("hf: models", err.name or "torch", "encode") from err
    except (RuntimeError, OSError, AttributeError) as err:
        cause = f"the torchvision installed here does not fit the torch beside it: {str(err).splitlines()[0]}"
        mend = "samespace needs no torchvision: pip uninstall torchvision"
        raise MissingExtraError("hf: models", "torch", "encode", cause, mend) from err
