"""Least-squares alignment against Umeyama's SVD; the five points and the crop for recognition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facekp import geometry, schema
from facekp.errors import ArgumentError

PROPERTY = settings(max_examples=40, deadline=None)
IBUG = schema.get("ibug68")


def umeyama(source: np.ndarray, target: np.ndarray, reflection: bool) -> np.ndarray:
    """As the paper has it, by a singular value decomposition (eq. 38-42)."""
    ds, dt = source - source.mean(0), target - target.mean(0)
    u, sizes, vt = np.linalg.svd(dt.T @ ds / len(ds))
    signs = np.array([1.0, 1.0 if reflection else np.sign(np.linalg.det(u @ vt))])
    linear = u @ np.diag(signs) @ vt * (sizes @ signs) / (ds**2).sum(1).mean()
    return np.c_[linear, target.mean(0) - linear @ source.mean(0)]


@PROPERTY
@given(st.integers(0, 10_000), st.integers(3, 70), st.booleans())
def test_align_is_umeyama(seed: int, count: int, reflection: bool) -> None:
    source, target = np.random.default_rng(seed).normal(0, 1, (2, count, 2))
    found = geometry.align(source, target, reflection=reflection)
    np.testing.assert_allclose(found, umeyama(source, target, reflection), atol=1e-9)


def test_a_quarter_turn_by_hand() -> None:
    source, target = [[0, 0], [1, 0], [0, 1]], [[5, 5], [5, 7], [3, 5]]  # twice as large, turned clockwise
    np.testing.assert_allclose(geometry.align(source, target), [[0, -2, 5], [2, 0, 5]], atol=1e-12)


def test_a_mirror_is_taken_when_it_may_be() -> None:
    source = IBUG.mean_shape
    target = source * (-3, 3) + (10, 20)
    matrix = geometry.align(source, target, reflection=True)
    np.testing.assert_allclose(matrix, [[-3, 0, 10], [0, 3, 20]], atol=1e-6)
    assert np.linalg.det(geometry.align(source, target)[:, :2]) > 0
    np.testing.assert_allclose(geometry.align(source, source, reflection=True), [[1, 0, 0], [0, 1, 0]], atol=1e-9)


def test_many_faces_are_each_alone() -> None:
    rng = np.random.default_rng(0)
    faces = rng.normal(0, 1, (2, 3, 68, 2))
    faces[0, 1, :60] = np.nan  # missing labels are left out
    many = geometry.align(faces, IBUG.mean_shape)
    assert many.shape == (2, 3, 2, 3)
    for i in np.ndindex(2, 3):
        np.testing.assert_allclose(many[i], geometry.similarity(faces[i], IBUG.mean_shape), atol=1e-12)
    moved = geometry.apply(many, faces)
    assert np.isnan(moved[0, 1, :60]).all()


@pytest.mark.parametrize(
    ("source", "target", "says"),
    [
        (np.zeros((2, 4, 2)), np.ones((4, 2)), "of face 0 "),
        (np.full((4, 2), np.nan), np.ones((4, 2)), "two distinct points known"),
        (np.zeros((4, 2)), np.ones((5, 2)), "as many points"),
        (np.zeros((4, 3)), np.ones((4, 3)), "as many points"),
        (np.zeros(2), np.zeros(2), "as many points"),
    ],
)
def test_what_cannot_be_aligned(source: np.ndarray, target: np.ndarray, says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        geometry.align(source, target)


@pytest.mark.parametrize("name", ["ibug68", "wflw98", "cofw29", "kaggle15", "imm73"])
def test_five_points_of_every_layout(name: str) -> None:
    layout = schema.get(name)
    five = geometry.five_points(layout.mean_shape, layout)
    assert five.shape == (5, 2)
    left_to_right, from_above = five[:, 0], five[:, 1]
    assert left_to_right[0] < left_to_right[2] < left_to_right[1]
    assert left_to_right[3] < left_to_right[2] < left_to_right[4]
    assert from_above[:2].max() < from_above[2] < from_above[3:].min()
    # a frontal mean face nearly has the template's shape, which is 35 pixels between the eyes
    moved = geometry.apply(geometry.align(five, geometry.ARCFACE), five)
    assert np.linalg.norm(moved - geometry.ARCFACE, axis=1).max() < 5


def test_five_points_by_hand() -> None:
    points = np.arange(136.0).reshape(1, 68, 2)
    five = geometry.five_points(points, IBUG)[0]
    expected = [points[0, 36:42].mean(0), points[0, 42:48].mean(0), *points[0, [30, 48, 54]]]
    np.testing.assert_allclose(five, expected)


def test_layouts_without_the_five() -> None:
    imm = schema.get("imm58")
    with pytest.raises(ArgumentError, match="imm58"):
        geometry.five_points(imm.mean_shape, imm)
    with pytest.raises(ArgumentError, match=r"expects \(..., 68, 2\)"):
        geometry.five_points(imm.mean_shape, IBUG)


@pytest.mark.parametrize("size", [112, 224, 96])
def test_the_crop_has_the_points_at_their_places(size: int) -> None:
    points = geometry.apply(geometry.rotation_matrix(25, (0, 0), 150), IBUG.mean_shape) + (200, 160)
    five = geometry.five_points(points, IBUG)
    matrix = geometry.align(five, geometry.ARCFACE)
    nose = geometry.apply(matrix, five)[2] * size / 112 + 0.5 * size / 112 - 0.5
    y, x = np.mgrid[:320, :400]
    image = np.exp(-((x - five[2, 0]) ** 2 + (y - five[2, 1]) ** 2) / 50).astype(np.float32)
    crop = geometry.face_crop(image, points, IBUG, size)
    assert crop.shape == (size, size)
    assert crop.dtype == np.float32
    mass = crop / crop.sum()
    centre = [(mass * np.arange(size)).sum(), (mass * np.arange(size)[:, None]).sum()]
    np.testing.assert_allclose(centre, nose, atol=0.1)


def test_the_crop_keeps_the_kind_of_picture() -> None:
    points = IBUG.mean_shape * 100 + 100
    crop = geometry.face_crop(np.full((200, 200, 3), 90, np.uint8), points, IBUG)
    assert crop.shape == (112, 112, 3)
    assert crop.dtype == np.uint8
    assert crop[60, 60].tolist() == [90, 90, 90]
    with pytest.raises(ValueError, match="read-only"):
        geometry.ARCFACE[0] = 0
