"""Measures of error on arrays; they need numpy only, and never write to what they are given.

Three rules hold for all of them:

* A label that is NaN is left out.  What is then left with nothing is NaN.
* A prediction that is NaN or infinite where there is a label has an infinite error: it is a failure, it is never
  within a threshold, and a mean over it is infinite.  So a model cannot gain by not answering.
* Errors and thresholds are fractions of the normaliser: 0.08 is 8 %.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .. import _arguments as check
from ..errors import ArgumentError
from ..schema import KeypointSchema
from .lengths import normalizer

__all__ = [
    "Curve",
    "auc",
    "ced",
    "failure_rate",
    "gaps",
    "mae",
    "nme",
    "pck",
    "per_face",
    "per_keypoint",
    "point_errors",
    "rmse",
]

Array = npt.NDArray[Any]


class Curve(NamedTuple):
    """A cumulative error distribution: the share of faces with an error up to each that occurs.

    Attributes:
        errors: ``(N,)`` in rising order.
        share: ``(N,)`` of faces whose error is at most that; between two errors it stays as it is.
    """

    errors: Array
    share: Array


def point_errors(
    prediction: Array,
    target: Array,
    schema: KeypointSchema,
    norm: str = "inter_ocular",
    *,
    boxes: Array | None = None,
) -> Array:
    """Distances divided by the face's normaliser.

    Args:
        prediction: ``(N, K, 2)``.
        target: ``(N, K, 2)``, NaN where missing.
        schema: what the points are.
        norm: see :func:`normalizer`.
        boxes: see :func:`normalizer`.

    Returns:
        ``(N, K)``; NaN where the label or the normaliser is missing or zero, infinite where the prediction is missing.

    Raises:
        ArgumentError: a shape does not fit, or the schema does not have this normaliser.
    """
    prediction, target = check.numbers(prediction, "prediction"), check.numbers(target, "target")
    check.layout(schema)
    if prediction.shape != target.shape or target.ndim != 3 or target.shape[1:] != (len(schema), 2):
        raise ArgumentError(
            f"nme: expected two arrays (N, {len(schema)}, 2), got {prediction.shape} and {target.shape}"
        )
    length = normalizer(target, schema, norm, boxes=boxes)
    known = np.isfinite(target).all(-1) & (length > 0)[:, None]
    answered = np.isfinite(prediction).all(-1)
    distance = np.linalg.norm(np.where((known & answered)[..., None], prediction - target, 0.0), axis=-1)
    distance /= np.where(length > 0, length, 1.0)[:, None]
    errors: Array = np.where(known, np.where(answered, distance, np.inf), np.nan)
    return errors


def nme(
    prediction: Array,
    target: Array,
    schema: KeypointSchema,
    norm: str = "inter_ocular",
    *,
    boxes: Array | None = None,
) -> Array:
    """Normalised mean error of each face, ``(N,)``, as a fraction (0.035 is 3.5 %).

    ``NME_n = mean_k |p_nk - t_nk| / d_n`` over the labelled points of face n
    (Sagonas et al., "300 Faces In-The-Wild Challenge: Database and Results", 2016, eq. 1).
    A face without labels or normaliser is NaN; leave it out of means.

    Args:
        prediction: ``(N, K, 2)``.
        target: ``(N, K, 2)``, NaN where missing.
        schema: what the points are.
        norm: see :func:`normalizer`.
        boxes: see :func:`normalizer`.
    """
    return per_face(point_errors(prediction, target, schema, norm, boxes=boxes))


def per_face(errors: Array) -> Array:
    """The mean error of each face over its labelled points, ``(N,)``, of :func:`point_errors` ``(N, K)``."""
    return _mean(_table(errors), 1)


def per_keypoint(errors: Array) -> Array:
    """The mean error of each point over the faces that have it, ``(K,)``, of :func:`point_errors` ``(N, K)``."""
    return _mean(_table(errors), 0)


def failure_rate(errors: Array, at: float = 0.08) -> float:
    """Share of faces ``(N,)`` whose NME is above ``at``; NaN faces are left out."""
    check.number(at, "at", above=0)
    errors = _known(errors)
    return float((errors > at).mean()) if len(errors) else float("nan")


def pck(errors: Array, at: float = 0.05) -> float:
    """Share of points whose error is at most ``at`` (the percentage of correct keypoints, as a fraction).

    Yang and Ramanan, "Articulated human detection with flexible mixtures of parts", TPAMI 2013, with the face's
    normaliser in place of the person's box.

    Args:
        errors: ``(N, K)`` of :func:`point_errors`; NaN points are left out.
        at: the largest error that is right.
    """
    check.number(at, "at", above=0)
    errors = _known(errors)
    return float((errors <= at).mean()) if len(errors) else float("nan")


def auc(errors: Array, at: float = 0.08) -> float:
    """Area under the cumulative error curve up to ``at``, as a share of the whole (1 is perfect).

    Exact: no histogram is involved.  The curve of :func:`ced` is the mean of one step for each face, from 0 to 1 at
    its error e; the area under that step up to t is ``max(0, t - e)``, so the whole is the mean of
    ``max(0, 1 - e / t)``: the trapezoid rule on the steps' corners, and yet a sum over faces.

    Args:
        errors: ``(N,)``; NaN faces are left out.
        at: where the curve ends.

    Raises:
        ArgumentError: ``at`` is not positive, or an error is negative.
    """
    check.number(at, "at", above=0)
    errors = _known(errors)
    return float(np.clip(1 - errors / at, 0, None).mean()) if len(errors) else float("nan")


def ced(errors: Array) -> Curve:
    """The cumulative error distribution of faces ``(N,)``, exactly; NaN faces are left out."""
    ordered = np.sort(_known(errors))
    count = len(ordered)
    return Curve(ordered, np.searchsorted(ordered, ordered, side="right") / max(count, 1))


def mae(prediction: Array, target: Array) -> float:
    """Mean absolute error over all labelled *coordinates*, in pixels: x and y count as two values.

    Args:
        prediction: ``(..., 2)``.
        target: the same shape; NaN where missing.

    Raises:
        ArgumentError: shapes differ.
    """
    values = gaps(prediction, target)
    return float(np.abs(values).mean()) if len(values) else float("nan")


def rmse(prediction: Array, target: Array) -> float:
    """Root of the mean squared error over all labelled *coordinates*, in pixels.

    This is the score of Kaggle's "Facial Keypoints Detection": x and y count as two values, and every face weighs as
    much as it has labels.  (:func:`facekp.datasets.kaggle_rmse` clips to the picture first, as a submission does.)

    Args:
        prediction: ``(..., 2)``.
        target: the same shape; NaN where missing.

    Raises:
        ArgumentError: shapes differ.
    """
    values = gaps(prediction, target)
    return float(np.sqrt((values**2).mean())) if len(values) else float("nan")


def gaps(prediction: Array, target: Array) -> Array:
    """``(M,)`` differences of the labelled coordinates; infinite where the prediction is missing.

    Raises:
        ArgumentError: shapes differ.
    """
    prediction, target = check.numbers(prediction, "prediction"), check.numbers(target, "target")
    if prediction.shape != target.shape:
        raise ArgumentError(f"prediction has shape {prediction.shape}, target {target.shape}")
    known = np.isfinite(target)
    values = prediction[known] - target[known]
    result: Array = np.where(np.isfinite(values), values, np.inf)
    return result


def _known(errors: Array) -> Array:
    errors = check.bounded(check.numbers(errors, "errors"), "errors", 0).ravel()
    return errors[~np.isnan(errors)]


def _table(errors: Array) -> Array:
    errors = check.numbers(errors, "errors")
    if errors.ndim != 2:
        raise ArgumentError(f"errors: expected (N, K), a row for each face, got {errors.shape}")
    return check.bounded(errors, "errors", 0)


def _mean(errors: Array, axis: int) -> Array:
    """The mean of what is not NaN; NaN where nothing is."""
    known = ~np.isnan(errors)
    count = known.sum(axis)
    total = np.where(known, errors, 0.0).sum(axis)
    result: Array = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return result
