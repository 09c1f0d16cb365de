"""Measures of error and of honesty."""

from __future__ import annotations

from .functional import auc, default_normalizer, failure_rate, nme, normalizer, point_errors

__all__ = ["auc", "default_normalizer", "failure_rate", "nme", "normalizer", "point_errors"]
