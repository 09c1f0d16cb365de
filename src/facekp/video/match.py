"""Which face is which: faces of two frames, paired by where their points are."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .. import geometry

__all__ = ["apart", "around", "pairs", "same", "scene_changed", "side", "thumbnail"]

Array = npt.NDArray[Any]

_SIDE = 32  # pixels of a thumbnail's side
# Of 67 photographs of the validation list, 83 % of all pairs correlate by less than this as thumbnails. Moved by 3 % of
# its width, a photograph and itself correlate by 0.73 or more; moved by 10 %, 3 of the 67 correlate by less than this.
_SCENE = 0.25


def side(box: Array) -> float:
    """The root of a box's area, in pixels; at least 1."""
    return math.sqrt(max(float(box[2] - box[0]) * float(box[3] - box[1]), 1.0))


def around(points: Array, otherwise: Array) -> Array:
    """The extent ``(4,)`` of points; another box where they have none, as those of a bad network may."""
    box = geometry.extent(points)
    return box if float((box[2:] - box[:2]).min()) > 0 else otherwise


def apart(a: Array, b: Array, size: float) -> float:
    """The mean distance of two faces' points ``(K, 2)``, of each point from its own, in units of ``size``."""
    return float(np.linalg.norm(np.asarray(a, np.float64) - b, axis=-1).mean()) / size


def pairs(costs: Array, limit: float) -> list[tuple[int, int]]:
    """Rows and columns, each at most once, the cheapest pairs first.

    Args:
        costs: ``(N, M)``.
        limit: a pair that costs more is none.
    """
    rows, columns = np.unravel_index(np.argsort(costs, axis=None, kind="stable"), costs.shape)
    taken: list[tuple[int, int]] = []
    free_rows, free_columns = set(range(costs.shape[0])), set(range(costs.shape[1]))
    for i, j in zip(rows.tolist(), columns.tolist(), strict=True):
        if costs[i, j] <= limit and i in free_rows and j in free_columns:
            taken.append((i, j))
            free_rows.remove(i)
            free_columns.remove(j)
    return taken


def same(points: Sequence[Array], boxes: Sequence[Array], near: float = 0.25) -> list[tuple[int, int]]:
    """Pairs of faces that are one and the same: their points are near to each other, or their boxes overlap by 0.7."""
    found = []
    for i, j in itertools.combinations(range(len(points)), 2):
        size = min(side(boxes[i]), side(boxes[j]))
        over = float(geometry.iou(boxes[i][None], boxes[j][None])[0, 0])
        if over > 0.7 or apart(points[i], points[j], size) < near:
            found.append((i, j))
    return found


def thumbnail(image: Array) -> Array:
    """A picture's light and dark, ``(1024,)``, without its brightness and contrast; zero where it has no contrast."""
    few = cv2.resize(image, (4 * _SIDE, 4 * _SIDE), interpolation=cv2.INTER_NEAREST)  # 16 pixels tell a cell's grey
    grey = cv2.resize(few, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32).mean(-1).ravel()
    grey -= grey.mean()
    length = float(np.linalg.norm(grey))
    return grey / length if length > _SIDE else np.zeros_like(grey)


def scene_changed(before: Array, now: Array) -> bool:
    """Whether two thumbnails show different scenes, as far as that can be told."""
    return bool(before.any() and now.any() and float(before @ now) < _SCENE)
