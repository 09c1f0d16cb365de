"""What a search over recipes found."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _arguments as arguments
from ..errors import ArgumentError
from .base import new, panel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["history", "slices"]


def history(
    values: Sequence[float | None],
    *,
    maximize: bool = False,
    label: str = "value",
    size: tuple[float, float] = (5.4, 3.6),
) -> Figure:
    """The value of each trial in the order of the search, and the best so far.

    Args:
        values: one per trial, None or NaN for a trial that gave none.
        maximize: whether more is better.
        label: of the axis of values.
        size: of the figure, in inches.

    Raises:
        ArgumentError: no trial has a value.
        MissingExtraError: matplotlib is not installed.
    """
    known = _known(values, "history")
    trials, found = np.flatnonzero(np.isfinite(known)), known[np.isfinite(known)]
    best = np.maximum.accumulate(found) if maximize else np.minimum.accumulate(found)
    figure = new(size)
    axes = panel(figure)
    axes.step([*trials, len(known) - 1], [*best, best[-1]], where="post", color="0.35", label="best so far")
    axes.plot(trials, found, "o", markersize=4.5, label="trials")
    axes.set(xlabel="trial", ylabel=label)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False, fontsize=8)
    return figure


def slices(
    parameters: Sequence[Mapping[str, Any]],
    values: Sequence[float | None],
    *,
    log: Sequence[str] = (),
    label: str = "value",
    size: tuple[float, float] = (3.2, 3.2),
) -> Figure:
    """The value of each trial against each parameter of the search, a panel each; later trials are darker.

    Args:
        parameters: what each trial had: numbers are drawn on an axis of numbers, anything else by its text.
        values: one per trial, None or NaN for a trial that gave none.
        log: the parameters with a logarithmic axis.
        label: of the axis of values.
        size: of each panel, in inches.

    Raises:
        ArgumentError: no trial has a value, or there are not as many parameters as values.
        MissingExtraError: matplotlib is not installed.
    """
    known = _known(values, "slices")
    if len(parameters) != len(known):
        raise ArgumentError(f"slices: {len(parameters)} trials have parameters and {len(known)} have values")
    if wrong := next((trial for trial in parameters if not isinstance(trial, Mapping)), None):
        raise ArgumentError(f"slices: parameters: expected each trial's by name, got {wrong!r}")
    names = list(dict.fromkeys(name for trial in parameters for name in trial))
    if not names:
        raise ArgumentError("slices: the trials have no parameters")
    figure = new((size[0] * len(names), size[1]))
    first: Any = None
    for place, name in enumerate(names, 1):
        axes = panel(figure, 1, len(names), place)
        have = [i for i, trial in enumerate(parameters) if name in trial and math.isfinite(known[i])]
        seen = [parameters[i][name] for i in have]
        numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in seen)
        if not numbers:
            have = sorted(have, key=lambda i: str(parameters[i][name]))  # the axis has texts in the order of drawing
        x = [parameters[i][name] if numbers else str(parameters[i][name]) for i in have]
        axes.scatter(
            x,
            known[have],
            c=have,
            cmap="Blues",
            vmin=-0.5 * len(known),
            vmax=len(known),
            edgecolors="0.3",
            linewidths=0.5,
        )
        if name in log and numbers:
            axes.set_xscale("log")
            axes.tick_params(axis="x", which="minor", labelsize=6)
        axes.set_xlabel(name)
        if first is None:
            first = axes
            axes.set_ylabel(label)
        else:
            axes.sharey(first)
            axes.tick_params(labelleft=False)
    return figure


def _known(values: Sequence[float | None], what: str) -> Any:
    known = arguments.numbers([math.nan if v is None else v for v in values], f"{what}: values")
    if not np.isfinite(known).any():
        raise ArgumentError(f"{what}: no trial has a value")
    return known
