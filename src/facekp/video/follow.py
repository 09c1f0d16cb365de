"""One face on its way through a film, and how it is looked for in the next frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from .. import geometry, pose
from ..detector import Detector, Refinement
from ..face import Face
from ..schema import KeypointSchema
from . import match
from .flow import carry
from .smooth import Smoother, Smoothing

__all__ = ["Track", "follow"]

Array = npt.NDArray[Any]

_STEADY = 0.1  # s: over about this time the motion is averaged
_AHEAD = 0.25  # s: a face that is followed is not expected farther on its way than so much later
_JUMP = 0.5  # of its size: farther from where it should be a face is not the same
_GROWTH = 1.8  # nor is it when it is larger or smaller by more than this
_AGAIN = Refinement(min_score=0)


class Track:
    """A face with its id.

    Attributes:
        id: its number.
        face: as it was seen last, not smoothed.
        shown: the same, smoothed.
        found: as the finder saw it last.
        found_at: when that was, s.
        seen: when the face was seen last, s.
        looked: when the network looked at it last, s; since then it was carried on by optical flow.
        lost: it is not to be seen now.
        misses: how often in a row the finder has not seen it.
    """

    def __init__(
        self, number: int, face: Face, time: float, schema: KeypointSchema, smoothing: Smoothing | None
    ) -> None:
        self.id, self.schema = number, schema
        self.face: Face = face
        self.shown: Face = face
        self._smoother = None if smoothing is None else Smoother(schema, smoothing)
        self.find(face, time)

    @property
    def size(self) -> float:
        """The root of the box's area, pixels."""
        return match.side(self.face.box)

    def find(self, face: Face, time: float) -> None:
        """The finder sees it, for the first time or again: it may have come from anywhere."""
        self.found, self.found_at, self.lost, self.misses = face, time, False, 0
        self.looked = time
        self._speed = np.zeros(2)
        if self._smoother is not None:
            self._smoother.reset()
        self._see(self._boxed(face, face.box), time)

    def confirm(self, face: Face, time: float) -> None:
        """The finder sees it where it is followed: the points stay those that were followed.

        Those of the finder's crop are others by a little, so that the face would start.
        """
        self.found, self.found_at, self.misses = face, time, 0
        self.face = self._boxed(replace(self.face, score=face.score), face.box)
        self.shown = self._boxed(replace(self.shown, score=face.score), face.box)

    def lose(self) -> None:
        """It is not to be seen."""
        self.lost = True

    def move(self, face: Face, time: float) -> None:
        """It was followed to this frame."""
        step = time - self.seen
        moved = (face.keypoints.mean(0, np.float64) - self.face.keypoints.mean(0, np.float64)) / step
        self._speed += (moved - self._speed) / (1 + _STEADY / step)
        self._see(face, time)

    def carried(self, before: Array, image: Array, time: float) -> Face | None:
        """The face in the next picture by optical flow alone; None where that cannot be told."""
        if not self.schema.spans_face:
            return None
        points = carry(before, image, self.face.keypoints, self._speed * (time - self.seen))
        if points is None:
            return None
        face = self._boxed(replace(self.face, keypoints=points), self.face.box)
        return None if self.jumped(face, time) else face

    def _see(self, face: Face, time: float) -> None:
        self.face, self.seen, self.shown = face, time, face
        if self._smoother is not None:
            points = self._smoother(face.keypoints, time, float(max(face.box[2:] - face.box[:2])))
            self.shown = self._boxed(replace(face, keypoints=points), face.box)

    def _boxed(self, face: Face, box: Array) -> Face:
        """A face with the extent of its points as box; with this one where they do not span a face."""
        return replace(face, box=match.around(face.keypoints, box) if self.schema.spans_face else box)

    # ------------------------------------------------------------ where it should be

    def expected(self, time: float, most: float = _AHEAD) -> Array:
        """The points ``(K, 2)`` as they should be by then, carried on by ``most`` seconds at most.

        The shape is the smoothed one, which is still; the place is the last one, which does not lag.
        """
        last, shown = self.face.keypoints, self.shown.keypoints
        ahead = self._speed * min(time - self.seen, most)
        points: Array = shown + (last.mean(0) - shown.mean(0) + ahead).astype(np.float32)
        return points

    def place(self, time: float) -> tuple[Array, float]:
        """Where to cut it out: a box ``(4,)`` turned back about its centre, and by how many degrees it is turned."""
        points = self.expected(time)
        level = pose.levelled(points, self.schema) if self.schema.spans_face else None
        if level is not None:
            return level
        way = (points - self.face.keypoints).mean(0)
        return self.face.box + np.tile(way, 2), 0.0

    def surprise(self, face: Face, time: float) -> float:
        """How far a face is from where this one should be, in units of its size."""
        off = face.keypoints.mean(0, np.float64) - self.expected(time).mean(0, np.float64)
        return float(np.linalg.norm(off)) / self.size

    def jumped(self, face: Face, time: float) -> bool:
        """Whether a face cannot be this one in the next frame."""
        return self.surprise(face, time) > _JUMP or self._grown(face)

    def way_to(self, face: Face, time: float) -> float:
        """How far a face is from where this one, which is lost, was or would be by now; inf where it is another."""
        if self._grown(face):
            return math.inf
        there = (self.face.keypoints, self.expected(time, math.inf))
        return min(match.apart(points, face.keypoints, self.size) for points in there)

    def _grown(self, face: Face) -> bool:
        return abs(math.log(match.side(face.box) / self.size)) > math.log(_GROWTH)


