"""Score honesty: what a similarity is worth, measured against queries that have nothing to do with the collection.

A cosine says little by itself: E5's live between .7 and .9, related or not, and pictures score another way than texts.
So a score is first counted from the query's own usual level (its mean score against generic texts in the item's
writing), and half of what unrelated questions usually give a text is taken off (a few texts are near to everything:
hubs). Then it is held against the *null*: the best such score that each of some 120 unrelated questions in many
languages reaches in this very collection. z = (score - level - bias - location) / scale of that null.

- confident: z >= 3. An unrelated query's best hit gets there about once in fifty.
- percentile: share of random pairs (unrelated question, item) that score lower, both counted from the query's level.

The null is of the same sort as the query: a sum is held against sums of unrelated questions with the same weights, a
picture against other pictures. Its location is taken by writing, as a Chinese question scores lower against English
texts than an English one. It needs no file, so a collection of one item is calibrated too.

Knows nothing of models beyond Encoder.encode. Letters: b background queries, r references, n rows, d width.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from statistics import NormalDist
from typing import Any, Literal

import numpy as np

from samespace.durably import drafted
from samespace.encode.protocol import Role
from samespace.index.words import script
from samespace.items import Text
from samespace.space import Space, Vectors, similarity

__all__ = ["CONFIDENT", "STRONG", "Background", "Levels", "Match", "Null", "word"]

Match = Literal["strong", "likely", "weak"]
CONFIDENT, STRONG = 3.0, 4.5  # in z; docs/search.md has what they were chosen by
_HUB = 0.5  # share taken off of what unrelated queries give an item
_PRIOR = 3.0  # writings with few background queries lean on all of them by this many
_GRID = 513  # quantiles kept of the random pairs
_ITEMS, _SPREADS = (1, 2, 4, 10, 30, 100, 1e3, 1e4, 1e6), (1, 0.83, 0.70, 0.59, 0.49, 0.43, 0.35, 0.30, 0.245)
"""Standard deviation of the largest of so many normal numbers."""
_AMONG = 3.0  # spreads of a question's scores; the starter's pictures are 1.5 away at most, CLIP's some twelve
_FEW = 4  # background queries in one writing that speak for it
_FEWEST = 6  # background queries below which nothing can be said


@cache
def _texts() -> dict[str, list[str]]:
    made: dict[str, list[str]] = json.loads(
        files("samespace.index").joinpath("background.json").read_text(encoding="utf-8")
    )
    return made


@dataclass(frozen=True, eq=False)
class Background:
    """Generic questions (b) and texts (r) in one Space: what every calibration there starts from.

    `mark` is a name for all that decides their vectors.
    """

    queries: Vectors
    texts: Vectors
    query_scripts: tuple[str, ...]
    text_scripts: tuple[str, ...]
    mark: str = ""

    @classmethod
    def of(
        cls, encode: Callable[[Sequence[Text], Role], Vectors], space: Space, folder: Path | None = None, key: str = ""
    ) -> "Background":
        """Encode the built-in lists, or take them from `folder`, where they were kept for this Space and `key`."""
        lists = _texts()
        mark = hashlib.blake2b((space.to_json() + key + json.dumps(lists)).encode(), digest_size=16).hexdigest()
        kept = _load(folder, mark, space)
        if kept is None:
            kept = (
                encode([Text(t) for t in lists["queries"]], "query"),
                encode([Text(t) for t in lists["texts"]], "document"),
            )
            _save(folder, mark, *kept)
        scripts = (tuple(script(t) for t in lists["queries"]), tuple(script(t) for t in lists["texts"]))
        return cls(*kept, *scripts, mark[:12])

    def weights(self, scripts: Sequence[str]) -> np.ndarray:
        """(r,) how much each reference text counts for a collection with texts in these writings; sums to 1."""
        own = np.array(self.text_scripts)
        weights = np.zeros(len(own))
        for name in set(scripts):
            weights[own == name] = list(scripts).count(name) / max(1, (own == name).sum())
        if not weights.any():
            weights[:] = 1.0
        made: np.ndarray = weights / weights.sum()
        return made


@dataclass(frozen=True, eq=False)
class Levels:
    """What a query's own usual level is measured by: references (r, d) and their weights (r,).

    `hubs`: half of what unrelated queries give an item is taken off.
    """

    references: Vectors
    weights: np.ndarray
    hubs: bool = True

    @classmethod
    def of_things(cls, background: Background | None, rows: Vectors) -> "Levels":
        """For rows (n, d) that are no texts.

        Where they lie among the texts, as projected pictures do, a question about pictures is closer to all of them
        than to texts: that says what is looked for, so its level is what generic texts give it. Rows apart, as in raw
        CLIP, are another world to a question, and their own mean is its level. Hubs are no help among the former:
        taking them off cost photographs 3 points of recall at ten and emoji none to one.
        """
        if background is None or not _among(background, rows):
            return cls(rows, np.full(len(rows), 1 / len(rows)))
        return cls(background.texts, background.weights([]), hubs=False)

    def of(self, queries: Vectors, *, own: bool = False) -> np.ndarray:
        """(n,) mean score of each query; `own`: the queries are the references, so their own row is left out."""
        scores = similarity(queries, self.references).astype(np.float64)
        weights = np.broadcast_to(self.weights, scores.shape).copy()
        if own:
            np.fill_diagonal(weights, 0.0)
        level: np.ndarray = (scores * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-12)
        return level


@dataclass(frozen=True, eq=False)
class Null:
    """How unrelated queries score in one set of items.

    Attributes:
        levels: what a query's level is measured by.
        hub: the unrelated queries by writing, and their mean level, by which an item's bias is measured.
        location: of the best score of an unrelated query, by writing; "" = any.
        scale: of the same, pooled.
        offset: by how much random pairs of a writing lie above those of all.
        pairs: quantiles of single random pairs, without that.
    """

    levels: Levels
    hub: dict[str, tuple[Vectors, float]]
    location: dict[str, float]
    scale: float
    offset: dict[str, float]
    pairs: np.ndarray

    @classmethod
    def fit(
        cls,
        queries: Vectors,
        scripts: Sequence[str],
        levels: Levels,
        rows: Vectors,
        total: int,
        *,
        own: bool = False,
        apart: np.ndarray | None = None,
    ) -> "Null | None":
        """Measure the null.

        Args:
            queries: (b, d) unrelated to what will be asked, of the same sort.
            scripts: writing of each; "" if it has none.
            levels: references.
            rows: (n, d) the items, or an even sample of them.
            total: how many items the query is let loose on; the best of more is higher and spreads less.
            own: the queries are the references themselves.
            apart: (b, n) bool, pairs that say nothing (an item and itself).

        Returns:
            None if there are too few queries or no rows to measure by.
        """
        if len(queries) < _FEWEST or not len(rows):
            return None
        level = levels.of(queries, own=own)
        raw = similarity(queries, rows).astype(np.float64)
        scores = raw - level[:, None]
        names = np.array(scripts)
        hub = _hubs(queries, level, names) if levels.hubs and apart is None else {}
        for name in set(scripts) if hub else ():
            asked = raw[names == name] if name in hub else raw  # what `_bias` would score anew
            scores[names == name] -= _HUB * (asked.mean(axis=0) - hub.get(name, hub[""])[1])
        if apart is not None:
            scores = np.where(apart, np.nan, scores)
        usable = ~np.isnan(scores).all(axis=1)
        if usable.sum() < _FEWEST:
            return None
        scores = scores[usable]
        best = np.nanmax(scores, axis=1)
        names = names[usable]
        middle = float(np.median(best))
        location = {
            str(name): float((best[names == name].sum() + _PRIOR * middle) / ((names == name).sum() + _PRIOR))
            for name in set(names.tolist())
        }
        rest = best - np.array([location[str(name)] for name in names])
        center, scale = _robust(rest)
        growth, ratio = _growth(scores, total)
        scale *= ratio
        location = {name: value + center + growth for name, value in location.items()}
        location[""] = middle + growth
        mean = float(np.nanmean(scores))
        often = [str(n) for n in set(names.tolist()) if (names == n).sum() >= _FEW]
        offset = {n: float(np.nanmean(scores[names == n])) - mean for n in often}
        shifted = scores - np.array([offset.get(str(name), 0.0) for name in names])[:, None]
        pairs = _quantiles(shifted[~np.isnan(shifted)])
        return cls(levels, hub, location, scale, offset, pairs)

    def worth(self, query: Vectors, rows: Vectors, writing: str) -> tuple[np.ndarray, np.ndarray]:
        """What a query (1, d) in this writing has in rows (n, d): z (n,) and percentile (n,) of its scores."""
        above = similarity(query, rows)[0].astype(np.float64) - self.levels.of(query)[0]
        if self.hub:
            above -= _bias(self.hub, writing, rows)
        z = (above - self.location.get(writing, self.location[""])) / self.scale
        shifted = above - self.offset.get(writing, 0.0)
        return z, np.interp(shifted, self.pairs, np.linspace(0, 1, _GRID))

    def to_dict(self) -> dict[str, Any]:
        """As plain data, without queries and levels, which are the background's."""
        own = {name: getattr(self, name) for name in ("location", "scale", "offset")}
        return own | {"pairs": self.pairs.tolist(), "hub": {name: level for name, (_, level) in self.hub.items()}}

    @classmethod
    def of_dict(
        cls, data: Mapping[str, Any], queries: Vectors, scripts: Sequence[str], levels: Levels
    ) -> "Null | None":
        """Back from plain data, to the bit; None if that is of other queries."""
        names = np.array(scripts)
        try:
            hub = {n: (queries[names == n] if n else queries, float(level)) for n, level in data["hub"].items()}
            pairs = np.array(data["pairs"], np.float64)
            return cls(levels, hub, dict(data["location"]), float(data["scale"]), dict(data["offset"]), pairs)
        except (KeyError, TypeError, ValueError, AttributeError):
            return None


