"""The starter's material: features of every picture and recording, vectors of everything said of them; made once.

Kept in a folder, so that heads are fitted in seconds, again and again: for the weights that ship, for classes left out
in turn, for the control with captions dealt out anew.

Imports numpy; models where something is computed. Letters: n items, ds dt source and target width, t captions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from samespace.encode import lite0
from samespace.encode.lite0_net import Net
from samespace.encode.protocol import Encoder
from samespace.items import Text
from samespace.train import starter_rows, views
from samespace.train.starter_fit import Said
from samespace.train.starter_rows import Row
from samespace.train.vectors import encoded
from samespace.translate.near import unit

__all__ = ["PICTURES", "SHARES", "SOUNDS", "Material", "balanced"]

SHARES: Mapping[str, float] = {
    "openstax_figures": 0.45, "grocery_photos": 0.28, "emoji_names": 0.2, "cooking_photos": 0.02,
    "storybook_pages": 0.05,
}  # fmt: skip
"""Sets of pictures that are trained on, and how often a picture of each is drawn."""
PICTURES = (*SHARES, "subject_photos")
SOUNDS = ("environment_sounds", "instrument_samples", "spoken_digits")


@dataclass(frozen=True, eq=False)
class Material:
    """Everything that is trained on or measured by.

    Attributes:
        data: the folder of the sets.
        text: the model whose space all is bound to.
        folder: where what is computed is kept.
        side: of a picture, in pixels.
        parts: views of a picture beside the whole.
        seed: of the views.
    """

    data: Path
    text: Encoder
    folder: Path
    side: int = 192
    parts: int = 1
    seed: int = 0

    @cached_property
    def net(self) -> Net:
        """The trunk, frozen."""
        return lite0.network()

    @cached_property
    def rows(self) -> Mapping[str, list[Row]]:
        """Set → its rows."""
        return {name: starter_rows.load(self.data, name) for name in (*PICTURES, *SOUNDS)}

    @cached_property
    def names(self) -> np.ndarray:
        """(c, dt): what ImageNet's classes are called, and their kinds, as plainly and as captions call them."""
        called = starter_rows.imagenet()
        rows = np.asarray([self._plain(name) for name, _ in called])
        kinds = {kind: self._plain(kind) for _, kind in called if kind}
        return np.stack([(row + kinds[kind]) / 2 if kind else row for row, (_, kind) in zip(rows, called, strict=True)])

    def _plain(self, name: str) -> np.ndarray:
        made: np.ndarray = self.say([name, _photo(name)]).mean(axis=0)
        return made

    def seen(self, name: str, view: int = 0) -> np.ndarray:
        """(n, 2784) looks of a set's pictures."""
        return views.seen(self.net, self.rows[name], view, self.side, self.folder, self.seed)

    def heard(self, name: str, order: bool = False) -> np.ndarray:
        """(n, 544) features of a set's recordings, or (n, 5488) with their order in time."""
        return views.heard(self.net, self.rows[name], self.folder, order)

    @cached_property
    def spoken(self) -> dict[str, np.ndarray]:
        """Text → its vector (dt) as a question: all captions and names there are."""
        told = {c for rows in self.rows.values() for row in rows for c in (*row.captions, *(row.names or {}).values())}
        plain = {name for called in starter_rows.imagenet() for name in called if name}
        return self._encoded(sorted(told | plain | {_photo(name) for name in plain}))

    def say(self, texts: Sequence[str]) -> np.ndarray:
        """(t, dt) vectors of texts as questions."""
        missing = sorted(set(texts) - self.spoken.keys())
        self.spoken.update(self._encoded(missing))
        return np.stack([self.spoken[text] for text in texts])

    def _encoded(self, texts: list[str]) -> dict[str, np.ndarray]:
        rows = encoded(self.text, [Text(t) for t in texts], "query", self.folder).data
        return dict(zip(texts, rows, strict=True))

    def said(self, rows: Sequence[Row], weights: np.ndarray, mean: np.ndarray, deal: int | None = None) -> Said:
        """What is said of rows.

        Args:
            rows: (n) items.
            mean: (dt) what is taken off every caption.
            weights: (n) how often each is drawn.
            deal: a seed to deal captions out anew: the control.
        """
        order = np.arange(len(rows)) if deal is None else np.random.default_rng(deal).permutation(len(rows))
        told = [rows[i] for i in order]
        texts = sorted({c for row in told for c in row.captions})
        at = {text: i for i, text in enumerate(texts)}
        captions = self.say(texts) - mean
        of = [np.array([at[c] for c in row.captions]) for row in told]
        return Said(unit(captions), of, weights)

    def middle(self, rows: Sequence[Row]) -> np.ndarray:
        """(dt) the mean of all that is said of rows: the middle of the cone of texts."""
        made: np.ndarray = self.say(sorted({c for row in rows for c in row.captions})).mean(axis=0)
        return made


def _photo(name: str) -> str:
    return f"a photo of a {name}"


def balanced(rows: Mapping[str, Sequence[Row]], shares: Mapping[str, float]) -> np.ndarray:
    """How often each row is drawn, set by set: a set by its share, a label in it as often as any other by a root."""
    made = []
    for name, some in rows.items():
        _, label, counts = np.unique([row.label for row in some], return_inverse=True, return_counts=True)
        own = 1 / np.sqrt(counts[label])
        made.append(shares[name] * own / own.sum())
    return np.concatenate(made)
