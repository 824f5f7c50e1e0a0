"""The encode loop against the naive one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samespace.encode import hashing
from samespace.encode.engine import batches, is_out_of_memory, run, stream
from samespace.items import Text

D = 3


def row(position: int) -> list[float]:
    return [position, position * position, 1.0]


class Model:
    """Rows by position; fails like a device whose memory holds `capacity` padded tokens."""

    def __init__(self, costs, capacity=None, error=MemoryError):
        self.costs, self.capacity, self.error, self.calls = costs, capacity, error, []

    def __call__(self, batch):
        weight = len(batch) * max(self.costs[p] for p in batch)
        if self.capacity is not None and weight > self.capacity and len(batch) > 1:
            raise self.error
        self.calls.append(list(batch))
        return np.array([row(p) for p in batch], np.float32)


inputs = st.lists(st.tuples(st.integers(1, 50), st.sampled_from("abcdefgh"), st.integers(0, 9)), max_size=40)


@given(inputs, st.integers(1, 200))
def test_it_equals_the_naive_loop(given_inputs, budget):
    costs = [c for c, _, _ in given_inputs]
    model = Model(costs)
    rows = run(costs, model, budget=budget, dim=D)
    assert rows.dtype == np.float32
    assert np.array_equal(rows, np.array([row(p) for p in range(len(costs))], np.float32).reshape(-1, D))
    assert sorted(p for batch in model.calls for p in batch) == list(range(len(costs)))


@given(inputs)
def test_equal_keys_are_computed_once(given_inputs):
    costs = [c for c, _, _ in given_inputs]
    keys = [k for _, k, _ in given_inputs]
    model = Model(costs)
    rows = run(costs, model, budget=64, dim=D, keys=keys)
    first = [keys.index(k) for k in keys]
    assert np.array_equal(rows, np.array([row(p) for p in first], np.float32).reshape(-1, D))
    assert sum(map(len, model.calls)) == len(set(keys))


@given(inputs, st.integers(1, 200), st.integers(1, 30))
def test_batches_stay_within_both_budgets(given_inputs, budget, pixel_budget):
    costs = [c for c, _, _ in given_inputs]
    pixels = [p for _, _, p in given_inputs]
    made = batches(costs, budget, pixels, pixel_budget)
    assert sorted(p for b in made for p in b) == list(range(len(costs)))
    for batch in made:
        alone = len(batch) == 1
        assert alone or len(batch) * max(costs[p] for p in batch) <= budget
        assert alone or sum(pixels[p] for p in batch) <= pixel_budget
    assert [costs[p] for b in made for p in b] == sorted(costs, reverse=True)


def test_batches_are_as_full_as_the_budget_allows():
    assert batches([2, 8, 2, 2, 2], 8) == [[1], [0, 2, 3, 4]]
    assert batches([1] * 5, 10, [4] * 5, 8) == [[0, 1], [2, 3], [4]]


@given(inputs, st.integers(1, 60))
def test_when_memory_runs_out_batches_shrink_and_nothing_is_lost(given_inputs, capacity):
    costs = [c for c, _, _ in given_inputs]
    model = Model(costs, capacity)
    rows = run(costs, model, budget=10_000, dim=D)
    assert np.array_equal(rows, np.array([row(p) for p in range(len(costs))], np.float32).reshape(-1, D))


def test_after_running_out_once_it_does_not_run_into_it_again():
    costs = [4] * 64
    model, failures = Model(costs, capacity=64), []

    def forward(batch):
        try:
            return model(batch)
        except MemoryError:
            failures.append(len(batch))
            raise

    run(costs, forward, budget=128, dim=D)
    assert failures == [32]
    assert max(map(len, model.calls)) == 16


def test_one_input_that_does_not_fit_is_an_error():
    def forward(batch):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")

    with pytest.raises(RuntimeError, match="DefaultCPUAllocator"):
        run([1, 1], forward, budget=8, dim=D)


def test_other_errors_pass_unchanged_and_at_once():
    calls = []

    def forward(batch):
        calls.append(batch)
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        run([1] * 8, forward, budget=8, dim=D)
    assert len(calls) == 1


def test_what_counts_as_out_of_memory():
    class OutOfMemoryError(RuntimeError):
        pass

    assert is_out_of_memory(OutOfMemoryError("device full"))
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(RuntimeError("CUDA out of memory. Tried to allocate"))
    assert not is_out_of_memory(RuntimeError("memory format is wrong"))
    assert not is_out_of_memory(ValueError("out of memory"))


def test_wrong_shapes_and_lengths_are_refused():
    with pytest.raises(ValueError, match=r"shape \(1, 2\)"):
        run([1], lambda batch: np.zeros((1, 2)), budget=1, dim=D)
    with pytest.raises(ValueError, match="one key"):
        run([1], lambda batch: np.zeros((1, D)), budget=1, dim=D, keys=["a", "b"])
    with pytest.raises(ValueError, match="budget"):
        run([1], lambda batch: np.zeros((1, D)), budget=0, dim=D)


def test_nothing_gives_nothing():
    assert run([], lambda batch: np.zeros((0, D)), budget=1, dim=D).shape == (0, D)


def test_a_stream_gives_what_one_call_gives_and_reads_ahead_no_more_than_a_window():
    encoder = hashing.load("64")
    taken = []

    def source():
        for i in range(10):
            taken.append(i)
            yield Text(f"item {i}")

    parts = stream(encoder, source(), window=4)
    head = next(parts)
    assert len(taken) == 4
    whole = head.concat(*parts)
    assert np.array_equal(whole.data, encoder.encode([Text(f"item {i}") for i in range(10)]).data)
    with pytest.raises(ValueError, match="window is 0"):
        stream(encoder, [], window=0)
