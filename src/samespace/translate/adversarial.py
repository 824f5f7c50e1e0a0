"""Translate without pairs by adversaries (vec2vec): both Spaces through one latent that critics cannot tell apart.

Several seeds are trained side by side, and one is chosen by what can be seen without a pair: how well the way there and
back returns, how well geometry is kept, how like the target's own rows the translated ones lie, and above all whether
other seeds have found the same. It needs many rows and, beyond small Spaces, an accelerator; `align` does the same for
text encoders in a CPU minute. It is here for Spaces that are not a rotation apart, and to be compared with.

Differs from the published method: no pair is ever looked at, neither for stopping nor for choosing a seed; see
`adversarial_train` for the rest. A finished one is arrays and needs no torch.

Reference: Jha et al., Harnessing the Universal Geometry of Embeddings (vec2vec), arXiv:2505.12540.
Imports numpy; torch where it is trained. Letters: n, m rows, ds, dt widths, h latent width, s seeds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from samespace.errors import MissingExtraError
from samespace.space import Space, Vectors
from samespace.translate.adversarial_choice import Seen, chosen, seen
from samespace.translate.frame import Frame
from samespace.translate.near import unit

if TYPE_CHECKING:
    from samespace.translate.adversarial_net import Mlp, Nets
    from samespace.translate.adversarial_train import Plan

__all__ = ["Block", "Vec2Vec", "runs_of", "vec2vec"]

_FEWEST = 1000
_LOOK = 1000  # rows of each side, kept out of training, that seeds are chosen on
_BLOCK = 8192
_SPREAD = 1e-5  # of layer norm


@dataclass(frozen=True, eq=False)
class Block:
    """A residual MLP as arrays: layer norm and SiLU between its layers, the input added, cut or filled with zeros.

    Attributes:
        weights: each (in, out).
        biases: each (out,).
    """

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """(n, in) → (n, out)."""
        x = rows
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = x @ weight + bias
            if i + 1 < len(self.weights):
                x = x - x.mean(axis=1, keepdims=True)
                x = x / np.sqrt((x**2).mean(axis=1, keepdims=True) + _SPREAD)
                x = x / (1 + np.exp(-np.clip(x, -60, 60)))
        out: np.ndarray = x.copy()
        shared = min(x.shape[1], rows.shape[1])
        out[:, :shared] += rows[:, :shared]
        return out


@dataclass(frozen=True, eq=False)
class Vec2Vec:
    """Translate by adapter, shared backbone, adapter.

    Attributes:
        source, target: Spaces.
        before, after: their Frames.
        axes: by side, (d, d) orthogonal: the side's own axes, by falling spread, each skewed to the right.
        ways: Blocks by name: "in.source", "in.target", "middle", "out.source", "out.target".
        back: whether it leads from the one trained as target to the one trained as source.
        fidelity: share of true neighbours kept on held-out rows; None = never measured.
        facts: method, rows, seed, what was seen of every run and of this one: plain data.
    """

    source: Space
    target: Space
    before: Frame
    after: Frame
    axes: Mapping[str, np.ndarray]
    ways: Mapping[str, Block]
    back: bool = False
    fidelity: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, vectors: Vectors) -> Vectors:
        """Translate (n, ds) to (n, dt). Raises SpaceMismatchError on Vectors of another Space."""
        rows = vectors.require(self.source).data
        if not len(rows):
            return self.target.empty()
        parts = [self.carried(rows[start : start + _BLOCK]) for start in range(0, len(rows), _BLOCK)]
        return self.target.vectors(self.after.leave(np.concatenate(parts)))

    def carried(self, rows: np.ndarray) -> np.ndarray:
        """Rows (n, ds) of the source into the target's Frame: (n, dt) float64, unit length."""
        return self.brought(unit(self.before.enter(rows)))

    def brought(self, rows: np.ndarray) -> np.ndarray:
        """Rows (n, ds) of the source's Frame into the target's: (n, dt), unit length."""
        here, there = ("target", "source") if self.back else ("source", "target")
        latent = self.ways["middle"](self.ways[f"in.{here}"](rows @ self.axes[here]))
        return unit(self.ways[f"out.{there}"](latent) @ self.axes[there].T)

    def inverse(self) -> Self:
        """The way back, which was trained along with it; unmeasured."""
        return replace(
            self, source=self.target, target=self.source, before=self.after, after=self.before, back=not self.back,
            fidelity=None,
        )  # fmt: skip

    def with_fidelity(self, fidelity: float | None) -> Self:
        """The same, measured."""
        return replace(self, fidelity=fidelity)