def follow(
    detector: Detector,
    image: Array,
    tracks: Sequence[Track],
    time: float,
    *,
    before: Array | None,
    longest: float,
) -> list[Face]:
    """Each track's face in the next picture, by its last points alone; the score says whether it is one.

    Args:
        detector: its network and codec are used, its finder is not.
        image: ``(H, W, 3)`` RGB uint8.
        tracks: of the last picture.
        time: of this one, s.
        before: the last picture.
        longest: for so many seconds after the network has looked at a face it is carried on by optical flow.
    """
    faces: dict[int, Face] = {}
    for i, track in enumerate(tracks):
        if before is not None and time - track.looked <= longest:
            face = track.carried(before, image, time)
            if face is not None:
                faces[i] = face
    rest = [i for i in range(len(tracks)) if i not in faces]
    for i, face in zip(rest, _seen(detector, image, [tracks[i] for i in rest], time), strict=True):
        faces[i], tracks[i].looked = face, time
    return [faces[i] for i in range(len(tracks))]


def _seen(detector: Detector, image: Array, tracks: Sequence[Track], time: float) -> list[Face]:
    """What the network sees where the tracks should be; again where that shows that a face was badly cut out."""
    places = [track.place(time) for track in tracks]
    faces = _look(detector, image, tracks, places)
    if not detector.schema.spans_face:
        return faces
    again, better = [], []
    for i, (face, place) in enumerate(zip(faces, places, strict=True)):
        seen = pose.levelled(face.keypoints, detector.schema)
        if seen is not None and _AGAIN.off(*place, *seen):
            again.append(i)
            better.append(seen)
    for i, face in zip(again, _look(detector, image, [tracks[i] for i in again], better), strict=True):
        faces[i] = face
    return faces


def _look(
    detector: Detector, image: Array, tracks: Sequence[Track], places: Sequence[tuple[Array, float]]
) -> list[Face]:
    """What the network sees at some places."""
    if not tracks:
        return []
    size, scale, schema = detector.crop_size, detector.crop_scale, detector.schema
    matrices = [geometry.crop_matrix(box, size, scale, angle) for box, angle in places]
    points, scores = detector.predict(np.stack([geometry.warp(image, matrix, size) for matrix in matrices]))
    errors = detector.codec.expected_error(torch.from_numpy(scores))
    faces = []
    for n, (track, matrix) in enumerate(zip(tracks, matrices, strict=True)):
        back = geometry.invert(matrix)
        seen = geometry.apply(back, points[n])
        box = places[n][0].astype(np.float32)
        box = match.around(seen, box) if schema.spans_face else box
        off = None if errors is None else errors[n].numpy() * np.float32(geometry.zoom(back))
        faces.append(Face(seen, scores[n], box, detector.renewed(track.found, scores[n]), schema, off))
    return faces
