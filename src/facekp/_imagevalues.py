"""Pixel values of any type and channel order become RGB uint8."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .errors import ImageError

__all__ = ["to_rgb8", "upright"]

Array = npt.NDArray[Any]

_SLACK = 1e-3  # resampling overshoots 0 and 1 by a little: no mistake of the caller's


def to_rgb8(array: Array, name: str, order: str, *, white: int | None = None, premultiplied: bool = False) -> Array:
    """RGB uint8 of a picture.

    Args:
        array: ``(H, W)`` or ``(H, W, 1 | 3 | 4)``; uint8, uint16, bool, or float in [0, 1].
        name: how messages name the picture.
        order: ``"rgb"`` (RGBA) or ``"bgr"`` (BGRA).
        white: the integer value of white, where it is not the type's largest.
        premultiplied: the colours are multiplied by alpha already.

    Returns:
        ``(H, W, 3)``, C-contiguous and writeable; the given array itself where it is that already.

    Raises:
        ImageError: the type or the values are none of the above.
    """
    image = np.ascontiguousarray(_to_uint8(array, name, white))
    channels = 1 if image.ndim == 2 else image.shape[2]
    if channels == 1:
        rgb: Array = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
        return rgb
    rgb = image[..., :3] if order == "rgb" else cv2.cvtColor(image[..., :3], cv2.COLOR_BGR2RGB)
    if channels == 4 and image[..., 3].min() < 255:
        return _over_white(rgb, image[..., 3:], premultiplied)
    rgb = np.ascontiguousarray(rgb)
    return rgb if rgb.flags.writeable else rgb.copy()


def _to_uint8(array: Array, name: str, white: int | None) -> Array:
    kind, width = array.dtype.kind, array.dtype.itemsize
    if kind == "u" and width <= 2:
        top = white or (1 << 8 * width) - 1
        if top == 255 and width == 1:
            return array
        levels = (np.arange(1 << 8 * width) * 510 + top) // (2 * top)  # 255 v / top, rounded
        eight: Array = np.minimum(levels, 255).astype(np.uint8)[array]
        return eight
    if kind == "b":
        return array.astype(np.uint8) * 255
    if kind != "f":
        fits = kind == "i" and array.min() >= 0 and array.max() <= 255
        hint = ": its values fit uint8, so convert it to that" if fits else ""
        raise ImageError(f"{name}: expected uint8, uint16, bool or float in [0, 1], got {array.dtype}{hint}")
    low, high = float(array.min()), float(array.max())
    if not (low >= -_SLACK and high <= 1 + _SLACK):  # true for NaN as well
        raise ImageError(f"{name}: floats must lie in [0, 1]; these {_float_hint(low, high)}")
    return np.rint(np.clip(array, 0, 1) * np.float32(255)).astype(np.uint8)


def _float_hint(low: float, high: float) -> str:
    if not (np.isfinite(low) and np.isfinite(high)):
        return "are not all finite (NaN or infinity)"
    if low >= 0 and high <= 255:
        return f"reach {high:.4g}: divide by 255, or pass uint8"
    return f"span [{low:.4g}, {high:.4g}]: undo their normalisation first"


def _over_white(rgb: Array, alpha: Array, premultiplied: bool) -> Array:
    """Lay a picture with alpha ``(H, W, 1)`` over white, rounding to the nearest level."""
    a = alpha.astype(np.uint16)  # the largest sum, 255 * 255 + 127, fits 16 bits
    if premultiplied:
        return np.minimum(rgb + (255 - a), 255).astype(np.uint8)
    return ((rgb * a + 255 * (255 - a) + 127) // 255).astype(np.uint8)


def upright(image: Array, orientation: int) -> Array:
    """Undo an EXIF orientation (1-8), which tells the sides that row 0 and column 0 of what is stored belong on."""
    if orientation >= 5:
        image = np.swapaxes(image, 0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)
