"""Which way a face is turned: yaw, pitch and roll from its points, and the one definition of a yaw bin.

The head's frame is the picture's when it looks straight into the camera: x to the picture's right (the subject's
left), y down, z away from the camera.  A head that is turned is ``R = Rz(roll) Ry(-yaw) Rx(-pitch)``:

* yaw > 0: the nose points to the picture's right (the subject looks to his or her left); -90 to 90.
* pitch > 0: the subject looks up.
* roll > 0: the head is tilted clockwise as it is seen.

A mirrored face has the opposite yaw and roll, and the same pitch.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _arguments as check
from . import geometry
from .errors import ArgumentError
from .schema import KeypointSchema

__all__ = ["HEAD", "YAW_BINS", "angles", "levelled", "rotation", "yaw_bin"]

Array = npt.NDArray[Any]

#: A generic adult head, from the middle of the outer eye corners, in mm where these are 89.6 mm apart, as is about
#: usual (angles ignore the unit).  Across and down it is the mean shape of ``ibug68`` (2,012 faces of 300-W).
#: Depths are a typical profile's in round numbers, nobody's own; ``tools/head_depths.py`` compares them with those
#: that the turned faces of 300-W imply.
HEAD: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        "right_eye_outer": (-44.8, 0.0, 0.0),
        "right_eye_inner": (-19.2, 1.7, -8.0),
        "left_eye_inner": (19.2, 1.7, -8.0),
        "left_eye_outer": (44.8, 0.0, 0.0),
        "nose_bridge_0": (0.0, -1.9, -19.0),
        "nose_tip": (0.0, 36.2, -42.0),
        "nose_base": (0.0, 49.8, -27.0),
        "right_mouth_corner": (-28.3, 68.8, -16.0),
        "left_mouth_corner": (28.3, 68.8, -16.0),
        "chin": (0.0, 118.3, -16.0),
    }
)

#: Bins of the absolute yaw in degrees, each from its first number up to but not including its second.
YAW_BINS: tuple[tuple[float, float], ...] = ((0, 15), (15, 30), (30, 45), (45, 90))

_FEWEST = 6  # points; a turned head with a scale and a place has six unknowns, which three points would just give
_DEPTH = 10.0  # mm: how far the points must reach out of their plane (root of the sum of squares)


def angles(points: Array, schema: KeypointSchema) -> Array:
    """Yaw, pitch and roll of faces, in degrees.

    :data:`HEAD` is fitted to the points by scaled orthography, ``x = s (R X)_xy + t``, with the least sum of squared
    distances: first the best affine map and its nearest rotation, then Gauss-Newton on ``R`` and ``s`` (the problem
    of DeMenthon and Davis, "Model-based object pose in 25 lines of code", IJCV 1995, without perspective).  As
    everybody's head is another, expect errors of some degrees; a camera close to the face adds to them.

    Args:
        points: ``(N, K, 2)``; NaN where missing.  The unit does not matter.
        schema: what the K points are; those of :data:`HEAD` are found by their names.

    Returns:
        ``(N, 3)`` float64, see the module for the signs; NaN for a face with fewer than six of :data:`HEAD`'s points,
        or whose points do not show any depth.

    Raises:
        ArgumentError: the points are not of this schema.
    """
    points = check.points_of(points, schema, "N")
    names = [name for name in HEAD if name in schema.names]
    result = np.full((len(points), 3), np.nan)
    if len(names) < _FEWEST:
        return result
    seen, head = points[:, [schema.names.index(n) for n in names]], np.array([HEAD[n] for n in names])
    known = np.asarray(np.isfinite(seen).all(-1))
    x, model = _centred(seen, known), _centred(np.broadcast_to(head, (*seen.shape[:2], 3)), known)
    usable = (known.sum(1) >= _FEWEST) & (np.linalg.svd(model, compute_uv=False)[:, -1] > _DEPTH)
    usable &= (np.ptp(x, axis=1) > 0).all(-1)
    result[usable] = _angles_of(_fit(x[usable], model[usable]))
    return result


def rotation(yaw: float, pitch: float, roll: float) -> Array:
    """The ``(3, 3)`` matrix ``Rz(roll) Ry(-yaw) Rx(-pitch)`` of angles in degrees; :func:`angles` finds them again.

    Raises:
        ArgumentError: an angle is not a finite number.
    """
    yaw, pitch, roll = check.number(yaw, "yaw"), check.number(pitch, "pitch"), check.number(roll, "roll")
    (cy, sy), (cp, sp), (cr, sr) = ((np.cos(a), np.sin(a)) for a in np.deg2rad([-yaw, -pitch, roll]))
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    turned: Array = about_z @ about_y @ about_x
    return turned


def levelled(points: Array, schema: KeypointSchema) -> tuple[Array, float] | None:
    """Where a face is by its points.

    Args:
        points: ``(K, 2)`` in picture pixels.
        schema: what they are; by its mean shape the face's angle is known.

    Returns:
        The extent of the points in the face's level frame, ``(4,)`` xyxy float32, turned back about its own centre;
        and by how many degrees the face is turned clockwise.  None where the points have no extent.

    Raises:
        ArgumentError: the points are not of this schema.
    """
    points = check.points_of(points, schema)
    # As complex numbers, in a few calls of numpy, as every face of every frame is levelled: geometry.similarity's turn.
    places, shape = _complex(points), _complex(schema.mean_shape)
    if np.isfinite(points).all():
        turn = complex(np.vdot(shape, places - places.sum() / len(places)))
    else:  # points are missing
        try:
            (a, _, _), (b, _, _) = geometry.similarity(schema.mean_shape, points).tolist()
        except ArgumentError:
            return None
        turn = complex(a, b)
    angle = math.atan2(turn.imag or 0.0, turn.real)  # of -0.0 it would be -180 degrees for 180
    about = cmath.rect(1.0, angle)
    level = places * about.conjugate()
    x0, y0, x1, y1 = geometry.extent(level.view(np.float64).reshape(-1, 2)).tolist()
    high, wide = (y1 - y0) / 2, (x1 - x0) / 2
    if not (0 < high < math.inf and 0 < wide < math.inf):
        return None
    centre = complex(x0 + wide, y0 + high) * about
    x, y = centre.real, centre.imag
    return np.array([x - wide, y - high, x + wide, y + high], np.float32), math.degrees(angle)


def _complex(points: Array) -> Array:
    return np.ascontiguousarray(points, np.float64).view(np.complex128)[:, 0]


def yaw_bin(yaw: Array) -> Array:
    """The bin of each yaw: ``(N,)`` int, an index of :data:`YAW_BINS`; -1 where the yaw is NaN.

    Left and right share a bin.

    Args:
        yaw: ``(N,)`` degrees, of either sign, as :func:`angles` gives them: up to 90.

    Raises:
        ArgumentError: a yaw is beyond 90 degrees.
    """
    size = np.abs(check.bounded(check.numbers(yaw, "yaw"), "yaw", -90, 90))
    starts = [low for low, _ in YAW_BINS]
    return np.where(np.isnan(size), -1, np.searchsorted(starts, size, side="right") - 1)


def _centred(points: Array, known: Array) -> Array:
    """Points ``(N, M, D)`` about the mean of the known ones; zero where unknown, which then adds to no sum."""
    filled = np.where(known[..., None], points, 0.0)
    mean = filled.sum(1, keepdims=True) / np.maximum(known.sum(1), 1)[:, None, None]
    centred: Array = np.where(known[..., None], filled - mean, 0.0)
    return centred


def _fit(x: Array, model: Array, steps: int = 20) -> Array:
    """Rotations ``(N, 3, 3)`` that bring ``model`` ``(N, M, 3)`` over ``x`` ``(N, M, 2)``, both centred."""
    affine = np.linalg.pinv(model) @ x
    u, sizes, vt = np.linalg.svd(affine.transpose(0, 2, 1), full_matrices=False)
    rows, scale = u @ vt, sizes.mean(1)
    turn = np.concatenate([rows, np.cross(rows[:, 0], rows[:, 1])[:, None]], axis=1)
    for _ in range(steps):
        y = model @ turn.transpose(0, 2, 1)
        residual = x - scale[:, None, None] * y[..., :2]
        zero = np.zeros_like(y[..., 0])
        # How (x, y) moves with a small turn about each axis (w cross Y), and with the logarithm of the scale.
        across = np.stack([zero, y[..., 2], -y[..., 1], y[..., 0]], -1)
        down = np.stack([-y[..., 2], zero, y[..., 0], y[..., 1]], -1)
        jacobian = scale[:, None, None] * np.concatenate([across, down], axis=1)
        gap = np.concatenate([residual[..., 0], residual[..., 1]], axis=1)
        step = (np.linalg.pinv(jacobian) @ gap[..., None])[..., 0]
        if np.abs(step).max(initial=0.0) < 1e-9:
            break
        turn, scale = _turned(step[:, :3]) @ turn, scale * np.exp(np.clip(step[:, 3], -1, 1))
    return turn


def _turned(vectors: Array) -> Array:
    """Rotations ``(N, 3, 3)`` by vectors ``(N, 3)`` (Rodrigues' formula)."""
    angle = np.linalg.norm(vectors, axis=1)[:, None, None]
    axis = vectors / np.maximum(angle[:, 0], 1e-300)
    cross = np.zeros((len(vectors), 3, 3))
    cross[:, [2, 0, 1], [1, 2, 0]] = axis
    cross -= cross.transpose(0, 2, 1).copy()
    turned: Array = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)
    return turned


def _angles_of(turn: Array) -> Array:
    yaw = np.arcsin(np.clip(turn[:, 2, 0], -1, 1))
    pitch = -np.arctan2(turn[:, 2, 1], turn[:, 2, 2])
    roll = np.arctan2(turn[:, 1, 0], turn[:, 0, 0])
    degrees: Array = np.rad2deg(np.stack([yaw, pitch, roll], axis=1))
    return degrees
