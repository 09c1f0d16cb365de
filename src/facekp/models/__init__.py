"""Networks, by name and options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from .._arguments import options_of
from ..errors import ArgumentError, unknown_name
from .cost import Cost, cost, parameters
from .mobile import MobileNet
from .resnet import ResNet
from .simple import SimpleCNN
from .unet import ResNetUNet, UNet

__all__ = [
    "NETWORKS",
    "Cost",
    "MobileNet",
    "ResNet",
    "ResNetUNet",
    "SimpleCNN",
    "UNet",
    "cost",
    "create",
    "from_config",
    "names",
    "parameters",
]

#: The networks by name.
NETWORKS: dict[str, type[nn.Module]] = {
    "mobile": MobileNet,
    "resnet": ResNet,
    "resnet_unet": ResNetUNet,
    "simple": SimpleCNN,
    "unet": UNet,
}


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
        raise ArgumentError(f"network {name}: {options_of(NETWORKS[name], error)}") from None


def from_config(config: Mapping[str, Any]) -> nn.Module:
    """The network that a plain ``{"name": ..., options}`` describes."""
    options = dict(config)
    name = options.pop("name", None)
    if not isinstance(name, str):
        raise ArgumentError("network: the config has no name")
    return create(name, **options)
