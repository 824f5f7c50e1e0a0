"""The starter: pictures and sounds into the space of the text model, by a trunk that learned ImageNet; one small file.

Features of all pictures and recordings are computed once; heads are fitted on them in a minute (starter_fit.py), summed
to one, and written with the trunk, in float16, as `starter:FILE` reads it. What starter_rows.py keeps apart is never
seen. Everything drawn comes from the seed, and sets and rows come in the order of the folder.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from samespace.encode import starter_file
from samespace.encode.load import load as load_encoder
from samespace.train.material import SHARES, Material, balanced
from samespace.train.starter_fit import Folded, Whitening, contrastive, replayed, ridge, summed
from samespace.train.starter_rows import Row

__all__ = ["Config", "pictures", "run", "sounds"]


@dataclass(frozen=True)
class Config:
    """Settings of the plan."""

    data: Path  # folder of the sets, each with its manifest.parquet
    out: Path  # folder for starter.safetensors and for what is computed on the way
    text: str = "multilingual-e5-small"  # text encoder into whose space pictures and sounds are put; stays as it is
    side: int = 192  # of a picture, in pixels
    parts: int = 1  # views of a picture beside the whole: parts of it, mirrored or not
    width: int = 768  # of the whitened features
    ridge: float = 0.3  # strength of the closed form, in units of a feature's variance
    epochs: int = 12  # passes of the contrastive head
    batch: int = 768  # pictures
    learning_rate: float = 2e-3  # at its peak
    closed: float = 0.5  # share of the closed form beside the contrastive head
    conse: float = 0.7  # share of ConSE beside both
    sharp: float = 1.0  # what the classifier's logits are multiplied by in ConSE
    top: int = 10  # classes that ConSE takes
    sound_ridge: float = 0.3  # strength of the closed form of sounds
    seed: int = 0  # of views, order, captions and dropout

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch, self.width, self.top) < 1 or self.parts < 0 or self.side < 96:
            raise ValueError("epochs, batch, width and top must be at least 1, side at least 96\nSet them so")


def run(config: Config, tell: Callable[[Mapping[str, float]], None] = lambda point: None) -> Path:
    """Train; returns `out`, with starter.safetensors. What was computed before is not computed again."""
    made = Material(
        config.data, load_encoder(config.text), config.out / "features", config.side, config.parts, config.seed
    )
    mean = made.middle([row for name in SHARES for row in made.rows[name] if not row.apart])
    seen = pictures(made, config, mean)
    heard = sounds(made, config, mean)
    names = made.names - mean
    tensors = {f"net.{name}": rows.numpy() for name, rows in made.net.state_dict().items()}
    tensors |= {"picture.weight": seen.weight, "picture.bias": seen.bias, "mean": mean}
    tensors |= {"sound.weight": heard.weight, "sound.bias": heard.bias}
    tensors |= {"names": names / np.linalg.norm(names, axis=1, keepdims=True)}
    facts = {"text": config.text, "target": made.text.space.to_dict(), "side": config.side}
    facts |= {name: getattr(config, name) for name in ("conse", "sharp", "top")}
    settings = {k: v for k, v in asdict(config).items() if k not in ("data", "out")}
    starter_file.save(config.out / "starter.safetensors", tensors, facts | {"config": settings})
    return config.out


def pictures(
    made: Material,
    config: Config,
    mean: np.ndarray,
    keep: Callable[[str, Row], bool] = lambda name, row: True,
    deal: int | None = None,
) -> Folded:
    """The head of pictures.

    Args:
        made: features and texts.
        config: how to fit.
        mean: (dt) of texts.
        keep: what to train on, of what is not apart: by set and row.
        deal: a seed to deal captions out anew: the control.
    """
    at = {n: [i for i, r in enumerate(made.rows[n]) if not r.apart and keep(n, r)] for n in SHARES}
    rows = {n: [made.rows[n][i] for i in some] for n, some in at.items() if some}
    weights = balanced(rows, SHARES)
    said = made.said([row for some in rows.values() for row in some], weights, mean, deal)
    plain = [np.concatenate([made.seen(n, view)[at[n]] for n in rows]) for view in range(config.parts + 1)]
    whitening = Whitening.fit(plain[0], weights, config.width)
    views = [whitening(view) for view in plain]
    closed = ridge(views, said, config.ridge)
    names = made.names - mean
    names /= np.linalg.norm(names, axis=1, keepdims=True)
    classes = whitening(replayed(plain[0], made.net.classifier.weight.numpy()))
    weight, bias = contrastive(
        views, said, np.zeros_like(closed), replay=(classes, names), epochs=config.epochs, batch=config.batch,
        learning_rate=config.learning_rate, seed=config.seed,
    )  # fmt: skip
    flat = np.zeros(len(closed), np.float32)
    return summed(whitening, plain[0], [(weight, bias, 1.0), (closed, flat, config.closed)])


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
    plain = [view / np.linalg.norm(view, axis=1, keepdims=True) for view in plain]
    whitening = Whitening.fit(plain[0], weights, min(config.width, len(weights) - 1))
    closed = ridge([whitening(view) for view in plain], said, config.sound_ridge)
    return summed(whitening, plain[0], [(closed, np.zeros(len(closed), np.float32), 1.0)])
