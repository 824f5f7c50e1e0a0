"""The weights of transformers' BERT and XLM-RoBERTa under the names of q4_bert.py, for the OpenVINO graph.

Knows nothing of graphs. Imports numpy; safetensors where a file is read. Letters: t tokens, w width.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
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
_SIZES = (
    "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size",
    "max_position_embeddings", "type_vocab_size", "layer_norm_eps",
)  # fmt: skip
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
        if getattr(config, "model_type", "") not in _FIRST_POSITION:
            return None
        return cls._of(config.to_dict(), dict(model.state_dict())) if config else None

    @classmethod
    def at(cls, folder: Path) -> "HfBert | None":
        """The tensors of a folder, or None if its architecture is another one. Raises OSError, ValueError."""
        config = json.loads((folder / "config.json").read_text("utf-8"))
        if config.get("model_type", "") not in _FIRST_POSITION:
            return None
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            tensors = load_file(folder / "model.safetensors")
        except (SafetensorError, TypeError, KeyError) as err:  # bfloat16 has no type in numpy
            raise ValueError(str(err)) from err
        return cls._of(config, {name.removeprefix(f"{config['model_type']}."): t for name, t in tensors.items()})

    @classmethod
    def _of(cls, config: dict[str, Any], tensors: dict[str, Any]) -> "HfBert | None":
        plain = config.get("hidden_act") == "gelu" and "embeddings.word_embeddings.weight" in tensors
        if not plain or config.get("position_embedding_type", "absolute") != "absolute":
            return None
        shape = Shape(*(config[name] for name in _SIZES))
        return cls(shape, tensors, _FIRST_POSITION[config["model_type"]])

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
        return _plain(self.tensors[f"embeddings.{table}.weight"][positions])

    def _array(self, name: str) -> np.ndarray:
        return _plain(self.tensors[name])


def _plain(tensor: Any) -> np.ndarray:
    """A tensor of torch or of numpy as float32."""
    known = tensor if isinstance(tensor, np.ndarray) else tensor.detach().float().cpu().numpy()
    return np.asarray(known, np.float32)
