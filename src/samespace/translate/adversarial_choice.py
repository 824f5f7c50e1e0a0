"""Which of several adversarial runs to keep, without a pair: by what can be seen of each.

A run that has not converged keeps geometry and returns from its cycles as well as one that has; what it cannot do is
lay its rows where the target's own rows lie, and agree with a run that began elsewhere.

Knows nothing of torch. Imports numpy only. Letters: s runs, n, m rows of the two sides, ds, dt widths.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Seen", "chosen", "seen"]

_TRUSTED = 0.5  # agreement from which two runs have found the same, and not by chance


@dataclass(frozen=True)
class Seen:
    """What is seen of one run, on rows kept out of training.

    Attributes:
        cycle: mean cosine of a row and what comes back of it; 1 is best.
        geometry: mean change of the cosine between two rows; 0 is best.
        energy: energy distance between translated and true rows of the target; 0 is best.
        agreement: mean cosine with the translations by the run that agrees most; 1 is best.
    """

    cycle: float
    geometry: float
    energy: float
    agreement: float


def seen(over: Sequence[np.ndarray], back: Sequence[np.ndarray], x: np.ndarray, y: np.ndarray) -> list[Seen]:
    """Look at runs.

    Args:
        over: of each run, (n, dt) what it makes of x; unit rows.
        back: of each run, (n, ds) what its way back makes of that.
        x: (n, ds) rows of the source, kept out of training; unit rows.
        y: (m, dt) rows of the target, likewise, of other items.
    """
    made = []
    for z, w in zip(over, back, strict=True):
        alike = max([float((z * other).sum(1).mean()) for other in over if other is not z], default=0.0)
        bent = float(np.abs(x @ x.T - z @ z.T).mean())
        made.append(Seen(float((x * w).sum(1).mean()), bent, energy(z, y), alike))
    return made


def chosen(looks: Sequence[Seen]) -> int:
    """The run to keep: of those that agree with another one, if any do, the one of least energy distance."""
    agreeing = [i for i, look in enumerate(looks) if look.agreement >= _TRUSTED] or range(len(looks))
    return min(agreeing, key=lambda i: looks[i].energy)


def energy(a: np.ndarray, b: np.ndarray) -> float:
    """2 E|a - b| - E|a - a'| - E|b - b'|, of unit rows; >= 0, and 0 only for equal distributions.

    Reference: Székely, Rizzo, Energy statistics, J. Statistical Planning and Inference 2013.
    """
    return 2 * _between(a, b) - _within(a) - _within(b)


def _between(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(np.maximum(2 - 2 * (a @ b.T), 0)).mean())


def _within(a: np.ndarray) -> float:
    return _between(a, a) * len(a) / (len(a) - 1)
