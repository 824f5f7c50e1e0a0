"""The last map in cells: what stands where is told, and the cells come row by row."""

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from samespace.encode import lite0_grid
from samespace.encode.contract import check_encoder
from samespace.encode.lite0_grid import WIDTH, Lite0Grid
from samespace.encode.lite0_net import Net
from samespace.encode.recipe import Recipe
from samespace.errors import WeightsNotFoundError
from samespace.items import Blob, Document, Image, Text

torch.set_num_threads(1)


def random_grid(cells: int = 3) -> Lite0Grid:
    """Random weights that keep values alive through sixteen blocks."""
    torch.manual_seed(0)
    net = Net().eval().requires_grad_(False)
    for part in net.parameters():
        wide = part[0].numel() if part.ndim > 1 else 1
        part.copy_(torch.randn_like(part) * (2 / wide) ** 0.5 if part.ndim > 1 else torch.full_like(part, 0.05))
    recipe = Recipe(
        family="lite0-grid", dim=cells**2 * WIDTH, modalities=frozenset({"image", "document"}), image_size=96
    )
    return Lite0Grid(recipe.space("test/grid@1", "1"), recipe, net, cells)


def png(tmp_path, pixels) -> Image:
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.png"
    Pillow.fromarray(pixels).save(path)
    return Image(Blob(path=path))


def test_cells_are_the_means_of_the_last_map_row_by_row(tmp_path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (96, 96, 3)).astype(np.uint8)
    grid, item = random_grid(), png(tmp_path, pixels)
    made = grid.encode([item]).data[0].reshape(9, WIDTH)
    maps = grid.net.maps(torch.from_numpy((pixels.astype(np.float32).transpose(2, 0, 1)[None] - 127) / 128))[0].numpy()
    assert maps.shape == (WIDTH, 3, 3)
    wanted = np.stack([maps[:, row, column] for row in range(3) for column in range(3)])
    assert np.allclose(made, wanted / np.linalg.norm(wanted), atol=1e-5)


def test_it_keeps_the_contract(tmp_path) -> None:
    rng = np.random.default_rng(1)
    some = [png(tmp_path, rng.integers(0, 256, (40, 60, 3)).astype(np.uint8)) for _ in range(3)]
    grid = random_grid(2)
    check_encoder(grid, some, tolerance=1e-5)
    page = Document(some[0].blob, "words")
    assert np.array_equal(grid.encode([page]).data, grid.encode(some[:1]).data)
    with pytest.raises(TypeError, match="item 0 is text, but test/grid@1 takes document, image only"):
        grid.encode([Text("x")])


@pytest.mark.parametrize("rest", ["1", "7", "3-95", "3-", "x", "3-321", "-3"])
def test_cells_and_sides_that_make_no_sense_are_named(rest: str) -> None:
    with pytest.raises(ValueError, match=r"has no valid cells and side\nWrite lite0-grid:CELLS"):
        lite0_grid.load(rest)


@pytest.mark.slow
def test_the_real_network_says_where_a_thing_is(tmp_path) -> None:
    try:
        grid = lite0_grid.load("3-96")
    except WeightsNotFoundError as err:
        pytest.skip(str(err).splitlines()[0])
    assert lite0_grid.load("3-96").space == grid.space != lite0_grid.load("3").space
    scenes = []
    for left in (4, 68):
        pixels = np.full((96, 96, 3), 240, np.uint8)
        pixels[36:60, left : left + 24] = (220, 30, 30)
        scenes.append(png(tmp_path, pixels))
    first, second = grid.encode(scenes).data.reshape(2, 3, 3, WIDTH)

    def alike(one, other):
        return one @ other / np.linalg.norm(one) / np.linalg.norm(other)

    assert alike(first[1, 0], second[1, 2]) > alike(first[1, 0], second[1, 0]) + 0.05, "the thing is found where it is"
