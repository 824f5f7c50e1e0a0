"""The proof in its short form: where depth is needed, steps help, and it is their content that does."""

import pytest


@pytest.mark.slow
def test_the_modes_part() -> None:
    from benchmarks.reason_pointer import chase

    found = chase(0, quick=True)
    assert found.hits["none"] <= 0.35
    assert found.hits["pause"] <= 0.35
    assert found.hits["latent"] >= 0.9
    assert found.hits["explicit"] >= 0.9
    assert max(found.hits["zero"], found.hits["shuffle"]) <= 0.15
    assert all(abs(steps - depth) <= 1 for depth, steps in enumerate(found.steps, 1))
    assert list(found.steps) == sorted(found.steps), "deeper questions take longer"
