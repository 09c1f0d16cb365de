"""Faces of a set whose labels are probably wrong, seen without their pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import geometry
from ..errors import ArgumentError
from ..sample import Sample
from ..schema import KeypointSchema

__all__ = ["FEWEST", "KINDS", "Suspect", "boxes", "outside", "swapped", "why_not_swapped"]

Array = npt.NDArray[Any]
Sizes = Sequence[tuple[int, int] | None]

KINDS = {
    "no_box": "no box, or one of no size",
    "tiny": "small",
    "outside": "points outside of the picture",
    "swapped": "left and right look exchanged",
    "duplicate": "the same face again",
    "mirrored": "the mirror image of another",
}
"""What can be wrong with a face, and how a report says it."""

FEWEST = 3  # labelled points that have a shape


@dataclass(frozen=True, slots=True)
class Suspect:
    """One face that a person should look at.

    Attributes:
        kind: one of :data:`KINDS`.
        index: which face of the set.
        text: what was seen.
        other: the face that it is a copy of.
    """

    kind: str
    index: int
    text: str
    other: int | None = None


def boxes(samples: Sequence[Sample], tiny: float) -> Iterator[Suspect]:
    """Faces without a box, with one of no size, or smaller than ``tiny`` pixels along the longer side."""
    for i, sample in enumerate(samples):
        box = sample.box
        wide, high = float(box[2] - box[0]), float(box[3] - box[1])
        if not (np.isfinite(box).all() and wide > 0 and high > 0):
            what = f"box {np.round(box, 1).tolist()}" if np.isfinite(box).all() else "no box and no labelled point"
            yield Suspect("no_box", i, what)
        elif max(wide, high) < tiny:
            yield Suspect("tiny", i, f"{wide:.0f}x{high:.0f} px")


def outside(samples: Sequence[Sample], sizes: Sizes) -> Iterator[Suspect]:
    """Faces with labelled points beyond the picture's edges; pictures of unknown size (None) are passed over."""
    for i, (sample, size) in enumerate(zip(samples, sizes, strict=True)):
        if size is None:
            continue
        low, high = np.split(geometry.image_box(size), 2)
        beyond = np.maximum(low - sample.keypoints, sample.keypoints - high).max(-1)
        out = np.flatnonzero(np.nan_to_num(beyond, nan=0.0) > 0)
        if len(out):
            names = ", ".join(sample.schema.names[j] for j in out[:3]) + (", ..." if len(out) > 3 else "")
            yield Suspect("outside", i, f"{len(out)} by up to {beyond[out].max():.1f} px: {names}")


# ---------------------------------------------------------------- left and right


def why_not_swapped(schema: KeypointSchema) -> str | None:
    """Why exchanged sides cannot be seen on these points; None where they can."""
    if schema.mirror is None:
        return f"{schema.name} has no mirror pairs"
    if all(i == j for i, j in enumerate(schema.mirror)):
        return f"{schema.name} has no points with a side"
    if _rank(schema.mean_shape) < 2:
        return f"the mean shape of {schema.name} has no area"
    return None


def swapped(samples: Sequence[Sample], schema: KeypointSchema) -> Iterator[Suspect]:
    """Faces that fit the mean shape clearly better (half the error) once left and right are exchanged.

    The mean shape is turned, scaled and moved onto the points (no reflection); the error is the root mean square
    distance over the mean shape's size.  A profile fits neither way, and is left alone.
    """
    assert schema.mirror is not None
    mirror = list(schema.mirror)
    for i, sample in enumerate(samples):
        known = sample.mask
        # Of points in a row, both ways fit.
        if known.sum() < FEWEST or _rank(schema.mean_shape[known]) < 2:
            continue
        given, other = (_misfit(schema.mean_shape, points) for points in (sample.keypoints, sample.keypoints[mirror]))
        if other < 0.5 * given and other < 0.15:
            yield Suspect("swapped", i, f"misfit {given:.2f} as labelled, {other:.2f} with the sides exchanged")


def _rank(points: Array) -> int:
    return int(np.linalg.matrix_rank(points - points.mean(0), tol=0.02)) if len(points) else 0


def _misfit(shape: Array, points: Array) -> float:
    try:
        matrix = geometry.similarity(shape, points)
    except ArgumentError:
        return float("inf")
    gaps = geometry.apply(matrix, shape) - points
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    return float(np.sqrt(np.nanmean((gaps**2).sum(-1)))) / scale if scale > 0 else float("inf")
