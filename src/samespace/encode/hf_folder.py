"""What a model's folder says about itself: where it is, what it is, and how it wants to be used.

A Recipe is read where the files state one (sentence-transformers' modules.json and its prompts; the architecture itself
for CLIP and SigLIP; the catalogue, for weights it knows by their hash or name). Where nobody states one, nothing is
guessed: the caller is asked to say it.

Knows nothing of torch and runs no model. Imports transformers' tables and huggingface_hub inside functions.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samespace.encode import catalog, weights
from samespace.encode.protocol import Role
from samespace.encode.recipe import Pooling, Recipe
from samespace.errors import RecipeError, WeightsNotFoundError

__all__ = ["Folder", "catalogued", "family", "locate", "role_prompts", "stated"]

_DUALS = {"clip": "clip", "metaclip_2": "clip", "chinese_clip": "clip", "siglip": "siglip", "siglip2": "siglip"}
_QWEN_VL = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")
_POOLINGS: dict[str, Pooling] = {"mean": "mean", "cls": "cls", "lasttoken": "last"}
_LEGACY = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_UNLIMITED = 1 << 20  # tokenizers without a limit say 10^30
_FETCHED = ["*.json", "*.txt", "*.model", "*.jinja", "*.safetensors"]


@dataclass(frozen=True)
class Folder:
    """A model's files on this machine.

    Attributes:
        path: the folder.
        name: maker/head@revision, for people.
        gguf: the file inside it, if the weights are one GGUF file.
    """

    path: Path
    name: str
    gguf: str | None = None

    def config(self, file: str = "config.json") -> dict[str, Any]:
        """One of its JSON files; {} if it has none."""
        path = self.path / file
        if not path.is_file():
            return {}
        try:
            read = json.loads(path.read_text("utf-8"))
        except ValueError as err:
            raise RecipeError(self.name, f"{file} is not JSON ({err})", "Get the model's files again") from err
        return read if isinstance(read, dict) else {"list": read}

    def weights(self) -> str:
        """Hash over all that changes its numbers. Raises WeightsNotFoundError if there is nothing we read."""
        return weights.sha256(self.path / self.gguf) if self.gguf else weights.folder_hash(self.path)


def locate(rest: str) -> Folder:
    """A folder, a .gguf file, or a hub's org/model[@revision], which is fetched because it was named.

    Raises WeightsNotFoundError: there is no such thing, or the hub cannot be reached.
    """
    path = Path(rest).expanduser()
    if path.is_file() and path.suffix == ".gguf":
        return Folder(path.parent, f"{path.stem}@{weights.sha256(path)[:12]}", path.name)
    if path.is_dir():
        if not (path / "config.json").is_file() and not (path / "modules.json").is_file():
            raise WeightsNotFoundError(
                f"{path} has no config.json", "Name the folder that holds the model's config.json"
            )
        path = path.resolve()
        return Folder(path, f"{path.parent.name}/{path.name}@{weights.folder_hash(path)[:12]}")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+(@[\w./-]+)?", rest) or rest.startswith("."):
        raise WeightsNotFoundError(
            f"{rest!r} is neither a folder, nor a .gguf file, nor a name org/model[@revision]",
            "Name the folder that holds the model's config.json: hf:/path/to/folder",
        )
    return _fetch(*rest.partition("@")[::2])


def family(folder: Folder) -> str:
    """Which of our ways runs this architecture: bert, causal, clip, siglip or qwen_vl. Raises RecipeError for none."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL,
    )
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_MASKED_LM_MAPPING_NAMES as MASKED,
    )

    if folder.gguf:
        return "causal"
    kind = str(folder.config().get("model_type", ""))
    if kind in _DUALS:
        return _DUALS[kind]
    if kind in _QWEN_VL:
        return "qwen_vl"
    if kind in MASKED or kind == "t5":
        return "bert"
    if kind in CAUSAL:
        return "causal"
    raise RecipeError(
        folder.name,
        f"no way to run the architecture {kind!r} with hf:",
        "If it is a sentence-transformers model, try st:FOLDER; else say what it is: "
        "samespace.encode.hf.load(path, recipe=Recipe(family=...))",
    )


def stated(folder: Folder) -> Recipe | None:
    """The Recipe that the model's own files state, or None where they state none.

    Raises RecipeError: they state something that hf: does not do, such as a further dense layer.
    """
    kind = family(folder)
    if kind in ("clip", "siglip"):
        return _dual(folder, kind)
    modules = folder.config("modules.json").get("list")
    return _from_modules(folder, kind, modules) if modules else None


def catalogued(folder: Folder) -> Recipe | None:
    """The catalogue's Recipe for these weights, known by their hash or by the name in their config."""
    entries = [e for e in catalog.entries().values() if e.scheme == "hf"]
    files = [folder.path / folder.gguf] if folder.gguf else sorted(folder.path.glob("*.safetensors"))
    for entry in entries:
        for known in entry.files:
            if any(f.stat().st_size == known.bytes and weights.sha256(f) == known.sha256 for f in files):
                return entry.recipe
    name = str(folder.config().get("_name_or_path", "")) if not folder.gguf else ""
    return next((e.recipe for e in entries if e.hub and e.hub in (name, folder.name.partition("@")[0])), None)


