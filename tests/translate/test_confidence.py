"""The confidence of single rows ranks what is right and what is wrong."""

import numpy as np
import pytest

from samespace import Space, Vectors, similarity
from samespace.translate.confidence import confidence, steadiness
from samespace.translate.derived import Requantised
from samespace.translate.procrustes import Procrustes

HERE, THERE = Space("made/here@1", 32, fingerprint="h"), Space("made/there@1", 32, fingerprint="t")


def pairs(n: int, seed: int = 0) -> tuple[Vectors, Vectors, np.ndarray]:
    """Rows, the same turned with noise, and how much noise each got: some much, some little."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(np.random.default_rng(9).standard_normal((32, 32)))[0]
    rows = rng.standard_normal((n, 32))
    noise = np.where(np.arange(n) % 2, 0.3, 1.5)
    made = rows @ turn + noise[:, None] * rng.standard_normal((n, 32))
    return HERE.vectors(rows), THERE.vectors(made), noise


def area(scores: np.ndarray, right: np.ndarray) -> float:
    """AUROC: how often a right row is above a wrong one."""
    return float((scores[right][:, None] > scores[~right]).mean())


def test_confidence_is_high_where_the_nearest_is_the_right_one() -> None:
    source, target, _ = pairs(1500)
    made = Procrustes.fit(source[:500], target[:500])(source[500:])
    told = confidence(made, target[500:])
    right = similarity(made, target[500:]).argmax(1) == np.arange(1000)
    assert told.shape == (1000,) and told.dtype == np.float32 and told.min() >= 0 and told.max() <= 1
    assert 0.2 < right.mean() < 0.95 and area(told, right) > 0.85
    shuffled = confidence(made, THERE.vectors(np.random.default_rng(3).standard_normal((1000, 32))))
    assert shuffled.mean() < told.mean() - 0.2, "where there is no right one it is low"


def test_confidence_goes_block_by_block() -> None:
    source, target, _ = pairs(2300)
    made = Procrustes.fit(source[:300], target[:300])(source)
    np.testing.assert_allclose(confidence(made, target)[1500:1600], confidence(made[1500:1600], target), atol=1e-6)


def test_a_pool_too_small_is_refused() -> None:
    _, target, _ = pairs(20)
    with pytest.raises(ValueError, match=r"a pool of 10 rows\nGive at least 11"):
        confidence(target, target[:10])
    assert len(confidence(target, target[:11])) == 20


def test_two_fits_agree_most_where_they_are_nearest_to_the_truth() -> None:
    source, target, _ = pairs(900)
    one, other = Procrustes.fit(source[:60], target[:60]), Procrustes.fit(source[60:120], target[60:120])
    rows = source[200:]
    told = steadiness(one, other, rows)
    assert told.shape == (700,) and told.dtype == np.float32 and told.min() >= 0 and told.max() <= 1
    made = one.carried(rows.data)
    true = rows.data @ np.linalg.qr(np.random.default_rng(9).standard_normal((32, 32)))[0]
    off = (made * true).sum(1) / np.linalg.norm(true, axis=1)
    assert np.corrcoef(told, off)[0, 1] > 0.3
    np.testing.assert_allclose(steadiness(one, one, rows), 1.0, atol=1e-5)
    assert len(steadiness(one, other, HERE.empty())) == 0


def test_translators_without_frames_and_of_other_spaces() -> None:
    source, _, _ = pairs(30)
    same = Requantised(HERE, THERE)
    np.testing.assert_allclose(steadiness(same, same, source), 1.0, atol=1e-5)
    with pytest.raises(ValueError, match="Give two translations between the same Spaces"):
        steadiness(same, Requantised(THERE, HERE), source)
