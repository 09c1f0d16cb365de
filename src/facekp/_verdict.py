"""For Detector: whether it is a face, by what the finder and the points say together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from .errors import ArgumentError

__all__ = ["Verdict"]

Array = npt.NDArray[Any]


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
        likely: those to which it gives less are looked at a second time only if their points are believed.
        min_score: candidates whose probability is less are no faces, unless the call says otherwise.
    """

    finder: float
    points: float
    bias: float
    least: float
    likely: float
    min_score: float

    def __post_init__(self) -> None:
        scores = (self.least, self.likely, self.min_score)
        if not all(map(math.isfinite, (self.finder, self.points, self.bias))) or not all(0 <= s <= 1 for s in scores):
            raise ArgumentError(f"face_score: expected finite weights, and scores in [0, 1]; got {self}")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Verdict | None:
        """That of a model's config; None where it has none."""
        given = config.get("face_score")
        return None if given is None else cls(**{key: float(value) for key, value in given.items()})

    def score(self, found: float, points: Array) -> float:
        """The probability, of the finder's score and the points' scores ``(K,)``."""
        logit = self.bias + self.finder * _logit(found) + self.points * _logit(float(points.mean()))
        return 1 / (1 + math.exp(-min(max(logit, -500.0), 500.0)))


def _logit(p: float) -> float:
    inside = min(max(p, 1e-6), 1 - 1e-6)
    return math.log(inside / (1 - inside))
