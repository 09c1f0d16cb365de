"""Turned faces: their rectangles under an affine map, and what is done to the pixels in them.

A face is a box and an angle: a rectangle turned clockwise by the angle about the box's centre.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .. import geometry
from ..sample import Frame

__all__ = ["corners", "inside", "moved", "moved_faces", "moved_regions", "part", "seen", "turned"]

Array = npt.NDArray[Any]
Size = tuple[int, int]
_WHOLE = (0.0, 0.0, 1.0, 1.0)
_PLACES = np.stack(np.meshgrid(*[(np.arange(8) + 0.5) / 8 - 0.5] * 2), -1).reshape(1, -1, 2).astype(np.float32)


def moved_faces(boxes: Array, angles: Array, matrix: Array) -> tuple[Array, Array]:
    """The faces after a turn, uniform scale, shift or mirror of the picture.

    Args:
        boxes: ``(N, 4)``.
        angles: ``(N,)`` degrees.
        matrix: 2x3.

    Returns:
        Boxes ``(N, 4)`` and angles ``(N,)`` in (-180, 180], float32.
    """
    linear = matrix[:, :2]
    zoom = math.sqrt(abs(float(linear[0, 0] * linear[1, 1] - linear[0, 1] * linear[1, 0])))
    centres = geometry.apply(matrix, (boxes[:, :2] + boxes[:, 2:]) / 2)
    half = ((boxes[:, 2:] - boxes[:, :2]) * (zoom / 2)).astype(np.float32)
    radians = np.deg2rad(angles.astype(np.float64))
    down = np.stack([-np.sin(radians), np.cos(radians)], -1) @ linear.T  # brow to chin; a mirror leaves it pointing so
    after = -np.rad2deg(np.arctan2(down[:, 0], down[:, 1]))
    after[after <= -180] += 360
    return np.concatenate([centres - half, centres + half], 1), after.astype(np.float32)


def moved_regions(boxes: Array, matrix: Array) -> Array:
    """Extents ``(N, 4)`` of the moved corners of ``(N, 4)`` boxes."""
    four = geometry.apply(matrix, boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2))
    return np.concatenate([four.min(1), four.max(1)], 1)


def moved(frame: Frame, matrix: Array, pixels: Array) -> Frame:
    """A frame whose picture was moved by ``matrix`` and is now ``pixels``: its labels move along.

    Args:
        frame: its points are dropped by a mirror, which would swap left and right.
        matrix: 2x3, a turn, uniform scale, shift or mirror.
        pixels: the moved picture.
    """
    boxes, angles = moved_faces(frame.boxes, frame.angles, matrix)
    mirrored = matrix[0, 0] * matrix[1, 1] < matrix[0, 1] * matrix[1, 0]
    points = None if frame.points is None or mirrored else geometry.apply(matrix, frame.points)
    regions = moved_regions(frame.ignore, matrix)
    return Frame(boxes, regions, frame.path, pixels, frame.subject, points, angles)


def turned(frame: Frame, angle: float, *, border: int | None = 0) -> Frame:
    """The frame turned clockwise by ``angle`` degrees, on a canvas that is grown so that nothing is cut off.

    Args:
        frame: its picture is read if it is not in memory.
        angle: in degrees.
        border: grey level of what is added, or None to repeat the picture's edge.
    """
    image = frame.image
    if angle % 360 == 0:
        return moved(frame, np.eye(3)[:2], image)
    height, width = image.shape[:2]
    matrix = geometry.rotation_matrix(angle, ((width - 1) / 2, (height - 1) / 2))
    x0, y0, x1, y1 = (float(v) for v in moved_regions(geometry.image_box((height, width))[None], matrix)[0])
    size = (math.ceil(y1 - y0 - 1e-3), math.ceil(x1 - x0 - 1e-3))
    matrix[:, 2] += ((size[1] - 1) / 2 - (x0 + x1) / 2, (size[0] - 1) / 2 - (y0 + y1) / 2)
    return moved(frame, matrix, geometry.warp(image, matrix, size, border=border))


def corners(boxes: Array, angles: Array, grow: float = 1.0) -> Array:
    """Corners ``(N, 4, 2)`` of the rectangles, grown about their centres, in the picture."""
    centres, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) * (grow / 2)
    return centres[:, None] + _turn(half[:, None] * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32), angles)


def part(box: Array, angle: float, region: tuple[float, float, float, float] = _WHOLE) -> Array:
    """Corners ``(4, 2)`` of a part of one face: ``region`` is xyxy in shares of its box, (0, 0) its top left."""
    x0, y0, x1, y1 = region
    shares = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float32) - 0.5
    centre, side = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
    placed: Array = centre + _turn((shares * side)[None], np.array([angle]))[0]
    return placed


def seen(boxes: Array, angles: Array, size: Size) -> Array:
    """How much of each rectangle a picture of ``size = (H, W)`` shows: ``(N,)``, by 8 x 8 places in it."""
    x0, y0, x1, y1 = geometry.image_box(size)
    four = corners(boxes, angles)
    if ((four >= (x0, y0)) & (four <= (x1, y1))).all():
        return np.ones(len(boxes))
    centres, side = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    places = centres[:, None] + _turn(_PLACES * side[:, None], angles)
    found: Array = ((places >= (x0, y0)) & (places <= (x1, y1))).all(-1).mean(-1)
    return found


def inside(image: Array, polygon: Array, change: Callable[[Array], Array]) -> None:
    """Replace what lies inside a convex polygon, in place, by ``change`` of its surroundings.

    Args:
        image: ``(H, W, 3)``.
        polygon: ``(M, 2)``; what lies outside the picture does not matter.
        change: from the part of the picture around the polygon to a part of the same shape.
    """
    height, width = image.shape[:2]
    (x0, y0), (x1, y1) = np.clip(np.round(polygon.min(0)), 0, None), np.round(polygon.max(0)) + 1
    left, top, right, bottom = int(x0), int(y0), int(min(x1, width)), int(min(y1, height))
    if right - left < 4 or bottom - top < 4:
        return
    here = image[top:bottom, left:right]
    mask = np.zeros(here.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, np.round(np.clip(polygon, -1e4, 1e4) - (left, top)).astype(np.int32), 1)
    np.copyto(here, change(here), where=mask.view(bool)[..., None])


def _turn(vectors: Array, angles: Array) -> Array:
    """Vectors ``(N, M, 2)`` turned clockwise by ``(N,)`` degrees."""
    radians = np.deg2rad(angles.astype(np.float64))[:, None]
    c, s = np.cos(radians), np.sin(radians)
    x, y = vectors[..., 0], vectors[..., 1]
    out: Array = np.stack([c * x - s * y, s * x + c * y], -1).astype(np.float32)
    return out
