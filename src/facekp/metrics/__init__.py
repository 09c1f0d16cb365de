"""Measures of error and of honesty.

Functions on numpy arrays, which need the base install only; and the same measures as ``torchmetrics`` objects, which
gather over batches and processes (``pip install 'facekp[train]'``; imported when first used)::

    facekp.metrics.nme(prediction, target, schema)                   # (N,): one error for each face

    metric = facekp.metrics.NME(norm="inter_ocular", schema="ibug68")
    for prediction, target in batches:
        metric.update(prediction, target)                            # torch or numpy, (N, K, 2), NaN where missing
    metric.compute()                                                 # the mean over all faces of all processes

============================== ====================================================================
function                       object
============================== ====================================================================
:func:`nme`                    :class:`NME`, mean over faces
:func:`failure_rate`           :class:`FailureRate`
:func:`auc`                    :class:`AUC`
:func:`ced`                    :class:`CED`
:func:`per_keypoint`           :class:`PerKeypointError`
:func:`pck`                    :class:`PCK`
:func:`mae`                    :class:`MAE`
:func:`rmse`                   :class:`RMSE`
:func:`expected_calibration_error` :class:`CalibrationError`
:func:`jitter`                 :class:`Jitter`
============================== ====================================================================

:func:`interval` gives the bootstrap interval of any mean, :func:`spread` says whether predictions vary as faces do,
and :func:`rank_correlation` whether a model knows which of its points are off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .functional import Curve, auc, ced, failure_rate, mae, nme, pck, per_face, per_keypoint, point_errors, rmse
from .honesty import (
    Interval,
    RankCorrelation,
    Reliability,
    expected_calibration_error,
    interval,
    rank_correlation,
    reliability,
)
from .lengths import default_normalizer, normalizer
from .motion import jitter
from .variation import Spread, in_boxes, spread

if TYPE_CHECKING:
    from .modules import AUC, CED, MAE, NME, PCK, RMSE, CalibrationError, FailureRate, Jitter, PerKeypointError

__all__ = [
    "AUC",
    "CED",
    "MAE",
    "NME",
    "PCK",
    "RMSE",
    "CalibrationError",
    "Curve",
    "FailureRate",
    "Interval",
    "Jitter",
    "PerKeypointError",
    "RankCorrelation",
    "Reliability",
    "Spread",
    "auc",
    "ced",
    "default_normalizer",
    "expected_calibration_error",
    "failure_rate",
    "in_boxes",
    "interval",
    "jitter",
    "mae",
    "nme",
    "normalizer",
    "pck",
    "per_face",
    "per_keypoint",
    "point_errors",
    "rank_correlation",
    "reliability",
    "rmse",
    "spread",
]

_OBJECTS = frozenset(
    {"AUC", "CED", "MAE", "NME", "PCK", "RMSE", "CalibrationError", "FailureRate", "Jitter", "PerKeypointError"}
)


def __getattr__(name: str) -> Any:
    if name not in _OBJECTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.util import find_spec

    from ..errors import MissingExtraError

    if find_spec("torchmetrics") is None:
        raise MissingExtraError("torchmetrics", "train")
    from . import modules

    return getattr(modules, name)
