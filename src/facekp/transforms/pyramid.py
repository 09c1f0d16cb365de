"""A picture at halved sizes, so that a small view of it costs little."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .. import geometry

__all__ = ["Pyramid"]

Array = npt.NDArray[Any]
_SMALLEST = 40  # pixels: no level's shorter side is less


class Pyramid:
    """A picture, its half, its quarter and so on (Williams, "Pyramidal parametrics", SIGGRAPH 1983).

    Args:
        pixels: ``(H, W, 3)`` uint8; not copied.
    """

    def __init__(self, pixels: Array) -> None:
        self.levels = [pixels]
        while min(self.levels[-1].shape[:2]) >= 2 * _SMALLEST:
            height, width = self.levels[-1].shape[:2]
            half: Array = cv2.resize(self.levels[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA)
            self.levels.append(half)

    @property
    def size(self) -> tuple[int, int]:
        """``(H, W)`` of the picture."""
        height, width = self.levels[0].shape[:2]
        return height, width

    def warp(self, matrix: Array, size: tuple[int, int], *, border: int | None = 0) -> Array:
        """As :func:`facekp.geometry.warp` of the picture, from the smallest level that is not grown.

        Args:
            matrix: 2x3, from the picture's pixels, at its full size, to output pixels.
            size: ``(H, W)`` of the output.
            border: grey value outside the picture, or None to repeat its edge.
        """
        zoom = math.sqrt(abs(float(matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0])))
        level = min(int(max(0.0, -math.log2(max(zoom, 1e-6)))), len(self.levels) - 1)
        pixels = self.levels[level]
        if level:
            scale = np.array([self.size[1] / pixels.shape[1], self.size[0] / pixels.shape[0]])
            shift = matrix[:, 2] + matrix[:, :2] @ (0.5 * scale - 0.5)  # x = (x' + 0.5) s - 0.5
            matrix = np.concatenate([matrix[:, :2] * scale, shift[:, None]], 1)
        return geometry.warp(pixels, matrix, size, border=border)
