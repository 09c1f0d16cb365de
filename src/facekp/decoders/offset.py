"""Offset: a heatmap says which cell, two more maps say where from there."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .. import _arguments as check
from .. import heatmap, losses
from .base import Size
from .maps import HeatmapCodec

__all__ = ["Offset"]


class Offset(HeatmapCodec):
    """A heatmap and, at each of its cells, the vector from there to the point.

    Papandreou et al., "Towards Accurate Multi-person Pose Estimation in the Wild", CVPR
    2017.  The point is the highest cell plus the vector that stands there.  Vectors are in
    heatmap pixels, learned by smooth L1 in the cells within ``radius`` of the point.

    Output: ``(N, 3 K, h, w)``: K heatmaps, then x and y of the vectors of each point in turn.

    Args:
        input_size, heatmap_size, sigma, options: those of :class:`HeatmapCodec`.
        offset_weight: weight of the vectors' part of the loss; small, as the mean squared error of a
            heatmap, which is empty nearly everywhere, is small too.
    """

    name = "offset"

    def __init__(
        self, input_size: Size, heatmap_size: Size, sigma: float = 2.0, *, offset_weight: float = 0.05, **options: Any
    ) -> None:
        super().__init__(input_size, heatmap_size, sigma, **options)
        self.offset_weight = check.number(offset_weight, "offset_weight", low=0)

    def channels(self, points: int) -> int:
        return 3 * points

    def to_config(self) -> dict[str, Any]:
        return super().to_config() | {"offset_weight": self.offset_weight}

    def encode(self, points: Tensor, mask: Tensor | None = None) -> dict[str, Tensor]:
        """→ as :class:`HeatmapCodec`, ``offset`` ``(N, K, 2, h, w)`` and where it counts, ``near`` ``(N, K, h, w)``."""
        centre, known = self._centres(points, mask)
        return {
            "heatmap": self._draw(centre),
            "offset": heatmap.offsets(centre, self.heatmap_size)[0],
            "near": heatmap.disc(centre, self.heatmap_size, self.radius)[0] > 0,
            "points": points,
            "mask": known,
        }

    def decode(self, output: Tensor) -> tuple[Tensor, Tensor]:
        maps, vectors = self._parts(output)
        cell, value = heatmap.peak(self._maps(maps))
        index = cell[..., 1] * self.heatmap_size[1] + cell[..., 0]
        vector = vectors.flatten(-2).gather(-1, index[..., None, None].expand(*index.shape, 2, 1))[..., 0]
        return self.to_input(cell + vector), self.score(self._log_spread(value))

    def log_spread(self, output: Tensor) -> Tensor:
        return self._log_spread(self._maps(self._parts(output)[0]).flatten(-2).amax(-1))

    def ideal_output(self, target: dict[str, Tensor]) -> Tensor:
        return torch.cat([super().ideal_output(target), target["offset"].flatten(1, 2)], 1)

    def loss(self, output: Tensor, target: dict[str, Tensor]) -> dict[str, Tensor]:
        maps, vectors = self._parts(output)
        pair, goal = (v.movedim(2, -1) for v in (vectors, target["offset"]))
        return {
            "heatmap": self._loss(maps, target["heatmap"], mask=target["mask"]),
            "offset": self.offset_weight * losses.smooth_l1(pair, goal, mask=target["near"]),
        }

    def _place(self, maps: Tensor, cell: Tensor) -> Tensor:  # the vectors' base; decode() adds them
        return cell.to(maps.dtype)

    def _parts(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """Heatmaps ``(N, K, h, w)`` and vectors ``(N, K, 2, h, w)``."""
        output = self._check(output, 3)
        count = output.shape[1] // 3
        return output[:, :count], torch.unflatten(output[:, count:], 1, (count, 2))
