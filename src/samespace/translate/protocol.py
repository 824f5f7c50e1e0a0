"""The contract of translating: a Translator carries Vectors from one Space to another.

Knows nothing of models, files or indexes.
"""

from typing import Protocol, runtime_checkable

from samespace.space import Space, Vectors

__all__ = ["Translator"]


@runtime_checkable
class Translator(Protocol):
    """Vectors of `source` → Vectors of `target`. Finished and frozen."""

    @property
    def source(self) -> Space:
        """Where its input lives."""

    @property
    def target(self) -> Space:
        """Where its output lives."""

    @property
    def fidelity(self) -> float | None:
        """Share of true neighbours kept on held-out rows, in [0, 1]; 1.0 exact, None never measured."""

    def __call__(self, vectors: Vectors) -> Vectors:
        """Translate (n, source.dim) to (n, target.dim). Raises SpaceMismatchError on Vectors of another Space."""
