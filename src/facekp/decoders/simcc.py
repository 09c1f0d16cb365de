"""SimCC: a classification of the column and one of the row."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .. import _arguments as check
from .. import heatmap, losses
from ..errors import ArgumentError
from .base import Codec, Size

__all__ = ["SimCC"]

READINGS = ("argmax", "expectation")


class SimCC(Codec):
    """Two one-dimensional distributions per point, over bins finer than a pixel.

    Li et al., "SimCC: a Simple Coordinate Classification Perspective for Human Pose
    Estimation", ECCV 2022.  Bin i of an axis with ``split`` bins per pixel has its centre at
    ``(i + 0.5) / split - 0.5`` input pixels.  The targets are Gaussians of sum 1 (the paper's
    label smoothing), the loss their cross-entropy to the output's softmax.  A point's spread is
    the standard deviation of its two distributions.

    Output: a vector ``(N, K L)``, or ``(N, K, L)``, of logits, ``L = split (W + H)``: of each point the
    columns, then the rows.

    Args:
        input_size: ``(H, W)`` of the input.
        split: bins per pixel.
        sigma: of the targets, in bins.
        reading: ``"argmax"``, the centre of the highest bin, as published; or ``"expectation"``.
        calibration: see :class:`Codec`.

    Raises:
        ArgumentError: an option is out of its range, or split does not give whole numbers of bins.
    """

    output = "vector"
    name = "simcc"

    def __init__(
        self,
        input_size: Size,
        split: float = 2.0,
        sigma: float = 6.0,
        *,
        reading: str = "argmax",
        calibration: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(input_size, calibration)
        check.number(split, "split", above=0)
        check.number(sigma, "sigma", above=0)
        height, width = (side * split for side in self.input_size)
        if height != int(height) or width != int(width):
            raise ArgumentError(f"split: {split} gives no whole number of bins on input_size {self.input_size}")
        if reading not in READINGS:
            raise ArgumentError(f"reading: unknown {reading!r}; choose one of: {', '.join(READINGS)}")
        self.split, self.sigma, self.reading = float(split), float(sigma), reading
        self.bins = (int(width), int(height))

    def channels(self, points: int) -> int:
        return points * sum(self.bins)

    def to_config(self) -> dict[str, Any]:
        return super().to_config() | {"split": self.split, "sigma": self.sigma, "reading": self.reading}

    def encode(self, points: Tensor, mask: Tensor | None = None) -> dict[str, Tensor]:
        """Points → target tensors; a point off the input is masked.

        Returns:
            ``x`` ``(N, K, split W)`` and ``y`` ``(N, K, split H)``, each summing to 1 (empty where
            masked); ``points`` and ``mask``.
        """
        known = self.known(points, mask)
        wide = heatmap.wide(points)
        limit = wide.new_tensor([self.input_size[1] - 0.5, self.input_size[0] - 0.5])
        known = known & ((wide >= -0.5) & (wide <= limit)).all(-1)
        place = torch.where(known[..., None], (wide + 0.5) * self.split - 0.5, torch.nan)
        x, y = (self._draw(place[..., i], length) for i, length in enumerate(self.bins))
        return {"x": x, "y": y, "points": points, "mask": known}

    def decode(self, output: Tensor) -> tuple[Tensor, Tensor]:
        parts = self._parts(output)
        means, spread = self._moments(parts)
        if self.reading == "argmax":
            means = torch.stack([part.argmax(-1).to(part.dtype) for part in parts], -1)
        return (means + 0.5) / self.split - 0.5, self.score(self._log_spread(spread))

    def log_spread(self, output: Tensor) -> Tensor:
        return self._log_spread(self._moments(self._parts(output))[1])

    def ideal_output(self, target: dict[str, Tensor]) -> Tensor:
        """The logarithm of the targets: their softmax is the target."""
        return torch.cat([target["x"], target["y"]], -1).clamp_min(1e-30).log().flatten(1)

    def loss(self, output: Tensor, target: dict[str, Tensor]) -> dict[str, Tensor]:
        return {
            axis: losses.heatmap_cross_entropy(part[..., None, :], target[axis][..., None, :], mask=target["mask"])
            for axis, part in zip("xy", self._parts(output), strict=True)
        }

    def _draw(self, place: Tensor, length: int) -> Tensor:
        flat = torch.stack([place, torch.zeros_like(place)], -1)
        return heatmap.gaussian(flat, (1, length), self.sigma, normalize="sum")[0][..., 0, :]

    def _moments(self, parts: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Mean ``(N, K, 2)`` and standard deviation per axis ``(N, K)``, in bins."""
        pairs = [heatmap.soft_argmax(part[..., None, :]) for part in parts]
        mean = torch.stack([pair[0][..., 0] for pair in pairs], -1)
        # Each is one axis of a flat map, whose spread is over two: sqrt(var / 2).
        return mean, (pairs[0][1] ** 2 + pairs[1][1] ** 2).sqrt()

    def _log_spread(self, spread: Tensor) -> Tensor:
        return torch.log(spread / max(self.bins) + 1e-4)

    def _parts(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of columns ``(N, K, split W)`` and rows ``(N, K, split H)``."""
        length = sum(self.bins)
        fits = output.shape[-1] == length if output.ndim == 3 else output.ndim == 2 and output.shape[1] % length == 0
        if not fits:
            raise ArgumentError(
                f"simcc: expected output (N, K * {length}) or (N, K, {length}), got {tuple(output.shape)}"
            )
        if output.ndim == 2:
            output = torch.unflatten(output, 1, (output.shape[1] // length, length))
        x, y = torch.split(heatmap.wide(output), list(self.bins), -1)
        return x, y
