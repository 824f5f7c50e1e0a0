"""Fitting on streams of pairs: in one pass, and equal to the fit in memory."""

import numpy as np
import pytest

from samespace import Space, errors
from samespace.translate.affine import Affine
from samespace.translate.frame import Frame
from samespace.translate.procrustes import Procrustes, polar
from samespace.translate.stream import columns, fit_stream, together

HERE, THERE = Space("made/here@1", 10, fingerprint="h"), Space("made/there@1", 14, fingerprint="t")


def sides(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((n, 10)) + 0.5
    turned = rows @ polar(rng.standard_normal((10, 14))) + 0.3 * rng.standard_normal((n, 14)) - 0.4
    return HERE.vectors(rows).data, THERE.vectors(turned).data


def cut(rows: np.ndarray, sizes: tuple[int, ...]):
    start = 0
    for size in sizes:
        yield rows[start : start + size]
        start += size
    yield rows[start:]


@pytest.mark.parametrize("method", ["procrustes", "affine"])
def test_a_streamed_fit_is_the_fit_on_all(method: str):
    x, y = sides(12_000)
    made = fit_stream(zip(cut(x, (3000, 1, 6000)), cut(y, (3000, 1, 6000)), strict=True), HERE, THERE, method=method)
    rest = np.arange(12_000) % 100 != 99
    frames = (made.before, made.after)
    source, target = HERE.vectors(x[rest]), THERE.vectors(y[rest])
    if method == "procrustes":
        whole = Procrustes.fit(source, target, frames=frames)
    else:
        whole = Affine.fit(source, target, frames=frames, penalty=made.facts["penalty"])
    np.testing.assert_allclose(made.matrix, whole.matrix, atol=1e-8)
    np.testing.assert_allclose(made.shift, whole.shift, atol=1e-8)
    assert made.facts["pairs"] == rest.sum()
    assert made.facts["measured"]["pairs"] == 120 and made.fidelity == made.facts["measured"]["kept"] > 0.3
    np.testing.assert_allclose(made.before.mean, Frame.of(source[:8911]).mean, atol=0.01)


def test_however_the_stream_is_cut_the_fit_is_the_same():
    x, y = sides(600)
    one = fit_stream([(x, y)], HERE, THERE)
    other = fit_stream(together(cut(x, (7, 200)), cut(y, (0, 0, 450, 3))), HERE, THERE)
    np.testing.assert_allclose(one.matrix, other.matrix, atol=1e-9)
    assert one.facts["pairs"] == 594 and one.fidelity is None  # six held-out pairs measure nothing


def test_batches_are_read_once_and_not_kept():
    x, y = sides(30_000)
    alive: list[int] = []

    def batches():
        for start in range(0, 30_000, 1000):
            alive.append(start)
            yield x[start : start + 1000], y[start : start + 1000]

    assert fit_stream(batches(), HERE, THERE).facts["pairs"] == 29_700 and len(alive) == 30


def test_arrow_columns_also_of_slices():
    pa = pytest.importorskip("pyarrow")
    x, y = sides(300)
    wide = {
        name: pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])
        for name, rows in (("old", x), ("new", y))
    }
    table = pa.table(wide)
    parts = [table.slice(0, 130), table.slice(130)]
    made = fit_stream(columns((b for t in parts for b in t.to_batches()), "old", "new"), HERE, THERE)
    np.testing.assert_allclose(made.matrix, fit_stream([(x, y)], HERE, THERE).matrix, atol=1e-9)
    gaps = pa.table({"old": wide["old"], "new": pa.array([None] * 300, pa.list_(pa.float32(), 14))})
    with pytest.raises(ValueError, match=r"column 'new' has 300 empty places\nLeave those items out"):
        list(columns(gaps.to_batches(), "old", "new"))


def test_streams_that_are_no_pairs_are_refused():
    x, y = sides(50)
    with pytest.raises(ValueError, match=r"one side has more rows.*\nGive row i"):
        fit_stream(together([x], [y[:40]]), HERE, THERE)
    with pytest.raises(ValueError, match=r"a batch of 50 and 40 rows\nGive row i"):
        fit_stream([(x, y[:40])], HERE, THERE)
    with pytest.raises(ValueError, match=r"0 pairs: at least 2"):
        fit_stream([], HERE, THERE)
    with pytest.raises(ValueError, match=r"no method 'mlp' for a stream"):
        fit_stream([(x, y)], HERE, THERE, method="mlp")
    with pytest.raises(errors.VectorError, match="not finite"):
        fit_stream([(np.where(x > 0.5, np.nan, x), y)], HERE, THERE)
