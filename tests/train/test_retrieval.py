"""What a plan measures: ranks with ties against them, chance as a random order gets it, whole groups kept apart."""

import numpy as np
import pytest

from samespace.errors import DataError
from samespace.train.page import svg
from samespace.train.retrieval import recall_at_k
from samespace.train.split import codes, held_out


def test_recall_counts_the_best_of_the_group_and_ties_against_it() -> None:
    scores = np.array([[0.9, 0.5, 0.1, 0.2], [0.3, 0.1, 0.2, 0.4], [0.5, 0.5, 0.5, 0.5], [0.9, 0.8, 0.7, 0.75]])
    point = recall_at_k(scores, np.array([0, 1, 2, 2]), ks=(1, 2, 3))
    assert point["recall@1"] == 0.25, "row 0 alone: row 2 has two rivals that tie"
    assert point["recall@2"] == 0.25
    assert point["recall@3"] == 0.75, "row 2 comes third, and so does row 3, by the better of its two"


def test_chance_is_what_a_random_order_gets() -> None:
    rng = np.random.default_rng(0)
    groups = codes(list("aabcdefghij"))
    drawn = [recall_at_k(rng.normal(size=(11, 11)), groups, ks=(1, 3)) for _ in range(2000)]
    for k in (1, 3):
        assert np.mean([d[f"recall@{k}"] for d in drawn]) == pytest.approx(drawn[0][f"chance@{k}"], abs=0.01)
    assert recall_at_k(np.eye(3), np.arange(3))["chance@10"] == 1


def test_a_constant_is_no_better_than_nothing() -> None:
    assert recall_at_k(np.ones((20, 20)), np.arange(20))["recall@10"] == 0


def test_whole_groups_are_kept_apart() -> None:
    groups = codes([i // 3 for i in range(60)])
    train, apart = held_out(groups, 0.25, seed=1)
    assert sorted([*train, *apart]) == list(range(60))
    assert not set(groups[train]) & set(groups[apart])
    assert len(set(groups[apart])) == 5
    assert not np.array_equal(held_out(groups, 0.25, seed=2)[1], apart)
    with pytest.raises(DataError, match="2 rows with 2 texts"):
        held_out(np.array([0, 1]), 0.5, seed=0)


def test_a_curve_is_drawn_with_its_chance_beside_it() -> None:
    curve = [
        {"step": 0.0, "recall@10": 0.2, "chance@10": 0.1},
        {"step": 8.0, "recall@10": 0.6, "chance@10": 0.1, "loss": 2.0},
    ]
    drawn = svg(curve, "recall@10")
    assert drawn.count("<polyline") == 2
    assert ">0.6<" in drawn
    assert svg(curve, "loss").count("<polyline") == 1
    low, high = (float(p.split(",")[1]) for p in drawn.split('class="line" points="')[1].split('"')[0].split())
    assert high < low, "up is more"
