"""For Detector: crops in, points and scores out."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from .decoders import Codec
from .engine import Engine, single
from .errors import ArgumentError
from .preprocessing import equalised, network_input, planes
from .schema import KeypointSchema

__all__ = ["Predictor", "Reading"]

Array = npt.NDArray[Any]

PIECE = 16  # crops that a CPU works on at once: more are hardly faster, and their maps need much memory


class Reading(nn.Module):
    """A network and what reads its output, for an engine to run both."""

    def __init__(self, network: nn.Module, codec: Codec) -> None:
        super().__init__()
        self.network, self.codec = network, codec

    def forward(self, inputs: Tensor) -> Tensor:
        return self.codec.read(single(self.network(inputs)))


class Predictor:
    """The network with what comes before and after it; what they are is its subclass's."""

    schema: KeypointSchema
    codec: Codec
    network: nn.Module
    engine: Engine | None
    device: torch.device
    crop_size: tuple[int, int]
    mean: float
    std: float
    clahe: float
    grey: bool
    mirror: bool

    @torch.inference_mode()
    def predict(self, crops: Array) -> tuple[Array, Array]:
        """The network and its codec alone, on the crops and, with ``mirror``, on their mirror images.

        Args:
            crops: ``(N, H, W, 3)`` RGB uint8 of the model's crop size.

        Returns:
            points ``(N, K, 2)`` in crop pixels and scores ``(N, K)``, float32.
        """
        crops, expected = np.asarray(crops), (*self.crop_size, 3)
        if crops.ndim != 4 or crops.shape[1:] != expected or crops.dtype != np.uint8:
            raise ArgumentError(f"crops: expected (N, {expected}) uint8, got {crops.shape} {crops.dtype}")
        few = PIECE if self.device.type == "cpu" else max(len(crops), 1)
        parts = [self._both_ways(crops[i : i + few]) for i in range(0, max(len(crops), 1), few)]
        if len(parts) == 1:
            return parts[0]
        return np.concatenate([points for points, _ in parts]), np.concatenate([scores for _, scores in parts])

    def _both_ways(self, crops: Array) -> tuple[Array, Array]:
        points, scores = self._decoded(crops)
        if self.mirror and self.schema.mirror is not None:
            others, theirs = self._decoded(np.ascontiguousarray(crops[:, :, ::-1]))
            points = (points + self.schema.mirrored(others, self.crop_size[1])) / 2
            scores = (scores + theirs[:, list(self.schema.mirror)]) / 2
        return points, scores

    def _decoded(self, crops: Array) -> tuple[Array, Array]:
        inputs = self._input(crops)
        if self.engine is None:
            points, scores = self.codec.decode(single(self.network(inputs)))
        elif self.codec.portable:
            read = self.engine(inputs)
            values = read.float().cpu().numpy()
            return values[..., :2], self.codec.scores_of(values[..., 2])
        else:
            points, scores = self.codec.decode(self.engine(inputs))
        return points.float().cpu().numpy(), scores.float().cpu().numpy()

    def _input(self, crops: Array) -> Tensor:
        if self.clahe:
            crops = np.stack([equalised(crop, self.clahe, grey=self.grey) for crop in crops])
        if len(crops) and not self.grey and self.engine is not None and self.engine.by(len(crops)) != "torch":
            return planes(crops, self.mean, self.std).to(self.device)
        batch = torch.from_numpy(crops).to(self.device).permute(0, 3, 1, 2)
        return network_input(batch, self.mean, self.std, grey=self.grey)
