"""Text encoders of the BERT kind on a CPU, about twice as fast: by OpenVINO, in int8 where that is near enough.

Coarser arithmetic makes other vectors, so it is measured before it is used, against the encoder it stands in for, on
fixed sentences in many languages; the result is remembered by fingerprint, version and processor.

    int8 drifts at most DRIFT (1 - cosine, the worst sentence)   it is used: the same Space, computed differently
    int8 drifts further                                          OpenVINO with the weights as they are (bfloat16 where
                                                                 the processor has it, else float32), if that drifts
                                                                 at most DRIFT
    int8 drifts further and was asked for (make=True)            it is used in a Space of its own, whose parent is the
                                                                 float one, with a Translator of measured fidelity

Short inputs, such as a single query, go to the encoder itself: it answers before OpenVINO is imported. Where many come,
as in a server, they go to the faster form in the end: a query takes a quarter of the time there.

Knows nothing of how a model is chosen (load.py). Imports openvino for the first long input.
"""

import platform
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal, Protocol, get_args

import numpy as np

from samespace.encode import engine
from samespace.encode.openvino_bert import BertWeights, Form, OpenVinoBert
from samespace.encode.protocol import Encoder, Role
from samespace.encode.recipe import Recipe
from samespace.encode.weights import remember, remembered
from samespace.errors import MissingExtraError, RecipeError
from samespace.items import Item, Modality, Text
from samespace.space import Space, Vectors
from samespace.translate.derived import Requantised

__all__ = ["DRIFT", "SENTENCES", "Accelerated", "Fast", "accelerated", "known", "weights_of"]

DRIFT: Final = 1e-3
"""1 - cosine up to which two ways of computing count as one Space."""

_WORTH = 1500  # tokens, of one call or of many, from which importing and compiling pay
_TOKENS = 512  # padded, of one batch: what stays in the cache; 2,048 costs an eighth more

SENTENCES: Final = (
    "a red kite over the hills", "Tax", "2024-03-17", "total amount due: 41.20 EUR",
    "How do I change the oil of a diesel engine?", "def area(radius):\n    return 3.14159 * radius ** 2",
    "The boundary layer separates where the pressure gradient turns adverse.", "我们明天下午三点在图书馆见面。",
    "这台机器的保修期是两年。", "Der Vertrag verlängert sich um ein Jahr, wenn er nicht gekündigt wird.",
    "La réunion du conseil est reportée à jeudi prochain.", "El gato duerme en la ventana.",
    "Поезд отправляется с третьей платформы.", "会議は来週の火曜日に延期されました。", "오늘 저녁은 집에서 먹을까요?",
    "القهوة جاهزة في المطبخ", "कल सुबह बारिश हो सकती है।", "Il museo è chiuso il lunedì.",
    "O relatório foi entregue na sexta-feira.", "Tàu sẽ đến ga lúc chín giờ.", "🙂", "www.example.org/help?id=7",
    "The committee met on Tuesday to discuss the budget for the new library, and after two hours of debate it agreed "
    "to postpone the decision until the figures had been checked by somebody from outside.",
    "Preheat the oven. Mix flour, butter and sugar to a dough, let it rest for half an hour, roll it out, cut it, and "
    "bake it until the edges are brown. " * 6,
)  # fmt: skip


class Tokenized(Encoder, Protocol):
    """An Encoder that shows the token ids an item becomes, and its Recipe."""

    @property
    def recipe(self) -> Recipe:
        """How the model is used."""

    def tokens(self, item: Item, *, role: Role = "document") -> tuple[int, ...]:
        """The ids of an item."""


def accelerated(encoder: Encoder, *, make: bool = False) -> Encoder:
    """The same encoder with an int8 form for long inputs.

    Args:
        encoder: whose vectors it must give.
        make: measure now, and take the int8 form also where it drifts further, in a Space of its own.
            False = return the encoder itself where there is no such form, and stay in its Space always.

    Raises:
        MissingExtraError, RecipeError: `make`, and openvino is not installed or the model is of another kind.
    """
    found = weights_of(encoder)
    if found is None or not find_spec("openvino"):
        if not make:
            return encoder
        if found is None:
            raise RecipeError(encoder.space.name, "there is no int8 form of this kind of model", "Leave accelerate out")
        raise MissingExtraError("accelerate=True", "openvino", "cpu")
    parent, weights, pooling = found
    fast = Fast(parent, lambda form: OpenVinoBert(weights, pooling, form))
    return _marked(parent, fast) if make else Accelerated(parent.space, parent.recipe, parent, fast)


def _marked(parent: Tokenized, fast: "Fast") -> "Accelerated":
    """In int8, measured now: in the parent's Space if it may stay there, else in its own."""
    if fast.drift("int8") <= DRIFT:
        return Accelerated(parent.space, parent.recipe, parent, fast)
    recipe = parent.recipe.with_(precision="int8", backend="openvino")
    space = recipe.space(parent.space.name + "+int8", parent.space.fingerprint, parent.space)
    items = [Text(s) for s in SENTENCES]
    rows = space.vectors(fast.rows([parent.tokens(i) for i in items], "int8"))
    return Accelerated(space, recipe, parent, fast, Requantised.measure(parent.encode(items), rows))


