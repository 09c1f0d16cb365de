"""What networks see of a crop, in training and in use alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from . import _arguments as check
from .errors import ArgumentError

__all__ = ["equalised", "network_input", "planes"]

Array = npt.NDArray[Any]


def equalised(crop: Array, clip_limit: float, *, grey: bool = False) -> Array:
    """A crop after contrast-limited adaptive histogram equalisation of its luma, in training and in use alike.

    Zuiderveld, "Contrast limited adaptive histogram equalization", Graphics Gems IV, 1994, as OpenCV has it, in 8x8
    tiles.

    Args:
        crop: ``(H, W, 3)`` RGB uint8.
        clip_limit: the highest bar of a tile's histogram, as a multiple of an even one.
        grey: give the equalised luma in all three channels, instead of the crop's colours with another luma.

    Returns:
        ``(H, W, 3)`` RGB uint8.

    Raises:
        ArgumentError: the crop is something else, or the limit is not positive.
    """
    if not isinstance(crop, np.ndarray) or crop.dtype != np.uint8 or crop.shape[2:] != (3,) or not crop.size:
        raise ArgumentError(f"crop: expected an array (H, W, 3) of uint8 with pixels, got {check.shown(crop)}")
    check.number(clip_limit, "clip_limit", above=0)
    equaliser = cv2.createCLAHE(clip_limit, (8, 8))
    if grey:
        luma = equaliser.apply(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY))
        return np.repeat(luma[..., None], 3, axis=2)
    parts = cv2.cvtColor(crop, cv2.COLOR_RGB2YCrCb)
    parts[..., 0] = equaliser.apply(np.ascontiguousarray(parts[..., 0]))
    out: Array = cv2.cvtColor(parts, cv2.COLOR_YCrCb2RGB)
    return out


def network_input(images: Tensor, mean: float, std: float, *, grey: bool = False) -> Tensor:
    """What networks see of pictures, in training and in use alike.

    Args:
        images: ``(N, 3, H, W)`` RGB, 0 to 255; :func:`equalised` where the model asks for that.
        mean: subtracted from each pixel.
        std: by which the rest is divided.
        grey: one channel, the luma ``0.299 R + 0.587 G + 0.114 B`` (ITU-R BT.601).

    Returns:
        ``(N, 3 or 1, H, W)`` float32, a new tensor.

    Raises:
        ArgumentError: a shape is another, or a number is not finite, or ``std`` is not positive.
    """
    if not isinstance(images, Tensor) or images.ndim != 4 or images.shape[1] != 3 or images.is_complex():
        raise ArgumentError(f"images: expected a tensor (N, 3, H, W), got {check.shown(images)}")
    check.number(mean, "mean")
    check.number(std, "std", above=0)
    values = images.float()
    if grey:
        values = (values * values.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    values = values - mean if values is images else values.sub_(mean)  # the caller's own numbers stay
    return values.div_(std)


def planes(images: Sequence[Array] | Array, mean: float, std: float) -> Tensor:
    """:func:`network_input` of pictures on the CPU, to the bit, channel by channel in memory.

    For engines other than PyTorch, which that layout suits; and by numpy, as PyTorch would wake its threads, which for
    milliseconds would then be in the way of the engine's.

    Args:
        images: ``(H, W, 3)`` RGB uint8 each, all of one size; at least one.
        mean: subtracted from each pixel.
        std: by which the rest is divided.

    Returns:
        ``(N, 3, H, W)`` float32.

    Raises:
        ArgumentError: there is no picture, or one is something else; a number is not finite, or ``std`` not positive.
    """
    several = isinstance(images, (list, tuple)) or getattr(images, "ndim", 0) == 4
    kinds = {(getattr(one, "dtype", None), getattr(one, "shape", ())) for one in images} if several else set()
    kind, shape = kinds.pop() if len(kinds) == 1 else (None, ())
    if kind != np.uint8 or len(shape) != 3 or shape[2:] != (3,) or not all(shape):
        raise ArgumentError(f"images: expected arrays (H, W, 3) of uint8, of one size, got {check.shown(images)}")
    check.number(mean, "mean")
    check.number(std, "std", above=0)
    values = np.empty((len(images), 3, *images[0].shape[:2]), np.float32)
    apart = np.empty(values.shape[1:], np.uint8)
    for image, place in zip(images, values, strict=True):
        cv2.split(image, list(apart))
        place[...] = apart
    values -= np.float32(mean)
    values /= np.float32(std)
    return torch.from_numpy(values)
