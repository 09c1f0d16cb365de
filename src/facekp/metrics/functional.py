"""Measures of error on arrays: NME by name, failure rate, AUC."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .. import geometry
from ..errors import ArgumentError, unknown_name
from ..schema import KeypointSchema

__all__ = ["NORMALIZERS", "auc", "default_normalizer", "failure_rate", "nme", "normalizer", "point_errors"]

Array = npt.NDArray[Any]

#: Normalisers that need no named points.
NORMALIZERS = ("box", "diagonal")


def normalizer(target: Array, schema: KeypointSchema, by: str = "inter_ocular") -> Array:
    """The length ``(N,)`` in pixels by which errors of ``target`` ``(N, K, 2)`` are divided.

    Args:
        target: true points; NaN where missing.
        schema: names the pairs.
        by: ``"inter_ocular"`` (outer eye corners; 300-W's rule), ``"inter_pupil"`` (centres of the eyes),
            ``"box"`` (square root of the extent's area) or ``"diagonal"`` (of the extent).

    Raises:
        ArgumentError: the schema does not have this normaliser; the choices are listed.
    """
    target = np.asarray(target, np.float64)
    if by in NORMALIZERS:
        box = geometry.extent(target).astype(np.float64)
        wh = box[..., 2:] - box[..., :2]
        sides: Array = np.sqrt(wh.prod(-1)) if by == "box" else np.hypot(wh[..., 0], wh[..., 1])
        return sides
    if by not in schema.normalizers:
        raise unknown_name(f"normaliser of {schema.name}", by, [*schema.normalizers, *NORMALIZERS])
    left, right = schema.normalizers[by]
    gap: Array = np.linalg.norm(target[:, list(left)].mean(1) - target[:, list(right)].mean(1), axis=-1)
    return gap


def default_normalizer(schema: KeypointSchema) -> str:
    """Inter-ocular where the schema has both outer eye corners, else the extent's diagonal."""
    return "inter_ocular" if "inter_ocular" in schema.normalizers else "diagonal"


def point_errors(prediction: Array, target: Array, schema: KeypointSchema, by: str = "inter_ocular") -> Array:
    """``(N, K)`` distances divided by the face's normaliser; NaN where a label or the normaliser is missing."""
    prediction, target = np.asarray(prediction, np.float64), np.asarray(target, np.float64)
    if prediction.shape != target.shape or target.ndim != 3 or target.shape[1:] != (len(schema), 2):
        raise ArgumentError(
            f"nme: expected two arrays (N, {len(schema)}, 2), got {prediction.shape} and {target.shape}"
        )
    length = normalizer(target, schema, by)
    length = np.where(length > 0, length, np.nan)
    errors: Array = np.linalg.norm(prediction - target, axis=-1) / length[:, None]
    return errors


def nme(prediction: Array, target: Array, schema: KeypointSchema, by: str = "inter_ocular") -> Array:
    """Normalised mean error of each face, ``(N,)``, as a fraction (0.035 is 3.5 %).

    ``NME_n = mean_k |p_nk - t_nk| / d_n`` over the labelled points of face n
    (Sagonas et al., "300 Faces In-The-Wild Challenge: Database and Results", 2016, eq. 1).
    A face without labels or normaliser is NaN; leave it out of means.

    Args:
        prediction: ``(N, K, 2)``.
        target: ``(N, K, 2)``, NaN where missing.
        schema: what the points are.
        by: see :func:`normalizer`.
    """
    errors = point_errors(prediction, target, schema, by)
    known = np.isfinite(errors)
    count = known.sum(1)
    total = np.where(known, errors, 0).sum(1)
    result: Array = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return result


def failure_rate(errors: Array, threshold: float = 0.08) -> float:
    """Share of faces ``(N,)`` whose NME is above ``threshold``; NaN faces are left out."""
    errors = _known(errors)
    return float((errors > threshold).mean()) if len(errors) else float("nan")


def auc(errors: Array, threshold: float = 0.08) -> float:
    """Area under the cumulative error curve up to ``threshold``, as a share of the whole (1 is perfect).

    Exact: each face adds ``max(0, 1 - e / threshold)``; no histogram is involved.
    """
    errors = _known(errors)
    return float(np.clip(1 - errors / threshold, 0, None).mean()) if len(errors) else float("nan")


def _known(errors: Array) -> Array:
    errors = np.asarray(errors, np.float64).ravel()
    return errors[np.isfinite(errors)]
