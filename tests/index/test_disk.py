"""Search of rows on the disk: small Lance tables with a true IVF_RQ index, against the exact answers."""

import made_rows as made
import numpy as np
import pytest

from samespace import Space, SpaceMismatchError
from samespace.index import disk
from samespace.index.disk import METRICS, Disk
from samespace.index.exact import Exact
from samespace.index.lance import LanceIndex
from samespace.index.recall import shared

N = 3000


def same(one, other) -> None:
    for mine, right in zip(one, other, strict=True):
        assert mine.rows.tolist() == right.rows.tolist()
        assert mine.scores.tobytes() == right.scores.tobytes()


@pytest.fixture(scope="module", params=list(METRICS))
def pair(request, tmp_path_factory):
    """A Disk over 3,000 rows of which 300 were deleted from the table, and the exact search of the same rows."""
    space = Space("t/disk@1", 24, request.param, "ab" * 16)
    index = LanceIndex.create(tmp_path_factory.mktemp("disk") / "i", space, model="none")
    made.fill(index, 10, N // 10)
    with index.writer() as writer:
        writer.remove(["/files/3.txt"])
        writer.maintain()
    table = index._tables.open_table(index.card.vector_table)
    table.create_index(
        "vector", "IVF_RQ", name="vector", metric=METRICS[space.metric], num_partitions=40, num_bits=1, sample_rate=64
    )
    index.ram_rows = 10
    view = index.snapshot()
    assert isinstance(view.finder, Disk)
    return view.finder, Exact(view.vectors(np.arange(len(view))).data, space)


def asked(exact: Exact, n: int = 60):
    return exact.space.vectors(np.random.default_rng(7).standard_normal((n, 24)))


def test_fetch_gives_the_rows_of_the_snapshot_in_the_order_asked_for(pair):
    finder, exact = pair
    assert len(exact.data) == N - N // 10
    table = finder.table.to_table(columns=["vector"])["vector"].combine_chunks().flatten().to_numpy().reshape(-1, 24)
    assert (finder.fetch(np.array([5, 0, 5, 77])) == table[finder.positions[[5, 0, 5, 77]]]).all()


@pytest.mark.parametrize("share", [None, 0.5, 0.15])
def test_it_proposes_most_of_the_truth_and_scores_it_exactly(pair, share, monkeypatch):
    finder, exact = pair
    monkeypatch.setattr(disk, "NPROBES", 40)
    monkeypatch.setattr(disk, "_FEW", 1)
    scanned = []
    monkeypatch.setattr(Disk, "_all", lambda *_: scanned.append(1))
    queries = asked(exact)
    allowed = None if share is None else np.random.default_rng(1).random(len(exact.data)) < share
    found = finder.nearest(queries, 10, allowed=allowed)
    assert not scanned
    assert shared(found, exact.nearest(queries, 10, allowed=allowed)) > 0.8  # one bit for each of 24
    for query, one in zip(queries, found, strict=True):
        assert len(one.rows) == 10 and (allowed is None or allowed[one.rows].all())
        only = np.isin(np.arange(len(exact.data)), one.rows)
        same([one], exact.nearest(query, 10, allowed=only))


def test_a_rare_row_is_looked_for_in_more_partitions(pair, monkeypatch):
    finder, exact = pair
    seen = []
    monkeypatch.setattr(
        Disk, "_propose", lambda self, q, wanted, probes, a: seen.append((wanted, probes)) or np.arange(99)
    )
    monkeypatch.setattr(disk, "_FEW", 0)
    allowed = np.zeros(len(exact.data), bool)
    allowed[:270] = True
    for k, mask in ((10, None), (10, allowed), (20, None)):
        finder.nearest(asked(exact, 1), k, allowed=mask)
    (all_wanted, all_probes), (few_wanted, few_probes), (deep_wanted, deep_probes) = seen
    assert (all_wanted, all_probes) == (100, 80)
    assert few_wanted == 800 and few_probes == int(80 * 10**0.3)
    assert deep_wanted > all_wanted and all_probes < deep_probes < few_probes


def test_where_too_little_is_proposed_it_looks_further_and_then_at_all(pair, monkeypatch):
    finder, exact = pair
    propose, wants = Disk._propose, []

    def blind(self, query, wanted, probes, allowed):
        wants.append((wanted, probes))
        return propose(self, query, wanted, probes, allowed)[: 0 if len(wants) < 2 else None]

    monkeypatch.setattr(Disk, "_propose", blind)
    query = asked(exact, 1)
    assert len(finder.nearest(query, 10)[0].rows) == 10
    assert wants[1] == (wants[0][0] * 4, wants[0][1] * 4)
    monkeypatch.setattr(Disk, "_propose", lambda *_: np.zeros(0, np.int64))
    same(finder.nearest(query, 10), exact.nearest(query, 10))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.03])
def test_few_rows_are_searched_exactly(pair, share):
    finder, exact = pair
    allowed = np.random.default_rng(2).random(len(exact.data)) < share
    for k in (1, 10, 500):
        same(finder.nearest(asked(exact, 5), k, allowed=allowed), exact.nearest(asked(exact, 5), k, allowed=allowed))


def test_a_great_k_looks_at_everything(pair, monkeypatch):
    monkeypatch.setattr(disk, "_PART", 500)  # rows are read in several batches
    finder, exact = pair
    allowed = np.random.default_rng(2).random(len(exact.data)) < 0.5
    for k, mask in ((len(exact.data), None), (400, allowed), (5000, allowed)):
        same(finder.nearest(asked(exact, 3), k, allowed=mask), exact.nearest(asked(exact, 3), k, allowed=mask))


def test_it_refuses_nonsense(pair):
    finder, exact = pair
    with pytest.raises(ValueError, match="at least 1"):
        finder.nearest(asked(exact, 1), 0)
    with pytest.raises(SpaceMismatchError):
        finder.nearest(Space("t/other@1", 24).vectors(np.ones(24)), 3)
