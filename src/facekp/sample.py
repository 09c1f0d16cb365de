"""What a data set yields: a labelled face, or a picture with many boxes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import geometry
from . import image as images
from ._arguments import layout
from .errors import ArgumentError
from .schema import KeypointSchema

__all__ = ["Frame", "Sample"]

Array = npt.NDArray[Any]

PER_POINT = ("visibility", "occluded")  # of a sample's meta: tuples with what the set says of each point


@dataclass(slots=True)
class Sample:
    """One labelled face.

    Attributes:
        keypoints: ``(K, 2)`` float32 ``(x, y)`` in picture pixels; NaN where a label is missing.
        schema: what the K points are.
        path: the picture's file, read when :attr:`image` is first asked for.
        source_box: ``(4,)`` xyxy box that the data set itself gives, or None.
        subject: who it is, where the set says so; faces of one subject stay in one split.
        pixels: the picture itself where it is in memory already.
        meta: whatever else the set says of this face.

    Raises:
        ArgumentError: a shape does not fit the schema.
    """

    keypoints: Array
    schema: KeypointSchema
    path: Path | None = None
    source_box: Array | None = None
    subject: str | None = None
    pixels: Array | None = field(default=None, repr=False)
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        k, shape = len(layout(self.schema)), np.shape(self.keypoints)
        if shape != (k, 2):
            raise ArgumentError(f"keypoints: schema {self.schema.name} expects ({k}, 2), got {shape}")
        if self.source_box is not None and np.shape(self.source_box) != (4,):
            raise ArgumentError(f"source_box: expected (4,), [x0, y0, x1, y1], got {np.shape(self.source_box)}")

    @property
    def image(self) -> Array:
        """The picture, ``(H, W, 3)`` RGB uint8 (read from :attr:`path`, not kept)."""
        if self.pixels is not None:
            return self.pixels
        if self.path is None:
            raise ArgumentError("this Sample has neither pixels nor a path")
        return images.read(self.path)

    @property
    def box(self) -> Array:
        """The face's box, ``(4,)`` xyxy: its points' extent where the schema spans the face, else the set's own."""
        if self.schema.spans_face or self.source_box is None:
            return geometry.extent(self.keypoints)
        return self.source_box

    @property
    def mask(self) -> Array:
        """``(K,)`` bool: which points are labelled."""
        return np.asarray(np.isfinite(self.keypoints).all(-1))


@dataclass(slots=True)
class Frame:
    """One picture with every face in it, for training and testing a finder.

    Attributes:
        boxes: ``(N, 4)`` xyxy float32 of the faces to be found: each face's rectangle, turned back about its own
            centre by its angle, so that its sides are the picture's.
        ignore: ``(M, 4)`` xyxy regions where a detection is neither right nor wrong.
        path: the picture's file.
        pixels: the picture itself where it is in memory already.
        subject: frames of one subject stay in one split.
        points: ``(N, K, 2)`` the faces' points, where they are known: a box is their extent in the frame in which the
            face is level.
        angles: ``(N,)`` by how many degrees each face is turned clockwise; left out, they are zeros: all are upright.

    Raises:
        ArgumentError: a shape does not fit.
    """

    boxes: Array
    ignore: Array = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    path: Path | None = None
    pixels: Array | None = field(default=None, repr=False)
    subject: str | None = None
    points: Array | None = field(default=None, repr=False)
    angles: Array = field(default_factory=lambda: np.zeros((0,), np.float32))

    def __post_init__(self) -> None:
        for name, shape in (("boxes", np.shape(self.boxes)), ("ignore", np.shape(self.ignore))):
            if len(shape) != 2 or shape[1] != 4:
                raise ArgumentError(f"{name}: expected (N, 4), one [x0, y0, x1, y1] in each row, got {shape}")
        count = len(self.boxes)
        if not len(self.angles):
            self.angles = np.zeros(count, np.float32)
        if np.shape(self.angles) != (count,):
            raise ArgumentError(f"angles: expected ({count},), one for each box, got {np.shape(self.angles)}")
        if self.points is not None and (np.shape(self.points)[:1], np.shape(self.points)[2:]) != ((count,), (2,)):
            raise ArgumentError(f"points: expected ({count}, K, 2), a face for each box, got {np.shape(self.points)}")

    @property
    def image(self) -> Array:
        """The picture, ``(H, W, 3)`` RGB uint8 (read from :attr:`path`, not kept)."""
        if self.pixels is not None:
            return self.pixels
        if self.path is None:
            raise ArgumentError("this Frame has neither pixels nor a path")
        return images.read(self.path)
