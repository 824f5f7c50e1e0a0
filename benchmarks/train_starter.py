"""The starter: the weights that ship, on books, shop visits, emoji and folds that were kept apart, beside controls.

Beside each figure of a picture by text stand chance, ConSE alone (no training at all) and a head trained on captions
dealt out anew. What is left out in turn (27 classes of groceries, a fold, a speaker) is measured on heads fitted by the
same lines without it. The text side is the text model's query, in its one plain wording.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.figure import Figure, check
from benchmarks.train_data import OUT
from benchmarks.train_starter_measure import Measured, by_name, nearest, pictures, wordings
from benchmarks.train_trunk import milliseconds
from samespace.encode import starter, starter_file
from samespace.encode.bound import laid
from samespace.encode.starter_file import SHIPPED, Senses
from samespace.items import Audio, Image, Item, Text
from samespace.train.material import Material
from samespace.train.plans.starter import Config
from samespace.train.plans.starter import pictures as fit_pictures
from samespace.train.plans.starter import sounds as fit_sounds
from samespace.train.starter_rows import Row
from samespace.train.vectors import encoded
from samespace.translate.near import unit

__all__ = ["figures"]

BARS = {
    "photos R@1": 0.09, "photos R@10": 0.38, "figures R@10": 0.20, "pool R@10": 0.28, "grocery 81, 3 wordings": 0.62,
    "subjects 15, 2 wordings": 0.66, "emoji en R@1": 0.35, "emoji en R@10": 0.68,
    "emoji zh R@1": 0.22, "emoji zh R@10": 0.58, "emoji de R@1": 0.22, "emoji de R@10": 0.58,
    "emoji fr R@1": 0.22, "emoji fr R@10": 0.58,
}  # fmt: skip
_MEASURED = ("openstax_figures", "grocery_photos", "emoji_names", "subject_photos")
_APART = 3  # every third class of groceries is left out in turn
_DRAW = ("set", 1)  # on which the bar was set, as far as its figures tell: ConSE has .24 of it, a ridge about .4


def figures(data: Path, quick: bool) -> Iterator[Figure]:
    """Every row of the table; a short form leaves the heads out that are fitted anew."""
    import torch

    torch.set_num_threads(1)
    model = starter.load()
    assert isinstance(model, starter.Starter)
    facts = starter_file.facts(SHIPPED)
    made = Material(data, model.text, OUT, int(facts["side"]), int(facts["config"]["parts"]), facts["config"]["seed"])
    config = Config(data, OUT, **facts["config"])
    yield from _pictures(made, model, config, quick)
    if not quick:
        yield from _left_out(made, model, config)
        yield from _heard(made, model, config)
    yield from _raw(made, quick)
    yield from _costs(made, model, quick)


def _pictures(made: Material, model: starter.Starter, config: Config, quick: bool) -> Iterator[Figure]:
    """Shipped weights as anybody loads them: pictures and questions through the encoder."""
    rows, looks, shipped = {n: made.rows[n] for n in _MEASURED}, dict[str, np.ndarray](), dict[str, np.ndarray]()
    for name, some in rows.items():
        at = [i for i, row in enumerate(some) if row.apart]
        looks[name] = made.seen(name)
        shipped[name] = np.zeros((len(some), model.space.dim), np.float32)
        shipped[name][at] = encoded(model, [Image(some[i].blob) for i in at], "document", OUT).data
    say = lambda texts: model.encode([Text(t) for t in texts], role="query").data  # noqa: E731
    value = pictures(rows, shipped, say)
    named = pictures(rows, {n: _conse(model.senses, looks[n]) for n in rows}, say)
    dealt: Mapping[str, Measured] = {}
    if not quick:
        mean = model.senses.mean
        heads = fit_pictures(made, config, mean, deal=1)
        heads = replace(heads, conse=0.0)
        dealt = pictures(rows, {n: laid(heads(looks[n], model.senses.named(looks[n])), mean) for n in rows}, say)
    for name, found in value.items():
        bar = f">= {BARS[name]}" if name in BARS else None
        notes = f"peer: ConSE, nothing trained; chance {found.chance:.3f}"
        notes += f"; captions dealt out anew {dealt[name].share:.3f}" if dealt else ""
        yield Figure(f"starter: {name}", found.share, "share", named[name].share, bar,
                     check(found.share, bar) if bar else None, found.n, notes)  # fmt: skip
    if dealt:
        worst = max(one.share - one.chance for one in dealt.values())
        yield Figure("starter: captions dealt out anew, furthest above chance", worst, "share", None, "<= 0.05",
                     worst <= 0.05, len(dealt), "the worst of all measures of pictures by text")  # fmt: skip


def _conse(senses: Senses, looks: np.ndarray) -> np.ndarray:
    return laid(senses.named(looks), senses.mean)


def _left_out(made: Material, model: starter.Starter, config: Config) -> Iterator[Figure]:
    """27 classes of groceries that heads never saw, all their pictures, among their 27 names, six draws of 27.

    Every third class in the set's own order, which goes through the shop, and by the alphabet. Which 27 they are counts
    for more than anything else, so all draws are told.
    """
    shop = made.rows["grocery_photos"]
    senses, mean = model.senses, model.senses.mean
    orders = {"set": list(dict.fromkeys(r.label for r in shop)), "alphabet": sorted({r.label for r in shop})}
    draws = [(order, start, set(orders[order][start::_APART])) for order in orders for start in range(_APART)]
    found, peers, told = dict[int, list[float]](), dict[int, list[float]](), list[str]()
    for order, start, apart in draws:
        heads = fit_pictures(made, config, mean, keep=lambda name, row, out=apart: row.label not in out)  # type: ignore[misc]
        at = np.array([i for i, r in enumerate(shop) if r.label in apart])
        features, rows = made.seen("grocery_photos")[at], [shop[i] for i in at]
        labels, vectors = [r.label for r in rows], laid(heads(features, senses.named(features)), mean)
        for count in (1, 3):
            names = wordings(rows, count)
            found.setdefault(count, []).append(by_name(vectors, labels, names, made.say))
            peers.setdefault(count, []).append(by_name(_conse(senses, features), labels, names, made.say))
        told.append(f"{order} from {start + 1}: {found[3][-1]:.3f} ({peers[3][-1]:.3f})")
    notes, own = "27-way; peer: ConSE, nothing trained; chance .037", [d[:2] for d in draws].index(_DRAW)
    for count, text, bar in ((1, "", None), (3, ", 3 wordings", ">= 0.57")):
        value, peer = found[count][own], peers[count][own]
        yield Figure(f"starter: 27 grocery classes never trained{text}", value, "share", peer, bar,
                     check(value, bar) if bar else None, 27,
                     f"every third from the second of the set's order, as the bar seems to be; {notes}")  # fmt: skip
    yield Figure("starter: 27 grocery classes never trained, 3 wordings, mean of six draws", float(np.mean(found[3])),
                 "share", float(np.mean(peers[3])), None, None, len(draws), f"{'; '.join(told)}; {notes}")  # fmt: skip


def _heard(made: Material, model: starter.Starter, config: Config) -> Iterator[Figure]:
    """A fold of ESC-10, a speaker of the digits left out in turn; the digits' heads do not ship (CC BY-SA)."""
    noises = ("environment_sounds", "instrument_samples")
    for name, what, bar, sets, order in (
        ("environment_sounds", "ESC-10, fold never heard", ">= 0.9", noises, False),
        ("spoken_digits", "spoken digits, speaker never heard", ">= 0.7", ("spoken_digits",), True),
        (
            "spoken_digits",
            "spoken digits, speaker never heard, features without order",
            None,
            ("spoken_digits",),
            False,
        ),
    ):
        yield _folds(made, config, model.senses.mean, name, what, bar, sets, order)


