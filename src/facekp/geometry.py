"""Points, boxes and affine maps: where things are in a picture.

Frame.  Points are ``(x, y)``; ``(0, 0)`` is the *centre* of the top-left pixel,
so a picture of width W spans ``[-0.5, W - 0.5]`` and scaling by s maps
``x' = (x + 0.5) s - 0.5``.  Boxes are ``(x0, y0, x1, y1)`` in the same frame,
edges included.  Sizes are ``(height, width)``.  Matrices are 2x3 float64 and
map column vectors ``(x, y, 1)``.  Angles are in degrees; a positive angle turns
what is seen clockwise (y points down).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _arguments as check
from ._align import ARCFACE, align, five_points, similarity
from ._boxes import as_boxes, extent, image_box, iou, nms
from ._resample import resample
from .errors import ArgumentError
from .schema import KeypointSchema

__all__ = [
    "ARCFACE",
    "align",
    "apply",
    "as_boxes",
    "compose",
    "crop_matrix",
    "extent",
    "face_crop",
    "five_points",
    "image_box",
    "invert",
    "iou",
    "mirror_matrix",
    "nms",
    "resize_matrix",
    "rotation_matrix",
    "similarity",
    "warp",
    "zoom",
]

Array = npt.NDArray[Any]
Size = tuple[int, int]


# ---------------------------------------------------------------- affine maps


def resize_matrix(size: Size, to: Size) -> Array:
    """Resize from ``size`` to ``to`` (both ``(H, W)``): ``x' = (x + 0.5) s - 0.5``."""
    (height, width), (high, wide) = check.size(size), check.size(to, "to")
    sy, sx = high / height, wide / width
    return np.array([[sx, 0, 0.5 * sx - 0.5], [0, sy, 0.5 * sy - 0.5]], np.float64)


def mirror_matrix(width: int) -> Array:
    """Mirror left and right in a picture of this width: ``x' = W - 1 - x``."""
    return np.array([[-1, 0, check.whole(width, "width", 1) - 1], [0, 1, 0]], np.float64)


def rotation_matrix(angle: float, centre: tuple[float, float], scale: float = 1.0) -> Array:
    """Turn by ``angle`` degrees (clockwise as seen) and scale about ``centre``.

    Raises:
        ArgumentError: a number is not finite, or ``scale`` is not positive.
    """
    angle, scale = check.number(angle, "angle"), check.number(scale, "scale", above=0)
    try:
        x, y = centre
    except (TypeError, ValueError):
        raise ArgumentError(f"centre: expected (x, y), got {check.shown(centre)}") from None
    return _turn(angle, check.number(x, "centre"), check.number(y, "centre"), scale)


def _turn(angle: float, x: float, y: float, scale: float) -> Array:
    c, s = scale * math.cos(math.radians(angle)), scale * math.sin(math.radians(angle))
    return np.array([[c, -s, x - c * x + s * y], [s, c, y - s * x - c * y]], np.float64)


def crop_matrix(box: Array, size: Size, scale: float = 1.0, angle: float = 0.0) -> Array:
    """The affine from picture to crop: the one crop rule of training and use.

    The box, grown ``scale`` times about its centre, fits the crop of
    ``size = (H, W)`` exactly in its tighter direction; the aspect ratio is kept;
    the box's centre falls on the crop's centre ``((W - 1) / 2, (H - 1) / 2)``.

    Args:
        box: ``(4,)`` xyxy in picture pixels, with a positive area.
        size: ``(H, W)`` of the crop.
        scale: how much of the surroundings to take; 1.2 adds a fifth.
        angle: by how many degrees the face is turned clockwise in the picture;
            the crop shows it upright.

    Returns:
        The 2x3 float64 matrix.

    Raises:
        ArgumentError: the box is not finite, or a single point or less, or another argument is out of range.
    """
    try:
        x0, y0, x1, y1 = (float(v) for v in box)
    except (TypeError, ValueError):
        raise ArgumentError(f"box: expected four numbers [x0, y0, x1, y1], got {check.shown(box)}") from None
    wide, high = x1 - x0, y1 - y0
    if not math.isfinite(x0 + y0 + x1 + y1) or max(wide, high) <= 0 or min(wide, high) < 0:
        raise ArgumentError(f"box {[x0, y0, x1, y1]} has no area to crop: expected finite x1 > x0 and y1 > y0")
    height, width = check.size(size)
    scale, angle = check.number(scale, "scale", above=0), check.number(angle, "angle")
    zoom = min(width / max(wide, 1e-6), height / max(high, 1e-6)) / scale
    cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
    matrix = _turn(-angle, cx, cy, zoom)
    matrix[:, 2] += ((width - 1) / 2 - cx, (height - 1) / 2 - cy)
    return matrix


def compose(*matrices: Array) -> Array:
    """One matrix that does the first, then the second, and so on."""
    full = np.eye(3)
    for i, matrix in enumerate(matrices):
        full = np.vstack([_two_by_three(matrix, f"matrices[{i}]"), [0, 0, 1]]) @ full
    result: Array = full[:2]
    return result


_FLAT = "matrix: it maps the picture onto a line and has no inverse"
_NOT_FINITE = "matrix: expected finite numbers, got NaN or infinite ones"


def _two_by_three(matrix: Any, argument: str = "matrix") -> Array:
    array = check.numbers(matrix, argument)
    if array.shape != (2, 3):
        raise ArgumentError(f"{argument}: expected a 2x3 matrix, got {array.shape}")
    return array


