"""How a spread becomes a probability, and an expected error: fitted once, on faces that training has not seen."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import ArgumentError

__all__ = ["check", "fit", "fit_error", "logit"]

Array = npt.NDArray[Any]


def check(calibration: Any, points: int | None = None) -> None:
    """Whether it is ``{"slope": float, "bias": [float, ...]}``, and perhaps ``"error"``, the same again.

    Args:
        calibration: of a codec.
        points: how many there are: a bias is one number for all of them, or one for each; None: that is not known.

    Raises:
        ArgumentError: it is not; the message names the key.
    """
    _check(calibration, "calibration", ("slope", "bias", "error"), points)
    if calibration.get("error") is not None:
        _check(calibration["error"], "calibration.error", ("slope", "bias"), points)


def _check(table: Any, where: str, known: tuple[str, ...], points: int | None) -> None:
    if not isinstance(table, Mapping) or not {"slope", "bias"} <= set(table) <= set(known):
        said = ", ".join(map(str, table)) if isinstance(table, Mapping) else f"{table!r:.80}"
        raise ArgumentError(f"{where}: expected slope and bias, got {said or 'nothing'}")
    if not _is_finite(table["slope"]):
        raise ArgumentError(f"{where}.slope: expected a finite number, got {table['slope']!r:.80}")
    bias = table["bias"]
    if not isinstance(bias, (list, tuple)) or not bias or not all(map(_is_finite, bias)):
        raise ArgumentError(f"{where}.bias: expected a list of finite numbers, got {bias!r:.80}")
    if points is not None and len(bias) not in (1, points):
        raise ArgumentError(f"{where}.bias: expected 1 number, or one for each of {points} points, got {len(bias)}")


def _is_finite(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)


def logit(probability: Any) -> Array:
    """``log(p / (1 - p))``, finite: probabilities are kept a millionth away from 0 and 1."""
    inside = np.clip(probability, 1e-6, 1 - 1e-6)
    out: Array = np.log(inside) - np.log1p(-inside)
    return out


def fit(log_spread: Tensor, right: Tensor, *, ridge: float = 2.0) -> dict[str, Any]:
    """Fit ``P(right) = sigmoid(bias_k + slope * log_spread)`` by maximum likelihood.

    One slope for all points, one bias for each, held together by a ridge so that a
    point with few examples stays near the others (Platt, "Probabilistic outputs for
    support vector machines", 1999, with a bias per point).

    Args:
        log_spread: ``(N, K)`` from :meth:`facekp.decoders.Codec.log_spread`.
        right: ``(N, K)`` bool; NaN spreads are left out.
        ridge: pull of each bias towards their common mean, in units of examples.

    Returns:
        ``{"slope": float, "bias": [float] * K}`` for :class:`facekp.decoders.Codec`.
    """
    y = right.double().cpu()

    def cost(logits: Tensor, known: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, torch.where(known, y, 0), reduction="none")

    return _fitted(log_spread, cost, -1.0, ridge)


def fit_error(log_spread: Tensor, error: Tensor, *, ridge: float = 2.0) -> dict[str, Any]:
    """Fit ``E(error) = exp(bias_k + slope * log_spread)``, by the likelihood of an exponential distribution.

    Args:
        log_spread: ``(N, K)`` from :meth:`facekp.decoders.Codec.log_spread`.
        error: ``(N, K)`` distances from the truth, as a share of the input's longer side; NaN where unknown.
        ridge: as of :func:`fit`.

    Returns:
        ``{"slope": float, "bias": [float] * K}``: what :meth:`facekp.decoders.Codec.expected_error` reads.
    """
    y = error.double().cpu()
    spread = torch.where(torch.isfinite(y), log_spread.detach().cpu(), torch.nan)

    def cost(logits: Tensor, known: Tensor) -> Tensor:
        return logits + torch.where(known, y, 0) * torch.exp(-logits)

    return _fitted(spread, cost, 1.0, ridge)


def _fitted(log_spread: Tensor, cost: Callable[[Tensor, Tensor], Tensor], start: float, ridge: float) -> dict[str, Any]:
    """The slope and biases of least mean cost of ``bias_k + slope * log_spread``."""
    x = log_spread.detach().double().cpu()
    known = torch.isfinite(x)
    x = torch.where(known, x, torch.zeros_like(x))
    centre, count = x[known].mean(), known.sum().double()
    slope = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    common = torch.zeros((), dtype=torch.float64, requires_grad=True)
    own = torch.zeros(x.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([slope, common, own], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        costs = cost(common + own + slope * (x - centre), known)
        loss = (torch.where(known, costs, torch.zeros_like(costs)).sum() + 0.5 * ridge * own.square().sum()) / count
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    bias = (common + own - slope * centre).detach()
    return {"slope": round(float(slope.detach()), 5), "bias": [round(float(b), 5) for b in bias]}
