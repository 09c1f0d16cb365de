"""Photometric transforms of one thing each, under the names that people look for.

A number v is how far the drawn strength goes from "nothing happens", a pair ``(low, high)`` is the range itself, as in
torchvision.  :class:`~facekp.transforms.Tone` and :class:`~facekp.transforms.Colour` do several of them at one cost.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from . import _check
from .base import Array
from .photometric import LUMA, RAMP, Lookup, Mix, Photometric, levels, saturations

__all__ = ["CLAHE", "Brightness", "Contrast", "Gamma", "Hue", "Saturation"]

Pair = tuple[float, float]


def _factors(owner: str, name: str, value: float | Pair) -> Pair:
    """A range of factors of at least 0; a number v stands for ``(max(0, 1 - v), 1 + v)``."""
    return _check.pair(owner, name, value, around=1.0, low=0.0)


class Brightness(Lookup):
    """Multiply every grey level by one factor.

    Args:
        brightness: a number b draws the factor from ``max(0, 1 - b)`` to ``1 + b``; a pair ``(low, high)`` from that
            range.
        p: how often; else nothing happens.
    """

    def __init__(self, brightness: float | Pair = 0.2, p: float = 1.0) -> None:
        super().__init__(p)
        self.brightness = _factors("Brightness", "brightness", brightness)

    def tables(self, rng: np.random.Generator, n: int) -> Array:
        return levels(RAMP * rng.uniform(*self.brightness, (n, 1)))


class Contrast(Lookup):
    """Multiply the distance from mid-grey by one factor.

    Args:
        contrast: a number c draws the factor from ``max(0, 1 - c)`` to ``1 + c``; a pair ``(low, high)`` from that
            range.
        p: how often; else nothing happens.
    """

    def __init__(self, contrast: float | Pair = 0.2, p: float = 1.0) -> None:
        super().__init__(p)
        self.contrast = _factors("Contrast", "contrast", contrast)

    def tables(self, rng: np.random.Generator, n: int) -> Array:
        return levels((RAMP - 0.5) * rng.uniform(*self.contrast, (n, 1)) + 0.5)


class Gamma(Lookup):
    """Raise the share of full brightness to a power: above 1 darkens, below 1 lightens.

    Args:
        gamma: the power, drawn log-uniformly: a number g draws from ``1 / (1 + g)`` to ``1 + g``; a pair
            ``(low, high)`` from that range.
        p: how often; else nothing happens.
    """

    def __init__(self, gamma: float | Pair = 0.3, p: float = 1.0) -> None:
        super().__init__(p)
        if not isinstance(gamma, (tuple, list)):
            most = 1 + _check.amount("Gamma", "gamma", gamma)
            gamma = (1 / most, most)
        self.gamma = _check.pair("Gamma", "gamma", gamma)
        _check.amount("Gamma", "gamma", self.gamma[0], above=True)

    def tables(self, rng: np.random.Generator, n: int) -> Array:
        low, high = (math.log(v) for v in self.gamma)
        return levels(RAMP ** np.exp(rng.uniform(low, high, (n, 1))))


class Saturation(Mix):
    """Multiply the distance from grey by one factor; 0 is grey, and the luma stays.

    Args:
        saturation: a number s draws the factor from ``max(0, 1 - s)`` to ``1 + s``; a pair ``(low, high)`` from that
            range.
        p: how often; else nothing happens.
    """

    def __init__(self, saturation: float | Pair = 0.3, p: float = 1.0) -> None:
        super().__init__(p)
        self.saturation = _factors("Saturation", "saturation", saturation)

    def matrices(self, rng: np.random.Generator, n: int) -> Array:
        return saturations(rng.uniform(*self.saturation, n))


# NTSC's YIQ (FCC 1953, as commonly rounded): a turn of the IQ plane changes the hue and keeps the luma
_TO_YIQ = np.array([LUMA, [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])


class Hue(Mix):
    """Turn the hue, at the same luma: a turn of the IQ plane of YIQ, hence one matrix.

    Args:
        hue: in turns, as in torchvision: a number h draws from ±h, a pair ``(low, high)`` from that range; all within
            ±0.5.  Colours of faces stay likely to about 0.05.
        p: how often; else nothing happens.
    """

    def __init__(self, hue: float | Pair = 0.05, p: float = 1.0) -> None:
        super().__init__(p)
        self.hue = _check.pair("Hue", "hue", hue, low=-0.5, high=0.5)

    def matrices(self, rng: np.random.Generator, n: int) -> Array:
        angle = 2 * np.pi * rng.uniform(*self.hue, n)
        turn = np.tile(np.eye(3), (n, 1, 1))
        turn[:, 1, 1] = turn[:, 2, 2] = np.cos(angle)
        turn[:, 1, 2], turn[:, 2, 1] = np.sin(angle), -np.sin(angle)
        out: Array = np.linalg.inv(_TO_YIQ) @ turn @ _TO_YIQ
        return out


class CLAHE(Photometric):
    """Contrast-limited adaptive histogram equalisation of the lightness (L of Lab).

    Zuiderveld, "Contrast limited adaptive histogram equalization", Graphics Gems IV, 1994.

    Args:
        clip_limit: how far contrast may be raised: a number c draws from 1 to c; a pair ``(low, high)`` from that
            range.
        tiles: the picture is equalised in this many rows and columns.
        p: how often; else nothing happens.
    """

    def __init__(self, clip_limit: float | Pair = 4.0, tiles: int = 8, p: float = 1.0) -> None:
        super().__init__(p)
        if not isinstance(clip_limit, (tuple, list)):
            clip_limit = (1.0, _check.amount("CLAHE", "clip_limit", clip_limit, low=1))
        self.clip_limit = _check.pair("CLAHE", "clip_limit", clip_limit, low=1)
        self.tiles = int(_check.amount("CLAHE", "tiles", tiles, low=1))

    def change(self, image: Array, rng: np.random.Generator) -> Array:
        lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
        equaliser = cv2.createCLAHE(float(rng.uniform(*self.clip_limit)), (self.tiles, self.tiles))
        lab[..., 0] = equaliser.apply(np.ascontiguousarray(lab[..., 0]))
        out: Array = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)
        return out
