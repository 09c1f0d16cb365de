"""For engine: how large the numbers are that a network computes, for integers to stand for them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from . import _arguments as check
from ._fusing import fused
from ._onnxgraph import CannotRecordError, ranges_of
from .errors import ArgumentError

__all__ = ["check_weights", "ranges"]


def ranges(network: nn.Module, batches: Iterable[Tensor]) -> list[tuple[float, float]]:
    """The ranges that ``precision="int8"`` needs: the least and the largest value of each map that will be integers.

    Args:
        network: on the CPU; it is put into evaluation mode.
        batches: inputs ``(N, C, H, W)`` as in use, float32, all of one size, some hundred in all.

    Returns:
        One pair for each map, in the network's order.

    Raises:
        ArgumentError: the network does what cannot be recorded as an ONNX graph, or makes numbers that are not finite;
            or the inputs are not such batches, or there are none.
    """
    given = [batch for batch in map(_batch, batches) if len(batch)]
    if not given:
        raise ArgumentError("batches: expected some inputs, got none")
    try:
        check_weights(network)
        found = ranges_of(fused(network.eval(), given[0][:1]), given)
    except CannotRecordError as error:
        raise ArgumentError(f"network: {error}; it cannot be run in integers") from None
    if not check.are_ranges(found):
        raise ArgumentError("network: what it makes of these batches is not finite, or beyond 1e30: has it diverged?")
    return found


def _batch(given: Any) -> Tensor:
    if not isinstance(given, Tensor) or given.ndim != 4 or given.dtype != torch.float32:
        got = f"{tuple(given.shape)} {given.dtype}" if isinstance(given, Tensor) else type(given).__name__
        raise ArgumentError(f"batches: expected tensors (N, C, H, W) of float32, got {got}")
    if not given.isfinite().all():
        raise ArgumentError("batches: expected finite numbers, got NaN or infinity")
    return given


def check_weights(network: nn.Module) -> None:
    """Raises CannotRecordError where weights are of another type than those of the graphs."""
    for kind in {p.dtype for p in network.parameters()} - {torch.float32}:
        raise CannotRecordError(f"the network has weights of {kind}, and torch.float32 alone is recorded")