def vec2vec(
    source: Vectors,
    target: Vectors,
    *,
    seed: int = 0,
    plan: "Plan | None" = None,
    device: str = "cpu",
    keep: str | Path | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Vec2Vec:
    """Train on rows of different items, with no pair known, and keep the best run by what needs no pair.

    Args:
        source: (n, ds), n >= 2,000; a million for Spaces that are far apart.
        target: (m, dt), of other items.
        seed: of all that is drawn; equal arguments give equal maps on the CPU.
        plan: sizes, rates, steps, runs side by side; None = Plan().
        device: where to train, as torch names it: "cpu", "cuda".
        keep: a file for the state of training; if it is there, training goes on from it, and it is taken away at the
            end. Without one a training that is stopped leaves nothing.
        tell: is told how far it is.

    Returns:
        Vec2Vec with fidelity None, and in `facts`: "runs" (what was seen of each) and "chosen".

    Raises:
        ValueError: too few rows, or `keep` is the state of another training.
        Diverged: no run is finite.
        MissingExtraError: torch is not installed.
    """
    made, best = runs_of(source, target, seed=seed, plan=plan, device=device, keep=keep, tell=tell)
    return made[best]


def runs_of(
    source: Vectors,
    target: Vectors,
    *,
    seed: int = 0,
    plan: "Plan | None" = None,
    device: str = "cpu",
    keep: str | Path | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[list[Vec2Vec], int]:
    """All runs of `vec2vec` that are finite, and the number of the one it keeps. Arguments and errors as there."""
    try:
        from samespace.translate.adversarial_train import Plan, train
    except ImportError as err:
        raise MissingExtraError("vec2vec", "torch", "encode", str(err)) from err

    for side in (source, target):
        if len(side) < _FEWEST + _LOOK:
            raise ValueError(
                f"{len(side)} rows of {side.space}: adversaries need {_FEWEST + _LOOK:,} at least, better a million\n"
                "Give more, or use align(source, target), or pairs: fit(source, target)"
            )
    plan, place = plan or Plan(), None if keep is None else Path(keep)
    frames = Frame.of(source), Frame.of(target)
    rng = np.random.default_rng(seed)
    mixed = [side[rng.permutation(len(side))] for side in (source, target)]
    x, y = (unit(f.enter(side.data[_LOOK:])) for f, side in zip(frames, mixed, strict=True))
    axes = {"source": own_axes(x), "target": own_axes(y)}
    turned = (x @ axes["source"]).astype(np.float32), (y @ axes["target"]).astype(np.float32)
    nets, alive = train(turned, plan, seed=seed, device=device, keep=place, tell=tell)
    made = [Vec2Vec(source.space, target.space, *frames, axes, ways) for ways in _finished(nets, alive)]
    some = np.arange(_LOOK)
    looks = _looked(made, mixed[0][some], mixed[1][some])
    if place is not None:
        place.unlink(missing_ok=True)
    best = chosen(looks)
    facts = {
        "method": "vec2vec", "rows": [len(source), len(target)], "seed": seed, "plan": asdict(plan), "chosen": best,
        "runs": [asdict(look) for look in looks], "diverged": int((~alive).sum()),
    }  # fmt: skip
    return [replace(one, facts={**facts, "seen": asdict(look)}) for one, look in zip(made, looks, strict=True)], best


def own_axes(rows: np.ndarray) -> np.ndarray:
    """Orthogonal (d, d): directions of falling spread of rows (n, d), each turned so that its third moment is positive.

    Where two Spaces are nearly a rotation apart, the same axes stand in the same places: the networks, which begin near
    the identity, begin near the map.
    """
    axes: np.ndarray = np.linalg.eigh(rows.T @ rows)[1][:, ::-1]
    signs = np.sign(((rows @ axes) ** 3).mean(axis=0))
    return axes * np.where(signs == 0, 1.0, signs)


def _looked(made: Sequence[Vec2Vec], source: Vectors, target: Vectors) -> list[Seen]:
    """At all runs, on rows kept out of training, in the Frames."""
    x, y = unit(made[0].before.enter(source.data)), unit(made[0].after.enter(target.data))
    over = [one.carried(source.data) for one in made]
    back = [one.inverse().brought(z) for one, z in zip(made, over, strict=True)]
    return seen(over, back, x, y)


def _finished(nets: "Nets", alive: np.ndarray) -> list[dict[str, Block]]:
    """The networks of each run that is finite, as arrays."""
    parts = {f"in.{side}": mlp for side, mlp in nets.into.items()}
    parts |= {f"out.{side}": mlp for side, mlp in nets.out.items()} | {"middle": nets.middle}
    return [{name: _block(mlp, s) for name, mlp in parts.items()} for s in range(len(alive)) if alive[s]]


def _block(mlp: "Mlp", s: int) -> Block:
    weights, biases = ([p[s].detach().cpu().numpy().copy() for p in side] for side in (mlp.weights, mlp.biases))
    return Block(tuple(weights), tuple(bias[0] for bias in biases))
