"""What the layers of a network give for pictures, and which filters do nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor, nn

from .errors import ArgumentError

__all__ = ["convolutions", "dead_filters", "feature_maps"]

Array = npt.NDArray[Any]


def convolutions(network: nn.Module) -> dict[str, nn.Conv2d]:
    """The network's 2-D convolutions by their names, in the order of their definition."""
    return {name: module for name, module in network.named_modules() if isinstance(module, nn.Conv2d)}


def feature_maps(network: nn.Module, layer: str, images: Tensor) -> Tensor:
    """What a layer gives, as it is on its own: a convolution before the norm and activation that follow it.

    The network runs in evaluation mode, and is then as it was.

    Args:
        network: any module.
        layer: a name of ``network.named_modules()``.
        images: ``(N, C, H, W)`` as the network takes them.

    Returns:
        ``(N, D, h, w)``, detached: a copy.

    Raises:
        ArgumentError: there is no such layer, the network does not run it, or it gives no maps.
    """
    modules = dict(network.named_modules())
    if not layer or layer not in modules:
        raise ArgumentError(f"unknown layer {layer!r}; choose one of: {', '.join(n for n in modules if n)}")
    seen: list[Any] = []
    # A copy: the activation that follows may work in place.
    keep = modules[layer].register_forward_hook(
        lambda _module, _given, out: seen.append(out.detach().clone() if isinstance(out, Tensor) else out)
    )
    try:
        with _evaluating(network), torch.no_grad():
            network(images)
    finally:
        keep.remove()
    if not seen:
        raise ArgumentError(f"layer {layer!r}: the network does not run it")
    if not isinstance(seen[-1], Tensor) or seen[-1].ndim != 4:
        form = tuple(seen[-1].shape) if isinstance(seen[-1], Tensor) else type(seen[-1]).__name__
        raise ArgumentError(f"layer {layer!r}: expected maps (N, D, h, w), it gives {form}")
    return seen[-1]


def dead_filters(network: nn.Module, images: Tensor, *, batch_size: int = 32) -> dict[str, Array]:
    """Which filters do nothing: no small change of their weights changes the network's output on any picture.

    That is the gradient of the output, summed with random signs and sizes, being exactly zero over the whole filter,
    whatever activations, norms and shortcuts follow.  The usual cause is a ReLU that no picture opens any more.

    The network runs in evaluation mode, and is then as it was, gradients included.

    Args:
        network: whose output is a tensor, or a tuple or list of tensors.
        images: ``(N, C, H, W)`` as the network takes them: some dozens of faces, since a filter that is
            dead for few may live for others.
        batch_size: how many at a time.

    Returns:
        by the name of each 2-D convolution, ``(out_channels,)`` bool: True where dead.

    Raises:
        ArgumentError: there are no pictures, or the network has no convolution.
    """
    layers = convolutions(network)
    if not layers or images.ndim != 4 or not len(images):
        raise ArgumentError(
            f"dead_filters: expected a network with convolutions and images (N, C, H, W), got {len(layers)} "
            f"convolutions and {tuple(images.shape)}"
        )
    weights = {f"{name}.weight".lstrip("."): layer.weight.detach() for name, layer in layers.items()}
    alive = {key: torch.zeros(len(weight), dtype=torch.bool) for key, weight in weights.items()}
    generator = torch.Generator().manual_seed(0)
    with _evaluating(network), torch.enable_grad():
        for start in range(0, len(images), batch_size):
            batch = images[start : start + batch_size]
            for key, gradient in _gradients(network, weights, batch, generator).items():
                alive[key] |= (gradient != 0).flatten(1).any(1).cpu()  # NaN is no zero
    return {key.removesuffix("weight").rstrip("."): (~lives).numpy() for key, lives in alive.items()}


def _gradients(
    network: nn.Module, weights: dict[str, Tensor], batch: Tensor, generator: torch.Generator
) -> dict[str, Tensor]:
    # Leaves of their own: the network's may be frozen, and their gradients are not ours to touch.
    leaves = {key: weight.clone().requires_grad_() for key, weight in weights.items()}
    output = torch.func.functional_call(network, leaves, (batch,))
    parts = [output] if isinstance(output, Tensor) else [part for part in output if isinstance(part, Tensor)]
    total = torch.stack([(part * torch.randn(part.shape, generator=generator).to(part)).sum() for part in parts]).sum()
    if not total.requires_grad:
        return {key: torch.zeros_like(leaf) for key, leaf in leaves.items()}
    found = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
    return {k: torch.zeros_like(leaves[k]) if g is None else g for k, g in zip(leaves, found, strict=True)}


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode inside; afterwards every module is in the mode that it was in."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
