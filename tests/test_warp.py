"""The one warp: what is drawn at a point is found again at its mapped point."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facekp import geometry

PROPERTY = settings(max_examples=40, deadline=None)


def dot(size: tuple[int, int], centre: tuple[float, float], sigma: float) -> np.ndarray:
    """A bright Gaussian dot on black, float32."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    return np.exp(-((columns - centre[0]) ** 2 + (rows - centre[1]) ** 2) / (2 * sigma**2)).astype(np.float32)


def centroid(image: np.ndarray) -> np.ndarray:
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    weight = image.astype(np.float64)
    return np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()


@PROPERTY
@given(
    st.floats(0.2, 5),
    st.floats(-180, 180),
    st.floats(0.9, 1.1),
    st.tuples(st.floats(80, 130), st.floats(80, 130)),
    st.booleans(),
    st.booleans(),
)
def test_a_dot_is_found_again(
    zoom: float, angle: float, stretch: float, centre: tuple[float, float], mirrored: bool, halves: bool
) -> None:
    goal = np.array([83.3, 71.9])
    image = dot((210, 230), centre, sigma=2.5 / min(zoom, 1))
    turn = geometry.rotation_matrix(angle, centre, zoom)
    squeeze = np.array([[stretch * (-1 if mirrored else 1), 0, 0], [0, 1 / stretch, 0]])
    matrix = geometry.compose(turn, squeeze)
    matrix[:, 2] += goal - (matrix @ [*centre, 1])
    out = geometry.warp(image, matrix, (150, 170), halves=halves)
    assert np.abs(centroid(out) - goal).max() < 0.1


@PROPERTY
@given(st.floats(0.02, 0.7), st.floats(-180, 180), st.floats(40, 260), st.floats(40, 160), st.integers(0, 255))
def test_a_plain_picture_stays_plain_at_any_shrink(zoom: float, angle: float, x: float, y: float, grey: int) -> None:
    image = np.full((200, 300, 3), grey, np.uint8)
    size = (9, 11)
    matrix = geometry.rotation_matrix(angle, (x, y), zoom)
    matrix[:, 2] += np.array([5.0, 4.0]) - (x, y)
    out = geometry.warp(image, matrix, size, border=None)
    assert out.shape == (*size, 3)
    assert out.dtype == np.uint8
    assert (out == grey).all()


def test_a_fourfold_shrink_is_the_mean_of_each_block() -> None:
    image = np.random.default_rng(0).uniform(0, 255, (40, 60)).astype(np.float32)
    out = geometry.warp(image, geometry.resize_matrix((40, 60), (10, 15)), (10, 15))
    blocks = image.reshape(10, 4, 15, 4).mean((1, 3))
    np.testing.assert_allclose(out, blocks, atol=1e-3)


@pytest.mark.parametrize("k", [4, 6, 8, 16])
def test_a_shrink_that_begins_with_a_half_rounds_by_no_more_than_a_grey_level(k: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (10 * k, 15 * k, 3), np.uint8)
    out = geometry.warp(image, geometry.resize_matrix((10 * k, 15 * k), (10, 15)), (10, 15))
    error = out - image.reshape(10, k, 15, k, 3).mean((1, 3))
    assert np.abs(error).max() <= 1
    assert abs(error.mean()) < 0.3


@pytest.mark.parametrize("k", [2, 4, 8, 16])
def test_halving_again_and_again_gives_the_mean_of_each_block(k: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (10 * k, 15 * k, 3), np.uint8)
    out = geometry.warp(image, geometry.resize_matrix((10 * k, 15 * k), (10, 15)), (10, 15), halves=True)
    error = out - image.reshape(10, k, 15, k, 3).mean((1, 3))
    assert np.abs(error).max() <= np.log2(k) / 2 + 0.01  # half a grey level for each time that it rounds
    assert 0 <= error.mean() < 0.13 * np.log2(k)


def test_halves_change_nothing_where_a_picture_shrinks_less_than_three_times() -> None:
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    matrix = geometry.rotation_matrix(20, (60, 45), 1 / 2.9)
    np.testing.assert_array_equal(
        geometry.warp(image, matrix, (40, 50), halves=True), geometry.warp(image, matrix, (40, 50))
    )


def test_the_identity_changes_nothing_and_a_mirror_is_exact() -> None:
    image = np.random.default_rng(0).integers(0, 256, (13, 17, 3), np.uint8)
    np.testing.assert_array_equal(geometry.warp(image, np.eye(3)[:2], (13, 17)), image)
    np.testing.assert_array_equal(geometry.warp(image, geometry.mirror_matrix(17), (13, 17)), image[:, ::-1])


