"""Training of vec2vec: what is asked of generators and critics, step by step, kept so that it can go on.

Loss of a generator, each term a mean over rows and both sides:
    reconstruction   1 - cos(x, own(x))
    cycle            1 - cos(x, back(over(x)))
    geometry         |x_i x_j' - z_i z_j'| for z = own(x), over(x), back(over(x))   (vector-space preservation)
    adversary        half of D(z)^2 for translated vectors and for latents; critics learn real = 0, made = 1

Differs from the published code: geometry is also asked of the translation itself, cycles are not cut off from their
first half, layer norm stands for batch norm, and no pair is ever looked at.

Reference: Jha et al., Harnessing the Universal Geometry of Embeddings (vec2vec), arXiv:2505.12540.
Imports torch: import this module where it is used. Letters: s seeds, n rows, d width.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from samespace.translate.adversarial_net import SIDES, Nets

__all__ = ["Diverged", "Plan", "train"]

_OTHER = dict(zip(SIDES, reversed(SIDES), strict=True))
Judge = Callable[[str, Tensor], Tensor]
_EVERY = 200  # steps between looks at what happened, and between states kept


@dataclass(frozen=True)
class Plan:
    """How to train.

    Attributes:
        seeds: models side by side.
        steps: of both players.
        batch: rows of each side a step.
        hidden: width of latents and hidden layers.
        depth: linear layers of each adapter and of the backbone.
        critic: hidden width and linear layers of each critic.
        rate, critic_rate: of Adam, for generators and critics; up over the first 5 %, down over the last 40 %.
        cycle, geometry, adversary: weights beside the reconstruction's 1.
        blur: length of the noise, beside a row's own 1, on all that critics look at: what a translation cannot imitate,
            such as the other model's own noise, must not be all that they look at.
    """

    seeds: int = 8
    steps: int = 2000
    batch: int = 256
    hidden: int = 64
    depth: int = 2
    critic: tuple[int, int] = (128, 3)
    rate: float = 1e-3
    critic_rate: float = 1e-3
    cycle: float = 10.0
    geometry: float = 10.0
    adversary: float = 1.0
    blur: float = 0.0


class Diverged(ArithmeticError):
    """No seed is finite any more."""

    def __init__(self, seeds: int, step: int, rate: float) -> None:
        super().__init__(
            f"training has diverged: by step {step:,} none of {seeds} seeds is finite\n"
            f"Train more slowly: Plan(rate={rate / 10:g})"
        )


def train(
    sides: tuple[np.ndarray, np.ndarray],
    plan: Plan,
    *,
    seed: int,
    device: str = "cpu",
    keep: Path | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[Nets, np.ndarray]:
    """Train all seeds.

    Args:
        sides: (n, ds) and (m, dt) rows of the two Spaces, centred, unit length, float32.
        plan: how.
        seed: of all that is drawn.
        device: where.
        keep: file for the state of training, written now and then; if it is there, training goes on from it.
        tell: is told how far it is.

    Returns:
        The networks, and which seeds (s,) are finite.

    Raises:
        Diverged: none is.
    """
    dims = (sides[0].shape[1], sides[1].shape[1])
    seeds = [seed * 1000 + i for i in range(plan.seeds)]
    nets = Nets.of(dims, plan.hidden, plan.depth, plan.critic, seeds, device)
    rows = {side: torch.from_numpy(x).to(device) for side, x in zip(SIDES, sides, strict=True)}
    players = [
        torch.optim.Adam(parameters, lr=rate, betas=(0.5, 0.999), fused=True)
        for parameters, rate in ((nets.generators(), plan.rate), (nets.judges(), plan.critic_rate))
    ]
    draw = torch.Generator().manual_seed(seed)
    begun = _restore(keep, players, draw, _mark(plan, seed, sides)) if keep is not None and keep.exists() else 0
    alive = np.ones(plan.seeds, bool)
    for step in range(begun, plan.steps):
        for player, rate in zip(players, (plan.rate, plan.critic_rate), strict=True):
            player.param_groups[0]["lr"] = rate * _pace(step / plan.steps)
        batch = {side: x[torch.randint(len(x), (plan.seeds, plan.batch), generator=draw)] for side, x in rows.items()}
        loss = _step(nets, batch, players, plan, draw)
        if (step + 1) % _EVERY == 0 or step + 1 == plan.steps:
            alive = np.isfinite(loss.cpu().numpy())
            if not alive.any():
                raise Diverged(plan.seeds, step + 1, plan.rate)
            if keep is not None:
                _save(keep, players, draw, _mark(plan, seed, sides), step + 1)
            tell(f"step {step + 1:,} of {plan.steps:,}, loss {float(np.median(loss.cpu().numpy()[alive])):.3f}")
    return nets, alive


def _pace(done: float) -> float:
    """Share of the full rate: up over the first 5 %, down over the last 40 %."""
    return min(1.0, (done + 1e-3) / 0.05, (1 - done) / 0.4)


def _step(
    nets: Nets, batch: dict[str, Tensor], players: list[torch.optim.Adam], plan: Plan, draw: torch.Generator
) -> Tensor:
    """One step of both players; the generators' loss of each seed (s,)."""
    latent = {side: nets.latent(batch[side], side) for side in SIDES}
    over = {_OTHER[side]: nets.leave(latent[side], _OTHER[side]) for side in SIDES}  # by where they arrive

    def judge(name: str, rows: Tensor) -> Tensor:
        noise = torch.randn(rows.shape, generator=draw).to(rows.device)
        return nets.critics[name](rows + noise * (plan.blur * rows.shape[-1] ** -0.5))

    loss = plan.adversary * _fooled(judge, latent, over)
    for side in SIDES:
        x, own = batch[side], nets.leave(latent[side], side)
        inner = x @ x.mT
        there = over[_OTHER[side]]
        back = nets.leave(nets.latent(there, _OTHER[side]), side)
        loss = loss + _apart(x, own) + plan.cycle * _apart(x, back)
        loss = loss + plan.geometry * (_bent(inner, own) + _bent(inner, there) + _bent(inner, back))
    critics, generators = players[1], players[0]
    generators.zero_grad(set_to_none=True)
    loss.sum().backward()  # type: ignore[no-untyped-call]
    generators.step()
    seen = {name: (batch[name], over[name].detach()) for name in SIDES}
    seen["latent"] = (latent["source"].detach(), latent["target"].detach())
    critics.zero_grad(set_to_none=True)
    judged = torch.stack([_judged(judge, name, *pair) for name, pair in seen.items()])
    judged.sum().backward()  # type: ignore[no-untyped-call]
    critics.step()
    return loss.detach()


