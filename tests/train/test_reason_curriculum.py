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


@pytest.mark.slow
def test_one_optimizer_goes_through_all_stages() -> None:
    """A chase whose written names give way to latent steps: what is left of them is learned in each stage."""
    import torch
    from benchmarks.reason_chase import SHORT, Chaser
    from torch.nn import functional

    from samespace.train.reason_losses import text_ce

    torch.set_num_threads(1)
    plan, model = Curriculum(steps=SHORT.depth, stages=5, mix=0.3), Chaser(0)
    optimizer, drawn = torch.optim.AdamW(model.parameters(), 2e-3), torch.Generator().manual_seed(0)

    def missed(n: int, generator: torch.Generator) -> torch.Tensor:
        asked = SHORT.ask(16, generator)
        rest = asked.path[:, n:]
        made = model.ask(asked, n, written=rest)
        loss = functional.cross_entropy(model.scores(made.embedding), asked.end)
        ends = torch.full_like(asked.start, -100)[:, None]
        return loss + text_ce(made, torch.cat([rest, ends], 1)) if n < plan.steps else loss

    def by_stage() -> list[float]:
        with torch.no_grad():
            return [float(missed(n, torch.Generator().manual_seed(1))) for n in range(plan.steps + 1)]

    first, thought_of = by_stage(), []
    for stage in range(plan.stages + 1):
        thought_of.append([plan.thought(stage, batch) for batch in range(8)])
        for n in thought_of[-1]:
            loss = missed(n, drawn)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert [max(found) for found in thought_of] == [0, 1, 2, 3, 4, 5]
    assert min(min(found) for found in thought_of[4:]) < 4, "mixing goes back"
    assert {int(state["step"]) for state in optimizer.state.values()} == {48}, "no state was ever reset"
    assert all(after < before - 0.3 for before, after in zip(first, by_stage(), strict=True))
