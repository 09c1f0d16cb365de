"""Points, boxes, affine maps and the one warp."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facekp import geometry
from facekp.errors import ArgumentError

PROPERTY = settings(max_examples=50, deadline=None)
angles = st.floats(-180, 180)
sides = st.integers(8, 400)
corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float64)


@st.composite
def boxes(draw: st.DrawFn, size: float, smallest: float = 1.0) -> np.ndarray:
    """A box somewhere around a picture of this size; it may hang over any edge or lie outside."""
    x, y = draw(st.floats(-size / 2, size)), draw(st.floats(-size / 2, size))
    return np.array([x, y, x + draw(st.floats(smallest, size)), y + draw(st.floats(smallest, size))])


def inside(box: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Places in a box given as shares of its sides."""
    return box[:2] + unit * (box[2:] - box[:2])


# ---------------------------------------------------------------- crops


@PROPERTY
@given(boxes(4000), sides, sides, st.floats(0.5, 3), angles)
def test_a_crop_undone_is_the_identity(box: np.ndarray, height: int, width: int, scale: float, angle: float) -> None:
    matrix = geometry.crop_matrix(box, (height, width), scale, angle)
    there_and_back = geometry.compose(matrix, geometry.invert(matrix))
    points = inside(box, corners)
    back = points @ there_and_back[:, :2].T + there_and_back[:, 2]
    np.testing.assert_allclose(back, points, rtol=0, atol=1e-6)  # float64; pixels of a 4000 px picture


@PROPERTY
@given(boxes(4000), sides, sides, st.floats(0.5, 2), angles)
def test_a_point_brought_back_is_off_by_two_roundings_at_most(
    box: np.ndarray, height: int, width: int, scale: float, angle: float
) -> None:
    # apply() returns float32: its step is 6e-5 px at 500 px and 2.4e-4 px at 4000 px, once in crop and once in picture.
    points = inside(box, corners).astype(np.float32)
    matrix = geometry.crop_matrix(box, (height, width), scale, angle)
    crop = geometry.apply(matrix, points)
    back = geometry.apply(geometry.invert(matrix), crop)
    zoom = np.hypot(*matrix[:, 0])
    steps = np.spacing(np.abs(crop).max()) / zoom + np.spacing(np.abs(points).max())
    assert np.abs(back - points).max() <= steps


@PROPERTY
@given(boxes(500, smallest=25), angles)
def test_a_point_brought_back_from_a_usual_crop_is_within_a_ten_thousandth(box: np.ndarray, angle: float) -> None:
    points = inside(box, corners).astype(np.float32)
    matrix = geometry.crop_matrix(box, (128, 128), 1.3, angle)
    back = geometry.apply(geometry.invert(matrix), geometry.apply(matrix, points))
    np.testing.assert_allclose(back, points, rtol=0, atol=1e-4)


@PROPERTY
@given(boxes(1000), sides, sides, st.floats(0.5, 3), angles)
def test_the_box_centre_falls_on_the_crop_centre(
    box: np.ndarray, height: int, width: int, scale: float, angle: float
) -> None:
    matrix = geometry.crop_matrix(box, (height, width), scale, angle)
    centre = matrix @ [*(box[:2] + box[2:]) / 2, 1]
    np.testing.assert_allclose(centre, [(width - 1) / 2, (height - 1) / 2], atol=1e-6)


@PROPERTY
@given(boxes(1000), sides, sides)
def test_the_box_touches_the_crop_edges_in_its_tighter_direction(box: np.ndarray, height: int, width: int) -> None:
    matrix = geometry.crop_matrix(box, (height, width))
    low, high = matrix @ [*box[:2], 1], matrix @ [*box[2:], 1]
    margin = np.minimum(low + 0.5, np.array([width, height]) - 0.5 - high)
    assert margin.min() == pytest.approx(0, abs=1e-6)
    assert (margin > -1e-6).all()


def test_a_box_of_the_crop_shape_lands_edge_on_edge() -> None:
    matrix = geometry.crop_matrix(np.array([9.5, 19.5, 109.5, 69.5]), (25, 50))  # 100 x 50 → 50 x 25
    np.testing.assert_allclose(geometry.apply(matrix, [[9.5, 19.5], [109.5, 69.5]]), [[-0.5, -0.5], [49.5, 24.5]])


