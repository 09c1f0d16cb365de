"""Some faces of a set side by side, with their points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .. import draw, geometry
from ..errors import ArgumentError, ImageError
from ..sample import Sample

__all__ = ["contact_sheet"]

Array = npt.NDArray[Any]
_GREY = 24  # of what is no picture
_DARK, _LIGHT = (12, 14, 24), (255, 255, 255)


def contact_sheet(
    samples: Sequence[Sample],
    count: int = 16,
    *,
    seed: int = 0,
    first: Sequence[int] = (),
    side: int = 256,
) -> Array:
    """Faces with their points drawn, side by side, each with its index in the set.

    Args:
        samples: the set.
        count: how many faces; fewer where the set has fewer.
        seed: which ones: the same seed, the same faces, in the set's order.
        first: indices that are shown before those, such as those of an inspection's warnings.
        side: pixels of one tile.

    Returns:
        ``(rows * side, columns * side, 3)`` RGB uint8; a picture that cannot be read is a tile without one.

    Raises:
        ArgumentError: there is no face, ``count`` or ``side`` is too small, or ``first`` is out of range.
    """
    if not len(samples) or count < 1 or side < 32:
        raise ArgumentError(
            f"contact_sheet: {len(samples)} faces, count={count}, side={side}: expected at least 1, 1, 32"
        )
    if wrong := [i for i in first if not 0 <= i < len(samples)]:
        raise ArgumentError(f"contact_sheet: first={wrong[:3]}: expected 0 to {len(samples) - 1}")
    asked = list(dict.fromkeys(first))[:count]
    others = np.setdiff1d(np.arange(len(samples)), asked)
    drawn = np.random.default_rng(seed).choice(others, min(count - len(asked), len(others)), replace=False)
    chosen = [*asked, *sorted(drawn.tolist())]
    columns = int(np.ceil(np.sqrt(len(chosen))))
    rows = -(-len(chosen) // columns)
    sheet = np.full((rows * side, columns * side, 3), _GREY, np.uint8)
    for place, index in enumerate(chosen):
        row, column = divmod(place, columns)
        sheet[row * side : (row + 1) * side, column * side : (column + 1) * side] = _tile(samples[index], index, side)
    return sheet


def _tile(sample: Sample, index: int, side: int) -> Array:
    """One face and some surroundings, with its points and its number."""
    tile: Array = np.full((side, side, 3), _GREY, np.uint8)
    try:
        picture = sample.image
    except (ImageError, ValueError):
        picture = None
    if picture is not None:
        box = _seen(sample, picture.shape[:2])
        matrix = geometry.crop_matrix(box, (side, side), 1.4)
        tile = geometry.warp(picture, matrix, (side, side), border=_GREY)
        tile = draw.points(tile, geometry.apply(matrix, sample.keypoints), sample.schema)
    text = f"#{index}" if picture is not None else f"#{index} unreadable"
    cv2.rectangle(tile, (0, 0), (side - 1, side - 1), _DARK, 1)
    scale = side / 512
    for color, wide in ((_DARK, 4), (_LIGHT, 1)):
        cv2.putText(tile, text, (6, side - 8), cv2.FONT_HERSHEY_SIMPLEX, scale, color, wide, cv2.LINE_AA)
    return tile


def _seen(sample: Sample, size: tuple[int, int]) -> Array:
    """The part of the picture that a tile shows: the points and the box together; the whole where there is neither."""
    own = sample.box if np.isfinite(sample.box).all() else np.full(4, np.nan, np.float32)
    corners = np.concatenate([sample.keypoints, own.reshape(2, 2)])
    box = geometry.extent(corners)
    whole = geometry.image_box(size)
    if not np.isfinite(box).all() or (box[2:] - box[:2]).max() < 2:
        return whole
    return box