@dataclass(frozen=True, eq=False)
class Accelerated:
    """Long inputs by the int8 form, short ones by the encoder itself until many have come.

    Attributes:
        parent: the encoder.
        fast: its int8 form, made when first needed.
        translator: parent.space → space, with its fidelity; None if both are one.
    """

    space: Space
    recipe: Recipe
    parent: Tokenized
    fast: "Fast"
    translator: Requantised | None = None

    @property
    def modalities(self) -> frozenset[Modality]:
        """As the encoder."""
        return self.parent.modalities

    def encode(self, items: Sequence[Item], *, role: Role = "document") -> Vectors:
        """Encode texts (n) to (n, d). Raises TypeError for other modalities."""
        if any(item.modality != "text" for item in items):
            return self.parent.encode(items, role=role)  # it says which, and why not
        ids = [self.tokens(item, role=role) for item in items]
        own = self.translator is not None
        form = "int8" if own else self.fast.form() if self.fast.pays(sum(map(len, ids))) else None
        return self.space.vectors(self.fast.rows(ids, form)) if form else self.parent.encode(items, role=role)

    def tokens(self, item: Item, *, role: Role = "document") -> tuple[int, ...]:
        """The token ids an item becomes."""
        return self.parent.tokens(item, role=role)


@dataclass(eq=False)
class Fast:
    """The forms of one encoder, made and measured when needed, once.

    Attributes:
        parent: the encoder.
        build: makes a form.
        at_once: the encoder itself costs more than any form, also for one short text.
    """

    parent: Tokenized
    build: Callable[[Form], OpenVinoBert]
    at_once: bool = False
    _drifts: dict[Form, float] = field(default_factory=dict)
    _graph: tuple[Form, OpenVinoBert] | None = None
    _turn: threading.RLock = field(default_factory=threading.RLock)
    _seen: int = 0

    def pays(self, tokens: int) -> bool:
        """Whether importing and compiling pay for so many, with those that were asked about before."""
        self._seen += tokens
        return self.at_once or self._seen >= _WORTH

    def form(self) -> Form | None:
        """The fastest one whose vectors are still the parent's; None if none is."""
        return next((form for form in get_args(Form) if self.drift(form) <= DRIFT), None)

    def drift(self, form: Form) -> float:
        """1 - cosine of the worst fixed sentence; read from disk if it was measured on this machine before."""
        with self._turn:
            if form not in self._drifts:
                key = _key(self.parent.space, form)
                known = remembered("drift.json").get(key)
                self._drifts[form] = known if isinstance(known, float) else self._measure(form)
                if known != self._drifts[form]:
                    remember("drift.json", key, self._drifts[form])
            return self._drifts[form]

    def rows(self, ids: Sequence[Sequence[int]], form: Form) -> np.ndarray:
        """Texts of token ids (n) → (n, d), not normalised."""
        with self._turn:
            if self._graph is None or self._graph[0] != form:
                self._graph = (form, self.build(form))
            graph = self._graph[1]
        return _run(graph, ids, self.parent.space.dim)

    def _measure(self, form: Form) -> float:
        items = [Text(s) for s in SENTENCES]
        rows = self.parent.space.vectors(self.rows([self.parent.tokens(i) for i in items], form)).data
        return float(1 - (rows * self.parent.encode(items).data).sum(axis=1).min())


def _run(graph: OpenVinoBert, ids: Sequence[Sequence[int]], dim: int) -> np.ndarray:
    keys = [str(i) for i in ids]
    return engine.run(
        [len(i) for i in ids], lambda batch: graph.forward([ids[p] for p in batch]), budget=_TOKENS, dim=dim, keys=keys
    )


def weights_of(encoder: Encoder) -> tuple[Tokenized, BertWeights, Literal["mean", "cls"]] | None:
    """What the graph is made of; None for a model of another kind."""
    from samespace.encode.e5q4 import E5Q4

    if isinstance(encoder, E5Q4):
        return encoder, encoder.model, "mean"
    recipe, body = getattr(encoder, "recipe", None), getattr(encoder, "body", None)
    if not isinstance(recipe, Recipe) or recipe.family != "bert" or recipe.pooling not in ("mean", "cls"):
        return None
    if str(getattr(body, "device", "cpu")) != "cpu":
        return None  # an accelerator is faster than any form for the processor
    from samespace.encode.hf_bert import HfBert

    weights = HfBert.of(getattr(body, "model", None)) if recipe.layer == -1 and recipe.truncate_dim is None else None
    tokenized: Any = encoder
    return (tokenized, weights, "cls" if recipe.pooling == "cls" else "mean") if weights else None


def known(space: Space) -> bool:
    """Whether the fastest form within the drift was measured on this machine before, for the encoder of that Space."""
    drifts = remembered("drift.json")
    for form in get_args(Form):
        drift = drifts.get(_key(space, form))
        if not isinstance(drift, float) or drift <= DRIFT:
            return isinstance(drift, float)
    return False


def _key(space: Space, form: Form) -> str:
    machine = f"{platform.machine()} {_processor()}"
    return f"{space.fingerprint} {form} openvino {version('openvino')} {machine}"


def _processor() -> str:
    """The processor's name on Linux, where Python does not know it; other processors round differently."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
            return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    except OSError:
        return platform.processor()
