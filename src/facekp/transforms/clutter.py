"""Drawn pictures that show no face: clouds, grain, gratings, and heaps of discs, boxes, lines and letters.

A finder that has seen only photographs of people takes round things, spots and print for faces.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["clutter"]

Array = npt.NDArray[Any]
Size = tuple[int, int]


def clutter(size: Size, rng: np.random.Generator) -> Array:
    """A picture ``(H, W, 3)`` uint8 of nothing in particular, in colours or grey; ``size`` is (H, W)."""
    ground, above = _GROUNDS[int(rng.integers(len(_GROUNDS)))], rng.random()
    image = np.clip(ground(size, rng), 0, 255).astype(np.uint8)
    if above < 0.6:
        _things(image, rng)
    elif above < 0.7:
        _letters(image, rng)
    if rng.random() < 0.4:
        image[...] = image.mean(-1, keepdims=True)
    return image


def _clouds(size: Size, rng: np.random.Generator) -> Array:
    low, high = np.sort(rng.integers(0, 256, 2))
    cells = (int(rng.integers(2, 12)), int(rng.integers(2, 12)), 3)
    return _resized(rng.integers(low, high + 1, cells), size)


def _grain(size: Size, rng: np.random.Generator) -> Array:
    """Noise of several scales: stone, grass, cells."""
    out = np.full((*size, 3), rng.uniform(40, 215, 3), np.float32)
    for _ in range(int(rng.integers(1, 4))):
        step = np.exp(rng.uniform(0, 2.5))
        cells = (max(2, int(size[0] / step)), max(2, int(size[1] / step)), int(rng.choice([1, 3])))
        noise = _resized(rng.normal(0, rng.uniform(8, 50), cells), size)
        out += noise.reshape(*size, -1)
    return out


def _grating(size: Size, rng: np.random.Generator) -> Array:
    """Waves that cross: bricks, blinds, cloth, a chessboard."""
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32)
    wave = np.zeros(size, np.float32)
    for _ in range(int(rng.integers(1, 3))):
        angle, length = rng.uniform(0, np.pi), np.exp(rng.uniform(1.2, 4.0))
        wave += np.sin((x * np.cos(angle) + y * np.sin(angle)) * (2 * np.pi / length) + rng.uniform(0, 6.3))
    if rng.random() < 0.5:
        wave = np.sign(wave)
    out: Array = rng.uniform(60, 195, 3) + wave[..., None] * rng.uniform(-60, 60, 3)
    return out


_GROUNDS: tuple[Callable[[Size, np.random.Generator], Array], ...] = (_clouds, _clouds, _grain, _grating)


def _resized(cells: Array, size: Size) -> Array:
    out: Array = cv2.resize(cells.astype(np.float32), size[::-1], interpolation=cv2.INTER_CUBIC)
    return out


def _things(image: Array, rng: np.random.Generator) -> None:
    """Discs, ovals, boxes and lines, of one kind and size or of all, alone or in heaps, shaded and with spots."""
    side = min(image.shape[:2])
    usual, alike, kind = np.exp(rng.uniform(np.log(0.03), np.log(0.35))), rng.random() < 0.5, int(rng.integers(4))
    for _ in range(int(rng.integers(1, 24))):
        middle = (rng.random(2) * image.shape[1::-1]).round()
        reach = side * usual * (rng.uniform(0.8, 1.2) if alike else np.exp(rng.uniform(-0.7, 0.7)))
        _thing(image, kind if alike else int(rng.integers(4)), middle, reach, rng)


def _thing(image: Array, kind: int, middle: Array, reach: float, rng: np.random.Generator) -> None:
    colour = [int(v) for v in rng.integers(0, 256, 3)]
    width = int(rng.choice([-1, -1, 1 + int(0.2 * reach)]))
    x, y = int(middle[0]), int(middle[1])
    axes = (max(1, int(reach)), max(1, int(reach * rng.uniform(0.5, 1.0))))
    angle = float(rng.uniform(0, 360))
    if kind < 2:  # the second one has a highlight or a hole
        cv2.ellipse(image, (x, y), axes if kind else (axes[0], axes[0]), angle, 0, 360, colour, width, cv2.LINE_AA)
        if rng.random() < 0.5:
            inner = (max(1, axes[0] // 3), max(1, axes[1] // 3))
            at = (x + int(rng.uniform(-0.4, 0.4) * reach), y + int(rng.uniform(-0.4, 0.4) * reach))
            cv2.ellipse(image, at, inner, angle, 0, 360, [255 - v for v in colour], -1, cv2.LINE_AA)
    elif kind == 2:
        corners = cv2.boxPoints(((x, y), (2.0 * axes[0], 2.0 * axes[1]), angle)).round().astype(np.int32)
        if width < 0:
            cv2.fillConvexPoly(image, corners, colour, cv2.LINE_AA)
        else:
            cv2.polylines(image, [corners], True, colour, width, cv2.LINE_AA)
    else:
        step = 3 * reach * np.array([np.cos(angle), np.sin(angle)])
        ends = [tuple(int(v) for v in middle + sign * step) for sign in (-1, 1)]
        cv2.line(image, ends[0], ends[1], colour, 1 + int(0.1 * reach), cv2.LINE_AA)


def _letters(image: Array, rng: np.random.Generator) -> None:
    """Lines of print."""
    scale = float(np.exp(rng.uniform(np.log(0.25), np.log(1.5))))
    colour = [int(rng.integers(0, 256))] * 3
    for y in range(int(24 * scale), image.shape[0], max(6, int(rng.uniform(24, 45) * scale))):
        text = "".join(chr(int(v)) for v in rng.integers(48, 123, 60))
        cv2.putText(
            image, text, (int(rng.integers(-30, 30)), y), cv2.FONT_HERSHEY_SIMPLEX, scale, colour, 1, cv2.LINE_AA
        )
