"""Codecs: how points become what a network learns, and its output becomes points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._arguments import options_of
from ..errors import ArgumentError, unknown_name
from .argmax import Argmax
from .base import Codec
from .dark import Dark
from .maps import GridCodec, HeatmapCodec
from .offset import Offset
from .pip import PIP
from .regression import Regression
from .simcc import SimCC
from .soft_argmax import SoftArgmax
from .udp import UDP
from .weighted_argmax import WeightedArgmax

__all__ = [
    "CODECS",
    "PIP",
    "UDP",
    "Argmax",
    "Codec",
    "Dark",
    "GridCodec",
    "HeatmapCodec",
    "Offset",
    "Regression",
    "SimCC",
    "SoftArgmax",
    "WeightedArgmax",
    "create",
    "from_config",
    "names",
]

#: The codecs by name.
CODECS: dict[str, type[Codec]] = {
    "argmax": Argmax,
    "dark": Dark,
    "offset": Offset,
    "pip": PIP,
    "regression": Regression,
    "simcc": SimCC,
    "soft_argmax": SoftArgmax,
    "udp": UDP,
    "weighted_argmax": WeightedArgmax,
}


def names() -> list[str]:
    """The names that :func:`create` knows."""
    return sorted(CODECS)


def create(name: str, **options: Any) -> Codec:
    """A codec by name.

    Args:
        name: one of :func:`names`.
        options: the codec's own arguments, e.g. ``input_size=(128, 128), heatmap_size=(32, 32), sigma=1.0``.

    Raises:
        ArgumentError: unknown name (the choices are listed), or an option that the codec does not have or take.
    """
    if name not in CODECS:
        raise unknown_name("codec", name, CODECS)
    try:
        return CODECS[name](**options)
    except ArgumentError:
        raise
    except (TypeError, ValueError, ArithmeticError) as error:  # of a value that is no number, say
        raise ArgumentError(f"codec {name}: {options_of(CODECS[name], error)}") from None


def from_config(config: Mapping[str, Any]) -> Codec:
    """The inverse of :meth:`Codec.to_config`."""
    if not isinstance(config, Mapping):
        raise ArgumentError(f"codec: expected a config (what Codec.to_config gives), got {type(config).__name__}")
    options = dict(config)
    name = options.pop("name", None)
    if not isinstance(name, str):
        raise ArgumentError("codec: the config has no name")
    return create(name, **options)
