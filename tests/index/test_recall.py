"""The measure of recall: it sees what is missing, and nothing that is not."""

from dataclasses import replace

import made_rows as rows
import pytest

from samespace import Space
from samespace.index.exact import Exact
from samespace.index.flat import FlatIndex
from samespace.index.protocol import Nearest
from samespace.index.recall import recall_at_k
from samespace.index.snapshot import Snapshot


@pytest.fixture
def view(red: Space) -> Snapshot:
    index = FlatIndex(red)
    rows.fill(index, 20, 10)
    return index.snapshot()


class Forgetful(Exact):
    """Gives the better half only."""

    def nearest(self, query, k, *, allowed=None):
        return [Nearest(n.rows[: k // 2], n.scores[: k // 2]) for n in super().nearest(query, k, allowed=allowed)]


def test_exact_search_has_a_recall_of_one(view):
    found = recall_at_k(view, 10, queries=30)
    assert (found.recall, found.k, found.queries, found.rows) == (1.0, 10, 30, 200)
    assert found.milliseconds > 0


def test_what_is_forgotten_is_missed(view):
    lossy = replace(view, finder=Forgetful(view.finder.data, view.space))
    assert recall_at_k(lossy, 10).recall == 0.5
    assert recall_at_k(lossy, 1).recall == 0.0


def test_more_than_there_is(view, red):
    assert recall_at_k(view, 300, queries=300).recall == 1.0
    assert recall_at_k(view, 300, queries=300).queries == 200
    empty = recall_at_k(FlatIndex(red).snapshot())
    assert (empty.recall, empty.queries, empty.rows) == (1.0, 0, 0)


class Even(Exact):
    """Gives rows of even number only."""

    def nearest(self, query, k, *, allowed=None):
        found = super().nearest(query, k, allowed=allowed)
        return [Nearest(n.rows[n.rows % 2 == 0], n.scores[n.rows % 2 == 0]) for n in found]


def test_the_seed_chooses_the_queries(view):
    lossy = replace(view, finder=Even(view.finder.data, view.space))
    one, again, other = (recall_at_k(lossy, 5, queries=10, seed=s).recall for s in (1, 1, 2))
    assert one == again != other
