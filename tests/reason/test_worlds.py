"""The worlds in which latent steps are measured: their answers are what following by hand gives."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from benchmarks import reason_digits, reason_prosqa, reason_reach
from benchmarks.reason_chase import DEEP, SHORT, World
from benchmarks.reason_small import Small

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def drawn(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("world", [SHORT, DEEP, World(names=9, chains=2, length=4, depths=(2, 3))])
def test_a_chase_ends_where_its_edges_lead(world) -> None:
    asked = world.ask(64, drawn())
    assert asked.edges.shape == (64, world.chains * world.length, 2)
    for row in range(64):
        to = dict(asked.edges[row].tolist())
        assert len(to) == world.chains * world.length, "one edge from every node"
        at, walked = int(asked.start[row]), []
        for _ in range(world.depth):
            at = to[at]
            walked.append(at)
        assert walked == asked.path[row].tolist()
        assert to[walked[-1]] == walked[-1] == int(asked.end[row])
        assert walked.index(walked[-1]) + 1 == int(asked.depth[row])
    least, most = world.depths
    assert sorted(set(asked.depth.tolist())) == list(range(least, most + 1))


def test_of_two_leaves_the_root_reaches_one() -> None:
    asked = reason_reach.ask(64, 35, drawn())
    for row in range(64):
        below: dict[int, list[int]] = {}
        for a, b in asked.edges[row].tolist():
            below.setdefault(a, []).append(b)
        level = [int(asked.root[row])]
        for k in range(3):
            level = [b for a in level for b in below[a]]
            assert int(asked.path[row, k]) in level
            assert asked.frontier[row, k].nonzero().flatten().tolist() == sorted(level)
            assert torch.allclose(asked.frontier[row, k, level], torch.tensor(1 / len(level)))
        reached = [leaf for leaf in asked.leaves[row].tolist() if leaf in level]
        assert reached == [int(asked.path[row, -1])]
        assert not any(leaf in below for leaf in asked.leaves[row].tolist())
    first = (asked.leaves[:, 0] == asked.path[:, -1]).float().mean()
    assert 0.3 < first < 0.7, "its place says nothing"


def test_arrows_lead_from_picture_to_picture_and_held_out_ones_stay_apart() -> None:
    pytest.importorskip("sklearn")
    pictures, kinds = reason_digits._pictures()
    name = {tuple(picture.tolist()): int(kind) for picture, kind in zip(pictures, kinds, strict=True)}
    held = {tuple(picture.tolist()) for picture in pictures[-500:]}
    for apart in (True, False):
        asked = reason_digits.ask(16, 3, apart, drawn())
        for row in range(16):
            to = {name[tuple(a.tolist())]: name[tuple(b.tolist())] for a, b in asked.arrows[row]}
            assert sorted(to) == sorted(to.values()) == list(range(10))
            at = name[tuple(asked.start[row].tolist())]
            for k in range(3):
                at = to[at]
                assert at == int(asked.path[row, k])
            assert (tuple(asked.start[row].tolist()) in held) == apart
            assert all((tuple(p.tolist()) in held) == apart for p in asked.arrows[row].flatten(0, 1))


def followed(asked: reason_prosqa.Graphs, row: int) -> tuple[dict[int, int], list[list[int]]]:
    """Distances from the root, and the nodes at each."""
    below: dict[int, list[int]] = {}
    for a, b in asked.edges[row].tolist():
        if a >= 0:
            below.setdefault(a, []).append(b)
    far, level, levels = {int(asked.root[row]): 0}, [int(asked.root[row])], []
    while level:
        level = sorted({b for a in level for b in below.get(a, []) if b not in far})
        far |= dict.fromkeys(level, len(levels) + 1)
        levels.append(level)
    return far, levels


def check_graphs(asked: reason_prosqa.Graphs) -> None:
    for row in range(len(asked.root)):
        far, levels = followed(asked, row)
        answer = int(asked.answer[row])
        other = next(n for n in asked.two[row].tolist() if n != answer)
        assert answer in asked.two[row].tolist()
        assert other not in far
        assert 3 <= far[answer] <= reason_prosqa.STEPS
        path = asked.path[row].tolist()
        assert path[far[answer] - 1 :] == [answer] * (reason_prosqa.STEPS - far[answer] + 1)
        edges = {tuple(edge) for edge in asked.edges[row].tolist()}
        way = [int(asked.root[row]), *path[: far[answer]]]
        assert all(pair in edges for pair in pairwise(way))
        for k in range(reason_prosqa.STEPS):
            wanted = [level for level in levels[: k + 1] if level][-1]
            assert asked.frontier[row, k].nonzero().flatten().tolist() == wanted
            assert abs(float(asked.frontier[row, k].sum()) - 1) < 1e-5


def test_generated_questions_have_one_answer() -> None:
    asked = reason_prosqa.draw(100, drawn())
    assert len(asked.root) == 100
    check_graphs(asked)
    count = (asked.edges[..., 0] >= 0).sum(1).float().mean()
    assert 30 < count < 40, "official: 36"
    deep = ((asked.path != asked.answer[:, None]).sum(1) + 1).float().mean()
    assert 3.5 < deep < 4.1, "official: 3.75"
    assert 0.3 < (asked.two[:, 0] == asked.answer).float().mean() < 0.7


@pytest.mark.skipif(not (SHARED / "prosqa").is_dir(), reason="the shared data are not here")
def test_official_questions_are_read_as_they_are() -> None:
    import json

    import pyarrow.parquet as pq

    asked = reason_prosqa.official(SHARED, drawn())
    check_graphs(asked)
    rows = pq.read_table(SHARED / "prosqa/questions.parquet").to_pylist()
    assert len(asked.root) == len(rows)
    for i, row in enumerate(rows):
        far, _ = followed(asked, i)
        assert far[int(asked.answer[i])] <= len(row["steps"])
        assert int((asked.edges[i, :, 0] >= 0).sum()) == len({tuple(edge) for edge in json.loads(row["edges"])})


@pytest.mark.parametrize("mode", ["none", "pause", "written", "latent"])
def test_every_mode_of_prosqa_learns_something(mode) -> None:
    torch.manual_seed(0)
    asked = reason_prosqa.draw(8, drawn())
    model = reason_prosqa.Reasoner(0, 64)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    losses = []
    for _ in range(12):
        loss = model.loss(asked, mode)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.75 * losses[0]
    with torch.inference_mode():
        assert 0 <= model.right(model.reason(asked, mode), asked) <= 1


@pytest.mark.skipif(not (SHARED / "prosqa").is_dir(), reason="the shared data are not here")
def test_the_whole_of_prosqa_runs_where_there_is_no_gpu() -> None:
    size = reason_prosqa.Size(width=64, batch=4, warm=2, further=2, device="cpu")
    found = reason_prosqa.run(0, SHARED, size)
    assert sorted(found) == sorted(["none", "pause", "written", "latent", "zeroed", "other query's"])
    assert all(0 <= share <= 1 for share in found.values())


def test_what_is_masked_is_not_read() -> None:
    model = Small(10, 4, 0).eval()
    read = torch.randn(2, 6, 64, generator=drawn())
    mask = torch.tensor([[0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1]])
    with torch.inference_mode():
        both = model.think(read, 3, mask=mask).embedding
        alone = model.think(read[:1, 2:], 3).embedding
    assert (both[:1] - alone).abs().max() <= 1e-4
