"""Soft-argmax: the expectation of a spatial softmax."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .. import heatmap, losses
from ..errors import ArgumentError
from .base import Codec, Size

__all__ = ["SoftArgmax"]


class SoftArgmax(Codec):
    """Heatmap logits, read by the expectation of their spatial softmax.

    Sun et al., "Integral Human Pose Regression", ECCV 2018.  The loss is the
    cross-entropy to a Gaussian of the same sum (which gives every cell a
    gradient and keeps the map narrow, cf. Nibali et al., "Numerical Coordinate
    Regression with Convolutional Neural Networks", 2018) plus the L1 distance of
    the expectation in heatmap pixels (which makes it sub-pixel).

    Args:
        input_size: ``(H, W)`` of the input.
        heatmap_size: ``(H, W)`` of the network's maps.
        sigma: of the target Gaussian, in heatmap pixels.
        point_weight: weight of the L1 part.
        calibration: see :class:`Codec`.
    """

    output = "heatmap"
    name = "soft_argmax"

    def __init__(
        self,
        input_size: Size,
        heatmap_size: Size,
        sigma: float = 1.0,
        point_weight: float = 1.0,
        calibration: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(input_size, calibration)
        height, width = self.size(heatmap_size, "heatmap_size")
        if self.input_size[0] * width != self.input_size[1] * height:
            raise ArgumentError(
                f"heatmap_size {heatmap_size} must have the shape of input_size {self.input_size} at some stride"
            )
        if sigma <= 0:
            raise ArgumentError(f"sigma must be positive, got {sigma}")
        self.heatmap_size: Size = (height, width)
        self.stride = self.input_size[0] / height
        self.sigma, self.point_weight = float(sigma), float(point_weight)

    def to_config(self) -> dict[str, Any]:
        return super().to_config() | {
            "heatmap_size": list(self.heatmap_size),
            "sigma": self.sigma,
            "point_weight": self.point_weight,
        }

    def encode(self, points: Tensor, mask: Tensor | None = None) -> dict[str, Tensor]:
        """→ ``heatmap`` ``(N, K, h, w)`` summing to 1 (empty where masked), ``points``, ``mask``."""
        maps, inside = heatmap.gaussian(points, self.heatmap_size, self.sigma, self.stride, normalize="sum")
        known = self.known(points, mask) & inside
        return {"heatmap": maps * known[..., None, None], "points": points, "mask": known}

    def decode(self, output: Tensor) -> tuple[Tensor, Tensor]:
        probability = heatmap.spatial_softmax(self._check(output).float())
        mean = heatmap.expectation(probability)
        return heatmap.to_input(mean, self.stride), self.score(self._log_spread(probability, mean))

    def log_spread(self, output: Tensor) -> Tensor:
        probability = heatmap.spatial_softmax(self._check(output).float())
        return self._log_spread(probability, heatmap.expectation(probability))

    def _log_spread(self, probability: Tensor, mean: Tensor) -> Tensor:
        side = max(self.heatmap_size)
        return torch.log(heatmap.spread(probability, mean) / side + 1e-4)

    def ideal_output(self, target: dict[str, Tensor]) -> Tensor:
        """The logarithm of the target maps: their softmax is the target."""
        return torch.log(target["heatmap"].clamp_min(1e-30))

    def loss(self, output: Tensor, target: dict[str, Tensor]) -> dict[str, Tensor]:
        logits, mask = self._check(output).float(), target["mask"]
        mean = heatmap.expectation(heatmap.spatial_softmax(logits))
        goal = heatmap.to_heatmap(target["points"], self.stride)
        return {
            "heatmap": losses.cross_entropy(logits, target["heatmap"], mask),
            "points": self.point_weight * losses.l1(mean, goal, mask),
        }

    def _check(self, output: Tensor) -> Tensor:
        if output.ndim != 4 or tuple(output.shape[-2:]) != self.heatmap_size:
            raise ArgumentError(f"soft_argmax: expected output (N, K, {self.heatmap_size}), got {tuple(output.shape)}")
        return output
