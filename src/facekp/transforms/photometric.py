"""Photometric transforms: light, colour, blur, noise, JPEG.  Points stay where they are.

Each works on uint8 RGB and draws its strength from the generator it is given.  What is drawn is drawn for n pictures
at once, so that :class:`~facekp.transforms.BatchWarp` uses the same numbers as a single picture does.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import cache
from statistics import NormalDist
from typing import Any

import cv2
import numpy as np

from ..errors import ArgumentError
from . import _check
from .base import Array, Transform, View

__all__ = ["Blur", "Colour", "Grey", "Jpeg", "Lookup", "Mix", "Noise", "Photometric", "Shade", "Tone"]

LUMA = np.array([0.299, 0.587, 0.114])
RAMP = np.arange(256) / 255.0


class Photometric(Transform):
    """A change of pixels that happens with probability ``p``."""

    def __init__(self, p: float = 1.0) -> None:
        self.p = _check.chance(type(self).__name__, p)

    def apply(self, view: View, rng: np.random.Generator) -> None:
        if rng.random() < self.p:
            view.source = self.change(view.pixels(), rng)

    @abstractmethod
    def change(self, image: Array, rng: np.random.Generator) -> Array:
        """``(H, W, 3)`` uint8 → the same shape and type."""


class Lookup(Photometric):
    """A change of each grey level by a table."""

    @abstractmethod
    def tables(self, rng: np.random.Generator, n: int) -> Array:
        """``(n, 256)`` uint8: a table for each of n pictures."""

    def change(self, image: Array, rng: np.random.Generator) -> Array:
        out: Array = cv2.LUT(image, self.tables(rng, 1)[0])
        return out


def levels(values: Array) -> Array:
    """Shares of full brightness become grey levels, rounded and cut off."""
    return np.clip(values * 255 + 0.5, 0, 255).astype(np.uint8)


class Tone(Lookup):
    """Brightness, contrast and gamma, in one look-up table.

    Args:
        brightness: add up to ± this share of full brightness.
        contrast: multiply the distance from mid-grey by up to 1 ± this.
        gamma: raise to the power ``exp(u)``, u uniform in ± this.
        p: how often; else nothing happens.
    """

    def __init__(self, brightness: float = 0.25, contrast: float = 0.3, gamma: float = 0.4, p: float = 1.0) -> None:
        super().__init__(p)
        self.brightness = _check.amount("Tone", "brightness", brightness)
        self.contrast = _check.amount("Tone", "contrast", contrast)
        self.gamma = _check.amount("Tone", "gamma", gamma)

    def tables(self, rng: np.random.Generator, n: int) -> Array:
        draw = rng.uniform(-1, 1, (n, 3)) * (self.brightness, self.contrast, self.gamma)
        shift, contrast, gamma = draw[:, :1], draw[:, 1:2], draw[:, 2:]
        return levels((RAMP ** np.exp(gamma) - 0.5) * (1 + contrast) + (0.5 + shift))


class Mix(Photometric):
    """A linear change of the three channels by a matrix."""

    @abstractmethod
    def matrices(self, rng: np.random.Generator, n: int) -> Array:
        """``(n, 3, 3)`` from RGB to RGB: a matrix for each of n pictures."""

    def change(self, image: Array, rng: np.random.Generator) -> Array:
        out: Array = cv2.transform(image, self.matrices(rng, 1)[0].astype(np.float32))
        return out


def saturations(keep: Array) -> Array:
    """``(n, 3, 3)`` matrices that scale the distance from grey, ``(n,)``; the luma stays."""
    factor = np.asarray(keep)[:, None, None]
    out: Array = factor * np.eye(3) + (1 - factor) * LUMA
    return out


class Colour(Mix):
    """Saturation, and a gain per channel (the colour of the light).

    Args:
        saturation: multiply the distance from grey by up to 1 ± this.
        tint: multiply each channel by up to 1 ± this.
        p: how often; else nothing happens.
    """

    def __init__(self, saturation: float = 0.6, tint: float = 0.2, p: float = 1.0) -> None:
        super().__init__(p)
        self.saturation = _check.amount("Colour", "saturation", saturation)
        self.tint = _check.amount("Colour", "tint", tint)

    def matrices(self, rng: np.random.Generator, n: int) -> Array:
        draw = rng.uniform(-1, 1, (n, 4))
        gain = 1 + draw[:, 1:, None] * self.tint
        out: Array = saturations(1 + draw[:, 0] * self.saturation) * gain
        return out


class Grey(Mix):
    """The same grey in all three channels."""

    def matrices(self, rng: np.random.Generator, n: int) -> Array:
        return saturations(np.zeros(n))

    def change(self, image: Array, rng: np.random.Generator) -> Array:
        out: Array = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        return out


class Blur(Photometric):
    """Gaussian blur, or, two times of five, motion blur along a random direction.

    Args:
        sigma: up to this share of the picture's width.
        p: how often; else nothing happens.
    """

    def __init__(self, sigma: float = 0.015, p: float = 1.0) -> None:
        super().__init__(p)
        self.sigma = _check.amount("Blur", "sigma", sigma)

    def draw(self, rng: np.random.Generator, n: int, width: int) -> tuple[Array, Array]:
        """``(n,)`` sigmas in pixels, and ``(n,)`` directions in radians, NaN where the blur is Gaussian."""
        draw = rng.random((n, 3))
        sigma = np.maximum((0.2 + 0.8 * draw[:, 0]) * self.sigma * width, 0.1)
        return sigma, np.where(draw[:, 1] < 0.6, np.nan, draw[:, 2] * np.pi)

    def change(self, image: Array, rng: np.random.Generator) -> Array:
        sigma, angle = (float(v[0]) for v in self.draw(rng, 1, image.shape[1]))
        if np.isnan(angle):
            out: Array = cv2.GaussianBlur(image, (0, 0), sigma)
        else:
            out = cv2.filter2D(image, -1, motion_kernel(sigma, angle))
        return out


def motion_kernel(sigma: float, angle: float) -> Array:
    """``(L, L)`` float32, L odd: a line of four sigmas along a direction."""
    length = max(3, round(sigma * 4) | 1)
    kernel, half = np.zeros((length, length), np.float32), length // 2
    end = (round(half + half * np.cos(angle)), round(half + half * np.sin(angle)))
    cv2.line(kernel, (2 * half - end[0], 2 * half - end[1]), end, 1.0)
    out: Array = kernel / kernel.sum()
    return out


@cache
def _normal_levels() -> Array:
    """``(65536,)`` float32 of unit variance: the standard normal's quantiles, so that 16 random bits are a draw."""
    half = 1 << 15
    above = np.array([NormalDist().inv_cdf(0.5 + (i + 0.5) / (2 * half)) for i in range(half)])
    values = np.concatenate([-above[::-1], above])
    return np.asarray(values / values.std(), np.float32)


