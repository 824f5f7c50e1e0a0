"""The picture trunk: agreement with its makers' figures, picture to picture, sound to class, and the time of both."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.figure import Figure, check
from benchmarks.train_data import OUT, table
from samespace.encode import lite0, lite0_sound
from samespace.encode.protocol import Encoder
from samespace.items import Audio, Blob, Image, Item
from samespace.train.vectors import encoded

__all__ = ["figures", "milliseconds"]


def figures(data: Path, quick: bool) -> Iterator[Figure]:
    """Raw features, no training but a ridge on classes of sound."""
    import torch

    torch.set_num_threads(1)
    pictures = lite0.load()
    rows = table(data, "subject_photos")
    items = [Image(Blob(data=r["bytes"])) for r in rows]
    subjects = [str(r["label"]) for r in rows]
    value = _nearest(encoded(pictures, items, "document", OUT).data, subjects)
    yield Figure("trunk: same subject, picture → picture, recall@1", value, "share", _same(subjects), ">= 0.94",
                 check(value, ">= 0.94"), len(items), "raw features at 192 px; peer: chance")  # fmt: skip
    cost = milliseconds(pictures, items[: 20 if quick else 100])
    yield Figure("trunk: a picture end to end at 192 px", cost, "CPU ms", None, "<= 20", check(cost, "<= 20"),
                 min(len(items), 100), "decode, resize, network; one core")  # fmt: skip
    yield from _sounds(data, quick)


def _sounds(data: Path, quick: bool) -> Iterator[Figure]:
    sounds = lite0_sound.load()
    rows = table(data, "environment_sounds")
    items = [Audio(Blob(data=r["bytes"])) for r in rows]
    folds, classes = np.array([int(r["fold"]) for r in rows]), [str(r["label"]) for r in rows]
    cost = milliseconds(sounds, items[: 10 if quick else 40])
    yield Figure("trunk: 5 s of sound end to end", cost, "CPU ms", None, "<= 60", check(cost, "<= 60"), 40,
                 "decode, resample, log-mel, network; one core")  # fmt: skip
    features = encoded(sounds, items, "document", OUT).data.astype(np.float64)
    names = sorted(set(classes))
    wanted = np.array([[c == n for n in names] for c in classes], float)
    right = []
    for fold in np.unique(folds):
        train = folds != fold
        mean, spread = features[train].mean(axis=0), features[train].std(axis=0) + 1e-9
        x = (features - mean) / spread
        gram = x[train].T @ x[train] + 30 * np.eye(x.shape[1])
        made = x[~train] @ np.linalg.solve(gram, x[train].T @ (wanted[train] - 0.1))
        right += list(made.argmax(axis=1) == wanted[~train].argmax(axis=1))
    yield Figure("trunk: ESC-10, fold never heard, ridge on classes", float(np.mean(right)), "share", 0.1, n=len(right),
                 notes="raw features, not through text; peer: chance")  # fmt: skip


def _nearest(rows: np.ndarray, labels: Sequence[str]) -> float:
    """Share of rows whose nearest other row has their label."""
    scores = rows @ rows.T
    np.fill_diagonal(scores, -np.inf)
    return float(np.mean([labels[j] == label for j, label in zip(scores.argmax(axis=1), labels, strict=True)]))


def _same(labels: Sequence[str]) -> float:
    return float(np.mean([(labels.count(label) - 1) / (len(labels) - 1) for label in labels]))


def milliseconds(encoder: Encoder, items: Sequence[Item]) -> float:
    """CPU time an item, the best of three passes."""
    run: Callable[[], object] = lambda: encoder.encode(items)  # noqa: E731
    run()
    times = []
    for _ in range(3):
        began = time.process_time()
        run()
        times.append(time.process_time() - began)
    return min(times) / len(items) * 1000