def _folds(
    made: Material,
    config: Config,
    mean: np.ndarray,
    name: str,
    what: str,
    bar: str | None,
    sets: tuple[str, ...],
    order: bool,
) -> Figure:
    rows, plain, right, dealt = made.rows[name], made.heard(name, order), list[float](), list[float]()
    folds = sorted({row.fold for row in rows})
    for fold in folds:
        at = np.array([i for i, row in enumerate(rows) if row.fold == fold])
        for shuffled, kept in ((None, right), (1, dealt)):
            head = fit_sounds(made, config, mean, sets, keep=_not(fold), deal=shuffled, order=order)
            made_of = laid(head(unit(plain[at])), mean)
            kept.append(by_name(made_of, [rows[i].label for i in at], wordings(rows, 1), made.say))
    found = float(np.mean(right))
    notes = f"by plain name; folds {', '.join(f'{r:.2f}' for r in right)}; peer: chance; "
    return Figure(f"starter: {what}", found, "share", 0.1, bar, check(found, bar) if bar else None, len(rows),
                  notes + f"captions dealt out anew {np.mean(dealt):.3f}")  # fmt: skip


def _raw(made: Material, quick: bool) -> Iterator[Figure]:
    rows = made.rows["subject_photos"]
    raw = starter.load("raw")
    value = nearest(encoded(raw, [Image(r.blob) for r in rows], "document", OUT).data, [r.label for r in rows])
    yield Figure("starter: same subject, picture → picture, recall@1", value, "share", 0.03, ">= 0.94",
                 check(value, ">= 0.94"), len(rows), "starter:raw; peer: chance")  # fmt: skip


def _costs(made: Material, model: starter.Starter, quick: bool) -> Iterator[Figure]:
    count = 20 if quick else 100
    seen: list[Item] = [Image(r.blob) for r in made.rows["subject_photos"][:count]]
    heard: list[Item] = [Audio(r.blob) for r in made.rows["environment_sounds"][: count // 2]]
    for what, items, bar in (("a picture at 192 px", seen, "<= 20"), ("5 s of sound", heard, "<= 60")):
        cost = milliseconds(model, items)
        yield Figure(f"starter: {what}, end to end", cost, "CPU ms", None, bar, check(cost, bar), len(items),
                     "decode, resize, network, head; one core")  # fmt: skip
    size = SHIPPED.stat().st_size / 1e6
    yield Figure("starter: its file", size, "MB", None, "<= 16", check(size, "<= 16"), 1, "float16")


def _not(fold: str) -> Callable[[Row], bool]:
    return lambda row: row.fold != fold
