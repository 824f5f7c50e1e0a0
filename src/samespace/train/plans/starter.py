"""The starter: pictures and sounds into the space of the text model, by a trunk that learned ImageNet; one small file.

Features of all pictures and recordings are computed once; heads are fitted on them in seconds (starter_fit.py), one for
each kind of pictures with a gate before them, and written with the trunk, in float16, as `starter:FILE` reads it. What
starter_rows.py keeps apart is never seen. Everything drawn comes from the seed, and sets and rows come in the order of
the folder.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from samespace.encode import starter_file
from samespace.encode.experts import Experts
from samespace.encode.load import load as load_encoder
from samespace.encode.looks import PARTS, shaped
from samespace.train import limits
from samespace.train.material import SHARES, Material, balanced
from samespace.train.starter_fit import Folded, closed, gate
from samespace.train.starter_rows import Row
from samespace.translate.near import unit

__all__ = ["KINDS", "Config", "Kind", "pictures", "run", "sounds"]


@dataclass(frozen=True)
class Kind:
    """A kind of pictures with a head of its own: its sets, and how that is fitted (starter_fit.closed)."""

    sets: tuple[str, ...]
    ridge: float
    power: float


KINDS: Mapping[str, Kind] = {
    "scenes": Kind(("openstax_figures", "cooking_photos"), ridge=3, power=0.4),
    "stories": Kind(("storybook_pages",), ridge=1.5, power=0.4),
    "groceries": Kind(("grocery_photos",), ridge=0.3, power=0.5),  # few names, much alike, many pictures of each
    "signs": Kind(("emoji_names",), ridge=1.5, power=0.2),
}


@dataclass(frozen=True)
class Config:
    """Settings of the plan."""

    data: Path  # folder of the sets, each with its manifest.parquet
    out: Path  # folder for starter.safetensors and for what is computed on the way
    text: str = "multilingual-e5-small"  # text encoder into whose space pictures and sounds are put; stays as it is
    side: int = 192  # of a picture, in pixels
    parts: int = 1  # views of a picture beside the whole, to train on
    width: int = 1400  # of the whitened features
    ridge: float = 1.0  # times the strength that KINDS has for a kind
    rank: int = 192  # of each head
    gate_ridge: float = 1.5  # strength of the gate's closed form, in units of a feature's mean variance
    home: float = 0.3  # by how much, of 1, another kind must look surer than the first to have a picture for its own
    conse: float = 0.7  # share of ConSE beside a head
    sharp: float = 0.5  # what the classifier's logits are multiplied by in ConSE
    top: int = 10  # classes that ConSE takes
    sound_ridge: float = 0.3  # strength of the closed form of sounds, in units of a feature's mean variance
    sound_power: float = 0.3  # of what is said of sounds (starter_fit.closed)
    seed: int = 0  # of views

    def __post_init__(self) -> None:
        limits.check(self)


def run(config: Config, tell: Callable[[Mapping[str, float]], None] = lambda point: None) -> Path:
    """Train; returns `out`, with starter.safetensors. What was computed before is not computed again."""
    made = Material(
        config.data, load_encoder(config.text), config.out / "features", config.side, config.parts, config.seed
    )
    views = [(name, view) for name in SHARES for view in range(config.parts + 1)]
    for step, (name, view) in enumerate(views, 1):
        tell({"step": step, "of": len(views), "pictures": len(made.seen(name, view))})
    mean = made.middle([row for name in SHARES for row in made.rows[name] if not row.apart])
    seen = pictures(made, config, mean)
    heard = sounds(made, config, mean, keep=lambda row: not row.apart)
    tensors = {f"net.{name}": rows.numpy() for name, rows in made.net.state_dict().items()}
    tensors |= seen.tensors() | {"mean": mean, "sound.weight": heard.weight, "sound.bias": heard.bias}
    tensors |= {"names": unit(made.names - mean)}
    facts = {"text": config.text, "target": made.text.space.to_dict(), "side": config.side}
    facts |= {"conse": config.conse, "kinds": list(KINDS), "sharp": config.sharp, "top": config.top}
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
        deal: a seed to deal captions out anew, kind by kind: the control.
    """
    heads, looked, drawn, kinds = list[tuple[np.ndarray, ...]](), list[np.ndarray](), list[np.ndarray](), list[int]()
    for number, kind in enumerate(KINDS.values()):
        at = {n: [i for i, r in enumerate(made.rows[n]) if not r.apart and keep(n, r)] for n in kind.sets}
        rows = {n: [made.rows[n][i] for i in some] for n, some in at.items() if some}
        weights = balanced(rows, SHARES)
        said = made.said([row for some in rows.values() for row in some], weights, mean, deal)
        views = [shaped(np.concatenate([made.seen(n, v)[at[n]] for n in rows])) for v in range(config.parts + 1)]
        head = closed(views, said, config.ridge * kind.ridge, config.width, PARTS, kind.power)
        heads.append(head.narrow(views[0], config.rank))
        looked += views
        drawn += [weights] * len(views)
        kinds += [number] * len(weights) * len(views)
    told = np.concatenate(looked), np.array(kinds), np.concatenate(drawn)
    apart = gate(*told, config.gate_ridge, config.width, PARTS)
    apart.bias[0] += config.home
    up, down, bias = (np.stack(part) for part in zip(*heads, strict=True))
    return Experts(up, down, bias, apart.weight, apart.bias, config.conse)


def sounds(
    made: Material,
    config: Config,
    mean: np.ndarray,
    sets: tuple[str, ...] = ("environment_sounds", "instrument_samples"),
    keep: Callable[[Row], bool] = lambda row: True,
    deal: int | None = None,
    order: bool = False,
) -> Folded:
    """The head of recordings of some sets, by features with or without order; other arguments as of `pictures`."""
    at = {name: [i for i, row in enumerate(made.rows[name]) if keep(row)] for name in sets}
    rows = {name: [made.rows[name][i] for i in some] for name, some in at.items() if some}
    weights = balanced(rows, dict.fromkeys(rows, 1.0))
    said = made.said([row for some in rows.values() for row in some], weights, mean, deal)
    plain = unit(np.concatenate([made.heard(n, order)[at[n]] for n in rows]))
    return closed([plain], said, config.sound_ridge, config.width, power=config.sound_power)
