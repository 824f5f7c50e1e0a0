"""Mining: what is hard is found, what is right is never a negative, and mined batches are harder than random ones."""

import io

import numpy as np
import pytest
from PIL import Image as Pillow

from samespace import Space
from samespace.items import Blob, Image, Text
from samespace.space import similarity
from samespace.train import batches
from samespace.train.example import Example
from samespace.train.mining import clusters, hard_negatives, mine

PLANE = Space("test/plane@1", 2, fingerprint="cc" * 16)
ROUND = Space("test/round@1", 16, fingerprint="dd" * 16)


def at(*degrees: float):
    return PLANE.vectors([[np.cos(np.radians(g)), np.sin(np.radians(g))] for g in degrees])


CORPUS = at(0, 10, 20, 30, 60, 90)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [1, 3, 4, 5]),
        ({"count": 2}, [1, 3]),
        ({"skip": 1, "count": 2}, [3, 4]),
        ({"window": 2}, [1, 3]),
        ({"margin": 0.0}, [3, 4, 5]),
        ({"margin": -1.0}, [1, 3, 4, 5]),
        ({"margin": 0.3}, [4, 5]),
        ({"relative": 0.05}, [3, 4, 5]),
        ({"relative": 0.05, "margin": 0.3}, [4, 5]),
    ],
)
def test_the_hardest_that_pass_in_order(settings, expected) -> None:
    """The anchor stands at 0, its positives at 0 and 20: their mean score is .970; 10 scores .985, 30 .866, 60 .5."""
    assert hard_negatives(at(0), CORPUS, [{0, 2}], **settings) == [expected]


def test_many_anchors_keep_their_order_over_blocks() -> None:
    angles = np.linspace(0, 89, 1200)
    found = hard_negatives(at(*angles), CORPUS, [{0}] * 1200, count=1)
    nearest = [min((1, 2, 3, 4, 5), key=lambda j: (abs((0, 10, 20, 30, 60, 90)[j] - a), j)) for a in angles]
    assert [f[0] for f in found] == nearest


def shades(value: int) -> Image:
    stream = io.BytesIO()
    Pillow.new("RGB", (4, 4), (value, value, value)).save(stream, "PNG")
    return Image(Blob(data=stream.getvalue()))


class Shades:
    """Pictures by their grey, texts by the number they name: a real rule on real bytes, without weights."""

    space = PLANE
    modalities = frozenset({"text", "image"})

    def encode(self, items, *, role="document"):
        values = [
            float(i.text) if isinstance(i, Text) else Pillow.open(io.BytesIO(i.blob.read())).getpixel((0, 0))[0]
            for i in items
        ]
        return at(*(v / 3 for v in values))


def test_pictures_are_mined_by_content() -> None:
    """Two rows hold the same picture in two objects, and "30" has two positives: neither is a negative of "30"."""
    pairs = [("30", 30), ("30", 36), ("90", 90), ("31", 30), ("200", 200)]
    examples = [Example(Text(a), shades(p), row=i) for i, (a, p) in enumerate(pairs)]
    made = mine(examples, Shades(), count=2)
    assert [e.row for e in made] == [0, 1, 2, 3, 4]
    first = [Pillow.open(io.BytesIO(n.blob.read())).getpixel((0, 0))[0] for n in made[0].negatives]
    assert first == [90, 200]
    assert made[1].negatives == made[0].negatives
    assert [Pillow.open(io.BytesIO(n.blob.read())).getpixel((0, 0))[0] for n in made[3].negatives] == [36, 90]
    by_sound = mine([Example(shades(30), Text("30")), Example(shades(200), Text("200"))], Shades())
    assert [n.text for e in by_sound for n in e.negatives] == ["200", "30"]


def topics(n: int = 512, seed: int = 0):
    """Anchors and positives about 32 topics, in an order that knows nothing of them."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(32, 16))
    about = centres[rng.integers(0, 32, n)]
    sides = [ROUND.vectors(about + 0.6 * rng.normal(size=(n, 16))) for _ in range(2)]
    return sides[0], sides[1]


def hardness(anchors, positives, made) -> float:
    """Mean cosine of an anchor to the other positives of its batch."""
    total, count = 0.0, 0
    for batch in made:
        grid = similarity(anchors[batch], positives[batch])
        total += float(grid.sum() - np.trace(grid))
        count += grid.size - len(batch)
    return total / count


def test_mined_batches_are_harder_than_random_ones() -> None:
    anchors, positives = topics()
    cut = clusters(anchors, positives, size=16, skip=4, window=24)
    assert sorted(row for cluster in cut for row in cluster) == list(range(512))
    assert all(len(cluster) == 16 for cluster in cut)
    mined = list(batches.mined(cut)(range(512), batch_size=32))
    plain = list(batches.group_by([0] * 512)(range(512), batch_size=32))
    hard, easy = hardness(anchors, positives, mined), hardness(anchors, positives, plain)
    assert abs(easy) < 0.05
    assert hard > easy + 0.15


def test_clusters_leave_out_the_top_ranks_and_equal_content() -> None:
    """Eight groups of four nearly equal rows: with skip 4 the twins of a group are not joined, without they are."""
    rng = np.random.default_rng(0)
    rows = np.repeat(rng.normal(size=(8, 16)), 4, axis=0) + 0.01 * rng.normal(size=(32, 16))
    side = ROUND.vectors(rows)
    together = clusters(side, side, size=4, skip=0, window=4)
    assert {tuple(sorted(r // 4 for r in c)) for c in together} == {(g,) * 4 for g in range(8)}
    apart = clusters(side, side, size=4, skip=4, window=8)
    assert sum(len({r // 4 for r in c}) > 1 for c in apart) >= 6, "but for the leftovers"
    same = clusters(side, side, size=4, skip=0, window=8, same=[r // 4 for r in range(32)])
    assert sum(len({r // 4 for r in c}) > 1 for c in same) >= 6


def test_clusters_keep_datasets_apart() -> None:
    anchors, positives = topics(100)
    keys = ["a"] * 40 + ["b"] * 60
    made = clusters(anchors, positives, size=16, skip=2, window=10, keys=keys)
    assert all(len({keys[row] for row in cluster}) == 1 for cluster in made)
    assert sorted(len(c) for c in made) == [8, 12, 16, 16, 16, 16, 16]


def test_bad_settings_are_named() -> None:
    with pytest.raises(ValueError, match="2 sets of positives for 1 anchors"):
        hard_negatives(at(0), CORPUS, [{0}, {1}])
    with pytest.raises(ValueError, match="Give pairs and a size >= 1"):
        clusters(CORPUS, CORPUS, size=0)
