"""facekp.draw: smoke, wrong input, where strokes fall (by hand), and properties."""

from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from facekp import draw, geometry, schema
from facekp.errors import ArgumentError, ImageError
from facekp.face import Face

IBUG = schema.get("ibug68")


def grey(height: int = 200, width: int = 240, level: int = 90) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def make_face(box: tuple[float, float, float, float] = (60, 50, 180, 170), score: float = 0.9, **changes: Any) -> Face:
    """The mean face, fitted into a box."""
    layout = changes.get("schema", IBUG)
    shape = layout.mean_shape
    x0, y0, x1, y1 = box
    points = (shape * min(x1 - x0, y1 - y0) + [(x0 + x1) / 2, (y0 + y1) / 2]).astype(np.float32)
    parts = {
        "keypoints": points,
        "scores": np.full(len(shape), 0.9, np.float32),
        "box": np.array(box, np.float32),
        "score": score,
        "schema": layout,
    }
    return Face(**{**parts, **changes})


def changed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return np.abs(after.astype(int) - before).sum(-1)


def centre_of(weights: np.ndarray) -> tuple[float, float]:
    ys, xs = np.mgrid[: weights.shape[0], : weights.shape[1]]
    total = weights.sum()
    return float((xs * weights).sum() / total), float((ys * weights).sum() / total)


# ---------------------------------------------------------------- smoke


@pytest.mark.parametrize("name", schema.names())
@pytest.mark.parametrize("labels", [None, "index", "name", "score"])
def test_every_schema_is_drawn(name: str, labels: str | None) -> None:
    image, face = grey(), make_face(schema=schema.get(name))
    before = image.copy()
    out = draw.faces(image, [face], labels=labels, scores=True)
    assert out.shape == image.shape
    assert out.dtype == np.uint8
    assert not np.shares_memory(out, image)
    np.testing.assert_array_equal(image, before)
    at = np.round(face.keypoints).astype(int)
    assert (changed(image, out)[at[:, 1], at[:, 0]] > 30).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (8, 8), (64, 48), (3000, 2000)])
def test_pictures_of_every_size(size: tuple[int, int]) -> None:
    height, width = size
    face = make_face((0.1 * width, 0.1 * height, 0.9 * width, 0.9 * height))
    assert draw.faces(grey(height, width), [face], scores=True).shape == (height, width, 3)


def test_pictures_come_as_anything_that_can_be_read() -> None:
    face, buffer = make_face(), io.BytesIO()
    Image.fromarray(grey()).save(buffer, "PNG")
    expected = draw.faces(grey(), face)
    for source in (buffer.getvalue(), Image.fromarray(grey()), grey()[..., 0]):
        np.testing.assert_array_equal(draw.faces(source, face), expected)


def test_nothing_to_draw_is_a_copy() -> None:
    image = grey()
    for out in (
        draw.faces(image, []),
        draw.boxes(image, []),
        draw.points(image, np.zeros((0, 68, 2)), IBUG),
        draw.points(image, np.full((68, 2), np.nan), IBUG, labels="index"),
        draw.faces(image, make_face(), points=False, boxes=False),
        draw.faces(image, make_face(keypoints=np.full((68, 2), np.nan), box=np.full(4, np.nan))),
    ):
        assert not np.shares_memory(out, image)
        np.testing.assert_array_equal(out, image)


