"""What a codec is: one object that encodes labels in training and decodes outputs in use."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from inspect import signature
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .. import _arguments as check
from .. import losses
from ..errors import ArgumentError, unknown_name
from .calibration import check as check_calibration

__all__ = ["Codec"]

Array = npt.NDArray[Any]
Size = tuple[int, int]

#: Losses between points that any codec may take.
POINT_LOSSES = ("l1", "mse", "rectified_wing", "smooth_l1", "soft_wing", "wing")


class Codec(ABC):
    """Between points in input pixels and a network's output.

    Args:
        input_size: ``(H, W)`` of the network's input, in pixels.
        calibration: ``{"slope": float, "bias": [float] * K or [float]}``: how a point's
            spread becomes a probability (see :meth:`score`); and perhaps ``"error"``, the same again: how it becomes
            an expected error (see :meth:`expected_error`).  Fitted after training.

    Raises:
        ArgumentError: a size is not two positive numbers, or the calibration is not of this form.
    """

    #: What the network's output must be: ``"heatmap"`` ``(N, C, h, w)`` or ``"vector"`` ``(N, C)``;
    #: C is :meth:`channels`.
    output: str = ""
    #: The key of this class in :data:`facekp.decoders.CODECS`.
    name: str = ""
    #: Whether the constructor wants the schema's ``mean_shape``, which training then gives it.
    uses_mean_shape: bool = False
    #: Whether scores tell one output from another; where not, a point always has the same.
    rates: bool = True

    @property
    def portable(self) -> bool:
        """Whether :meth:`read` is made of operations that ONNX Runtime and OpenCV have, so that an engine runs it."""
        return False

    def __init__(self, input_size: Size, calibration: dict[str, Any] | None = None) -> None:
        self.input_size = self.size(input_size, "input_size")
        if calibration is None:
            calibration = {"slope": -4.0, "bias": [-14.0]}
        check_calibration(calibration)
        self.calibration = calibration

    def channels(self, points: int) -> int:
        """How many channels (of a heatmap output) or numbers (of a vector) the network gives for ``points`` points."""
        return points

    def check_points(self, points: int) -> None:
        """Raises ArgumentError where the calibration, or the codec, is that of another number of points."""
        self.channels(points)
        check_calibration(self.calibration, points)

    @abstractmethod
    def encode(self, points: Tensor, mask: Tensor | None = None) -> dict[str, Tensor]:
        """Points ``(N, K, 2)`` in input pixels → target tensors; always with ``points`` and ``mask``."""

    @abstractmethod
    def decode(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """The network's output → points ``(N, K, 2)`` in input pixels, scores ``(N, K)`` in [0, 1]."""

    def read(self, output: Tensor) -> Tensor:
        """The network's output → ``(N, K, 3)``: x and y in input pixels, and :meth:`log_spread`."""
        return torch.cat([self.decode(output)[0], self.log_spread(output).unsqueeze(-1)], -1)

    @abstractmethod
    def ideal_output(self, target: dict[str, Tensor]) -> Tensor:
        """The network output that means exactly this target."""

    @abstractmethod
    def loss(self, output: Tensor, target: dict[str, Tensor]) -> dict[str, Tensor]:
        """Named parts of the default loss, to be summed; masked points add nothing."""

    @abstractmethod
    def log_spread(self, output: Tensor) -> Tensor:
        """``(N, K)`` natural log of a point's uncertainty as a share of the input's longer side."""

    def score(self, log_spread: Tensor) -> Tensor:
        """Probability that a point is right: ``sigmoid(bias_k + slope * log_spread)``."""
        bias = _tensor(self.calibration["bias"], log_spread.device)
        return torch.sigmoid(bias + float(self.calibration["slope"]) * log_spread)

    def scores_of(self, log_spread: Array) -> Array:
        """:meth:`score` by numpy, which takes a fifth of the time for the points of one face.

        Args:
            log_spread: ``(N, K)`` float32.

        Returns:
            ``(N, K)`` float32.
        """
        logit = np.asarray(self.calibration["bias"], np.float32) + float(self.calibration["slope"]) * log_spread
        scores: Array = 1 / (1 + np.exp(-np.clip(logit, -80, 80)))
        return scores

    def expected_error(self, scores: Tensor) -> Tensor | None:
        """How far off points of these scores are to be expected.

        A score and an expected error are two readings of one spread: the score says what that was.  The error is
        ``exp(bias_k + slope * log_spread)`` of the input's longer side.

        Args:
            scores: ``(N, K)`` of :meth:`decode`.

        Returns:
            ``(N, K)`` in input pixels; None where that was never fitted.
        """
        fitted = self.calibration.get("error")
        if fitted is None:
            return None
        # By numpy: for the points of one face PyTorch takes five times as long, and its logit wakes all threads, which
        # spin on in the way of an engine's.
        inner = np.clip(scores.detach().float().cpu().numpy(), 1e-6, 1 - 1e-6)
        score_bias, bias = (np.asarray(c["bias"], np.float32) for c in (self.calibration, fitted))
        slope = float(self.calibration["slope"])
        spread = (np.log(inner / (1 - inner)) - score_bias) / slope if slope else np.zeros_like(inner)
        errors = np.exp(bias + float(fitted["slope"]) * spread) * max(self.input_size)
        return torch.from_numpy(errors).to(scores.device)

    def to_config(self) -> dict[str, Any]:
        """Plain data that :func:`facekp.decoders.from_config` turns back into this codec."""
        return {"name": self.name, "input_size": list(self.input_size), "calibration": self.calibration}

    @staticmethod
    def loss_function(name: str, options: Mapping[str, Any], choices: Iterable[str]) -> Callable[..., Tensor]:
        """A loss of :data:`facekp.losses.LOSSES` with its own arguments bound.

        Args:
            name: one of ``choices``.
            options: the loss's own arguments.
            choices: names that suit the codec.

        Raises:
            ArgumentError: another name (the choices are listed), or an option that the loss does not have.
        """
        if name not in choices:
            raise unknown_name("loss", name, choices)
        function = losses.LOSSES[name]
        parameters = signature(function).parameters.values()
        known = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY} - {"mask", "weight", "reduction"}
        if wrong := sorted(set(options) - known):
            has = ", ".join(sorted(known)) or "none"
            raise ArgumentError(f"loss {name}: unknown option {', '.join(wrong)}; it has: {has}")
        return partial(function, **options)

    @staticmethod
    def size(value: Size, argument: str) -> Size:
        """``(H, W)`` as two positive whole numbers.

        Raises:
            ArgumentError: it is anything else.
        """
        try:
            height, width = (int(v) for v in value)
        except (TypeError, ValueError):
            height = width = 0
        if height < 1 or width < 1 or (height, width) != tuple(value):
            raise ArgumentError(f"{argument}: expected two positive numbers (H, W), whole pixels, got {value!r}")
        return height, width

    @staticmethod
    def known(points: Tensor, mask: Tensor | None) -> Tensor:
        """``(N, K)`` bool: labelled, and not masked out."""
        if not isinstance(points, Tensor) or not points.is_floating_point():
            raise ArgumentError(f"encode: points must be a tensor of floats, got {check.shown(points)}")
        if points.shape[-1:] != (2,):
            raise ArgumentError(f"encode: points must be (..., K, 2), got {tuple(points.shape)}")
        if mask is not None and (not isinstance(mask, Tensor) or mask.dtype != torch.bool):
            raise ArgumentError(f"encode: mask must be a tensor of torch.bool, got {check.shown(mask)}")
        finite = torch.isfinite(points).all(-1)
        return finite if mask is None else finite & mask


def _tensor(numbers: Sequence[float], device: torch.device) -> Tensor:
    """By way of numpy, which takes a list in a quarter of the time; scores are made for every face."""
    return torch.from_numpy(np.asarray(numbers, np.float32)).to(device)
