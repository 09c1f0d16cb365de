"""Losses of a heatmap as a distribution over its pixels."""

from __future__ import annotations

import torch
from torch import Tensor

from .. import heatmap
from ..errors import ArgumentError
from .base import Reduction, at_least_float32, check_least, check_positive, check_tensor, label_mask, reduce
from .heatmaps import check_maps, maps

__all__ = ["dsnt_regulariser", "heatmap_cross_entropy", "heatmap_js", "heatmap_kl", "star"]

# Added to what a logarithm is taken of, so that the gradient stays finite at 0.
_TINY = 1e-24


def heatmap_cross_entropy(
    pred: Tensor,
    target: Tensor,
    *,
    mask: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Cross-entropy of the spatial softmax to the target: ``logsumexp(z) - <t, z>``, in nats per map.

    As the target sums to 1 this is ``-sum_p t_p ln softmax(z)_p``; its least value is the target's own entropy.

    When: the map is read by a soft-argmax: every pixel gets a gradient, and the map stays one narrow peak.

    Args:
        pred: logits ``(..., K, H, W)``.
        target: ``(..., K, H, W)``, each map summing to 1.
    """
    logits, target, known = maps("heatmap_cross_entropy", pred, target, mask)
    flat = logits.flatten(-2)
    value = torch.logsumexp(flat, -1) - (target.flatten(-2) * flat).sum(-1)
    return reduce("heatmap_cross_entropy", value, known, weight, reduction)


def heatmap_kl(
    pred: Tensor,
    target: Tensor,
    *,
    mask: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Divergence from the spatial softmax to the target, ``KL(t || p) = sum_p t (ln t - ln p)``, in nats per map.

    Kullback and Leibler, "On Information and Sufficiency", 1951. Its gradient is that of
    :func:`heatmap_cross_entropy`, but it is 0 where the map is the target.

    When: as the cross-entropy, and the number itself should be comparable between targets of different widths.

    Args:
        pred: logits ``(..., K, H, W)``.
        target: ``(..., K, H, W)``, each map summing to 1.
    """
    logits, target, known = maps("heatmap_kl", pred, target, mask)
    goal = target.flatten(-2)
    log_p = torch.log_softmax(logits.flatten(-2), -1)
    value = (torch.special.xlogy(goal, goal) - goal * log_p).sum(-1)
    return reduce("heatmap_kl", value, known, weight, reduction)


def heatmap_js(
    pred: Tensor,
    target: Tensor,
    *,
    mask: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Jensen-Shannon divergence of the spatial softmax and the target, in nats per map: from 0 to ``ln 2``.

    ``JS(p, t) = KL(p || m) / 2 + KL(t || m) / 2`` with ``m = (p + t) / 2`` (Lin, "Divergence Measures Based on the
    Shannon Entropy", 1991).

    When: a bounded, symmetric measure: one hopeless map cannot outweigh the batch. Far from the target its gradient
    is weak; do not use it alone from the start.

    Args:
        pred: logits ``(..., K, H, W)``.
        target: ``(..., K, H, W)``, each map summing to 1.
    """
    logits, target, known = maps("heatmap_js", pred, target, mask)
    value = _jensen_shannon(torch.softmax(logits.flatten(-2), -1), target.flatten(-2))
    return reduce("heatmap_js", value, known, weight, reduction)


def dsnt_regulariser(
    pred: Tensor,
    target: Tensor,
    *,
    mask: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: Reduction = "mean",
    sigma: float = 1.0,
) -> Tensor:
    """``JS(p, N(target, sigma^2 I))``: the map should be a Gaussian at the label, in nats per map.

    Nibali et al., "Numerical Coordinate Regression with Convolutional Neural Networks", 2018. The Gaussian
    is cut off at the map's border and sums to 1. A label off the map counts as missing.

    When: beside a loss of the map's expectation (:func:`l1`), which alone says nothing of the map's shape.

    Args:
        pred: probabilities ``(..., K, H, W)``, not logits; each map is divided by its sum.
        target: ``(..., K, 2)`` in heatmap pixels; NaN where missing.
        sigma: of the Gaussian, in heatmap pixels.
    """
    check_positive("dsnt_regulariser", sigma=sigma)
    probability, goal, known = _map_and_point("dsnt_regulariser", pred, target, mask)
    size = (pred.shape[-2], pred.shape[-1])
    gaussian, inside = heatmap.gaussian(goal, size, sigma, normalize="sum")
    value = _jensen_shannon(probability.flatten(-2), gaussian.flatten(-2))
    return reduce("dsnt_regulariser", value, known & inside, weight, reduction)


def star(
    pred: Tensor,
    target: Tensor,
    *,
    mask: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: Reduction = "mean",
    w: float = 1.0,
    beta: float = 0.01,
    epsilon: float = 1e-5,
    detach: bool = False,
) -> Tensor:
    """Self-adaptive ambiguity reduction: ``sum_i S(v_i . d) / sqrt(lambda_i + epsilon) + w (lambda_1 + lambda_2)``.

    ``d`` is the error of the map's expectation, ``lambda_i`` and ``v_i`` the eigenvalues and unit eigenvectors of the
    map's covariance (the unbiased weighted one, over ``1 - sum p^2``), and S is :func:`smooth_l1`: an error along the
    direction in which the map is wide, where the label itself is ambiguous, counts less. Zhou et al., "STAR Loss:
    Reducing Semantic Ambiguity in Facial Landmark Detection", CVPR 2023. All lengths are on the paper's grid, on which
    the centres of a map's first and last pixel lie at -1 and 1, so ``w``, ``beta`` and ``epsilon`` suit any size.

    A map could make the first part small by growing wide. Against this the paper has two restrictions: the penalty
    ``w`` on the eigenvalues, and eigenvalues without gradient (``detach``). The eigenvectors never have one here: it
    grows without bound as the eigenvalues become equal, as they are for a round or a flat map.

    When: points on contours (jaw, brows), whose place along the contour annotators disagree on; beside a loss of the
    map, such as :func:`adaptive_wing`.

    Args:
        pred: probabilities ``(..., K, H, W)``, not logits; each map is divided by its sum.
        target: ``(..., K, 2)`` in heatmap pixels; NaN where missing.
        w: weight of the eigenvalues' sum; 0 turns it off.
        beta: of smooth L1, on the paper's grid.
        epsilon: keeps the division finite where a map is one pixel.
        detach: hold the eigenvalues of the division constant.
    """
    check_positive("star", beta=beta, epsilon=epsilon)
    check_least("star", 0, w=w)
    probability, goal, known = _map_and_point("star", pred, target, mask)
    mean, covariance = _moments(probability, epsilon)
    axes = _principal_axes(covariance.detach())
    # v' S v: its value is the eigenvalue, and with v constant its gradient is the eigenvalue's.
    values = ((axes[..., None] * covariance[..., None, :, :]).sum(-2) * axes).sum(-1)
    distance = (axes * (goal * _paper_scale(probability) - mean)[..., None, :]).sum(-1).abs()
    distance = torch.where(distance < beta, distance**2 / (2 * beta), distance - beta / 2)
    divisor = values.detach() if detach else values
    value = (distance / (divisor + epsilon).sqrt()).sum(-1) + w * values.sum(-1)
    return reduce("star", value, known, weight, reduction)


def _jensen_shannon(p: Tensor, q: Tensor) -> Tensor:
    """Over the last dimension."""
    log_m = (((p + q) / 2) + _TINY).log()
    return (p * ((p + _TINY).log() - log_m) + q * ((q + _TINY).log() - log_m)).sum(-1) / 2


def _map_and_point(name: str, pred: Tensor, target: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Maps that sum to 1 (0 where masked), points (0 where masked), and where there is a label."""
    check_tensor(name, "pred", pred)
    check_tensor(name, "target", target)
    if not pred.is_floating_point():
        raise ArgumentError(f"{name}: pred must hold floating-point numbers, got {pred.dtype}")
    check_maps(name, pred)
    if target.shape != (*pred.shape[:-2], 2):
        raise ArgumentError(
            f"{name}: target must be (..., K, 2) = {(*pred.shape[:-2], 2)} for pred {tuple(pred.shape)}, "
            f"got {tuple(target.shape)}"
        )
    known = label_mask(name, mask, target[..., 0]) & ~target.isnan().any(-1)
    pred = at_least_float32(pred)
    pred = torch.where(known[..., None, None], pred, torch.zeros_like(pred))
    target = target.to(pred.dtype)
    goal = torch.where(known[..., None], target, torch.zeros_like(target))
    return pred / pred.sum((-2, -1), keepdim=True).clamp_min(1e-6), goal, known


def _paper_scale(maps: Tensor) -> Tensor:
    """What turns ``(x, y)`` in pixels of the maps into lengths on a grid from -1 to 1."""
    return 2 / (maps.new_tensor([maps.shape[-1], maps.shape[-2]]) - 1).clamp_min(1)


def _moments(probability: Tensor, least: float) -> tuple[Tensor, Tensor]:
    """Mean ``(..., 2)`` and unbiased covariance ``(..., 2, 2)`` of ``(x, y)``; paper's grid, origin at pixel 0.

    Sums of products, no matrix product: autocast would do that in half precision.
    """
    height, width = probability.shape[-2:]
    scale = _paper_scale(probability)
    xs = torch.arange(width, dtype=probability.dtype, device=probability.device) * scale[0]
    ys = torch.arange(height, dtype=probability.dtype, device=probability.device) * scale[1]
    along_x, along_y = probability.sum(-2), probability.sum(-1)
    mean = torch.stack([(along_x * xs).sum(-1), (along_y * ys).sum(-1)], -1)
    dx, dy = xs - mean[..., :1], ys - mean[..., 1:]
    xx, yy = (along_x * dx**2).sum(-1), (along_y * dy**2).sum(-1)
    xy = ((probability * dx[..., None, :]).sum(-1) * dy).sum(-1)
    divisor = (1 - (probability**2).sum((-2, -1))).clamp_min(least)
    return mean, torch.stack([xx, xy, xy, yy], -1).reshape(*xx.shape, 2, 2) / divisor[..., None, None]


def _principal_axes(covariance: Tensor) -> Tensor:
    """Unit eigenvectors as rows ``(..., 2, 2)``, that of the larger eigenvalue first."""
    xx, xy, yy = covariance[..., 0, 0], covariance[..., 0, 1], covariance[..., 1, 1]
    angle = torch.atan2(2 * xy, xx - yy) / 2
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([cos, sin, -sin, cos], -1).reshape(*cos.shape, 2, 2)
