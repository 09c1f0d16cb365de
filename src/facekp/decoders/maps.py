"""What the codecs of heatmaps share: the frame of the maps, the drawn target, its loss, and the score of a peak."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from .. import _arguments as check
from .. import heatmap
from ..errors import ArgumentError
from .base import Codec, Size

__all__ = ["GridCodec", "HeatmapCodec"]

#: What turns a network's output into the map, by the loss that it learns from.
LINKS = {
    "adaptive_wing": "identity",
    "heatmap_bce": "sigmoid",
    "heatmap_cross_entropy": "softmax",
    "heatmap_focal": "sigmoid",
    "heatmap_js": "softmax",
    "heatmap_kl": "softmax",
    "heatmap_mse": "identity",
    "heatmap_weighted_mse": "identity",
}
TARGETS = ("gaussian", "disc")


class GridCodec(Codec):
    """A codec whose network gives maps ``(N, C, h, w)``.

    Args:
        input_size: ``(H, W)`` of the input.
        heatmap_size: ``(h, w)`` of the network's maps, of the input's shape at some stride.
        calibration: see :class:`Codec`.

    Raises:
        ArgumentError: a size is not two positive numbers, or the shapes differ.
    """

    output = "heatmap"

    def __init__(self, input_size: Size, heatmap_size: Size, calibration: dict[str, Any] | None = None) -> None:
        super().__init__(input_size, calibration)
        height, width = self.size(heatmap_size, "heatmap_size")
        if self.input_size[0] * width != self.input_size[1] * height:
            raise ArgumentError(
                f"heatmap_size {heatmap_size} must have the shape of input_size {self.input_size} at some stride"
            )
        self.heatmap_size: Size = (height, width)
        self.stride = self.input_size[0] / height

    def to_config(self) -> dict[str, Any]:
        return super().to_config() | {"heatmap_size": list(self.heatmap_size)}

    def to_map(self, points: Tensor) -> Tensor:
        """Input pixels → heatmap pixels."""
        return heatmap.to_heatmap(points, self.stride)

    def to_input(self, points: Tensor) -> Tensor:
        """Heatmap pixels → input pixels."""
        return heatmap.to_input(points, self.stride)

    def _centres(self, points: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Where points lie on the maps, NaN where they do not count; and where they do, ``(N, K)``."""
        known = self.known(points, mask)
        points = heatmap.wide(points)
        height, width = self.input_size
        limit = points.new_tensor([width - 0.5, height - 0.5])
        known = known & ((points >= -0.5) & (points <= limit)).all(-1)
        return torch.where(known[..., None], self.to_map(points), torch.nan), known

    def _check(self, output: Tensor, per_point: int = 1) -> Tensor:
        """The output, at least float32, if it has the maps' size and a whole number of points."""
        if output.ndim != 4 or tuple(output.shape[-2:]) != self.heatmap_size or output.shape[1] % per_point:
            channels = "K" if per_point == 1 else f"{per_point} K"
            raise ArgumentError(
                f"{self.name}: expected output (N, {channels}, {self.heatmap_size}), got {tuple(output.shape)}"
            )
        return heatmap.wide(output)


