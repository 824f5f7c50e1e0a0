"""Each loss against a slow reference in float64 loops, its chance value, its slope where the slope is hard."""

import math

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from samespace.train.losses.hyperbolic import aperture, distance, exterior_angle, hyperbolic_loss, lift
from samespace.train.losses.masked import masked_info_nce
from samespace.train.losses.sigmoid import sigmoid_loss
from samespace.train.losses.spread import alignment, cross_uniformity, spread_loss, uniformity
from samespace.train.losses.teacher import teacher_rows_loss
from samespace.train.losses.volume import volume, volume_loss

torch.set_num_threads(1)


def rows(seed: int, n: int, d: int = 6):
    """Rows that are neither unit nor centred, so that a forgotten normalisation shows."""
    made = np.random.default_rng(seed).normal(size=(n, d)) * 2 + 0.5
    return torch.tensor(made, dtype=torch.float64)


def scalar(value: float):
    return torch.tensor(value, dtype=torch.float64)


def cos(a, b) -> float:
    a, b = np.asarray(a), np.asarray(b)
    return float(a @ b / math.sqrt(a @ a) / math.sqrt(b @ b))


def nce(scores: list[list[float]]) -> float:
    """-log softmax of the diagonal, mean, by loops."""
    return sum(math.log(sum(math.exp(x) for x in r)) - r[i] for i, r in enumerate(scores)) / len(scores)


def slopes(function, *inputs) -> bool:
    return gradcheck(function, [x.clone().requires_grad_() for x in inputs], eps=1e-6, atol=1e-5)


# sigmoid


@pytest.mark.parametrize("labels", [None, [0, 1, 0, 2, 1]])
def test_sigmoid_is_its_formula(labels) -> None:
    a, p, scale, bias = rows(0, 5), rows(1, 5), 7.0, -3.0
    own = labels or range(5)
    total = 0.0
    for i in range(5):
        for j in range(5):
            z = 1 if own[i] == own[j] else -1
            total += math.log(1 + math.exp(-z * (scale * cos(a[i], p[j]) + bias)))
    given = None if labels is None else torch.tensor(labels)
    made = sigmoid_loss(a, p, scalar(scale), scalar(bias), given)
    assert float(made) == pytest.approx(total / 5, rel=1e-12)
    assert slopes(lambda a, p, s, b: sigmoid_loss(a, p, s, b, given), a, p, scalar(scale), scalar(bias))


def test_sigmoid_at_chance() -> None:
    a, p = torch.eye(8, dtype=torch.float64)[:4], torch.eye(8, dtype=torch.float64)[4:]
    made = sigmoid_loss(a, p, scalar(10.0), scalar(-10.0))
    assert float(made) == pytest.approx(math.log(1 + math.exp(10)) + 3 * math.log(1 + math.exp(-10)))


# masked InfoNCE


def slow_masked(a, c, temperature, modality, margin, top_k, same_side) -> float:
    n, total = len(a), 0.0
    for i in range(n):
        positive = cos(a[i], c[i])
        kept = [cos(a[i], c[j]) for j in range(len(c)) if j != i and (modality is None or modality[j] == modality[i])]
        if same_side:
            kept += [cos(a[i], a[j]) for j in range(n) if j != i] + [cos(c[i], c[j]) for j in range(n) if j != i]
        if margin is not None:
            kept = [s for s in kept if s <= positive + margin]
        if top_k is not None:
            kept = sorted(kept, reverse=True)[:top_k]
        e = math.exp(positive / temperature)
        total -= math.log(e / (e + sum(math.exp(s / temperature) for s in kept)))
    return total / n


