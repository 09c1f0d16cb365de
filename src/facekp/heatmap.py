"""Heatmaps as pure tensor functions: drawing them, and reading points off them.

Any device, any floating dtype, any leading batch dimensions, no loop over
points.  Frame: ``(0, 0)`` is the centre of the top-left cell of a map; a point
``x`` in input pixels lies at ``(x + 0.5) / stride - 0.5`` on a map of that
stride.  Sizes are ``(H, W)``; sigma is in heatmap pixels.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from .errors import ArgumentError

__all__ = ["expectation", "gaussian", "spatial_softmax", "spread", "to_heatmap", "to_input"]


def to_heatmap(points: Tensor, stride: float) -> Tensor:
    """Input pixels → heatmap pixels."""
    return (points + 0.5) / stride - 0.5


def to_input(points: Tensor, stride: float) -> Tensor:
    """Heatmap pixels → input pixels."""
    return (points + 0.5) * stride - 0.5


def gaussian(
    points: Tensor,
    size: tuple[int, int],
    sigma: float,
    stride: float = 1.0,
    *,
    normalize: Literal["peak", "sum"] = "peak",
) -> tuple[Tensor, Tensor]:
    """Gaussian maps with sub-pixel centres: ``exp(-|p - c|^2 / (2 sigma^2))``.

    Args:
        points: ``(..., K, 2)`` in input pixels; NaN where a label is missing.
        size: ``(H, W)`` of the maps.
        sigma: standard deviation in heatmap pixels.
        stride: input pixels per heatmap pixel.
        normalize: ``"peak"``: the value at the centre is 1; ``"sum"``: each map
            sums to 1 (what is cut off at the border is made up for).

    Returns:
        maps ``(..., K, H, W)`` and mask ``(..., K)``: a point that is missing, or
        whose centre lies off the map, has an empty map and a False mask.

    Raises:
        ArgumentError: sigma or stride is not positive, or the last dimension is not 2.
    """
    if sigma <= 0 or stride <= 0:
        raise ArgumentError(f"gaussian: sigma and stride must be positive, got sigma={sigma}, stride={stride}")
    if points.shape[-1] != 2:
        raise ArgumentError(f"gaussian: points must be (..., K, 2), got {tuple(points.shape)}")
    height, width = size
    centre = to_heatmap(points, stride)
    limit = centre.new_tensor([width - 0.5, height - 0.5])
    mask = ((centre >= -0.5) & (centre <= limit)).all(-1)  # NaN compares False
    centre = torch.where(mask[..., None], centre, torch.zeros_like(centre))
    along_x = _bell(centre[..., 0], width, sigma)
    along_y = _bell(centre[..., 1], height, sigma)
    if normalize == "sum":
        along_x = along_x / along_x.sum(-1, keepdim=True)
        along_y = along_y / along_y.sum(-1, keepdim=True)
    along_y = along_y * mask[..., None]
    return along_y[..., :, None] * along_x[..., None, :], mask


def _bell(centre: Tensor, length: int, sigma: float) -> Tensor:
    grid = torch.arange(length, dtype=centre.dtype, device=centre.device)
    return torch.exp(-((grid - centre[..., None]) ** 2) / (2 * sigma**2))


def spatial_softmax(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Softmax over the two last dimensions: ``(..., H, W)`` → probabilities that sum to 1."""
    return torch.softmax(logits.flatten(-2) / temperature, -1).view_as(logits)


def expectation(probability: Tensor) -> Tensor:
    """The mean place ``(..., 2)`` ``(x, y)`` in heatmap pixels of maps ``(..., H, W)`` that sum to 1.

    On a spatial softmax this is the soft-argmax, or integral regression
    (Sun et al., "Integral Human Pose Regression", ECCV 2018, eq. 3).
    """
    height, width = probability.shape[-2:]
    xs = torch.arange(width, dtype=probability.dtype, device=probability.device)
    ys = torch.arange(height, dtype=probability.dtype, device=probability.device)
    return torch.stack([probability.sum(-2) @ xs, probability.sum(-1) @ ys], -1)


def spread(probability: Tensor, mean: Tensor) -> Tensor:
    """Standard deviation per axis ``sqrt(E|p - mean|^2 / 2)``, in heatmap pixels: ``(..., H, W)`` → ``(...)``."""
    height, width = probability.shape[-2:]
    xs = torch.arange(width, dtype=probability.dtype, device=probability.device) - mean[..., :1]
    ys = torch.arange(height, dtype=probability.dtype, device=probability.device) - mean[..., 1:]
    variance = (probability.sum(-2) * xs**2).sum(-1) + (probability.sum(-1) * ys**2).sum(-1)
    return (variance / 2).clamp_min(0).sqrt()
