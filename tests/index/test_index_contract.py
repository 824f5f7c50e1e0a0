"""Every Index against FlatIndex, by the contract that plugin authors use."""

from itertools import count
from pathlib import Path

import pytest

from samespace import Space
from samespace.index.contract import check_index
from samespace.index.flat import FlatIndex
from samespace.index.lance import LanceIndex


def test_flat_index_keeps_the_contract():
    check_index(FlatIndex)


@pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
def test_lance_index_keeps_the_contract_in_ram(tmp_path: Path, metric: str):
    numbers = count()
    check_index(lambda space: LanceIndex.create(tmp_path / str(next(numbers)), space, "m"), metrics=[metric])


@pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
def test_lance_index_keeps_the_contract_on_disk(tmp_path: Path, metric: str):
    numbers = count()

    def make(space: Space) -> LanceIndex:
        index = LanceIndex.create(tmp_path / str(next(numbers)), space, "m")
        index.ram_rows = 0
        return index

    check_index(make, metrics=[metric])


def test_the_contract_finds_a_wrong_score():
    class Wrong(FlatIndex):
        def nearest(self, query, k, *, allowed=None):
            found = super().nearest(query, k, allowed=allowed)
            for one in found:
                one.scores[:] *= 1.001
            return found

    with pytest.raises(AssertionError, match="scores are the exact ones"):
        check_index(Wrong)


def test_the_contract_finds_an_answer_shifted_by_one():
    class Shifted(FlatIndex):
        def nearest(self, query, k, *, allowed=None):
            found = super().nearest(query, k, allowed=allowed)
            for one in found:
                one.rows[:] = (one.rows + 1) % max(1, len(self))
            return found

    with pytest.raises(AssertionError, match="are nearest"):
        check_index(Shifted)