class HeatmapCodec(GridCodec):
    """One map per point, learned from a drawn target and read at its peak; subclasses say how.

    The score comes from the peak's height.  A network that learns Gaussians by squared
    error, unsure of the place by tau per axis, gives their mean: a Gaussian of variance
    ``sigma^2 + tau^2`` whose peak is ``sigma^2 / (sigma^2 + tau^2)``; so the spread is
    ``sigma / sqrt(peak)``.  One that learns discs of radius r gives the probability that
    the point is within r of the cell, ``1 - exp(-r^2 / 2 tau^2)``; so the spread is
    ``r / sqrt(-2 log(1 - peak))``.

    Args:
        input_size: ``(H, W)`` of the input.
        heatmap_size: ``(h, w)`` of the network's maps.
        sigma: of the target Gaussian, in heatmap pixels.
        target: ``"gaussian"`` of peak 1, or ``"disc"``: the binary one.
        radius: of the disc, in heatmap pixels.
        loss: by default ``heatmap_mse`` for a Gaussian and ``heatmap_bce`` for a disc.  The map is
            the output itself with ``heatmap_mse``, ``heatmap_weighted_mse`` and ``adaptive_wing``, its
            sigmoid with ``heatmap_bce`` and ``heatmap_focal``, and its spatial softmax (the target then
            sums to 1) with ``heatmap_cross_entropy``, ``heatmap_kl`` and ``heatmap_js``.
        loss_options: the loss's own arguments.
        calibration: see :class:`Codec`.

    Raises:
        ArgumentError: an option is out of its range or choices.
    """

    def __init__(
        self,
        input_size: Size,
        heatmap_size: Size,
        sigma: float = 2.0,
        *,
        target: str = "gaussian",
        radius: float = 3.0,
        loss: str | None = None,
        loss_options: dict[str, Any] | None = None,
        calibration: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(input_size, heatmap_size, calibration)
        check.number(sigma, "sigma", above=0)
        if not check.number(radius, "radius", above=0) ** 2 >= 0.5:  # as heatmap.disc has it
            raise ArgumentError(f"radius must be at least sqrt(1/2) = 0.7072 heatmap pixels, got {radius}")
        if target not in TARGETS:
            raise ArgumentError(f"target: unknown {target!r}; choose one of: {', '.join(TARGETS)}")
        self.sigma, self.radius, self.target = float(sigma), float(radius), target
        self.loss_name = loss or ("heatmap_mse" if target == "gaussian" else "heatmap_bce")
        self.loss_options = dict(loss_options or {})
        self._loss = self.loss_function(self.loss_name, self.loss_options, LINKS)
        self._link = LINKS[self.loss_name]

    def to_config(self) -> dict[str, Any]:
        return super().to_config() | {
            "sigma": self.sigma,
            "target": self.target,
            "radius": self.radius,
            "loss": self.loss_name,
            "loss_options": self.loss_options,
        }

    def encode(self, points: Tensor, mask: Tensor | None = None) -> dict[str, Tensor]:
        """→ ``heatmap`` ``(N, K, h, w)`` (empty where masked), ``points`` and ``mask``."""
        centre, known = self._centres(points, mask)
        return {"heatmap": self._draw(centre), "points": points, "mask": known}

    def decode(self, output: Tensor) -> tuple[Tensor, Tensor]:
        maps = self._maps(self._check(output))
        cell, value = heatmap.peak(maps)
        return self.to_input(self._place(maps, cell)), self.score(self._log_spread(value))

    def log_spread(self, output: Tensor) -> Tensor:
        return self._log_spread(self._maps(self._check(output)).flatten(-2).amax(-1))

    def ideal_output(self, target: dict[str, Tensor]) -> Tensor:
        """The output whose map is the target's (its logit or logarithm, where the loss has a sigmoid or softmax)."""
        maps = target["heatmap"]
        if self._link == "softmax":
            return torch.log(maps.clamp_min(1e-30))
        return torch.logit(maps.double().clamp(1e-12, 1 - 1e-6)).to(maps.dtype) if self._link == "sigmoid" else maps

    def loss(self, output: Tensor, target: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"heatmap": self._loss(self._check(output), target["heatmap"], mask=target["mask"])}

    @abstractmethod
    def _place(self, maps: Tensor, cell: Tensor) -> Tensor:
        """Places ``(N, K, 2)`` in heatmap pixels, of maps whose highest cells are ``cell`` ``(N, K, 2)``."""

    def _draw(self, centre: Tensor) -> Tensor:
        """Target maps of centres ``(N, K, 2)`` in heatmap pixels."""
        if self.target == "disc":
            maps, _ = heatmap.disc(centre, self.heatmap_size, self.radius)
            return maps / maps.sum((-2, -1), keepdim=True).clamp_min(1) if self._link == "softmax" else maps
        normalize: Any = "sum" if self._link == "softmax" else "peak"
        return heatmap.gaussian(centre, self.heatmap_size, self.sigma, normalize=normalize)[0]

    def _maps(self, output: Tensor) -> Tensor:
        """What the output means: maps whose peak, where the network is sure, is about 1."""
        if self._link == "sigmoid":
            return torch.sigmoid(output)
        if self._link == "softmax":
            area = 2 * math.pi * self.sigma**2 if self.target == "gaussian" else math.pi * self.radius**2
            return heatmap.spatial_softmax(output) * area
        return output

    def _log_spread(self, value: Tensor) -> Tensor:
        if self.target == "gaussian":
            spread = self.sigma * value.clamp_min(1e-4).rsqrt()
        else:
            spread = self.radius * (-2 * torch.log1p(-value.clamp(1e-4, 1 - 1e-4))).rsqrt()
        return torch.log(spread / max(self.heatmap_size))
