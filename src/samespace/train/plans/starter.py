"""The starter: pictures and sounds into the space of the text model, by a trunk that learned ImageNet; one small file.

Features of all pictures and recordings are computed once; heads are fitted on them in minutes (starter_fit.py), one for
each kind of pictures with a gate before them, and written with the trunk, in float16, as `starter:FILE` reads it. What
starter_rows.py keeps apart is never seen. Everything drawn comes from the seed, and sets and rows come in the order of
the folder.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from samespace.encode import starter_file
from samespace.encode.experts import Experts
from samespace.encode.load import load as load_encoder
from samespace.encode.looks import PARTS, shaped
from samespace.train.material import SHARES, Material, balanced
from samespace.train.starter_fit import Folded, Said, Whitening, closed, contrastive, gate, replayed, summed
from samespace.train.starter_rows import Row

__all__ = ["KINDS", "Config", "Kind", "pictures", "run", "sounds"]


@dataclass(frozen=True)
class Kind:
    """A kind of pictures with a head of its own: its sets, and factors upon the settings of the plan."""

    sets: tuple[str, ...]
    ridge: float = 1.0
    conse: float = 1.0
    replay: float = 1.0


KINDS: Mapping[str, Kind] = {
    "scenes": Kind(("openstax_figures", "cooking_photos"), ridge=2),
    "stories": Kind(("storybook_pages",), conse=0.4),
    "groceries": Kind(("grocery_photos",), conse=0.15, replay=0.3),  # ImageNet names few of a shop's products
    "signs": Kind(("emoji_names",)),
}


@dataclass(frozen=True)
class Config:
    """Settings of the plan."""

    data: Path  # folder of the sets, each with its manifest.parquet
    out: Path  # folder for starter.safetensors and for what is computed on the way
    text: str = "multilingual-e5-small"  # text encoder into whose space pictures and sounds are put; stays as it is
    side: int = 192  # of a picture, in pixels
    parts: int = 0  # views of a picture or sound beside the whole, to train on
    width: int = 1400  # of the whitened features
    ridge: float = 1.5  # strength of the closed form, in units of a feature's mean variance
    epochs: int = 10  # passes of the contrastive head
    batch: int = 768  # pictures
    learning_rate: float = 6e-4  # at its peak
    replay: float = 0.6  # share of the loss on ImageNet's classes
    closed: float = 0.7  # share of the closed form beside the contrastive head
    conse: float = 0.7  # share of ConSE beside a head; as ridge and replay, by KINDS more or less for some kinds
    rank: int = 192  # of each head
    home: float = 0.3  # by how much, of 1, another kind must look surer than the first to have a picture for its own
    sharp: float = 0.5  # what the classifier's logits are multiplied by in ConSE
    top: int = 10  # classes that ConSE takes
    sound_ridge: float = 0.3  # strength of the closed form of sounds, in units of a feature's mean variance
    seed: int = 0  # of views, order, captions and dropout

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch, self.width, self.top, self.rank) < 1 or self.parts < 0 or self.side < 96:
            raise ValueError("epochs, batch, width, top and rank must be at least 1, side at least 96\nSet them so")


def run(config: Config, tell: Callable[[Mapping[str, float]], None] = lambda point: None) -> Path:
    """Train; returns `out`, with starter.safetensors. What was computed before is not computed again."""
    made = Material(
        config.data, load_encoder(config.text), config.out / "features", config.side, config.parts, config.seed
    )
    mean = made.middle([row for name in SHARES for row in made.rows[name] if not row.apart])
    seen = pictures(made, config, mean)
    heard = sounds(made, config, mean, keep=lambda row: not row.apart)
    tensors = {f"net.{name}": rows.numpy() for name, rows in made.net.state_dict().items()}
    tensors |= seen.tensors() | {"mean": mean, "sound.weight": heard.weight, "sound.bias": heard.bias}
    tensors |= {"names": _unit(made.names - mean)}
    facts = {"text": config.text, "target": made.text.space.to_dict(), "side": config.side}
    facts |= {"conse": list(seen.conse), "kinds": list(KINDS), "sharp": config.sharp, "top": config.top}
    settings = {k: v for k, v in asdict(config).items() if k not in ("data", "out")}
    starter_file.save(config.out / "starter.safetensors", tensors, facts | {"config": settings})
    return config.out


def pictures(
    made: Material,
    config: Config,
    mean: np.ndarray,
    keep: Callable[[str, Row], bool] = lambda name, row: True,
    deal: int | None = None,
) -> Experts:
    """The heads of pictures and their gate.

    Args:
        made: features and texts.
        config: how to fit.
        mean: (dt) of texts.
        keep: what to train on, of what is not apart: by set and row.
        deal: a seed to deal captions and the names of replayed classes out anew, kind by kind: the control.
    """
    heads, looked, drawn = list[tuple[np.ndarray, ...]](), list[np.ndarray](), list[np.ndarray]()
    kinds, conse = list[int](), list[float]()
    for number, kind in enumerate(KINDS.values()):
        at = {n: [i for i, r in enumerate(made.rows[n]) if not r.apart and keep(n, r)] for n in kind.sets}
        rows = {n: [made.rows[n][i] for i in some] for n, some in at.items() if some}
        weights = balanced(rows, SHARES)
        plain = [np.concatenate([made.seen(n, view)[at[n]] for n in rows]) for view in range(config.parts + 1)]
        said = made.said([row for some in rows.values() for row in some], weights, mean, deal)
        looks = [shaped(view) for view in plain]
        own = replace(config, ridge=config.ridge * kind.ridge, replay=config.replay * kind.replay)
        heads.append(_head(made, own, mean, plain[0], looks, said, deal).narrow(looks[0], config.rank))
        conse.append(config.conse * kind.conse)
        kinds += [number] * len(weights)
        looked.append(looks[0])
        drawn.append(weights)
    told = np.concatenate(looked), np.array(kinds), np.concatenate(drawn)
    apart = gate(*told, config.ridge, config.width, PARTS)
    apart.bias[0] += config.home
    up, down, bias = (np.stack(part) for part in zip(*heads, strict=True))
    return Experts(up, down, bias, apart.weight, apart.bias, conse)


def _head(
    made: Material,
    config: Config,
    mean: np.ndarray,
    plain: np.ndarray,
    looks: list[np.ndarray],
    said: Said,
    deal: int | None,
) -> Folded:
    """The head of one kind, from looks as they are (n, 2784) and views of them as heads take them."""
    whitening = Whitening.fit(looks[0], said.weights, config.ridge, config.width, PARTS)
    views = [whitening(view) for view in looks]
    start = closed(views, said)
    classes, names = replayed(plain, made.net.classifier.weight.numpy()), _unit(made.names - mean)
    if deal is not None:
        names = names[np.random.default_rng(deal).permutation(len(names))]
    weight, bias = contrastive(
        views, said, start / np.linalg.norm(views[0] @ start.T, axis=1).mean(),
        replay=(whitening(shaped(classes)), names),
        epochs=config.epochs, batch=config.batch, learning_rate=config.learning_rate, replay_weight=config.replay,
        seed=config.seed,
    )  # fmt: skip
    flat = np.zeros(len(start), np.float32)
    return summed(whitening, looks[0], [(weight, bias, 1.0), (start, flat, config.closed)])


def sounds(
    made: Material,
    config: Config,
    mean: np.ndarray,
    sets: tuple[str, ...] = ("environment_sounds", "instrument_samples"),
    keep: Callable[[Row], bool] = lambda row: True,
    deal: int | None = None,
) -> Folded:
    """The head of recordings, in closed form. Arguments as those of `pictures`; `sets` whose recordings are heard."""
    at = {name: [i for i, row in enumerate(made.rows[name]) if keep(row)] for name in sets}
    rows = {name: [made.rows[name][i] for i in some] for name, some in at.items() if some}
    weights = balanced(rows, dict.fromkeys(rows, 1.0))
    said = made.said([row for some in rows.values() for row in some], weights, mean, deal)
    plain = [np.concatenate([made.heard(n, view)[at[n]] for n in rows]) for view in range(config.parts + 1)]
    plain = [_unit(view) for view in plain]
    whitening = Whitening.fit(plain[0], weights, config.sound_ridge, config.width)
    head = closed([whitening(view) for view in plain], said)
    return summed(whitening, plain[0], [(head, np.zeros(len(head), np.float32), 1.0)])


def _unit(rows: np.ndarray) -> np.ndarray:
    made: np.ndarray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return made
