"""The losses as modules: each holds its options, and calls the function of its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from . import distributions, heatmaps, points, spread
from .base import Reduction, check_reduction

__all__ = [
    "L1",
    "MSE",
    "STAR",
    "AdaptiveWing",
    "DSNTRegulariser",
    "GaussianNLL",
    "HeatmapBCE",
    "HeatmapCrossEntropy",
    "HeatmapFocal",
    "HeatmapJS",
    "HeatmapKL",
    "HeatmapMSE",
    "HeatmapWeightedMSE",
    "LaplaceNLL",
    "Loss",
    "RectifiedWing",
    "SmoothL1",
    "SoftWing",
    "Wing",
]

Shapes = Mapping[str, tuple[int, ...]]

_POINTS: Shapes = {"pred": (0, 1, 2), "target": (0, 1, 2)}
_MAPS: Shapes = {"pred": (0, 1, 1, 1), "target": (0, 1, 1, 1)}
_MAP_AND_POINT: Shapes = {"pred": (0, 1, 1, 1), "target": (0, 1, 2)}


class Loss(nn.Module):
    """Base of the modules.

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        options: the function's own.

    Raises:
        ArgumentError: an option has a value that the function does not take.
    """

    function: ClassVar[Callable[..., Tensor]]
    #: The shapes of a batch without samples.
    empty: ClassVar[Shapes] = _POINTS

    def __init__(self, reduction: Reduction = "mean", **options: float | bool) -> None:
        super().__init__()
        check_reduction(type(self).__name__, reduction)
        self.reduction: Reduction = reduction
        self.options = options
        # A wrong option is found here, not at the first batch.
        self(**{name: torch.zeros(shape) for name, shape in self.empty.items()})

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        mask: Tensor | None = None,
        weight: Tensor | None = None,
        **inputs: Tensor,
    ) -> Tensor:
        """The loss; what else the function takes (``log_b``) is given by name."""
        return self.function(pred, target, mask=mask, weight=weight, reduction=self.reduction, **self.options, **inputs)

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in {**self.options, "reduction": self.reduction}.items())


class MSE(Loss):
    """:func:`mse` as a module."""

    function = staticmethod(points.mse)

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        super().__init__(reduction)


class L1(Loss):
    """:func:`l1` as a module."""

    function = staticmethod(points.l1)

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        super().__init__(reduction)


class SmoothL1(Loss):
    """:func:`smooth_l1` as a module."""

    function = staticmethod(points.smooth_l1)

    def __init__(self, *, beta: float = 1.0, reduction: Reduction = "mean") -> None:
        super().__init__(reduction, beta=beta)


class Wing(Loss):
    """:func:`wing` as a module."""

    function = staticmethod(points.wing)

    def __init__(self, *, w: float = 10.0, epsilon: float = 2.0, reduction: Reduction = "mean") -> None:
        super().__init__(reduction, w=w, epsilon=epsilon)


class SoftWing(Loss):
    """:func:`soft_wing` as a module."""

    function = staticmethod(points.soft_wing)

    def __init__(
        self, *, omega1: float = 2.0, omega2: float = 20.0, epsilon: float = 0.5, reduction: Reduction = "mean"
    ) -> None:
        super().__init__(reduction, omega1=omega1, omega2=omega2, epsilon=epsilon)


class RectifiedWing(Loss):
    """:func:`rectified_wing` as a module."""

    function = staticmethod(points.rectified_wing)

    def __init__(self, *, r: float = 0.5, w: float = 10.0, epsilon: float = 2.0, reduction: Reduction = "mean") -> None:
        super().__init__(reduction, r=r, w=w, epsilon=epsilon)


class LaplaceNLL(Loss):
    """:func:`laplace_nll` as a module; ``log_b`` is given to the call."""

    function = staticmethod(spread.laplace_nll)
    empty: ClassVar[Shapes] = {**_POINTS, "log_b": (0, 1)}

    def __init__(self, *, min_log_b: float = -10.0, reduction: Reduction = "mean") -> None:
        super().__init__(reduction, min_log_b=min_log_b)


class GaussianNLL(Loss):
    """:func:`gaussian_nll` as a module; ``log_sigma`` is given to the call."""

    function = staticmethod(spread.gaussian_nll)
    empty: ClassVar[Shapes] = {**_POINTS, "log_sigma": (0, 1)}

    def __init__(self, *, min_log_sigma: float = -10.0, reduction: Reduction = "mean") -> None:
        super().__init__(reduction, min_log_sigma=min_log_sigma)


class STAR(Loss):
    """:func:`star` as a module."""

    function = staticmethod(distributions.star)
    empty = _MAP_AND_POINT

    def __init__(
        self,
        w: float = 1.0,
        beta: float = 0.01,
        epsilon: float = 1e-5,
        detach: bool = False,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(reduction, w=w, beta=beta, epsilon=epsilon, detach=detach)


class HeatmapMSE(Loss):
    """:func:`heatmap_mse` as a module."""

    function = staticmethod(heatmaps.heatmap_mse)
    empty = _MAPS

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        super().__init__(reduction)


class HeatmapWeightedMSE(Loss):
    """:func:`heatmap_weighted_mse` as a module."""

    function = staticmethod(heatmaps.heatmap_weighted_mse)
    empty = _MAPS

    def __init__(self, *, foreground: float = 10.0, threshold: float = 0.2, reduction: Reduction = "mean") -> None:
        super().__init__(reduction, foreground=foreground, threshold=threshold)


class HeatmapBCE(Loss):
    """:func:`heatmap_bce` as a module."""

    function = staticmethod(heatmaps.heatmap_bce)
    empty = _MAPS

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        super().__init__(reduction)


class HeatmapFocal(Loss):
    """:func:`heatmap_focal` as a module."""

    function = staticmethod(heatmaps.heatmap_focal)
    empty = _MAPS

    def __init__(self, *, alpha: float = 2.0, beta: float = 4.0, reduction: Reduction = "mean") -> None:
        super().__init__(reduction, alpha=alpha, beta=beta)


class HeatmapCrossEntropy(Loss):
    """:func:`heatmap_cross_entropy` as a module."""

    function = staticmethod(distributions.heatmap_cross_entropy)
    empty = _MAPS

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        super().__init__(reduction)


class HeatmapKL(Loss):
    """:func:`heatmap_kl` as a module."""

    function = staticmethod(distributions.heatmap_kl)
    empty = _MAPS

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        super().__init__(reduction)


class HeatmapJS(Loss):
    """:func:`heatmap_js` as a module."""

    function = staticmethod(distributions.heatmap_js)
    empty = _MAPS

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        super().__init__(reduction)


class AdaptiveWing(Loss):
    """:func:`adaptive_wing` as a module."""

    function = staticmethod(heatmaps.adaptive_wing)
    empty = _MAPS

    def __init__(
        self,
        *,
        alpha: float = 2.1,
        omega: float = 14.0,
        epsilon: float = 1.0,
        theta: float = 0.5,
        foreground: float = 10.0,
        threshold: float = 0.2,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(
            reduction,
            alpha=alpha,
            omega=omega,
            epsilon=epsilon,
            theta=theta,
            foreground=foreground,
            threshold=threshold,
        )


class DSNTRegulariser(Loss):
    """:func:`dsnt_regulariser` as a module."""

    function = staticmethod(distributions.dsnt_regulariser)
    empty = _MAP_AND_POINT

    def __init__(self, *, sigma: float = 1.0, reduction: Reduction = "mean") -> None:
        super().__init__(reduction, sigma=sigma)
