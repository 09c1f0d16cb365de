"""Networks, by name and options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from ..errors import ArgumentError, unknown_name
from .resnet import ResNet
from .unet import UNet

__all__ = ["NETWORKS", "ResNet", "UNet", "create", "from_config", "names", "parameters"]

NETWORKS: dict[str, type[nn.Module]] = {"resnet": ResNet, "unet": UNet}


def names() -> list[str]:
    """The names that :func:`create` knows."""
    return sorted(NETWORKS)


def create(name: str, **options: Any) -> nn.Module:
    """A network by name.

    Args:
        name: one of :func:`names`.
        options: the network's own arguments, e.g. ``points=68, depth=18, head="heatmap"``.

    Raises:
        ArgumentError: unknown name (the choices are listed), or an option that the network does not have.
    """
    if name not in NETWORKS:
        raise unknown_name("network", name, NETWORKS)
    try:
        return NETWORKS[name](**options)
    except TypeError as error:
        raise ArgumentError(f"network {name}: {error}") from None


def from_config(config: Mapping[str, Any]) -> nn.Module:
    """The network that a plain ``{"name": ..., options}`` describes."""
    options = dict(config)
    name = options.pop("name", None)
    if not isinstance(name, str):
        raise ArgumentError("network: the config has no name")
    return create(name, **options)


def parameters(network: nn.Module) -> int:
    """How many numbers a network has learned."""
    return sum(p.numel() for p in network.parameters())
