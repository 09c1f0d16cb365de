"""What all losses share: checks, the label mask, and the reduction."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor

from ..errors import ArgumentError, unknown_name

__all__ = ["Reduction"]

#: ``"mean"``: over the labelled points, weighted; ``"sum"``: of the weighted losses; ``"none"``: one number per point.
Reduction = Literal["mean", "sum", "none"]


def reduce(name: str, values: Tensor, mask: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    """One loss per point becomes what the caller asked for; what is masked adds nothing, not even a NaN.

    Args:
        name: of the loss, for messages.
        values: ``(..., K)``.
        mask: ``(..., K)`` bool, True where labelled.
        weight: of each point, of a shape that broadcasts to ``(..., K)``; None is 1 everywhere.
        reduction: ``"mean"`` is ``sum(w l) / sum(w)`` over the labelled points (0 where ``sum(w)`` is 0),
            ``"sum"`` is ``sum(w l)``, ``"none"`` is ``w l`` ``(..., K)`` with 0 where masked.
    """
    check_reduction(name, reduction)
    total = mask.sum().clamp_min(1)
    values = torch.where(mask, values, torch.zeros_like(values))
    if weight is not None:
        weight = torch.where(mask, _weights(name, weight, values), torch.zeros_like(values))
        values, total = weight * values, weight.sum()
        total = torch.where(total > 0, total, torch.ones_like(total))
    if reduction == "none":
        return values
    return values.sum() / total if reduction == "mean" else values.sum()


def check_reduction(name: str, reduction: str) -> None:
    """Raises where the reduction is not one of :data:`Reduction`."""
    if reduction not in get_args(Reduction):
        raise unknown_name(f"reduction of {name}", reduction, get_args(Reduction))


def check_positive(name: str, **options: float) -> None:
    """Raises for the first option that is not a positive number."""
    for option, value in options.items():
        if not (isinstance(value, (int, float)) and 0 < value < math.inf):
            raise ArgumentError(f"{name}: {option} must be positive, got {value}")


def check_least(name: str, least: float, **options: float) -> None:
    """Raises for the first option that is not a finite number of at least ``least``."""
    for option, value in options.items():
        if not (isinstance(value, (int, float)) and math.isfinite(value) and value >= least):
            limit = f"{least:g} or more" if least > -math.inf else "a finite number"
            raise ArgumentError(f"{name}: {option} must be {limit}, got {value!r}")


def check_tensor(name: str, argument: str, value: Tensor) -> None:
    """Raises where it is an array or a list."""
    if not isinstance(value, Tensor):
        raise ArgumentError(f"{name}: {argument} must be a tensor, got {type(value).__name__}")


def check_pair(name: str, pred: Tensor, target: Tensor) -> None:
    """Raises where ``pred`` is not of floats, or ``target`` does not have its shape."""
    check_tensor(name, "pred", pred)
    check_tensor(name, "target", target)
    if not pred.is_floating_point():
        raise ArgumentError(f"{name}: pred must hold floating-point numbers, got {pred.dtype}")
    if pred.shape != target.shape:
        raise ArgumentError(
            f"{name}: target must have the shape of pred {tuple(pred.shape)}, got {tuple(target.shape)}"
        )


def label_mask(name: str, mask: Tensor | None, like: Tensor) -> Tensor:
    """The mask, checked against one value per point ``like`` ``(..., K)``; all True where there is none."""
    if mask is None:
        return torch.ones(like.shape, dtype=torch.bool, device=like.device)
    check_tensor(name, "mask", mask)
    if mask.dtype != torch.bool:
        raise ArgumentError(f"{name}: mask must be of torch.bool, True where labelled, got {mask.dtype}")
    if mask.shape != like.shape:
        raise ArgumentError(f"{name}: mask must be (..., K) = {tuple(like.shape)}, got {tuple(mask.shape)}")
    return mask


def at_least_float32(values: Tensor) -> Tensor:
    """Half precision is computed in float32: squares and sums over pixels overflow at 65504."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _weights(name: str, weight: Tensor, values: Tensor) -> Tensor:
    check_tensor(name, "weight", weight)
    try:
        return weight.to(values.dtype).expand(values.shape)
    except RuntimeError:
        shape = tuple(values.shape)
        raise ArgumentError(f"{name}: weight must broadcast to (..., K) = {shape}, got {tuple(weight.shape)}") from None
