"""The doctor: does an Encoder give the vectors that its model was trained to give?

Each check measures something that once went wrong in silence: vectors that depend on their neighbours in the batch, a
picture that nobody looked at, a prompt that was forgotten. It works on any Encoder through the protocol alone; what the
protocol does not show is asked of these, where an Encoder has them, and does not apply where it has not:

    recipe, stated           how it is used, and how its files or the catalogue say it should be
    tokens(item, role=)      the ids an item becomes
    batch(items, role=)      rows of items that go through the model together
    hidden(item, role=)      the token states that pooling reads
    revised(recipe)          the same weights by another Recipe

Knows nothing of any one model. Imports numpy; Pillow where a picture is needed.
"""

from collections.abc import Callable

from samespace.encode import doctor_measure as measure
from samespace.encode import doctor_recipe as recipe_checks
from samespace.encode.check import Check
from samespace.encode.doctor_subject import Subject
from samespace.encode.protocol import Encoder
from samespace.errors import RecipeError

__all__ = ["Check", "examine", "quick"]

_QUICK: tuple[Callable[[Subject], Check], ...] = (
    measure.width,
    measure.norm,
    recipe_checks.text_padding,
    measure.alone,
    measure.words_matter,
    recipe_checks.terminal,
    recipe_checks.prompts,
    measure.roles,
    recipe_checks.pooling,
    measure.picture_matters,
)
_SLOW: tuple[Callable[[Subject], Check], ...] = (measure.padding_side, measure.mixed_batch, measure.precision)


def examine(encoder: Encoder) -> tuple[Check, ...]:
    """Make every check. Takes some twenty short forward passes, and a second copy of weights that are not float32."""
    subject = Subject(encoder)
    return tuple(check(subject) for check in (*_QUICK, *_SLOW))


def quick(encoder: Encoder) -> None:
    """Make the cheap checks, as loading does. Raises RecipeError with the first that failed."""
    subject = Subject(encoder)
    for check in _QUICK:
        found = check(subject)
        if found.passed is False:
            measured = (
                f" ({found.value:.3g}, bound {found.bound:.3g})" if found.value is not None and found.bound else ""
            )
            raise RecipeError(encoder.space.name, f"{found.name}: {found.meaning}{measured}", found.mend)
