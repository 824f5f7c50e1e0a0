"""vec2vec: networks, training that can go on, a choice without pairs, and a small case that works."""

import numpy as np
import pytest

from samespace import Space, Vectors
from samespace.errors import SpaceMismatchError
from samespace.translate.adversarial import Block, Vec2Vec, vec2vec
from samespace.translate.adversarial_choice import Seen, chosen, energy
from samespace.translate.files import load, save
from samespace.translate.measure import measure
from samespace.translate.procrustes import polar

torch = pytest.importorskip("torch")

from samespace.translate import adversarial_train  # noqa: E402 - torch is needed
from samespace.translate.adversarial_net import Mlp, Nets  # noqa: E402
from samespace.translate.adversarial_train import Diverged, Plan, train  # noqa: E402

SMALL = Plan(seeds=3, steps=20, batch=16, hidden=6, depth=2, critic=(8, 2))
HERE, THERE = Space("made/here@1", 5), Space("made/there@1", 7)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr(adversarial_train, "_EVERY", 5)


def rows(n: int, d: int, seed: int = 0) -> np.ndarray:
    made = np.random.default_rng(seed).gamma(0.5, 1.0, (n, d)).astype(np.float32)
    made -= made.mean(0)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def made() -> Vec2Vec:
    return vec2vec(HERE.vectors(rows(2100, 5)), THERE.vectors(rows(2200, 7, 1)), plan=SMALL, seed=4)


@pytest.mark.parametrize("widths", [[5, 9, 9, 7], [7, 4, 5], [6, 6]])
def test_a_finished_network_gives_what_the_trained_one_gave(widths):
    draws = [torch.Generator().manual_seed(s) for s in (1, 2)]
    mlp = Mlp.of(widths, draws, residual=True, device="cpu")
    for bias in mlp.biases:
        bias.data += torch.randn(bias.shape)
    x = rows(11, widths[0])
    with torch.no_grad():
        wanted = mlp(torch.from_numpy(np.stack([x, x]))).numpy()
    for s in (0, 1):
        block = Block(
            tuple(w[s].detach().numpy() for w in mlp.weights), tuple(b[s, 0].detach().numpy() for b in mlp.biases)
        )
        np.testing.assert_allclose(block(x), wanted[s], atol=2e-5)
    assert np.abs(wanted[0] - wanted[1]).max() > 0.1


def parameters(nets: Nets) -> list[np.ndarray]:
    return [p.detach().numpy().copy() for p in (*nets.generators(), *nets.judges())]


