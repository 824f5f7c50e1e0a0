"""Checks that hold a Recipe against what the model's own files or the catalogue state, and measure what it costs.

Knows nothing of how a Recipe is carried out. Imports numpy.
"""

import numpy as np

from samespace.encode.check import Check
from samespace.encode.doctor_subject import LONG, TEXTS, Subject, drift
from samespace.encode.protocol import Role
from samespace.encode.recipe import Recipe
from samespace.items import Text

__all__ = ["pooling", "prompts", "terminal", "text_padding"]

_SEEN = 1e-7  # 1 - cosine of a token's states when what follows it changes


def text_padding(subject: Subject) -> Check:
    """Towers that read a fixed position (SigLIP) get every text at full length."""
    name, recipe = "padding of texts", subject.recipe
    if not recipe or not subject.takes("text") or not _fixed(recipe, subject.stated):
        return Check(name, None, None, None, "no fixed length needed")
    items = [Text(t) for t in TEXTS]
    far = drift(np.concatenate([subject.rows([i]) for i in items]), subject.together(items))
    limit = subject.stated.max_tokens if subject.stated else recipe.max_tokens
    good = recipe.padding == "max_length" and recipe.max_tokens == limit and far <= subject.tolerance
    return Check(
        name,
        good,
        far,
        subject.tolerance,
        f"SigLIP reads its last position, so texts go in {limit} long; here: {recipe.padding}, {recipe.max_tokens}",
        f'Say padding="max_length", max_tokens={limit} in the recipe',
    )


def terminal(subject: Subject) -> Check:
    """A sequence ends with its terminal token, also when the text was too long."""
    name, tokens = "terminal token survives", subject.seam("tokens")
    if not tokens or not subject.takes("text"):
        return Check(name, None, None, None, "its tokens cannot be seen")
    ends = {tokens(Text(t))[-1] for t in (*TEXTS, "fog")}
    cut = tokens(Text(LONG))[-1]
    wanted = subject.stated.terminal if subject.stated else None
    if len(ends) > 1 and wanted:
        fact = f"texts end in {len(ends)} different tokens, the model was trained to be read at {wanted!r}"
        return Check(name, False, None, None, fact, f"Say terminal={wanted!r} in the recipe")
    if len(ends) > 1:
        return Check(name, None, None, None, "its texts end in no token of their own")
    kept = cut in ends
    return Check(
        name,
        kept,
        float(cut),
        float(next(iter(ends))),
        "last token of a text that was cut, against that of short ones",
        "Cut the text, not the sequence: leave room for the terminal token, or name it in the recipe (terminal=...)",
    )


def prompts(subject: Subject) -> Check:
    """Prompts, template and instruction are those that the model was trained with."""
    name, recipe, stated = "prompts as stated", subject.recipe, subject.stated
    if not recipe or not stated or not subject.takes("text"):
        return Check(name, None, None, None, "nobody states any prompts")
    roles: tuple[Role, ...] = ("query", "document")
    wrong: list[str] = [r for r in roles if recipe.prompts.get(r, "") != stated.prompts.get(r, "")]
    wrong += [f for f in ("template", "instruction") if getattr(recipe, f) != getattr(stated, f)]
    if not wrong:
        return Check(name, True, None, None, "as its files or the catalogue state them")
    right = subject.beside(
        recipe.with_(prompts=stated.prompts, template=stated.template, instruction=stated.instruction)
    )
    items = [Text(t) for t in TEXTS]
    moved = drift(subject.rows(items, "query"), right.rows(items, "query")) if right else None
    said: dict[str, str | None] = {r: stated.prompts.get(r, "") for r in roles if r in wrong}
    said |= {f: getattr(stated, f) for f in ("template", "instruction") if f in wrong}
    return Check(
        name,
        False,
        moved,
        0.0 if moved is not None else None,
        f"the model was trained with {', '.join(f'{k} {v!r}' for k, v in said.items())}; the recipe says otherwise",
        f"Say prompts={dict(stated.prompts)!r} in the recipe, and the template and instruction of the model's card",
    )


def pooling(subject: Subject) -> Check:
    """The vector is read where the model puts its meaning."""
    name, recipe, stated = "pooling", subject.recipe, subject.stated
    if not recipe or not subject.takes("text"):
        return Check(name, None, None, None, "says nothing of its pooling")
    if stated and (recipe.pooling, recipe.layer) != (stated.pooling, stated.layer):
        fact = f"{recipe.pooling} of layer {recipe.layer}; the model was trained for {stated.pooling} of {stated.layer}"
        return Check(
            name, False, None, None, fact, f'Say pooling="{stated.pooling}", layer={stated.layer} in the recipe'
        )
    sees = _sees_ahead(subject)
    if sees is None:
        return Check(name, True if stated else None, None, None, "as stated" if stated else "its tokens cannot be seen")
    if (sees > _SEEN) != _should_see(recipe):
        fact = f"attention looks {'both ways' if sees > _SEEN else 'back only'}, the recipe says otherwise"
        return Check(name, False, sees, _SEEN, fact, f"Say bidirectional={sees > _SEEN} in the recipe")
    if sees <= _SEEN and recipe.pooling in ("mean", "cls") and not stated:
        fact = f"{recipe.pooling} over tokens that have not seen what follows them: the first words outweigh the rest"
        return Check(name, False, sees, _SEEN, fact, 'Say pooling="last" in the recipe')
    return Check(name, True, sees, _SEEN, f"{recipe.pooling}; how far a token's state moves with what follows it")


def _fixed(recipe: Recipe, stated: Recipe | None) -> bool:
    return recipe.family == "siglip" or bool(stated and stated.padding == "max_length")


def _should_see(recipe: Recipe) -> bool:
    return recipe.bidirectional or recipe.family not in ("causal", "qwen_vl")


def _sees_ahead(subject: Subject) -> float | None:
    """How far (1 - cosine) the first tokens' states move when the end of the text changes; None if hidden."""
    hidden, tokens = subject.seam("hidden"), subject.seam("tokens")
    if not hidden or not tokens:
        return None
    texts = [Text(f"{TEXTS[0]} in {end}") for end in ("winter", "August")]
    ids = [tokens(t) for t in texts]
    same = next((i for i, (a, b) in enumerate(zip(*ids, strict=False)) if a != b), 0)
    try:
        states = [np.asarray(hidden(t))[:same] for t in texts]
    except NotImplementedError:
        return None
    return drift(*states) if same else None
