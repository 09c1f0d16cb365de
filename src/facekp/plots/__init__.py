"""Figures of data, networks, training and errors.  Needs ``pip install 'facekp[plots]'``.

Every function gives a ``matplotlib.figure.Figure`` of its own: no window opens, no file is written, and pyplot's state
is not touched.  ``figure.savefig("ced.png")`` writes it; a notebook shows it.  What is given is never changed.
"""

from __future__ import annotations

from .base import check
from .curves import curves, read_metrics
from .errors import ced, reliability
from .faces import augmented, pairs, progress, samples
from .maps import heatmaps
from .networks import feature_maps, filters
from .search import history, slices

__all__ = [
    "augmented",
    "ced",
    "check",
    "curves",
    "feature_maps",
    "filters",
    "heatmaps",
    "history",
    "pairs",
    "progress",
    "read_metrics",
    "reliability",
    "samples",
    "slices",
]
