"""The losses side by side: one linear head on frozen features, from the closed form, nothing tuned for any of them.

Text → picture on photographs of three books and on emoji never trained on; the mean of three seeds. Every run: 20
passes (and one run of 5, to see what overfits), batches of 256, AdamW at 3e-5, dropout .2, texts frozen and centred.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.figure import Figure
from benchmarks.train_data import Pairs, emoji, photos
from samespace.train import batches
from samespace.train.heads import Frames, Linear, closed
from samespace.train.losses import hyperbolic, sigmoid, spread, teacher, volume
from samespace.train.losses.masked import masked_info_nce
from samespace.train.mining import clusters
from samespace.train.retrieval import recall_at_k

__all__ = ["figures"]

_SEEDS, _EPOCHS, _EARLY, _BATCH, _RATE = 3, 20, 5, 256, 3e-5
Loss = Callable[["Learned", Tensor, list[Tensor]], Tensor]


class Learned(nn.Module):
    """The head, and what any of the losses learns beside it."""

    def __init__(self, start: Tensor, temperature: float, bias: float) -> None:
        super().__init__()
        self.head = Linear(start, 0.2)
        self.log_scale = nn.Parameter(torch.tensor(1 / temperature).log())
        self.bias = nn.Parameter(torch.tensor(bias))
        self.log_curvature = nn.Parameter(torch.tensor(0.0))
        self.log_sides = nn.Parameter(torch.tensor([-1.0, 0.0]))

    @property
    def temperature(self) -> Tensor:
        return (-self.log_scale.clamp(max=4.6)).exp()

    def points(self, texts: Tensor, made: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Both sides in hyperbolic space, and its curvature."""
        curvature, (first, second) = self.log_curvature.clamp(-2.3, 2.3).exp(), self.log_sides.exp()
        return texts * first, made * second, curvature


def _both(**switches: object) -> Loss:
    def loss(m: Learned, made: Tensor, texts: list[Tensor]) -> Tensor:
        there = masked_info_nce(texts[0], made, temperature=m.temperature, **switches)  # type: ignore[arg-type]
        return (there + masked_info_nce(made, texts[0], temperature=m.temperature, **switches)) / 2  # type: ignore[arg-type]

    return loss


def _hyperbolic(score: str) -> Loss:
    def loss(m: Learned, made: Tensor, texts: list[Tensor]) -> Tensor:
        general, special, curvature = m.points(texts[0], made)
        return hyperbolic.hyperbolic_loss(general, special, curvature, m.temperature, score=score)  # type: ignore[arg-type]

    return loss


LOSSES: dict[str, tuple[Loss, float, float]] = {
    # name: loss, temperature at the start, bias at the start
    "InfoNCE, both ways": (_both(), 0.05, 0.0),
    "InfoNCE, margin .1": (_both(margin=0.1), 0.05, 0.0),
    "InfoNCE, margin .1, top 8": (_both(margin=0.1, top_k=8), 0.05, 0.0),
    "InfoNCE, same side too": (_both(same_side=True), 0.05, 0.0),
    "sigmoid": (lambda m, x, t: sigmoid.sigmoid_loss(t[0], x, m.log_scale.exp(), m.bias), 0.1, -10.0),
    "alignment + uniformity": (
        lambda m, x, t: spread.spread_loss(t[0], x, temperature=float(m.temperature.detach())),
        0.05,
        0.0,
    ),
    "teacher's rows (text to text)": (
        lambda m, x, t: teacher.teacher_rows_loss(t[0], x, t[0], t[0], temperature=0.05),
        0.05,
        0.0,
    ),
    "volume, text and picture": (lambda m, x, t: volume.volume_loss(t[0], [x], m.temperature), 0.07, 0.0),
    "volume, names in three languages": (lambda m, x, t: volume.volume_loss(x, t, m.temperature), 0.07, 0.0),
    "hyperbolic distance": (_hyperbolic("distance"), 0.07, 0.0),
    "hyperbolic angle": (_hyperbolic("angle"), 0.07, 0.0),
}


def figures(data: Path, quick: bool) -> Iterator[Figure]:
    """Recall at 10 of every loss beside the closed form it starts from, chance and shuffled texts."""
    torch.set_num_threads(1)
    seeds = 1 if quick else _SEEDS
    for where, pairs in (("photos", photos(data)), ("emoji", emoji(data))):
        (first, start), chance = _closed_form(pairs)
        n = int(pairs.test.sum())
        yield Figure(f"losses: {where}, closed form, recall@10", start, "share", peer=chance, n=n,
                     notes=f"R@1 {first:.3f}; peer: chance")  # fmt: skip
        for name, (loss, temperature, bias) in LOSSES.items():
            if "three" in name and len(pairs.texts) < 3:
                continue
            began = time.process_time()
            made = [
                _trained(pairs, loss, temperature, bias, seed, hyper=name.partition("hyperbolic ")[2])
                for seed in range(seeds)
            ]
            ten, one, gap = np.mean([[m["recall@10"], m["recall@1"], m["gap"]] for m in made], axis=0)
            each = (time.process_time() - began) / seeds
            spread_of = np.std([m["recall@10"] for m in made])
            early = _trained(pairs, loss, temperature, bias, 0, hyper=name.partition("hyperbolic ")[2], epochs=_EARLY)[
                "recall@10"
            ]
            notes = f"R@1 {one:.3f}, gap {gap:.2f}, ±{spread_of:.3f} ({seeds} seeds), {each:.1f} CPU-s"
            notes += f"; after {_EARLY} passes {early:.3f} (one seed)"
            yield Figure(f"losses: {where}, {name}, recall@10", ten, "share", peer=start, n=n, notes=notes)
        plain, temperature, bias = LOSSES["InfoNCE, both ways"]
        worst = _trained(pairs, plain, temperature, bias, 0, shuffled=True)["recall@10"]
        yield Figure(
            f"losses: {where}, shuffled texts, recall@10",
            worst,
            "share",
            chance,
            "<= chance + .05",
            worst <= chance + 0.05,
            n,
        )
        if where == "photos":
            yield from _batches(pairs, seeds, n)


