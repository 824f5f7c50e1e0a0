"""A Snapshot by hand: which rows are in it, in which order, and how the two sorts of rows lead to each other."""

from dataclasses import replace

import made_rows as rows
import numpy as np
import pytest

from samespace import Space
from samespace.index.flat import FlatIndex
from samespace.index.snapshot import Snapshot


@pytest.fixture
def view(red: Space) -> Snapshot:
    """b.txt and its copy a.txt with two passages, n.txt with words only, bad.txt that failed, an orphan."""
    index = FlatIndex(red)
    b, orphan = rows.items("b", 2), rows.items("orphan", 1)
    b = [replace(b[0], position=1), replace(b[1], position=0, language="zh", preview="own")]
    named = [replace(rows.items("n", 1)[0], digest="")]
    with index.writer() as writer:
        files = [
            rows.file("b", title="Bee", language="en", preview="whole"),
            rows.file("a", "b", meta={"pages": 2}),
            rows.file("n", status="name_only"),
            rows.file("bad", "b", status="failed"),
        ]
        digests = [item.digest for item in [*b, *orphan]]
        writer.commit(files, [*b, *orphan, *named], digests, rows.vectors(red, 3))
    return index.snapshot()


def test_items_stand_by_path_and_position(view):
    found = [(row["path"], row["id"], row["title"], row["meta"]) for row in view.items.to_pylist()]
    assert found == [
        ("/files/a.txt", "b-1", "", '{"pages": 2}'),
        ("/files/a.txt", "b-0", "", '{"pages": 2}'),
        ("/files/b.txt", "b-1", "Bee", "{}"),
        ("/files/b.txt", "b-0", "Bee", "{}"),
        ("/files/n.txt", "n-0", "", "{}"),
    ]


def test_language_and_preview_are_the_items_own_or_the_files(view):
    assert view.items["language"].to_pylist() == ["zh", "", "zh", "en", ""]
    assert view.items["preview"].to_pylist() == ["own", "", "own", "whole", ""]


def test_the_two_sorts_of_rows_lead_to_each_other(view, red):
    digests = sorted([rows.digest("b-0"), rows.digest("b-1")])
    zero, one = digests.index(rows.digest("b-0")), digests.index(rows.digest("b-1"))
    assert view.digests.to_pylist() == digests and len(view) == 2
    assert view.vector_row.tolist() == [one, zero, one, zero, -1]
    assert view.items_of(one).tolist() == [0, 2] and view.items_of(zero).tolist() == [1, 3]
    assert np.array_equal(view.vectors(np.array([zero])).data, rows.vectors(red, 3).data[:1])


def test_a_mask_over_items_becomes_one_over_vectors(view):
    one = view.digests.to_pylist().index(rows.digest("b-1"))
    assert np.flatnonzero(view.vector_mask(np.array([False, False, True, False, True]))).tolist() == [one]
    assert not view.vector_mask(np.array([False] * 4 + [True])).any()
    assert view.vector_mask(np.ones(5, bool)).all()
