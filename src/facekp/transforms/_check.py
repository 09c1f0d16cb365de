"""Checks of the arguments that transforms take."""

from __future__ import annotations

import math
from typing import Any

from ..errors import ArgumentError

__all__ = ["amount", "chance", "pair", "size"]


def _number(owner: str, name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ArgumentError(f"{owner}: {name} must be a number, got {value!r}") from None
    if not math.isfinite(number):
        raise ArgumentError(f"{owner}: {name} must be finite, got {value!r}")
    return number


def chance(owner: str, p: Any) -> float:
    """A probability."""
    number = _number(owner, "p", p)
    if not 0 <= number <= 1:
        raise ArgumentError(f"{owner}: p must be a probability from 0 to 1, got {p!r}")
    return number


def amount(
    owner: str, name: str, value: Any, *, low: float = 0.0, high: float = math.inf, above: bool = False
) -> float:
    """A number of ``[low, high]``, or of ``(low, high]`` where it must be ``above``."""
    number = _number(owner, name, value)
    if number < low or number > high or (above and number == low):
        what = "must not be negative" if (low, above, high) == (0.0, False, math.inf) else _range(low, high, above)
        raise ArgumentError(f"{owner}: {name} {what}, got {value!r}")
    return number


def _range(low: float, high: float, above: bool) -> str:
    lower = f"above {low:g}" if above else f"at least {low:g}"
    return f"must be {lower}" + ("" if high == math.inf else f" and at most {high:g}")


def pair(
    owner: str, name: str, value: Any, *, around: float = 0.0, low: float = -math.inf, high: float = math.inf
) -> tuple[float, float]:
    """``(a, b)`` with a <= b; a number v stands for ``(around - v, around + v)``, cut off at ``low``."""
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise ArgumentError(f"{owner}: {name} must be a number or a pair (low, high), got {value!r}")
        a, b = (_number(owner, name, v) for v in value)
    else:
        spread = amount(owner, name, value)
        a, b = max(low, around - spread), around + spread
    if a > b or a < low or b > high:
        between = f" between {low:g} and {high:g}" if (low, high) != (-math.inf, math.inf) else ""
        raise ArgumentError(f"{owner}: {name} must be low <= high{between}, got {value!r}")
    return a, b


def size(owner: str, value: Any) -> tuple[int, int]:
    """A ``(H, W)`` of whole positive pixels."""
    try:
        height, width = (int(v) for v in value)
    except (TypeError, ValueError):
        raise ArgumentError(f"{owner}: size must be (H, W), got {value!r}") from None
    if height < 1 or width < 1 or (height, width) != tuple(value):
        raise ArgumentError(f"{owner}: size must be (H, W) in whole pixels, at least 1, got {value!r}")
    return height, width
