"""Losses: how far a network's output is from the labels, as functions and as modules.

Each is ``name(pred, target, *, mask=None, weight=None, reduction="mean", ...)``, and each has a module of the same
name (``wing`` and ``Wing``). All take these:

- ``mask`` ``(..., K)`` bool: True where a point is labelled. What is masked adds nothing to the value or the gradient,
  whatever stands there. Where ``target`` holds points, a NaN in either coordinate masks the point, with a mask or
  without; maps have no NaN for "missing", so they need the mask.
- ``weight``: of each point, 0 or more; ``(..., K)``, or what broadcasts to it, such as ``(K,)``.
- ``reduction``: with ``l`` the loss of a point or map and ``w`` its weight, ``"mean"`` is ``sum(w l) / sum(w)`` over
  the labelled points (a weight of 2 counts as two points; doubling all weights changes nothing), ``"sum"`` is
  ``sum(w l)``, and ``"none"`` is ``w l`` ``(..., K)`` with 0 where masked. Without a label, or with weights of 0 only,
  the mean is 0, and so is its gradient.

Half precision is computed in float32 and the result is float32, within autocast too; float64 stays float64. No input
is changed. A wrong shape, reduction or option is an :class:`facekp.errors.ArgumentError` that names the argument.
"""

from __future__ import annotations

from .base import Reduction
from .distributions import dsnt_regulariser, heatmap_cross_entropy, heatmap_js, heatmap_kl, star
from .factory import LOSSES, create, names
from .heatmaps import adaptive_wing, heatmap_bce, heatmap_focal, heatmap_mse, heatmap_weighted_mse
from .modules import (
    L1,
    MSE,
    STAR,
    AdaptiveWing,
    DSNTRegulariser,
    GaussianNLL,
    HeatmapBCE,
    HeatmapCrossEntropy,
    HeatmapFocal,
    HeatmapJS,
    HeatmapKL,
    HeatmapMSE,
    HeatmapWeightedMSE,
    LaplaceNLL,
    Loss,
    RectifiedWing,
    SmoothL1,
    SoftWing,
    Wing,
)
from .points import l1, mse, rectified_wing, smooth_l1, soft_wing, wing
from .spread import gaussian_nll, laplace_nll

__all__ = [
    "L1",
    "LOSSES",
    "MSE",
    "STAR",
    "AdaptiveWing",
    "DSNTRegulariser",
    "GaussianNLL",
    "HeatmapBCE",
    "HeatmapCrossEntropy",
    "HeatmapFocal",
    "HeatmapJS",
    "HeatmapKL",
    "HeatmapMSE",
    "HeatmapWeightedMSE",
    "LaplaceNLL",
    "Loss",
    "RectifiedWing",
    "Reduction",
    "SmoothL1",
    "SoftWing",
    "Wing",
    "adaptive_wing",
    "create",
    "dsnt_regulariser",
    "gaussian_nll",
    "heatmap_bce",
    "heatmap_cross_entropy",
    "heatmap_focal",
    "heatmap_js",
    "heatmap_kl",
    "heatmap_mse",
    "heatmap_weighted_mse",
    "l1",
    "laplace_nll",
    "mse",
    "names",
    "rectified_wing",
    "smooth_l1",
    "soft_wing",
    "star",
    "wing",
]
