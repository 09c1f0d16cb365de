"""How a spread becomes a probability: fitted once, on faces that training has not seen."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["fit"]


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
    x = log_spread.detach().double().cpu()
    known = torch.isfinite(x)
    x = torch.where(known, x, torch.zeros_like(x))
    y = (right.cpu() & known).double()
    centre, count = x[known].mean(), known.sum().double()
    slope = torch.tensor(-1.0, dtype=torch.float64, requires_grad=True)
    common = torch.zeros((), dtype=torch.float64, requires_grad=True)
    own = torch.zeros(x.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([slope, common, own], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        logits = common + own + slope * (x - centre)
        cost = torch.nn.functional.binary_cross_entropy_with_logits(logits, y, reduction="none")
        loss = (torch.where(known, cost, torch.zeros_like(cost)).sum() + 0.5 * ridge * own.square().sum()) / count
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    bias = (common + own - slope * centre).detach()
    return {"slope": round(float(slope.detach()), 5), "bias": [round(float(b), 5) for b in bias]}
