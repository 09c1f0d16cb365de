"""Boxes ``(x0, y0, x1, y1)``, edges included: what :mod:`facekp.geometry` shows of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from . import _arguments as check
from .errors import ArgumentError

Array = npt.NDArray[Any]
Size = tuple[int, int]

_LARGEST = 1e37  # of a box's corners: their differences and sums are finite as float32, too


def image_box(size: Size) -> Array:
    """The box of a whole picture of ``size = (H, W)``: ``[-0.5, -0.5, W - 0.5, H - 0.5]``."""
    height, width = check.size(size)
    return np.array([-0.5, -0.5, width - 0.5, height - 0.5], np.float32)


def extent(points: Array) -> Array:
    """The tight box ``(..., 4)`` of points ``(..., K, 2)``; NaN points are left out.

    A face with no labelled point has the box NaN.

    Raises:
        ArgumentError: it is not an array of ``(x, y)``.
    """
    points = check.numbers(points, "points", np.float32)
    if points.shape[-1:] != (2,) or points.ndim < 2:
        raise ArgumentError(f"points: expected (..., K, 2), got {points.shape}")
    finite = np.isfinite(points)
    if points.size and finite.all():  # as of every face that was just found
        return np.concatenate([points.min(-2), points.max(-2)], -1)
    known = np.asarray(finite.all(-1, keepdims=True))
    low = np.where(known, points, np.inf).min(-2, initial=np.inf)
    high = np.where(known, points, -np.inf).max(-2, initial=-np.inf)
    box = np.concatenate([low, high], -1)
    box[~known[..., 0].any(-1)] = np.nan
    return box


def as_boxes(boxes: Any, *, argument: str = "boxes") -> Array:
    """Check that ``boxes`` is ``(N, 4)`` finite ``xyxy`` with a positive area; returns float32.

    Raises:
        ArgumentError: naming the argument and the first row at fault.
    """
    array = check.numbers(boxes, argument, np.float32)
    if array.ndim and not array.size:
        return np.zeros((0, 4), np.float32)
    if array.ndim != 2 or array.shape[1] != 4:
        raise ArgumentError(f"{argument}: expected shape (N, 4), one [x0, y0, x1, y1] per face, got {array.shape}")
    for i, row in enumerate(array):
        if not (np.abs(row) <= _LARGEST).all():
            what = f"is beyond {_LARGEST:g}" if np.isfinite(row).all() else "is not finite"
            raise ArgumentError(f"{argument}[{i}] = {row.tolist()} {what}")
        if row[2] <= row[0] or row[3] <= row[1]:
            raise ArgumentError(
                f"{argument}[{i}] = {row.tolist()} has no area: expected [x0, y0, x1, y1] with x1 > x0 and y1 > y0"
                " (not x, y, width, height)"
            )
    return array


def iou(a: Array, b: Array) -> Array:
    """Intersection over union of boxes ``(N, 4)`` and ``(M, 4)`` → ``(N, M)`` in [0, 1]; of a NaN box it is NaN.

    Raises:
        ArgumentError: a shape does not fit.
    """
    a, b = _rows_of_four(a, "a")[:, None], _rows_of_four(b, "b")[None]
    wh = np.maximum(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0)
    both = wh[..., 0] * wh[..., 1]
    union = _area(a) + _area(b) - both
    result: Array = both / np.maximum(union, 1e-12)
    return result


def _rows_of_four(boxes: Any, argument: str) -> Array:
    array = check.numbers(boxes, argument)
    if array.shape == (0,):  # an empty list
        return array.reshape(0, 4)
    if array.ndim != 2 or array.shape[1] != 4:
        raise ArgumentError(f"{argument}: expected boxes (N, 4), got {array.shape}")
    return array


def _area(boxes: Array) -> Array:
    wh = np.maximum(boxes[..., 2:] - boxes[..., :2], 0)
    area: Array = wh[..., 0] * wh[..., 1]
    return area


def nms(boxes: Array, scores: Array, threshold: float = 0.45) -> Array:
    """Greedy non-maximum suppression: indices kept, best score first.

    Args:
        boxes: ``(N, 4)`` xyxy.
        scores: ``(N,)``.
        threshold: a box that overlaps a better one by more than this IoU is dropped.

    Raises:
        ArgumentError: a shape does not fit, or a number is not finite.
    """
    boxes, scores = _rows_of_four(boxes, "boxes"), check.numbers(scores, "scores")
    if scores.shape != (len(boxes),):
        raise ArgumentError(f"scores: expected ({len(boxes)},), one for each box, got {scores.shape}")
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        raise ArgumentError("boxes, scores: expected finite numbers, got NaN or infinite ones")
    check.number(threshold, "threshold")
    order = np.argsort(-scores, kind="stable")
    if len(order) < 2:
        return order
    overlap = iou(boxes, boxes)
    alive = np.ones(len(order), bool)
    keep = []
    apart = overlap <= threshold
    for i in order.tolist():
        if alive[i]:
            keep.append(i)
            alive &= apart[i]
    return np.asarray(keep, np.int64)
