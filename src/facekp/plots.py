"""Figures of errors and scores.  Needs ``pip install 'facekp[plots]'``.

Every function gives a ``matplotlib.figure.Figure`` of its own: no window opens, and pyplot's state is not touched.
``figure.savefig("ced.png")`` writes it; a notebook shows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import metrics
from .errors import ArgumentError, MissingExtraError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ced", "check", "reliability"]

Array = npt.NDArray[Any]


def check() -> None:
    """Whether figures can be made, before the work that they are to show.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        raise MissingExtraError("matplotlib", "plots")


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
    if not curves:
        raise ArgumentError("ced: there is no curve")
    figure, axes = _figure(size)
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
    figure, axes = _figure(size)
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle="--")
    gap = metrics.expected_calibration_error(scores, right, bins)
    axes.plot(curve.scores, curve.shares, marker="o", label=f"calibration error {gap:.3f}")
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="score", ylabel="share of right points", aspect="equal")
    axes.legend(loc="upper left", frameon=False)
    return figure


def _figure(size: tuple[float, float]) -> tuple[Figure, Any]:
    check()
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes
