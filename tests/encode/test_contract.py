"""Every Encoder we have keeps the contract, and the contract catches those that do not."""

from dataclasses import replace

import numpy as np
import pytest

from samespace.encode import hashing
from samespace.encode.contract import check_encoder, sample
from samespace.items import Text
from samespace.space import Space

FAMILIES = [
    "bert",
    "causal:qwen3",
    "causal:llama",
    "clip",
    "metaclip",
    "chinese_clip",
    "siglip",
    "naflex",
    "qwen_vl:qwen2_vl",
    "qwen_vl:qwen2_5_vl",
    "qwen_vl:qwen3_vl",
    "st:bert",
    "st:clip",
]


@pytest.mark.parametrize("name", FAMILIES)
def test_families(encoders, name):
    check_encoder(encoders(name))


def test_hashing():
    check_encoder(hashing.load("64"))


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["hf", "st"])
def test_real_weights(real_minilm, scheme):
    from samespace import registry

    check_encoder(registry.load("encoders", scheme)(str(real_minilm), device="cpu"))


def test_a_sample_covers_what_is_taken(encoders):
    assert {i.modality for i in sample(encoders("qwen_vl:qwen2_vl"))} == {"text", "image", "document", "mixed"}
    assert {i.modality for i in sample(hashing.load())} == {"text"}


class Bent:
    """A sound encoder with one thing wrong."""

    def __init__(self, **wrong):
        self.sound = hashing.load("64")
        self.space, self.modalities, self.recipe = self.sound.space, self.sound.modalities, self.sound.recipe
        vars(self).update(wrong)

    def encode(self, items, *, role="document"):
        return self.sound.encode(items, role=role)


class Backwards(Bent):
    def encode(self, items, *, role="document"):
        return super().encode(items, role=role)[::-1]


class Padded(Bent):
    def encode(self, items, *, role="document"):
        longest = max((len(i.text) for i in items if isinstance(i, Text)), default=0)
        return super().encode([Text(i.text.ljust(longest, "_")) if isinstance(i, Text) else i for i in items])


class Restless(Bent):
    def encode(self, items, *, role="document"):
        made = super().encode(items)
        return made.space.vectors(made.data + np.random.default_rng().normal(0, 0.01, made.data.shape))


class Greedy(Bent):
    def encode(self, items, *, role="document"):
        return super().encode([i if isinstance(i, Text) else Text(i.modality) for i in items])


class Terse(Bent):
    def encode(self, items, *, role="document"):
        if not all(isinstance(i, Text) for i in items):
            raise TypeError("text only")
        return super().encode(items)


class Split(Bent):
    """Queries in a Space of their own."""

    def encode(self, items, *, role="document"):
        made = super().encode(items)
        return replace(self.space, name="other").vectors(made.data) if role == "query" else made


class Losing(Bent):
    def encode(self, items, *, role="document"):
        return super().encode([i for i in items if not isinstance(i, Text) or len(i.text) < 10_000])


class Empty(Bent):
    def encode(self, items, *, role="document"):
        return super().encode(items or [Text("nothing")])


@pytest.mark.parametrize(
    ("bent", "words"),
    [
        (Backwards(), "alone, vectors moved"),
        (Padded(), "vectors moved"),
        (Restless(), "the same items gave other vectors"),
        (Greedy(), "still took image"),
        (Terse(), "does not say that item 1"),
        (Split(), "gave another Space"),
        (Losing(), "number of rows"),
        (Empty(), "no items gave"),
        (Bent(space=Space("samespace/hashing-64@1", 64)), "has no fingerprint"),
        (Bent(modalities=frozenset()), "takes nothing in"),
    ],
)
def test_bent_ones_are_caught(bent, words):
    with pytest.raises(AssertionError, match=words):
        check_encoder(bent, [Text("a red kite"), Text("Tax"), Text("over the hills")])


def test_one_item_shows_no_order():
    with pytest.raises(AssertionError, match="at least two"):
        check_encoder(hashing.load(), [Text("x")])
