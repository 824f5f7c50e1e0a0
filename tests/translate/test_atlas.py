"""The graph of Spaces: which way is best, what it costs, and what is said where there is none."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samespace import Space, errors
from samespace.translate.affine import Affine
from samespace.translate.atlas import Atlas, Route
from samespace.translate.atlas_files import open_atlas, save_atlas
from samespace.translate.compose import compose
from samespace.translate.derived import Cut, Requantised
from samespace.translate.domain import Domain
from samespace.translate.files import Saved
from samespace.translate.measure import measure
from samespace.translate.procrustes import Procrustes
from samespace.translate.protocol import Translator

A, B, C, D, E = (Space(f"test/{letter}@1", 6, fingerprint=letter * 8) for letter in "abcde")


def edge(source: Space, target: Space, fidelity: float | None = None) -> Requantised:
    return Requantised(source, target, fidelity)


def fitted(source: Space, target: Space, n: int = 300, *, method=Procrustes, fidelity: float | None = None):
    """A map fitted on pairs of one world: `world` seen from both Spaces."""
    return replace(method.fit(seen(source, n), seen(target, n)), fidelity=fidelity)


def seen(space: Space, n: int, seed: int = 0):
    """The same items in any Space: turned by its name, with a common part."""
    rows = np.random.default_rng(seed).standard_normal((n, 6)) * np.linspace(1.5, 0.5, 6)
    rng = np.random.default_rng(sum(space.name.encode()))
    turn = np.linalg.qr(rng.standard_normal((space.dim, space.dim)))[0][:6]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return space.vectors(rows @ turn + 0.1 * rng.standard_normal(space.dim))


def names(route: Route) -> str:
    return "".join(space.name[5] for space in route.spaces)


@pytest.mark.parametrize(
    ("ways", "best"),
    [
        ([edge(A, C), edge(A, B, 0.1), edge(B, C, 0.1)], "abc"),  # measured before unmeasured
        ([edge(A, C, 0.5), edge(A, B, 0.9), edge(B, C, 0.9)], "abc"),  # .81 before .5
        ([edge(A, C, 0.82), edge(A, B, 0.9), edge(B, C, 0.9)], "ac"),  # .82 before .81
        ([edge(A, B), edge(B, C), edge(A, D), edge(D, C, 0.01)], "adc"),  # fewer unmeasured
        ([edge(A, B), edge(B, C, 0.3), edge(A, D), edge(D, C, 0.4)], "adc"),  # as many: the better rest
        ([edge(A, C, 0.0), edge(A, B)], "ac"),  # nothing kept is still measured
        ([edge(A, C, 0.3), edge(A, C, 0.6)], "ac"),
        ([edge(A, B, 1.0), edge(B, A, 1.0), edge(B, C, 1.0)], "abc"),
    ],
)
def test_the_best_route_is_of_fewest_unmeasured_steps_then_of_most_kept(ways, best: str) -> None:
    for order in (ways, ways[::-1]):
        assert names(Atlas(order).route(A, C)) == best


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.sampled_from([None, 0.2, 0.5, 0.9])), max_size=12))
def test_no_other_way_is_better(drawn) -> None:
    spaces = [A, B, C, D, E]
    ways = [edge(spaces[i], spaces[j], f) for i, j, f in drawn if i != j]

    def every(at: Space, been: tuple[Space, ...], cost: tuple[int, float]):
        if at == E:
            yield cost
            return
        for way in ways:
            if way.source == at and way.target not in been:
                loss = 0.0 if way.fidelity is None else -np.log(way.fidelity)
                more = (cost[0] + (way.fidelity is None), cost[1] + loss)
                yield from every(way.target, (*been, way.target), more)

    costs = list(every(A, (A,), (0, 0.0)))
    if not costs:
        with pytest.raises(errors.RouteError):
            Atlas(ways).route(A, E)
        return
    found = Atlas(ways).route(A, E)
    assert found.unmeasured == min(costs)[0]
    assert -np.log(found.estimate) == pytest.approx(min(costs)[1], abs=1e-9)


def test_a_route_is_a_translator() -> None:
    atlas = Atlas([fitted(A, B, fidelity=0.5), fitted(B, C, fidelity=0.8)])
    route = atlas.route(A, C)
    assert isinstance(route, Translator) and (route.source, route.target) == (A, C)
    assert route.fidelity == pytest.approx(0.4) and route.unmeasured == 0
    assert measure(route, seen(A, 80, 1), seen(C, 80, 1)).top1 == 1.0
    assert atlas.translate(seen(A, 5), C).space == C
    here = atlas.route(A, A)
    assert here.steps == () and here.fidelity == 1.0 and (here(seen(A, 3)).data == seen(A, 3).data).all()
    assert str(route) == "test/a@1#aaaaaaaa → test/b@1#bbbbbbbb → test/c@1#cccccccc (about 0.40 of the neighbours kept)"
    assert str(Atlas([edge(A, B), edge(B, C, 0.5)]).route(A, C)).endswith("(1 of 2 steps unmeasured)")
    with pytest.raises(errors.SpaceMismatchError):
        route(seen(B, 3))


def test_what_can_be_inverted_leads_back_unmeasured() -> None:
    atlas = Atlas([fitted(A, B, fidelity=0.9), edge(B, C, 1.0)])
    back = atlas.route(B, A)
    assert back.unmeasured == 1 and back.fidelity is None
    assert measure(back, seen(B, 80, 1), seen(A, 80, 1)).top1 == 1.0
    with pytest.raises(errors.RouteError):
        atlas.route(C, B)


def test_a_failed_translation_is_no_way() -> None:
    bad = replace(fitted(A, B, fidelity=0.02), facts={"verdict": {"level": "failed"}})
    atlas = Atlas([bad])
    assert atlas.translators == (bad,) and atlas.spaces == (A, B)
    for ends in ((A, B), (B, A)):
        with pytest.raises(errors.RouteError):
            atlas.route(*ends)
    assert Atlas([replace(bad, facts={"verdict": {"level": "doubtful"}})]).route(A, B)


def test_where_there_is_no_way_it_says_what_could_be_fitted() -> None:
    atlas = Atlas([edge(A, B, 1.0), edge(D, E, 1.0)], [C])
    with pytest.raises(errors.RouteError) as caught:
        atlas.route(A, E)
    fact, mend = str(caught.value).splitlines()
    assert fact == "no way from space 'test/a@1#aaaaaaaa' to 'test/e@1#eeeeeeee'"
    assert mend.startswith("Fit one: samespace translate fit test/a@1 test/e@1 --out DIR")
    assert "from test/a@1#aaaaaaaa one gets to test/b@1#bbbbbbbb;" in mend
    assert "to test/e@1#eeeeeeee one gets from test/d@1#dddddddd:" in mend
    with pytest.raises(errors.RouteError, match=r"test/b@1 test/c@1 --out DIR$"):
        atlas.route(B, C)


def test_vectors_of_another_space_are_told_how_to_get_there() -> None:
    there, rows = fitted(A, B, fidelity=0.5), seen(C, 4)
    near, far = Atlas([there, fitted(C, A, fidelity=0.25)]), Atlas([there])
    with pytest.raises(errors.SpaceMismatchError) as caught:
        near.apply(there, rows)
    assert (caught.value.got, caught.value.needed) == (str(C), str(A))
    assert f"atlas.translate(vectors, space): {C} → {A} (about 0.25" in str(caught.value).splitlines()[1]
    assert near.translate(near.translate(rows, A), B).space == B
    with pytest.raises(errors.SpaceMismatchError, match=r"\nFit one: samespace translate fit test/c@1 test/a@1"):
        far.apply(there, rows)
    assert far.apply(there, seen(A, 4)).space == B


@pytest.mark.parametrize("method", [Procrustes, Affine])
@pytest.mark.parametrize("metric", ["dot", "euclidean"])
def test_composing_is_exact_where_no_length_is_lost(method, metric: str) -> None:
    spaces = [Space(f"test/{n}@1", d, metric) for n, d in (("p", 6), ("q", 9), ("r", 7))]
    one, two = fitted(spaces[0], spaces[1], method=method), fitted(spaces[1], spaces[2], method=method)
    made, rows = compose(one, two), seen(spaces[0], 50, 3)
    np.testing.assert_allclose(made(rows).data, two(one(rows)).data, rtol=1e-4, atol=1e-4)
    there = seen(spaces[2], 50, 3)
    np.testing.assert_allclose(made.inverse()(there).data, one.inverse()(two.inverse()(there)).data, atol=1e-4)


@pytest.mark.parametrize("method", [Procrustes, Affine])
def test_composing_cosine_spaces_is_as_good_as_both_steps(method) -> None:
    one, two = fitted(A, B, method=method), fitted(B, C, method=method)
    rows, true = seen(A, 200, 3), seen(C, 200, 3)
    both, made = Route(A, C, (one, two)), compose(one, two)
    kept = [measure(t, rows, true, k=5).kept for t in (both, made)]
    assert kept[0] > 0.7 and kept[1] > kept[0] - 0.05 and measure(made, rows, true).top1 > 0.9
    assert (made(rows).data * both(rows).data).sum(1).mean() > 0.97


def test_composed_joins_linear_steps_and_no_others() -> None:
    cut = Cut(C, Space("test/c@1/3", 3, fingerprint="c3", parent=C))
    route = Atlas([fitted(A, B, fidelity=0.5), fitted(B, C, fidelity=0.5), cut]).route(A, cut.target)
    made = route.composed()
    assert len(route.steps) == 3 and len(made.steps) == 2 and made.steps[1] is cut
    assert made.fidelity == pytest.approx(0.25) and made.steps[0].facts["steps"] == [str(A), str(B), str(C)]
    assert Atlas([fitted(A, B), fitted(B, C, fidelity=0.5)]).route(A, C).composed().fidelity is None
    with pytest.raises(ValueError, match="does not lead to"):
        compose(fitted(A, B), fitted(A, B))


def test_an_atlas_is_kept_whole(tmp_path: Path) -> None:
    entry = Saved(fitted(A, B, fidelity=0.5), Domain.of(seen(A, 60)), fitted(A, B, 20))
    atlas = Atlas([entry, edge(B, C, 0.9)], [E])
    save_atlas(atlas, tmp_path / "atlas")
    after = open_atlas(tmp_path / "atlas")
    assert after.spaces == atlas.spaces and len(after.spaces) == 4
    assert after.route(A, C).fidelity == pytest.approx(0.45)
    rows = seen(A, 5)
    assert (after.translate(rows, C).data == atlas.translate(rows, C).data).all()
    assert after.entries[0].domain is not None and after.entries[0].second is not None
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "atlas").rglob("*.safetensors")}
    save_atlas(after.add(edge(C, D)), tmp_path / "atlas")
    assert len(open_atlas(tmp_path / "atlas").translators) == 3
    assert all(p.stat().st_mtime_ns == when for p, when in before.items()), "what is there is not written again"
    save_atlas(Atlas([edge(A, D)]), tmp_path / "atlas")
    assert len(list((tmp_path / "atlas").iterdir())) == 2, "what no longer belongs to it is gone"


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ("{", r"atlas.json is damaged .*\nRestore"),
        ("{}", r"describes no atlas\n"),
        ('{"format": 7}', r"format 7, this samespace knows up to 1\nUpdate"),
        ('{"format": 1, "spaces": [{}], "translators": []}', r"atlas.json is damaged"),
        ('{"format": 1, "spaces": [], "translators": [{"folder": "../x"}]}', r"damaged \(a folder's name is no mark\)"),
        ('{"format": 1, "spaces": [], "translators": [{"folder": "0123456789abcdef"}]}', r"there is no translator"),
    ],
)
def test_a_damaged_atlas_is_refused(card: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "atlas.json").write_text(card)
    with pytest.raises(errors.TranslatorFileError, match=words):
        open_atlas(tmp_path)


def test_a_place_that_is_no_atlas_is_refused_and_left_alone(tmp_path: Path) -> None:
    with pytest.raises(errors.TranslatorFileError, match=r"there is no atlas here\nMake one: samespace translate fit"):
        open_atlas(tmp_path / "none")
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(errors.TranslatorFileError, match="holds other things"):
        save_atlas(Atlas([edge(A, B)]), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]
    assert json.loads(A.to_json())["name"] == "test/a@1"
