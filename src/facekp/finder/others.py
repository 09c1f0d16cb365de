"""Finders that are not facekp's own, behind the same interface: OpenCV's YuNet, and any function."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt
import torch

from .. import geometry
from .. import schema as schemas
from ..errors import ArgumentError, HubError
from .decode import Detections

__all__ = ["Finder", "FunctionFinder", "YuNet"]

Array = npt.NDArray[Any]


class Finder(Protocol):
    """What a :class:`facekp.Detector` needs of a finder.

    :class:`facekp.finder.FaceFinder`, :class:`YuNet` and :class:`FunctionFinder` have it, and anything else that has
    these two methods will do.
    """

    def __call__(self, images: Sequence[Array], *, min_score: float | None = None) -> list[Detections]:
        """The faces of each picture, best first.

        Args:
            images: ``(H, W, 3)`` RGB uint8 each; sizes may differ.
            min_score: the lowest score that counts; None: the finder's own.
        """
        ...

    def to(self, device: torch.device | str) -> Finder:
        """Move to a device, where that means anything; returns the finder."""
        ...


class FunctionFinder:
    """A function of your own as a finder.

    Args:
        function: takes one picture, ``(H, W, 3)`` RGB uint8, and gives boxes ``(N, 4)`` xyxy, or a tuple of boxes and
            scores ``(N,)`` in [0, 1].  Boxes should reach from the brows to the chin and from jaw to jaw; the
            Detector's refinement corrects what is not too far from that.
        min_score: boxes that score less are dropped, unless the call says otherwise.

    Raises:
        ArgumentError: ``function`` cannot be called; when called: what it gives is neither.
    """

    def __init__(self, function: Callable[[Array], Any], *, min_score: float = 0.0) -> None:
        if not callable(function):
            raise ArgumentError(f"finder: expected a function of a picture, got {type(function).__name__}")
        self.function, self.min_score = function, min_score

    def to(self, device: torch.device | str) -> FunctionFinder:
        """Nothing moves: where the function computes is its own affair."""
        return self

    def __call__(self, images: Sequence[Array], *, min_score: float | None = None) -> list[Detections]:
        """See :class:`Finder`."""
        return [self._one(image, self.min_score if min_score is None else min_score) for image in images]

    def _one(self, image: Array, threshold: float) -> Detections:
        given = self.function(image)
        pair = isinstance(given, tuple) and len(given) == 2 and np.ndim(given[0]) != 1
        boxes = geometry.as_boxes(given[0] if pair else given, argument="finder: its boxes")
        try:
            scores = np.asarray(given[1] if pair else np.ones(len(boxes)), np.float32)
        except (TypeError, ValueError):
            raise ArgumentError(f"finder: its scores should be numbers, got {type(given[1]).__name__}") from None
        if scores.shape != (len(boxes),) or not ((scores >= 0) & (scores <= 1)).all():
            raise ArgumentError(
                f"finder: expected one score in [0, 1] for each of the {len(boxes)} boxes, got {scores.tolist()}"
            )
        order = np.argsort(-scores, kind="stable")
        order = order[scores[order] >= threshold]
        return Detections(boxes[order], scores[order])


class YuNet:
    """OpenCV's YuNet (Wu, Peng and Yu, "YuNet: a tiny millisecond-level face detector", 2023), by cv2.FaceDetectorYN.

    Its own boxes are not those that facekp's models want.  A similarity transform that brings the same five places of
    the mean 68 points (eyes, nose tip, mouth corners) over YuNet's five gives the box, and the angle by which the
    face is turned.

    Pictures are brought into 640 x 640 pixels, the one size that the file of 2023 is made for, so that it runs in
    OpenCV 4 and 5 alike.  This was tried with a file of the same inputs and outputs, not with YuNet's own weights.

    Args:
        path: the ONNX file, ``face_detection_yunet_2023mar.onnx`` or a later one, from OpenCV's model zoo.
        min_score: faces that score less are dropped, unless the call says otherwise.

    Raises:
        HubError: the file is not there, or OpenCV cannot read it.
    """

    SIDE = 640

    def __init__(self, path: str | Path, *, min_score: float = 0.6) -> None:
        self.path, self.min_score = Path(path), min_score
        if not self.path.is_file():
            raise HubError(f"{path}: no such file; YuNet's ONNX file is in OpenCV's model zoo (opencv_zoo)")
        self._open()

    def _open(self) -> None:
        try:
            # 0.05: what scores less is never looked at; call by call more may be asked.
            self._net = cv2.FaceDetectorYN.create(str(self.path), "", (self.SIDE, self.SIDE), 0.05, 0.4)
        except cv2.error as error:
            raise HubError(
                f"{self.path}: OpenCV cannot read it as YuNet ({str(error).strip().splitlines()[0]})"
            ) from None
        self._lock = threading.Lock()  # one OpenCV network serves one thread at a time

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "min_score": self.min_score}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.path, self.min_score = state["path"], state["min_score"]
        self._open()

    def to(self, device: torch.device | str) -> YuNet:
        """Nothing moves: OpenCV's networks run on the CPU."""
        return self

    def __call__(self, images: Sequence[Array], *, min_score: float | None = None) -> list[Detections]:
        """See :class:`Finder`."""
        return [self._one(image, self.min_score if min_score is None else min_score) for image in images]

    def _one(self, image: Array, threshold: float) -> Detections:
        zoom = self.SIDE / max(image.shape[:2])
        matrix = np.array([[zoom, 0, 0.5 * zoom - 0.5], [0, zoom, 0.5 * zoom - 0.5]])
        canvas = geometry.warp(image, matrix, (self.SIDE, self.SIDE))
        try:
            with self._lock:
                _, rows = self._net.detect(np.ascontiguousarray(canvas[..., ::-1]))
        except cv2.error as error:
            raise HubError(f"{self.path}: OpenCV cannot run it ({str(error).strip().splitlines()[0]})") from None
        if rows is None:
            return Detections()
        rows = rows[np.argsort(-rows[:, 14], kind="stable")]
        rows = rows[(rows[:, 14] >= threshold) & np.isfinite(rows).all(1) & (rows[:, 2:4] > 0).all(1)]
        points = geometry.apply(geometry.invert(matrix), rows[:, 4:14].reshape(-1, 5, 2))
        found = [_from_five(five) for five in points]
        boxes = np.array([box for box, _ in found], np.float32).reshape(-1, 4)
        angles = np.array([angle for _, angle in found], np.float32)
        return Detections(boxes, rows[:, 14].astype(np.float32).clip(0, 1), angles)


def _from_five(points: Array) -> tuple[Array, float]:
    """The box, turned back, and the angle of a face of which YuNet's five points ``(5, 2)`` are known."""
    schema = schemas.get("ibug68")
    matrix = geometry.similarity(geometry.five_points(schema.mean_shape, schema), points)
    whole = geometry.extent(schema.mean_shape)
    centre = geometry.apply(matrix, (whole[:2] + whole[2:])[None] / 2)[0]
    half = (whole[2:] - whole[:2]) / 2 * np.hypot(matrix[0, 0], matrix[1, 0])
    return np.concatenate([centre - half, centre + half]), float(np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0])))
