"""Batches that fit each loss, for its tests."""

from __future__ import annotations

import torch
from torch import Tensor

POINTS = ("gaussian_nll", "l1", "laplace_nll", "mse", "rectified_wing", "smooth_l1", "soft_wing", "wing")
PIXELS = ("adaptive_wing", "heatmap_bce", "heatmap_focal", "heatmap_mse", "heatmap_weighted_mse")
LOGITS = ("heatmap_cross_entropy", "heatmap_js", "heatmap_kl")
MAP_AND_POINT = ("dsnt_regulariser", "star")
SPREAD = {"laplace_nll": "log_b", "gaussian_nll": "log_sigma"}

Batch = dict[str, Tensor]


def batch(name: str, shape: tuple[int, ...] = (2, 4), dtype: torch.dtype = torch.float64, seed: int = 0) -> Batch:
    """``pred``, ``target`` and what else the loss takes, for points of this shape; maps are 5 by 6."""
    random = torch.Generator().manual_seed(seed)

    def normal(*last: int) -> Tensor:
        return torch.randn(*shape, *last, generator=random, dtype=torch.float64).to(dtype)

    if name in POINTS:
        extra = {SPREAD[name]: normal()} if name in SPREAD else {}
        return {"pred": 5 * normal(2), "target": 5 * normal(2), **extra}
    maps = normal(5, 6)
    if name in LOGITS:
        return {"pred": maps, "target": normal(30).double().softmax(-1).reshape(*shape, 5, 6).to(dtype)}
    if name in PIXELS:
        return {"pred": maps, "target": normal(5, 6).double().sigmoid().to(dtype)}
    points = torch.rand(*shape, 2, generator=random, dtype=torch.float64) * 4
    return {"pred": maps.double().flatten(-2).softmax(-1).reshape(maps.shape).to(dtype), "target": points.to(dtype)}


def poisoned(values: Batch, known: Tensor) -> Batch:
    """The same, with NaN in everything that belongs to a masked point."""
    out = {}
    for key, value in values.items():
        missing = ~known.reshape(*known.shape, *[1] * (value.ndim - known.ndim))
        out[key] = torch.where(missing, torch.full_like(value, float("nan")), value)
    return out