def word(z: float) -> Match:
    """The word for people."""
    return "strong" if z >= STRONG else "likely" if z >= CONFIDENT else "weak"


def _among(background: Background, rows: Vectors) -> bool:
    """Whether generic questions score these rows about as high as generic texts."""
    texts = similarity(background.queries, background.texts)
    apart = float(similarity(background.queries, rows).mean() - texts.mean())
    return abs(apart) <= _AMONG * float(texts.std(axis=1).mean())


def _robust(best: np.ndarray) -> tuple[float, float]:
    """Middle and spread that background queries which do fit the collection cannot move.

    A folder with a recipe, a timetable and a bill fits many a generic question, and all of those stand in the upper
    half. So the spread is read off the lower half alone: median less tenth, as for a normal distribution.
    """
    tenth, middle = np.quantile(best, [0.1, 0.5])
    return float(middle), float(max((middle - tenth) / 1.2816, 1e-6))


def _quantiles(values: np.ndarray) -> np.ndarray:
    """(513,) quantiles as np.quantile has them; so many of them are cheaper by sorting."""
    order = np.sort(values)
    made: np.ndarray = np.interp(np.linspace(0, len(order) - 1, _GRID), np.arange(len(order)), order)
    return made


def _hubs(queries: Vectors, level: np.ndarray, names: np.ndarray) -> dict[str, tuple[Vectors, float]]:
    """Unrelated queries by writing, where there are enough, and all of them for the rest."""
    own = {str(n): np.flatnonzero(names == n) for n in set(names.tolist()) if (names == n).sum() >= _FEW}
    return {n: (queries[at], float(level[at].mean())) for n, at in own.items()} | {"": (queries, float(level.mean()))}


