"""Frames: whole pictures with every face in them, for training and testing a finder.

Two sources.  *300-W* (``300w/``): photographs with one labelled face each (``.pts``, 1-based); ``faces.csv`` names the
other faces that a detector saw there.  *YouTube Faces* (``ytf/``): video frames with one machine-labelled face each.
In both the labelled face comes first in a :class:`~facekp.sample.Frame`.  Its angle is that of the similarity transform
that brings the mean shape closest to its points, and its box the extent of the points in the frame thus levelled.  That
is closed in form, uses all points (the line of the eyes and that from nose to chin differ by up to 15 degrees when a
head is turned aside) and asks for what a levelled crop is to show: the face as the mean shape stands.
"""

from __future__ import annotations

import csv
import logging
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .. import geometry
from .. import schema as schemas
from ..errors import DatasetError, ImageError
from ..pose import levelled
from ..sample import Frame
from ..transforms.turned import moved
from .base import FARTHEST, read_text
from .pts import read_pts
from .udacity import UdacityKeypoints

__all__ = ["face_points", "frames_300w", "frames_ytf", "pack"]

Array = npt.NDArray[Any]
_LOG = logging.getLogger(__name__)

GOOD = 0.75  # faces.csv: from this score on the detector's box is a face; below it is often a hand or an ear
# The other detector's boxes begin higher and are wider than the extent of the 68 points.  Measured on 145 AFW and HELEN
# faces that one file labels and another shows as "other" (as shares of the detector's width or height, median):
_TO_EXTENT = np.array([0.02, 0.09, -0.02, 0.012], np.float32)
_FOLDERS = ("afw", "helen/trainset", "lfpw/trainset")
_HINT_300W = "get 300-W (afw, helen, lfpw) from https://ibug.doc.ic.ac.uk/resources/300-W/ and put it there"


def face_points(box: Array) -> Array:
    """68 points ``(68, 2)`` of a face of which only the box is known: the mean shape stretched into it.

    They say that the face is upright in its photograph, as those of 300-W are but for some degrees.
    """
    mean = schemas.get("ibug68").mean_shape
    low, high = mean.min(0), mean.max(0)
    stretched: Array = (mean - low) / (high - low) * (box[2:] - box[:2]) + box[:2]
    return stretched.astype(np.float32)


# ---------------------------------------------------------------- 300-W


def frames_300w(root: Path, *, names: Collection[str] | None = None, skip: Collection[str] = ()) -> list[Frame]:
    """The photographs of 300-W's train folders.

    Args:
        root: the folder that holds ``afw``, ``helen`` and ``lfpw``, and ``faces.csv`` where there is one.
        names: only these, relative to root (``helen/trainset/123_1.jpg``); None: all of the train folders.
        skip: not these; and no other file of a photograph that is named here.

    Raises:
        DatasetError: a folder, picture or label file is missing or damaged.
    """
    if not root.is_dir():
        raise DatasetError(f"{root}: no such folder; {_HINT_300W}")
    if names is None:
        found = sorted(p for folder in _FOLDERS for p in (root / folder).glob("*.jpg"))
        names = [p.relative_to(root).as_posix() for p in found]
        if not names:
            raise DatasetError(f"{root}: no pictures in {', '.join(_FOLDERS)}; {_HINT_300W}")
    held_out = {_photograph(name) for name in skip}
    others = _other_faces(root / "faces.csv")
    return [_frame_300w(root, name, others.get(name, [])) for name in names if _photograph(name) not in held_out]


def _photograph(name: str) -> str:
    """AFW and HELEN number the faces of one photograph ``..._1``, ``..._2``; LFPW has ``image_0001``."""
    return name if "lfpw" in name else re.sub(r"_\d+\.\w+$", "", name)


def _frame_300w(root: Path, name: str, others: Sequence[tuple[Array, float]]) -> Frame:
    path = root / name
    if not path.is_file():
        raise DatasetError(f"{path}: this picture is missing; {_HINT_300W}")
    points = [read_pts(path.with_suffix(".pts"), 68)]
    ignore = []
    for box, score in others:
        wide, high = box[2] - box[0], box[3] - box[1]
        extent = box + _TO_EXTENT * np.array([wide, high, wide, high], np.float32)
        if geometry.iou(extent[None], geometry.extent(points[0])[None])[0, 0] > 0.4:
            continue  # the labelled face, seen again
        if score >= GOOD:
            points.append(face_points(extent))
        else:
            ignore.append(box)
    return _frame(path, points, ignore, subject=_photograph(name))


