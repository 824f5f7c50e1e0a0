"""Heads in closed form: the ridge whose strength is in the whitening, whatever the tower's scale."""

import numpy as np
import pytest
import torch

from samespace.space import Space
from samespace.train.heads import Frames, closed


@pytest.mark.parametrize(("rows", "strength"), [(200, 0.5), (200, 3.0), (20, 3.0)])
def test_the_closed_form_is_the_ridge(rows: int, strength: float) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(rows, 32)) * np.linspace(0.2, 3, 32) + 1, rng.normal(size=(rows, 8)) + 0.5
    source, target = Space("a/tower@1", 32, "dot").vectors(x), Space("a/text@1", 8).vectors(y)
    frames = Frames.fit(source, target, strength)
    head = frames.head(closed(frames.features(source), frames.answers(target)), torch.zeros(8))
    centred, answers = source.data.astype(float) - source.data.mean(axis=0), frames.answers(target).double().numpy()
    gram = centred.T @ centred / rows
    wanted = np.linalg.solve(gram + strength * np.trace(gram) / 32 * np.eye(32), centred.T @ answers / rows).T
    length = np.linalg.norm(centred @ wanted.T, axis=1).mean()
    assert np.allclose(head.weight, wanted / length, atol=2e-3 * np.abs(wanted / length).max())


def test_features_that_never_differ_give_a_head_of_numbers() -> None:
    source, target = (
        Space("a/tower@1", 4, "dot").vectors(np.ones((6, 4))),
        Space("a/text@1", 3).vectors(np.eye(3)[[0, 1, 2] * 2]),
    )
    frames = Frames.fit(source, target)
    assert torch.isfinite(closed(frames.features(source), frames.answers(target))).all()