def _fooled(judge: Judge, latent: dict[str, Tensor], over: dict[str, Tensor]) -> Tensor:
    """What critics make of translations, and of which side a latent is from; least squares."""
    made = torch.zeros_like(latent["source"][:, 0, 0])
    for name in SIDES:
        made = made + (judge(name, over[name]) ** 2).mean(dim=(1, 2))
    for side, wanted in (("source", 1.0), ("target", 0.0)):  # each side's latents pass for the other's
        made = made + ((judge("latent", latent[side]) - wanted) ** 2).mean(dim=(1, 2)) / 2
    return 0.5 * made


def _judged(judge: Judge, name: str, real: Tensor, made: Tensor) -> Tensor:
    """A critic's own loss: real rows are 0, made ones 1."""
    wrong: Tensor = (judge(name, real) ** 2).mean(dim=(1, 2)) + ((judge(name, made) - 1) ** 2).mean(dim=(1, 2))
    return wrong


def _apart(x: Tensor, z: Tensor) -> Tensor:
    """1 - cos, row by row: (s,)."""
    return 1 - torch.nn.functional.cosine_similarity(x, z, dim=-1).mean(dim=1)


def _bent(inner: Tensor, z: Tensor) -> Tensor:
    """How much the inner products of z within a batch differ from `inner` (s, n, n): (s,)."""
    return (inner - z @ z.mT).abs().mean(dim=(1, 2))


def _save(keep: Path, players: list[torch.optim.Adam], draw: torch.Generator, mark: str, step: int) -> None:
    """Write the state in one piece: a run that is killed leaves the last one."""
    from safetensors.torch import save_file

    tensors = {"draw": draw.get_state()}
    for p, player in enumerate(players):
        for i, parameter in enumerate(player.param_groups[0]["params"]):
            tensors[f"{p}.{i}"] = parameter.detach()
            tensors |= {f"{p}.{i}.{name}": value for name, value in player.state[parameter].items()}
    keep.parent.mkdir(parents=True, exist_ok=True)
    part = keep.with_name(keep.name + ".part")
    save_file({name: value.contiguous() for name, value in tensors.items()}, part, {"of": mark, "step": str(step)})
    part.replace(keep)


def _restore(keep: Path, players: list[torch.optim.Adam], draw: torch.Generator, mark: str) -> int:
    """The step that is next. Raises ValueError if the state is of another training."""
    from safetensors import safe_open

    with safe_open(keep, "pt") as file:
        notes = file.metadata() or {}
        if notes.get("of") != mark:
            raise ValueError(f"{keep} is the state of another training\nDelete it, or keep this one elsewhere")
        draw.set_state(file.get_tensor("draw"))
        names = list(file.keys())
        for p, player in enumerate(players):
            for i, parameter in enumerate(player.param_groups[0]["params"]):
                parameter.data.copy_(file.get_tensor(f"{p}.{i}"))
                lead = f"{p}.{i}."
                player.state[parameter] = {
                    name.removeprefix(lead): file.get_tensor(name).to(parameter.device if "avg" in name else "cpu")
                    for name in names if name.startswith(lead)
                }  # fmt: skip
    return int(notes["step"])


def _mark(plan: Plan, seed: int, sides: tuple[np.ndarray, np.ndarray]) -> str:
    """Of all that decides a training."""
    made = hashlib.blake2b(json.dumps([asdict(plan), seed]).encode(), digest_size=16)
    for side in sides:
        made.update(np.ascontiguousarray(side).tobytes())
    return made.hexdigest()
