"""Losses; each takes a mask, and what is masked adds nothing."""

from __future__ import annotations

from .heatmaps import cross_entropy
from .points import l1, smooth_l1

__all__ = ["cross_entropy", "l1", "smooth_l1"]
