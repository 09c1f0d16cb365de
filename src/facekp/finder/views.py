"""How a finder looks at a picture: whole, in tiles, and turned."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from numbers import Integral, Real
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import geometry
from ..errors import ArgumentError
from .decode import Detections

__all__ = ["View", "as_turns", "check", "is_share", "merge", "seen", "views"]

Array = npt.NDArray[Any]
Size = tuple[int, int]

_WHOLE_TURN = 360
OVERLAP = 0.25  # of a tile's side: a face up to a quarter of it is whole in the tile whose core its centre lies in


@dataclass(slots=True, eq=False)
class View:
    """One look at a picture.

    Attributes:
        matrix: from picture to view: a turn and a scale.
        size: ``(H, W)`` of the view.
        angle: by how many degrees the view is turned clockwise.
        core: ``(4,)`` xyxy in the picture: faces whose centre lies elsewhere are another view's.  None: all count.
        inverse: from view to picture.
    """

    matrix: Array
    size: Size
    angle: float = 0.0
    core: Array | None = None
    inverse: Array = field(init=False)

    def __post_init__(self) -> None:
        self.inverse = geometry.invert(self.matrix)


def views(
    size: Size,
    *,
    side: int,
    margin: int,
    max_zoom: float,
    step: int,
    tile: int | None = None,
    turns: tuple[float, ...] = (),
) -> tuple[View, ...]:
    """All looks at a picture of ``size = (H, W)``; the first is the whole, upright.

    Without tiles they are kept for the next picture of this size: whoever takes them leaves them as they are.

    Args:
        size: of the picture.
        side: the long side of a view of the whole picture, margins included.
        margin: pixels around what is looked at.
        max_zoom: pictures are not grown more than this.
        step: sides of views are multiples of it.
        tile: also look, at full resolution, at overlapping squares of this side, where the whole had to be shrunk.
        turns: also look at copies of everything, turned clockwise by so many degrees.
    """
    make = _kept if tile is None else _views
    return make(size, side=side, margin=margin, max_zoom=max_zoom, step=step, tile=tile, turns=turns)


def _views(
    size: Size, *, side: int, margin: int, max_zoom: float, step: int, tile: int | None, turns: tuple[float, ...]
) -> tuple[View, ...]:
    whole = geometry.image_box(size).astype(np.float64)
    found = []
    for angle in (0.0, *turns):
        wide, high = _turned_size(whole, angle)
        zoom = min((side - 2 * margin) / max(wide, high), max_zoom)
        found.append(_view(whole, angle, zoom, margin, step))
        if tile is not None and zoom < 1:
            for region, core in _tiles(size, tile):
                view = _view(region, angle, 1.0, margin, step)
                view.core = core
                found.append(view)
    return tuple(found)


_kept = lru_cache(maxsize=64)(_views)


def _turned_size(region: Array, angle: float) -> tuple[float, float]:
    """Width and height that hold a region turned by this angle."""
    wide, high = float(region[2] - region[0]), float(region[3] - region[1])
    c, s = abs(math.cos(math.radians(angle))), abs(math.sin(math.radians(angle)))
    # a right angle's cosine is not quite zero: a millionth of a pixel must not cost a row
    return round(wide * c + high * s, 6), round(wide * s + high * c, 6)


def _view(region: Array, angle: float, zoom: float, margin: int, step: int) -> View:
    wide, high = _turned_size(region, angle)
    centre = (float(region[0] + region[2]) / 2, float(region[1] + region[3]) / 2)
    matrix = geometry.rotation_matrix(angle, centre, zoom)
    matrix[:, 2] += np.array([wide, high]) * zoom / 2 + margin - 0.5 - np.array(centre)
    height, width = (step * -(-int(np.ceil(s * zoom) + 2 * margin) // step) for s in (high, wide))
    return View(matrix, (height, width), angle)


def _tiles(size: Size, tile: int) -> list[tuple[Array, Array]]:
    """Squares of this side that cover the picture, evenly spread, each with the part of it that is its own."""
    rows, columns = _spans(size[0], tile), _spans(size[1], tile)
    found = []
    for (y0, y1), (top, bottom) in rows:
        for (x0, x1), (left, right) in columns:
            found.append((np.array([x0, y0, x1, y1]), np.array([left, top, right, bottom])))
    return found


def _spans(length: int, tile: int) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Spans of ``tile`` pixels along one side: ``(begin, end)`` of the span and of its core.

    Cores meet in the middle of two spans' overlap, and the outermost have no end: a cut-off face's centre may lie
    outside the picture.
    """
    tile = min(tile, length)
    count = 1 if length <= tile else math.ceil((length - tile) / (tile * (1 - OVERLAP))) + 1
    starts = [round(i * (length - tile) / max(count - 1, 1)) - 0.5 for i in range(count)]
    cuts = [(a + tile + b) / 2 for a, b in pairwise(starts)]
    edges = [-math.inf, *cuts, math.inf]
    return [((s, s + tile), (edges[i], edges[i + 1])) for i, s in enumerate(starts)]


def seen(detections: Detections, view: View) -> Detections:
    """What was found in a view, in the picture's pixels and angles; faces of another view's core are left out."""
    boxes = detections.boxes.astype(np.float64)
    centres = geometry.apply(view.inverse, (boxes[:, :2] + boxes[:, 2:]) / 2).reshape(-1, 2)
    zoom = math.hypot(float(view.matrix[0, 0]), float(view.matrix[1, 0]))
    half = ((boxes[:, 2:] - boxes[:, :2]) / (2 * zoom)).astype(np.float32)
    angles = 180 - (180 - (detections.angles - view.angle)) % 360  # in (-180, 180]
    found = Detections(
        np.concatenate([centres - half, centres + half], 1), detections.scores, angles.astype(np.float32)
    )
    if view.core is None:
        return found
    return _take(found, np.all((centres >= view.core[:2]) & (centres < view.core[2:]), axis=1))


def merge(parts: Sequence[Detections], iou: float) -> Detections:
    """One list of several looks' faces, best first; of boxes that overlap by more than ``iou`` the best one stays."""
    if len(parts) == 1:
        return parts[0]
    whole = Detections(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("boxes", "scores", "angles")))
    return _take(whole, geometry.nms(whole.boxes, whole.scores, iou))


def _take(found: Detections, which: Array) -> Detections:
    return Detections(found.boxes[which], found.scores[which], found.angles[which])


def check(side: int | None, tile: int | None, turns: Sequence[float] | None, *, margin: int) -> None:
    """Raises ArgumentError where an option of a call makes no sense."""
    for name, value in (("side (finder_side)", side), ("tile", tile)):
        if value is not None and (not _whole(value) or value < 32 or value <= 2 * margin):
            raise ArgumentError(
                f"{name}: expected a whole number of pixels, at least {max(32, 2 * margin + 1)}; got {value!r}"
            )
    if turns is not None:
        as_turns(turns)


def _whole(value: Any) -> bool:
    return isinstance(value, Integral) or (isinstance(value, float) and value.is_integer())


def is_share(value: Any) -> bool:
    """Whether it is a number in [0, 1]."""
    return not isinstance(value, bool) and isinstance(value, Real) and 0 <= float(value) <= 1


def as_turns(turns: Any) -> tuple[float, ...]:
    """Angles as a tuple; raises ArgumentError where they are none."""
    given = tuple(turns) if isinstance(turns, Iterable) else None
    if given is None or not all(isinstance(t, Real) and abs(float(t)) <= _WHOLE_TURN for t in given):
        raise ArgumentError(f"turns: expected angles from -360 to 360 degrees, such as (90, 180, 270); got {turns!r}")
    return given
