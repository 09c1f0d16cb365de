"""Photometric transforms of a batch: the strengths of each picture are drawn as for a single one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from . import photometric
from .base import Array, Transform
from .batch_jpeg import jpeg
from .hand import Hand
from .occlusion import PATCHES, Occlude
from .photometric import Blur, Jpeg, Lookup, Mix, Noise, Photometric, Shade

__all__ = ["apply", "known"]

Rng = np.random.Generator
Step = Callable[[Any, torch.Tensor, Rng], torch.Tensor]


def apply(steps: Sequence[Transform], images: torch.Tensor, rng: Rng) -> torch.Tensor:
    """Change a batch in place, each picture by its own draw.

    Args:
        steps: photometric transforms for which :func:`known` is true.
        images: ``(N, 3, H, W)`` uint8.
        rng: where every draw comes from.
    """
    for step in steps:
        assert isinstance(step, Photometric)
        chosen = np.flatnonzero(rng.random(len(images)) < step.p)
        if len(chosen) == len(images) > 0:
            images = _form(step)(step, images, rng)
        elif len(chosen):
            where = torch.from_numpy(chosen).to(images.device)
            images[where] = _form(step)(step, images[where], rng)
    return images


def known(step: Transform) -> bool:
    """Whether a photometric transform has a batched form."""
    return any(isinstance(step, kind) for kind in _FORMS)


def _form(step: Transform) -> Step:
    return next(form for kind, form in _FORMS.items() if isinstance(step, kind))


def _bytes(values: torch.Tensor) -> torch.Tensor:
    return values.round_().clamp_(0, 255).to(torch.uint8)


def _on(images: torch.Tensor, values: Array) -> torch.Tensor:
    """One float32 number, or row of numbers, per picture, on the pictures' device."""
    return torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(images.device)


def _torch(images: torch.Tensor, rng: Rng) -> torch.Generator:
    return torch.Generator(images.device).manual_seed(int(rng.integers(1 << 62)))


def _lookup(step: Lookup, images: torch.Tensor, rng: Rng) -> torch.Tensor:
    tables = torch.from_numpy(step.tables(rng, len(images))).to(images.device)
    return tables.gather(1, images.flatten(1).long()).view_as(images)


def _mix(step: Mix, images: torch.Tensor, rng: Rng) -> torch.Tensor:
    matrices = _on(images, step.matrices(rng, len(images)))
    return _bytes(torch.bmm(matrices, images.flatten(2).float())).view_as(images)


def _shade(step: Shade, images: torch.Tensor, rng: Rng) -> torch.Tensor:
    a, b, c, low = _on(images, step.draw(rng, len(images))).T[..., None, None]
    height, width = images.shape[2:]
    y = torch.linspace(-1, 1, height, device=images.device)[:, None]
    x = torch.linspace(-1, 1, width, device=images.device)
    light = low + (1 - low) * torch.sigmoid(-(a * x + b * y + c))
    return _bytes(images * light[:, None])


def _noise(step: Noise, images: torch.Tensor, rng: Rng) -> torch.Tensor:
    sigma = _on(images, step.draw(rng, len(images)))[:, None, None, None]
    noise = torch.empty(images.shape, device=images.device).normal_(generator=_torch(images, rng))
    return _bytes(images + noise * sigma)


def _jpeg(step: Jpeg, images: torch.Tensor, rng: Rng) -> torch.Tensor:
    # OpenCV is handed RGB as BGR on single pictures, and gives it back likewise
    return jpeg(images.flip(1), step.draw(rng, len(images))).flip(1)


