"""Points carried from one frame to the next by optical flow: a fraction of what a look at the face costs."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .. import geometry
from ..errors import ArgumentError

__all__ = ["carry"]

Array = npt.NDArray[Any]

_SIDE, _ROOM = 96, 1.5  # pixels of the squares that are compared; and how much larger than the face they are
_BACK = 0.01  # of the square: a point that, carried on and back again, ends farther off than this is not believed
_FAR = 0.1  # nor one that goes so much farther than the face does: it clings to what came before it
_ENOUGH = 0.7  # share of the points that must be believed
_FLOW: dict[str, Any] = {  # chosen on a film of a man who talks: larger windows and squares cost more and give no more
    "winSize": (9, 9),
    "maxLevel": 2,
    "criteria": (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 5, 0.03),
}


def carry(before: Array, now: Array, points: Array, shift: Array) -> Array | None:
    """Where a face's points have gone (Lucas and Kanade, 1981; on pyramids as by Bouguet, 2000).

    Every point is carried on and back again; what does not come back to where it began (Kalal et al.,
    "Forward-backward error", ICPR 2010) goes where the similarity of all others takes it, and so does what goes far
    from there.

    Args:
        before: ``(H, W, 3)`` RGB uint8, the frame in which the points are known.
        now: ``(H, W, 3)``, the next one.
        points: ``(K, 2)`` in pixels.
        shift: ``(2,)`` pixels by which the face should have moved.

    Returns:
        ``(K, 2)`` float32; None where too few can be followed, be it that the face has changed too much, that something
        came before it, or that it leaves the frame.
    """
    box = geometry.extent(points)
    if not np.isfinite(box).all() or (box[2:] - box[:2]).min() <= 0:
        return None
    size = (_SIDE, _SIDE)
    there = geometry.crop_matrix(box, size, _ROOM)
    here = geometry.crop_matrix(box + np.tile(shift, 2), size, _ROOM)
    first, second = (
        cv2.cvtColor(geometry.warp(image, matrix, size, border=None), cv2.COLOR_RGB2GRAY)
        for image, matrix in ((before, there), (now, here))
    )
    start = geometry.apply(there, points)[:, None]
    end, on, _ = cv2.calcOpticalFlowPyrLK(first, second, start, None, **_FLOW)
    again, back, _ = cv2.calcOpticalFlowPyrLK(second, first, end, None, **_FLOW)
    moved = geometry.apply(geometry.invert(here), end[:, 0])
    good = (on[:, 0] > 0) & (back[:, 0] > 0) & (np.linalg.norm((again - start)[:, 0], axis=-1) < _BACK * _SIDE)
    good &= _within(points, before) & _within(moved, now)
    if good.mean() < _ENOUGH:
        return None
    try:
        together = geometry.apply(geometry.similarity(points[good], moved[good]), points)
        good &= np.linalg.norm(moved - together, axis=-1) * geometry.zoom(there) < _FAR * _SIDE
        together = geometry.apply(geometry.similarity(points[good], moved[good]), points)
    except ArgumentError:  # they are all at one place
        return None
    return np.where(good[:, None], moved, together) if good.mean() >= _ENOUGH else None


def _within(points: Array, image: Array) -> Array:
    """Which points are in a picture: what is repeated beyond its edge does not move."""
    return np.asarray(((points > -0.5) & (points < np.array(image.shape[1::-1]) - 0.5)).all(-1))
