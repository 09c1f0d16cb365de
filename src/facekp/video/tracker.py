"""Frames become faces with stable ids."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from .. import image as images
from ..detector import Detector
from ..errors import ArgumentError
from ..face import Face
from . import match
from .follow import Track, follow
from .smooth import Smoothing

__all__ = ["TrackedFace", "Tracker"]

Array = npt.NDArray[Any]

_RETRY = 0.1  # s: how often the finder looks while a face is missing, or there is none
_NEAR = 0.4  # mean distance of the points of one face, found and followed, in units of its size
_RETURN = 1.0  # ... of one that was lost, whose way in the meantime is not known
_MISSES = 3  # looks of the finder in a row that saw nothing where a face is followed


@dataclass(frozen=True, slots=True)
class TrackedFace:
    """A face of a film.

    Attributes:
        id: the same in every frame, from 1; never given to another face.
        face: its points (smoothed), scores, box and score in this frame.  The box is the extent of the points.
        found: the finder saw it in this frame; else its points were looked for where the last frame's were.
        carried: optical flow brought its points here from the last frame's, and its scores are that frame's.
    """

    id: int
    face: Face
    found: bool
    carried: bool = False


class Tracker:
    """Follows the faces of one film or camera: call it with one frame after another.

    The finder looks at the first frame, then every so often, and at once when a face is lost from sight: its score has
    fallen, it has jumped, or another face stands where it was.  In between a face is cut out where its last points,
    moved on as they moved, say that it is; where frames follow each other quickly, optical flow carries its points on
    to some of them.  A face that was lost keeps its id if it comes back soon and near the place where it should be by
    then.  When the scene changes, all faces are others.

    Args:
        detector: finds the faces and their points; it is not changed, and may serve others at the same time.
        every: seconds between looks of the finder; 0: it looks at every frame.
        carry: for so many seconds after the network has looked at a face, optical flow carries its points on, at a
            fraction of the cost: at 30 frames a second in every other frame, under 23 in none.  Where the flow loses
            a face, the network looks.  0: it looks at every frame.
        smooth: True, False, or a :class:`Smoothing` that says how.
        memory: for so many seconds a lost face is remembered.
        min_score: faces with a lower score are none; None: the model's own.
        max_faces: follow at most so many, the best first.
        finder_side: as in :meth:`facekp.Detector.stream`.
        tile: as in :meth:`facekp.Detector.stream`.

    Raises:
        ArgumentError: the detector has no finder, or an option is out of range.
    """

    def __init__(
        self,
        detector: Detector,
        *,
        every: float = 0.5,
        carry: float = 0.045,
        smooth: bool | Smoothing = True,
        memory: float = 1.0,
        min_score: float | None = None,
        max_faces: int | None = None,
        finder_side: int | None = None,
        tile: int | None = None,
    ) -> None:
        if detector.finder is None:
            raise ArgumentError("detector: has no finder, without which faces of a film cannot be found")
        for name, value in (("every", every), ("carry", carry), ("memory", memory)):
            if not (_is_time(value) and value >= 0):
                raise ArgumentError(f"{name}: expected a number of seconds, 0 or more, got {value!r}")
        if not isinstance(smooth, (bool, Smoothing)):
            raise ArgumentError(f"smooth: expected True, False or a Smoothing, got {smooth!r}")
        self.detector, self.every, self.carry, self.memory, self.max_faces = detector, every, carry, memory, max_faces
        self.smoothing = (Smoothing() if smooth else None) if isinstance(smooth, bool) else smooth
        self.min_score = detector.min_score if min_score is None else min_score
        self._options = {"min_score": min_score, "finder_side": finder_side, "tile": tile}
        detector.stream([], max_faces=max_faces, **self._options)  # type: ignore[arg-type]  # refuses what is wrong
        self._count = 0
        self.reset()

    def reset(self) -> None:
        """Forget all faces, and the time; for another film.  Ids go on counting."""
        self._tracks: list[Track] = []
        self._time = -math.inf
        self._looked = -math.inf
        self._image: Array | None = None
        self._thumbnail: Array | None = None
        self._shown: list[TrackedFace] = []

    def __call__(self, frame: Any, time: float, *, color: Literal["rgb", "bgr"] = "rgb") -> list[TrackedFace]:
        """The faces of the next frame.

        Args:
            frame: anything that :func:`facekp.image.read` takes.
            time: when it was taken, in seconds since whenever; frames may be missing, and come at any rate.  A frame
                with the last one's time, or with exactly its pixels, changes nothing.
            color: channel order of a numpy array.

        Returns:
            The faces, those with low ids first.

        Raises:
            ImageError: the frame cannot be read.
            ArgumentError: the time is not finite, or before the last frame's.
        """
        image = images.read(frame, color=color)
        if not _is_time(time) or time < self._time:
            raise ArgumentError(f"time: expected seconds, not before the last frame's {self._time}, got {time}")
        if time == self._time or _equal(image, self._image):
            return list(self._shown)
        thumbnail = match.thumbnail(image)
        if self._image is not None and self._other_scene(image, thumbnail):
            self._tracks, self._looked = [], -math.inf
        active = [track for track in self._tracks if not track.lost]
        faces = follow(self.detector, image, active, time, before=self._image, longest=self.carry)
        kept = self._kept(active, faces, time)
        if self._due(kept, active, time):
            self._find(image, kept, time)
        for track in self._tracks:
            if not track.lost and track.seen != time:
                track.lose()
        self._tracks = [t for t in self._tracks if not t.lost or time - t.seen <= self.memory]
        self._time, self._thumbnail = time, thumbnail
        self._image = image.copy()  # the caller may write the next frame into this one
        self._shown = [
            TrackedFace(t.id, t.shown, t.found_at == time, t.looked != time)
            for t in sorted(self._tracks, key=_id)
            if not t.lost
        ]
        return list(self._shown)

    def _other_scene(self, image: Array, thumbnail: Array) -> bool:
        if self._image is None or self._thumbnail is None:
            return False
        return image.shape != self._image.shape or match.scene_changed(self._thumbnail, thumbnail)

    def _kept(self, tracks: Sequence[Track], faces: Sequence[Face], time: float) -> list[Track]:
        """The tracks that are still what they were, with their new points."""
        seen = [i for i, face in enumerate(faces) if face.score >= self.min_score and not tracks[i].jumped(face, time)]
        points, boxes = [faces[i].keypoints for i in seen], [faces[i].box for i in seen]
        gone: set[int] = set()
        for a, b in match.same(points, boxes):
            if not gone & {a, b}:  # the one that was drawn away from where it should be is not there
                off = [tracks[seen[i]].surprise(faces[seen[i]], time) for i in (a, b)]
                gone.add(b if off[0] <= off[1] else a)
        left = [i for n, i in enumerate(seen) if n not in gone]
        for i in left:
            tracks[i].move(faces[i], time)
        return [tracks[i] for i in left]

    def _due(self, kept: Sequence[Track], active: Sequence[Track], time: float) -> bool:
        """Whether the finder must look."""
        if len(kept) < len(active):
            return True
        missing = not self._tracks or any(track.lost for track in self._tracks)
        wait = min(self.every, _RETRY) if missing else self.every
        return time - self._looked >= wait - 1e-6

    def _find(self, image: Array, kept: Sequence[Track], time: float) -> None:
        """Let the finder look; what it finds is a face that is followed, one that was lost, or a new one."""
        self._looked = time
        found = self.detector(image, **self._options)
        rest = self._confirm(found, kept, time)
        lost = [track for track in self._tracks if track not in kept]
        costs = np.array([[track.way_to(face, time) for face in rest] for track in lost]).reshape(len(lost), len(rest))
        back = match.pairs(costs, _RETURN)
        for i, j in sorted(back, key=lambda pair: pair[1]):  # the best first
            if self._room(time):
                lost[i].find(rest[j], time)
        for j in sorted(set(range(len(rest))) - {j for _, j in back}):
            if self._room(time):
                self._count += 1
                track = Track(self._count, rest[j], time, self.detector.schema, self.smoothing)
                self._tracks.append(track)

    def _room(self, time: float) -> bool:
        """Whether one more face may be followed."""
        return self.max_faces is None or sum(t.seen == time and not t.lost for t in self._tracks) < self.max_faces

    def _confirm(self, found: Sequence[Face], kept: Sequence[Track], time: float) -> list[Face]:
        """Tell the tracks which were found; returns the faces that are none of theirs."""
        costs = np.array([[match.apart(t.face.keypoints, f.keypoints, t.size) for f in found] for t in kept])
        seen = match.pairs(costs.reshape(len(kept), len(found)), _NEAR)
        for i, j in seen:
            kept[i].confirm(found[j], time)
        for i in set(range(len(kept))) - {i for i, _ in seen}:
            kept[i].misses += 1
            if kept[i].misses >= _MISSES:
                kept[i].lose()
        rest = [face for j, face in enumerate(found) if j not in {j for _, j in seen}]
        taken = [t.face for t in kept if not t.lost]
        return [f for f in rest if not any(_one(f, other) for other in taken)]


def _is_time(value: Any) -> bool:
    return isinstance(value, Real) and math.isfinite(value)


def _one(a: Face, b: Face) -> bool:
    return bool(match.same([a.keypoints, b.keypoints], [a.box, b.box], _NEAR))


def _id(track: Track) -> int:
    return track.id


def _equal(image: Array, last: Array | None) -> bool:
    """Whether two frames have the same pixels; most that differ do so in a few of them already."""
    if last is None or image.shape != last.shape:
        return False
    return np.array_equal(image[::16, ::16], last[::16, ::16]) and np.array_equal(image, last)
