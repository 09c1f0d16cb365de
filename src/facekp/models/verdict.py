"""For Detector: whether it is a face, by what the finder and the points say together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from numbers import Real
from typing import Any

import numpy.typing as npt

from ..errors import ArgumentError

__all__ = ["Verdict", "renewed"]

Array = npt.NDArray[Any]

SURE = 0.9  # of the finder


@dataclass(frozen=True, slots=True)
class Verdict:
    """The probability that a finder's candidate is a face, once its points are known.

    ``sigmoid(bias + finder * logit(the finder's score) + points * logit(mean score of the points))``: a hand or a badge
    may have a face's outline, but the points then find nothing to hold on to.  It travels in a model's
    ``config.json`` as ``face_score``; ``benchmarks/face_score.py`` fits it.

    Attributes:
        finder: weight of the finder's score.
        points: weight of the points' mean score.
        bias: constant.
        least: candidates to which the finder gives less are not looked at.
        likely: those to which it gives less are looked at only in pictures in which it is sure of none.
        min_score: candidates whose probability is less are no faces, unless the call says otherwise.
        again: those whose probability after the first look is less are not looked at again.
    """

    finder: float
    points: float
    bias: float
    least: float
    likely: float
    min_score: float
    again: float = 0.1

    def __post_init__(self) -> None:
        scores = (self.least, self.likely, self.min_score, self.again)
        if not all(map(math.isfinite, (self.finder, self.points, self.bias))) or not all(0 <= s <= 1 for s in scores):
            raise ArgumentError(f"face_score: expected finite weights, and scores in [0, 1]; got {self}")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Verdict | None:
        """That of a model's config; None where it has none.

        Raises:
            ArgumentError: it is no table of these numbers.
        """
        given = config.get("face_score")
        if given is None:
            return None
        if not isinstance(given, Mapping):
            raise ArgumentError(f"face_score: expected a table of numbers, got {given!r:.80}")
        known = {f.name: f.default is MISSING for f in fields(cls)}
        if lacks := [key for key, needed in known.items() if needed and key not in given]:
            raise ArgumentError(f"face_score: {', '.join(lacks)} missing")
        if unknown := [str(key) for key in given if key not in known]:
            raise ArgumentError(f"face_score: unknown {', '.join(unknown)}; known are {', '.join(known)}")
        for key, value in given.items():
            if isinstance(value, bool) or not isinstance(value, Real):
                raise ArgumentError(f"face_score.{key}: expected a number, got {value!r:.80}")
        return cls(**{key: float(value) for key, value in given.items()})

    def worth(self, found: Array) -> Array:
        """Which of a picture's candidates are worth a look, by the finder's scores ``(N,)``."""
        sure = bool((found >= SURE).any())
        kept: Array = found >= (self.likely if sure else self.least)
        return kept

    def score(self, found: float, points: Array) -> float:
        """The probability, of the finder's score and the points' scores ``(K,)``."""
        evidence = self.bias + self.finder * _logit(found) + self.points * _logit(float(points.mean()))
        return 1 / (1 + math.exp(-min(max(evidence, -500.0), 500.0)))

    def renewed(self, score: float, before: Array, now: Array) -> float:
        """The probability that was ``score`` with the points' scores ``before``, with those of ``now``.

        The finder's part in it stays as it was.
        """
        return renewed(score, before, now, self.points)


def renewed(score: float, before: Array, now: Array, weight: float = 1.0) -> float:
    """:meth:`Verdict.renewed`, for a model that has no verdict, too."""
    change = _logit(float(now.mean())) - _logit(float(before.mean()))
    evidence = _logit(score) + weight * change
    return 1 / (1 + math.exp(-min(max(evidence, -500.0), 500.0)))


def _logit(probability: float) -> float:
    """:func:`facekp.decoders.calibration.logit` of one number, in a tenth of the time."""
    inside = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(inside) - math.log1p(-inside)