@pytest.mark.parametrize("modality", [None, [1, 2, 1, 2, 1, 3, 1, 2, 2, 2, 1, 3]])
@pytest.mark.parametrize("margin", [None, 0.1, -0.1])
@pytest.mark.parametrize("top_k", [None, 2, 99])
@pytest.mark.parametrize("same_side", [False, True])
def test_masked_info_nce_is_its_formula(modality, margin, top_k, same_side) -> None:
    a, c = rows(2, 6), rows(3, 12)
    codes = None if modality is None else torch.tensor(modality)
    switches = {"margin": margin, "top_k": top_k, "same_side": same_side}
    made = masked_info_nce(a, c, temperature=0.2, modality=codes, **switches)
    assert float(made) == pytest.approx(slow_masked(a, c, 0.2, modality, **switches), rel=1e-10)
    assert slopes(lambda a, c: masked_info_nce(a, c, temperature=0.2, modality=codes, **switches), a, c)


def test_rows_of_one_group_do_not_deny_each_other() -> None:
    a, c, groups = rows(2, 4), rows(3, 4), [0, 1, 0, 2]
    total = 0.0
    for i in range(4):
        e = [math.exp(cos(a[i], c[j]) / 0.2) for j in range(4) if j == i or groups[j] != groups[i]]
        total += math.log(sum(e)) - cos(a[i], c[i]) / 0.2
    made = masked_info_nce(a, c, temperature=0.2, groups=torch.tensor(groups))
    assert float(made) == pytest.approx(total / 4, rel=1e-10)


def test_masked_info_nce_with_nothing_left_is_solved_and_has_a_slope() -> None:
    a, c = rows(2, 3).requires_grad_(), rows(3, 3)
    made = masked_info_nce(a, c, modality=torch.tensor([1, 2, 4]))
    made.backward()
    assert float(made.detach()) == 0
    assert torch.equal(a.grad, torch.zeros_like(a))


def test_masked_info_nce_at_chance() -> None:
    one = torch.ones(5, 4, dtype=torch.float64)
    assert float(masked_info_nce(one, one)) == pytest.approx(math.log(5))
    assert float(masked_info_nce(one, one, top_k=2)) == pytest.approx(math.log(3))
    assert float(masked_info_nce(one, one, modality=torch.tensor([1, 1, 2, 2, 2]))) == pytest.approx(
        (2 * math.log(2) + 3 * math.log(3)) / 5
    )


# volume


def gram(*vectors) -> float:
    unit = np.stack([np.asarray(v) / np.linalg.norm(v) for v in vectors])
    return math.sqrt(max(np.linalg.det(unit @ unit.T), 0.0))


def test_volume_agrees_with_the_oracle() -> None:
    """The determinants of the reference (its code, float64), to what epsilon changes."""
    i, j = np.arange(1, 17)[:, None], np.arange(1, 6)
    a, b = torch.tensor(np.sin(i * j)), torch.tensor(np.sin(i * j) + 0.5 * np.cos(i * (j + 1)))
    made = volume(a[:2], [b[:2], a[4:6]], epsilon=1e-12)
    expected = [[0.12533944, 0.95476512], [0.53905395, 0.31806916]]
    assert np.allclose(made, expected, atol=1e-6)


@pytest.mark.parametrize("k", [1, 2, 4])
def test_volume_is_its_formula(k: int) -> None:
    a, others = rows(0, 3), [rows(10 + o, 4) for o in range(k)]
    made = volume(a, others, epsilon=1e-13)
    slow = [[gram(x, *(o[j] for o in others)) for j in range(4)] for x in a]
    assert np.allclose(made, slow, rtol=1e-6)
    assert slopes(lambda a, *others: volume(a, others), a, *others)


def test_volume_has_a_finite_slope_where_it_vanishes() -> None:
    a = rows(0, 3).float().requires_grad_()
    b, c = a.detach().clone().requires_grad_(), a.detach().clone().requires_grad_()
    made = volume_loss(a, [b, c], torch.tensor(0.07))
    made.backward()
    for x in (a, b, c):
        assert torch.isfinite(x.grad).all()
    assert float(made.detach()) < math.log(3)
    flat = gram_of_torch(a.detach())
    assert not torch.isfinite(flat).all(), "the plain formula must show the trouble, else this test shows nothing"


