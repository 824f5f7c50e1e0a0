"""The losses as sentence-transformers' citizens: cached as uncached, over processes, under its trainer and wrappers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small import Rows, batch

from samespace.train import losses

N = 10
GENERATOR = torch.Generator().manual_seed(5)
TEACHER = torch.randn(N, 2, 3, generator=GENERATOR)
CASES = {
    "sigmoid": (lambda m, **s: losses.SigmoidLoss(m, bias=-1.0, **s), 2, None),
    "sigmoid classes": (lambda m, **s: losses.SigmoidLoss(m, **s), 2, torch.arange(N) // 2),
    "masked": (lambda m, **s: losses.MaskedInfoNCELoss(m, margin=0.1, top_k=4, same_side=True, **s), 3, None),
    "modal": (lambda m, **s: losses.MaskedInfoNCELoss(m, modal=True, **s), 3, torch.arange(2 * N).reshape(N, 2) % 2),
    "volume": (lambda m, **s: losses.VolumeLoss(m, **s), 3, None),
    "spread": (lambda m, **s: losses.SpreadLoss(m, **s), 2, None),
    "teacher": (lambda m, **s: losses.TeacherRowsLoss(m, **s), 2, TEACHER),
    "angle": (lambda m, **s: losses.HyperbolicLoss(m, dim=5, **s), 2, None),
    "distance": (lambda m, **s: losses.HyperbolicLoss(m, dim=5, score="distance", **s), 2, None),
}
EVERY = pytest.mark.parametrize("name", CASES)


def made(name: str, dropout: float = 0.0, **settings):
    build, columns, labels = CASES[name]
    return build(Rows(dropout=dropout), **settings).double(), batch(1, columns, N), labels


def gradient(loss, features, labels, scale: float = 1.0):
    torch.manual_seed(3)
    value = loss(features, labels)
    (value * scale).backward()
    grads = {n: p.grad.clone() for n, p in loss.named_parameters() if p.grad is not None}
    loss.zero_grad()
    return float(value.detach()), grads


@EVERY
@pytest.mark.parametrize("size", [1, 4, 99])
def test_cached_gives_the_gradient_of_uncached(name: str, size: int) -> None:
    loss, features, labels = made(name)
    plain, wanted = gradient(loss, features, labels, scale=0.25)
    cached_loss, _, _ = made(name, mini_batch_size=size)
    cached, got = gradient(cached_loss, features, labels, scale=0.25)
    assert cached == pytest.approx(plain, rel=1e-12)
    assert got.keys() == wanted.keys()
    assert len(wanted) > len(list(loss.model.parameters())) - 1
    for key, value in wanted.items():
        assert torch.linalg.norm(got[key] - value) <= 1e-6 * torch.linalg.norm(value), key


def test_cached_draws_the_same_dropout_twice() -> None:
    """A slope that belongs to other masks than the vectors would not follow the loss downhill."""
    loss, features, labels = made("spread", dropout=0.5, mini_batch_size=3)
    first, grads = gradient(loss, features, labels)
    step = 1e-4
    with torch.no_grad():
        for key, parameter in loss.named_parameters():
            parameter -= step * grads[key]
    second, _ = gradient(loss, features, labels)
    drop = step * sum(float(g.square().sum()) for g in grads.values())
    assert first - second == pytest.approx(drop, rel=0.05)


@EVERY
def test_training_lowers_it(name: str) -> None:
    """Also what the loss learns by itself is learned: it moves."""
    loss, features, labels = made(name, mini_batch_size=4)
    start = {n: p.detach().clone() for n, p in loss.named_parameters(recurse=False)}
    optimizer = torch.optim.Adam(loss.parameters(), 0.01)
    values = []
    for _ in range(20):
        optimizer.zero_grad()
        value = loss(features, labels)
        value.backward()
        optimizer.step()
        values.append(float(value.detach()))
    assert values[-1] < values[0] - 0.02
    assert all(not torch.equal(p, start[n]) for n, p in loss.named_parameters(recurse=False))


@EVERY
def test_settings_are_plain_data_and_the_paper_is_named(name: str) -> None:
    loss, _, _ = made(name, mini_batch_size=4)
    said = json.loads(json.dumps(loss.get_config_dict()))
    assert said["mini_batch_size"] == 4
    assert made(name)[0].get_config_dict()["mini_batch_size"] is None
    assert "title={" in loss.citation


def test_no_gradient_is_kept_in_evaluation() -> None:
    loss, features, labels = made("sigmoid", mini_batch_size=4)
    with torch.no_grad():
        value = loss(features, labels)
    assert not value.requires_grad
    assert float(value) == pytest.approx(gradient(made("sigmoid")[0], features, labels)[0])


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: losses.SigmoidLoss(Rows(), temperature=0), "above 0"),
        (lambda: losses.MaskedInfoNCELoss(Rows(), top_k=0), "top_k >= 1"),
        (lambda: losses.VolumeLoss(Rows(), epsilon=0), "above 0"),
        (lambda: losses.SpreadLoss(Rows(), cross=-1), "weights >= 0"),
        (lambda: losses.TeacherRowsLoss(Rows(), temperature=-1), "above 0"),
        (lambda: losses.HyperbolicLoss(Rows(), dim=5, score="cosine"), "'angle' or 'distance'"),
        (lambda: losses.SpreadLoss(Rows(), mini_batch_size=0), "at least 1"),
        (lambda: losses.SpreadLoss(Rows())(batch(0, 1)), "needs an anchor and a positive"),
        (lambda: losses.TeacherRowsLoss(Rows())(batch(0, 2)), "Encode both columns with the teacher"),
        (lambda: losses.TeacherRowsLoss(Rows())(batch(0, 2), torch.zeros(10, 3)), r"\(10, 2, width\), got \(10, 3\)"),
        (lambda: losses.MaskedInfoNCELoss(Rows(), modal=True)(batch(0, 3)), r"needs labels \(10, 2\), got None"),
        (
            lambda: losses.MaskedInfoNCELoss(Rows(), modal=True)(batch(0, 3), torch.zeros(10)),
            r"needs labels \(10, 2\), got \(10,\)",
        ),
    ],
)
def test_bad_settings_are_named(build, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        build()


TWO = """
import sys, torch, torch.distributed as dist
sys.path.insert(0, {here!r})
from torch.nn.parallel import DistributedDataParallel
from test_citizens import CASES, N
from small import Rows, batch
rank = int(sys.argv[1])
dist.init_process_group("gloo", init_method="file://{store}", rank=rank, world_size=2)
made = {{}}
mine = slice(rank * N // 2, (rank + 1) * N // 2)
for name, (build, columns, labels), size in [(n, c, s) for n, c in CASES.items() for s in (None, 3)]:
    loss = build(Rows(), gather_across_devices=True, mini_batch_size=size).double()
    loss.model = DistributedDataParallel(loss.model)
    features = [{{"input_values": c["input_values"][mine]}} for c in batch(1, columns, N)]
    value = loss(features, None if labels is None else labels[mine])
    value.backward()
    grads = {{n.replace("model.module.", "model."): p.grad for n, p in loss.named_parameters()}}
    made[name, size] = (float(value.detach()), grads)
torch.save(made, "{out}" + str(rank))
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_are_one(tmp_path: Path) -> None:
    """Half of the rows each, gathered: value and gradient of one process with all of them."""
    code = TWO.format(here=str(Path(__file__).parent), store=tmp_path / "store", out=tmp_path / "out")
    runs = [subprocess.Popen([sys.executable, "-c", code, str(rank)]) for rank in range(2)]
    assert [run.wait(timeout=280) for run in runs] == [0, 0]
    both = [torch.load(tmp_path / f"out{rank}", weights_only=True) for rank in range(2)]
    for name, size in both[0]:
        loss, features, labels = made(name)
        value, wanted = gradient(loss, features, labels)
        for other, grads in (made_by[name, size] for made_by in both):
            assert other == pytest.approx(value, rel=1e-9)
            for key, grad in wanted.items():
                assert torch.linalg.norm(grads[key] - grad) <= 1e-6 * torch.linalg.norm(grad), (name, size, key)
