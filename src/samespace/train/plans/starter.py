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
from samespace.encode.looks import PARTS, shaped
from samespace.train.material import SHARES, Material, balanced
from samespace.train.starter_fit import Folded, Whitening, closed, contrastive, replayed, summed
from samespace.train.starter_rows import Row

__all__ = ["Config", "pictures", "run", "sounds"]


@dataclass(frozen=True)
class Config:
    """Settings of the plan."""

    data: Path  # folder of the sets, each with its manifest.parquet
    out: Path  # folder for starter.safetensors and for what is computed on the way
    text: str = "multilingual-e5-small"  # text encoder into whose space pictures and sounds are put; stays as it is
    side: int = 192  # of a picture, in pixels
    parts: int = 0  # views of a picture or sound beside the whole, to train on
    width: int = 1400  # of the whitened features
    ridge: float = 0.4  # strength of the closed form, in units of a feature's mean variance
    epochs: int = 10  # passes of the contrastive head
    batch: int = 768  # pictures
    learning_rate: float = 6e-4  # at its peak
    replay: float = 0.6  # share of the loss on ImageNet's classes
    closed: float = 0.7  # share of the closed form beside the contrastive head
    conse: float = 0.4  # share of ConSE beside both
    sharp: float = 0.5  # what the classifier's logits are multiplied by in ConSE
    top: int = 10  # classes that ConSE takes
    sound_ridge: float = 0.3  # strength of the closed form of sounds, in units of a feature's mean variance
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
    tensors = {f"net.{name}": rows.numpy() for name, rows in made.net.state_dict().items()}
    tensors |= {"picture.weight": seen.weight, "picture.bias": seen.bias, "mean": mean}
    tensors |= {"sound.weight": heard.weight, "sound.bias": heard.bias}
    tensors |= {"names": _unit(made.names - mean)}
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
        deal: a seed to deal captions and the names of replayed classes out anew: the control.
    """
    at = {n: [i for i, r in enumerate(made.rows[n]) if not r.apart and keep(n, r)] for n in SHARES}
    rows = {n: [made.rows[n][i] for i in some] for n, some in at.items() if some}
    weights = balanced(rows, SHARES)
    said = made.said([row for some in rows.values() for row in some], weights, mean, deal)
    plain = [np.concatenate([made.seen(n, view)[at[n]] for n in rows]) for view in range(config.parts + 1)]
    looks = [shaped(view) for view in plain]
    whitening = Whitening.fit(looks[0], weights, config.ridge, config.width, PARTS)
    views = [whitening(view) for view in looks]
    start = closed(views, said)
    classes, names = replayed(plain[0], made.net.classifier.weight.numpy()), _unit(made.names - mean)
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
