"""What saving as JPEG does to pictures, as tensor operations on a batch."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F

from .base import Array

__all__ = ["jpeg"]

# ITU-T T.81 (1992), annex K, tables K.1 (luminance) and K.2 (chrominance)
LUMINANCE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
CHROMINANCE = np.full((8, 8), 99)
CHROMINANCE[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]

# JFIF's conversion from RGB (ITU-R BT.601, full range)
TO_YCC = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])


def quantisation(table: Array, quality: Array) -> Array:
    """``(n, 8, 8)`` steps: libjpeg's scaling of an ``(8, 8)`` table to qualities ``(n,)`` of 1 to 100."""
    quality = np.asarray(quality)
    percent = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)[:, None, None]
    out: Array = np.clip((table * percent + 50) // 100, 1, 255)
    return out


def jpeg(images: torch.Tensor, quality: Array) -> torch.Tensor:
    """Save and read again, colour at half the resolution (4:2:0).

    Args:
        images: ``(N, 3, H, W)`` uint8 RGB.
        quality: ``(N,)`` whole numbers of 1 to 100.

    Returns:
        The same shape and type.
    """
    height, width = images.shape[2:]
    matrix = torch.from_numpy(TO_YCC).to(images.device, torch.float32)
    padded = F.pad(images.float(), (0, -width % 16, 0, -height % 16), mode="replicate")
    ycc = torch.einsum("ij,njhw->nihw", matrix, padded).round_()
    ycc[:, :1] -= 128
    luma = _blocks(ycc[:, :1], quantisation(LUMINANCE, quality))
    chroma = _blocks(F.avg_pool2d(ycc[:, 1:], 2), quantisation(CHROMINANCE, quality))
    chroma = F.interpolate(chroma, scale_factor=2, mode="bilinear", align_corners=False)
    both = torch.cat([luma + 128, chroma], 1)[:, :, :height, :width]
    out = torch.einsum("ij,njhw->nihw", torch.linalg.inv(matrix), both)
    return out.round_().clamp_(0, 255).to(torch.uint8)


def _blocks(planes: torch.Tensor, steps: Array) -> torch.Tensor:
    """Round the cosine coefficients of each 8x8 block of ``(N, C, H, W)`` to multiples of steps ``(N, 8, 8)``."""
    n, channels, height, width = planes.shape
    k = torch.arange(8, dtype=torch.float32, device=planes.device)
    cosines = torch.cos((2 * k + 1) * k[:, None] * (math.pi / 16)) / 2
    cosines[0] /= math.sqrt(2)
    blocks = planes.reshape(n, channels, height // 8, 8, width // 8, 8).transpose(3, 4)
    step = torch.from_numpy(steps).to(planes.device, torch.float32)[:, None, None, None]
    spectrum = (cosines @ blocks @ cosines.T / step).round_() * step
    return (cosines.T @ spectrum @ cosines).transpose(3, 4).reshape(planes.shape).round_()
