"""Losses by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from .._arguments import options_of
from ..errors import ArgumentError, unknown_name
from . import modules
from .modules import Loss

__all__ = ["LOSSES", "create", "names"]

_MODULES: dict[str, type[Loss]] = {
    "mse": modules.MSE,
    "l1": modules.L1,
    "smooth_l1": modules.SmoothL1,
    "wing": modules.Wing,
    "soft_wing": modules.SoftWing,
    "rectified_wing": modules.RectifiedWing,
    "laplace_nll": modules.LaplaceNLL,
    "gaussian_nll": modules.GaussianNLL,
    "star": modules.STAR,
    "heatmap_mse": modules.HeatmapMSE,
    "heatmap_weighted_mse": modules.HeatmapWeightedMSE,
    "heatmap_bce": modules.HeatmapBCE,
    "heatmap_focal": modules.HeatmapFocal,
    "heatmap_cross_entropy": modules.HeatmapCrossEntropy,
    "heatmap_kl": modules.HeatmapKL,
    "heatmap_js": modules.HeatmapJS,
    "adaptive_wing": modules.AdaptiveWing,
    "dsnt_regulariser": modules.DSNTRegulariser,
}

#: The functions by name.
LOSSES: dict[str, Callable[..., Tensor]] = {name: module.function for name, module in _MODULES.items()}


def names() -> list[str]:
    """The names that :func:`create` knows."""
    return sorted(LOSSES)


def create(name: str, **options: Any) -> Loss:
    """A loss by name, as a module.

    Args:
        name: one of :func:`names`.
        options: the loss's own, e.g. ``w=5.0, reduction="sum"``.

    Raises:
        ArgumentError: unknown name (the choices are listed), or an option that the loss does not have or take.
    """
    if name not in _MODULES:
        raise unknown_name("loss", name, _MODULES)
    try:
        return _MODULES[name](**options)
    except TypeError as error:
        raise ArgumentError(f"loss {name}: {options_of(_MODULES[name], error)}") from None