def _bias(hub: dict[str, tuple[Vectors, float]], writing: str, rows: Vectors) -> np.ndarray:
    """(n,) what is taken off each row: half of its mean score above their level with unrelated queries."""
    queries, level = hub.get(writing, hub[""])
    made: np.ndarray = _HUB * (similarity(queries, rows).astype(np.float64).mean(axis=0) - level)
    return made


def _growth(scores: np.ndarray, total: int) -> tuple[float, float]:
    """How much higher the best of `total` items is than the best of these, and by what its spread shrinks.

    As for normal scores with the spread these have within a query; measured growth on Cranfield, Wikipedia passages
    and image captions is 0.6 to 1.3 of it (docs/search.md).
    """
    n = scores.shape[1]
    if total <= n:
        return 0.0, 1.0
    spread = float(np.median(np.nanstd(scores, axis=1))) if n >= 8 else 0.8 * float(np.nanstd(scores))
    middle = NormalDist().inv_cdf
    ratio = np.interp(np.log([total, n]), np.log(_ITEMS), _SPREADS)
    return spread * (middle(0.5 ** (1 / total)) - middle(0.5 ** (1 / n))), max(0.6, float(ratio[0] / ratio[1]))


def _load(folder: Path | None, mark: str, space: Space) -> tuple[Vectors, Vectors] | None:
    """What was kept, if it is of this mark; anything wrong with the file only means to make it again."""
    if folder is None:
        return None
    try:
        with np.load(folder / f"calibration-{mark[:12]}.npz", allow_pickle=False) as kept:
            return space.vectors(kept["queries"]), space.vectors(kept["texts"])
    except Exception:  # a torn or foreign file may raise nearly anything
        return None


def _save(folder: Path | None, mark: str, queries: Vectors, texts: Vectors) -> None:
    """Keep it beside the index if that can be written to; it can always be made again."""
    if folder is None or not folder.is_dir():
        return
    with suppress(OSError), drafted(folder / f"calibration-{mark[:12]}.npz") as draft:
        np.savez(draft, queries=queries.data, texts=texts.data)
