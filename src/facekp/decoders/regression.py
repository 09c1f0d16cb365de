"""Regression: the network names the coordinates itself."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .. import losses
from ..errors import ArgumentError
from .base import Codec

__all__ = ["Regression"]


class Regression(Codec):
    """Normalised coordinates from any network with a vector output ``(N, 2 K)``.

    Coordinates run from 0 at the input's left (top) edge to 1 at its right
    (bottom) edge: ``u = (x + 0.5) / W``.  The loss is smooth L1 on them.

    A plain regression says nothing of its own certainty: every point's spread is
    the same constant, so its score is what calibration found on average.
    """

    output = "vector"
    name = "regression"

    def encode(self, points: Tensor, mask: Tensor | None = None) -> dict[str, Tensor]:
        """→ ``coordinates`` ``(N, K, 2)`` normalised (NaN where missing), ``points``, ``mask``."""
        known = self.known(points, mask)
        return {"coordinates": (points + 0.5) / self._span(points), "points": points, "mask": known}

    def decode(self, output: Tensor) -> tuple[Tensor, Tensor]:
        points = self._pairs(output).float() * self._span(output) - 0.5
        return points.float(), self.score(self.log_spread(output))

    def log_spread(self, output: Tensor) -> Tensor:
        pairs = self._pairs(output)
        return torch.full(pairs.shape[:-1], math.log(0.02), device=output.device)

    def ideal_output(self, target: dict[str, Tensor]) -> Tensor:
        return target["coordinates"].flatten(-2)

    def loss(self, output: Tensor, target: dict[str, Tensor]) -> dict[str, Tensor]:
        pairs = self._pairs(output).float()
        return {"points": losses.smooth_l1(pairs, target["coordinates"], target["mask"], beta=0.01)}

    def _span(self, like: Tensor) -> Tensor:
        height, width = self.input_size
        return torch.tensor([width, height], dtype=torch.float32, device=like.device)

    @staticmethod
    def _pairs(output: Tensor) -> Tensor:
        if output.ndim != 2 or output.shape[1] % 2:
            raise ArgumentError(f"regression: expected output (N, 2 K), got {tuple(output.shape)}")
        return output.reshape(len(output), -1, 2)
