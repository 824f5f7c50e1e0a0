"""Keys is a set of strings in little memory: whatever is asked of it, a set says the same."""

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from made_rows import digest

from samespace.index.keys import Keys

KEY = st.one_of(
    st.integers(0, 40).map(digest), st.text(max_size=3), st.sampled_from(["a" * 32, "A" * 32, "ab " * 10 + "ab", ""])
)


@settings(max_examples=40, deadline=None)
@given(first=st.lists(KEY), steps=st.lists(st.tuples(st.booleans(), st.lists(KEY))))
def test_it_is_a_set(first, steps):
    made, right = Keys([pa.array(first[:3], pa.string()), pa.chunked_array([first[3:]], pa.string())]), set(first)
    for put, keys in steps:
        if put:
            made.add(iter(keys))
            right |= set(keys)
        else:
            made.discard(keys)
            right -= set(keys)
        assert len(made) == len(right)
        asked = [*first, *keys, *map(digest, range(50))]
        assert [key in made for key in asked] == [key in right for key in asked]
        assert made.have(pa.array(asked, pa.string())).tolist() == [key in right for key in asked]


def test_many_that_come_one_by_one_are_sorted_in():
    made = Keys([pa.array([digest(i) for i in range(1000)], pa.string())])
    for i in range(1000, 12_000):
        made.add([digest(i)])
    assert len(made) == 12_000 and len(made._recent) <= 4096
    assert made.have(pa.array([digest(i) for i in range(24_000)])).tolist() == [True] * 12_000 + [False] * 12_000


def test_two_whose_first_halves_are_alike_are_two():
    one, two, none = "0" * 16 + "1" * 16, "0" * 16 + "2" * 16, "0" * 16 + "3" * 16
    made = Keys([pa.array([one, two])])
    assert one in made and two in made and none not in made and 7 not in made
    assert made.have(pa.array([none, two, one])).tolist() == [False, True, True]
    made.discard([one])
    assert one not in made and two in made


def test_what_was_hashed_is_not_its_hash():
    made = Keys([pa.array([digest(3)])])
    assert "3" not in made and not made.have(pa.array(["3"]))[0]


def test_a_slice_of_a_column_is_that_slice():
    column = pa.array([digest(i) for i in range(10)])
    made = Keys([column.slice(3, 4)])
    assert [digest(i) in made for i in range(10)] == [3 <= i < 7 for i in range(10)]
