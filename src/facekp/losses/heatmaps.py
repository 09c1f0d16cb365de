"""Losses between heatmaps, pixel by pixel; a map's loss is the mean over its pixels unless it says otherwise."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import ArgumentError
from .base import Reduction, at_least_float32, check_least, check_pair, check_positive, label_mask, reduce

__all__ = ["adaptive_wing", "heatmap_bce", "heatmap_focal", "heatmap_mse", "heatmap_weighted_mse"]


def heatmap_mse(
    pred: Tensor,
    target: Tensor,
    *,
    mask: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Squared error of each pixel: ``mean_p (h_p - t_p)^2`` (Tompson et al., 2014; Newell et al., 2016).

    When: the plain choice for Gaussian targets with a peak of 1. Most pixels are background, so its numbers are small
    and a map of zeros is already a good one: expect a slow start, or take :func:`heatmap_weighted_mse`.

    Args:
        pred: ``(..., K, H, W)``, the maps as they are read.
        target: ``(..., K, H, W)``.
    """
    pred, target, known = maps("heatmap_mse", pred, target, mask)
    return reduce("heatmap_mse", ((pred - target) ** 2).mean((-2, -1)), known, weight, reduction)


def heatmap_weighted_mse(
    pred: Tensor,
    target: Tensor,
    *,
    mask: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: Reduction = "mean",
    foreground: float = 10.0,
    threshold: float = 0.2,
) -> Tensor:
    """Squared error where the peak counts more: ``mean_p v_p (h_p - t_p)^2``, ``v = 1 + foreground M``.

    M is 1 where the target, dilated by a 3x3 square, is over the threshold: the peak and the pixels around it, which
    are the hard background (the weighted loss map of Wang et al., "Adaptive Wing Loss", ICCV 2019).

    When: :func:`heatmap_mse` on maps that are large beside their peak.

    Args:
        pred: ``(..., K, H, W)``, the maps as they are read.
        target: ``(..., K, H, W)`` with a peak of 1.
        foreground: what M adds to a pixel's weight of 1; 0 is :func:`heatmap_mse`.
        threshold: of the dilated target.
    """
    pred, target, known = maps("heatmap_weighted_mse", pred, target, mask)
    value = _pixel_weight("heatmap_weighted_mse", target, foreground, threshold) * (pred - target) ** 2
    return reduce("heatmap_weighted_mse", value.mean((-2, -1)), known, weight, reduction)


