"""How faces look: colours, and strokes that grow with the face and the picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _arguments as check
from . import geometry
from ._canvas import Array, Canvas, Color, text_width
from .errors import ArgumentError, unknown_name
from .schema import KeypointSchema

__all__ = ["COLORS", "Color", "Colors", "Style", "numbers", "side"]

Colors = Mapping[str, Color] | Color | None

COLORS: Mapping[str, Color] = {
    "jaw": (226, 232, 255),
    "right_brow": (255, 196, 61),
    "left_brow": (255, 150, 72),
    "nose": (122, 236, 125),
    "right_eye": (64, 224, 255),
    "left_eye": (92, 166, 255),
    "mouth": (255, 98, 146),
    "other": (255, 255, 255),
    "box": (90, 240, 190),
}
"""RGB by group of points, of points in no group, and of boxes: all light, so that one dark rim sets them off."""

_DARK: Color = (12, 14, 24)
_LABELS = ("index", "name", "score")


@dataclass(frozen=True)
class _Marks:
    """One face's points as they are drawn: ``(K, 2)``, which of them, how certain, and with what strokes."""

    points: Array
    known: Array
    sure: Array
    colors: list[Color]
    radius: float
    rim: float
    text: float

    def shown(self) -> list[tuple[int, tuple[float, float]]]:
        return [(int(i), self.at(int(i))) for i in np.flatnonzero(self.known)]

    def at(self, i: int) -> tuple[float, float]:
        return float(self.points[i, 0]), float(self.points[i, 1])


class Style:
    """A picture to draw on, the options of one call, and the strokes that follow from both.

    Raises:
        ArgumentError: an option is none of those that there are; the message lists them.
    """

    def __init__(
        self,
        canvas: Array,
        *,
        edges: bool = False,
        labels: str | None = None,
        low: float = 0.0,
        size: float = 1.0,
        colors: Colors = None,
    ) -> None:
        if labels is not None and labels not in _LABELS:
            raise unknown_name("labels", labels, _LABELS)
        if not (isinstance(size, (int, float)) and 0 < size <= 100):
            raise ArgumentError(f"size: expected a factor such as 1.5, at most 100, got {size!r}")
        check.number(low, "low")
        self.canvas, self.edges, self.labels, self.low, self.size = canvas, edges, labels, low, size
        self.colors = _palette(colors)
        self.long: int = max(canvas.shape[:2])

    # ------------------------------------------------------------ points

    def points(self, keypoints: Array, schema: KeypointSchema | None, scores: Array, box: Array | None = None) -> None:
        """One face's points; its box, or else their extent, tells how large it is."""
        height, width = self.canvas.shape[:2]
        far = np.array([width, height], np.float64) * 2 + 1000  # farther points would overflow cv2's integers
        with np.errstate(invalid="ignore"):
            known: Array = np.asarray((np.abs(keypoints) < far).all(-1))
        if not known.any():
            return
        face = (side(box) if box is not None else 0.0) or side(geometry.extent(keypoints[known]))
        marks = self._marks(keypoints, known, schema, scores=scores, face=face)
        texts = self._texts(schema, scores) if self.labels else []
        longest = max(texts, key=len, default="")
        room = marks.radius + marks.rim + 2 + (text_width(longest, marks.text) * 1.1 + 2 * marks.text if longest else 0)
        sheet = Canvas(self.canvas, geometry.extent(keypoints[marks.known]) + room * _OUT, marks.rim)
        if self.edges and schema is not None:
            self._contours(sheet, marks, schema)
        # Under the dots, since these say more.
        if texts:
            _label(sheet, marks, texts, _outward(marks, schema))
        _dots(sheet, marks)
        sheet.blend()

    def _marks(
        self, keypoints: Array, known: Array, schema: KeypointSchema | None, *, scores: Array, face: float
    ) -> _Marks:
        colors = [self.colors["other"]] * len(keypoints)
        for group, indices in schema.groups.items() if schema is not None else ():
            for i in indices:
                colors[i] = self.colors.get(group, self.colors["other"])
        radius = self._radius(min(face, 4.0 * self.long), len(keypoints))
        rim, text = max(0.35 * radius, 0.5), min(max(2.1 * radius, 5.0 * self.size), self.long / 3)
        return _Marks(keypoints, known, scores >= self.low, colors, radius, rim, text)

    def _radius(self, face: float, count: int) -> float:
        by_face = 0.0095 * face * min(math.pow(68 / count, 0.3), 3.0)  # the fewer the dots, the larger,
        by_face = min(by_face, 0.014 * self.long)  # but one dot on a close-up must not hide what it marks
        by_picture = max(0.001 * self.long, 1.0)
        if face <= 0:
            return self.size * max(0.004 * self.long, 0.9)
        # Of a small face in a large picture, the features must stay visible.
        return self.size * min(max(by_face, by_picture), max(2 * by_face, 0.7))

    def _contours(self, sheet: Canvas, marks: _Marks, schema: KeypointSchema) -> None:
        drawn = [(a, b) for a, b in schema.edges if marks.known[a] and marks.known[b]]
        for stroke, dark in ((1.45, True), (0.8, False)):
            for a, b in drawn:
                faint = 1.0 if marks.sure[a] and marks.sure[b] else 0.45
                color, opacity = (_DARK, 0.30) if dark else (marks.colors[b], 0.80)
                sheet.line(marks.at(a), marks.at(b), stroke * marks.radius, color, opacity * faint)

    def _texts(self, schema: KeypointSchema | None, scores: Array) -> list[str]:
        if self.labels == "name" and schema is not None:
            return list(schema.names)
        if self.labels == "score":
            return [f"{score:.2f}" for score in scores]
        return [str(i) for i in range(len(scores))]

    # ------------------------------------------------------------ boxes

    def box(self, box: Array, label: str) -> None:
        """One box, with a label at its upper left corner; a box that is not finite is left out."""
        if not np.isfinite(box).all() or np.abs(box).max() > 1e6:
            return
        face, color = min(side(box), 4.0 * self.long), self.colors["box"]
        stroke = self.size * float(np.clip(max(0.0018 * self.long, 0.007 * face), 1.3, 0.03 * face + 1.3))
        sheet = Canvas(self.canvas, np.asarray(box, np.float64) + (2 * stroke + 2) * _OUT, stroke)
        sheet.frame(box, 2 * stroke, _DARK, 0.45)
        sheet.frame(box, stroke, color)
        sheet.blend()
        if label:
            height = self.size * float(np.clip(max(0.011 * self.long, 0.042 * face), 6.5, 0.14 * face + 4))
            corner = (float(box[0]) - stroke / 2, float(box[1]) - stroke / 2)
            self._tag(label, corner, min(height, self.canvas.shape[0] / 3), color)

    def _tag(self, label: str, corner: tuple[float, float], height: float, color: Color) -> None:
        """A plate with words that stands on a corner; where the picture has no room for it, inside the picture."""
        wide, tall = text_width(label, height) + 1.3 * height, 2.1 * height
        x = max(min(corner[0], self.canvas.shape[1] - 0.5 - wide), -0.5)
        y = max(corner[1] - tall, -0.5)
        plate = np.array([x, y, x + wide, y + tall])
        sheet = Canvas(self.canvas, plate + _OUT, 1.0)
        sheet.plate(plate, color)
        sheet.text(label, (x + wide / 2, y + tall / 2), height, _DARK)
        sheet.blend()


