"""Losses between points, of each coordinate's error ``d = pred - target``; a point's loss is the mean of its two.

Sizes such as ``beta`` and ``w`` are in the unit of the points: the defaults of the wing losses are for pixels of the
network's input, so scale them for coordinates that run from 0 to 1.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..errors import ArgumentError
from .base import Reduction, at_least_float32, check_pair, check_positive, label_mask, reduce

__all__ = ["l1", "mse", "rectified_wing", "smooth_l1", "soft_wing", "wing"]


def mse(
    pred: Tensor,
    target: Tensor,
    *,
    mask: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Squared error: ``d^2``.

    When: labels are clean and large errors matter most. One outlier outweighs many good points.

    Args:
        pred: ``(..., K, 2)``.
        target: ``(..., K, 2)`` in the same unit; NaN where missing.
    """
    error, known = difference("mse", pred, target, mask)
    return reduce("mse", (error**2).mean(-1), known, weight, reduction)


def l1(
    pred: Tensor,
    target: Tensor,
    *,
    mask: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Absolute error: ``|d|``.

    When: robust to outliers, and the same pull at every distance; the usual partner of a soft-argmax
    (Sun et al., "Integral Human Pose Regression", 2018).

    Args:
        pred: ``(..., K, 2)``.
        target: ``(..., K, 2)`` in the same unit; NaN where missing.
    """
    error, known = difference("l1", pred, target, mask)
    return reduce("l1", error.abs().mean(-1), known, weight, reduction)


def smooth_l1(
    pred: Tensor,
    target: Tensor,
    *,
    mask: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: Reduction = "mean",
    beta: float = 1.0,
) -> Tensor:
    """``d^2 / (2 beta)`` where ``|d| < beta``, else ``|d| - beta / 2`` (Girshick, "Fast R-CNN", 2015, eq. 3).

    When: a safe first choice for regression: robust like :func:`l1`, and it settles where errors are small.

    Args:
        pred: ``(..., K, 2)``.
        target: ``(..., K, 2)`` in the same unit; NaN where missing.
        beta: where the parabola becomes a line, in the points' unit.
    """
    check_positive("smooth_l1", beta=beta)
    error, known = difference("smooth_l1", pred, target, mask)
    error = error.abs()
    value = torch.where(error < beta, error**2 / (2 * beta), error - beta / 2)
    return reduce("smooth_l1", value.mean(-1), known, weight, reduction)


def wing(
    pred: Tensor,
    target: Tensor,
    *,
    mask: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: Reduction = "mean",
    w: float = 10.0,
    epsilon: float = 2.0,
) -> Tensor:
    """``w ln(1 + |d| / epsilon)`` where ``|d| < w``, else ``|d| - C``; ``C = w - w ln(1 + w / epsilon)``.

    Feng et al., "Wing Loss for Robust Facial Landmark Localisation with Convolutional Neural Networks", CVPR 2018
    (there summed over coordinates).

    When: regression of coordinates, where small and medium errors should count as much as the few large ones.

    Args:
        pred: ``(..., K, 2)``, pixels of the input for the default ``w``.
        target: ``(..., K, 2)`` in the same unit; NaN where missing.
        w: half the width of the logarithmic part, in the points' unit.
        epsilon: curvature of the logarithmic part; the slope at 0 is ``w / epsilon``.
    """
    check_positive("wing", w=w, epsilon=epsilon)
    error, known = difference("wing", pred, target, mask)
    error = error.abs()
    offset = w - w * math.log1p(w / epsilon)
    value = torch.where(error < w, w * torch.log1p(error / epsilon), error - offset)
    return reduce("wing", value.mean(-1), known, weight, reduction)


def soft_wing(
    pred: Tensor,
    target: Tensor,
    *,
    mask: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: Reduction = "mean",
    omega1: float = 2.0,
    omega2: float = 20.0,
    epsilon: float = 0.5,
) -> Tensor:
    """``|d|`` where ``|d| < omega1``, else ``omega2 ln(1 + |d| / epsilon) + B``; B makes both meet at ``omega1``.

    ``B = omega1 - omega2 ln(1 + omega1 / epsilon)``. Lin et al., "Structure-Coherent Deep Feature Learning for Robust
    Face Alignment", IEEE TIP 2021.

    When: like :func:`wing` for medium errors, with a slope of 1 below ``omega1`` pixels, where wing's is at its
    steepest and labels are noise.

    Args:
        pred: ``(..., K, 2)``, pixels of the input for the default ``omega1``.
        target: ``(..., K, 2)`` in the same unit; NaN where missing.
        omega1: where the line becomes a logarithm, in the points' unit.
        omega2: height of the logarithmic part.
        epsilon: curvature of the logarithmic part, in the points' unit.
    """
    check_positive("soft_wing", omega1=omega1, omega2=omega2, epsilon=epsilon)
    error, known = difference("soft_wing", pred, target, mask)
    error = error.abs()
    offset = omega1 - omega2 * math.log1p(omega1 / epsilon)
    value = torch.where(error < omega1, error, omega2 * torch.log1p(error / epsilon) + offset)
    return reduce("soft_wing", value.mean(-1), known, weight, reduction)


def rectified_wing(
    pred: Tensor,
    target: Tensor,
    *,
    mask: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: Reduction = "mean",
    r: float = 0.5,
    w: float = 10.0,
    epsilon: float = 2.0,
) -> Tensor:
    """0 where ``|d| < r``; ``w ln(1 + (|d| - r) / epsilon)`` where ``|d| < w``; else ``|d| - C``.

    ``C = w - w ln(1 + (w - r) / epsilon)``. Feng et al., "Rectified Wing Loss for Efficient and Robust Facial Landmark
    Localisation with Convolutional Neural Networks", IJCV 2020.

    When: :func:`wing` on labels that are themselves wrong by about ``r``: a point that is as good as its label pulls
    on nothing.

    Args:
        pred: ``(..., K, 2)``, pixels of the input for the default ``r`` and ``w``.
        target: ``(..., K, 2)`` in the same unit; NaN where missing.
        r: half the width of the flat part, in the points' unit; less than ``w``.
        w: half the width of the flat and the logarithmic part together.
        epsilon: curvature of the logarithmic part.
    """
    check_positive("rectified_wing", r=r, w=w, epsilon=epsilon)
    if r >= w:
        raise ArgumentError(f"rectified_wing: r must be less than w, got r={r} and w={w}")
    error, known = difference("rectified_wing", pred, target, mask)
    error = error.abs()
    offset = w - w * math.log1p((w - r) / epsilon)
    value = torch.where(error < w, w * torch.log1p((error - r).relu() / epsilon), error - offset)
    return reduce("rectified_wing", value.mean(-1), known, weight, reduction)


def difference(name: str, pred: Tensor, target: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """``pred - target`` ``(..., K, 2)``, 0 where there is no label, and where there is one ``(..., K)``."""
    check_pair(name, pred, target)
    if pred.ndim < 2 or pred.shape[-1] != 2:
        raise ArgumentError(f"{name}: pred must be (..., K, 2), got {tuple(pred.shape)}")
    known = label_mask(name, mask, target[..., 0]) & ~target.isnan().any(-1)
    pred = at_least_float32(pred)
    # Before the subtraction: NaN * 0 is NaN, in the gradient too.
    zero = torch.zeros_like(pred)
    return torch.where(known[..., None], pred, zero) - torch.where(known[..., None], target.to(pred.dtype), zero), known