def heatmap_bce(
    pred: Tensor,
    target: Tensor,
    *,
    mask: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Binary cross-entropy of each pixel, ``-t ln s(z) - (1 - t) ln(1 - s(z))`` with the sigmoid s of the logit z.

    When: each pixel answers "is the point here?", as with the discs of Papandreou et al., "Towards Accurate
    Multi-person Pose Estimation in the Wild", 2017. Against a Gaussian target its least value is not 0 but the
    target's own entropy.

    Args:
        pred: logits ``(..., K, H, W)``.
        target: ``(..., K, H, W)`` in [0, 1].
    """
    pred, target, known = maps("heatmap_bce", pred, target, mask)
    value = F.binary_cross_entropy_with_logits(pred, target, reduction="none")
    return reduce("heatmap_bce", value.mean((-2, -1)), known, weight, reduction)


def heatmap_focal(
    pred: Tensor,
    target: Tensor,
    *,
    mask: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: Reduction = "mean",
    alpha: float = 2.0,
    beta: float = 4.0,
) -> Tensor:
    """Focal loss with less penalty near the peak, summed over the pixels and divided by the number of peaks.

    With ``s`` the sigmoid of the logit: ``-(1 - s)^alpha ln s`` at the peak,
    ``-(1 - t)^beta s^alpha ln(1 - s)`` elsewhere (Law and Deng, "CornerNet", ECCV 2018, eq. 1; Zhou et al., "Objects as
    Points", 2019, eq. 1). Their peak is ``t = 1``; here it is the map's largest value, as the peak of a Gaussian with
    a sub-pixel centre is less than 1. An empty map has no peak, and is background everywhere.

    When: one pixel in thousands is positive, and easy background should not drown it.

    Args:
        pred: logits ``(..., K, H, W)``.
        target: ``(..., K, H, W)`` in [0, 1].
        alpha: how fast what is already right loses its weight.
        beta: how far the peak's surroundings are spared.
    """
    check_positive("heatmap_focal", alpha=alpha, beta=beta)
    pred, target, known = maps("heatmap_focal", pred, target, mask)
    yes, no = F.logsigmoid(pred), F.logsigmoid(-pred)
    peak = (target == target.amax((-2, -1), keepdim=True)) & (target > 0)
    value = -torch.where(peak, torch.exp(alpha * no) * yes, (1 - target) ** beta * torch.exp(alpha * yes) * no)
    value = value.sum((-2, -1)) / peak.sum((-2, -1)).clamp_min(1)
    return reduce("heatmap_focal", value, known, weight, reduction)


def adaptive_wing(
    pred: Tensor,
    target: Tensor,
    *,
    mask: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: Reduction = "mean",
    alpha: float = 2.1,
    omega: float = 14.0,
    epsilon: float = 1.0,
    theta: float = 0.5,
    foreground: float = 10.0,
    threshold: float = 0.2,
) -> Tensor:
    """Adaptive wing: ``omega ln(1 + |d / epsilon|^(alpha - t))`` where ``|d| < theta``, else ``A |d| - C``.

    ``A`` and ``C`` make value and slope meet at theta: with ``q = (theta / epsilon)^(alpha - t)``,
    ``A = omega (alpha - t) q / (theta (1 + q))`` and ``C = theta A - omega ln(1 + q)``. Each pixel counts
    ``1 + foreground M``, see :func:`heatmap_weighted_mse`. Wang et al., "Adaptive Wing Loss for Robust Face Alignment
    via Heatmap Regression", ICCV 2019.

    When: Gaussian targets with a peak of 1, and accuracy matters more than speed: near the peak (``t`` about 1) it
    behaves like a wing, on the background (``t`` about 0) like a squared error.

    Args:
        pred: ``(..., K, H, W)``, the maps as they are read.
        target: ``(..., K, H, W)`` in [0, 1].
        alpha: exponent on the background; more than 2, or a pixel of ``t = 1`` has no slope at ``d = 0``.
        omega: height of the logarithmic part.
        epsilon: curvature of the logarithmic part.
        theta: where the logarithm becomes a line.
        foreground: what M adds to a pixel's weight of 1; 0 turns the weights off.
        threshold: of the dilated target.
    """
    check_positive("adaptive_wing", omega=omega, epsilon=epsilon, theta=theta)
    check_least("adaptive_wing", 2, alpha=alpha)
    if alpha == 2:
        raise ArgumentError("adaptive_wing: alpha must be more than 2, got 2")
    pred, target, known = maps("adaptive_wing", pred, target, mask)
    error, power = (pred - target).abs(), alpha - target
    knee = torch.exp(power * math.log(theta / epsilon))
    slope = omega * power * knee / (theta * (1 + knee))
    line = slope * (error - theta) + omega * torch.log1p(knee)
    # The curve is raised to a power only where it is used: a large error would overflow, and its gradient be NaN.
    curve = omega * torch.log1p((error.clamp_max(theta) / epsilon) ** power)
    value = torch.where(error < theta, curve, line) * _pixel_weight("adaptive_wing", target, foreground, threshold)
    return reduce("adaptive_wing", value.mean((-2, -1)), known, weight, reduction)


def maps(name: str, pred: Tensor, target: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Both maps, 0 where masked, in at least float32; and the mask ``(..., K)``."""
    check_pair(name, pred, target)
    check_maps(name, pred)
    known = label_mask(name, mask, pred[..., 0, 0])
    pred = at_least_float32(pred)
    zero, inside = torch.zeros_like(pred), known[..., None, None]
    return torch.where(inside, pred, zero), torch.where(inside, target.to(pred.dtype), zero), known


def check_maps(name: str, pred: Tensor) -> None:
    """Raises where ``pred`` cannot be ``(..., K, H, W)``."""
    if pred.ndim < 3 or 0 in pred.shape[-2:]:
        raise ArgumentError(f"{name}: pred must be (..., K, H, W), got {tuple(pred.shape)}")


def _pixel_weight(name: str, target: Tensor, foreground: float, threshold: float) -> Tensor:
    """``1 + foreground`` where the target, dilated by 3x3, is over the threshold; 1 elsewhere."""
    check_least(name, 0, foreground=foreground)
    check_positive(name, threshold=threshold)
    dilated = F.max_pool2d(target.detach().flatten(0, -3)[:, None], 3, stride=1, padding=1).view_as(target)
    return 1 + foreground * (dilated > threshold).to(target.dtype)
