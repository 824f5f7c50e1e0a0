"""Encoders that think: latent steps between a model's reading of an item and its vector.

    encoder = thinking(load("hf:..."), steps={"query": 8, "document": 0})
    encoder.encode(queries, role="query")       # eight steps each
    encoder.encode(passages)                    # none: the model's ordinary vectors, in the same Space

What is thought is part of the Recipe, so the Space says it: by its fingerprint, and by its name.

Knows nothing of indexes. Imports torch. Letters: b items, w model width, t tokens.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import get_args

import torch
from torch import Tensor

from samespace.encode import hf_head
from samespace.encode.hf_model import Body, HfEncoder, Prepared
from samespace.encode.hf_text import TextBody
from samespace.encode.hf_vl import VisionLanguageBody
from samespace.encode.protocol import Role
from samespace.encode.recipe import Recipe, Thinking
from samespace.errors import RecipeError
from samespace.items import Item, Modality
from samespace.reason.backbone import Backbone, tied
from samespace.reason.latent import Latent
from samespace.reason.thought import Thought

__all__ = ["ThinkingBody", "named", "thinking", "thoughtful", "used"]

_MARK = "~think-"


def thinking(
    encoder: HfEncoder,
    steps: int | Mapping[Role, int] = 8,
    *,
    reasoner: Latent | None = None,
    until: str | None = None,
) -> HfEncoder:
    """The same model, thinking before it reads its vector out: an Encoder of another Space.

    Args:
        encoder: over a causal model that is read at its terminal token.
        steps: for both roles, or by role; 0 for both = the model as it is.
        reasoner: with its feedback, and what was trained for it; None = scaled feedback, nothing trained.
        until: "kl" = each item stops where a further step changes nothing.

    Raises:
        RecipeError: this model cannot think.
        TypeError: it is not run by hf:, or steps are no whole number.
        ValueError: steps < 0, or of a role that there is not.
    """
    if not isinstance(encoder, HfEncoder):
        raise TypeError(f"{type(encoder).__name__} cannot think\nLoad the model by hf: with accelerate=False")
    by_role = _by_role(steps)
    if isinstance(encoder.body, ThinkingBody):
        reasoner = reasoner or encoder.body.reasoner
        until = until or (encoder.recipe.thinking.until if encoder.recipe.thinking else None)
    bare = encoder.recipe.with_(thinking=None)
    name = encoder.space.name.partition(_MARK)[0]
    if not any(by_role.values()):
        return replace(encoder, space=bare.space(name, encoder.weights), recipe=bare, body=encoder.body.by(bare))
    recipe = bare.with_(thinking=_facts(by_role, reasoner, until))

    def build(how: Recipe) -> Body:
        return thoughtful(encoder.build(how.with_(thinking=None)), how, reasoner)

    body = used(encoder, recipe, reasoner)
    space = recipe.space(named(name, by_role), encoder.weights)
    return replace(encoder, space=space, recipe=recipe, body=body, build=build)


def used(encoder: HfEncoder, recipe: Recipe, reasoner: Latent | None = None) -> Body:
    """An encoder's body by a Recipe that thinks; its files are read again where the head is wanted and not there.

    Raises RecipeError as `thoughtful`, or where the files hold no head.
    """
    inner = encoder.body.inner if isinstance(encoder.body, ThinkingBody) else encoder.body
    if isinstance(inner, TextBody | VisionLanguageBody) and hf_head.needed(recipe):
        thoughtful(inner, recipe, reasoner)  # whatever else is wrong is said before anything is read
        if inner.head is None and not tied(inner.model):
            assert recipe.thinking is not None
            bare = replace(recipe.thinking, trained="")
            return thoughtful(encoder.build(recipe.with_(thinking=bare)), recipe, reasoner)
    return thoughtful(encoder.body, recipe, reasoner)


def thoughtful(body: Body, recipe: Recipe, reasoner: Latent | None = None) -> Body:
    """A body used by a Recipe that may ask for thinking.

    Raises RecipeError: the model cannot do it, or the recipe speaks of trained parts that are not given.
    """
    if isinstance(body, ThinkingBody):
        reasoner = reasoner or body.reasoner
        body = body.inner
    if recipe.thinking is None:
        return body.by(recipe)
    said = recipe.thinking
    name = body.wording.model if isinstance(body, TextBody | VisionLanguageBody) else recipe.family
    if not isinstance(body, TextBody | VisionLanguageBody) or recipe.family == "bert" or recipe.bidirectional:
        raise RecipeError(name, "its tokens see what follows them, or it has two towers", "Use a causal model")
    closed = recipe.terminal is not None or bool((recipe.template or "").partition("{text}")[2])
    if not closed or recipe.pooling not in ("last", "eos") or recipe.layer != -1:
        raise RecipeError(
            name,
            f"thinking needs a vector that is read behind the text (terminal {recipe.terminal!r}, "
            f"template {recipe.template!r}, pooling {recipe.pooling!r}, layer {recipe.layer})",
            'Say the token that every sequence ends with: terminal="<|endoftext|>", pooling="last", layer=-1',
        )
    fits = reasoner is not None and _facts(said.steps, reasoner, said.until) == said
    if said.trained and not fits:
        mend = "Give them: samespace.encode.hf_think.thinking(encoder, steps, reasoner=...)"
        raise RecipeError(name, f"what was trained for its steps ({said.trained[:12]}) is not at hand", mend)
    backbone = Backbone.of(body.model, head=body.head)
    made = (
        reasoner
        if reasoner is not None and fits
        else Latent(
            backbone.width,
            feedback=said.feedback,
            steps=max(said.steps.values()),
            tail=said.tail,
            tolerance=said.tolerance,
        )
    )
    return ThinkingBody(body.by(recipe), recipe, made.eval().to(body.device), backbone)


@dataclass(frozen=True, eq=False)
class ThinkingBody:
    """A Body whose rows are thought about."""

    inner: TextBody | VisionLanguageBody
    recipe: Recipe
    reasoner: Latent
    backbone: Backbone

    @property
    def takes(self) -> frozenset[Modality]:
        """As the model does."""
        return self.inner.takes

    @property
    def device(self) -> str:
        """Where it runs."""
        return self.inner.device

    def by(self, recipe: Recipe) -> Body:
        """The same weights, used by another Recipe, which may think or not."""
        return thoughtful(self, recipe)

    def prepare(self, item: Item, role: Role) -> Prepared:
        """Tokenize, and note how long it is thought about: not at all where there is nothing before the tail."""
        assert self.recipe.thinking is not None
        said, made = self.recipe.thinking, self.inner.prepare(item, role)
        return replace(made, steps=said.steps.get(role, 0) if len(made.ids) > said.tail else 0)

    def rows(self, batch: Sequence[Prepared]) -> Tensor:
        """One vector each (b, w)."""
        made: dict[int, Tensor] = {}
        for steps in {one.steps for one in batch}:
            at = [i for i, one in enumerate(batch) if one.steps == steps]
            some = [batch[i] for i in at]
            found = self.thought(some).embedding if steps else self.inner.rows(some)
            made |= dict(zip(at, found, strict=True))
        return torch.stack([made[i] for i in range(len(batch))])

    @torch.inference_mode()
    def thought(self, batch: Sequence[Prepared]) -> Thought:
        """The whole Thought of items that are thought about equally long."""
        assert self.recipe.thinking is not None
        steps = {one.steps for one in batch}
        assert len(steps) == 1, "equally long"
        return self.reasoner(  # type: ignore[no-any-return]
            self.backbone, self.inner.inputs(batch), steps=steps.pop(), until=self.recipe.thinking.until
        )

    def hidden(self, one: Prepared) -> Tensor:
        """Token states (t, w) without any steps."""
        return self.inner.hidden(one)


def _by_role(steps: int | Mapping[Role, int]) -> dict[Role, int]:
    made: dict[Role, int] = dict(steps) if isinstance(steps, Mapping) else {"query": steps, "document": steps}
    mend = "Give a whole number >= 0, or one by role: {'query': 8, 'document': 0}"
    if any(not isinstance(number, int) for number in made.values()):
        raise TypeError(f"steps {steps!r}\n{mend}")
    if min(made.values(), default=0) < 0 or not made.keys() <= set(get_args(Role)):
        raise ValueError(f"steps {steps!r}\n{mend}")
    return made


def _facts(steps: Mapping[Role, int], reasoner: Latent | None, until: str | None) -> Thinking:
    if until not in (None, "kl"):
        raise ValueError(f"until {until!r}\nUse 'kl' or None")
    known = dict(sorted(steps.items()))
    if reasoner is None:
        return Thinking(known, until="kl" if until else None)
    return Thinking(
        known, reasoner.feedback, reasoner.tail, "kl" if until else None, reasoner.tolerance, _hash(reasoner)
    )


def _hash(reasoner: Latent) -> str:
    """Of what was trained (32 hex letters); "" if nothing can be."""
    state = reasoner.state_dict()
    if not state and not reasoner.flat:
        return ""
    digest = hashlib.blake2b(f"{reasoner.anchor} {reasoner.flat}".encode(), digest_size=16)
    for name, value in sorted(state.items()):
        digest.update(name.encode() + value.detach().cpu().contiguous().float().numpy().tobytes())
    return digest.hexdigest()


def named(name: str, steps: Mapping[Role, int]) -> str:
    """A Space's name that says the steps: maker/model@revision~think-8, or ~think-q8-d0."""
    if len(set(steps.values())) == 1 and len(steps) == 2:
        return f"{name}{_MARK}{next(iter(steps.values()))}"
    return name + _MARK + "-".join(f"{role[0]}{n}" for role, n in sorted(steps.items(), reverse=True))
