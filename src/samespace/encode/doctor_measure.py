"""Checks that only look at vectors: same in, same out; other in, other out.

Knows nothing of recipes beyond their precision and family. Imports numpy.
"""

import numpy as np

from samespace.encode.check import Check
from samespace.encode.doctor_subject import TEXTS, Subject, drift, pictures
from samespace.items import Document, Item, Mixed, Text

__all__ = [
    "alone",
    "mixed_batch",
    "norm",
    "padding_side",
    "picture_matters",
    "precision",
    "roles",
    "width",
    "words_matter",
]

_MOVES = 1e-7  # 1 - cosine; what is looked at moves a vector by more than rounding does
_PRECISION = {"float16": 1e-3, "bfloat16": 1e-2, "int8": 2e-2, "q4": 5e-2}


def width(subject: Subject) -> Check:
    """Vectors are as wide as the Space and the recipe say."""
    got = subject.rows(subject.sample()).shape[1]
    said = subject.recipe.dim if subject.recipe else subject.encoder.space.dim
    good = got == said == subject.encoder.space.dim
    meaning = f"vectors are {got} wide, declared {said}"
    return Check("declared width", good, got, said, meaning, f"Say dim={got} in the recipe")


def norm(subject: Subject) -> Check:
    """Vectors of a cosine Space have unit length, and the metric is the one the model was trained for."""
    space, stated = subject.encoder.space, subject.stated
    if stated and stated.metric != space.metric:
        fact = f"the space compares by {space.metric}, the model was trained for {stated.metric}"
        return Check("metric", False, None, None, fact, f'Say metric="{stated.metric}" in the recipe')
    if space.metric != "cosine":
        return Check("metric", None, None, None, f"{space.metric} space: lengths mean something")
    lengths = np.linalg.norm(subject.rows(subject.sample()), axis=1)
    off = float(np.abs(lengths - 1).max())
    return Check("unit length", off <= 1e-3, off, 1e-3, "length of its vectors, away from 1", "Say normalize=True")


def alone(subject: Subject) -> Check:
    """An item's vector does not depend on its neighbours in the batch."""
    items = subject.sample()
    far = drift(np.concatenate([subject.rows([i]) for i in items]), subject.together(items))
    return Check(
        "alone = in a batch",
        far <= subject.tolerance,
        far,
        subject.tolerance,
        "how far a vector moves when others share its batch",
        "Padding reaches the vector: give the attention mask to the model and to pooling, pad on the side that the "
        'model was trained with (padding_side), or, for SigLIP texts, to the full length (padding="max_length")',
    )


def words_matter(subject: Subject) -> Check:
    """Another last word, another vector."""
    if not subject.takes("text"):
        return Check("words matter", None, None, None, "takes no text")
    rows = subject.rows([Text(f"{TEXTS[0]} in {end}") for end in ("winter", "August")])
    moved = drift(rows[:1], rows[1:])
    return Check(
        "words matter",
        moved > _MOVES,
        moved,
        _MOVES,
        "how far another last word moves the vector",
        'The vector is read where the text has not been seen yet: with one-way attention say pooling="last"',
    )


def roles(subject: Subject) -> Check:
    """Prompts that differ by role give vectors that differ by role."""
    prompts = subject.recipe.prompts if subject.recipe else {}
    if not subject.takes("text") or prompts.get("query", "") == prompts.get("document", ""):
        return Check("roles differ", None, None, None, "one prompt for both roles")
    items = [Text(TEXTS[0])]
    moved = drift(subject.rows(items, "query"), subject.rows(items))
    return Check(
        "roles differ",
        moved > _MOVES,
        moved,
        _MOVES,
        "how far role='query' moves the vector",
        "The encoder drops the role's prompt: put recipe.prompts[role] before the text",
    )


def picture_matters(subject: Subject) -> Check:
    """Another picture, another vector: alone, as a page, and beside the same words."""
    one, other = pictures()
    tried: list[tuple[Item, Item]] = []
    if subject.takes("image"):
        tried.append((one, other))
    if subject.takes("document"):
        tried.append((Document(one.blob, "page"), Document(other.blob, "page")))
    if subject.takes("mixed", "image"):
        tried.append((Mixed((one, Text(TEXTS[0]))), Mixed((other, Text(TEXTS[0])))))
    if not tried:
        return Check("picture matters", None, None, None, "takes no pictures")
    moved = min(drift(subject.rows([a]), subject.rows([b])) for a, b in tried)
    return Check(
        "picture matters",
        moved > _MOVES,
        moved,
        _MOVES,
        "how far another picture moves the vector",
        "The picture does not reach the model: the template needs {image} where the picture stands, before {text}",
    )


def padding_side(subject: Subject) -> Check:
    """Padding on the left or on the right, where a model knows relative positions only, is all one."""
    name, recipe = "left = right padding", subject.recipe
    if not recipe or recipe.family not in ("causal", "qwen_vl") or not subject.seam("revised"):
        return Check(name, None, None, None, "its positions count from one side, or the side cannot be changed")
    other = subject.beside(recipe.with_(padding_side="left" if recipe.padding_side == "right" else "right"))
    assert other is not None
    items = [Text(t) for t in TEXTS]
    far = drift(subject.together(items), other.together(items))
    return Check(
        name,
        far <= subject.tolerance,
        far,
        subject.tolerance,
        "how far the side of padding moves the vector",
        "Read the last token by the mask, not by position -1, and count positions by the mask",
    )


def mixed_batch(subject: Subject) -> Check:
    """A batch of texts and pictures gives what batches of one kind give."""
    name = "one kind = mixed batch"
    if not subject.takes("text", "image"):
        return Check(name, None, None, None, "takes one kind only")
    items: list[Item] = [Text(TEXTS[2]), pictures()[0], Text(TEXTS[1]), pictures()[1]]
    if subject.takes("mixed"):
        items.append(Mixed((pictures()[0], Text(TEXTS[0]))))
    far = drift(np.concatenate([subject.rows([i]) for i in items]), subject.together(items))
    return Check(
        name,
        far <= subject.tolerance,
        far,
        subject.tolerance,
        "how far a vector moves when other kinds share its batch",
        "Pictures are given to the wrong rows, or mm_token_type_ids are missing",
    )


def precision(subject: Subject) -> Check:
    """How much the arithmetic costs against float32."""
    name, recipe = "drift of precision", subject.recipe
    if not recipe or recipe.precision == "float32":
        return Check(name, None, None, None, "runs in float32" if recipe else "says nothing of its precision")
    full = subject.beside(recipe.with_(precision="float32"))
    if full is None:
        return Check(name, None, None, None, f"{recipe.precision}: no float32 form at hand to compare with")
    bound = _PRECISION.get(recipe.precision, 2e-2)
    items = subject.sample()
    far = drift(subject.rows(items), full.rows(items))
    return Check(name, far <= bound, far, bound, f"{recipe.precision} against float32", 'Say precision="float32"')