def _frame(path: Path | None, points: Sequence[Array], ignore: Sequence[Array], subject: str | None) -> Frame:
    stacked = np.stack(points).astype(np.float32)
    regions = np.asarray(ignore, np.float32).reshape(-1, 4)
    faces = [_levelled(one, path) for one in stacked]
    boxes, angles = np.stack([box for box, _ in faces]), np.array([angle for _, angle in faces], np.float32)
    return Frame(boxes, regions, path=path, subject=subject, points=stacked, angles=angles)


def _levelled(points: Array, path: Path | None) -> tuple[Array, float]:
    found = levelled(points, schemas.get("ibug68"))
    if found is None:
        raise DatasetError(f"{path}: the 68 points of a face have no extent")
    return found


def _other_faces(path: Path) -> dict[str, list[tuple[Array, float]]]:
    """``faces.csv``: the unlabelled faces of each picture, as ``(box, score)``; empty when there is no such file."""
    if not path.is_file():
        _LOG.warning("%s is missing: other faces in these pictures count as background", path)
        return {}
    found: dict[str, list[tuple[Array, float]]] = defaultdict(list)
    try:
        rows = list(csv.DictReader(read_text(path, "list of faces").splitlines()))
    except csv.Error as error:
        raise DatasetError(f"{path}: damaged CSV ({error})") from None
    for line, row in enumerate(rows, start=2):
        try:
            edges = [float(row[k]) for k in ("x0", "y0", "x1", "y1")]
            score, labelled = float(row["score"]), row["labelled"] == "1"
            file = row["file"]
            if not all(abs(v) <= FARTHEST for v in edges):
                raise ValueError("not finite")
        except (KeyError, TypeError, ValueError):
            what = f"expected file,x0,y0,x1,y1,score,labelled, got {str(row)[:300]}"
            raise DatasetError(f"{path}, line {line}: {what}") from None
        if not labelled:
            found[file].append((np.array(edges, np.float32), score))
    return found


# ---------------------------------------------------------------- YouTube Faces


def frames_ytf(root: Path, *, people: Collection[str] | None = None, skip: Collection[str] = ()) -> list[Frame]:
    """Video frames of YouTube Faces, from ``training/`` only.

    Args:
        root: the folder that holds ``training_frames_keypoints.csv`` and ``training/``.
        people: only these persons; None: all.
        skip: not these persons.

    Raises:
        DatasetError: the CSV or a picture is missing, or a line is damaged.
    """
    frames = []
    for sample in UdacityKeypoints(root, "training", people=people, skip=skip):
        points = sample.keypoints
        if not np.isfinite(points).all() or np.ptp(points, axis=0).min() <= 0:
            where = f"{root / 'training_frames_keypoints.csv'}, line {sample.meta['line']}"
            raise DatasetError(f"{where}: the 68 points are not finite or have no area")
        frames.append(_frame(sample.path, [points], [], subject=sample.subject))
    return frames


# ---------------------------------------------------------------- memory


def pack(frames: Iterable[Frame], long_side: int = 640) -> list[Frame]:
    """The frames with their pixels in memory, shrunk (never grown) to this long side; labels move along.

    Decoding is the slowest step of training a small network, so it is done once.

    Raises:
        DatasetError: a picture cannot be read.
    """
    packed = []
    for frame in frames:
        try:
            pixels = frame.image
        except (ImageError, OSError) as error:
            raise DatasetError(f"{frame.path}: this picture cannot be read ({error}); get it again") from error
        size = pixels.shape[:2]
        factor = min(1.0, long_side / max(size))
        to = (max(1, round(size[0] * factor)), max(1, round(size[1] * factor)))
        if to != size:
            pixels = cv2.resize(pixels, to[::-1], interpolation=cv2.INTER_AREA)
        packed.append(moved(frame, geometry.resize_matrix(size, to), pixels))
    return packed
