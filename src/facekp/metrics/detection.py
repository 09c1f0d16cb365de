"""How well boxes were found: matching, recall, average precision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .. import geometry

__all__ = ["Match", "average_precision", "match"]

Array = npt.NDArray[Any]


class Match(NamedTuple):
    """What became of the predictions and the true boxes of one picture.

    Attributes:
        scores: ``(N,)`` of the predictions that count (those in ignore regions do not).
        correct: ``(N,)`` bool: the prediction took a true box of its own.
        found: ``(M,)`` score of the prediction that took each true box; 0 where none did.
        iou: ``(M,)`` its IoU; 0 where none did.
    """

    scores: Array
    correct: Array
    found: Array
    iou: Array


def match(boxes: Array, scores: Array, truth: Array, ignore: Array, iou: float = 0.5) -> Match:
    """Greedy matching, best score first, as in PASCAL VOC (Everingham et al., IJCV 2010).

    Args:
        boxes: ``(N, 4)`` predictions, xyxy.
        scores: ``(N,)``.
        truth: ``(M, 4)`` true boxes.
        ignore: ``(L, 4)`` regions: a prediction without a true box that overlaps one, or has its centre in one,
            is left out.
        iou: a prediction takes a free true box that it overlaps at least this much.
    """
    overlap = geometry.iou(boxes, truth)
    centre = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2
    inside = ((centre >= ignore[None, :, :2]) & (centre <= ignore[None, :, 2:])).all(-1)
    unclear = np.any(inside | (geometry.iou(boxes, ignore) >= iou), axis=1)
    found, quality, taken = np.zeros(len(truth)), np.zeros(len(truth)), np.zeros(len(truth), bool)
    kept: list[tuple[float, bool]] = []
    for i in np.argsort(-scores, kind="stable"):
        free: Array = np.where(taken, -1.0, overlap[i])
        best = int(np.argmax(free)) if len(truth) else -1
        if best >= 0 and free[best] >= iou:
            found[best], quality[best], taken[best] = scores[i], free[best], True
            kept.append((float(scores[i]), True))
        elif not unclear[i]:
            kept.append((float(scores[i]), False))
    rows = np.array(kept, np.float64).reshape(-1, 2)
    return Match(rows[:, 0], rows[:, 1] > 0, found, quality)


def average_precision(matches: Sequence[Match]) -> float:
    """The area under the precision-recall curve, precision made monotonic; NaN without a true box."""
    total = sum(len(m.found) for m in matches)
    if not total:
        return float("nan")
    scores = np.concatenate([m.scores for m in matches])
    correct = np.concatenate([m.correct for m in matches])[np.argsort(-scores, kind="stable")]
    hits = np.cumsum(correct)
    precision = hits / np.arange(1, len(hits) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float((precision * correct).sum() / total)
