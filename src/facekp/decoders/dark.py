"""DARK: the peak of the Gaussian that goes through the cells around the highest one."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from .. import _arguments as check
from .. import heatmap
from ..errors import ArgumentError
from .base import Size
from .maps import HeatmapCodec

__all__ = ["Dark"]

FLOOR = 1e-10  # of a map's value, before its logarithm


class Dark(HeatmapCodec):
    """Taylor refinement of the highest cell.

    Zhang et al., "Distribution-Aware Coordinate Representation for Human Pose Estimation",
    CVPR 2020: the logarithm of a Gaussian is a quadratic, so its top is ``m - H^-1 g`` (eq. 8)
    with the gradient g and the Hessian H of the log map at the highest cell m.  Before that the map is
    smoothed by the Gaussian of the targets (eq. 9).

    Differences to the published code, all at the map's border: along each axis the smoothing reaches
    no further, to either side, than the border is away, for a Gaussian that is smoothed without
    what is beyond the border has its top elsewhere; and the derivatives are taken no nearer to the
    border than their stencil reaches, where the published code takes the highest cell as it is.
    The top is no further than ``limit`` from the highest cell, along each axis: a flat or noisy map
    has no Gaussian to find.

    Args:
        input_size, heatmap_size, sigma, options: those of :class:`HeatmapCodec`.
        blur: standard deviation of the smoothing in heatmap pixels, 0 for none; by default sigma.
        limit: largest shift in heatmap pixels.
    """

    name = "dark"
    #: Distance of the cells of the second derivative: 2 as published.
    step = 2

    def __init__(
        self,
        input_size: Size,
        heatmap_size: Size,
        sigma: float = 2.0,
        *,
        blur: float | None = None,
        limit: float = 1.0,
        **options: Any,
    ) -> None:
        super().__init__(input_size, heatmap_size, sigma, **options)
        most = max(self.heatmap_size)  # what is cut out around a peak is six times as wide
        self.blur = self.sigma if blur is None else check.number(blur, "blur", low=0)
        self.limit = check.number(limit, "limit", above=0)
        if self.blur > most:
            raise ArgumentError(f"blur: must be at most {most}, the side of the maps, got {blur}")
        if min(self.heatmap_size) < 2 * self.step + 1:
            raise ArgumentError(
                f"{self.name}: heatmap_size must be at least {2 * self.step + 1} a side, got {heatmap_size}"
            )

    def to_config(self) -> dict[str, Any]:
        return super().to_config() | {"blur": self.blur, "limit": self.limit}

    def _place(self, maps: Tensor, cell: Tensor) -> Tensor:
        height, width = self.heatmap_size
        last = torch.tensor([width - 1, height - 1], device=cell.device)
        centre = torch.minimum(cell.clamp_min(self.step), last - self.step)
        way, has_top = newton(self._smoothed(maps, centre).clamp_min(FLOOR).log(), self.step)
        shift = (centre + way - cell).clamp(-self.limit, self.limit)
        return cell + torch.where(has_top[..., None], shift, 0.0)

    def _smoothed(self, maps: Tensor, centre: Tensor) -> Tensor:
        """The blurred map around ``centre``: ``(..., 2 step + 1, 2 step + 1)``."""
        reach, side = math.ceil(3 * self.blur), 2 * self.step + 1
        around, _ = heatmap.patches(maps, centre, reach + self.step)
        if not reach:
            return around
        height, width = self.heatmap_size
        last = torch.tensor([width - 1, height - 1], device=centre.device)
        room = torch.minimum(centre, last - centre) - self.step  # beyond the outermost cell of the result
        places = torch.arange(side + 2 * reach, dtype=maps.dtype, device=maps.device)
        apart = places - places[:side, None] - reach
        kernel = torch.exp(-(apart**2) / (2 * self.blur**2))
        # Cut off on one side only it would move what is near the border, by more than a cell.
        band = torch.where(apart.abs() <= room.clamp_max(reach)[..., None, None], kernel, 0.0)
        band = band / band.sum(-1, keepdim=True)
        return band[..., 1, :, :] @ around @ band[..., 0, :, :].mT


def newton(values: Tensor, step: int) -> tuple[Tensor, Tensor]:
    """The way from the middle of a patch to its top, by one Newton step.

    Args:
        values: ``(..., 2 r + 1, 2 r + 1)`` with ``r >= step``, e.g. logarithms of a map.
        step: distance in cells between the values of the second derivatives along an axis: 1 or 2.

    Returns:
        ``(..., 2)`` ``(x, y)`` in cells; and ``(...)`` bool: whether the values have a top there (the
        Hessian is negative definite).
    """
    c = values.shape[-1] // 2

    def at(x: int, y: int) -> Tensor:
        return values[..., c + y, c + x]

    dx, dy = (at(1, 0) - at(-1, 0)) / 2, (at(0, 1) - at(0, -1)) / 2
    dxx = (at(step, 0) - 2 * at(0, 0) + at(-step, 0)) / step**2
    dyy = (at(0, step) - 2 * at(0, 0) + at(0, -step)) / step**2
    dxy = (at(1, 1) - at(-1, 1) - at(1, -1) + at(-1, -1)) / 4
    determinant = dxx * dyy - dxy**2
    has_top = (determinant > 1e-12) & (dxx < 0)
    scale = torch.where(has_top, determinant, torch.ones_like(determinant))
    return torch.stack([dxy * dy - dyy * dx, dxy * dx - dxx * dy], -1) / scale[..., None], has_top
