"""The weights of transformers' BERT and XLM-RoBERTa under the names of q4_bert.py, for the OpenVINO graph.

Knows nothing of graphs. Imports numpy; torch is there already if there is a model. Letters: t tokens, w width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from samespace.encode.q4_bert import Shape

__all__ = ["HfBert"]

_PARTS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_ENDS = {"w": "weight", "b": "bias"}
_FIRST_POSITION = {"bert": 0, "roberta": 2, "xlm-roberta": 2}


@dataclass(frozen=True, eq=False)
class HfBert:
    """One model's tensors, read on demand."""

    shape: Shape
    tensors: dict[str, Any]
    first_position: int

    @classmethod
    def of(cls, model: Any) -> "HfBert | None":
        """The tensors of a model, or None if its architecture is another one."""
        config = getattr(model, "config", None)
        first = _FIRST_POSITION.get(getattr(config, "model_type", ""))
        tensors = dict(model.state_dict()) if first is not None else {}
        plain = getattr(config, "hidden_act", "") == "gelu" and "embeddings.word_embeddings.weight" in tensors
        if not plain or getattr(config, "position_embedding_type", "absolute") != "absolute":
            return None
        c: Any = config
        shape = Shape(
            c.hidden_size, c.num_hidden_layers, c.num_attention_heads, c.intermediate_size, c.vocab_size,
            c.max_position_embeddings, c.type_vocab_size, c.layer_norm_eps,
        )  # fmt: skip
        return cls(shape, tensors, first or 0)

    def embed(self, ids: Sequence[Sequence[int]]) -> np.ndarray:
        """What goes into the first layer: (t, w), all texts end to end."""
        flat = np.concatenate([np.asarray(text, np.int64) for text in ids])
        places = np.concatenate([np.arange(len(text)) for text in ids]) + self.first_position
        summed = self._rows("word_embeddings", flat) + self._rows("position_embeddings", places)
        summed += self._rows("token_type_embeddings", np.zeros(1, np.int64))
        summed -= summed.mean(axis=1, keepdims=True)
        summed /= np.sqrt((summed * summed).mean(axis=1, keepdims=True) + self.shape.epsilon)
        scale, shift = (self._array(f"embeddings.LayerNorm.{end}") for end in ("weight", "bias"))
        made: np.ndarray = (summed * scale + shift).astype(np.float32)
        return made

    def matrix(self, name: str) -> np.ndarray:
        """A weight matrix (out, in) as float32."""
        return self.vector(name)

    def vector(self, name: str) -> np.ndarray:
        """A bias or a scale, as float32."""
        layer, part, end = name.split(".")
        return self._array(f"encoder.layer.{layer[1:]}.{_PARTS[part]}.{_ENDS[end]}")

    def _rows(self, table: str, positions: np.ndarray) -> np.ndarray:
        import torch

        taken = self.tensors[f"embeddings.{table}.weight"][torch.from_numpy(positions)]
        return np.asarray(taken.float().numpy())

    def _array(self, name: str) -> np.ndarray:
        return np.asarray(self.tensors[name].detach().float().cpu().numpy())
