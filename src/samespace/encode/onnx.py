"""Models as ONNX graphs: onnx:FILE.onnx, onnx:FOLDER, or a catalogue entry.

Two kinds: a graph that takes token ids (a tokenizer.json lies beside it, or the catalogue names one), and a graph that
takes strings and holds its own tokenizer (universal sentence encoder). The latter runs one text at a time: its int8
arithmetic scales by the batch, so a text's vector would depend on its neighbours (cosine .997), at no gain in speed.

Knows nothing of torch. Imports onnxruntime when a model is loaded. Letters: b texts, t tokens, w model width.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from samespace.encode import catalog, engine, intake
from samespace.encode.catalog import Entry
from samespace.encode.protocol import Role
from samespace.encode.recipe import Pooling, Recipe
from samespace.encode.weights import sha256
from samespace.errors import MissingExtraError, RecipeError, WeightsError, WeightsNotFoundError
from samespace.items import Item, Modality
from samespace.space import Space, Vectors

__all__ = ["OnnxEncoder", "TokenOnnxEncoder", "load"]

_TOKENS = 2048  # padded, of one batch
_LETTERS_PER_TOKEN = 64  # what is longer cannot matter, and would be paid for


class _Graph(Protocol):
    def rows(self, texts: Sequence[str]) -> np.ndarray:
        """Texts with their prompts (n) → (n, d)."""


@dataclass(frozen=True, eq=False)
class OnnxEncoder:
    """An Encoder over an ONNX graph."""

    space: Space
    recipe: Recipe
    graph: _Graph
    modalities: frozenset[Modality] = frozenset({"text"})

    def encode(self, items: Sequence[Item], *, role: Role = "document") -> Vectors:
        """Encode texts (n) to (n, d). Raises TypeError for other modalities."""
        return self.space.vectors(self.graph.rows(self._texts(items, role)).reshape(-1, self.space.dim))

    def _texts(self, items: Sequence[Item], role: Role) -> list[str]:
        prompt, letters = self.recipe.prompts.get(role, ""), self.recipe.max_tokens * _LETTERS_PER_TOKEN
        return [prompt + text[:letters] for text in intake.texts(items, self.space.name)]


@dataclass(frozen=True, eq=False)
class TokenOnnxEncoder(OnnxEncoder):
    """The kind that takes token ids, and so can show them."""

    graph: "_Tokens"

    def tokens(self, item: Item, *, role: Role = "document") -> tuple[int, ...]:
        """The token ids an item becomes: for `doctor`."""
        return self.graph.ids(self._texts([item], role)[0])


@dataclass(frozen=True, eq=False)
class _Strings:
    """A graph from strings to vectors."""

    session: Any
    dim: int

    def rows(self, texts: Sequence[str]) -> np.ndarray:
        name = self.session.get_inputs()[0].name
        clean = [t.replace("\0", " ").encode("utf-8", "replace").decode() for t in texts]
        alone = lambda batch: self.session.run(None, {name: np.array([clean[batch[0]]], object)})[0]  # noqa: E731
        return engine.run([1] * len(clean), alone, budget=1, dim=self.dim, keys=clean)


@dataclass(frozen=True, eq=False)
class _Tokens:
    """A graph from token ids to token states, or to vectors."""

    session: Any
    tokenizer: Any
    recipe: Recipe
    output: str

    def rows(self, texts: Sequence[str]) -> np.ndarray:
        ids = [self.ids(text) for text in texts]
        forward = lambda batch: self._forward([ids[p] for p in batch])  # noqa: E731
        return engine.run([len(i) for i in ids], forward, budget=_TOKENS, dim=self.recipe.dim, keys=texts)

    def ids(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer.encode(text.lower() if self.recipe.lower_case else text).ids)

    def _forward(self, batch: list[tuple[int, ...]]) -> np.ndarray:
        longest = max(map(len, batch))
        ids = np.full((len(batch), longest), _pad(self.tokenizer), np.int64)
        mask = np.zeros_like(ids)
        for row, one in enumerate(batch):
            ids[row, : len(one)], mask[row, : len(one)] = one, 1
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        wanted = {i.name: given[i.name] for i in self.session.get_inputs()}
        states = np.asarray(self.session.run([self.output], wanted)[0])
        return _pool(states, mask, self.recipe.pooling)


def load(rest: str = "", *, entry: Entry | None = None, recipe: Recipe | None = None, **settings: Any) -> OnnxEncoder:
    """Load a graph.

    Args:
        rest: a file, or a folder that holds model.onnx; "" = what `entry` names.
        entry: of the catalogue.
        recipe: how to use it; None = as the catalogue says for a file of this hash.
        settings: of other plugins; none matters here.

    Raises:
        WeightsError: no such file, another hash than the catalogue's, no tokenizer beside it, or not a graph.
        RecipeError: nobody states a recipe, or it does not fit the graph.
        MissingExtraError: onnxruntime, or what a graph of strings needs, is not installed.
    """
    path = entry.locate() if entry and not rest else _graph_path(rest)
    digest = sha256(path)
    entry = entry or next((e for e in catalog.entries().values() if any(f.sha256 == digest for f in e.files)), None)
    used = recipe or (entry.recipe if entry else None)
    if used and used.pooling not in ("mean", "cls", "last", "none"):
        raise RecipeError(str(path), f"pooling {used.pooling!r} is not done for graphs", "Use mean, cls, last or none")
    if used is None:
        raise RecipeError(
            str(path),
            "nobody states how this graph is to be used",
            "Say it: samespace.encode.onnx.load(path, recipe=Recipe(family='onnx', dim=…, pooling='mean'))",
        )
    session = _session(path)
    name = f"{entry.maker}/{entry.name}@{digest[:8]}" if entry else f"onnx/{path.stem}@{digest[:8]}"
    if [i.type for i in session.get_inputs()] == ["tensor(string)"]:
        return OnnxEncoder(used.space(name, digest), used, _Strings(session, used.dim))
    tokenizer = _tokenizer_path(path, entry)
    graph = _Tokens(session, _tokenizer(tokenizer, used), used, _output(session, used, str(path)))
    return TokenOnnxEncoder(used.space(name, f"{digest}+{sha256(tokenizer)}"), used, graph)


def _graph_path(rest: str) -> Path:
    path = Path(rest).expanduser()
    path = path / "model.onnx" if path.is_dir() else path
    if not path.is_file():
        raise WeightsNotFoundError(f"{path} is not a file", "Name the graph: onnx:/path/to/model.onnx")
    return path


def _tokenizer_path(path: Path, entry: Entry | None) -> Path:
    if entry and any(f.name == "tokenizer.json" for f in entry.files):
        return entry.locate("tokenizer.json")
    beside = path.parent / "tokenizer.json"
    if not beside.is_file():
        raise WeightsNotFoundError(
            f"{path} takes token ids, and no tokenizer.json lies beside it", f"Put it at {beside}"
        )
    return beside


def _tokenizer(path: Path, recipe: Recipe) -> Any:
    try:
        from tokenizers import Tokenizer
    except ImportError as err:
        raise MissingExtraError("a graph of token ids", "tokenizers", "encode", str(err)) from err
    made = Tokenizer.from_file(str(path))
    made.no_padding()
    made.enable_truncation(recipe.max_tokens)
    return made


def _pad(tokenizer: Any) -> int:
    known = (tokenizer.token_to_id(t) for t in ("[PAD]", "<pad>", "<|endoftext|>"))
    return next((i for i in known if i is not None), 0)


def _session(path: Path) -> Any:
    try:
        import onnxruntime as ort
    except ImportError as err:
        raise MissingExtraError("an onnx: model", "onnxruntime", "onnx", str(err)) from err
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS") or 0)
    if library := _strings_library():
        options.register_custom_ops_library(str(library))
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as err:  # the runtime raises its own classes for each way a graph can be wrong
        if library is None and "ai.onnx.contrib" in str(err):
            raise MissingExtraError(str(path), "onnxruntime-extensions", "onnx", "it takes strings") from err
        fact = str(err).strip().splitlines()[0][:200] if str(err).strip() else type(err).__name__
        raise WeightsError(f"{path} is not a graph that onnxruntime runs ({fact})", "Export it again.") from err


def _strings_library() -> Path | None:
    """The library of operators on strings. Importing its package for the path would bring in torch: two seconds."""
    spec = find_spec("onnxruntime_extensions")
    folders = [Path(p) for p in (spec.submodule_search_locations or [])] if spec else []
    return next((p for folder in folders for p in sorted(folder.glob("_extensions_pydll*")) if p.is_file()), None)


def _pool(states: np.ndarray, mask: np.ndarray, how: Pooling) -> np.ndarray:
    """One vector (b, w) out of states (b, t, w), padded on the right; states (b, w) are returned as they are."""
    if how == "none":
        return states
    if how == "cls":
        rows: np.ndarray = states[:, 0]
    elif how == "last":
        rows = states[np.arange(len(states)), mask.sum(1) - 1]
    else:
        rows = (states * mask[:, :, None]).sum(1) / mask.sum(1, keepdims=True)
    return rows


def _output(session: Any, recipe: Recipe, name: str) -> str:
    """The one float output that the recipe's pooling reads: (b, t, w), or (b, w) for "none"."""
    rank = 2 if recipe.pooling == "none" else 3
    fits = [o for o in session.get_outputs() if o.type == "tensor(float)" and len(o.shape) == rank]
    fits = [o for o in fits if not isinstance(o.shape[-1], int) or o.shape[-1] == recipe.dim]
    if len(fits) != 1:
        shapes = [(o.name, o.shape) for o in session.get_outputs()]
        raise RecipeError(
            name,
            f"pooling {recipe.pooling!r} at width {recipe.dim} fits {len(fits)} of its outputs {shapes}",
            "Say another pooling or dim in the recipe",
        )
    return str(fits[0].name)
