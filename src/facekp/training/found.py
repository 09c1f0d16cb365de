"""What a search found: a table, JSON, CSV and figures."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import plots
from . import space, tables

if TYPE_CHECKING:
    import optuna
    from matplotlib.figure import Figure

__all__ = ["Found", "TrialRow", "collect"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRow:
    """One trial.

    Attributes:
        run: the name of its folder.
        state: ``complete``, ``pruned``, ``failed`` or ``running`` (in another command).
        value: the best that its validations measured, or None.
        last: the last one, or None.
        epochs: how many epochs had begun at the last validation, or 0.
        seconds: how long it took, or None.
        parameters: by key.
        reason: why it failed, or None.
    """

    run: str
    state: str
    value: float | None
    last: float | None
    epochs: int
    seconds: float | None
    parameters: dict[str, Any]
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search found.

    Attributes:
        metric: what was measured.
        maximize: whether more of it is better.
        keys: what was searched over.
        log_keys: those with a logarithmic range.
        trials: in the order of the search.
        folder: of the runs.
    """

    metric: str
    maximize: bool
    keys: tuple[str, ...]
    log_keys: tuple[str, ...]
    trials: tuple[TrialRow, ...]
    folder: Path

    @property
    def best(self) -> TrialRow | None:
        """The whole trial with the best value, or None."""
        whole = [t for t in self.ranked() if t.state == "complete"]
        return whole[0] if whole else None

    def ranked(self) -> list[TrialRow]:
        """The trials with the best first; those without a value last."""
        sign = -1 if self.maximize else 1
        return sorted(self.trials, key=lambda t: math.inf if t.value is None else sign * t.value)

    def table(self) -> str:
        """A line for each trial, the best first; normalised mean errors in per cent."""
        head = ["run", "state", f"best {self.metric}", "last", "epochs", "time", *self.keys]
        rows = [
            [
                t.run,
                t.state,
                tables.error(t.value, self.metric),
                tables.error(t.last, self.metric),
                str(t.epochs),
                tables.duration(t.seconds),
                *(tables.short(t.parameters.get(key)) for key in self.keys),
            ]
            for t in self.ranked()
        ]
        return tables.text(head, rows)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        best = self.best
        return {
            "metric": self.metric,
            "maximize": self.maximize,
            "folder": str(self.folder),
            "best": None if best is None else asdict(best),
            "trials": [asdict(t) for t in self.trials],
        }

    def to_csv(self) -> str:
        """A line for each trial, in the order of the search."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        fields = ("run", "state", "value", "last", "epochs", "seconds")
        writer.writerow([*fields, *self.keys, "reason"])
        for t in self.trials:
            values = [t.parameters.get(key) for key in self.keys]
            writer.writerow([*(getattr(t, name) for name in fields), *values, t.reason])
        return out.getvalue()

    def figures(self) -> dict[str, Figure]:
        """``history`` and ``slices`` of :mod:`facekp.plots`; none where no trial has a value.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        plots.check()
        values = [t.value for t in self.trials]
        if all(value is None for value in values):
            return {}
        percent = self.metric.rpartition("/")[2] == "nme"
        shown = [100 * v if percent and v is not None else v for v in values]
        label = f"{self.metric}, %" if percent else self.metric
        parameters = [t.parameters for t in self.trials]
        return {
            "history": plots.history(shown, maximize=self.maximize, label=label),
            "slices": plots.slices(parameters, shown, log=self.log_keys, label=label),
        }


def collect(study: optuna.Study, axes: Sequence[space.Axis], metric: str, folder: Path) -> Found:
    """What a study holds; a trial that was done again counts once, by its last attempt."""
    from optuna.trial import TrialState

    names = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}
    names[TrialState.RUNNING] = "running"
    maximize = study.direction.name == "MAXIMIZE"
    rows: dict[str, TrialRow] = {}
    for trial in study.get_trials():
        if trial.state not in names or "run" not in trial.user_attrs:
            continue
        seen = [v for _, v in sorted(trial.intermediate_values.items())]
        best = (max if maximize else min)(seen) if seen else None
        name = str(trial.user_attrs["run"])
        rows[name] = TrialRow(
            run=name,
            state=names[trial.state],
            value=best,
            last=seen[-1] if seen else None,
            epochs=1 + max(trial.intermediate_values) if seen else 0,
            seconds=trial.duration.total_seconds() if trial.duration else None,
            parameters={a.key: a.value(trial.params[a.key]) for a in axes if a.key in trial.params},
            reason=trial.user_attrs.get("reason"),
        )
    return Found(
        metric=metric,
        maximize=maximize,
        keys=tuple(axis.key for axis in axes),
        log_keys=tuple(axis.key for axis in axes if axis.log),
        trials=tuple(rows.values()),
        folder=folder,
    )
