"""Things in front of the face."""

from __future__ import annotations

import cv2
import numpy as np

from . import _check
from .base import Array
from .photometric import Photometric

__all__ = ["Occlude"]

PATCHES = 3
NUMBERS = 11  # height, width, y, x, shape, kind, red, green, blue, and y, x of the part that is copied


class Occlude(Photometric):
    """Cover one to three patches, boxes or ellipses, with one colour, noise, or another part of the picture.

    Args:
        size: of a patch, up to this share of the picture's side.
        p: how often; else nothing happens.
    """

    def __init__(self, size: float = 0.4, p: float = 1.0) -> None:
        super().__init__(p)
        self.size = _check.amount("Occlude", "size", size, low=0.08, high=1)

    def draw(self, rng: np.random.Generator, n: int) -> tuple[Array, Array]:
        """``(n,)`` how many patches, and ``(n, 3, 11)`` uniform numbers that describe them."""
        return rng.integers(1, PATCHES + 1, n), rng.random((n, PATCHES, NUMBERS))

    def change(self, image: Array, rng: np.random.Generator) -> Array:
        out = image.copy()
        height, width = image.shape[:2]
        count, draw = self.draw(rng, 1)
        for high, wide, top, left, shape, kind, *rest in draw[0, : count[0]].tolist():
            h = max(1, int((0.08 + high * (self.size - 0.08)) * height))
            w = max(1, int((0.08 + wide * (self.size - 0.08)) * width))
            y, x = int(top * (height - h + 1)), int(left * (width - w + 1))
            here = out[y : y + h, x : x + w]
            if kind < 0.4:
                patch: Array = np.array([int(v * 256) for v in rest[:3]], np.uint8)
            elif kind < 0.6:
                patch = rng.integers(0, 256, (h, w, 3), np.uint8)
            else:
                oy, ox = int(rest[3] * (height - h + 1)), int(rest[4] * (width - w + 1))
                patch = image[oy : oy + h, ox : ox + w]
            if shape < 0.5:  # an ellipse looks more like a hand than a box does
                inside = np.zeros((h, w), np.uint8)
                cv2.ellipse(inside, (w // 2, h // 2), (w // 2, h // 2), 0, 0, 360, 1, -1)
                np.copyto(here, patch, where=inside.view(bool)[..., None])
            else:
                here[...] = patch
        return out
