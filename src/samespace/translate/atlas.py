"""The Atlas: Spaces are nodes, Translators are ways between them, and a route is the best way from one to another.

A route costs (unmeasured steps, -log fidelity), in that order: what was measured goes before what was not. The product
of the fidelities along it is an estimate, and on the low side: MiniLM → E5 → USE keeps .38 where the product says .18.

Knows nothing of models, files of vectors or indexes. Imports numpy only.
"""

import heapq
import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from samespace.errors import RouteError, SpaceMismatchError
from samespace.space import Space, Vectors
from samespace.translate.compose import compose
from samespace.translate.files import Saved
from samespace.translate.linear import Linear
from samespace.translate.protocol import Translator

__all__ = ["Atlas", "Route"]

_NAMED = 3


@dataclass(frozen=True, eq=False)
class Route:
    """A way from one Space to another; a Translator itself.

    Attributes:
        source, target: its ends.
        steps: Translators, each from where the one before leads to; none where the ends are one Space.
    """

    source: Space
    target: Space
    steps: tuple[Translator, ...] = ()

    @property
    def unmeasured(self) -> int:
        """Steps whose fidelity nobody knows."""
        return sum(step.fidelity is None for step in self.steps)

    @property
    def estimate(self) -> float:
        """Product of the fidelities that were measured, in [0, 1]."""
        return math.prod(step.fidelity for step in self.steps if step.fidelity is not None)

    @property
    def fidelity(self) -> float | None:
        """What was measured where it is one step, the estimate where it is more; None with an unmeasured step."""
        return None if self.unmeasured else self.estimate

    @property
    def spaces(self) -> tuple[Space, ...]:
        """All that it comes through, both ends included."""
        return (self.source, *(step.target for step in self.steps))

    def __call__(self, vectors: Vectors) -> Vectors:
        """Translate (n, source.dim) to (n, target.dim), step by step."""
        made = vectors.require(self.source)
        for step in self.steps:
            made = step(made)
        return made

    def composed(self) -> "Route":
        """The same with linear steps that follow each other made one; see `compose` for how exact that is."""
        steps: list[Translator] = []
        for step in self.steps:
            last = steps[-1] if steps else None
            if isinstance(last, Linear) and isinstance(step, Linear):
                known = None not in (last.fidelity, step.fidelity)
                joined = compose(last, step)
                steps[-1] = replace(joined, fidelity=(last.fidelity or 0.0) * (step.fidelity or 0.0) if known else None)
            else:
                steps.append(step)
        return Route(self.source, self.target, tuple(steps))

    def __str__(self) -> str:
        """Where it leads through, and what it keeps."""
        kept = "exact" if self.fidelity == 1.0 else f"about {self.estimate:.2f} of the neighbours kept"
        told = f"{self.unmeasured} of {len(self.steps)} steps unmeasured" if self.unmeasured else kept
        return f"{' → '.join(str(space) for space in self.spaces)} ({told})"


class Atlas:
    """Spaces and the Translators between them. Frozen: `add` gives a new one.

    A Translator that can be inverted leads back, too, unmeasured. One whose verdict is "failed" is kept and shown, and
    no route leads over it.
    """

    def __init__(self, translators: Iterable[Translator | Saved] = (), spaces: Iterable[Space] = ()) -> None:
        self.entries = tuple(t if isinstance(t, Saved) else Saved(t) for t in translators)
        ends = itertools.chain.from_iterable((e.translator.source, e.translator.target) for e in self.entries)
        self.spaces = tuple(dict.fromkeys([*spaces, *ends]))

    @property
    def translators(self) -> tuple[Translator, ...]:
        """Those that were put in."""
        return tuple(entry.translator for entry in self.entries)

    def add(self, *translators: Translator | Saved) -> "Atlas":
        """One with more Translators."""
        return Atlas([*self.entries, *translators], self.spaces)

    def route(self, source: Space, target: Space) -> Route:
        """The best way. Raises RouteError, which says what could be fitted, if there is none."""
        best = self._reached(source).get(target)
        if best is None:
            raise RouteError(str(source), str(target), self._mend(source, target))
        return best

    def translate(self, vectors: Vectors, target: Space) -> Vectors:
        """Translate (n, d) by the best way. Raises RouteError."""
        return self.route(vectors.space, target)(vectors)

    def require(self, vectors: Vectors, space: Space) -> Vectors:
        """Return vectors that live in `space`.

        Raises:
            SpaceMismatchError: they live elsewhere; names both Spaces and the way from one to the other, or what could
                be fitted where there is none.
        """
        if vectors.space == space:
            return vectors
        try:
            mend = f"Translate them first, atlas.translate(vectors, space): {self.route(vectors.space, space)}"
        except RouteError as err:
            mend = str(err).partition("\n")[2]
        raise SpaceMismatchError(str(vectors.space), str(space), mend)

    def apply(self, translator: Translator, vectors: Vectors) -> Vectors:
        """`translator(vectors)`, with an error that says how to get to its source where they live elsewhere."""
        return translator(self.require(vectors, translator.source))

    def ways(self) -> Iterator[Translator]:
        """All that a route may lead over: what was put in and did not fail, and its inverses."""
        for translator in self.translators:
            if level(translator) != "failed":
                yield translator
                inverse: Any = getattr(translator, "inverse", None)
                if callable(inverse):
                    yield inverse()

    def _reached(self, source: Space) -> dict[Space, Route]:
        """The best Route to each Space that can be reached."""
        ways: dict[Space, list[Translator]] = {}
        for way in self.ways():
            ways.setdefault(way.source, []).append(way)
        order = itertools.count()
        queue: list[tuple[int, float, int, Route]] = [(0, 0.0, next(order), Route(source, source))]
        found: dict[Space, Route] = {}
        while queue:
            unmeasured, loss, _, route = heapq.heappop(queue)
            if route.target in found:
                continue
            found[route.target] = route
            for way in ways.get(route.target, ()):
                more = Route(source, way.target, (*route.steps, way))
                cost = (unmeasured + (way.fidelity is None), loss + _loss(way.fidelity))
                heapq.heappush(queue, (*cost, next(order), more))
        return found

    def _mend(self, source: Space, target: Space) -> str:
        """What could be fitted so that there is a way."""
        ahead = [space for space in self._reached(source) if space != source]
        behind = [space for space in self.spaces if space != target and target in self._reached(space)]
        told = [f"from {source} one gets to {_some(ahead)}"] * bool(ahead)
        told += [f"to {target} one gets from {_some(behind)}"] * bool(behind)
        more = f" ({'; '.join(told)}: one from any of the first to any of the second is enough)" if told else ""
        return f"Fit one: samespace translate fit {source.name} {target.name} --out DIR{more}"


def level(translator: Translator) -> str:
    """The level of a Translator's verdict; "" if it has none."""
    facts: Any = getattr(translator, "facts", {})
    return str(facts.get("verdict", {}).get("level", ""))


def _loss(fidelity: float | None) -> float:
    return 0.0 if fidelity is None else -math.log(max(fidelity, 1e-9))


def _some(spaces: list[Space]) -> str:
    names = ", ".join(str(space) for space in spaces[:_NAMED])
    return names + (f" and {len(spaces) - _NAMED} more" if len(spaces) > _NAMED else "")
