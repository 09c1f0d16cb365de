"""Yaw, pitch and roll: of a head that was turned by known angles, and of real faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facekp import datasets, geometry, pose, schema
from facekp.errors import ArgumentError

PROPERTY = settings(max_examples=40, deadline=None)
IBUG = schema.get("ibug68")
NAMES = tuple(pose.HEAD)
HEAD = np.array([pose.HEAD[n] for n in NAMES])

turns = st.tuples(st.floats(-85, 85), st.floats(-80, 80), st.floats(-175, 175))


def face(yaw: float, pitch: float, roll: float, layout: schema.KeypointSchema = IBUG) -> np.ndarray:
    """The generic head as a distant camera sees it: angle by angle, by hand, in another way than the code's."""
    x, y, z = HEAD.T
    p, w, r = np.deg2rad([pitch, yaw, roll])
    # Pitch: what is in front (z < 0) goes up (y < 0).
    y, z = y * np.cos(p) + z * np.sin(p), z * np.cos(p) - y * np.sin(p)
    # Yaw: what is in front goes to the right (x > 0).
    x, z = x * np.cos(w) - z * np.sin(w), z * np.cos(w) + x * np.sin(w)
    # Roll: the right (x > 0) goes down (y > 0).
    x, y = x * np.cos(r) - y * np.sin(r), y * np.cos(r) + x * np.sin(r)
    points = np.full((1, len(layout), 2), np.nan)
    for name, px, py in zip(NAMES, x, y, strict=True):
        if name in layout.names:
            points[0, layout.names.index(name)] = px, py
    return points


def turn(points: np.ndarray, layout: schema.KeypointSchema = IBUG) -> np.ndarray:
    return pose.angles(points, layout)[0]


@PROPERTY
@given(turns, st.floats(0.01, 100), st.floats(-1e4, 1e4))
def test_known_angles_are_found_at_any_scale_and_place(
    angles: tuple[float, float, float], scale: float, shift: float
) -> None:
    np.testing.assert_allclose(turn(face(*angles) * scale + [shift, -2 * shift]), angles, atol=1e-2)


@PROPERTY
@given(turns)
def test_rotation_is_what_angles_finds(angles: tuple[float, float, float]) -> None:
    matrix = pose.rotation(*angles)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1)
    seen = face(*angles)[0][[IBUG.index(n) for n in NAMES]]
    np.testing.assert_allclose((HEAD @ matrix.T)[:, :2], seen, atol=1e-9)


def test_signs() -> None:
    nose, eye = IBUG.index("nose_tip"), IBUG.index("left_eye_outer")
    still = face(0, 0, 0)[0]
    assert face(20, 0, 0)[0, nose, 0] > still[nose, 0]  # to the picture's right
    assert face(0, 20, 0)[0, nose, 1] < still[nose, 1]  # up
    assert face(0, 0, 20)[0, eye, 1] > still[eye, 1]  # the picture's right side goes down: clockwise
    np.testing.assert_allclose(turn(face(0, 0, 0)), 0, atol=1e-9)


@PROPERTY
@given(turns)
def test_a_mirror_turns_yaw_and_roll_round(angles: tuple[float, float, float]) -> None:
    mirrored = IBUG.mirrored(face(*angles), 640)
    np.testing.assert_allclose(turn(mirrored), np.array(angles) * [-1, 1, -1], atol=1e-2)


@pytest.mark.parametrize("name", ["ibug68", "wflw98", "cofw29", "imm73", "imm58", "kaggle15"])
def test_every_schema_with_these_points(name: str) -> None:
    layout = schema.get(name)
    np.testing.assert_allclose(turn(face(25, -10, 5, layout), layout), [25, -10, 5], atol=1e-2)


def test_missing_points() -> None:
    points = np.concatenate([face(25, -10, 5)] * 4)
    points[0, IBUG.index("nose_tip")] = np.nan
    points[1, [IBUG.index(n) for n in NAMES[:5]]] = np.nan  # five are left
    points[2] = np.nan
    flat = ("right_eye_outer", "left_eye_outer", "right_mouth_corner", "left_mouth_corner", "chin", "nose_bridge_0")
    points[3, [i for i in range(68) if IBUG.names[i] not in flat]] = np.nan
    found = pose.angles(points, IBUG)
    np.testing.assert_allclose(found[0], [25, -10, 5], atol=1e-2)
    assert np.isnan(found[1:3]).all()
    assert np.isnan(pose.angles(np.zeros((1, 68, 2)), IBUG)).all()  # all on one spot
    assert np.isnan(turn(np.zeros((1, 1, 2)), schema.get("nose_tip"))).all()
    assert pose.angles(np.zeros((0, 68, 2)), IBUG).shape == (0, 3)


def test_points_in_one_plane_show_no_depth() -> None:
    layout = schema.get("kaggle15").subset(["right_eye", "left_eye", "right_mouth_corner", "left_mouth_corner"])
    assert np.isnan(turn(layout.mean_shape[None].astype(float), layout)).all()


def test_noise_moves_it_a_little_and_nothing_is_written_to() -> None:
    points = np.concatenate([face(30, 5, -10)] * 200) + np.random.default_rng(0).normal(0, 1, (200, 68, 2))
    points.flags.writeable = False
    errors = pose.angles(points, IBUG) - [30, 5, -10]
    assert np.abs(errors.mean(0)).max() < 0.5
    assert errors.std(0).max() < 3


def test_bins() -> None:
    yaw = np.array([0, -14.99, 15, -29, 30, 44, -45, 90, np.nan])
    assert pose.yaw_bin(yaw).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, -1]
    assert pose.yaw_bin(np.zeros(0)).shape == (0,)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"expects \(N, 68, 2\), got \(68, 2\)"):
        pose.angles(np.zeros((68, 2)), IBUG)


# ---------------------------------------------------------------- real faces


def test_frontal_faces_are_frontal(data_root: Path) -> None:
    frontal = datasets.create("imm_frontal", root=data_root / "imm_frontal")
    angles = pose.angles(np.stack([s.keypoints for s in frontal]), frontal.schema)
    assert np.abs(np.median(angles, 0)).max() < 6
    assert np.abs(angles[:, [0, 2]]).max() < 10


def test_a_nose_that_is_nearer_to_one_cheek_is_turned(data_root: Path) -> None:
    samples = datasets.create("300w", root=data_root / "300w", split="afw")
    points = np.stack([s.keypoints for s in samples])
    yaw = pose.angles(points, IBUG)[:, 0]
    # In the face's own upright frame: where the nose tip lies between both ends of the jaw, from -1 to 1.
    upright = np.stack([geometry.apply(geometry.similarity(p, IBUG.mean_shape), p) for p in points])
    left, nose, right = (upright[:, IBUG.index(n), 0] for n in ("right_jaw_0", "nose_tip", "left_jaw_0"))
    share = (2 * nose - left - right) / (right - left)
    assert np.corrcoef(yaw, share)[0, 1] > 0.95
    clear = np.abs(yaw) > 15
    assert (np.sign(share[clear]) == np.sign(yaw[clear])).all()
