"""Latent steps as a module of sentence-transformers.

    backbone = Transformer("path/of/a/causal/model")
    model = SentenceTransformer(modules=[backbone, LatentReasoning(backbone.get_embedding_dimension()), Normalize()])
    model.encode(texts)                    # as many steps as it was made with
    model.encode(texts, steps=8)           # so many
    model.save_pretrained(folder);  SentenceTransformer(folder, trust_remote_code=True)

It trains with that library's trainer and losses. The module takes the place of pooling. When the model is put together
it takes over the backbone, whose own pass would be thrown away: the backbone only hands its inputs on. (Loading asks
for trust_remote_code because the class is not sentence-transformers' own; nothing but this installed package is run.)

Knows nothing of Spaces. Imports sentence-transformers and torch. Letters: b sequences, w model width.
"""

from collections.abc import Mapping
from typing import Any, Literal

from sentence_transformers.base.modules.module import Module
from torch import Tensor

from samespace.reason.adapter import Adapter, Mlp, Routed
from samespace.reason.backbone import Backbone
from samespace.reason.latent import Latent
from samespace.reason.protocol import Feedback, Until

__all__ = ["LatentReasoning"]

_FEATURES = (
    "input_ids",
    "attention_mask",
    "token_type_ids",
    "mm_token_type_ids",
    "pixel_values",
    "image_grid_thw",
    "pixel_values_videos",
    "video_grid_thw",
)


class LatentReasoning(Module):
    """Think, then read the sentence embedding out at the last token.

    Args:
        width: w of the model.
        steps: how many; or by task, {"query": 8, "document": 0}, as encode_query and encode_document say it.
        feedback: see protocol.Feedback.
        adapter: "none", "mlp" or "routed".
        tail: tokens read after the steps.
        terminal: id that every text must end with; None = any.
        anchor: id of the prompt's token that the adapter is told.
        until: "kl" = rows stop by themselves; only where nothing is trained.
        tolerance: of until.
    """

    config_keys = ["width", "steps", "feedback", "adapter", "tail", "terminal", "anchor", "until", "tolerance"]  # noqa: RUF012 - theirs
    forward_kwargs = {"steps", "task"}  # noqa: RUF012 - theirs

    def __init__(
        self,
        width: int,
        steps: int | Mapping[str, int] = 8,
        *,
        feedback: Feedback = "scale",
        adapter: Literal["none", "mlp", "routed"] = "none",
        tail: int = 1,
        terminal: int | None = None,
        anchor: int | None = None,
        until: Until | None = None,
        tolerance: float = 5e-4,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.width, self.feedback, self.adapter, self.tail = width, feedback, adapter, tail
        self.steps: int | dict[str, int] = steps if isinstance(steps, int) else dict(steps)
        self.terminal, self.anchor, self.until, self.tolerance = terminal, anchor, until, tolerance
        most = self.steps if isinstance(self.steps, int) else max(self.steps.values())
        self.reasoner = Latent(
            width,
            steps=most,
            feedback=feedback,
            adapter=_adapter(adapter, width),
            tail=tail,
            terminal=terminal,
            anchor=anchor,
            tolerance=tolerance,
        )
        self._owner: tuple[Any, ...] = ()

    def on_model_ready(self, model: Any) -> None:
        """Take over the backbone of the model this is part of. Called by sentence-transformers."""
        first = model[0]
        if not hasattr(first, "model"):
            raise ValueError(
                f"the first module is {type(first).__name__}, which holds no model to think with\n"
                "Let it be sentence_transformers' Transformer over a causal model"
            )
        Backbone.of(first.model)
        self._owner = (first,)  # in a tuple: it stays the other module's, and is saved by that
        first.forward = _hand_on

    def forward(
        self, features: dict[str, Any], *, steps: int | None = None, task: str | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Put "sentence_embedding" (b, w) into the features; and, in training, the whole "thought"."""
        if not self._owner:
            raise ValueError("it is part of no model\nCall on_model_ready(model) after appending it to one")
        inputs: dict[str, Tensor] = {name: features[name] for name in _FEATURES if name in features}
        thought = self.reasoner(
            Backbone.of(self._owner[0].model), inputs, steps=self._steps(steps, task), until=self._until(steps)
        )
        features["sentence_embedding"] = thought.embedding
        if self.training:
            features["thought"] = thought
        return features

    def get_embedding_dimension(self) -> int:
        """Width of the sentence embedding."""
        return self.width

    def save(self, output_path: str, *args: Any, safe_serialization: bool = True, **kwargs: Any) -> None:
        """Write config.json, and the trained parts if there are any."""
        self.save_config(output_path)
        if any(True for _ in self.parameters()):
            self.save_torch_weights(output_path, safe_serialization=True)

    @classmethod
    def load(  # type: ignore[override]  # what is left out comes in kwargs
        cls, model_name_or_path: str, subfolder: str = "", **kwargs: Any
    ) -> "LatentReasoning":
        """Back from `save`."""
        where = {k: kwargs[k] for k in ("token", "cache_folder", "revision", "local_files_only") if k in kwargs}
        made = cls(**cls.load_config(model_name_or_path, subfolder=subfolder, **where))
        if any(True for _ in made.parameters()):
            cls.load_torch_weights(model_name_or_path, subfolder=subfolder, model=made, **where)
        return made

    def _steps(self, steps: int | None, task: str | None) -> int:
        if steps is not None:
            return steps
        return self.steps if isinstance(self.steps, int) else self.steps.get(task or "query", 0)

    def _until(self, steps: int | None) -> Until | None:
        return None if self.training or steps == 0 else self.until


def _hand_on(features: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Stands in the place of the backbone's own pass."""
    return features


def _adapter(kind: str, width: int) -> Adapter | None:
    if kind not in ("none", "mlp", "routed"):
        raise ValueError(f"no adapter {kind!r}\nUse 'none', 'mlp' or 'routed'")
    if kind == "none":
        return None
    return Mlp(width) if kind == "mlp" else Routed(width)
