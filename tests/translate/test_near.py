"""Who is near whom: against the slow and plain way."""

import numpy as np

from samespace.translate.near import linked, mutual, peaks, unit


def sides(n: int, m: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return tuple(unit(rng.standard_normal((rows, 6))).astype(np.float32) for rows in (n, m))  # type: ignore[return-value]


def test_links_sum_up_neighbour_means_of_both_directions():
    a, b = sides(7, 30)
    y = np.random.default_rng(1).standard_normal((30, 3)).astype(np.float32)
    made = linked(a, b, 4) @ y
    s = a @ b.T
    slow = np.stack([y[np.argsort(-row)[:4]].mean(0) for row in s])
    for j in range(30):
        slow[np.argsort(-s[:, j])[:4]] += y[j] / 4
    np.testing.assert_allclose(made, slow, atol=1e-5)


def test_among_many_rows_links_hold_the_nearest_and_hardly_more():
    a, b = sides(2000, 3000)
    made = linked(a, b, 5)
    s = a @ b.T
    nearest = np.argpartition(-s, 4, axis=1)[:, :5]
    assert all((made[i, nearest[i]].toarray() > 0).all() for i in range(0, 2000, 97))
    assert made.nnz < 1.1 * 5 * 5000
    np.testing.assert_allclose(made.sum(), 5000, rtol=1e-5)  # every row shares out one


def test_peaks_are_never_above_the_true_ones():
    s = np.random.default_rng(0).standard_normal((50, 2000)).astype(np.float32)
    for k, scores, axis in ((10, s, 1), (10, np.ascontiguousarray(s.T), 0)):
        made = peaks(scores, k, axis) if axis else peaks(scores, k, axis).T
        true = np.sort(s, axis=1)[:, -k:]
        assert made.shape == (50, k)
        assert (made.min(axis=1) <= true.min(axis=1)).all() and (made.max(axis=1) == true.max(axis=1)).all()
        assert (made.min(axis=1) == made[:, 0]).all()
        assert (s >= made[:, :1]).sum() < 1.1 * 50 * k
    np.testing.assert_array_equal(np.sort(peaks(s[:, :12], 5, 1)), np.sort(s[:, :12])[:, -5:])  # few: exact


def test_mutual_neighbours_are_those_of_csls():
    a, b = sides(60, 80)
    i, j, score = mutual(a, b)
    s = a @ b.T
    slow = 2 * s - np.sort(s, axis=1)[:, -10:].mean(1)[:, None] - np.sort(s, axis=0)[-10:].mean(0)
    expected = [(p, int(slow[p].argmax())) for p in range(60) if slow[:, slow[p].argmax()].argmax() == p]
    assert list(zip(i.tolist(), j.tolist(), strict=True)) == expected and len(expected) > 10
    np.testing.assert_allclose(score, slow[i, j], atol=1e-5)


def test_a_hub_is_nobodys_mutual_neighbour():
    rng = np.random.default_rng(0)
    rows = unit(rng.standard_normal((200, 8))).astype(np.float32)
    hub = unit(rows.mean(axis=0, keepdims=True) + 1e-3)
    others = np.concatenate([unit(rows + 0.2 * rng.standard_normal(rows.shape)), hub, hub]).astype(np.float32)
    i, j, _ = mutual(rows, others)
    assert (j < 200).all() and (i == j).mean() > 0.8 and len(i) > 120