def test_a_scale_of_two_shows_twice_the_box() -> None:
    matrix = geometry.crop_matrix(np.array([10, 10, 20, 20]), (40, 40), scale=2)
    np.testing.assert_allclose(geometry.apply(matrix, [[5, 5], [25, 25]]), [[-0.5, -0.5], [39.5, 39.5]])


def test_a_face_turned_clockwise_is_shown_upright() -> None:
    # The face's "up" points right in the picture: it is turned 90 degrees clockwise.
    matrix = geometry.crop_matrix(np.array([0, 0, 100, 100]), (101, 101), angle=90)
    chin, brow = geometry.apply(matrix, [[20, 50], [80, 50]])
    assert chin[0] == pytest.approx(50)
    assert brow[0] == pytest.approx(50)
    assert brow[1] < 50 < chin[1]


@pytest.mark.parametrize("box", [[0, 0, np.nan, 10], [5, 5, 5, 5], [9, 9, 5, 5], [np.nan] * 4, [0, 0, np.inf, 1]])
def test_a_box_without_any_size_cannot_be_cropped(box: list[float]) -> None:
    with pytest.raises(ArgumentError, match="box"):
        geometry.crop_matrix(np.array(box), (32, 32))


def test_points_on_one_line_can_be_cropped() -> None:
    matrix = geometry.crop_matrix(np.array([10, 0, 10, 50]), (64, 64))
    np.testing.assert_allclose(matrix @ [10, 25, 1], [31.5, 31.5])


# ---------------------------------------------------------------- affine maps


def test_maps_by_hand() -> None:
    half = geometry.resize_matrix((10, 20), (5, 40))
    np.testing.assert_allclose(geometry.apply(half, [[0, 0], [19, 9]]), [[0.5, -0.25], [38.5, 4.25]])
    np.testing.assert_allclose(geometry.apply(geometry.mirror_matrix(100), [[0, 7], [99, 3]]), [[99, 7], [0, 3]])
    quarter = geometry.rotation_matrix(90, (10, 10), 2.0)
    np.testing.assert_allclose(geometry.apply(quarter, [[11, 10], [10, 10]]), [[10, 12], [10, 10]], atol=1e-6)


def test_compose_does_the_first_first() -> None:
    shift = np.array([[1, 0, 3], [0, 1, 0]])
    double = np.array([[2, 0, 0], [0, 2, 0]])
    np.testing.assert_allclose(geometry.apply(geometry.compose(shift, double), [[1, 1]]), [[8, 2]])
    np.testing.assert_allclose(geometry.compose(), np.eye(3)[:2])


def test_invert_takes_stacks_and_refuses_a_flat_map() -> None:
    stack = np.stack([geometry.rotation_matrix(a, (3, 4), 1.5) for a in (0, 30, 200)])
    points = np.array([[[1, 2], [3, 4]]] * 3, np.float32)
    back = geometry.apply(geometry.invert(stack), geometry.apply(stack, points))
    np.testing.assert_allclose(back, points, atol=1e-5)
    with pytest.raises(ArgumentError, match="no inverse"):
        geometry.invert(np.array([[1, 1, 0], [1, 1, 0]]))


def test_a_missing_point_stays_missing() -> None:
    moved = geometry.apply(geometry.rotation_matrix(30, (0, 0)), [[np.nan, np.nan], [1, 0]])
    assert np.isnan(moved[0]).all()
    np.testing.assert_allclose(moved[1], [math.cos(math.pi / 6), 0.5], atol=1e-6)


@PROPERTY
@given(angles, st.floats(0.1, 10), st.floats(-500, 500), st.floats(-500, 500), st.integers(2, 70))
def test_similarity_finds_the_map_that_moved_the_points(
    angle: float, scale: float, x: float, y: float, count: int
) -> None:
    source = np.random.default_rng(count).uniform(0, 100, (count, 2))
    matrix = geometry.rotation_matrix(angle, (x, y), scale)
    target = source @ matrix[:, :2].T + matrix[:, 2]
    np.testing.assert_allclose(geometry.similarity(source, target), matrix, atol=1e-6)
    source[0], target = [np.nan, 0], np.vstack([target, [[1, 1]]])[:count]
    if count > 2:  # the missing row is left out
        np.testing.assert_allclose(geometry.similarity(source, target), matrix, atol=1e-6)