def gram_of_torch(a):
    """The slope of sqrt(|det G|) at three equal vectors, as the reference computes it."""
    x = torch.nn.functional.normalize(a[0], dim=0).clone().requires_grad_()
    stack = torch.stack([x, x, x])
    torch.sqrt(torch.abs(torch.linalg.det(stack @ stack.T))).backward()
    return x.grad


def test_volume_loss_is_its_formula_and_log_n_at_chance() -> None:
    a, b, c = rows(0, 4), rows(1, 4), rows(2, 4)
    t, smoothing = 0.3, 0.1
    vol = [[gram(a[i], b[j], c[j]) for j in range(4)] for i in range(4)]
    total = 0.0
    for grid in (vol, [list(col) for col in zip(*vol, strict=True)]):
        for i, line in enumerate(grid):
            logs = [-v / t - math.log(sum(math.exp(-w / t) for w in line)) for v in line]
            total -= ((1 - smoothing) * logs[i] + smoothing * sum(logs) / 4) / 8
    made = volume_loss(a, [b, c], scalar(t), epsilon=1e-13, smoothing=smoothing)
    assert float(made) == pytest.approx(total, rel=1e-6)
    assert slopes(lambda a, b, c, t: volume_loss(a, [b, c], t), a, b, c, scalar(t))
    same = torch.ones(4, 6, dtype=torch.float64)
    assert float(volume_loss(same, [same, same], scalar(t))) == pytest.approx(math.log(4))


# alignment and uniformity


def test_alignment_and_uniformity_agree_with_the_oracle() -> None:
    i, j = np.arange(1, 17)[:, None], np.arange(1, 6)
    a, b = torch.tensor(np.sin(i * j)), torch.tensor(np.sin(i * j) + 0.5 * np.cos(i * (j + 1)))
    assert float(alignment(a, b)) == pytest.approx(0.0958242, abs=1e-6)
    assert float(uniformity(a)) == pytest.approx(-3.0462061, abs=1e-6)
    assert float(uniformity(a, t=0.5)) == pytest.approx(-0.9853205, abs=1e-6)
    assert float(uniformity(b)) == pytest.approx(-2.8797270, abs=1e-6)


def test_spread_is_the_weighted_sum_of_its_parts() -> None:
    a, p, t = rows(0, 5), rows(1, 5), 2.0
    scores = [[cos(x, y) / 0.2 for y in p] for x in a]
    both = (nce(scores) + nce([list(c) for c in zip(*scores, strict=True)])) / 2
    square = lambda x, y: 2 - 2 * cos(x, y)  # noqa: E731
    near = sum(square(x, y) for x, y in zip(a, p, strict=True)) / 5
    inside = [
        math.log(np.mean([math.exp(-t * square(side[i], side[j])) for i in range(5) for j in range(i)]))
        for side in (a, p)
    ]
    across = math.log(np.mean([math.exp(-t * square(a[i], p[j])) for i in range(5) for j in range(5) if i != j]))
    assert float(cross_uniformity(a, p)) == pytest.approx(across, rel=1e-10)
    weights = {"contrast": 0.7, "align": 1.3, "spread": 0.4, "cross": 0.6}
    made = spread_loss(a, p, **weights, temperature=0.2)
    expected = 0.7 * both + 1.3 * near + 0.4 * sum(inside) / 2 + 0.6 * across
    assert float(made) == pytest.approx(expected, rel=1e-10)
    assert slopes(lambda a, p: spread_loss(a, p, **weights, temperature=0.2), a, p)


def test_spread_at_chance() -> None:
    wide = torch.tensor(np.random.default_rng(0).normal(size=(2, 400, 2000)))
    made = spread_loss(wide[0], wide[1], temperature=1.0)
    assert float(made) == pytest.approx(math.log(400) + 2 - 4 * (0.5 + 0.5), abs=0.02)


# rows of a teacher


