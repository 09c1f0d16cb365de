"""Tables for people, of runs and of trials."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

__all__ = ["duration", "error", "short", "text"]

NOTHING = "-"


def text(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns under their heads, the first to the left, all others to the right."""
    wide = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    sides = ["<", *">" * (len(head) - 1)]
    return "\n".join(
        "  ".join(f"{cell:{side}{w}}" for cell, side, w in zip(row, sides, wide, strict=True)) for row in (head, *rows)
    )


def error(value: float | None, metric: str) -> str:
    """A measured value: a normalised mean error in per cent, anything else with four digits."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{100 * value:.2f} %" if metric.rpartition("/")[2] == "nme" else f"{value:.4g}"


def duration(seconds: float | None) -> str:
    """``42 s``, ``12.5 min`` or ``3.1 h``."""
    if seconds is None:
        return NOTHING
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def short(value: Any, most: int = 28) -> str:
    """A recipe's value on a line, cut where it is long."""
    if value is None:
        return NOTHING
    if isinstance(value, float):
        return f"{value:.4g}"
    said = value if isinstance(value, str) else json.dumps(value)
    return said if len(said) <= most else f"{said[: most - 3]}..."
