"""For geometry: a picture's pixels under an affine map, without aliasing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["resample"]

Array = npt.NDArray[Any]
Size = tuple[int, int]


def resample(
    image: Array,
    forward: Sequence[list[float]],
    inverse: Sequence[list[float]],
    size: Size,
    *,
    k: int,
    border: int | None,
    halves: bool,
) -> Array:
    """What :func:`facekp.geometry.warp` gives.

    Args:
        image: of a shape and type that OpenCV resamples.
        forward: the two rows of the map from picture pixels to output pixels ...
        inverse: ... and of the map back.
        size: ``(H, W)`` of the output.
        k: pixels are averaged over blocks of this side first.
        border: grey value outside the picture, or None to repeat its edge.
        halves: halve again and again, where that does it.
    """
    height, width = size
    (x0, x1), (y0, y1) = (_seen(row, size, side, k) for row, side in zip(inverse, image.shape[1::-1], strict=True))
    if border is None:  # at least one row and one column of the edge that is repeated
        x0, y0 = min(x0, image.shape[1] - 1), min(y0, image.shape[0] - 1)
        x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
    elif x0 >= x1 or y0 >= y1:
        return np.full((height, width, *image.shape[2:]), border, image.dtype)
    part = image[y0:y1, x0:x1]
    high, wide = min(k, y1 - y0), min(k, x1 - x0)
    if k > 1:
        part = _shrink(part, high, wide, halves)
    # pixel (0, 0) of the part is the middle of its first block
    x, y = x0 + (wide - 1) / 2, y0 + (high - 1) / 2
    rows = [[a * wide, b * high, a * x + b * y + shift] for a, b, shift in forward]
    if border is not None and (by := _whole(rows)):
        out: Array = _moved(part, by, (height, width), border)
        return out if out.ndim == image.ndim else out[..., None]
    local = np.array(rows)
    mode = cv2.BORDER_REPLICATE if border is None else cv2.BORDER_CONSTANT
    value = (float(border or 0),) * 4
    # OpenCV resamples four channels three times as fast as three, to the same values.
    fourth = part.shape[2:] == (3,) and part.dtype == np.uint8 and part.size <= 12 * height * width
    source = cv2.cvtColor(part, cv2.COLOR_RGB2RGBA) if fourth else part
    out = cv2.warpAffine(source, local, (width, height), flags=cv2.INTER_LINEAR, borderMode=mode, borderValue=value)
    if fourth:
        out = cv2.cvtColor(out, cv2.COLOR_RGBA2RGB)
    return out if out.ndim == image.ndim else out[..., None]  # OpenCV drops a single channel


def _whole(rows: list[list[float]]) -> tuple[int, int] | None:
    """By how many pixels to the right and down a map moves, where it does nothing else."""
    (a, b, right), (c, d, down) = rows
    off = max(abs(a - 1), abs(b), abs(c), abs(d - 1), abs(right - round(right)), abs(down - round(down)))
    if off > 1e-6:
        return None
    return round(right), round(down)


def _moved(part: Array, by: tuple[int, int], size: Size, border: int) -> Array:
    """What a map that moves by whole pixels gives: pictures of the usual sizes are often halved or quartered."""
    out = np.full((*size, *part.shape[2:]), border, part.dtype)
    (x, y), (height, width) = by, part.shape[:2]
    x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + width, size[1]), min(y + height, size[0])
    if x0 < x1 and y0 < y1:
        out[y0:y1, x0:x1] = part[y0 - y : y1 - y, x0 - x : x1 - x]
    return out


def _seen(row: list[float], size: Size, side: int, k: int) -> tuple[int, int]:
    """First and last pixel (exclusive) of one side of the picture that an output of ``size`` needs.

    Args:
        row: of the inverse map, for this side.
        size: ``(H, W)`` of the output.
        side: how long the picture is.
        k: pixels are averaged over blocks of this side: where possible they are a whole number of blocks.
    """
    (x0, x1), (y0, y1) = (sorted((-step, step * far)) for step, far in ((row[0], size[1]), (row[1], size[0])))
    low, high = min(max(x0 + y0 + row[2], -1e9), 1e9), min(max(x1 + y1 + row[2], -1e9), 1e9)
    first = math.floor(low + 1e-4) - k - 1  # whole numbers come with the error of the inverse
    if k > 1 and abs(abs(row[0]) + abs(row[1]) - k) < 1e-6:  # an output pixel is one block: its own, not parts of two
        first -= (first - round(row[2] - (k - 1) / 2)) % k
    first = max(0, first)
    last = min(side, math.ceil(high - 1e-4) + k + 2)
    return first, min(side, last + (first - last) % k) if last - first >= k else last


def _shrink(image: Array, high: int, wide: int, halves: bool) -> Array:
    """Average blocks of ``high`` x ``wide`` pixels, the last ones filled up by repeating the edge."""
    height, width = image.shape[:2]
    rows, columns = -(-height // high), -(-width // wide)
    if (rows * high, columns * wide) != (height, width):
        image = cv2.copyMakeBorder(image, 0, rows * high - height, 0, columns * wide - width, cv2.BORDER_REPLICATE)
    left = high if high == wide else 1
    while left % 2 == 0 and left > 2:  # OpenCV is several times quicker at halves than at quarters
        left //= 2
        image = cv2.resize(image, (columns * left, rows * left), interpolation=cv2.INTER_AREA)
        if not halves:  # only once: it rounds up what lies between two grey levels, 0.13 of one on average
            break
    out: Array = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA)
    return out
