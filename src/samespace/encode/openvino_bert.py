"""A BERT encoder as an OpenVINO graph, built operator by operator from the weights at hand.

In the form "int8" weights are rounded with a scale each output, and activations on the fly with a scale each token and
group of inputs: nothing has to be calibrated, and no text depends on its neighbours. In the form "float" they stay as
they are, and the arithmetic is bfloat16 where the processor has it; in "float32" it is float32 everywhere. Neither
torch nor an exporter takes part: building and compiling take 0.3 CPU seconds.

Importing openvino as it is sends a message to its maker (package openvino_telemetry) and writes into the user's home
folder. Here it is imported without that package.

Knows nothing of prompts, Spaces or drift. Imports openvino when a graph is made. Letters: b texts, t tokens, w width.
"""

import importlib
import os
import sys
import threading
from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np

from samespace.encode.q4_bert import Shape

__all__ = ["BertWeights", "Form", "OpenVinoBert", "silent_openvino"]

Form = Literal["int8", "float", "float32"]

_MASKED = -1e9
_GROUP = 128  # inputs that share a scale when activations are rounded: 32 is half as coarse and a quarter slower
_TELEMETRY = "openvino_telemetry"


def silent_openvino() -> Any:
    """Import openvino so that nothing leaves the machine."""
    absent: Any = None
    if _TELEMETRY not in sys.modules:
        sys.modules[_TELEMETRY] = absent  # to an import statement this is a package that is not installed
    try:
        return importlib.import_module("openvino")
    finally:
        if sys.modules.get(_TELEMETRY, absent) is absent:
            sys.modules.pop(_TELEMETRY, None)


class BertWeights(Protocol):
    """Where the weights are; names as in q4_bert.py."""

    @property
    def shape(self) -> Shape:
        """Sizes of the network."""

    def embed(self, ids: Sequence[Sequence[int]]) -> np.ndarray:
        """What goes into the first layer: (t, w), all texts end to end."""

    def matrix(self, name: str) -> np.ndarray:
        """A weight matrix (out, in) as float32."""

    def vector(self, name: str) -> np.ndarray:
        """A bias or a scale, as float32."""


class OpenVinoBert:
    """A compiled graph. Safe to call from several threads; they take turns.

    Args:
        weights: of the network.
        pooling: how tokens become one vector.
        form: "int8", or "float" and "float32" as they are.
    """

    def __init__(self, weights: BertWeights, pooling: Literal["mean", "cls"], form: Form) -> None:
        openvino = silent_openvino()
        settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        settings["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = str(_GROUP if form == "int8" else 0)
        if form == "float32":
            settings["INFERENCE_PRECISION_HINT"] = "f32"
        if threads := os.environ.get("OMP_NUM_THREADS"):
            settings["INFERENCE_NUM_THREADS"] = threads
        self._weights = weights
        compiled = openvino.Core().compile_model(_Builder(weights, form).model(pooling), "CPU", settings)
        self._request = compiled.create_infer_request()
        self._turn = threading.Lock()

    def forward(self, ids: Sequence[Sequence[int]]) -> np.ndarray:
        """Texts of token ids (b) → (b, w) float32, not normalised."""
        lengths = np.array([len(text) for text in ids])
        mask = np.arange(lengths.max())[None, :] < lengths[:, None]
        hidden = np.zeros((*mask.shape, self._weights.shape.width), np.float32)
        hidden[mask] = self._weights.embed(ids)
        with self._turn:
            made: np.ndarray = self._request.infer({"hidden": hidden, "mask": mask.astype(np.float32)})[0].copy()
        return made


class _Builder:
    """Puts the graph together. `op` is OpenVINO's table of operators."""

    def __init__(self, weights: BertWeights, form: Form) -> None:
        self.ov: Any = silent_openvino()
        from openvino import opset13

        self.op: Any = opset13
        self.weights, self.shape, self.form = weights, weights.shape, form

    def model(self, pooling: Literal["mean", "cls"]) -> Any:
        op, width = self.op, self.shape.width
        given = op.parameter([-1, -1, width], self.ov.Type.f32, name="hidden")
        mask = op.parameter([-1, -1], self.ov.Type.f32, name="mask")
        closed = op.multiply(op.subtract(mask, self.number(1.0)), self.number(-_MASKED))
        closed = op.unsqueeze(closed, self.indices(1, 2))
        hidden = given
        for layer in range(self.shape.layers):
            hidden = self.layer(hidden, closed, f"l{layer}.")
        pooled = op.gather(hidden, self.indices(0), self.indices(1)) if pooling == "cls" else self.mean(hidden, mask)
        pooled = op.reshape(pooled, self.indices(-1, width), special_zero=False)
        return self.ov.Model([op.result(pooled)], [given, mask], "bert")

    def layer(self, hidden: Any, closed: Any, at: str) -> Any:
        op = self.op
        query, key, value = (self.heads(self.linear(hidden, at + part)) for part in "qkv")
        context = op.transpose(op.scaled_dot_product_attention(query, key, value, closed), self.indices(0, 2, 1, 3))
        context = op.reshape(context, self.indices(0, 0, self.shape.width), special_zero=True)
        hidden = self.norm(op.add(hidden, self.linear(context, at + "ao")), at + "aln")
        inner = op.gelu(self.linear(hidden, at + "fi"), "erf")
        return self.norm(op.add(hidden, self.linear(inner, at + "fo")), at + "oln")

    def heads(self, rows: Any) -> Any:
        size = self.shape.width // self.shape.heads
        apart = self.op.reshape(rows, self.indices(0, 0, self.shape.heads, size), special_zero=True)
        return self.op.transpose(apart, self.indices(0, 2, 1, 3))

    def linear(self, hidden: Any, name: str) -> Any:
        op, exact = self.op, self.weights.matrix(name + ".w")
        if self.form != "int8":
            return op.add(
                op.matmul(hidden, op.constant(np.ascontiguousarray(exact)), False, True), self.row(name + ".b")
            )
        scale = np.maximum(np.abs(exact).max(axis=1, keepdims=True) / 127, 1e-8).astype(np.float16)
        rounded = np.clip(np.rint(exact / scale.astype(np.float32)), -127, 127).astype(np.int8)
        narrow = op.multiply(op.convert(op.constant(rounded), "f16"), op.constant(scale))
        product = op.matmul(hidden, op.convert(narrow, "f32"), False, True)
        return op.add(product, self.row(name + ".b"))

    def norm(self, hidden: Any, name: str) -> Any:
        op = self.op
        centred = op.mvn(hidden, self.indices(-1), True, float(self.shape.epsilon), "inside_sqrt")
        return op.add(op.multiply(centred, self.row(name + ".w")), self.row(name + ".b"))

    def mean(self, hidden: Any, mask: Any) -> Any:
        op = self.op
        open_ = op.unsqueeze(mask, self.indices(2))
        summed = op.reduce_sum(op.multiply(hidden, open_), self.indices(1))
        return op.divide(summed, op.reduce_sum(open_, self.indices(1)))

    def row(self, name: str) -> Any:
        return self.op.constant(np.ascontiguousarray(self.weights.vector(name)[None, None], np.float32))

    def number(self, value: float) -> Any:
        return self.op.constant(np.array([[value]], np.float32))

    def indices(self, *values: int) -> Any:
        return self.op.constant(np.array(values, np.int64))
