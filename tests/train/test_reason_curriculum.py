"""The curriculum: stages from the left, mixing back, the same for the same batch."""

import pytest

from samespace.train.reason_curriculum import Curriculum


def test_stages_go_from_all_written_to_all_thought() -> None:
    plan = Curriculum(steps=6, stages=3, mix=0.0)
    assert [plan.thought(stage, 0) for stage in range(4)] == [0, 2, 4, 6]
    assert Curriculum(steps=5, stages=1, mix=0.0).thought(1, 7) == 5


def test_some_batches_go_back_to_an_earlier_stage() -> None:
    plan = Curriculum(steps=4, stages=4, mix=0.3)
    drawn = [plan.thought(3, batch) for batch in range(2000)]
    back = [n for n in drawn if n != 3]
    assert 0.26 < len(back) / 2000 < 0.34
    assert set(back) == {0, 1, 2}
    assert all(plan.thought(0, batch) == 0 for batch in range(100)), "nothing comes before stage 0"


def test_a_run_can_be_resumed() -> None:
    plan = Curriculum(steps=4, stages=4, mix=0.5)
    drawn = [plan.thought(4, batch) for batch in range(50)]
    assert [plan.thought(4, batch) for batch in range(25, 50)] == drawn[25:]
    assert drawn != [Curriculum(steps=4, stages=4, mix=0.5, seed=1).thought(4, batch) for batch in range(50)]


@pytest.mark.parametrize("given", [{"stages": 0}, {"stages": 7}, {"mix": 1.0}, {"mix": -0.1}])
def test_plans_that_make_no_sense(given) -> None:
    with pytest.raises(ValueError, match="Use 1 <= stages <= steps"):
        Curriculum(**{"steps": 6, "stages": 3, **given})


def test_stages_there_are_not() -> None:
    with pytest.raises(ValueError, match="Use 0 to 3"):
        Curriculum(6, 3).thought(4, 0)
