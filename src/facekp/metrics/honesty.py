"""How far a number can be trusted: calibration of scores, and intervals of means."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .. import _arguments as check
from ..errors import ArgumentError

__all__ = [
    "Interval",
    "RankCorrelation",
    "Reliability",
    "expected_calibration_error",
    "interval",
    "rank_correlation",
    "reliability",
]

Array = npt.NDArray[Any]

_BLOCK = 2_000_000  # numbers drawn at once: 16 MB


class Reliability(NamedTuple):
    """Scores against what became of them, in bins of equal count.

    Attributes:
        scores: ``(B,)`` mean score of each bin, rising.
        shares: ``(B,)`` share of right ones among them.
        counts: ``(B,)`` how many they are.
    """

    scores: Array
    shares: Array
    counts: Array


class Interval(NamedTuple):
    """A mean, and where it may lie."""

    mean: float
    low: float
    high: float


class RankCorrelation(NamedTuple):
    """How well expected errors order the true ones, from -1 to 1: over all points, and within each point."""

    overall: float
    within: float


def reliability(scores: Array, right: Array, bins: int = 10) -> Reliability:
    """The reliability diagram of scores, in bins of equal count (which differ by one at most).

    Equal scores that fall into two bins are each counted as right as often as all of them are, so that the order of
    the input does not matter.

    Args:
        scores: ``(M,)`` in [0, 1]; what is NaN is left out.
        right: ``(M,)`` bool.
        bins: how many; fewer where there are fewer scores.

    Raises:
        ArgumentError: shapes differ, a score is not of [0, 1], ``right`` is not of bool, or there is no bin.
    """
    scores, right = check.numbers(scores, "scores"), check.numbers(right, "right")
    if scores.ndim != 1 or scores.shape != right.shape:
        raise ArgumentError(f"reliability: expected scores and right (M,), got {scores.shape} and {right.shape}")
    check.whole(bins, "bins", 1)
    check.unit(scores, "scores")
    if not ((right == 0) | (right == 1)).all():
        raise ArgumentError("right: expected bool, or 0 and 1, got other numbers")
    known = np.isfinite(scores)
    order = np.argsort(scores[known], kind="stable")
    scores, right = scores[known][order], right[known][order]
    _, same, times = np.unique(scores, return_inverse=True, return_counts=True)
    right = (np.bincount(same, right, len(times)) / times)[same]
    parts = np.array_split(np.arange(len(scores)), min(bins, len(scores)) or 1)
    full = [part for part in parts if len(part)]
    return Reliability(
        np.array([scores[part].mean() for part in full]),
        np.array([right[part].mean() for part in full]),
        np.array([len(part) for part in full], np.int64),
    )


def expected_calibration_error(scores: Array, right: Array, bins: int = 10) -> float:
    """Mean gap between score and share of right ones over bins of equal count; NaN without scores.

    The expected calibration error of Guo et al., "On calibration of modern neural networks", ICML 2017, eq. 3, with
    bins of equal count in place of equal width (Nguyen and O'Connor, "Posterior calibration", EMNLP 2015).

    Args:
        scores: see :func:`reliability`.
        right: see :func:`reliability`.
        bins: see :func:`reliability`.
    """
    curve = reliability(scores, right, bins)
    total = int(curve.counts.sum())
    return float((np.abs(curve.scores - curve.shares) * curve.counts).sum() / total) if total else float("nan")


def rank_correlation(expected: Array, errors: Array) -> RankCorrelation:
    """Spearman's rank correlation of expected with true errors: whether the worse points are known to be worse.

    Args:
        expected: ``(N, K)`` expected errors; what is NaN is left out.
        errors: ``(N, K)`` true ones, in the same unit; NaN where there is no label.

    Returns:
        Over all points of all faces; and within each of the K points over the faces, averaged, to which what only
        says that jaws are harder than eyes adds nothing.  NaN where there is nothing to order.

    Raises:
        ArgumentError: the shapes differ.
    """
    expected, errors = check.numbers(expected, "expected"), check.numbers(errors, "errors")
    if expected.ndim != 2 or expected.shape != errors.shape:
        raise ArgumentError(f"rank_correlation: expected two arrays (N, K), got {expected.shape} and {errors.shape}")
    known = np.isfinite(expected) & np.isfinite(errors)
    each = [_spearman(expected[which, k], errors[which, k]) for k, which in enumerate(known.T)]
    some = [value for value in each if not np.isnan(value)]
    within = float(np.mean(some)) if some else float("nan")
    return RankCorrelation(_spearman(expected[known], errors[known]), within)


def _spearman(a: Array, b: Array) -> float:
    """The correlation of ranks, equal values sharing their mean rank; NaN where one side does not vary."""
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(_ranks(a), _ranks(b))[0, 1])


def _ranks(values: Array) -> Array:
    _, same, times = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(times)
    ranks: Array = (last - (times - 1) / 2)[same]
    return ranks


def interval(values: Array, *, level: float = 0.95, draws: int = 2000, seed: int = 0) -> Interval:
    """The mean of ``(N,)`` values and its bootstrap interval (Efron, "Bootstrap methods", 1979; percentiles).

    The N values are drawn N times with replacement, and the mean of each such draw is noted.  The interval says how
    much the mean would change with other faces of the same kind; it takes the values for independent, so several
    faces of one photograph or frames of one film make it too narrow.

    Args:
        values: ``(N,)``; what is NaN is left out.
        level: how often the interval should hold the truth.
        draws: how many.
        seed: of the draws.

    Returns:
        The mean and both ends; NaN without values, and infinite where a value is.

    Raises:
        ArgumentError: ``level`` or ``draws`` is out of range.
    """
    if not 0 < check.number(level, "level") < 1:
        raise ArgumentError(f"level: expected a number between 0 and 1, got {level}")
    check.whole(draws, "draws", 1)
    check.whole(seed, "seed", 0)
    values = check.numbers(values, "values").ravel()
    values = values[~np.isnan(values)]
    if not len(values):
        return Interval(*[float("nan")] * 3)
    rng = np.random.default_rng(seed)
    rows = max(1, _BLOCK // len(values))
    sizes = [min(rows, draws - start) for start in range(0, draws, rows)]
    means = np.concatenate([values[rng.integers(0, len(values), (n, len(values)))].mean(1) for n in sizes])
    # A rank that exists, not a mean of two: that of infinity and a number would not be one.
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], method="closest_observation")
    return Interval(float(values.mean()), float(low), float(high))