def invert(matrix: Array) -> Array:
    """The inverse of 2x3 matrices ``(..., 2, 3)``.

    Raises:
        ArgumentError: the shape is another, a number is not finite, or the map flattens the plane and has no inverse.
    """
    matrix = check.numbers(matrix, "matrix")
    if matrix.shape == (2, 3):  # so often that numpy's calls would tell
        return np.array(_inverse(*matrix.tolist()))
    if matrix.shape[-2:] != (2, 3):
        raise ArgumentError(f"matrix: expected (..., 2, 3), got {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ArgumentError(_NOT_FINITE)
    try:
        linear = np.linalg.inv(matrix[..., :2])
    except np.linalg.LinAlgError:
        raise ArgumentError(_FLAT) from None
    return np.concatenate([linear, -linear @ matrix[..., 2:]], -1)


def _inverse(across: list[float], down: list[float]) -> list[list[float]]:
    """:func:`invert` of one matrix, row by row."""
    (a, b, x), (c, d, y) = across, down
    size = a * d - b * c
    if size == 0:
        raise ArgumentError(_FLAT)
    if not math.isfinite(size + x + y):
        raise ArgumentError(_NOT_FINITE)
    return [[d / size, -b / size, (b * y - d * x) / size], [-c / size, a / size, (c * x - a * y) / size]]


def zoom(matrix: Array) -> float:
    """By how much a 2x3 map makes things larger: the root of what it does to areas."""
    (a, b, _), (c, d, _) = _two_by_three(matrix).tolist()
    return math.sqrt(abs(a * d - b * c))


def apply(matrix: Array, points: Array) -> Array:
    """Map points ``(..., K, 2)`` by 2x3 matrices ``(..., 2, 3)``; NaN stays NaN; returns float32.

    Raises:
        ArgumentError: a shape does not fit.
    """
    matrix, points = check.numbers(matrix, "matrix"), check.numbers(points, "points")
    try:
        if matrix.shape[-2:] != (2, 3) or points.shape[-1] != 2 or points.ndim < 2:
            raise IndexError
        moved = points @ np.swapaxes(matrix[..., :2], -1, -2) + matrix[..., None, :, 2]
    except (IndexError, ValueError):
        raise ArgumentError(
            f"apply: expected matrices (..., 2, 3) and points (..., K, 2), got {matrix.shape} and {points.shape}"
        ) from None
    return moved.astype(np.float32)


# ---------------------------------------------------------------- pixels


def warp(image: Array, matrix: Array, size: Size, *, border: int | None = 0, halves: bool = False) -> Array:
    """Resample a picture by an affine map, without aliasing when it shrinks.

    Only the part of the picture that is seen is touched; where the map shrinks
    k times, 2x or more, that part is first averaged over k x k blocks.

    Args:
        image: ``(H, W)`` or ``(H, W, C)`` uint8 or float32.
        matrix: 2x3, from picture pixels to output pixels.
        size: ``(H, W)`` of the output.
        border: grey value outside the picture, or None to repeat its edge.
        halves: average over blocks of 2, 4, 8, ... pixels only, by halving again and again: three times as quick where
            a picture shrinks 3x or more, and not as smooth, as what is left to do, up to 2x, is done without averaging;
            of whole grey levels each halving rounds up, 0.13 of one on average.

    Raises:
        ArgumentError: the picture is empty, or of another shape or type; the matrix is not 2x3, finite and
            invertible; or the size is none, or more than OpenCV takes (32,766).
    """
    _check_pixels(image, border)
    matrix, (height, width) = _two_by_three(matrix), check.size(size)
    across, down = matrix.tolist()
    inverse = _inverse(across, down)
    if height > _LONGEST or width > _LONGEST:
        raise ArgumentError(f"size: expected at most {_LONGEST} pixels a side, got {(height, width)}")
    k = max(1, int(1 / max(zoom(matrix), 1e-6) + 1e-6))
    if halves:
        k = 1 << k.bit_length() - 1
    return resample(image, (across, down), inverse, (height, width), k=k, border=border, halves=halves)


_PIXELS = frozenset(np.dtype(kind) for kind in ("uint8", "uint16", "int16", "float32", "float64"))
_LONGEST = 32_766


def _check_pixels(image: Any, border: Any) -> None:
    """What OpenCV resamples: nothing else, and no picture without pixels."""
    if not isinstance(image, np.ndarray) or image.dtype not in _PIXELS:
        raise ArgumentError(f"image: expected an array of uint8 or float32, got {check.shown(image)}")
    if image.ndim not in (2, 3) or not image.size or image.shape[2:] > (4,):
        raise ArgumentError(f"image: expected (H, W) or (H, W, C) with pixels and up to 4 channels, got {image.shape}")
    if border is not None and not (0 <= check.number(border, "border") <= 255):
        raise ArgumentError(f"border: expected a grey value from 0 to 255 or None, got {border!r}")


def face_crop(
    image: Array, points: Array, schema: KeypointSchema, size: int = 112, *, template: Array = ARCFACE
) -> Array:
    """The square crop of a face that recognition networks take: its five points brought to their places.

    Args:
        image: ``(H, W)`` or ``(H, W, C)`` uint8 or float32.
        points: ``(K, 2)`` in picture pixels.
        schema: what they are; see :func:`five_points`.
        size: the crop's side.  Other sides than 112 scale the template by the pixel-centre rule.
        template: ``(5, 2)`` in pixels of a 112x112 crop.

    Returns:
        ``(size, size)`` or ``(size, size, C)``, black outside the picture.

    Raises:
        ArgumentError: the points are not of this schema, it lacks one of the five, or fewer than two of them are known.
    """
    check.whole(size, "size", 1)
    places = apply(resize_matrix((112, 112), (size, size)), template)
    five = five_points(check.points_of(points, schema, dtype=np.float32), schema)
    if places.shape != (5, 2):
        raise ArgumentError(f"template: expected (5, 2), got {places.shape}")
    return warp(image, align(five, places), (size, size))
