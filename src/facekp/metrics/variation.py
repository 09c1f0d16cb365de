"""How much predictions vary from face to face, against how much the truth does."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .. import _arguments as check
from .. import geometry
from ..errors import ArgumentError

__all__ = ["Spread", "in_boxes", "spread"]

Array = npt.NDArray[Any]

_NOTHING = 1e-18  # a sum of squares in units of the box: what rounding leaves of equal points


class Spread(NamedTuple):
    """What :func:`spread` found; everything is 0 for a model that always answers the same, and 1 for the truth.

    Attributes:
        ratio: of the standard deviations, over all points.
        slope: of the predictions on the truth, over all points.
        ratios: ``(K,)`` the same of each point.
        slopes: ``(K,)`` the same of each point.
    """

    ratio: float
    slope: float
    ratios: Array
    slopes: Array


def spread(prediction: Array, target: Array, *, boxes: Array | None = None, faces: Array | None = None) -> Spread:
    """The spread of predictions over faces against that of the truth: does a model draw the same face every time?

    Points are taken relative to their face's box (:func:`in_boxes`), where a model that answers the mean face draws
    the same for all.  With ``p`` and ``t`` what is left of prediction and truth when each point's own mean over the
    faces is taken off, and sums over faces and points:

    * ``ratio = sqrt(sum |p|^2 / sum |t|^2)``, of the standard deviations; but noise is spread too.
    * ``slope = sum p.t / sum |t|^2``, of the least-squares line of p on t: what share of the way from the mean to the
      truth predictions go.  Independent noise of the predictions leaves it as it is, noise of the labels lowers it.

    The answer of least squared error that a picture allows is the truth's mean given that picture.  Its slope is the
    square of its ratio (the law of total variance), so under 1: what a picture does not tell, the best model draws
    as the mean.  A slope far below that of another model on the same faces is the mean-face trap.

    Args:
        prediction: ``(N, K, 2)``.
        target: ``(N, K, 2)``, NaN where missing; such points are left out.
        boxes: ``(N, 4)`` xyxy of the faces, positive in size; the extents of the labelled points where it is None.
        faces: ``(N,)`` bool: which faces count; the means stay those of all N.  None: all.

    Returns:
        The :class:`Spread`; NaN where the truth does not vary, or a labelled point has no prediction.

    Raises:
        ArgumentError: a shape does not fit, or a box has no size.
    """
    prediction, target = check.numbers(prediction, "prediction"), check.numbers(target, "target")
    if prediction.shape != target.shape or target.ndim != 3 or target.shape[-1] != 2:
        raise ArgumentError(f"spread: expected two arrays (N, K, 2), got {prediction.shape} and {target.shape}")
    chosen = np.ones(len(target), bool) if faces is None else np.asarray(faces)
    if chosen.shape != target.shape[:1] or chosen.dtype != bool:
        raise ArgumentError(f"faces: expected ({len(target)},) bool, got {chosen.shape} {chosen.dtype}")
    box = geometry.extent(target) if boxes is None else boxes
    known = np.asarray(np.isfinite(target).all(-1, keepdims=True))
    prediction = np.where(np.isfinite(prediction), prediction, np.nan)
    t, p = _deviation(in_boxes(target, box), known)[chosen], _deviation(in_boxes(prediction, box), known)[chosen]
    pp, pt, tt = ((a * b).sum((0, 2)) for a, b in ((p, p), (p, t), (t, t)))
    return Spread(
        float(_over(pp.sum(), tt.sum()) ** 0.5), float(_over(pt.sum(), tt.sum())), _over(pp, tt) ** 0.5, _over(pt, tt)
    )


def in_boxes(points: Array, boxes: Array) -> Array:
    """Points relative to their face's box: from its centre, in units of its longer side.

    This is the frame of square crops (:func:`facekp.geometry.crop_matrix`), whatever their size and scale.

    Args:
        points: ``(N, K, 2)``; NaN stays NaN.
        boxes: ``(N, 4)`` xyxy; a face without a known point may have the box NaN.

    Returns:
        ``(N, K, 2)`` float64; on the box's longer side from -0.5 to 0.5.

    Raises:
        ArgumentError: a shape does not fit, or a box has no size.
    """
    points, boxes = check.numbers(points, "points"), check.numbers(boxes, "boxes")
    if points.ndim != 3 or points.shape[-1] != 2 or boxes.shape != (len(points), 4):
        raise ArgumentError(f"in_boxes: expected points (N, K, 2) and boxes (N, 4), got {points.shape}, {boxes.shape}")
    if np.isinf(boxes).any():
        raise ArgumentError("boxes: expected finite numbers, or NaN for a face without a known point")
    side = (boxes[:, 2:] - boxes[:, :2]).max(-1)
    if (side <= 0).any():
        raise ArgumentError(f"boxes: face {int(np.argmax(side <= 0))} has a box without a size")
    centre = (boxes[:, 2:] + boxes[:, :2]) / 2
    inside: Array = (points - centre[:, None]) / side[:, None, None]
    return inside


def _deviation(points: Array, known: Array) -> Array:
    """Points ``(N, K, 2)`` less their means over the faces where they are ``known`` ``(N, K, 1)``; else 0."""
    mean = np.where(known, points, 0.0).sum(0) / np.maximum(known.sum(0), 1)
    return np.where(known, points - mean, 0.0)


def _over(a: Any, b: Any) -> Any:
    return np.where(b > _NOTHING, a / np.where(b > _NOTHING, b, 1.0), np.nan)
