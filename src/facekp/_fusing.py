"""For engine: batch norms become part of the convolutions before them."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .errors import ArgumentError

__all__ = ["close", "fused", "single"]

TOLERANCE = 1e-3  # of a network's largest output: far above rounding, far below a wrong graph


def fused(network: nn.Module, example: Tensor) -> nn.Module:
    """A copy of a network whose batch norms, where they follow a convolution, are part of its weights.

    Args:
        network: in evaluation mode.
        example: an input ``(N, C, H, W)``; which norm follows which convolution is seen by running it.

    Returns:
        The copy; without anything folded where that would change what the network gives.
    """
    with torch.inference_mode(False), torch.no_grad():
        example = example.clone()
        plain = copy.deepcopy(network).eval()
        pairs = _pairs(plain, example.clone())
        names = {module: name for name, module in plain.named_modules()}
        folded = copy.deepcopy(plain)
        for conv, norm in pairs:
            folded.set_submodule(names[conv], fuse_conv_bn_eval(conv, norm))
            folded.set_submodule(names[norm], nn.Identity())
        return folded if close(single(folded(example.clone())), plain(example)) else plain


def _pairs(network: nn.Module, example: Tensor) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """Convolutions that run once, each with the norm that its output goes to."""
    outputs: dict[int, tuple[nn.Conv2d, Tensor]] = {}  # the tensors are kept: an id is theirs only while they live
    calls: list[nn.Module] = []
    pairs: list[tuple[nn.Conv2d, nn.BatchNorm2d]] = []

    def after(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        calls.append(module)
        if isinstance(module, nn.Conv2d):
            outputs[id(output)] = (module, output)
        elif isinstance(module, nn.BatchNorm2d) and module.running_mean is not None and id(inputs[0]) in outputs:
            pairs.append((outputs[id(inputs[0])][0], module))

    hooks = [m.register_forward_hook(after) for m in network.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)]
    try:
        network(example)
    finally:
        for hook in hooks:
            hook.remove()
    return [(conv, norm) for conv, norm in pairs if calls.count(conv) == 1 and calls.count(norm) == 1]


def close(given: Tensor, expected: Tensor) -> bool:
    """Whether it is the same but for rounding."""
    if given.numel() != expected.numel():
        return False
    scale = float(expected.abs().max().clamp_min(1e-6))
    return bool((given.reshape(expected.shape) - expected).abs().max() <= TOLERANCE * scale)


def single(output: Any) -> Tensor:
    """A network's output, if it is one tensor.

    Raises:
        ArgumentError: it is anything else.
    """
    if not isinstance(output, Tensor):
        raise ArgumentError(
            f"network: expected one that gives a single tensor, (N, C, ...); it gives a {type(output).__name__}"
        )
    return output
