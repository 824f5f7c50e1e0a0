"""Every recipe of the catalogue that hf: runs, carried out by a tiny model of its architecture.

This is what the catalogue calls "shape-checked": code and recipe fit; of quality nothing is seen.
"""

import pytest

from samespace.encode import catalog, doctor, hf
from samespace.encode.contract import check_encoder

TINY = {
    "bge-m3": ("xlmr", 32, 64),
    "qwen3-embedding": ("silent", 32, 64),
    "clip-vit": ("clip", 16, 32),
    "bge-vl-base": ("clip", 16, 32),
    "siglip2-base-patch16-naflex": ("naflex", 32, 64),
    "siglip": ("siglip", 32, 64),
    "chinese-clip": ("chinese_clip", 16, 52),
    "metaclip-2": ("metaclip", 16, 32),
    "qwen3-vl": ("qwen_vl:qwen3_vl", 32, 512),
    "gme-qwen2-vl": ("qwen_vl:qwen2_vl", 32, 512),
    "ops-mm": ("qwen_vl:qwen2_vl", 32, 512),
    "vlm2vec-v2": ("qwen_vl:qwen2_vl", 32, 512),
    "b3-qwen2": ("qwen_vl:qwen2_vl", 32, 512),
}
"""Start of an entry's name → tiny model, its width, its most tokens; the first that fits."""
ENTRIES = [e for e in catalog.entries().values() if e.scheme == "hf" and e.status != "checked"]


def shrunk(entry):
    """Its recipe in the measures of a tiny model: (tiny model, recipe)."""
    kind, width, limit = next(v for start, v in TINY.items() if entry.name.startswith(start))
    changes = {"dim": width, "truncate_dim": None, "matryoshka": (), "precision": "float32"}
    changes["max_tokens"] = min(entry.recipe.max_tokens, limit)
    if entry.recipe.family == "qwen_vl":
        changes |= {"min_pixels": 4 * 32**2, "max_pixels": 12 * 32**2}
    return kind, entry.recipe.with_(**changes)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "recipe"), {str(shrunk(e)): shrunk(e) for e in ENTRIES}.values())
def test_its_recipe_fits_its_architecture(kind, recipe, folders):
    encoder = hf.load(str(folders(kind)), recipe=recipe, device="cpu")
    assert [str(c) for c in doctor.examine(encoder) if c.passed is False] == []
    assert encoder.modalities == recipe.modalities
    check_encoder(encoder)


def test_no_entry_claims_less_than_was_seen():
    assert {e.status for e in ENTRIES} <= {"shape-checked"}