def _batches(pairs: Pairs, seeds: int, n: int) -> Iterator[Figure]:
    """InfoNCE with batches of 64 drawn in three ways, and how hard each kind is."""
    train = np.flatnonzero(~pairs.test)
    side = pairs.texts["en"][train]
    cut = clusters(side, side, size=16, skip=5, window=40)
    books = [pairs.groups[i] for i in train]
    plain, temperature, bias = LOSSES["InfoNCE, both ways"]
    for name, factory in {
        "random": batches.group_by([0] * len(train)),
        "one book each": batches.group_by(books),
        "mined (B3)": batches.mined(cut),
    }.items():
        made = [_trained(pairs, plain, temperature, bias, s, factory=factory, size=64) for s in range(seeds)]
        grids = [side.data[b] @ side.data[b].T for b in factory(train, batch_size=64)]
        hard = np.mean([(g.sum() - np.trace(g)) / (g.size - len(g)) for g in grids if len(g) > 1])
        notes = f"mean cosine of a text to the others of its batch {hard:.3f}; batches of 64, {seeds} seeds"
        yield Figure(f"losses: photos, {name} batches, recall@10", float(np.mean([m["recall@10"] for m in made])),
                     "share", n=n, notes=notes)  # fmt: skip


def _closed_form(pairs: Pairs) -> tuple[tuple[float, float], float]:
    _, features, answers = _sides(pairs)
    train, test = torch.from_numpy(~pairs.test), torch.from_numpy(pairs.test)
    made = nn.functional.normalize(features @ closed(features[train], answers[0][train]).T, dim=1)
    point = recall_at_k((answers[0][test] @ made[test].T).numpy(), np.arange(int(test.sum())))
    return (point["recall@1"], point["recall@10"]), point["chance@10"]


def _sides(pairs: Pairs, dealt: np.ndarray | None = None) -> tuple[Frames, Tensor, list[Tensor]]:
    """Whitened features and centred texts of every language, fitted on the training rows."""
    order = np.arange(len(pairs.test)) if dealt is None else dealt
    train = np.flatnonzero(~pairs.test)
    frames = [Frames.fit(pairs.pictures[train], t[order][train]) for t in pairs.texts.values()]
    texts = [f.answers(t[order]) for f, t in zip(frames, pairs.texts.values(), strict=True)]
    return frames[0], frames[0].features(pairs.pictures), texts


def _trained(
    pairs: Pairs,
    loss: Loss,
    temperature: float,
    bias: float,
    seed: int,
    *,
    hyper: str = "",
    epochs: int = _EPOCHS,
    rate: float = _RATE,
    shuffled: bool = False,
    factory: Callable[..., batches.Sampler] | None = None,
    size: int = _BATCH,
) -> dict[str, float]:
    """Recall and gap on the test rows after a run."""
    train, test = np.flatnonzero(~pairs.test), np.flatnonzero(pairs.test)
    order = np.arange(len(pairs.test))
    if shuffled:
        order[train] = np.random.default_rng(seed).permutation(order[train])
    _, features, answers = _sides(pairs, order)
    torch.manual_seed(seed)
    model = Learned(closed(features[train], answers[0][train]), temperature, bias)
    optimizer = torch.optim.AdamW(model.parameters(), rate, weight_decay=0.05)
    sampler = (factory or batches.group_by([0] * len(train)))(train, batch_size=size, seed=seed)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * len(sampler))
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        for rows in sampler:
            at = train[rows]
            optimizer.zero_grad()
            loss(model, model.head(features[at]), [a[at] for a in answers]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return _measured(model, features[test], answers[0][test], hyper)


@torch.no_grad()
def _measured(model: Learned, features: Tensor, texts: Tensor, hyper: str) -> dict[str, float]:
    made = model.eval().head(features)
    unit = nn.functional.normalize(made, dim=1)
    scores = texts @ unit.T
    if hyper:
        general, special, curvature = model.points(texts, made)
        x, y = hyperbolic.lift(general, curvature), hyperbolic.lift(special, curvature)
        far = hyperbolic.exterior_angle if hyper == "angle" else hyperbolic.distance
        scores = -far(x, y, curvature)
    gap = float((texts.mean(dim=0) - unit.mean(dim=0)).norm())
    return {**recall_at_k(scores.numpy(), np.arange(len(texts))), "gap": gap}