def _blur(step: Blur, images: torch.Tensor, rng: Rng) -> torch.Tensor:
    n, _, height, width = images.shape
    sigmas, angles = step.draw(rng, n, width)
    kernels = [_kernel(float(s), float(a)) for s, a in zip(sigmas, angles, strict=True)]
    half = max(len(kernel) // 2 for kernel in kernels)
    all_ = np.stack([np.pad(k, half - len(k) // 2) for k in kernels])
    rows, columns = (_reflected(side, half, images.device) for side in (height, width))
    padded = images[:, :, rows][:, :, :, columns].float().transpose(0, 1)
    out = F.conv2d(padded, _on(images, all_)[:, None], groups=n)
    return _bytes(out.transpose(0, 1))


def _kernel(sigma: float, angle: float) -> Array:
    if not np.isnan(angle):
        return photometric.motion_kernel(sigma, angle)
    column = cv2.getGaussianKernel(round(sigma * 6 + 1) | 1, sigma)  # OpenCV's own length for uint8
    out: Array = column @ column.T
    return out


def _reflected(side: int, margin: int, device: torch.device) -> torch.Tensor:
    """Indices that repeat a side like a mirror, without its last pixel (OpenCV's BORDER_REFLECT_101)."""
    where = torch.arange(-margin, side + margin, device=device)
    period = max(2 * (side - 1), 1)
    where = where.remainder(period)
    return torch.minimum(where, period - where) if side > 1 else torch.zeros_like(where)


def _occlude(step: Occlude, images: torch.Tensor, rng: Rng) -> torch.Tensor:
    n, _, height, width = images.shape
    count, draw = step.draw(rng, n)
    ys = torch.arange(height, device=images.device)[:, None]
    xs = torch.arange(width, device=images.device)
    noise = torch.randint(256, images.shape, dtype=torch.uint8, device=images.device, generator=_torch(images, rng))
    out = images.clone()
    sides = np.array([height, width])
    for j in range(PATCHES):
        extent = np.maximum(1, ((0.08 + draw[:, j, :2] * (step.size - 0.08)) * sides).astype(int))
        free = sides - extent + 1
        corner, other = (draw[:, j, 2:4] * free).astype(int), (draw[:, j, 9:] * free).astype(int)
        (y0, x0), (h, w), (dy, dx) = (
            torch.from_numpy(v.T[..., None, None].copy()).to(images.device) for v in (corner, extent, other - corner)
        )
        box = (ys >= y0) & (ys < y0 + h) & (xs >= x0) & (xs < x0 + w)
        away = ((ys - y0 - h // 2) / (h // 2).clamp(min=1)) ** 2 + ((xs - x0 - w // 2) / (w // 2).clamp(min=1)) ** 2
        shape, kind, here = (
            torch.from_numpy(v).to(images.device)[:, None, None] for v in (draw[:, j, 4], draw[:, j, 5], count > j)
        )
        inside = (box & here & ((shape >= 0.5) | (away <= 1)))[:, None]
        flat = ((ys + dy).clamp(0, height - 1) * width + (xs + dx).clamp(0, width - 1)).flatten(1)
        copied = images.flatten(2).gather(2, flat[:, None].expand(-1, 3, -1)).view_as(images)
        plain = torch.from_numpy((draw[:, j, 6:9] * 256).astype(np.uint8)).to(images.device)[..., None, None]
        kind = kind[:, None]
        fill = torch.where(kind < 0.4, plain, torch.where(kind < 0.6, noise, copied))
        out = torch.where(inside, fill, out)
    return out


def _hand(step: Hand, images: torch.Tensor, rng: Rng) -> torch.Tensor:
    height, width = images.shape[2:]
    bars, colour, palm = step.draw(rng, len(images), (height, width))
    ys = torch.arange(height, device=images.device)[:, None]
    xs = torch.arange(width, device=images.device)
    depth = torch.full((len(images), height, width), -1.0, device=images.device)
    for bar in _on(images, bars).unbind(1):  # how far inside the nearest bar, in pixels
        x0, y0, x1, y1, radius = bar.T[..., None, None]
        dx, dy = x1 - x0, y1 - y0
        along = (((xs - x0) * dx + (ys - y0) * dy) / (dx**2 + dy**2).clamp(min=1e-6)).clamp(0, 1)
        depth = torch.maximum(depth, radius - torch.hypot(xs - x0 - along * dx, ys - y0 - along * dy))
    shade = 0.65 + 0.35 * (depth / (0.12 * _on(images, palm))[:, None, None]).clamp(0, 1)
    share = (depth + 0.5).clamp(0, 1)[:, None]
    skin = shade[:, None] * _on(images, colour)[:, :, None, None]
    return _bytes(images * (1 - share) + skin * share)


_FORMS: dict[Any, Step] = {
    Lookup: _lookup,
    Mix: _mix,
    Shade: _shade,
    Noise: _noise,
    Jpeg: _jpeg,
    Blur: _blur,
    Occlude: _occlude,
    Hand: _hand,
}
