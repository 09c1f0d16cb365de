"""Weighted argmax: the centre of mass of the map, or of what stands around its peak."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .. import _arguments as check
from .. import heatmap
from ..errors import ArgumentError
from .base import Size
from .maps import HeatmapCodec

__all__ = ["WeightedArgmax"]


class WeightedArgmax(HeatmapCodec):
    """The centre of mass of the map, values under 0 counted as 0; on a binary disc, its centroid.

    Every value pulls on the point, however far away: what a network leaves all over its map
    draws points towards the middle.  ``threshold`` or ``window`` keep that out.

    Args:
        input_size, heatmap_size, sigma, options: those of :class:`HeatmapCodec`.
        threshold: values under this share of the map's peak count as 0; by default 0.5 for a
            disc (half of a sigmoid's range) and 0 for a Gaussian.
        window: only the square of this odd side, in cells, around the highest cell counts;
            None is the whole map.  Of a disc any cell may be the highest: it needs a window of
            twice its diameter.
    """

    name = "weighted_argmax"

    def __init__(
        self,
        input_size: Size,
        heatmap_size: Size,
        sigma: float = 2.0,
        *,
        threshold: float | None = None,
        window: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(input_size, heatmap_size, sigma, **options)
        if threshold is None:
            threshold = 0.5 if self.target == "disc" else 0.0
        if not 0 <= check.number(threshold, "threshold") < 1:
            raise ArgumentError(f"threshold must be at least 0 and under 1, got {threshold}")
        most = 2 * max(self.heatmap_size) + 1  # which holds all of a map, wherever its peak lies
        if window is not None and (not isinstance(window, int) or not 1 <= window <= most or window % 2 != 1):
            raise ArgumentError(f"window must be an odd number of cells up to {most}, or None, got {window}")
        self.threshold, self.window = float(threshold), None if window is None else int(window)

    def to_config(self) -> dict[str, Any]:
        return super().to_config() | {"threshold": self.threshold, "window": self.window}

    def _place(self, maps: Tensor, cell: Tensor) -> Tensor:
        corner: Tensor | float = 0.0
        if self.window is not None:
            radius = self.window // 2
            maps, corner = heatmap.patches(maps, cell, radius)[0], cell - radius
        if self.threshold > 0:
            highest = maps.amax((-2, -1), keepdim=True)
            maps = torch.where(maps >= self.threshold * highest, maps, 0.0)
        return heatmap.centre_of_mass(maps)[0] + corner
