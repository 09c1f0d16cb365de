"""A face and its surroundings, cut out of the picture: what training keeps in memory, and a packed cache on disk."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import geometry
from ..sample import Sample

__all__ = ["SMALLEST", "reduced"]

Array = npt.NDArray[Any]

SMALLEST = 16
"""The least side of a crop in pixels; a face whose surroundings are smaller than this is the only one enlarged."""


def reduced(sample: Sample, side: int | None, scale: float | None) -> tuple[Sample, Array]:
    """The sample cut to the face's surroundings and shrunk (never enlarged) to a side.

    The crop is the square of :func:`facekp.geometry.crop_matrix` about ``sample.box``, in whole pixels; what lies
    outside of the picture is black.

    Args:
        sample: the face; its picture is read.
        side: the crop's longest side in pixels; None: no limit.
        scale: the crop's side over the box's longer one; None keeps the whole picture.

    Returns:
        The sample with its pixels, and the 2x3 float64 map from the picture's pixels to theirs.

    Raises:
        ArgumentError: the box is NaN or a single point, so that there is nothing to cut out.
        ImageError: the picture cannot be read.
    """
    image = sample.image
    if scale is None:
        size = _within(image.shape[:2], side)
        matrix = geometry.resize_matrix(image.shape[:2], size)
        if size == image.shape[:2]:
            return replace(sample, pixels=image), matrix
    else:
        size = _square(sample.box, side, scale)
        matrix = geometry.crop_matrix(sample.box, size, scale)
    source = sample.source_box
    if source is not None:
        source = geometry.apply(matrix, source.reshape(2, 2)).reshape(4)
    pixels = geometry.warp(image, matrix, size)
    moved = replace(sample, pixels=pixels, keypoints=geometry.apply(matrix, sample.keypoints), source_box=source)
    return moved, matrix


def _within(size: tuple[int, int], side: int | None) -> tuple[int, int]:
    factor = 1.0 if side is None else min(1.0, side / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _square(box: Array, side: int | None, scale: float) -> tuple[int, int]:
    x0, y0, x1, y1 = (float(v) for v in box)
    wanted = max(x1 - x0, y1 - y0) * scale
    # A NaN or an empty box is crop_matrix's to refuse.
    whole = max(SMALLEST, round(wanted)) if np.isfinite(wanted) else SMALLEST
    whole = whole if side is None else min(side, whole)
    return whole, whole
