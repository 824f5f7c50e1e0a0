"""How far from the middle a translation is put: further out to search, true to scale to be searched.

A translated row is right about its direction and unsure how far it goes. Among native rows those nearest the middle are
near to everything, and a short query finds them first; one that is put further out finds by direction alone. In a Space
with a long mean (E5: .87) this is worth more than the choice of the method.

Imports numpy only.
"""

from dataclasses import replace
from typing import Any, TypeVar, cast

from samespace.translate.frame import Frame
from samespace.translate.protocol import Translator

__all__ = ["STRETCHES", "stretched"]

STRETCHES = (1.0, 1.5, 2.0, 3.0)
"""What `fit` chooses from, for queries; documents stay at 1."""


_Made = TypeVar("_Made", bound=Translator)


def stretched(translator: _Made, by: float) -> _Made:
    """The same, translations put `by` times as far from the middle; 1 = where native rows lie. Unmeasured.

    Absolute, not on top of what was: stretched(stretched(t, 2), 1) is t.

    Raises:
        ValueError: by <= 0.
        TypeError: a Translator without Frames.
    """
    if not by > 0:
        raise ValueError(f"translations cannot be stretched by {by}\nGive a number above 0; 1 leaves them as they are")
    known = cast(Any, translator)
    if not isinstance(getattr(known, "after", None), Frame):
        raise TypeError(f"a {type(translator).__name__} has no Frame to stretch in\nGive one that fit() has made")
    before = float(known.facts.get("stretch", 1.0))
    after = replace(known.after, scale=known.after.scale * by / before)
    facts = {**known.facts, "stretch": float(by)}
    return cast(_Made, replace(known, after=after, fidelity=None, facts=facts))
