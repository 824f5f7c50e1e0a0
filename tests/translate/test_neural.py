"""The network on top of an affine map: trained by torch, applied without it."""

import numpy as np
import pytest

from samespace import Space, Vectors
from samespace.translate.affine import Affine
from samespace.translate.fit import fit
from samespace.translate.measure import measure
from samespace.translate.neural import ResidualMLP

HERE, THERE = Space("made/here@1", 12, fingerprint="h"), Space("made/there@1", 16, fingerprint="t")


def bent(n: int, seed: int = 0) -> tuple[Vectors, Vectors]:
    """Rows, and what a fixed smooth map makes of them that no straight one can."""
    drawn, fixed = np.random.default_rng(seed), np.random.default_rng(5)
    rows = drawn.standard_normal((n, 12))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    made = np.tanh(rows @ fixed.standard_normal((12, 48)) * 2) @ fixed.standard_normal((48, 16))
    made += 3 * np.abs(rows @ fixed.standard_normal((12, 16)))
    return HERE.vectors(rows), THERE.vectors(made)


@pytest.mark.slow
def test_it_beats_the_affine_map_it_starts_from_where_the_map_bends():
    torch = pytest.importorskip("torch")
    source, target = bent(2600)
    straight = Affine.fit(source[:2000], target[:2000])
    made = ResidualMLP.fit(source[:2000], target[:2000], hidden=128, epochs=25)
    rest = (source[2000:], target[2000:])
    assert measure(made, *rest).kept > measure(straight, *rest).kept + 0.05
    again = ResidualMLP.fit(source[:2000], target[:2000], hidden=128, epochs=25)
    np.testing.assert_array_equal(made.inner, again.inner)
    assert measure(made.inverse(), *reversed(rest)).top1 > 0.1
    x = torch.tensor(made.before.enter(source.data[:50]), dtype=torch.float32)
    inside = [torch.tensor(a) for a in (made.matrix, made.shift, made.inner, made.bias, made.outer)]
    by_torch = torch.nn.functional.normalize(
        x @ inside[0] + inside[1] + torch.relu(x @ inside[2] + inside[3]) @ inside[4], dim=1
    )
    np.testing.assert_allclose(made.carried(source.data[:50]), by_torch.numpy(), atol=1e-5)
    assert len(made(HERE.empty())) == 0


@pytest.mark.slow
def test_a_network_is_kept_as_it_was_measured():
    pytest.importorskip("torch")
    made = fit(*bent(1200), method="mlp")
    assert made.facts["pairs"] < 1200 and made.facts["split"] == "120 of 1,200 pairs held out"
    assert made.fidelity == made.facts["measured"]["kept"] > 0.3


def test_the_objective_is_least_for_the_truth():
    torch = pytest.importorskip("torch")
    from samespace.translate.neural_train import objective

    torch.manual_seed(0)
    true = torch.nn.functional.normalize(torch.randn(40, 8), dim=1)
    near = torch.nn.functional.normalize(true + 0.2 * torch.randn(40, 8), dim=1)
    values = [float(objective(made, true)) for made in (true, near, true.roll(1, 0))]
    assert values == sorted(values) and values[1] - values[0] > 0.01
