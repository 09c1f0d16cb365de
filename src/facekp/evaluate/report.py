"""What an evaluation found: numbers, JSON, and a table for people."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import metrics
from ..errors import ArgumentError

__all__ = ["MISSED", "Measures", "Report", "WorstFace", "measure", "table"]

Array = npt.NDArray[Any]
Ends = tuple[float, float]

#: The error that a missed face counts, and from which on a found one counts as missed.
MISSED = 0.15


@dataclass(slots=True, kw_only=True)
class Measures:
    """Errors of some faces.  They are fractions: 0.035 is 3.5 %.

    Intervals are 95 % bootstrap intervals of the mean before them (:func:`facekp.metrics.interval`).

    Attributes:
        faces: how many were measured.
        nme: mean over faces.
        nme_interval: of it.
        median: of the faces' errors.
        failure_rate_8: share of faces over 8 %.
        failure_rate_8_interval: of it.
        auc_8: area under the cumulative error curve up to 8 %.
        auc_8_interval: of it.
    """

    faces: int
    nme: float
    nme_interval: Ends
    median: float
    failure_rate_8: float
    failure_rate_8_interval: Ends
    auc_8: float
    auc_8_interval: Ends


@dataclass(slots=True, kw_only=True)
class WorstFace:
    """One of the faces with the largest errors.

    Attributes:
        index: of its sample.
        name: the picture's name in its set, or its path.
        nme: its error.
        found: whether there is a prediction at all.
    """

    index: int
    name: str
    nme: float
    found: bool


@dataclass(slots=True, kw_only=True)
class Report(Measures):
    """What an evaluation found: :class:`Measures` over all faces, and over parts of them.

    With the finder's boxes a face that it misses, or whose NME is :data:`MISSED` or more, counts :data:`MISSED` at
    every point; so does, with any boxes, a face for which the model gave no point.

    Attributes:
        model: its name.
        data: the data set's name.
        boxes: ``"labelled"`` (the labels' own boxes), ``"finder"`` (end to end) or ``"moved"`` (the labels', off by up
            to 15 %).
        normalizer: what errors are divided by.
        found: share of faces whose error is under :data:`MISSED`.
        found_interval: of it.
        calibration_error: of the points' scores, ten bins of equal count; points without a score are left out.
        rank_correlation: of expected with true errors (:func:`facekp.metrics.rank_correlation`), over all points; NaN
            where the model expects none.
        rank_correlation_within: the same within each point, averaged.
        sets: by the sub-set that a face comes from, where there are several (300-W: ``afw``, ``helen/trainset``, ...).
        groups: by the schema's groups of points: a face's error is the mean over the group's points.
        yaw: by bins of the true points' absolute yaw in degrees (:data:`facekp.pose.YAW_BINS`); ``"unknown"`` where
            :func:`facekp.pose.angles` gives none.
        worst: faces of largest error first.
        environment: facekp, torch, machine.
        errors: ``(N,)`` every face's error, in the samples' order; NaN where it could not be measured.  Not in JSON.
        points: ``(N, K, 2)`` predictions, NaN where there is none.  Not in JSON.
        scores: ``(N, K)``.  Not in JSON.
        right: ``(N, K)`` whether a point's error is under 5 % of the schema's default normaliser, which is what a
            score promises whatever ``normalizer`` is.  Not in JSON.
    """

    model: str
    data: str
    boxes: str
    normalizer: str
    found: float
    found_interval: Ends
    calibration_error: float
    rank_correlation: float
    rank_correlation_within: float
    sets: dict[str, Measures]
    groups: dict[str, Measures]
    yaw: dict[str, Measures]
    worst: list[WorstFace]
    environment: dict[str, str]
    errors: Array = field(repr=False)
    points: Array = field(repr=False)
    scores: Array = field(repr=False)
    right: Array = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, errors rounded to 0.001 %; what could not be measured is None."""
        first = ("model", "data", "boxes", "normalizer")
        names = [
            *first,
            *(name for name in _names(self) if name not in (*first, "environment", *_ARRAYS)),
            "environment",
        ]
        return {name: _plain(getattr(self, name)) for name in names}

    def __str__(self) -> str:
        return table([self])


_ARRAYS = ("errors", "points", "scores", "right")


def measure(errors: Array) -> Measures:
    """The measures of faces' errors ``(N,)``; what is NaN is left out."""
    errors = np.asarray(errors, np.float64)
    errors = errors[~np.isnan(errors)]
    mean = metrics.interval(errors)
    failed = metrics.interval((errors > 0.08).astype(np.float64))
    # The area is a mean over faces: see facekp.metrics.auc.
    area = metrics.interval(np.clip(1 - errors / 0.08, 0, None))
    return Measures(
        faces=len(errors),
        nme=mean.mean,
        nme_interval=mean[1:],
        median=float(np.median(errors)) if len(errors) else math.nan,
        failure_rate_8=failed.mean,
        failure_rate_8_interval=failed[1:],
        auc_8=area.mean,
        auc_8_interval=area[1:],
    )


def table(reports: Sequence[Report]) -> str:
    """A table for people; several reports of the same faces stand side by side.

    Args:
        reports: at least one; all of the same faces.

    Raises:
        ArgumentError: there is none, or they are of different data.
    """
    if not reports or len({(r.model, r.data, r.normalizer, len(r.errors)) for r in reports}) > 1:
        raise ArgumentError("table: expected at least one report, all of the same model, faces and normaliser")
    first = reports[0]
    rows: list[tuple[str, Sequence[Measures]]] = [("all", reports)]
    for part, name in (("sets", "{}"), ("groups", "{}"), ("yaw", "yaw {}°")):
        rows += [
            (name.format(key) if key != "unknown" else "yaw unknown", [getattr(r, part)[key] for r in reports])
            for key in getattr(first, part)
        ]
    wide = max(len(name) for name, _ in rows)
    head = f"{'':{wide}}  {'faces':>6}" + "".join(
        f"  | {r.boxes + ' boxes':<26} {'>8 %':>6} {'AUC@8':>5}" for r in reports
    )
    lines = [f"{first.model} on {first.data}, {first.faces} faces; NME over {first.normalizer} (95 % interval)", head]
    lines += [f"{name:{wide}}  {each[0].faces:>6}" + "".join(f"  | {_cells(m)}" for m in each) for name, each in rows]
    for report in reports:
        ends = "{:.2%} to {:.2%}".format(*report.found_interval)
        lines.append(
            f"{report.boxes} boxes: median {report.median:.2%}, found {report.found:.2%} ({ends}), "
            f"calibration error of the scores {report.calibration_error:.3f}"
        )
        if math.isfinite(report.rank_correlation):
            lines[-1] += (
                f", rank correlation of expected with true errors {report.rank_correlation:.2f} "
                f"(within points {report.rank_correlation_within:.2f})"
            )
    return "\n".join(lines)


def _cells(m: Measures) -> str:
    low, high = m.nme_interval
    value = f"{m.nme:.2%}  ({low:.2%} to {high:.2%})"
    return f"{value:<26} {m.failure_rate_8:>6.1%} {m.auc_8:>5.3f}"


def _names(value: Any) -> Iterable[str]:
    return tuple(value.__dataclass_fields__)


def _plain(value: Any) -> Any:
    if isinstance(value, (Measures, WorstFace)):
        return {name: _plain(getattr(value, name)) for name in _names(value)}
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return round(value, 5) if math.isfinite(value) else None
    return value
