"""What networks see of a crop, in training and in use alike."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from torch import Tensor

__all__ = ["equalised", "network_input"]

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
    """
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
        ``(N, 3 or 1, H, W)`` float32.
    """
    values = images.float()
    if grey:
        values = (values * values.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    return values.sub_(mean).div_(std)
