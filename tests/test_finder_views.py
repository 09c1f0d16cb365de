"""How the finder looks at a picture: tiles, turned copies, working size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facekp import finder, geometry
from facekp.errors import ArgumentError
from facekp.finder import Detections
from facekp.finder.views import merge, seen, views

RULE = {"side": 384, "margin": 16, "max_zoom": 2.0, "step": 32}


class Brightest(torch.nn.Module):
    """Stands for a trained network: a face of 24 x 24 pixels around the brightest pixel, where one is white."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        size = (images.shape[-2], images.shape[-1])
        points = finder.grid(size, finder.STRIDES)
        rows = torch.full((len(images), len(points), 5), 1e-3)
        rows[..., 0] = -9
        for i, image in enumerate(images):
            light = image.sum(0)
            if light.max() < 3.5:
                continue
            y, x = divmod(int(light.argmax()), size[1])
            best = int((points[:, :2] - torch.tensor([x, y])).abs().sum(1).argmin())
            rows[i, best, 0] = 5
            dx, dy = x - float(points[best, 0]), y - float(points[best, 1])
            rows[i, best, 1:] = torch.tensor([12 - dx, 12 - dy, 12 + dx, 12 + dy])
        return rows


def spot(size: tuple[int, int], x: int, y: int, radius: int = 2) -> np.ndarray:
    image = np.zeros((*size, 3), np.uint8)
    image[y - radius : y + radius + 1, x - radius : x + radius + 1] = 255
    return image


@pytest.fixture(scope="module")
def looker() -> finder.FaceFinder:
    return finder.FaceFinder(Brightest(), {"fill": 0})


def test_the_whole_picture_comes_first() -> None:
    every = views((480, 640), tile=200, turns=(90,), **RULE)
    first = views((480, 640), **RULE)
    assert len(first) == 1
    np.testing.assert_allclose(every[0].matrix, first[0].matrix)
    assert every[0].size == first[0].size == (320, 384)


def test_turned_by_hand() -> None:
    """A quarter turn clockwise takes the top-left corner to the top right."""
    (_, view) = views((100, 200), turns=(90,), **RULE)
    corner = geometry.apply(view.matrix, np.array([[-0.5, -0.5]]))[0]
    # 352 / 200 = 1.76: the picture is 176 wide and 352 high now, with 16 pixels around
    np.testing.assert_allclose(corner, [16 + 176 - 0.5, 16 - 0.5], atol=1e-4)
    assert view.size == (384, 224)


@settings(max_examples=50, deadline=None)
@given(
    height=st.integers(10, 900),
    width=st.integers(10, 900),
    turn=st.floats(-180, 180),
    x=st.floats(0, 1),
    y=st.floats(0, 1),
    angle=st.floats(-179, 180),
)
def test_what_a_view_shows_is_told_in_the_picture(
    height: int, width: int, turn: float, x: float, y: float, angle: float
) -> None:
    _, view = views((height, width), turns=(turn,), **RULE)
    centre = np.array([x * (width - 1), y * (height - 1)])
    inside = geometry.apply(view.matrix, centre[None])[0]
    assert (inside > -0.51).all()
    assert (inside[::-1] < np.array(view.size) - 0.49).all()
    zoom = np.hypot(*view.matrix[0, :2])
    half = np.array([10.0, 12.0]) * zoom
    shown = Detections(
        np.concatenate([inside - half, inside + half])[None].astype(np.float32),
        np.ones(1, np.float32),
        np.array([angle + turn], np.float32),
    )
    found = seen(shown, view)
    np.testing.assert_allclose(found.boxes[0], [*(centre - (10, 12)), *(centre + (10, 12))], atol=0.05)
    assert abs((float(found.angles[0]) - angle + 180) % 360 - 180) < 0.01
    assert -180 < found.angles[0] <= 180


@pytest.mark.parametrize(("size", "tile"), [((1000, 700), 256), ((257, 3000), 256), ((400, 2000), 500)])
def test_every_place_is_the_core_of_exactly_one_tile(size: tuple[int, int], tile: int) -> None:
    _, *tiles = views(size, tile=tile, **RULE)
    assert all(max(v.size) <= tile + 2 * 16 + 32 for v in tiles)
    rng = np.random.default_rng(0)
    for centre in rng.uniform((-20, -20), (size[1] + 20, size[0] + 20), (200, 2)):
        mine = [v for v in tiles if (centre >= v.core[:2]).all() and (centre < v.core[2:]).all()]
        assert len(mine) == 1
        assert np.allclose(mine[0].matrix[:, :2], np.eye(2))
        inner = np.clip(centre, 0, np.array(size[::-1]) - 1)
        at = geometry.apply(mine[0].matrix, inner[None])[0]
        assert (at >= 0).all()
        assert (at < mine[0].size[::-1]).all()


def test_small_pictures_need_no_tiles() -> None:
    assert len(views((300, 340), tile=256, **RULE)) == 1


def test_a_small_face_in_a_large_picture(looker: finder.FaceFinder) -> None:
    """Five pixels of 3,000 vanish when the picture is shrunk; at full resolution they are there, once."""
    image = spot((1500, 3000), 2000, 700)
    (whole,) = looker([image])
    (tiled,) = looker([image], tile=400)
    (larger,) = looker([image], side=3032)
    assert len(whole) == 0
    for found in (tiled, larger):
        assert len(found) == 1
        np.testing.assert_allclose((found.boxes[0, :2] + found.boxes[0, 2:]) / 2, [2000, 700], atol=2.5)
        np.testing.assert_allclose(found.boxes[0, 2:] - found.boxes[0, :2], 24, atol=0.1)


def test_turned_copies_are_merged_and_know_their_angle(looker: finder.FaceFinder) -> None:
    image = spot((300, 350), 200, 120)
    (found,) = looker([image], turns=(90, 180, 270))
    assert len(found) == 1
    np.testing.assert_allclose((found.boxes[0, :2] + found.boxes[0, 2:]) / 2, [200, 120], atol=3)
    assert float(found.angles[0]) in (0.0, -90.0, 180.0, 90.0)
    again = finder.FaceFinder(Brightest(), {"fill": 0, "turns": [90]})
    assert again.config.turns == (90,)
    assert finder.FinderConfig.from_dict(again.config.to_dict()) == again.config
    assert len(again([image])[0]) == 1


def test_merging_keeps_the_better_of_two() -> None:
    a = Detections(np.array([[0, 0, 10, 10]], np.float32), np.array([0.6], np.float32), np.array([90], np.float32))
    b = Detections(np.array([[1, 0, 11, 10], [50, 50, 60, 60]], np.float32), np.array([0.9, 0.7], np.float32))
    found = merge([a, b], 0.4)
    np.testing.assert_allclose(found.scores, [0.9, 0.7])
    assert found.angles.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"side": 20}, "side"), ({"tile": 0}, "tile"), ({"tile": 100.5}, "tile"), ({"turns": (float("nan"),)}, "turns")],
)
def test_wrong_options(looker: finder.FaceFinder, options: dict[str, object], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        looker([np.zeros((50, 50, 3), np.uint8)], **options)  # type: ignore[arg-type]
