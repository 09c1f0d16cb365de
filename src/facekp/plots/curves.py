"""Losses and errors over a run's epochs."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError
from .base import new, panel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["curves", "read_metrics"]

Rows = Sequence[Mapping[str, float]]
Source = Rows | str | Path


def read_metrics(path: str | Path) -> list[dict[str, float]]:
    """What a run measured, a row for each epoch, in order.

    Args:
        path: a run's folder, whose earlier parts ``metrics.0.csv``, ``metrics.1.csv``, ... come before its
            ``metrics.csv``; or one CSV file with a column ``epoch``.

    Returns:
        ``{"epoch": 3.0, "train/loss": 0.12, "val/nme": 0.045, ...}``; what was not measured in an epoch is not in its
        row.  Of an epoch that was measured twice, because a run went on from before it, the later values count.

    Raises:
        ArgumentError: there is no such file, or it is no table of epochs.
    """
    if not isinstance(path, (str, Path)):
        raise ArgumentError(f"path: expected a file or folder, got {type(path).__name__}")
    path = Path(path)
    files = _parts(path) if path.is_dir() else [path]
    merged: dict[float, dict[str, float]] = {}
    for file in files:
        for epoch, values in _rows(file):
            merged.setdefault(epoch, {"epoch": epoch}).update(values)
    return [merged[epoch] for epoch in sorted(merged)]


def _parts(folder: Path) -> list[Path]:
    def number(file: Path) -> int:
        middle = file.name.split(".")[1]
        return int(middle) if middle.isdecimal() else -1

    earlier = sorted((f for f in folder.glob("metrics.*.csv") if number(f) >= 0), key=number)
    last = folder / "metrics.csv"
    if not earlier and not last.is_file():
        raise ArgumentError(f"{folder}: there is no metrics.csv; is it the folder of a run?")
    return [*earlier, *([last] if last.is_file() else [])]


def _rows(file: Path) -> list[tuple[float, dict[str, float]]]:
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            table = list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ArgumentError(f"{file}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    found = []
    for line, row in enumerate(table, 2):
        try:
            values = {key: float(text) for key, text in row.items() if text}  # a row too long has a list
        except (TypeError, ValueError):
            raise ArgumentError(f"{file}:{line}: expected numbers under every heading") from None
        if "epoch" not in values:
            raise ArgumentError(f"{file}:{line}: there is no epoch")
        found.append((values.pop("epoch"), values))
    return found


def curves(
    runs: Source | Mapping[str, Source],
    keys: Sequence[str] | None = None,
    *,
    log: bool | None = None,
    size: tuple[float, float] = (4.6, 3.4),
) -> Figure:
    """Losses and errors by epoch, a panel for each quantity: ``train/loss`` and ``val/loss`` share one.

    Args:
        runs: rows of :func:`read_metrics`, a run's folder or CSV file; or several of these by name.
        keys: which columns; all but ``epoch`` and ``step`` unless told otherwise.
        log: whether the axes of values are logarithmic; unless told, those of values over more than two decades are.
        size: of each panel, in inches.

    ``nme`` is drawn in per cent.

    Raises:
        ArgumentError: there is no run, a file is no table of epochs, or no run has any value of a key (those there
            are listed).
        MissingExtraError: matplotlib is not installed.
    """
    if not isinstance(runs, (Mapping, Sequence, Path)):
        raise ArgumentError(f"runs: expected rows, a folder or a file, or several by name, got {type(runs).__name__}")
    named = dict(runs) if isinstance(runs, Mapping) else {"": runs}
    read = {name: read_metrics(run) if isinstance(run, (str, Path)) else list(run) for name, run in named.items()}
    panels = _panels(read, keys)
    across = min(3, len(panels))
    down = math.ceil(len(panels) / across)
    figure = new((size[0] * across, size[1] * down))
    for place, (quantity, columns) in enumerate(panels.items(), 1):
        axes = panel(figure, down, across, place)
        unit = 100 if quantity == "nme" else 1
        for run, rows in read.items():
            for column in columns:
                _line(axes, rows, column, unit, " ".join(filter(None, (run, column if len(columns) > 1 else ""))))
        axes.set(xlabel="epoch", ylabel="normalised mean error, %" if quantity == "nme" else quantity)
        axes.set_yscale("log" if log or (log is None and _decades(axes) > 2) else "linear")
        axes.xaxis.get_major_locator().set_params(integer=True)
        if len(read) > 1 or len(columns) > 1:
            axes.legend(frameon=False, fontsize=8)
        else:
            axes.set_title(columns[0], fontsize=9)
    return figure


def _line(axes: Any, rows: Rows, column: str, unit: float, label: str) -> None:
    known = [(row["epoch"], unit * row[column]) for row in rows if math.isfinite(row.get(column, math.nan))]
    if known:
        # A validation or two are no line.
        axes.plot(*np.array(known).T, label=label, marker="o" if len(known) < 12 else None, markersize=3.5)


def _decades(axes: Any) -> float:
    """How many powers of ten the lines span; 0 where a value has no logarithm."""
    values = np.concatenate([line.get_ydata() for line in axes.get_lines()] or [np.ones(1)])
    return float(np.log10(values.max() / values.min())) if values.min() > 0 else 0.0


def _panels(read: Mapping[str, Rows], keys: Sequence[str] | None) -> dict[str, list[str]]:
    """Quantity → columns."""
    there = {key for rows in read.values() for row in rows for key in row} - {"epoch", "step"}
    if not there:
        raise ArgumentError("curves: there are no values")
    if missing := [key for key in keys or () if key not in there]:
        raise ArgumentError(f"curves: no run has {missing[0]!r}; there are: {', '.join(sorted(there))}")
    panels: dict[str, list[str]] = {}
    for key in keys or sorted(there, key=lambda k: (k.rpartition("/")[2] != "loss", k)):
        panels.setdefault(key.rpartition("/")[2], []).append(key)
    return panels