def test_training_that_was_stopped_goes_on_to_the_same_end(tmp_path, often):
    sides = rows(60, 5), rows(70, 7)
    whole, _ = train(sides, SMALL, seed=1)
    keep = tmp_path / "deep" / "state.safetensors"

    def stop(text: str) -> None:
        if text.startswith("step 10"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(sides, SMALL, seed=1, keep=keep, tell=stop)
    told: list[str] = []
    again, _ = train(sides, SMALL, seed=1, keep=keep, tell=told.append)
    assert [text.partition(" of")[0] for text in told] == ["step 15", "step 20"]
    for a, b in zip(parameters(whole), parameters(again), strict=True):
        np.testing.assert_array_equal(a, b)
    assert [path.name for path in keep.parent.iterdir()] == [keep.name]
    with pytest.raises(ValueError, match=r"is the state of another training\nDelete it"):
        train(sides, SMALL, seed=2, keep=keep)
    with pytest.raises(ValueError, match="another training"):
        train((rows(61, 5), sides[1]), SMALL, seed=1, keep=keep)


def test_no_seed_sees_another_and_one_that_breaks_is_left_out(often, monkeypatch):
    sides = rows(60, 5), rows(70, 7)
    whole, alive = train(sides, SMALL, seed=1)
    assert alive.all()
    of = Nets.of

    def broken(*args, **kwargs):
        nets = of(*args, **kwargs)
        nets.middle.weights[0].data[1, 0, 0] = float("nan")
        return nets

    monkeypatch.setattr(Nets, "of", broken)
    part, alive = train(sides, SMALL, seed=1)
    assert alive.tolist() == [True, False, True]
    for a, b in zip(parameters(whole), parameters(part), strict=True):
        np.testing.assert_array_equal(a[[0, 2]], b[[0, 2]])


def test_divergence_of_all_ends_with_the_mend():
    plan = Plan(seeds=2, steps=30, batch=16, hidden=6, critic=(8, 2), rate=1e30)
    with pytest.raises(Diverged, match=r"by step 30 none of 2 seeds is finite\nTrain more slowly: Plan\(rate=1e\+29\)"):
        vec2vec(HERE.vectors(rows(2100, 5)), THERE.vectors(rows(2100, 7)), plan=plan)


def test_both_ways_lead_into_the_right_space_and_are_kept_on_disk(made, tmp_path):
    some = HERE.vectors(rows(9, 5))
    out = made(some)
    assert out.space == THERE and made.fidelity is None and made.inverse()(out).space == HERE
    assert len(made(HERE.empty())) == 0
    with pytest.raises(SpaceMismatchError):
        made(out)
    np.testing.assert_array_equal(made.inverse().inverse()(some).data, out.data)
    save(made, tmp_path / "kept", force=True) if "force" in save.__kwdefaults__ else save(made, tmp_path / "kept")
    again = load(tmp_path / "kept")
    np.testing.assert_array_equal(again(some).data, out.data)
    np.testing.assert_array_equal(again.inverse()(out).data, made.inverse()(out).data)


def test_a_seed_decides_all_and_everything_seen_is_told(made):
    sides = HERE.vectors(rows(2100, 5)), THERE.vectors(rows(2200, 7, 1))
    some = HERE.vectors(rows(9, 5))
    np.testing.assert_array_equal(vec2vec(*sides, plan=SMALL, seed=4)(some).data, made(some).data)
    assert np.abs(vec2vec(*sides, plan=SMALL, seed=5)(some).data - made(some).data).max() > 0.01
    facts = made.facts
    assert facts["rows"] == [2100, 2200] and len(facts["runs"]) == 3 and facts["diverged"] == 0
    assert facts["chosen"] == chosen([Seen(**look) for look in facts["runs"]])


def test_a_run_is_chosen_among_those_that_agree_by_where_its_rows_lie():
    alone, near, far = Seen(0.9, 0.01, 0.001, 0.1), Seen(0.9, 0.01, 0.004, 0.8), Seen(0.9, 0.01, 0.02, 0.8)
    assert chosen([far, alone, near]) == 2
    assert chosen([Seen(0.9, 0.01, 0.02, 0.2), alone]) == 1
    assert chosen([alone]) == 0


def test_energy_is_the_sum_over_all_pairs():
    a, b = rows(30, 4), rows(40, 4, 1)
    far = lambda x, y: np.array([[np.linalg.norm(p - q) for q in y] for p in x])  # noqa: E731
    wanted = 2 * far(a, b).mean() - far(a, a).sum() / (30 * 29) - far(b, b).sum() / (40 * 39)
    assert energy(a, b) == pytest.approx(wanted, abs=1e-4)
    assert energy(a, -a) > 5 * abs(energy(rows(500, 4), rows(500, 4, 1)))


def test_too_few_rows_are_refused():
    with pytest.raises(ValueError, match=r"10 rows of made/here@1: adversaries need 2,000 at least.*\n.*align"):
        vec2vec(HERE.vectors(rows(10, 5)), THERE.vectors(rows(2100, 7)))


def turned(n: int, d: int = 32) -> tuple[Vectors, Vectors, np.ndarray]:
    """Skewed rows whose axes differ in spread, the same turned and blurred, and which rows to measure on."""
    rng = np.random.default_rng(0)
    plain = (rng.gamma(1.0, 1.0, (2 * n + 500, d)) - 1) * 0.9 ** np.arange(d)
    other = plain @ polar(rng.standard_normal((d, d)))
    other += 0.02 * plain.std() * rng.standard_normal(other.shape)
    here, there = Space("made/a@1", d), Space("made/b@1", d)
    return here.vectors(plain), there.vectors(other), np.arange(2 * n, 2 * n + 500)


@pytest.mark.slow
def test_training_keeps_what_the_axes_of_both_sides_find():
    source, target, rest = turned(3000)
    plan = Plan(seeds=2, steps=200, batch=64, hidden=32, depth=1, critic=(32, 2))
    made = vec2vec(source[np.arange(3000)], target[np.arange(3000, 6000)], plan=plan)
    seen = made.facts["seen"]
    assert seen["cycle"] > 0.99 and seen["geometry"] < 0.02
    assert measure(made, source[rest], target[rest]).top1 > 0.8
    assert measure(made.inverse(), target[rest], source[rest]).top1 > 0.8
