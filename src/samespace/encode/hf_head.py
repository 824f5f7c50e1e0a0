"""The language head of a model that is otherwise loaded without it: what turns a state into words.

A vector needs no head, so models come without; a recipe whose steps are chosen by what the model would say does need
it. Where the head is the table of embeddings, that is used.

Knows nothing of reasoning. Imports torch; transformers inside a function. Letters: w model width, v vocabulary.
"""

from typing import Any

import torch

from samespace.encode.hf_folder import Folder
from samespace.encode.hf_model import quiet
from samespace.encode.recipe import Recipe
from samespace.errors import RecipeError

__all__ = ["load", "needed"]


def needed(recipe: Recipe) -> bool:
    """Whether a recipe asks what the model would say."""
    said = recipe.thinking
    return said is not None and (said.feedback in ("soft", "snap") or said.until is not None)


def load(folder: Folder, recipe: Recipe, model: Any, code: str | None) -> Any:
    """The head (w → v) that belongs to a model, on its device and in its number format.

    Args:
        folder: of its files, which are read a second time.
        recipe: whose family it is.
        model: without its head.
        code: commit whose own code may be run; None = never.

    Raises:
        RecipeError: the files hold none.
    """
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

    kind: Any = AutoModelForImageTextToText if recipe.family == "qwen_vl" else AutoModelForCausalLM
    settings: dict[str, Any] = {"gguf_file": folder.gguf} if folder.gguf else {"use_safetensors": True}
    if code:
        settings |= {"trust_remote_code": True, "code_revision": code}
    mend = "Get the complete weights, or think by feedback='scale' and without until"
    try:
        with quiet():
            whole, report = kind.from_pretrained(
                folder.path, dtype=model.dtype, local_files_only=True, output_loading_info=True, **settings
            )
    except (OSError, ValueError) as err:
        raise RecipeError(folder.name, f"its head cannot be loaded ({str(err).splitlines()[0]})", mend) from err
    head = whole.get_output_embeddings()
    if head is None or any("head" in key or "embed_out" in key for key in report["missing_keys"]):
        raise RecipeError(folder.name, "its files hold no head that turns states into words", mend)
    made: torch.nn.Module = head.requires_grad_(False).to(model.device)
    return made
