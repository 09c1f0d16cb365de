"""Losses of points whose network also says how sure it is: the negative log-likelihood of the label."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..errors import ArgumentError
from .base import Reduction, check_least, reduce
from .points import difference

__all__ = ["gaussian_nll", "laplace_nll"]


def laplace_nll(
    pred: Tensor,
    target: Tensor,
    *,
    log_b: Tensor,
    mask: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: Reduction = "mean",
    min_log_b: float = -10.0,
) -> Tensor:
    """``ln(2 b) + |d| / b``: minus the log of a Laplace density, in nats per coordinate.

    The best ``b`` is the mean ``|d|`` (Kendall and Gal, "What Uncertainties Do We Need in Bayesian Deep Learning for
    Computer Vision?", 2017, use both densities so).

    When: the network predicts a spread beside each point. Robust like :func:`l1`; usually the better of the two.

    Args:
        pred: ``(..., K, 2)``.
        target: ``(..., K, 2)`` in the same unit; NaN where missing.
        log_b: ``(..., K)`` or ``(..., K, 2)``: the natural logarithm of ``b``, in the unit of the points.
        min_log_b: a smaller ``log_b`` counts as this one, so that a perfect point cannot make the loss infinite; the
            gradient still passes, and leads back where ``|d|`` is larger than that ``b``.
    """
    check_least("laplace_nll", -math.inf, min_log_b=min_log_b)
    error, known = difference("laplace_nll", pred, target, mask)
    log_b = _floor(_log_spread("laplace_nll: log_b", log_b, error, known), min_log_b)
    value = math.log(2) + log_b + error.abs() * torch.exp(-log_b)
    return reduce("laplace_nll", value.mean(-1), known, weight, reduction)


def gaussian_nll(
    pred: Tensor,
    target: Tensor,
    *,
    log_sigma: Tensor,
    mask: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: Reduction = "mean",
    min_log_sigma: float = -10.0,
) -> Tensor:
    """``ln(sigma) + ln(2 pi) / 2 + d^2 / (2 sigma^2)``: minus the log of a normal density, in nats per coordinate.

    The best ``sigma^2`` is the mean ``d^2`` (Nix and Weigend, "Estimating the mean and variance of the target
    probability distribution", 1994).

    When: as :func:`laplace_nll`, where a variance is wanted and outliers are few.

    Args:
        pred: ``(..., K, 2)``.
        target: ``(..., K, 2)`` in the same unit; NaN where missing.
        log_sigma: ``(..., K)`` or ``(..., K, 2)``: the natural logarithm of ``sigma``, in the unit of the points.
        min_log_sigma: a smaller ``log_sigma`` counts as this one; the gradient still passes, and leads back where
            ``|d|`` is larger than that ``sigma``.
    """
    check_least("gaussian_nll", -math.inf, min_log_sigma=min_log_sigma)
    error, known = difference("gaussian_nll", pred, target, mask)
    log_sigma = _floor(_log_spread("gaussian_nll: log_sigma", log_sigma, error, known), min_log_sigma)
    value = log_sigma + math.log(2 * math.pi) / 2 + error**2 * torch.exp(-2 * log_sigma) / 2
    return reduce("gaussian_nll", value.mean(-1), known, weight, reduction)


def _log_spread(what: str, values: Tensor, error: Tensor, known: Tensor) -> Tensor:
    """``(..., K, 1)`` or ``(..., K, 2)``, 0 where there is no label."""
    if not isinstance(values, Tensor):
        raise ArgumentError(f"{what} must be a tensor, got {type(values).__name__}")
    if values.shape == known.shape:
        values = values[..., None]
    elif values.shape != error.shape:
        raise ArgumentError(
            f"{what} must be (..., K) or (..., K, 2) as pred {tuple(error.shape)}, got {tuple(values.shape)}"
        )
    values = values.to(error.dtype)
    return torch.where(known[..., None], values, torch.zeros_like(values))


def _floor(values: Tensor, least: float) -> Tensor:
    """At least ``least``; the gradient is untouched."""
    return values + (values.clamp_min(least) - values).detach()
