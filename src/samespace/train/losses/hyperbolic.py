"""Losses in hyperbolic space, where general things lie near the origin and special ones beyond them.

A caption says less than its picture, so the caption's cone should hold the picture. `score="distance"` is MERU, which
also pulls pairs together; `score="angle"` ranks by the angle outside the caption's axis alone, which does not work
against that order and leaves the gap between modalities as it is.

Points are written by their space part x; time is x_t = sqrt(1/c + |x|²). Letters: n rows, d width, c curvature.
"""

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from samespace.train.losses.citizen import EmbeddingLoss

__all__ = ["HyperbolicLoss", "aperture", "distance", "exterior_angle", "hyperbolic_loss", "lift"]

_NEAR = 1e-6  # of a cosine to ±1, where acos has no finite slope
_TINY = 1e-12
_FAR = math.asinh(2.0**15)


def lift(vectors: Tensor, curvature: Tensor) -> Tensor:
    """Euclidean vectors to points, by the exponential map at the origin.

    x = sinh(sqrt(c)|v|) v / (sqrt(c)|v|), sqrt(c)|v| held below asinh(2^15)

    Args:
        vectors: (n, d), not at unit length: their length becomes depth.
        curvature: scalar c > 0; the space has curvature -c.

    Returns:
        (n, d) the points' space part.

    Reference: Desai et al., Hyperbolic Image-Text Representations (MERU), arXiv:2304.09172.
    """
    length = (curvature * vectors.square().sum(dim=-1, keepdim=True) + _TINY).sqrt()
    return torch.sinh(length.clamp_max(_FAR)) * vectors / length


def distance(x: Tensor, y: Tensor, curvature: Tensor) -> Tensor:
    """Geodesic distances.

    d_ij = 2 asinh(sqrt(z_ij / 2)) / sqrt(c), z = -c <x, y>_L - 1; the same as acosh(z + 1)/sqrt(c), but exact near 0

    Args:
        x: (n, d) points.
        y: (m, d) points.
        curvature: scalar c > 0.

    Returns:
        (n, m) >= 0, with finite slope everywhere.

    Reference: as `lift`.
    """
    excess = (-curvature * _inner(x, y, curvature) - 1).clamp_min(1e-7)
    return 2 * torch.asinh((excess / 2).sqrt()) / curvature.sqrt()


def aperture(x: Tensor, curvature: Tensor, *, width: float = 0.1) -> Tensor:
    """Half the angle of each point's cone: wide near the origin.

    asin(min(1, 2 width / (sqrt(c) |x|)))

    Args:
        x: (n, d) points.
        curvature: scalar c > 0.
        width: K; cones nearer to the origin than 2K/sqrt(c) are half spaces.

    Returns:
        (n) radians in (0, pi/2).

    Reference: as `lift`.
    """
    share = 2 * width / (curvature * x.square().sum(dim=-1) + _TINY).sqrt()
    return torch.asin(share.clamp(max=1 - _NEAR))


def exterior_angle(x: Tensor, y: Tensor, curvature: Tensor) -> Tensor:
    """The angle at x between its axis, away from the origin, and the way to y.

    acos((y_t + x_t c<x, y>_L) / (|x| sqrt((c<x, y>_L)² - 1)))

    Args:
        x: (n, d) points, the general side.
        y: (m, d) points, the special side.
        curvature: scalar c > 0.

    Returns:
        (n, m) radians in (0, pi); 0 if y lies straight beyond x; chance about pi/2 or above.

    Reference: as `lift`.
    """
    inner = curvature * _inner(x, y, curvature)
    time_x, time_y = _time(x, curvature)[:, None], _time(y, curvature)[None, :]
    below = x.norm(dim=-1)[:, None] * (inner.square() - 1).clamp_min(_TINY).sqrt()
    cosine = (time_y + time_x * inner) / below.clamp_min(_TINY)
    return torch.acos(cosine.clamp(-1 + _NEAR, 1 - _NEAR))


