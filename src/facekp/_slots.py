"""What a Detector keeps of pictures on their way: what was asked, boxes, crops, results."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import IOBase
from numbers import Integral
from pathlib import PurePath
from typing import Any

import numpy as np
import numpy.typing as npt

from . import geometry
from . import image as images
from ._refine import Refinement
from .errors import ArgumentError, ImageError
from .face import Face
from .finder.views import is_share

__all__ = [
    "CHUNK_PIXELS",
    "Crop",
    "Look",
    "Options",
    "Picture",
    "Slot",
    "check_several",
    "choice",
    "chunks",
    "distinct",
    "given_slot",
    "ordered",
    "pairs",
]

Array = npt.NDArray[Any]

ORDERS = ("score", "size", "left")
_SAME = 0.7  # candidates whose boxes overlap by more than this IoU were one face, ...
_NEAR = 0.25  # ... and those whose points are nearer than this, as a share of the smaller one's size
#: Pictures are held in memory together up to this many pixels (one larger picture is held alone), and as many again
#: while their faces may be cut out once more.
CHUNK_PIXELS = 40_000_000


@dataclass(slots=True)
class Crop:
    """A face, cut out.

    Attributes:
        index: of the face in its slot.
        pixels: ``(H, W, 3)`` uint8.
        to_picture: from crop to picture pixels.
        box: ``(4,)`` where it was cut out, turned back about its centre.
        angle: by how many degrees the crop is turned clockwise.
        kind: the first look at the face, or a later one.
    """

    index: int
    pixels: Array
    to_picture: Array
    box: Array
    angle: float
    kind: int


@dataclass(slots=True)
class Look:
    """What was seen in a crop.

    Attributes:
        box: the crop's.
        angle: the crop's.
        keypoints: ``(K, 2)`` in the picture.
        scores: ``(K,)``.
        uncertainty: ``(K,)`` expected errors in the picture, where the model tells them.
    """

    box: Array
    angle: float
    keypoints: Array
    scores: Array
    uncertainty: Array | None = None

    @property
    def score(self) -> float:
        return float(self.scores.mean())


@dataclass(slots=True)
class Slot:
    """One picture on its way: where its faces are, their crops, and what came of them.

    Attributes:
        boxes: ``(N, 4)`` xyxy: rectangles turned back about their centres.
        scores: ``(N,)``.
        angles: ``(N,)`` by how many degrees the rectangles are turned clockwise.
        given: the boxes are the caller's.
        judged: the points have a say in which of them are faces.
        told: the finder tells angles.
        image: the picture, as long as a face of it may be cut out again.
        crops: those that wait for the network.
        looks: at faces that are looked at turned by quarters, until all of them are there.
        faces: one for each box, as far as they are known.
        error: why there are none.
    """

    boxes: Array
    scores: Array
    angles: Array
    given: bool = False
    judged: bool = False
    told: bool = False
    image: Array | None = None
    crops: deque[Crop] = field(default_factory=deque)
    looks: dict[int, list[Look]] = field(default_factory=dict)
    faces: list[Face | None] = field(default_factory=list)
    error: ImageError | None = None

    def __post_init__(self) -> None:
        self.faces = [None] * len(self.boxes)

    @property
    def done(self) -> bool:
        return all(face is not None for face in self.faces)

    @property
    def pixels(self) -> int:
        return 0 if self.image is None else self.image.shape[0] * self.image.shape[1]

    def result(self, options: Options) -> list[Face] | ImageError:
        if self.error is not None:
            if options.on_error == "raise":
                raise self.error
            return self.error
        faces = [face for face in self.faces if face is not None]
        if not self.judged or options.least is None or not faces:
            return faces
        faces = [face for face in faces if face.score >= options.least]
        faces = distinct(sorted(faces, key=lambda face: -face.score))
        boxes, scores = np.array([face.box for face in faces]).reshape(-1, 4), np.array([face.score for face in faces])
        return [faces[i] for i in ordered(boxes, scores, options.order)[: options.max_faces]]


@dataclass(slots=True)
class Options:
    """What a call asked for, checked; see :meth:`facekp.Detector.stream`.

    ``least`` is the least score of a face where the points have a say in it, else None.
    """

    batch_size: int
    max_faces: int | None
    order: str
    color: str
    on_error: str
    refine: bool | Refinement
    finding: Mapping[str, Any]
    least: float | None = None

    def __post_init__(self) -> None:
        if not _count(self.batch_size):
            raise ArgumentError(f"batch_size must be a whole number of at least 1, got {self.batch_size!r}")
        if self.max_faces is not None and not _count(self.max_faces):
            raise ArgumentError(
                f"max_faces must be a whole number of at least 1, or None for all; got {self.max_faces!r}"
            )
        for score in (self.finding.get("min_score"), self.least):
            if score is not None and not is_share(score):
                raise ArgumentError(f"min_score must be in [0, 1], got {score!r}")
        choice("order", self.order, ORDERS)
        choice("color", self.color, ("rgb", "bgr"))
        choice("on_error", self.on_error, ("raise", "return"))
        if not isinstance(self.refine, (bool, Refinement)):
            raise ArgumentError(f"refine: expected True, False or a Refinement, got {self.refine!r}")

    @property
    def refinement(self) -> Refinement | None:
        """When faces are looked at again; None: never."""
        if isinstance(self.refine, Refinement):
            return self.refine
        return Refinement() if self.refine else None


@dataclass(slots=True)
class Picture:
    image: Array | ImageError
    boxes: Any

    @property
    def pixels(self) -> int:
        return 0 if isinstance(self.image, ImageError) else self.image.shape[0] * self.image.shape[1]


def _count(value: Any) -> bool:
    return isinstance(value, Integral) and int(value) >= 1


def choice(argument: str, value: Any, choices: Sequence[str]) -> Any:
    if value not in choices:
        raise ArgumentError(f"{argument}: expected one of {', '.join(choices)}; got {value!r}")
    return value


def pairs(pictures: Iterable[Any], boxes: Any) -> Iterator[tuple[Any, Any]]:
    """Each picture with its boxes."""
    if boxes is None or isinstance(boxes, str):
        if isinstance(boxes, str):
            choice("boxes", boxes, ("full",))
        yield from ((p, boxes) for p in pictures)
        return
    if not isinstance(boxes, Iterable):
        raise ArgumentError(f"boxes: expected one (N, 4) array for each picture, got {boxes!r}")
    missing = object()
    rest = iter(boxes)
    for i, picture in enumerate(pictures):
        given = next(rest, missing)
        if given is missing:
            raise ArgumentError(f"boxes: one (N, 4) array for each picture is needed, but there are only {i}")
        yield picture, None if given is None else geometry.as_boxes(given, argument=f"boxes[{i}]")
    if next(rest, missing) is not missing:
        raise ArgumentError("boxes: there are more than pictures; one (N, 4) array for each picture is needed")


def check_several(images: Any) -> None:
    """Raises ArgumentError for one picture in the place of many: a path's letters, or an array's rows, are none."""
    one = isinstance(images, (str, bytes, bytearray, memoryview, PurePath, IOBase)) or getattr(images, "ndim", 4) < 4
    if one or not isinstance(images, Iterable):
        raise ArgumentError(
            f"images: expected a list or an iterator of pictures, got one {type(images).__name__}; put it in a list"
        )


def chunks(pictures: Iterable[Any], boxes: Any, options: Options) -> Iterator[list[Picture]]:
    """Pictures, read and with their boxes, a few at a time."""
    chunk: list[Picture] = []
    pixels = 0
    for source, given in pairs(pictures, boxes):
        try:
            picture = Picture(images.read(source, color=options.color), given)
        except ImageError as error:
            picture = Picture(error, None)
        chunk.append(picture)
        pixels += picture.pixels
        if pixels >= CHUNK_PIXELS or len(chunk) >= options.batch_size:
            yield chunk
            chunk, pixels = [], 0
    if chunk:
        yield chunk


def given_slot(boxes: Any, picture: Array, options: Options) -> Slot:
    rows = geometry.image_box((picture.shape[0], picture.shape[1]))[None] if isinstance(boxes, str) else boxes
    rows = rows[: options.max_faces]
    return Slot(rows, np.ones(len(rows), np.float32), np.zeros(len(rows), np.float32), given=True)


def ordered(boxes: Array, scores: Array, order: str) -> Array:
    keys = {
        "score": -scores,
        "size": -(boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]),
        "left": boxes[:, 0],
    }
    return np.argsort(keys[order], kind="stable")


def distinct(faces: Sequence[Face]) -> list[Face]:
    """Faces, best first, without those that a better one shows already: another tile's or a turned copy's."""
    if len(faces) < 2:
        return list(faces)
    boxes, points = np.stack([face.box for face in faces]), np.stack([face.keypoints for face in faces])
    sizes, over = np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(1)), geometry.iou(boxes, boxes)
    keep: list[int] = []
    for i in range(len(faces)):
        apart = np.linalg.norm(points[keep] - points[i], axis=-1).mean(-1)
        if not (over[keep, i] > _SAME).any() and not (apart < _NEAR * np.minimum(sizes[keep], sizes[i])).any():
            keep.append(i)
    return [faces[i] for i in keep]
