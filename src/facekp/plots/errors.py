"""How large errors are, and how honest scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from .. import _arguments as arguments
from .. import metrics
from ..errors import ArgumentError
from .base import Array, new, panel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ced", "reliability"]


def ced(curves: Mapping[str, Array], *, at: float = 0.08, size: tuple[float, float] = (6.0, 4.2)) -> Figure:
    """Cumulative error distributions: which share of the faces has an error up to x.

    The exact steps of :func:`facekp.metrics.ced`, not a histogram.

    Args:
        curves: by name, faces' errors ``(N,)`` as fractions, e.g. ``{"mine": report.errors}``; NaN is left out.
        at: where the axis ends; the area up to there is in the legend.
        size: of the figure, in inches.

    Raises:
        ArgumentError: there is no curve, or one without errors.
        MissingExtraError: matplotlib is not installed.
    """
    if not isinstance(curves, Mapping) or not curves:
        raise ArgumentError(f"ced: there is no curve: expected curves by name, got {type(curves).__name__}")
    arguments.number(at, "at", above=0)
    figure = new(size)
    axes = panel(figure)
    for name, errors in curves.items():
        curve = metrics.ced(errors)
        if not len(curve.errors):
            raise ArgumentError(f"ced: {name} has no errors")
        seen = curve.errors <= at
        x = np.concatenate([[0.0], curve.errors[seen], [at]])
        share = np.concatenate([[0.0], curve.share[seen]])
        y = np.concatenate([share, share[-1:]])
        axes.step(
            100 * x, 100 * y, where="post", label=f"{name}: AUC {metrics.auc(errors, at):.3f}, {100 * y[-1]:.1f} %"
        )
    axes.set(xlim=(0, 100 * at), ylim=(0, 100), xlabel="normalised mean error, %", ylabel="faces, %")
    axes.legend(loc="lower right", frameon=False)
    return figure


def reliability(scores: Array, right: Array, *, bins: int = 10, size: tuple[float, float] = (4.4, 4.2)) -> Figure:
    """What scores promise against what was right, in bins of equal count: on the diagonal they are honest.

    Args:
        scores: ``(M,)`` in [0, 1]; NaN is left out.
        right: ``(M,)`` bool.
        bins: how many.
        size: of the figure, in inches.

    Raises:
        ArgumentError: see :func:`facekp.metrics.reliability`; or there are no scores.
        MissingExtraError: matplotlib is not installed.
    """
    curve = metrics.reliability(scores, right, bins)
    if not len(curve.counts):
        raise ArgumentError("reliability: there are no scores")
    figure = new(size)
    axes = panel(figure)
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle="--")
    gap = metrics.expected_calibration_error(scores, right, bins)
    axes.plot(curve.scores, curve.shares, marker="o", label=f"calibration error {gap:.3f}")
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="score", ylabel="share of right points", aspect="equal")
    axes.legend(loc="upper left", frameon=False)
    return figure