def hyperbolic_loss(
    general: Tensor,
    special: Tensor,
    curvature: Tensor,
    temperature: Tensor,
    *,
    score: Literal["angle", "distance"] = "angle",
    entailment: float = 0.2,
) -> Tensor:
    """Tell each pair from the others of the batch, and hold the special side in the general side's cone.

    (CE(S/T) + CE(Sᵀ/T))/2 + entailment · mean_i max(0, angle(x_i, y_i) - aperture(x_i)), S = -angle or -distance

    Args:
        general: (n, d) Euclidean vectors before `lift`: captions.
        special: (n, d): pictures; row i matches row i.
        curvature: scalar c > 0.
        temperature: scalar T > 0.
        score: what ranks.
        entailment: weight of the cone, >= 0.

    Returns:
        scalar; chance log(n) + entailment · about (pi/2 - aperture).

    Reference: distance: as `lift`; angle: Ramasinghe et al., Accept the Modality Gap, CVPR 2024.
    """
    x, y = lift(general, curvature), lift(special, curvature)
    angles = exterior_angle(x, y, curvature)
    logits = -(angles if score == "angle" else distance(x, y, curvature)) / temperature
    own = torch.arange(len(x), device=x.device)
    both = (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2
    outside = functional.relu(angles.diagonal() - aperture(x, curvature)).mean()
    return both + entailment * outside


def _time(x: Tensor, curvature: Tensor) -> Tensor:
    return (1 / curvature + x.square().sum(dim=-1)).sqrt()


def _inner(x: Tensor, y: Tensor, curvature: Tensor) -> Tensor:
    """Lorentz products (n, m): <x, y> - x_t y_t."""
    return x @ y.T - _time(x, curvature)[:, None] * _time(y, curvature)[None, :]


class HyperbolicLoss(EmbeddingLoss):
    """`hyperbolic_loss` for the trainer: columns general, special; put the caption first.

    Curvature, temperature and a scale for each side are learned, held as in the reference: the curvature within a
    factor of ten of 1, the temperature at .01 or above, the scales at 1 or below. The model must not normalise.
    """

    citation: ClassVar[str] = """
@misc{desai2023meru,
    title={Hyperbolic Image-Text Representations},
    author={Karan Desai and Maximilian Nickel and Tanmay Rajpurohit and Justin Johnson and Ramakrishna Vedantam},
    year={2023}, eprint={2304.09172}, archivePrefix={arXiv}
}
@inproceedings{ramasinghe2024accept,
    title={Accept the Modality Gap: An Exploration in the Hyperbolic Space},
    author={Sameera Ramasinghe and Violetta Shevchenko and Gil Avraham and Ajanthan Thalaiyasingam},
    booktitle={CVPR}, year={2024}
}
"""

    def __init__(
        self,
        model: Any,
        *,
        dim: int,
        score: Literal["angle", "distance"] = "angle",
        entailment: float = 0.2,
        temperature: float = 0.07,
        **settings: Any,
    ) -> None:
        if score not in ("angle", "distance") or temperature <= 0 or entailment < 0:
            raise ValueError(
                f"score {score!r}, temperature {temperature}, entailment {entailment}\n"
                "Use score 'angle' or 'distance', temperature > 0, entailment >= 0"
            )
        own = {"dim": dim, "score": score, "entailment": entailment, "temperature": temperature}
        super().__init__(model, own, **settings)
        self.score, self.entailment = score, entailment
        self.log_curvature = nn.Parameter(torch.tensor(0.0))
        self.log_temperature = nn.Parameter(torch.tensor(math.log(temperature)))
        self.log_scales = nn.Parameter(torch.full((2,), -0.5 * math.log(dim)))

    def of(self, columns: Sequence[Tensor], labels: Tensor | None) -> Tensor:
        """See `hyperbolic_loss`."""
        general, special = columns
        curvature = self.log_curvature.clamp(-math.log(10), math.log(10)).exp()
        temperature = self.log_temperature.clamp_min(math.log(0.01)).exp()
        first, second = self.log_scales.clamp_max(0.0).exp()
        return hyperbolic_loss(
            general * first,
            special * second,
            curvature,
            temperature,
            score=self.score,
            entailment=self.entailment,
        )
