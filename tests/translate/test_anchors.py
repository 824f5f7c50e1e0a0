"""The start by clusters: it finds a turned copy, whose clusters are the same."""

import numpy as np

from samespace.translate.anchors import anchored, clusters
from samespace.translate.near import unit
from samespace.translate.procrustes import polar


def blobs(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows about twelve middles that are the same for every seed, and which."""
    fixed, rng = np.random.default_rng(7), np.random.default_rng(seed)
    middles = fixed.standard_normal((12, 16)) * fixed.uniform(0.5, 2, (12, 1))
    which = rng.integers(12, size=n)
    return (middles[which] + 0.1 * rng.standard_normal((n, 16))).astype(np.float32), which


def test_clusters_are_found():
    rows, which = blobs(1200, 0)
    found = clusters(rows, 12, np.random.default_rng(1))
    true = np.stack([rows[which == i].mean(axis=0) for i in range(12)])
    near = np.linalg.norm(true[:, None] - found, axis=2).min(axis=1)
    assert np.sort(near)[:9].max() < 0.05  # k-means++ with one start may put two centres into one
    np.testing.assert_allclose(clusters(rows, 12, np.random.default_rng(1), start=true), true, atol=1e-5)


def test_equal_rows_and_empty_clusters_do_no_harm():
    rows = np.ones((50, 4), np.float32)
    np.testing.assert_array_equal(clusters(rows, 3, np.random.default_rng(0)), np.ones((3, 4)))
    far = clusters(rows, 2, np.random.default_rng(0), start=np.stack([rows[0], rows[0] * -9]))
    np.testing.assert_array_equal(far[1], rows[0] * -9)


def test_a_turned_copy_has_the_same_coordinates():
    (x, here), (y, there) = blobs(1500, 0), blobs(1500, 1)
    turn = polar(np.random.default_rng(3).standard_normal((16, 16))).astype(np.float32)
    sides = unit(x - x.mean(0)), unit((y - y.mean(0)) @ turn)
    a, b = anchored(*sides, np.random.default_rng(0), runs=1, centres=12)
    nearest = (a @ b.T).argmax(axis=1)
    assert a.shape == (1500, 12) and (here == there[nearest]).mean() > 0.5  # by chance 1/12