_OUT = np.array([-1.0, -1.0, 1.0, 1.0])


def _dots(sheet: Canvas, marks: _Marks) -> None:
    # All rims first: the rim of one dot must not bite into its neighbour.
    for i, centre in marks.shown():
        sheet.dot(centre, marks.radius + marks.rim, _DARK, 0.75 if marks.sure[i] else 0.4)
    for i, centre in marks.shown():
        if marks.sure[i]:
            sheet.dot(centre, marks.radius, marks.colors[i])
        else:
            sheet.dot(centre, marks.radius, marks.colors[i], 0.75)
            sheet.dot(centre, 0.55 * marks.radius, _DARK, 0.15)


def _label(sheet: Canvas, marks: _Marks, texts: list[str], outward: Array) -> None:
    for i, (x, y) in marks.shown():
        (dx, dy), half = outward[i], text_width(texts[i], marks.text) / 2
        # As far as it takes for the words' rectangle to clear the dot.
        reach = marks.radius + marks.rim + 0.25 * marks.text
        away = reach + min(half / max(abs(dx), 1e-6), 0.5 * marks.text / max(abs(dy), 1e-6))
        sheet.text(texts[i], (x + dx * away, y + dy * away), marks.text, marks.colors[i], halo=_DARK)


def _outward(marks: _Marks, schema: KeypointSchema | None) -> Array:
    """``(K, 2)`` unit vectors: across the contour, away from the middle of the group; to the right without one."""
    out = np.tile(np.array([1.0, 0.0]), (len(marks.points), 1))
    if schema is None:
        return out
    beside: dict[int, list[int]] = {}
    for a, b in schema.edges:
        if marks.known[a] and marks.known[b]:
            beside.setdefault(a, []).append(b)
            beside.setdefault(b, []).append(a)
    for indices in schema.groups.values():
        group = [i for i in indices if marks.known[i]]
        for i in group:
            away = marks.points[i].astype(np.float64) - marks.points[group].mean(0)
            ends = beside.get(i, [])
            along = marks.points[ends[0]] - marks.points[ends[1] if len(ends) > 1 else i] if ends else np.zeros(2)
            across = np.array([-along[1], along[0]], np.float64)
            across = -across if across @ away < 0 else across
            length = math.hypot(*across)
            if length > 1e-6:
                out[i] = across / length
    return out


def _palette(colors: Colors) -> dict[str, Color]:
    palette = dict(COLORS)
    if colors is None:
        return palette
    given = colors if isinstance(colors, Mapping) else dict.fromkeys(palette, colors)
    for key, value in given.items():
        rgb = numbers(value, f"colors[{key!r}]")
        if rgb.shape != (3,) or not ((rgb >= 0) & (rgb <= 255)).all():
            raise ArgumentError(f"colors[{key!r}]: expected (red, green, blue) from 0 to 255, got {value!r}")
        palette[key] = (int(rgb[0]), int(rgb[1]), int(rgb[2]))
    return palette


def side(box: Array) -> float:
    """The side of the square that is as large as a box; 0 for a box that is not finite."""
    width, height = float(box[2]) - float(box[0]), float(box[3]) - float(box[1])
    area = max(width, 0.0) * max(height, 0.0)
    return math.sqrt(area) if math.isfinite(area) else 0.0


def numbers(values: Any, argument: str) -> Array:
    """What a caller gave, as float32.

    Raises:
        ArgumentError: it is not made of numbers.
    """
    return check.numbers(values, argument, np.float32)
