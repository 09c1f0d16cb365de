"""Losses between points.

All take ``prediction`` and ``target`` ``(..., K, 2)`` in the same unit and a
``mask`` ``(..., K)``, and return the mean over the labelled coordinates (0, with
a gradient of 0, where none is labelled).
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["l1", "masked_mean", "smooth_l1"]


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of ``values`` ``(..., K)`` over the True places of ``mask``; 0 when there is none."""
    return torch.where(mask, values, torch.zeros_like(values)).sum() / mask.sum().clamp_min(1)


def _difference(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    # A NaN label must not reach the subtraction: NaN * 0 is NaN, in the gradient too.
    return prediction - torch.where(mask[..., None], target, prediction.detach())


def l1(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """``mean |p - t|``."""
    return masked_mean(_difference(prediction, target, mask).abs().mean(-1), mask)


def smooth_l1(prediction: Tensor, target: Tensor, mask: Tensor, beta: float = 1.0) -> Tensor:
    """``d^2 / (2 beta)`` where ``|d| < beta``, else ``|d| - beta / 2`` (Girshick, "Fast R-CNN", 2015)."""
    distance = _difference(prediction, target, mask).abs()
    value = torch.where(distance < beta, distance**2 / (2 * beta), distance - beta / 2)
    return masked_mean(value.mean(-1), mask)