def test_similarity_is_the_least_squares_answer() -> None:
    rng = np.random.default_rng(0)
    source, target = rng.normal(0, 1, (2, 9, 2))
    rows = [[x, -y, 1, 0] for x, y in source] + [[y, x, 0, 1] for x, y in source]
    a, b, tx, ty = np.linalg.lstsq(np.array(rows), target.T.ravel(), rcond=None)[0]
    np.testing.assert_allclose(geometry.similarity(source, target), [[a, -b, tx], [b, a, ty]], atol=1e-12)


@pytest.mark.parametrize("source", [[[1, 1]], [[2, 2], [2, 2]], [[np.nan, 1], [0, 0]]])
def test_similarity_needs_two_distinct_points(source: list[list[float]]) -> None:
    with pytest.raises(ArgumentError, match="two distinct points"):
        geometry.similarity(np.array(source), np.ones((len(source), 2)))


# ---------------------------------------------------------------- boxes


def test_extent_leaves_out_missing_points() -> None:
    points = np.array([[[1, 5], [np.nan, 0], [3, 2]], [[np.nan] * 2] * 3])
    np.testing.assert_array_equal(geometry.extent(points), [[1, 2, 3, 5], [np.nan] * 4])
    assert np.isnan(geometry.extent(points[1])).all()
    np.testing.assert_array_equal(geometry.image_box((3, 4)), [-0.5, -0.5, 3.5, 2.5])


def test_iou_by_hand() -> None:
    a = np.array([[0, 0, 10, 10], [5, 0, 15, 10]])
    b = np.array([[0, 0, 10, 10], [20, 20, 30, 30], [2, 2, 4, 4]])
    np.testing.assert_allclose(geometry.iou(a, b), [[1, 0, 0.04], [1 / 3, 0, 0]])
    assert geometry.iou(np.zeros((0, 4)), a).shape == (0, 2)


@PROPERTY
@given(st.lists(boxes(100), min_size=1, max_size=8), st.floats(0.1, 50), st.floats(-500, 500))
def test_iou_is_symmetric_and_ignores_scale_and_place(found: list[np.ndarray], scale: float, shift: float) -> None:
    stack = np.stack(found)
    overlap = geometry.iou(stack, stack)
    assert (overlap >= 0).all()
    assert (overlap <= 1 + 1e-9).all()
    np.testing.assert_allclose(np.diag(overlap), 1)
    np.testing.assert_allclose(overlap, overlap.T)
    np.testing.assert_allclose(geometry.iou(stack * scale + shift, stack * scale + shift), overlap, atol=1e-6)


def test_nms_keeps_the_best_of_each_heap() -> None:
    found = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60], [0, 5, 10, 15]])  # IoU with first: 9/11, 0, 1/3
    assert geometry.nms(found, np.array([0.5, 0.9, 0.7, 0.6])).tolist() == [1, 2, 3]
    assert geometry.nms(found, np.array([0.5, 0.9, 0.7, 0.6]), 0.2).tolist() == [1, 2]
    assert geometry.nms(np.zeros((0, 4)), np.zeros(0)).tolist() == []


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ([[0, 0, 5, 5], [0, 0, np.nan, 5]], r"faces\[1\].*not finite"),
        ([[0, 0, 5, 5], [1, 1, 9, 9], [10, 10, 5, 5]], r"faces\[2\].*no area"),
        ([0, 0, 5, 5], r"faces: expected shape \(N, 4\)"),
        ([[1, 2, 3]], r"got \(1, 3\)"),
        ("here", "faces: expected numbers"),
        ([[1, 2], [3]], "faces: expected numbers"),
    ],
)
def test_wrong_boxes_are_named(wrong: object, says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        geometry.as_boxes(wrong, argument="faces")


def test_no_boxes_are_no_boxes() -> None:
    assert geometry.as_boxes([]).shape == (0, 4)
