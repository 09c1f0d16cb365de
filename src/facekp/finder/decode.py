"""From the network's output to boxes and the angles by which the faces are turned."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from .. import geometry

__all__ = ["Detections", "decode"]

Array = npt.NDArray[Any]


@dataclass(slots=True)
class Detections:
    """The faces found in one picture, best first.

    A face is a rectangle turned by its angle about its own centre: the extent of its 68 points in the frame in which
    the face is level.  ``geometry.crop_matrix(boxes[i], size, angle=angles[i])`` shows it upright.

    Attributes:
        boxes: ``(N, 4)`` float32 xyxy, picture pixels: each rectangle turned back about its centre, so that its sides
            are the picture's; may leave the picture.  For an upright face this is the extent of its points.
        scores: ``(N,)`` float32 in [0, 1].
        angles: ``(N,)`` float32 in (-180, 180]: by how many degrees each face is turned clockwise in the picture;
            zeros where they are not given.
    """

    boxes: Array = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    scores: Array = field(default_factory=lambda: np.zeros((0,), np.float32))
    angles: Array = field(default_factory=lambda: np.zeros((0,), np.float32))

    def __post_init__(self) -> None:
        if not len(self.angles):
            self.angles = np.zeros(len(self.boxes), np.float32)

    def __len__(self) -> int:
        return len(self.scores)


def decode(
    output: Tensor,
    points: Tensor,
    *,
    min_score: float,
    nms_iou: float = 0.4,
    slope: float = 1.0,
    bias: float = 0.0,
    candidates: int = 400,
    limit: int = 300,
) -> list[Detections]:
    """Boxes in input pixels, best first, after non-maximum suppression of the boxes turned back.

    Args:
        output: ``(N, P, 5)`` or ``(N, P, 7)`` of the network: score logit, ltrb distances in pixels and, if the
            network tells angles, something in the direction of (cos, sin).
        points: ``(P, 3)`` from :func:`facekp.finder.targets.grid`.
        min_score: points that score less are dropped.
        nms_iou: a box that overlaps a better one by more than this IoU is dropped.
        slope: a score is ``sigmoid(bias + slope * logit)``.
        bias: see ``slope``.
        candidates: at most this many points per picture enter the suppression.
        limit: at most this many boxes per picture come out.
    """
    places, found, low = points.cpu().numpy()[:, :2], [], _nearly_logit(min_score)
    for rows in output.detach().float().cpu().numpy():
        logits = rows[:, 0] * slope + bias
        some = np.flatnonzero(logits >= low)  # few points see a face, and an exponential takes time
        score = _sigmoid(logits[some])
        good = (score >= min_score) & np.isfinite(rows[some]).all(1)
        some, score = some[good], score[good]
        if len(some) > candidates:
            best = np.argpartition(-score, candidates)[:candidates]
            some, score = some[best], score[best]
        here, few = places[some], rows[some]
        boxes = np.concatenate([here - few[:, 1:3], here + few[:, 3:5]], 1)
        keep = geometry.nms(boxes, score, nms_iou)[:limit]
        found.append(Detections(boxes[keep], score[keep], _angles(few[keep])))
    return found


def _angles(rows: Array) -> Array:
    """:func:`facekp.finder.targets.predicted_angles` by numpy, which takes a few numbers in a tenth of the time."""
    if rows.shape[-1] < 7:
        return np.zeros(len(rows), np.float32)
    angles = np.degrees(np.arctan2(rows[:, 6], rows[:, 5]))
    angles[angles <= -180] += 360
    return angles


def _nearly_logit(score: float) -> float:
    """A little less than what becomes this score: rounding must leave nothing out."""
    if score <= 0:
        return -math.inf
    return min(math.log(score) - math.log1p(-score) if score < 1 else math.inf, 10.0) - 1e-3


def _sigmoid(x: Array) -> Array:
    value: Array = 1 / (1 + np.exp(-np.clip(x, -80, 80)))
    return value
