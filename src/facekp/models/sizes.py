"""What networks check of the sizes that they are given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import ArgumentError

__all__ = ["checked_counts", "checked_multiple", "checked_size", "per_layer"]


def checked_counts(**counts: int) -> None:
    """Raises ArgumentError unless all are positive."""
    if min(counts.values()) < 1:
        said = ", ".join(f"{name} {value!r}" for name, value in counts.items())
        raise ArgumentError(f"{' and '.join(counts)} must be positive, got {said}")


def checked_size(size: Any) -> tuple[int, int]:
    """``(H, W)`` as two positive whole numbers.

    Raises:
        ArgumentError: it is anything else.
    """
    try:
        height, width = (int(side) for side in size)
    except (TypeError, ValueError):
        height = width = 0
    if height < 1 or width < 1:
        raise ArgumentError(f"input_size: expected two positive numbers (H, W), got {size!r}")
    return height, width


def checked_multiple(size: Any, step: int, network: str) -> None:
    """Raises ArgumentError unless both sides are multiples of ``step``."""
    height, width = checked_size(size)
    if height % step or width % step:
        raise ArgumentError(
            f"input_size: {network} halves its input down to 1/{step} and doubles it again, so both sides must be "
            f"multiples of {step}; got {(height, width)}"
        )


def per_layer(value: Any, layers: int, name: str) -> tuple[Any, ...]:
    """One value for each layer: a single one counts for all.

    Raises:
        ArgumentError: a list of another length.
    """
    if isinstance(value, str) or not isinstance(value, Sequence):
        return (value,) * layers
    if len(value) != layers:
        raise ArgumentError(f"{name}: expected one value, or one for each of the {layers} layers; got {value!r}")
    return tuple(value)
