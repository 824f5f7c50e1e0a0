"""Independent axes of a Space: directions along which its vectors are least Gaussian.

Two encoders that know nothing of each other share such axes, since what makes them (topics that few texts have, much of
them where they have any) lies in the texts. A rotation found by variance alone does not carry over; this one does.

Imports numpy only. Letters: n rows, d width, c axes.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ["Axes", "fast_ica", "whitening"]

_ROUNDS, _TOLERANCE = 60, 1e-3
"""By round 50 the skewed axes stand still, which carry over; the rest never do."""


@dataclass(frozen=True, eq=False)
class Axes:
    """One run of FastICA.

    Attributes:
        turn: (c, c) orthogonal, from whitened coordinates to axes; every axis has a positive third moment.
        values: (n, c) float32, the rows it was found on, along the axes.
        settled: whether it stopped moving before the last round.
    """

    turn: np.ndarray
    values: np.ndarray
    settled: bool


def whitening(rows: np.ndarray, width: int) -> np.ndarray:
    """The map (d, c) to the c strongest principal directions at unit variance.

    Args:
        rows: (n, d), centred.
        width: c, at most d.

    Raises:
        ValueError: the rows do not span so many directions.
    """
    values, vectors = np.linalg.eigh(rows.T.astype(np.float64) @ rows / len(rows))
    values, vectors = values[::-1][:width], vectors[:, ::-1][:, :width]
    if width > rows.shape[1] or values[-1] < 1e-9 * values[0]:
        spanned = int((values > 1e-9 * values[0]).sum())
        raise ValueError(
            f"the rows span {spanned} directions, {width} are needed\nGive more rows that differ, or pairs: fit(…)"
        )
    made: np.ndarray = vectors / np.sqrt(values)
    return made


def fast_ica(white: np.ndarray, rng: np.random.Generator, rounds: int = _ROUNDS) -> Axes:
    """Symmetric FastICA with tanh, from a random orthogonal start.

    W <- orth(Z' tanh(Z W) / n - W diag(mean(1 - tanh^2))), until no axis moves by more than 1e-3 (1 - |cos|).

    Args:
        white: (n, c) float32, whitened.
        rng: of the start.
        rounds: at most.

    Reference: Hyvärinen, Fast and robust fixed-point algorithms for independent component analysis, 1999.
    """
    n, c = white.shape
    across = np.ascontiguousarray(white.T)
    turn = _orthogonal(rng.standard_normal((c, c)))
    settled = False
    for _ in range(rounds):
        bent = turn.T.astype(np.float32) @ across
        np.tanh(bent, out=bent)
        slope = 1 - np.einsum("cn,cn->c", bent, bent) / n
        new = _orthogonal((bent @ white).T.astype(np.float64) / n - turn * slope)
        settled = bool((1 - np.abs((new * turn).sum(axis=0))).max() < _TOLERANCE)
        turn = new
        if settled:
            break
    values = white @ turn.astype(np.float32)
    sign = np.where(np.einsum("nc,nc,nc->c", values, values, values) < 0, -1.0, 1.0)
    return Axes(turn * sign, values * sign.astype(np.float32), settled)


def _orthogonal(matrix: np.ndarray) -> np.ndarray:
    """M (M'M)^-1/2: the nearest orthogonal matrix of a square one."""
    values, vectors = np.linalg.eigh(matrix.T @ matrix)
    made: np.ndarray = matrix @ (vectors / np.sqrt(np.maximum(values, 1e-12))) @ vectors.T
    return made
