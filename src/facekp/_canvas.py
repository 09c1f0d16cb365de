"""Smooth lines, dots and words on a part of a picture, at fractions of a pixel.

cv2 smooths edges but knows whole-pixel thicknesses only.  So where strokes are
thin, the part is drawn two to four times finer and averaged down.  Colours are
kept multiplied by their opacity: then cv2's own edge smoothing on four channels
is the "over" of Porter and Duff, "Compositing digital images", SIGGRAPH 1984.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["Array", "Canvas", "Color", "text_width"]

Array = npt.NDArray[Any]
Color = tuple[int, int, int]
Point = tuple[float, float]

_SHIFT = 4  # cv2 takes coordinates in sixteenths of a pixel
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_CAPITAL = 21.0  # how high cv2 draws this font's capitals at scale 1, in pixels


class Canvas:
    """A transparent sheet over a part of a picture.

    Args:
        image: ``(H, W, 3)`` RGB uint8; :meth:`blend` writes into it.
        area: ``(4,)`` xyxy, what is going to be drawn on; it is clipped to the picture.
        stroke: the thinnest stroke to come, in pixels; it decides how much finer the sheet is.
    """

    def __init__(self, image: Array, area: Array, stroke: float) -> None:
        height, width = image.shape[:2]
        low = np.floor(np.clip(area[:2], 0, (width, height))).astype(int)
        high = np.ceil(np.clip(np.asarray(area[2:]) + 1, 0, (width, height))).astype(int)
        self._left, self._top = int(low[0]), int(low[1])
        self._part = image[low[1] : high[1], low[0] : high[0]]
        self._fine = min(4, max(1, math.ceil(4 / max(stroke, 1e-3))))
        rows, columns = self._part.shape[:2]
        self._sheet = np.zeros((rows * self._fine, columns * self._fine, 4), np.uint8)

    def dot(self, centre: Point, radius: float, color: Color, opacity: float = 1.0) -> None:
        """A disc.  It replaces what lies under it on the sheet, so a faint one on a dark one makes a ring."""
        if self._sheet.size:
            # Smoothing adds about half a pixel of the sheet all round.
            size = max(1, round((radius * self._fine - 0.45) * (1 << _SHIFT)))
            cv2.circle(self._sheet, self._at(centre), size, _ink(color, opacity), -1, cv2.LINE_AA, _SHIFT)

    def line(self, start: Point, end: Point, stroke: float, color: Color, opacity: float = 1.0) -> None:
        """A segment with round ends."""
        if self._sheet.size:
            # cv2 draws 1 as 1.4 pixels wide, 2 and 3 as 3.4, 4 and 5 as 5.4; it takes up to 32,767.
            thickness = min(max(1, 2 * round((stroke * self._fine - 1.4) / 2)), 32_766)
            cv2.line(self._sheet, self._at(start), self._at(end), _ink(color, opacity), thickness, cv2.LINE_AA, _SHIFT)

    def frame(self, box: Array, stroke: float, color: Color, opacity: float = 1.0) -> None:
        """A rectangle with slightly rounded corners, its stroke centred on the box's edges."""
        x0, y0, x1, y1 = (float(v) for v in box)
        corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
        for start, end in zip(corners, corners[1:] + corners[:1], strict=True):
            self.line(start, end, stroke, color, opacity)

    def plate(self, box: Array, color: Color, opacity: float = 1.0) -> None:
        """A filled rectangle."""
        x0, y0, x1, y1 = (float(v) for v in box)
        if self._sheet.size:
            corners = np.array([self._at(p) for p in [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]], np.int32)
            cv2.fillConvexPoly(self._sheet, corners, _ink(color, opacity), cv2.LINE_AA, _SHIFT)

    def text(self, words: str, centre: Point, height: float, color: Color, *, halo: Color | None = None) -> None:
        """Words (ASCII) about a centre, their capitals ``height`` pixels high, perhaps in a halo."""
        if not self._sheet.size or not words:
            return
        fine = height * self._fine
        width, margin = _width(words, fine), round(0.5 * fine) + 2
        mask = np.zeros((round(fine) + 2 * margin, round(width) + 2 * margin), np.uint8)
        start = (margin, margin + round(fine))
        cv2.putText(mask, words, start, _FONT, fine / _CAPITAL, 255, _weight(fine), cv2.LINE_AA)
        middle = tuple(v / (1 << _SHIFT) for v in self._at(centre))
        corner = (round(middle[0] - mask.shape[1] / 2), round(middle[1] - mask.shape[0] / 2))
        if halo is not None:
            # Not a second, thicker text: from cv2 5 on, thickness chooses a weight of the font.
            reach = 2 * max(1, round(0.16 * fine)) + 1
            around = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
            self._lay(around, corner, halo, 0.7)
        self._lay(mask, corner, color, 1.0)

    def blend(self) -> None:
        """Lay the sheet over the picture."""
        rows, columns = self._part.shape[:2]
        sheet = self._sheet
        if not sheet.size:
            return
        if self._fine > 1:
            sheet = cv2.resize(sheet, (columns, rows), interpolation=cv2.INTER_AREA)
        drawn = sheet[..., 3] > 0  # most of a sheet is empty
        over, under = sheet[drawn].astype(np.uint16), self._part[drawn].astype(np.uint16)
        mixed = over[:, :3] + (under * (255 - over[:, 3:]) + 127) // 255
        self._part[drawn] = np.minimum(mixed, 255)

    def _lay(self, mask: Array, corner: tuple[int, int], color: Color, opacity: float) -> None:
        """Colour the sheet where a mask with its upper left corner there says so."""
        rows, columns = self._sheet.shape[:2]
        x0, y0 = max(corner[0], 0), max(corner[1], 0)
        x1, y1 = min(corner[0] + mask.shape[1], columns), min(corner[1] + mask.shape[0], rows)
        if x0 >= x1 or y0 >= y1:
            return
        cover = mask[y0 - corner[1] : y1 - corner[1], x0 - corner[0] : x1 - corner[0], None].astype(np.float32) / 255
        under = self._sheet[y0:y1, x0:x1]
        under[:] = np.rint(under * (1 - cover) + np.array(_ink(color, opacity), np.float32) * cover)

    def _at(self, point: Point) -> tuple[int, int]:
        """A point of the picture on the sheet: x' = (x + 0.5) s - 0.5, in sixteenths."""
        x = (point[0] - self._left + 0.5) * self._fine - 0.5
        y = (point[1] - self._top + 0.5) * self._fine - 0.5
        return round(x * (1 << _SHIFT)), round(y * (1 << _SHIFT))


def text_width(words: str, height: float) -> float:
    """The width in pixels of words whose capitals are ``height`` pixels high."""
    return _width(words, height * 4) / 4


def _width(words: str, height: float) -> float:
    return float(cv2.getTextSize(words, _FONT, height / _CAPITAL, _weight(height))[0][0])


def _weight(height: float) -> int:
    return max(2, round(0.11 * height))


def _ink(color: Color, opacity: float) -> tuple[float, ...]:
    return (*(c * opacity for c in color), 255 * opacity)
