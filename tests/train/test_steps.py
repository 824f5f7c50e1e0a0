"""The loop of steps: memory that runs out, the schedule of the rate, what a state holds."""

import pytest
import torch
from torch import nn

from samespace.train.state import States
from samespace.train.steps import Schedule, run

torch.set_num_threads(1)


class Fixed:
    """Batches of 8 of 32 rows, in order."""

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return 4

    def __iter__(self):
        return iter([list(range(i, i + 8)) for i in range(0, 32, 8)])


def trained(tmp_path, most: int, error: type[Exception] = MemoryError):
    torch.manual_seed(0)
    model, x = nn.Linear(3, 1), torch.randn(32, 3)
    asked = []

    def loss(rows, piece):
        asked.append(piece)
        if piece > most:
            raise error("CUDA out of memory" if error is RuntimeError else "no memory")
        return sum((model(x[rows[i : i + piece]]) - 1).square().sum() for i in range(0, len(rows), piece)) / len(rows)

    schedule = Schedule(epochs=2, learning_rate=0.05, keep_every=3)
    curve = run(model, loss, Fixed(), schedule, States(tmp_path, "one"), lambda: {"seen": 0.5})
    return curve, asked, model


@pytest.mark.parametrize("error", [MemoryError, RuntimeError])
def test_when_memory_runs_out_the_piece_halves_and_the_batch_stays(error, tmp_path) -> None:
    whole, _, first = trained(tmp_path / "a", most=99)
    halved, asked, second = trained(tmp_path / "b", most=2, error=error)
    assert asked == [8, 4, 2, *[2] * 7], "it is found out once"
    assert [p["loss"] for p in halved[1:]] == pytest.approx([p["loss"] for p in whole[1:]], rel=1e-5)
    assert torch.allclose(first.weight, second.weight, atol=1e-5)


def test_a_short_batch_does_not_cut_the_next_into_pieces(tmp_path) -> None:
    """It would change the last bits of a run that goes on behind a short one."""
    asked = []

    class Uneven(Fixed):
        def __iter__(self):
            return iter([[0], [1, 2, 3, 4], [5], [6, 7, 8]])

    def loss(rows, piece):
        asked.append(piece)
        return nn.Linear(1, 1)(torch.ones(1, 1)).sum()

    run(nn.Linear(1, 1), loss, Uneven(), Schedule(1, 0.1), States(tmp_path, "one"), dict)
    assert asked == [1, 4, 1, 3]


def test_when_one_row_does_not_fit_the_error_is_the_models(tmp_path) -> None:
    with pytest.raises(MemoryError, match="no memory"):
        trained(tmp_path, most=0)


def test_another_error_is_not_taken_for_memory(tmp_path) -> None:
    def broken(rows, piece):
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        run(nn.Linear(1, 1), broken, Fixed(), Schedule(1, 0.1), States(tmp_path, "one"), dict)


def test_the_curve_has_the_start_every_point_and_the_end(tmp_path) -> None:
    curve, _, _ = trained(tmp_path, most=99)
    assert [p["step"] for p in curve] == [0, 3, 6, 8]
    assert "loss" not in curve[0]
    assert all(p["seen"] == 0.5 for p in curve)
    assert curve[-1]["loss"] < curve[1]["loss"]


def test_the_rate_rises_then_falls_to_nothing() -> None:
    schedule = Schedule(epochs=1, learning_rate=0.2, warm_up=0.25)
    rates = [schedule.rate(step, 40) for step in range(40)]
    assert rates[0] == pytest.approx(0.02)
    assert max(rates) == pytest.approx(0.2)
    assert rates.index(max(rates)) in (9, 10)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.001
    assert schedule.rate(25, 40) == pytest.approx(0.1)
