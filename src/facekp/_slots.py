"""What a Detector keeps of pictures on their way: what was asked, boxes, crops, results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from . import geometry
from .errors import ArgumentError, ImageError
from .face import Face

__all__ = ["Options", "Picture", "Slot", "choice", "given_slot", "ordered", "pairs"]

Array = npt.NDArray[Any]

ORDERS = ("score", "size", "left")


@dataclass(slots=True)
class Slot:
    """One picture on its way: its boxes, its crops, and what came of them."""

    boxes: Array
    scores: Array
    crops: list[Array] = field(default_factory=list)
    to_picture: list[Array] = field(default_factory=list)
    faces: list[Face] = field(default_factory=list)
    error: ImageError | None = None

    @property
    def done(self) -> bool:
        return len(self.faces) == len(self.boxes)

    def result(self, on_error: str) -> list[Face] | ImageError:
        if self.error is None:
            return self.faces
        if on_error == "raise":
            raise self.error
        return self.error


@dataclass(slots=True)
class Options:
    """What a call asked for, checked; see :meth:`facekp.Detector.stream`."""

    batch_size: int
    max_faces: int | None
    min_score: float | None
    order: str
    color: str
    on_error: str

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ArgumentError(f"batch_size must be at least 1, got {self.batch_size}")
        if self.max_faces is not None and self.max_faces < 1:
            raise ArgumentError(f"max_faces must be at least 1, or None for all; got {self.max_faces}")
        if self.min_score is not None and not 0 <= self.min_score <= 1:
            raise ArgumentError(f"min_score must be in [0, 1], got {self.min_score}")
        choice("order", self.order, ORDERS)
        choice("color", self.color, ("rgb", "bgr"))
        choice("on_error", self.on_error, ("raise", "return"))


@dataclass(slots=True)
class Picture:
    image: Array | ImageError
    boxes: Any

    @property
    def pixels(self) -> int:
        return 0 if isinstance(self.image, ImageError) else self.image.shape[0] * self.image.shape[1]


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
    missing = object()
    rest = iter(boxes)
    for i, picture in enumerate(pictures):
        given = next(rest, missing)
        if given is missing:
            raise ArgumentError(f"boxes: one (N, 4) array for each picture is needed, but there are only {i}")
        yield picture, None if given is None else geometry.as_boxes(given, argument=f"boxes[{i}]")
    if next(rest, missing) is not missing:
        raise ArgumentError("boxes: there are more than pictures; one (N, 4) array for each picture is needed")


def given_slot(boxes: Any, picture: Array, options: Options) -> Slot:
    rows = geometry.image_box((picture.shape[0], picture.shape[1]))[None] if isinstance(boxes, str) else boxes
    rows = rows[: options.max_faces]
    return Slot(rows, np.ones(len(rows), np.float32))


def ordered(boxes: Array, scores: Array, order: str) -> Array:
    keys = {
        "score": -scores,
        "size": -(boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]),
        "left": boxes[:, 0],
    }
    return np.argsort(keys[order], kind="stable")
