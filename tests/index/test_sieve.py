"""The sieve: whatever the values and however far off, none of the k best is lost, and not much else is kept."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from samespace.index.sieve import Sieve


@settings(max_examples=150, deadline=None)
@given(
    n=st.integers(0, 1500),
    m=st.integers(1, 5),
    k=st.sampled_from([1, 2, 10, 300]),
    step=st.sampled_from([1, 7, 200, 2000]),
    off=st.sampled_from([0.0, 0.1, 3.0]),
    each=st.booleans(),
    levels=st.sampled_from([3, 10**6]),
    listed=st.booleans(),
    rising=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_none_of_the_best_is_lost(n, m, k, step, off, each, levels, listed, rising, seed):
    rng = np.random.default_rng(seed)
    truth = np.round(rng.standard_normal((n, m)) * levels) / levels
    truth = np.sort(truth, axis=0) if rising else truth
    banned = rng.random(n) < 0.2
    slack = (off * rng.random((n, m) if each else m) + 1e-6).astype(np.float32)
    values = (truth + (2 * rng.random((n, m)) - 1) * slack * 0.9).astype(np.float32)
    values[banned] = -np.inf
    sieve, names = Sieve(m, k), np.arange(n) * 3
    for start in range(0, n, step):
        part = slice(start, min(start + step, n))
        sieve.add(values[part], slack[part] if each else slack, names[part] if listed else part)
    asked, kept = sieve.left()
    kept = kept // 3 if listed else kept
    assert (np.diff(asked) >= 0).all()
    assert not banned[kept].any()
    for query in range(m):
        mine = kept[asked == query]
        assert len(set(mine.tolist())) == len(mine)
        right = np.sort(truth[~banned, query])[::-1][:k]
        assert (np.sort(truth[mine, query])[::-1][:k] == right).all()


def test_what_is_ruled_out_goes():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((100_000, 4)).astype(np.float32)
    for slack in (np.full(4, 1e-3, np.float32), np.full((5000, 4), 1e-3, np.float32)):
        sieve = Sieve(4, 10)
        for start in range(0, len(values), 5000):
            sieve.add(values[start : start + 5000], slack, slice(start, start + 5000))
        asked, _ = sieve.left()
        assert (np.bincount(asked) < 20).all()  # of 100,000, where 10 are asked for
