"""A hand in front of the face."""

from __future__ import annotations

import numpy as np

from . import _check
from .base import Array
from .photometric import Photometric

__all__ = ["Hand"]

NUMBERS = 15
# Skin from dark to light, sRGB: the Monk skin tone scale's ends and middle (Monk, 2019)
TONES = np.array([[41, 36, 32], [130, 92, 67], [215, 189, 150], [246, 237, 228]], np.float64)
FINGERS = np.array([-0.36, -0.12, 0.12, 0.36])  # where they begin across the palm, in palm widths
LENGTHS = np.array([0.7, 0.9, 0.95, 0.8])


class Hand(Photometric):
    """A hand of one skin colour that reaches into the picture from an edge, at a random turn, fingers first.

    It is drawn from round-ended bars: a palm, a forearm, four fingers and a thumb, darker towards their rims.

    Args:
        size: width of the palm, up to this share of the picture's shorter side, and at least half of that.
        p: how often; else nothing happens.
    """

    def __init__(self, size: float = 0.3, p: float = 1.0) -> None:
        super().__init__(p)
        self.size = _check.amount("Hand", "size", size, high=1, above=True)

    def draw(self, rng: np.random.Generator, n: int, size: tuple[int, int]) -> tuple[Array, Array, Array]:
        """``(n, 7, 5)`` bars ``(x0, y0, x1, y1, radius)`` in pixels, ``(n, 3)`` colours, ``(n,)`` palm widths."""
        draw, (height, width) = rng.random((n, NUMBERS)), size
        palm = self.size * min(height, width) * (0.5 + 0.5 * draw[:, 0])
        angle = 2 * np.pi * draw[:, 1]
        ahead, side = np.stack([np.cos(angle), np.sin(angle)], 1), np.stack([-np.sin(angle), np.cos(angle)], 1)
        side *= np.where(draw[:, 2] < 0.5, -1.0, 1.0)[:, None]
        back = (0.1 + 0.3 * draw[:, 3]) * min(height, width)
        aside = (0.6 * draw[:, 4] - 0.3) * min(height, width)
        middle = np.array([(width - 1) / 2, (height - 1) / 2])
        origin = middle - back[:, None] * ahead + aside[:, None] * side
        bars = _bars(draw[:, 5], draw[:, 6:11]) * palm[:, None, None]
        reach = 2.0 * (height + width)
        bars[:, 1, 2] = -reach  # the forearm goes on beyond any edge
        ends = [origin[:, None] + x[..., None] * ahead[:, None] + y[..., None] * side[:, None] for x, y in _ends(bars)]
        tone = draw[:, 11] * (len(TONES) - 1)
        colour = np.stack([np.interp(tone, np.arange(len(TONES)), c) for c in TONES.T], 1)
        colour = np.clip(colour * (0.85 + 0.3 * draw[:, 12:]), 0, 255)
        return np.concatenate([*ends, bars[..., 4:]], -1), colour, palm

    def change(self, image: Array, rng: np.random.Generator) -> Array:
        (bars,), (colour,), (palm,) = self.draw(rng, 1, image.shape[:2])
        depth = np.full(image.shape[:2], -1.0, np.float32)
        for bar in bars:
            _deepen(depth, bar)
        shade = 0.65 + 0.35 * np.clip(depth * (1 / (0.12 * palm)), 0, 1)
        share = np.clip(depth + 0.5, 0, 1)[..., None]
        out = image * (1 - share) + (shade[..., None] * colour) * share
        return np.asarray(out + 0.5, np.uint8)


def _deepen(depth: Array, bar: Array) -> None:
    """Raise ``(H, W)`` in place to how far inside a bar each pixel is; pixels far outside are left out."""
    x0, y0, x1, y1, radius = bar.tolist()
    height, width = depth.shape
    left, right = (min(max(round(v), 0), width) for v in (min(x0, x1) - radius - 1, max(x0, x1) + radius + 2))
    top, bottom = (min(max(round(v), 0), height) for v in (min(y0, y1) - radius - 1, max(y0, y1) + radius + 2))
    xs = np.arange(left, right, dtype=np.float32) - x0
    ys = np.arange(top, bottom, dtype=np.float32)[:, None] - y0
    dx, dy = x1 - x0, y1 - y0
    along = np.clip((xs * dx + ys * dy) / max(dx**2 + dy**2, 1e-6), 0, 1)
    here = depth[top:bottom, left:right]
    np.maximum(here, radius - np.hypot(xs - along * dx, ys - along * dy), out=here)


def _bars(spread: Array, lengths: Array) -> Array:
    """``(n, 7, 5)`` bars of a hand that points along x, in palm widths; the middle of its palm is the origin.

    Args:
        spread: ``(n,)`` of [0, 1): how far the fingers fan out.
        lengths: ``(n, 5)`` of [0, 1): how far fingers and thumb are stretched.
    """
    bars = np.zeros((len(spread), 7, 5))
    bars[:, 0] = (-0.15, 0, 0.15, 0, 0.46)
    bars[:, 1] = (-0.3, 0, -1, 0, 0.34)
    fan = (0.15 + 0.9 * spread[:, None]) * FINGERS
    long = LENGTHS * (0.45 + 0.55 * lengths[:, :4])
    bars[:, 2:6, 0], bars[:, 2:6, 1] = 0.4, FINGERS
    bars[:, 2:6, 2], bars[:, 2:6, 3] = 0.4 + long * np.cos(fan), FINGERS + long * np.sin(fan)
    bars[:, 2:6, 4] = 0.11
    thumb = 0.4 + 0.3 * lengths[:, 4]
    bars[:, 6, :2] = (-0.1, -0.35)
    bars[:, 6, 2], bars[:, 6, 3], bars[:, 6, 4] = -0.1 + 0.75 * thumb, -0.35 - 0.85 * thumb, 0.13
    return bars


def _ends(bars: Array) -> list[tuple[Array, Array]]:
    return [(bars[..., 0], bars[..., 1]), (bars[..., 2], bars[..., 3])]
