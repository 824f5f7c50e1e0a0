"""What the settings of plans may be: a name means the same in every plan, so its range stands once.

Knows nothing of any one plan. Imports the standard library only.
"""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

__all__ = ["apart", "check"]

_MODELS = ("base", "tower", "target", "text", "teacher")  # folders, or scheme:folder
_SHARES = ("held_out",)  # in (0, 1)
_ABOVE = ("learning_rate", "temperature", "scale", "ridge")
_LEAST: Mapping[str, int] = {
    **dict.fromkeys(("epochs", "batch", "every", "piece", "rank", "dim", "hidden", "tokens", "max_tokens"), 1),
    **dict.fromkeys(("width", "top"), 1),
    **dict.fromkeys(("weight_decay", "dropout", "negatives", "start", "parts", "seed"), 0),
    "side": 96,  # pixels, as of lite0:
    "fitted": 2,  # of one item nothing can be told from its mean
}


def apart(out: Path, model: Path) -> None:
    """Raise ValueError if a model's own folder is, or holds, what is written: it would be another model then."""
    if model.is_dir() and out.resolve().is_relative_to(model.resolve()):
        raise ValueError(f"out is {out}, in the folder of the model {model}\nName a folder elsewhere: --out FOLDER")


def check(config: Any) -> None:
    """Raise ValueError for the first setting of a plan that is out of its range; None is in it."""
    for model in filter(None, (getattr(config, name, None) for name in _MODELS)):
        _, colon, rest = str(model).partition(":")
        if place := rest if colon else str(model):
            apart(config.out, Path(place).expanduser())
    for field in fields(config):
        name, value = field.name, getattr(config, field.name)
        if value is None:
            continue
        if name in _SHARES and not 0 < value < 1:
            raise ValueError(f"{name} is {value}\nUse a share between 0 and 1")
        if name in _ABOVE and value <= 0:
            raise ValueError(f"{name} is {value}\nUse a number above 0")
        if name in _LEAST and value < _LEAST[name]:
            raise ValueError(f"{name} is {value}\nUse at least {_LEAST[name]}")
        if name == "dropout" and value >= 1:
            raise ValueError(f"{name} is {value}\nUse a share below 1")
        if name == "start" and value == 1:
            raise ValueError(f"{name} is {value}\nUse 0, or at least 2: of one nothing can be told from its mean")
