"""Regression: the network names the coordinates itself."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from .. import heatmap
from ..errors import ArgumentError
from .base import POINT_LOSSES, Codec, Size

__all__ = ["Regression"]


class Regression(Codec):
    """Normalised coordinates from any network with a vector output ``(N, 2 K)``.

    Coordinates run from 0 at the input's left (top) edge to 1 at its right
    (bottom) edge: ``u = (x + 0.5) / W``.

    A plain regression says nothing of its own certainty: every point's spread is
    the same constant, so its score is what calibration found on average.

    Args:
        input_size: ``(H, W)`` of the input.
        loss: of the normalised coordinates: ``smooth_l1``, ``l1``, ``mse``, ``wing``, ...
        loss_options: the loss's own arguments, in normalised units; by default ``{"beta": 0.01}`` for
            ``smooth_l1``.
        calibration: see :class:`Codec`.

    Raises:
        ArgumentError: an option is out of its choices.
    """

    output = "vector"
    name = "regression"
    rates = False

    def __init__(
        self,
        input_size: Size,
        calibration: dict[str, Any] | None = None,
        *,
        loss: str = "smooth_l1",
        loss_options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(input_size, calibration)
        if loss_options is None:
            loss_options = {"beta": 0.01} if loss == "smooth_l1" else {}
        self.loss_name, self.loss_options = loss, dict(loss_options)
        self._loss = self.loss_function(loss, self.loss_options, POINT_LOSSES)

    def channels(self, points: int) -> int:
        return 2 * points

    def to_config(self) -> dict[str, Any]:
        return super().to_config() | {"loss": self.loss_name, "loss_options": self.loss_options}

    def encode(self, points: Tensor, mask: Tensor | None = None) -> dict[str, Tensor]:
        """→ ``coordinates`` ``(N, K, 2)`` normalised (NaN where missing), ``points``, ``mask``."""
        known = self.known(points, mask)
        wide = heatmap.wide(points)
        return {"coordinates": (wide + 0.5) / self._span(wide), "points": points, "mask": known}

    def decode(self, output: Tensor) -> tuple[Tensor, Tensor]:
        pairs = self._pairs(output)
        return pairs * self._span(pairs) - 0.5, self.score(self.log_spread(output))

    def log_spread(self, output: Tensor) -> Tensor:
        pairs = self._pairs(output)
        return torch.full(pairs.shape[:-1], math.log(0.02), device=output.device)

    def ideal_output(self, target: dict[str, Tensor]) -> Tensor:
        return target["coordinates"].flatten(-2)

    def loss(self, output: Tensor, target: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"points": self._loss(self._pairs(output), target["coordinates"], mask=target["mask"])}

    def _span(self, like: Tensor) -> Tensor:
        height, width = self.input_size
        return like.new_tensor([width, height])

    @staticmethod
    def _pairs(output: Tensor) -> Tensor:
        if output.ndim != 2 or output.shape[1] % 2:
            raise ArgumentError(f"regression: expected output (N, 2 K), got {tuple(output.shape)}")
        return torch.unflatten(heatmap.wide(output), 1, (-1, 2))