def test_teacher_rows_is_its_formula() -> None:
    a, p, ta, tp = rows(0, 4), rows(1, 4), rows(2, 4, 9), rows(3, 4, 9)
    total = 0.0
    for i in range(4):
        q, w = [cos(a[i], x) / 0.3 for x in p], [cos(ta[i], x) / 0.2 for x in tp]
        log_q = [x - math.log(sum(map(math.exp, q))) for x in q]
        log_w = [x - math.log(sum(map(math.exp, w))) for x in w]
        total += sum(math.exp(x) * (x - y) for x, y in zip(log_w, log_q, strict=True)) / 4
    made = teacher_rows_loss(a, p, ta, tp, temperature=0.3, teacher_temperature=0.2)
    assert float(made) == pytest.approx(total, rel=1e-10)
    assert slopes(lambda a, p: teacher_rows_loss(a, p, ta, tp, temperature=0.3, teacher_temperature=0.2), a, p)
    assert float(teacher_rows_loss(ta, tp, ta, tp)) == pytest.approx(0, abs=1e-12)


# hyperbolic


def test_hyperbolic_geometry_agrees_with_the_oracle() -> None:
    one = scalar(1.0)
    x = torch.tensor([[0.6, 0.8]], dtype=torch.float64)
    y = torch.tensor([[2.0, 0.0], [1.5, 2.0]], dtype=torch.float64)
    assert distance(x, y, one).tolist()[0] == pytest.approx([1.2948998, 0.7658576], abs=1e-6)
    assert exterior_angle(x, y, one).tolist()[0] == pytest.approx([1.8957376, 0.0], abs=2e-3)
    assert float(exterior_angle(x, y, one)[0, 0]) == pytest.approx(1.8957376, abs=1e-6)
    assert float(aperture(x, one)) == pytest.approx(0.2013579, abs=1e-6)
    v = torch.tensor([[0.3, 0.4]], dtype=torch.float64)
    assert lift(v, one).tolist()[0] == pytest.approx([0.3126572, 0.4168762], abs=1e-6)


@pytest.mark.parametrize("score", ["angle", "distance"])
def test_hyperbolic_loss_is_its_formula(score: str) -> None:
    g, s, c, t = rows(0, 4) * 0.2, rows(1, 4) * 0.4, 0.7, 0.5

    def point(v):
        v = np.asarray(v)
        size = math.sqrt(c) * math.sqrt(v @ v)
        x = math.sinh(size) * v / size
        return x, math.sqrt(1 / c + x @ x)

    def inner(a, b):
        return a[0] @ b[0] - a[1] * b[1]

    def outer(a, b):
        ci = c * inner(a, b)
        return math.acos((b[1] + a[1] * ci) / (math.sqrt(a[0] @ a[0]) * math.sqrt(ci * ci - 1)))

    x, y = [point(v) for v in g], [point(v) for v in s]
    rank = outer if score == "angle" else lambda a, b: math.acosh(-c * inner(a, b)) / math.sqrt(c)
    logits = [[-rank(a, b) / t for b in y] for a in x]
    both = (nce(logits) + nce([list(col) for col in zip(*logits, strict=True)])) / 2
    cones = [math.asin(min(1.0, 0.2 / (math.sqrt(c) * math.sqrt(a[0] @ a[0])))) for a in x]
    held = sum(max(0.0, outer(a, b) - w) for a, b, w in zip(x, y, cones, strict=True)) / 4
    made = hyperbolic_loss(g, s, scalar(c), scalar(t), score=score, entailment=0.3)
    assert float(made) == pytest.approx(both + 0.3 * held, rel=1e-8)
    assert slopes(lambda g, s, c, t: hyperbolic_loss(g, s, c, t, score=score), g, s, scalar(c), scalar(t))


@pytest.mark.parametrize("score", ["angle", "distance"])
def test_hyperbolic_loss_has_a_finite_slope_where_pairs_coincide_or_vanish(score: str) -> None:
    for special in (rows(0, 3), torch.zeros(3, 6, dtype=torch.float64), rows(0, 3) * 1e4):
        g, s = rows(0, 3).float().requires_grad_(), special.float().requires_grad_()
        hyperbolic_loss(g, s, torch.tensor(1.0), torch.tensor(0.1), score=score).backward()
        assert torch.isfinite(g.grad).all()
        assert torch.isfinite(s.grad).all()
