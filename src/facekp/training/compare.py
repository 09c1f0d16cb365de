"""Several runs side by side: what they measured, and which keys of their recipes differ."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import plots
from ..errors import ArgumentError
from . import tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Run", "differences", "figure", "read", "table", "to_dict"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a run's folder says.

    Attributes:
        name: of the folder; with as many parents as set it apart from the others.
        folder: where it is.
        recipe: ``recipe.json``.
        rows: by epoch, as :func:`facekp.plots.read_metrics` has them.
        epochs: how many are done.
        seconds: from the recipe's file to that of the last values; None where the run was resumed, or its files were
            copied without their times.
        model: the normalised mean error in ``model/config.json``, of the model that the run left; None without one.
    """

    name: str
    folder: Path
    recipe: Mapping[str, Any]
    rows: Sequence[Mapping[str, float]]
    epochs: int
    seconds: float | None
    model: float | None

    def last(self, metric: str) -> float | None:
        """The last value of a metric; None where it was never measured."""
        found = self._known(metric)
        return found[-1][1] if found else None

    def best(self, metric: str, *, maximize: bool = False) -> tuple[float, int] | None:
        """The best value of a metric and the first epoch that had it, counted from 0; None without any."""
        found = self._known(metric)
        if not found:
            return None
        epoch, value = min(found, key=lambda pair: -pair[1] if maximize else pair[1])
        return value, epoch

    def _known(self, metric: str) -> list[tuple[int, float]]:
        pairs = [(int(row["epoch"]), row.get(metric, math.nan)) for row in self.rows]
        return [(epoch, value) for epoch, value in pairs if math.isfinite(value)]


def read(folders: Sequence[str | Path]) -> list[Run]:
    """Runs from their folders, finished or not.

    Args:
        folders: each with ``recipe.json`` and ``metrics.csv``.

    Raises:
        ArgumentError: there is none, or one of them is no run's folder, or stands there twice.
    """
    paths = [Path(folder) for folder in folders]
    if not paths:
        raise ArgumentError("compare: expected the folder of at least one run")
    if len({os.path.realpath(path) for path in paths}) < len(paths):
        raise ArgumentError(f"compare: a run stands there twice: {', '.join(map(str, paths))}")
    return [_read(path, name) for path, name in zip(paths, _names(paths), strict=True)]


def _read(folder: Path, name: str) -> Run:
    file = folder / "recipe.json"
    if not file.is_file():
        raise ArgumentError(f"{folder}: there is no recipe.json; is it the folder of a run?")
    rows = plots.read_metrics(folder)
    return Run(
        name=name,
        folder=folder,
        recipe=_json(file),
        rows=rows,
        epochs=1 + int(rows[-1]["epoch"]) if rows else 0,
        seconds=_seconds(folder),
        model=_model(folder / "model" / "config.json"),
    )


def _json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ArgumentError(f"{file}: cannot be read ({error})") from None
    if not isinstance(found, dict):
        raise ArgumentError(f"{file}: expected keys and values, found {type(found).__name__}")
    return found


def _seconds(folder: Path) -> float | None:
    start, end = folder / "recipe.json", folder / "metrics.csv"
    if not end.is_file() or any(folder.glob("metrics.*.csv")):
        return None
    taken = end.stat().st_mtime - start.stat().st_mtime
    return taken if taken > 0 else None


def _model(config: Path) -> float | None:
    measured = _json(config).get("metrics") if config.is_file() else None
    first = measured[0] if isinstance(measured, list) and measured else measured
    value = first.get("nme") if isinstance(first, dict) else None
    return float(value) if isinstance(value, (int, float)) else None


def _names(paths: Sequence[Path]) -> list[str]:
    """The folders' names, with just as many parents as they need to differ."""
    parts = [Path(os.path.realpath(path)).parts for path in paths]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(p[-depth:]) for p in parts]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in paths]


def differences(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """Dotted keys whose values are not the same in all recipes, and the value of each run (None where it has none)."""
    flat = [_flat(run.recipe) for run in runs]
    keys = dict.fromkeys(key for one in flat for key in one)
    found = {key: [one.get(key) for one in flat] for key in keys}
    return {key: values for key, values in found.items() if any(value != values[0] for value in values)}


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict) and value:
            found |= _flat(value, f"{before}{key}.")
        else:
            found[f"{before}{key}"] = value
    return found


def to_dict(runs: Sequence[Run], *, metric: str = "val/nme", maximize: bool = False) -> dict[str, Any]:
    """What :func:`table` says, for JSON: ``{"metric": ..., "runs": [...]}``; None is what is not known."""
    differ = differences(runs)
    listed = []
    for i, run in enumerate(runs):
        best = run.best(metric, maximize=maximize)
        listed.append(
            {
                "name": run.name,
                "folder": str(run.folder),
                "epochs": run.epochs,
                "planned": run.recipe.get("epochs"),
                "seconds": run.seconds,
                "train_loss": run.last("train/loss"),
                "best": None if best is None else best[0],
                "best_epoch": None if best is None else best[1],
                "last": run.last(metric),
                "model_nme": run.model,
                "differs": {key: values[i] for key, values in differ.items()},
            }
        )
    return {"metric": metric, "maximize": maximize, "runs": listed}


def table(runs: Sequence[Run], *, metric: str = "val/nme", maximize: bool = False) -> str:
    """A line for each run: epochs, time, losses, and the keys of the recipes that differ; errors in per cent.

    Epochs count from 0, as in ``metrics.csv``.

    Raises:
        ArgumentError: no run has measured the metric; those that were are listed.
    """
    _check(runs, metric)
    found = to_dict(runs, metric=metric, maximize=maximize)["runs"]
    differ = [key for key in differences(runs) if key != "epochs"]  # the second column has them
    head = ["run", "epochs", "time", "train loss", f"best {metric}", "epoch", "last", "model", *differ]
    rows = [
        [
            one["name"],
            f"{one['epochs']}/{one['planned']}",
            tables.duration(one["seconds"]),
            tables.error(one["train_loss"], "loss"),
            tables.error(one["best"], metric),
            tables.short(one["best_epoch"]),
            tables.error(one["last"], metric),
            tables.error(one["model_nme"], "nme"),
            *(tables.short(one["differs"][key]) for key in differ),
        ]
        for one in found
    ]
    return tables.text(head, rows)


def figure(runs: Sequence[Run], *, metric: str = "val/nme") -> Figure:
    """A curve for each run: the metric by epoch.

    Raises:
        ArgumentError: no run has measured the metric; those that were are listed.
        MissingExtraError: matplotlib is not installed.
    """
    _check(runs, metric)
    return plots.curves({run.name: run.rows for run in runs}, [metric], size=(6.4, 4.2))


def _check(runs: Sequence[Run], metric: str) -> None:
    there = sorted({key for run in runs for row in run.rows for key in row} - {"epoch", "step"})
    if metric not in there:
        raise ArgumentError(f"no run has measured {metric!r}; there are: {', '.join(there) or 'none yet'}")
