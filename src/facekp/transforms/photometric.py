"""Photometric transforms: light, colour, blur, noise, occlusion.  Points stay where they are.

Each works on uint8 RGB and draws its strength from the generator it is given.
"""

from __future__ import annotations

from abc import abstractmethod

import cv2
import numpy as np

from .base import Array, Transform, View

__all__ = ["Blur", "Colour", "Grey", "Jpeg", "Noise", "Occlude", "Shade", "Tone"]


class Photometric(Transform):
    """A change of pixels that happens with probability ``p``."""

    def __init__(self, p: float = 1.0) -> None:
        self.p = p

    def apply(self, view: View, rng: np.random.Generator) -> None:
        if rng.random() < self.p:
            view.source = self.change(view.pixels(), rng)

    @abstractmethod
    def change(self, image: Array, rng: np.random.Generator) -> Array:
        """``(H, W, 3)`` uint8 → the same shape and type."""


class Tone(Photometric):
    """Brightness, contrast and gamma, in one look-up table."""

    def __init__(self, brightness: float = 0.25, contrast: float = 0.3, gamma: float = 0.4, p: float = 1.0) -> None:
        super().__init__(p)
        self.brightness, self.contrast, self.gamma = brightness, contrast, gamma

    def change(self, image: Array, rng: np.random.Generator) -> Array:
        shift, contrast, gamma = rng.uniform(-1, 1, 3) * (self.brightness, self.contrast, self.gamma)
        ramp = (np.arange(256) / 255.0) ** np.exp(gamma)
        table = ((ramp - 0.5) * (1 + contrast) + 0.5 + shift) * 255
        out: Array = cv2.LUT(image, np.clip(table + 0.5, 0, 255).astype(np.uint8))
        return out


class Colour(Photometric):
    """Saturation, and a gain per channel (the colour of the light)."""

    def __init__(self, saturation: float = 0.6, tint: float = 0.2, p: float = 1.0) -> None:
        super().__init__(p)
        self.saturation, self.tint = saturation, tint

    def change(self, image: Array, rng: np.random.Generator) -> Array:
        keep = 1 + float(rng.uniform(-1, 1)) * self.saturation
        gain = 1 + rng.uniform(-1, 1, 3) * self.tint
        luma = np.array([0.299, 0.587, 0.114])
        matrix = (keep * np.eye(3) + (1 - keep) * np.ones((3, 1)) * luma) * gain[:, None]
        out: Array = cv2.transform(image, matrix.astype(np.float32))
        return out


class Grey(Photometric):
    """The same grey in all three channels."""

    def change(self, image: Array, rng: np.random.Generator) -> Array:
        out: Array = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        return out


class Blur(Photometric):
    """Gaussian blur, or motion blur along a random direction; ``sigma`` as a share of the picture's width."""

    def __init__(self, sigma: float = 0.015, p: float = 1.0) -> None:
        super().__init__(p)
        self.sigma = sigma

    def change(self, image: Array, rng: np.random.Generator) -> Array:
        sigma = float(rng.uniform(0.2, 1)) * self.sigma * image.shape[1]
        if rng.random() < 0.6:
            out: Array = cv2.GaussianBlur(image, (0, 0), max(sigma, 0.1))
            return out
        length = max(3, round(sigma * 4) | 1)
        kernel = np.zeros((length, length), np.float32)
        angle, half = float(rng.uniform(0, np.pi)), length // 2
        end = (round(half + half * np.cos(angle)), round(half + half * np.sin(angle)))
        cv2.line(kernel, (2 * half - end[0], 2 * half - end[1]), end, 1.0)
        moved: Array = cv2.filter2D(image, -1, kernel / kernel.sum())
        return moved


class Noise(Photometric):
    """Gaussian noise of a standard deviation up to ``sigma`` grey levels."""

    def __init__(self, sigma: float = 14.0, p: float = 1.0) -> None:
        super().__init__(p)
        self.sigma = sigma

    def change(self, image: Array, rng: np.random.Generator) -> Array:
        noise = rng.standard_normal(image.shape, np.float32) * (float(rng.random()) * self.sigma)
        return np.asarray(np.clip(image + noise + 0.5, 0, 255), np.uint8)


class Jpeg(Photometric):
    """Save as JPEG at a quality in ``quality`` and read again."""

    def __init__(self, quality: tuple[int, int] = (15, 70), p: float = 1.0) -> None:
        super().__init__(p)
        self.quality = quality

    def change(self, image: Array, rng: np.random.Generator) -> Array:
        quality = int(rng.integers(self.quality[0], self.quality[1] + 1))
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))


class Shade(Photometric):
    """Light that falls off to one side, down to ``1 - depth``."""

    def __init__(self, depth: float = 0.7, p: float = 1.0) -> None:
        super().__init__(p)
        self.depth = depth

    def change(self, image: Array, rng: np.random.Generator) -> Array:
        height, width = image.shape[:2]
        angle = float(rng.uniform(0, 2 * np.pi))
        ys, xs = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)
        along = xs * np.cos(angle) + ys * np.sin(angle)
        light = 1 / (1 + np.exp((along - rng.uniform(-0.6, 0.6)) * rng.uniform(2, 10)))
        low = 1 - float(rng.random()) * self.depth
        return np.asarray(image * (low + (1 - low) * light[..., None]) + 0.5, np.uint8)


class Occlude(Photometric):
    """Cover one to three patches, each up to ``size`` of the side, with one colour, noise, or another part."""

    def __init__(self, size: float = 0.4, p: float = 1.0) -> None:
        super().__init__(p)
        self.size = size

    def change(self, image: Array, rng: np.random.Generator) -> Array:
        out = image.copy()
        height, width = image.shape[:2]
        for _ in range(int(rng.integers(1, 4))):
            h, w = (max(1, int(rng.uniform(0.08, self.size) * side)) for side in (height, width))
            y, x = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
            patch = self._fill(image, h, w, rng)
            if rng.random() < 0.5:  # an ellipse looks more like a hand than a box does
                inside = np.zeros((h, w), np.uint8)
                cv2.ellipse(inside, (w // 2, h // 2), (w // 2, h // 2), 0, 0, 360, 1, -1)
                patch = np.where(inside[..., None] > 0, patch, out[y : y + h, x : x + w])
            out[y : y + h, x : x + w] = patch
        return out

    @staticmethod
    def _fill(image: Array, h: int, w: int, rng: np.random.Generator) -> Array:
        kind = rng.random()
        if kind < 0.4:
            return np.broadcast_to(rng.integers(0, 256, 3, np.uint8), (h, w, 3))
        if kind < 0.6:
            return rng.integers(0, 256, (h, w, 3), np.uint8)
        y = int(rng.integers(0, image.shape[0] - h + 1))
        x = int(rng.integers(0, image.shape[1] - w + 1))
        return image[y : y + h, x : x + w]
