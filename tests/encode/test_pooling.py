import pytest
import torch

from samespace.encode.pooling import last_positions, pool

HIDDEN = torch.arange(24, dtype=torch.float32).reshape(2, 4, 3)
MASK = torch.tensor([[1, 1, 1, 0], [0, 0, 1, 1]])  # padded on the right, and on the left


def test_each_way_reads_where_it_says():
    assert pool(HIDDEN, MASK, "cls").tolist() == [[0, 1, 2], [18, 19, 20]]
    assert pool(HIDDEN, MASK, "last").tolist() == [[6, 7, 8], [21, 22, 23]]
    assert pool(HIDDEN, MASK, "mean").tolist() == [[3, 4, 5], [19.5, 20.5, 21.5]]
    ids = torch.tensor([[5, 9, 7, 9], [9, 5, 9, 5]])
    assert pool(HIDDEN, MASK, "eos", ids=ids, terminal=9).tolist() == [[3, 4, 5], [18, 19, 20]]


def test_eos_takes_the_last_of_several():
    ids = torch.tensor([[9, 9, 7, 0], [0, 0, 9, 9]])
    assert pool(HIDDEN, MASK, "eos", ids=ids, terminal=9)[0].tolist() == [3, 4, 5]


def test_a_lost_terminal_is_an_error():
    with pytest.raises(ValueError, match="lost its terminal token"):
        pool(HIDDEN, MASK, "eos", ids=torch.ones(2, 4), terminal=9)


def test_no_tokens_and_no_such_way_are_errors():
    with pytest.raises(ValueError, match="without any token"):
        pool(HIDDEN, torch.zeros(2, 4), "mean")
    with pytest.raises(ValueError, match="'head'"):
        pool(HIDDEN, MASK, "head")
    with pytest.raises(ValueError, match="needs the ids"):
        pool(HIDDEN, MASK, "eos")


def test_last_positions():
    assert last_positions(MASK).tolist() == [2, 3]
