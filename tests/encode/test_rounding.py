"""Roundings known beforehand: bounds, packing, and a graph that uses them."""

import numpy as np
import pytest
import tiny_e5

from samespace.encode import rounding
from samespace.encode.q4_bert import Q4Bert
from samespace.encode.rounding import Rounding

IDS = [[0, 5, 7, 8, 2], [0, 6, 11, 17, 9, 12, 2], [0, 13, 2]]


def network(folder, seed=0):
    path = folder / f"tiny-{seed}.bin"
    path.write_bytes(tiny_e5.build(seed)[0])
    return Q4Bert(path)


def made(shape, reach=12.0, shift=0.0):
    """Roundings of a whole network, wide enough for anything that goes through the tiny one."""
    found = {}
    for layer in range(shape.layers):
        for part, width, outputs in (("q", shape.width, 3 * shape.width), ("fi", shape.width, shape.inner),
                                     ("fo", shape.inner, shape.width)):  # fmt: skip
            smooth = np.linspace(0.5, 2, width, dtype=np.float32)
            found[f"l{layer}.{part}"] = Rounding.between(smooth, -reach, reach, np.full(outputs, shift, np.float32))
    return found


def test_zero_is_a_step_and_the_bounds_are_kept_within_one():
    for low, high in ((-0.17, 9.3), (-4.0, 4.0), (0.0, 1.0), (-3.0, -1.0), (0.5, 2.0)):
        found = Rounding.between(np.ones(2, np.float32), low, high, np.zeros(1, np.float32))
        step = (found.high - found.low) / 255
        assert abs(found.low / step - round(found.low / step)) < 1e-9
        assert abs(found.low - min(low, 0)) <= step
        assert abs(found.high - max(high, 0)) <= step


def test_rows_are_divided_cut_and_rounded():
    found = Rounding.between(np.array([1.0, 10.0], np.float32), -1, 254, np.zeros(1, np.float32))
    assert found(np.array([[3.4, 34.0], [900.0, -900.0]])).tolist() == [[3, 3], [254, -1]]


def test_a_matrix_is_rounded_row_by_row():
    matrix = np.array([[1, -2, 0.5], [100, 3, -1], [0, 0, 0]], np.float32)
    whole, scale = rounding.rounded(matrix)
    assert whole.dtype == np.int8
    assert whole[0].tolist() == [64, -127, 32]
    assert np.all(np.abs(whole * scale - matrix) <= scale / 2 + 1e-6)


def test_what_is_packed_comes_back_with_k_and_v_beside_q(tmp_path):
    shape = network(tmp_path).shape
    before = made(shape)
    before["l1.q"].shift[:] = np.arange(3 * shape.width)
    flat = rounding.pack(before, shape)
    assert flat.dtype == np.float16
    after = rounding.unpack(flat, shape)
    assert sorted(after) == sorted(f"l{n}.{part}" for n in range(shape.layers) for part in ("q", "k", "v", "fi", "fo"))
    for name, found in after.items():
        like = before[name[:-1] + "q" if name[-2:] in (".k", ".v") else name]
        assert np.allclose(found.smooth, like.smooth, rtol=1e-3)
        assert found.low == pytest.approx(like.low, rel=2e-2)
        assert found.high == pytest.approx(like.high, rel=2e-2)
    firsts = [after[f"l1.{part}"].shift[0] for part in "qkv"]
    assert firsts == [0, shape.width, 2 * shape.width]
    with pytest.raises(ValueError, match="not the roundings of a network"):
        rounding.unpack(flat[1:], shape)


def test_a_network_is_recognised_by_its_numbers(tmp_path, monkeypatch):
    one, same, other = network(tmp_path), network(tmp_path), network(tmp_path, 1)
    assert rounding.identity(one) == rounding.identity(same) != rounding.identity(other)
    assert rounding.known(one) is None
    table = {rounding.identity(one): rounding.pack(made(one.shape), one.shape)}
    monkeypatch.setattr(rounding, "_table", lambda: table)
    assert set(rounding.known(same)) > {"l0.q", "l0.k", "l1.fo"}
    assert rounding.known(other) is None


def test_the_graph_rounds_by_them(tmp_path, monkeypatch):
    graphs = pytest.importorskip("samespace.encode.openvino_bert")
    pytest.importorskip("openvino")
    weights = network(tmp_path)
    with pytest.raises(ValueError, match="no roundings are known"):
        graphs.OpenVinoBert(weights, "mean", "smooth")

    def rows(form, **how):
        table = {rounding.identity(weights): rounding.pack(made(weights.shape, **how), weights.shape)}
        monkeypatch.setattr(rounding, "_table", lambda: table)
        return graphs.OpenVinoBert(weights, "mean", form).forward(IDS)

    def apart(a, b):
        norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        return float(1 - ((a * b).sum(axis=1) / norms).min())

    exact = weights.forward(IDS)
    assert apart(rows("float32"), exact) < 1e-6
    assert 1e-6 < apart(rows("smooth"), exact) < 0.02
    assert apart(rows("smooth", reach=0.3), exact) > 0.05, "what lies outside is cut off"
    assert apart(rows("smooth", shift=2.0), exact) > 0.05, "the shift is taken off"


@pytest.mark.slow
def test_the_default_model_has_roundings():
    from samespace.encode.load import load
    from samespace.errors import WeightsError

    try:
        weights = load(accelerate=False, check=False).model
    except WeightsError as err:
        pytest.skip(str(err).splitlines()[0])
    found = rounding.known(weights)
    assert found is not None
    assert len(found) == 5 * weights.shape.layers
    assert all(r.smooth.min() > 0 and r.low <= 0 < r.high for r in found.values())