class Noise(Photometric):
    """Gaussian noise of a standard deviation up to ``sigma`` grey levels.

    Args:
        sigma: in grey levels.
        p: how often; else nothing happens.
    """

    def __init__(self, sigma: float = 14.0, p: float = 1.0) -> None:
        super().__init__(p)
        self.sigma = _check.amount("Noise", "sigma", sigma)

    def draw(self, rng: np.random.Generator, n: int) -> Array:
        """``(n,)`` standard deviations."""
        return rng.random(n) * self.sigma

    def change(self, image: Array, rng: np.random.Generator) -> Array:
        sigma = float(self.draw(rng, 1)[0])
        table = np.rint(_normal_levels() * np.float32(sigma)).astype(np.int16)  # the picture is whole numbers too
        bits = np.frombuffer(rng.bytes(2 * image.size), "<u2").reshape(image.shape)
        out: Array = cv2.add(image, np.take(table, bits), dtype=cv2.CV_8U)
        return out


class Jpeg(Photometric):
    """Save as JPEG and read again.

    Args:
        quality: lowest and highest, of libjpeg's 1 to 100.
        p: how often; else nothing happens.
    """

    def __init__(self, quality: tuple[int, int] = (15, 70), p: float = 1.0) -> None:
        super().__init__(p)
        low, high = _check.pair("Jpeg", "quality", _pair_only(quality), low=1, high=100)
        self.quality = (int(low), int(high))

    def draw(self, rng: np.random.Generator, n: int) -> Array:
        """``(n,)`` qualities."""
        return rng.integers(self.quality[0], self.quality[1] + 1, n)

    def change(self, image: Array, rng: np.random.Generator) -> Array:
        quality = int(self.draw(rng, 1)[0])
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))


def _pair_only(quality: Any) -> Any:
    if isinstance(quality, (tuple, list)):
        return quality
    raise ArgumentError(f"Jpeg: quality must be a pair (low, high), got {quality!r}")


class Shade(Photometric):
    """Light that falls off to one side, down to ``1 - depth``.

    Args:
        depth: how dark the dark side may be: 1 is black.
        p: how often; else nothing happens.
    """

    def __init__(self, depth: float = 0.7, p: float = 1.0) -> None:
        super().__init__(p)
        self.depth = _check.amount("Shade", "depth", depth, high=1)

    def draw(self, rng: np.random.Generator, n: int) -> Array:
        """``(n, 4)``: ``(a, b, c, low)`` of the light ``low + (1 - low) / (1 + exp(a x + b y + c))``, x, y in ±1."""
        draw = rng.random((n, 4))
        angle, middle, slope = 2 * np.pi * draw[:, 0], 1.2 * draw[:, 1] - 0.6, 2 + 8 * draw[:, 2]
        low = 1 - draw[:, 3] * self.depth
        return np.stack([slope * np.cos(angle), slope * np.sin(angle), -slope * middle, low], 1)

    def change(self, image: Array, rng: np.random.Generator) -> Array:
        height, width = image.shape[:2]
        a, b, c, low = (float(v) for v in self.draw(rng, 1)[0])
        # exp of a sum is a product of exps: one row and one column of them are enough
        column = np.exp(np.linspace(-b, b, height, dtype=np.float32) + np.float32(c))[:, None]
        row = np.exp(np.linspace(-a, a, width, dtype=np.float32))
        light = np.float32(low) + np.float32(1 - low) / (1 + column * row)
        out: Array = cv2.multiply(image, cv2.merge([light, light, light]), dtype=cv2.CV_8U)
        return out
