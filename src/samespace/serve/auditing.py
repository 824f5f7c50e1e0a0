"""What `samespace audit` does: gather what an attacker would hold and what the auditor knows, attack, say it plainly.

Imports numpy; the sides, a model and the audit are brought in by whoever calls.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from samespace.probe.audit import BASELINES, Audit, Case
from samespace.serve.sides import FileSide, IndexSide, ModelSide, read_texts, side_of
from samespace.space import Vectors
from samespace.translate.defence import Noised, Rotated, Rounded, cut_to
from samespace.translate.derived import neighbours_kept

if TYPE_CHECKING:
    from samespace.translate.protocol import Translator

__all__ = ["Gathered", "behind", "gather", "possible", "says"]

_ALONE = 1000  # rows a side that an attack without pairs needs
_LOOKED = 4000


@dataclass(frozen=True)
class Gathered:
    """A case, and what was left out of it.

    Attributes:
        case: who holds what.
        known: texts of the attacker's that are among the held items, left out.
        wordless: held rows whose item is no text, left out.
    """

    case: Case
    known: int
    wordless: int


def gather(
    source: str,
    own: str,
    texts: Path,
    *,
    items: Path | None,
    labels: Path | None,
    space: str | None,
    rows: int,
    seed: int,
    tell: Callable[[str], None],
) -> Gathered:
    """Draw rows of both sides and embed their texts by the attacker's model.

    Args:
        source: an index or a file of vectors.
        own: name of the attacker's model.
        texts: file of the attacker's texts.
        items: file of the held rows' texts, where the source does not bring them.
        labels: file of descriptions, one a line.
        space: name of the Space of a file that does not say so.
        rows: of a side, at most.
        seed: of the draw.
        tell: is told how far it is.

    Raises:
        ValueError: the held rows have no texts, or too few are left of a side.
        SamespaceError: something that cannot be opened.
    """
    side = side_of(source, space=space)
    if not isinstance(side, FileSide | IndexSide):
        raise ValueError(f"{source} is a model and holds no vectors\nGive an index, or a file of vectors")
    words = _words(side, source, items)
    rng = np.random.default_rng(seed)
    full = np.flatnonzero([bool(text.strip()) for text in words])
    held = np.sort(rng.permutation(full)[:rows])
    there = {_plain(text) for text in words}
    given = list(dict.fromkeys(read_texts(texts)))
    others = [text for text in given if _plain(text) not in there]
    mine = [others[i] for i in sorted(rng.permutation(len(others))[:rows])]
    for what, left in (("held rows with a text", len(held)), (f"texts of {texts} that are not held", len(mine))):
        if left < 2:
            raise ValueError(f"{left} {what}\nGive some thousands on each side, of the same kind")
    from samespace.encode.load import load

    encoder = load(own)

    def embedded(some: Sequence[str]) -> Vectors:
        return ModelSide(own, encoder, some, tell).vectors(np.arange(len(some)))

    described = None if labels is None else embedded(read_texts(labels))
    case = Case(side.vectors(held), embedded(mine), embedded([words[i] for i in held]), described)
    return Gathered(case, len(given) - len(others), len(words) - len(full))


def _words(side: FileSide | IndexSide, source: str, items: Path | None) -> Sequence[str]:
    words = side.texts() if items is None else items.read_text("utf-8", "replace").splitlines()
    if words is None:
        raise ValueError(
            f"{source} has no column of texts, so nothing that is found in it could be judged\n"
            "Give them, one line a row: --items FILE"
        )
    if len(words) != len(side):
        raise ValueError(
            f"{items}: {len(words):,} lines for {len(side):,} rows of {source}\nGive one line for each row"
        )
    return words


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def possible(case: Case, pairs: Sequence[int]) -> None:
    """Whether there are rows enough for these attacks. Raises ValueError with the mend."""
    fewest = min(len(case.held), len(case.own))
    if 0 in pairs and fewest < _ALONE:
        raise ValueError(
            f"{len(case.held):,} held rows and {len(case.own):,} texts of the attacker's: to align without pairs takes "
            f"{_ALONE:,} of each\nGive more, or attack with pairs only: --pairs 100"
        )


def behind(case: Case, name: str, key: bytes) -> tuple[Case, float]:
    """The case behind a defence named KIND:STRENGTH, and the share of neighbours kept@10 by it.

    Raises:
        ValueError: no such defence.
    """
    kind, _, strength = name.partition(":")
    space = case.held.space
    make: dict[str, Callable[[], Translator]] = {
        "noise": lambda: Noised.of(space, float(strength), key),
        "bits": lambda: Rounded.fit(case.held, int(strength)),
        "cut": lambda: cut_to(space, int(strength)),
        "rotation": lambda: Rotated.of(space, key),
    }
    try:
        defence = make[kind]()
    except (KeyError, ValueError) as err:
        why = f" ({str(err).partition(chr(10))[0]})" if isinstance(err, ValueError) else ""
        raise ValueError(f"no defence {name!r}{why}\nGive one of: noise:0.5, bits:1, cut:96, rotation") from err
    some = case.held[np.arange(min(_LOOKED, len(case.held)))]
    return case.hidden(defence), neighbours_kept(some, defence(some), min(10, len(some) - 1))


def says(audit: Audit) -> list[str]:
    """What was found, in sentences, and no more than that."""
    pool, chance = audit.facts["pool"], audit.found["chance"]
    made = []
    for name, one in audit.found.items():
        if name in BASELINES:
            continue
        way = "Without a pair" if name == "no pairs" else f"With {name} that leaked"
        made.append(
            f"{way}, {one.top1:.1%} of rows are matched with their own text among {pool:,} candidates "
            f"(by chance {chance.top1:.2%}), {one.top10:.1%} within the first ten."
        )
    made.append(
        "That is what this model found with these texts. Another attacker may find more; what is not found here is "
        "not proven safe."
    )
    return made
