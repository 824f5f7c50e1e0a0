"""Encoders with a planted fault, and sound ones, for the doctor.

Real weights where this machine has them (MiniLM, E5), tiny models of the same architecture where it does not.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from samespace.encode import hf
from samespace.encode.load import load
from samespace.encode.protocol import Encoder
from samespace.encode.recipe import Recipe
from samespace.errors import MissingExtraError, WeightsError

_TINY = Path(__file__).resolve().parent.parent / "tests" / "encode"
_CHAT = (
    "<|im_start|>system\n{instruction}<|im_end|>\n<|im_start|>user\n{image}{text}<|im_end|>\n"
    "<|im_start|>assistant\n<|endoftext|>"
)
_SEEING = Recipe(
    family="qwen_vl",
    dim=32,
    modalities=frozenset({"text", "image", "document", "mixed"}),
    template=_CHAT,
    instruction="Represent the user's input.",
    pooling="last",
    terminal="<|endoftext|>",
    max_tokens=256,
)


def _folders(place: Path) -> dict[str, Path]:
    """Tiny models of four families."""
    sys.path.insert(0, str(_TINY))
    import tiny_models

    makers: dict[str, tuple[Any, tuple[str, ...]]] = {
        "siglip": (tiny_models.siglip, ()),
        "qwen3": (tiny_models.causal, ()),
        "qwen2_vl": (tiny_models.qwen_vl, ("qwen2_vl",)),
        "bert": (tiny_models.bert, ()),
    }
    made = {}
    for name, (maker, rest) in makers.items():
        (place / name).mkdir()
        made[name] = maker(place / name, *rest)
    # Its files say that every text ends with the end token, and its tokenizer does not put one.
    (place / "open").mkdir()
    made["open"] = tiny_models.causal(place / "open", closes=False)
    said = json.loads((place / "open" / "tokenizer_config.json").read_text())
    (place / "open" / "tokenizer_config.json").write_text(json.dumps(said | {"add_eos_token": True}))
    return made


def faulty() -> Iterator[tuple[str, Encoder]]:
    """(fault, encoder that has it)."""
    with tempfile.TemporaryDirectory() as place:
        folders = _folders(Path(place))

        def wrong(name: str, **changes: Any) -> Encoder:
            sound = hf.load(str(folders[name]), device="cpu").recipe
            return hf.load(str(folders[name]), recipe=sound.with_(**changes), check=False, device="cpu")

        yield "SigLIP texts without max-length padding (tiny)", wrong("siglip", padding="longest")
        yield "mean pooling where the last token is right (tiny Qwen3)", wrong("qwen3", pooling="mean")
        yield "the terminal token lost (tiny Qwen3)", wrong("open", terminal=None)
        blind = _SEEING.with_(template=_CHAT.replace("{image}", ""))
        yield "the picture ignored (tiny Qwen2-VL)", hf.load(str(folders["qwen2_vl"]), recipe=blind, check=False)
    e5: Any = _real("multilingual-e5-small")
    if e5 is not None:
        yield (
            "no 'query: ' before queries (real E5)",
            replace(e5, recipe=e5.recipe.with_(prompts={"query": "", "document": ""})),
        )
    minilm: Any = _real("all-MiniLM-L6-v2")
    if minilm is not None:
        yield (
            "the first token where the mean is right (real MiniLM)",
            minilm.revised(minilm.recipe.with_(pooling="cls")),
        )


def sound() -> Iterator[tuple[str, Encoder]]:
    """(name, encoder as it should be)."""
    with tempfile.TemporaryDirectory() as place:
        for name, folder in _folders(Path(place)).items():
            recipe = _SEEING if name == "qwen2_vl" else None
            yield f"{name} (tiny)", hf.load(str(folder), recipe=recipe, device="cpu")
    for name in ("multilingual-e5-small", "all-MiniLM-L6-v2"):
        encoder = _real(name)
        if encoder is not None:
            yield f"{name} (real)", encoder


def _real(name: str) -> Encoder | None:
    try:
        return load(name, accelerate=False, check=False)
    except (WeightsError, MissingExtraError):
        return None