def role_prompts(folder: Folder) -> dict[Role, str]:
    """The prompts by role that config_sentence_transformers.json states; "" where it states none.

    A document's prompt may be called document, passage or corpus. (sentence-transformers 6.2 leaves a "passage" prompt
    out, because a "document" prompt that nobody set comes first.) The default prompt holds if no role has one.
    """
    config = folder.config("config_sentence_transformers.json")
    prompts = config.get("prompts") or {}
    documents = [prompts[n] for n in ("document", "passage", "corpus") if n in prompts]
    default = "" if documents or "query" in prompts else prompts.get(config.get("default_prompt_name") or "", "")
    return {"query": prompts.get("query", default) or "", "document": (documents or [default])[0] or ""}


def _fetch(name: str, revision: str) -> Folder:
    from huggingface_hub import snapshot_download

    try:
        path = Path(snapshot_download(name, revision=revision or None, allow_patterns=_FETCHED))
    except Exception as err:  # the hub's client raises a dozen unrelated classes; all mean: it is not here
        first = str(err).strip().splitlines()[0] if str(err).strip() else type(err).__name__
        raise WeightsNotFoundError(
            f"{name}{'@' + revision if revision else ''} is not on this machine and could not be fetched ({first})",
            f"Where there is a network: hf download {name}; then name the folder: hf:/path/to/folder",
        ) from err
    return Folder(path, f"{name}@{path.name[:12]}")


def _dual(folder: Folder, kind: str) -> Recipe:
    """CLIP and SigLIP: the architecture itself says how text and picture are read."""
    config = folder.config()
    text = config.get("text_config") or {}
    projected = config.get("projection_dim") or 512 if kind == "clip" else None
    if kind == "siglip":
        projected = text.get("projection_size") or text.get("hidden_size") or 768
        limit = int(text.get("max_position_embeddings") or 64)
    else:
        limit = int(text.get("max_position_embeddings") or (512 if config.get("model_type") == "chinese_clip" else 77))
    return Recipe(
        family=kind,
        dim=int(projected or 0),
        modalities=frozenset({"text", "image", "document"}),
        pooling="head",
        padding="max_length" if kind == "siglip" else "longest",
        max_tokens=limit,
        lower_case=kind == "siglip",
        terminal=_terminal(folder),
    )


def _from_modules(folder: Folder, kind: str, modules: list[dict[str, Any]]) -> Recipe:
    """Read sentence-transformers' modules.json: Transformer, Pooling and perhaps Normalize, nothing else."""
    kinds = [str(m["type"]).rpartition(".")[2] for m in modules]
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise RecipeError(
            folder.name, f"its modules are {', '.join(kinds)}", f"Load it by st: instead: st:{folder.path}"
        )
    config = folder.config("config_sentence_transformers.json")
    metric: Any = config.get("similarity_fn_name") or "cosine"
    normalize = kinds[-1] == "Normalize" or metric == "cosine"
    width = folder.config().get("hidden_size") or folder.config().get("d_model") or folder.config().get("dim")
    width = width or (folder.config().get("text_config") or {}).get("hidden_size")
    cut = config.get("truncate_dim")
    if metric not in ("cosine", "dot", "euclidean") or not width:
        raise RecipeError(
            folder.name, f"its metric is {metric!r} and its width {width}", f"Load it by st:{folder.path}"
        )
    sentence = folder.config("sentence_bert_config.json")
    return Recipe(
        family=kind,
        dim=int(cut or width),
        metric=metric,
        prompts=role_prompts(folder),
        pooling=_pooling(folder, str(modules[1]["path"])),
        normalize=normalize,
        max_tokens=_limit(folder, sentence),
        padding_side=_side(folder, kind),
        lower_case=bool(sentence.get("do_lower_case")),
        truncate_dim=int(cut) if cut else None,
        terminal=_terminal(folder),
    )


def _pooling(folder: Folder, module: str) -> Pooling:
    config = folder.config(f"{module}/config.json")
    named = config.get("pooling_mode") or next((v for k, v in _LEGACY.items() if config.get(k)), "mean")
    if named not in _POOLINGS or config.get("include_prompt") is False:
        raise RecipeError(folder.name, f"its pooling is {config}", f"Load it by st: instead: st:{folder.path}")
    return _POOLINGS[named]


def _limit(folder: Folder, sentence: dict[str, Any]) -> int:
    """The fewest of what the files allow."""
    config = folder.config()
    text = config.get("text_config") or config
    said = [
        sentence.get("max_seq_length"),
        folder.config("tokenizer_config.json").get("model_max_length"),
        text.get("max_position_embeddings"),
    ]
    known = [int(n) for n in said if n and 0 < n < _UNLIMITED]
    if sentence.get("max_seq_length"):
        known = [int(sentence["max_seq_length"])]
    return min(known, default=512)


def _terminal(folder: Folder) -> str | None:
    """The end token, where the files say that every text ends with it."""
    config = folder.config("tokenizer_config.json")
    end = config.get("eos_token")
    end = end.get("content") if isinstance(end, dict) else end
    return str(end) if config.get("add_eos_token") and end else None


def _side(folder: Folder, kind: str) -> Any:
    side = folder.config("tokenizer_config.json").get("padding_side", "right")
    return side if kind == "causal" and side in ("left", "right") else "right"