@PROPERTY
@given(
    *(st.integers(-40, 40) for _ in range(2)),
    st.sampled_from([1, 2, 4]),
    st.sampled_from([(20, 32), (20, 32, 1), (24, 36, 3)]),
    st.sampled_from([None, 0, 114]),
)
def test_a_move_by_whole_pixels_is_a_copy(
    right: int, down: int, k: int, shape: tuple[int, ...], border: int | None
) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    size = (25, 21)

    def moved(more: float) -> np.ndarray:
        shift = [right + (1 / k - 1) / 2 + more, down + (1 / k - 1) / 2 + more]
        return geometry.warp(image, [[1 / k, 0, shift[0]], [0, 1 / k, shift[1]]], size, border=border)

    assert moved(0).shape == (*size, *shape[2:])
    np.testing.assert_allclose(moved(0).astype(float), moved(1e-5), atol=1)  # resampled
    if border is not None:
        least = np.full((25, 21), border, np.uint8)
        rows, columns = image.shape[0] // k, image.shape[1] // k
        first = image.reshape(rows, k, columns, k, -1).mean((1, 3))[..., 0]
        for y in range(25):
            for x in range(21):
                if 0 <= y - down < rows and 0 <= x - right < columns:
                    least[y, x] = np.clip(np.round(first[y - down, x - right]), 0, 255)
        given = moved(0).reshape(25, 21, -1)[..., 0]
        np.testing.assert_allclose(given.astype(float), least, atol=1 if k > 1 else 0)


@pytest.mark.parametrize("size", [(20, 25), (40, 50), (128, 96)])
def test_colours_are_warped_as_each_is_alone(size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (120, 130, 3), np.uint8)
    matrix = geometry.crop_matrix(np.array([20.0, 30, 90, 100]), size, 1.2, 33.0)
    for border in (0, 114, None):
        together = geometry.warp(image, matrix, size, border=border)
        alone = [geometry.warp(np.ascontiguousarray(image[..., i]), matrix, size, border=border) for i in range(3)]
        np.testing.assert_array_equal(together, np.stack(alone, -1))


def test_only_the_part_that_is_seen_matters() -> None:
    image = np.random.default_rng(0).integers(0, 256, (400, 400), np.uint8)
    matrix = geometry.crop_matrix(np.array([150, 150, 250, 250]), (30, 30), angle=20)
    spoilt = image.copy()
    spoilt[:100], spoilt[300:] = 0, 0
    np.testing.assert_array_equal(geometry.warp(image, matrix, (30, 30)), geometry.warp(spoilt, matrix, (30, 30)))


@pytest.mark.parametrize("shift", [(-500, 0), (500, 0), (0, -500), (0, 500), (1e5, -1e5)])
@pytest.mark.parametrize("zoom", [1.0, 0.1])
def test_a_place_far_outside_shows_the_border(shift: tuple[float, float], zoom: float) -> None:
    image = np.full((20, 20, 3), 200, np.uint8)
    matrix = np.array([[zoom, 0, shift[0]], [0, zoom, shift[1]]])
    assert (geometry.warp(image, matrix, (8, 8), border=7) == 7).all()
    assert (geometry.warp(image, matrix, (8, 8)) == 0).all()
    assert (geometry.warp(image, matrix, (8, 8), border=None) == 200).all()  # the edge, repeated


def test_a_repeated_edge_is_that_of_the_nearer_side() -> None:
    image = np.tile(np.arange(20, dtype=np.uint8) * 10, (20, 1))
    right = geometry.warp(image, np.array([[1.0, 0, -500], [0, 1, 0]]), (4, 4), border=None)
    left = geometry.warp(image, np.array([[1.0, 0, 500], [0, 1, 0]]), (4, 4), border=None)
    assert (right == 190).all()
    assert (left == 0).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (1, 50, 3), (50, 1)])
@pytest.mark.parametrize("zoom", [0.01, 0.3, 1.0, 40.0])
def test_the_smallest_pictures_can_be_warped(shape: tuple[int, ...], zoom: float) -> None:
    image = np.full(shape, 90, np.uint8)
    matrix = geometry.crop_matrix(geometry.image_box(shape[:2]), (16, 16), scale=1 / zoom)
    out = geometry.warp(image, matrix, (16, 16), border=None)
    assert out.shape == (16, 16, *shape[2:])
    assert (out == 90).all()


@pytest.mark.parametrize("side", [1e4, 1e6, 1e9])
def test_a_huge_shrink_needs_little_memory(side: float) -> None:
    image = np.full((100, 120, 3), 200, np.uint8)
    matrix = geometry.crop_matrix(np.array([-side, -side, side, side]), (32, 32))
    out = geometry.warp(image, matrix, (32, 32))
    assert out.shape == (32, 32, 3)
    assert (out.any(-1)).sum() <= 4  # the whole picture is less than one of these pixels


def test_a_strip_shrunk_to_one_pixel_is_its_mean() -> None:
    image = np.zeros((64, 64), np.float32)
    image[:32] = 100
    out = geometry.warp(image, geometry.resize_matrix((64, 64), (1, 1)), (1, 1))
    assert out[0, 0] == pytest.approx(50, abs=1e-3)
