"""What a network costs: the numbers that it holds, and the multiplications of one picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .sizes import checked_size

__all__ = ["Cost", "cost", "parameters"]


class Cost(NamedTuple):
    """A network's price.

    Attributes:
        parameters: learned numbers.
        macs: multiply-accumulate operations for one picture (a FLOP count is twice that).
    """

    parameters: int
    macs: int


def parameters(network: nn.Module) -> int:
    """How many numbers a network has learned."""
    return sum(p.numel() for p in network.parameters())


def cost(network: nn.Module, size: tuple[int, int]) -> Cost:
    """Count a network's parameters, and the multiplications of its convolutions and linear layers.

    One picture of zeros goes through the network; on the device ``meta`` nothing is computed or allocated.
    Norms, activations, pooling and interpolation are left out, as usual.

    Args:
        network: with an attribute ``in_channels`` (3 is assumed without).
        size: ``(H, W)`` of the input.

    Raises:
        ArgumentError: the size is not two positive numbers, or not one that the network takes.
    """
    height, width = checked_size(size)
    counts: list[int] = []
    counted = [m for m in network.modules() if isinstance(m, tuple(RULES))]
    hooks = [m.register_forward_hook(_counter(counts)) for m in counted]
    was_training = network.training
    first = next(network.parameters(), None)
    device = torch.device("cpu") if first is None else first.device
    dtype = torch.float32 if first is None else first.dtype
    try:
        with torch.inference_mode():
            network.eval()(
                torch.zeros(1, getattr(network, "in_channels", 3), height, width, device=device, dtype=dtype)
            )
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    return Cost(parameters(network), sum(counts))


def _counter(counts: list[int]) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
    def count(layer: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        rule = next(rule for kind, rule in RULES.items() if isinstance(layer, kind))
        counts.append(rule(layer, inputs[0], output))

    return count


def _conv(layer: Any, _: Tensor, output: Tensor) -> int:
    return output.numel() * int(layer.weight[0].numel())


def _transposed(layer: Any, given: Tensor, _: Tensor) -> int:
    return given.numel() * int(layer.weight[0].numel())


def _linear(layer: Any, _: Tensor, output: Tensor) -> int:
    return output.numel() * int(layer.in_features)


RULES: dict[type[nn.Module], Callable[[Any, Tensor, Tensor], int]] = {
    nn.Conv1d: _conv,
    nn.Conv2d: _conv,
    nn.ConvTranspose2d: _transposed,
    nn.Linear: _linear,
}