# ---------------------------------------------------------------- wrong input


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda i: draw.points(i, np.zeros((5, 2)), IBUG), "ibug68 has 68 points"),
        (lambda i: draw.points(i, np.zeros((5, 3))), r"\(K, 2\)"),
        (lambda i: draw.points(i, np.zeros(2)), r"\(K, 2\)"),
        (lambda i: draw.points(i, "nose"), "keypoints: expected numbers, got str"),
        (lambda i: draw.points(i, np.zeros((5, 2)), scores=np.zeros(4)), r"scores: expected shape \(5,\)"),
        (lambda i: draw.points(i, np.zeros((5, 2)), labels="name"), "needs a schema"),
        (lambda i: draw.points(i, np.zeros((5, 2)), labels="names"), "choose one of: index, name, score"),
        (lambda i: draw.points(i, np.zeros((5, 2)), size=0), "size"),
        (lambda i: draw.points(i, np.zeros((5, 2)), size=float("nan")), "size"),
        (lambda i: draw.points(i, np.zeros((5, 2)), colors=(1, 2)), "red, green, blue"),
        (lambda i: draw.points(i, np.zeros((5, 2)), colors={"jaw": (0, 0, 256)}), "jaw"),
        (lambda i: draw.points(i, np.zeros((5, 2)), colors={"jaw": "red"}), "jaw"),
        (lambda i: draw.faces(i, [make_face(), None]), r"faces\[1\]: expected a facekp.Face, got NoneType"),
        (lambda i: draw.faces(i, None), "faces: expected"),
        (lambda i: draw.boxes(i, [[5, 5, 3, 9]]), "no area"),
        (lambda i: draw.boxes(i, [[1, 1, 3, 9]], labels=[]), "labels: expected one for each of 1"),
    ],
)
def test_wrong_arguments(call: Any, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        call(grey())


def test_wrong_pictures() -> None:
    with pytest.raises(ImageError, match=r"no-such\.jpg"):
        draw.faces("no-such.jpg", [])


# ---------------------------------------------------------------- where it falls


@pytest.mark.parametrize("long", [60, 400, 3000])
@pytest.mark.parametrize("point", [(20.0, 30.0), (20.25, 30.5), (20.5, 29.9), (33.4, 21.7)])
def test_a_dot_is_centred_on_its_point(long: int, point: tuple[float, float]) -> None:
    image = grey(60, long, 0)
    out = draw.points(image, [point], size=1.0 if long < 1000 else 0.4)
    np.testing.assert_allclose(centre_of(changed(image, out)), point, atol=0.06)


def test_a_dot_at_the_origin_is_centred_on_the_first_pixel() -> None:
    out = draw.points(grey(level=0), [(0.0, 0.0)])
    weight = changed(grey(level=0), out)
    assert weight.argmax() == 0
    assert weight[0, 1] == pytest.approx(weight[1, 0], abs=40)  # of 765


def test_boxes_run_along_their_edges() -> None:
    image = grey(100, 120, 0)
    out = draw.boxes(image, [[20.25, 30.5, 90.0, 80.0]], size=2)
    weight = changed(image, out)
    left, top = weight[55, 10:40], weight[20:45, 55]
    assert (left * np.arange(10, 40)).sum() / left.sum() == pytest.approx(20.25, abs=0.1)
    assert (top * np.arange(20, 45)).sum() / top.sum() == pytest.approx(30.5, abs=0.1)
    assert weight[40:70, 40:70].max() == 0  # not filled


def test_colours_of_groups() -> None:
    face = make_face((0, 0, 1000, 1000))
    out = draw.faces(grey(1000, 1000), face)
    for group, indices in IBUG.groups.items():
        for x, y in np.round(face.keypoints[list(indices)]).astype(int).clip(0, 999):
            assert out[y, x].tolist() == list(draw.COLORS[group])
    one = draw.faces(grey(1000, 1000), face, colors=(10, 200, 30))
    x, y = np.round(face.keypoints[30]).astype(int)
    assert one[y, x].tolist() == [10, 200, 30]
    some = draw.faces(grey(1000, 1000), face, colors={"nose": (1, 2, 3)})
    assert some[y, x].tolist() == [1, 2, 3]
    x, y = np.round(face.keypoints[60]).astype(int)
    assert some[y, x].tolist() == list(draw.COLORS["mouth"])


def test_dots_have_a_dark_rim_that_shows_on_white_and_on_black() -> None:
    for level in (0, 255):
        out = draw.points(grey(400, 400, level), [(200.0, 200.0)], size=5)
        line = out[200, 200:230].sum(-1).astype(int)
        assert line[0] == 3 * 255
        assert line.min() < 300
        assert line[-1] == 3 * level


def test_uncertain_points_are_hollow() -> None:
    face = make_face((0, 0, 1000, 1000))
    face.scores[30] = 0.2
    sure, unsure = draw.faces(grey(1000, 1000), face, low=0.1), draw.faces(grey(1000, 1000), face)
    x, y = np.round(face.keypoints[30]).astype(int)
    assert sure[y, x].tolist() == list(draw.COLORS["nose"])
    assert changed(grey(1000, 1000), unsure)[y, x] < 60  # what is under it shows through
    x, y = np.round(face.keypoints[48]).astype(int)
    np.testing.assert_array_equal(sure[y - 3 : y + 3, x - 3 : x + 3], unsure[y - 3 : y + 3, x - 3 : x + 3])


def test_edges_join_what_is_known() -> None:
    face, image = make_face((0, 0, 1000, 1000)), grey(1000, 1000)
    x, y = np.round(face.keypoints[[2, 3]].mean(0)).astype(int)
    assert changed(image, draw.faces(image, face, boxes=False))[y, x] > 100
    assert changed(image, draw.faces(image, face, boxes=False, edges=False))[y, x] == 0
    face.keypoints[3] = np.nan
    assert changed(image, draw.faces(image, face, boxes=False))[y, x] == 0


def test_missing_points_leave_the_others_as_they_are() -> None:
    points = np.array([[50.0, 60.0], [np.nan, 70.0], [90.0, 100.0]])
    kept = points[[0, 2]]
    box = geometry.extent(points)
    np.testing.assert_array_equal(geometry.extent(kept), box)
    both = draw.points(grey(), points)
    assert changed(grey(), both)[60, 50] > 30
    assert changed(grey(), both)[100, 90] > 30
    assert changed(grey(), both)[:55].max() == 0


@pytest.mark.parametrize("far", [np.inf, -np.inf, 1e30, -1e9, 5e4])
def test_points_beyond_all_bounds(far: float) -> None:
    face, image = make_face(), grey()
    expected = face.keypoints.copy()
    face.keypoints[5] = (far, 60)
    expected[5] = np.nan
    with np.errstate(all="raise"):
        out = draw.faces(image, face, labels="index")
        draw.points(image, face.keypoints, IBUG)
        draw.boxes(image, [[-1e9, -1e9, 1e9, 1e9], [-9e5, -9e5, 9e5, 9e5]], size=100, labels=["a", "b"])
    np.testing.assert_array_equal(out, draw.faces(image, make_face(keypoints=expected), labels="index"))


def test_labels_of_boxes_stay_in_the_picture() -> None:
    image = grey(100, 200)
    for box in ([-50, -50, 20, 20], [190, 50, 260, 90], [10, 2, 90, 90]):
        plain = draw.boxes(image, [box])
        named = draw.boxes(image, [box], labels=["0.93"])
        plate = (named == draw.COLORS["box"]).all(-1) & ~(plain == draw.COLORS["box"]).all(-1)
        assert plate.sum() > 150


@pytest.mark.parametrize("labels", ["index", "name", "score"])
def test_labels_add_to_the_points(labels: str) -> None:
    face = make_face((0, 0, 900, 900))
    plain = draw.faces(grey(1000, 1000), face)
    assert (changed(plain, draw.faces(grey(1000, 1000), face, labels=labels)) > 30).sum() > 2000


def test_strokes_grow_with_the_picture() -> None:
    shares = []
    for long in (200, 640, 2400):
        image = grey(long, long)
        face = make_face((0.25 * long, 0.25 * long, 0.75 * long, 0.75 * long))
        shares.append((changed(image, draw.faces(image, face, boxes=False)) > 40).mean())
    assert shares[1] == pytest.approx(shares[2], rel=0.5)
    assert shares[2] < shares[0] < 8 * shares[2]  # a small picture needs coarser strokes, but not a daub


def test_the_only_dot_of_a_close_up_hides_little() -> None:
    image, nose = grey(700, 700), schema.get("nose_tip")
    face = make_face((50, 50, 650, 650), schema=nose, keypoints=np.array([[350.0, 350.0]], np.float32))
    ys, xs = np.nonzero(changed(image, draw.faces(image, face, boxes=False)))
    reach = 1.35 * 0.014 * 700  # the dot and its rim
    assert reach - 1.5 < max(np.hypot(xs - 350.0, ys - 350.0)) < reach + 1.5


# ---------------------------------------------------------------- properties


@settings(max_examples=25, deadline=None)
@given(st.integers(-25, 25), st.integers(-25, 25))
def test_drawing_moves_with_the_points(dx: int, dy: int) -> None:
    face, moved = make_face(), make_face((60 + dx, 50 + dy, 180 + dx, 170 + dy))
    moved.keypoints = (face.keypoints + np.array([dx, dy])).astype(np.float32)
    here, there = (draw.faces(grey(), f) for f in (face, moved))
    shifted = np.roll(here, (dy, dx), (0, 1))
    inner = np.s_[max(dy, 0) : 200 + min(dy, 0), max(dx, 0) : 240 + min(dx, 0)]
    # float32 coordinates may round to the next sixteenth of a pixel
    assert np.abs(shifted[inner].astype(int) - there[inner]).mean() < 0.02


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(*[st.floats(-400, 700, width=32)] * 2), min_size=1, max_size=6), st.floats(0.1, 4))
def test_only_the_neighbourhood_of_points_changes(points: list[tuple[float, float]], size: float) -> None:
    image = grey(120, 150)
    weight = changed(image, draw.points(image, points, size=size))
    ys, xs = np.nonzero(weight)
    if len(xs):
        away = np.hypot(xs[:, None] - np.array(points)[:, 0], ys[:, None] - np.array(points)[:, 1]).min(1)
        assert away.max() < 60 * size


def test_many_faces_in_a_large_picture_take_no_time() -> None:
    image = grey(2000, 3000)
    crowd = [make_face((x, y, x + 40, y + 40)) for x in range(0, 2900, 290) for y in range(0, 1900, 190)]
    start = cv2.getTickCount()
    draw.faces(image, crowd)
    assert (cv2.getTickCount() - start) / cv2.getTickFrequency() < 8  # 100 faces; 0.3 s on an idle core
