"""Hardships: what a photograph of a face may suffer before it comes to us."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .. import geometry
from .. import image as images
from ..sample import Frame
from ..transforms import turned as turning

__all__ = ["CONDITIONS", "Condition", "cut_away"]

Array = npt.NDArray[Any]
Labelled = tuple[Array, Array]

GREY = 114


@dataclass(frozen=True, slots=True)
class Condition:
    """One hardship.

    Attributes:
        change: from a picture ``(H, W, 3)`` uint8 and a face's points ``(K, 2)`` in it to such a pair.
        error: a face counts as found when its NME is under this.
    """

    change: Callable[[Array, Array], Labelled]
    error: float = 0.08


def turned(image: Array, points: Array, angle: float) -> Labelled:
    """Turned clockwise by so many degrees about its middle, on a canvas that has grown so that nothing is cut off."""
    frame = Frame(geometry.extent(points)[None], pixels=image, points=points[None])
    after = turning.turned(frame, angle, border=GREY)
    assert after.points is not None
    return after.image, after.points[0]


def scaled(image: Array, points: Array, width: float) -> Labelled:
    """Scaled so that the face is so many pixels wide."""
    box = geometry.extent(points)
    zoom = width / float(box[2] - box[0])
    size = image.shape[:2]
    to = (max(1, round(size[0] * zoom)), max(1, round(size[1] * zoom)))
    matrix = geometry.resize_matrix((size[0], size[1]), to)
    small = cv2.resize(image, to[::-1], interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR)
    return small, geometry.apply(matrix, points)


def far_away(image: Array, points: Array, share: float, side: int = 640) -> Labelled:
    """In the middle of a grey square, scaled so that the face takes this share of its width."""
    small, where = scaled(image, points, share * side)
    box = geometry.extent(where)
    shift = (side - 1) / 2 - (box[:2] + box[2:]) / 2
    matrix = np.array([[1, 0, round(float(shift[0]))], [0, 1, round(float(shift[1]))]], np.float64)
    return geometry.warp(small, matrix, (side, side), border=GREY), geometry.apply(matrix, where)


def grey(image: Array, points: Array) -> Labelled:
    """Without colour."""
    return np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, -1), points


def darkened(image: Array, points: Array, factor: float) -> Labelled:
    """Every value times ``factor``."""
    return np.rint(image * factor).astype(np.uint8), points


def compressed(image: Array, points: Array, quality: int) -> Labelled:
    """As JPEG of this quality."""
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return images.read(data.tobytes()), points


def covered(image: Array, points: Array) -> Labelled:
    """A grey rectangle over the face's lower half, a tenth wider than the face to both sides."""
    x0, y0, x1, y1 = (float(v) for v in geometry.extent(points))
    wide, high = x1 - x0, y1 - y0
    out = image.copy()
    top, bottom = (max(0, round(v + 0.5)) for v in (y0 + high / 2, y1 + high / 10))
    left, right = (max(0, round(v + 0.5)) for v in (x0 - wide / 10, x1 + wide / 10))
    out[top:bottom, left:right] = GREY
    return out, points


def as_it_is(image: Array, points: Array) -> Labelled:
    """Nothing changed."""
    return image, points


#: By name, in the order of the report; the first is what the others are compared with.
CONDITIONS: Mapping[str, Condition] = MappingProxyType(
    {
        "as it is": Condition(as_it_is),
        **{f"turned {a}": Condition(partial(turned, angle=a)) for a in range(0, 360, 30)},
        "24 px wide": Condition(partial(scaled, width=24), 0.15),
        "40 px wide": Condition(partial(scaled, width=40), 0.15),
        "5 % of the width": Condition(partial(far_away, share=0.05), 0.15),
        "grey": Condition(grey),
        "darkened x0.25": Condition(partial(darkened, factor=0.25)),
        "JPEG quality 20": Condition(partial(compressed, quality=20)),
        "lower half covered": Condition(covered),
    }
)


def cut_away(frame: Frame, smallest: int = 64) -> Array | None:
    """What is left of a frame beside, above or below all of its faces: the largest such part.

    Args:
        frame: with its faces and its regions to ignore, which may be faces, too.
        smallest: sides shorter than this show nothing.

    Returns:
        ``(H, W, 3)``; None where too little is left.
    """
    image = frame.image
    boxes = np.concatenate([frame.boxes, frame.ignore])
    grown = (boxes[:, 2:] - boxes[:, :2]) * 0.25  # brows to chin is not yet the whole head
    left, top = (max(0, int(v)) for v in np.floor((boxes[:, :2] - grown).min(0)))
    right, bottom = (max(0, int(v)) for v in np.ceil((boxes[:, 2:] + grown).max(0)))
    parts = [image[:top], image[bottom:], image[:, :left], image[:, right:]]
    best = max(parts, key=lambda p: p.shape[0] * p.shape[1])
    return np.ascontiguousarray(best) if min(best.shape[:2]) >= smallest else None
