"""Films and cameras become frames: RGB, upright, with the time of each."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .. import image as images
from ..errors import ArgumentError, ImageError

__all__ = ["FilmFrame", "Reader", "frames", "quiet"]

Array = npt.NDArray[Any]

# What ffmpeg would print about a damaged file is said by facekp's own errors. It asks for this once, at its first use.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

FPS = (1.0, 240.0)  # frame rates that are believed; what is outside is a fault of the file, and counts as ...
USUAL = 30.0
_DAMAGED = 100  # frames in a row that cannot be decoded end a film
_SHORT = 0.9  # of its frames and of its time must be there, or a film was cut short


@dataclass(frozen=True, slots=True)
class FilmFrame:
    """One frame.

    Attributes:
        index: from 0.
        time: seconds since the first frame; never falls.
        image: ``(H, W, 3)`` RGB uint8, upright.
    """

    index: int
    time: float
    image: Array = field(repr=False)


class Reader:
    """A film or a camera, to be gone through once.

    Frames are turned upright by the rotation that the file gives, and have the times that the file gives: the frame
    rate may vary.  Of a camera the time is that of the clock.

    Args:
        source: a film's path, or a camera's number (0 is the first).
        clock: seconds, for cameras.

    Attributes:
        name: what messages call it.
        path: the film's; None for a camera.
        fps: frames a second, on average or as promised.
        count: how many frames the file says that it has; 0 where that is not known.
        size: ``(H, W)`` of the upright frames.

    Raises:
        ImageError: there is no such file or camera, or it cannot be read as a film; the message names it.
    """

    def __init__(self, source: str | os.PathLike[str] | int, *, clock: Callable[[], float] = time.monotonic) -> None:
        if isinstance(source, bool) or not isinstance(source, (str, os.PathLike, int)):
            raise ImageError(f"source: expected the path of a film or the number of a camera, got {source!r}")
        self.path = None if isinstance(source, int) else Path(source)
        self.name = f"camera {source}" if self.path is None else images.describe(self.path)
        self._clock = clock
        with quiet():
            self._capture = _camera(source, self.name) if isinstance(source, int) else _film(Path(source), self.name)
        fps, count = self._get(cv2.CAP_PROP_FPS), self._get(cv2.CAP_PROP_FRAME_COUNT)
        self.fps = fps if FPS[0] <= fps <= FPS[1] else USUAL
        self.count = int(count) if self.path is not None and 0 < count < 1e9 else 0
        self.size = int(self._get(cv2.CAP_PROP_FRAME_HEIGHT)), int(self._get(cv2.CAP_PROP_FRAME_WIDTH))
        if self.size[0] * self.size[1] > images.MAX_PIXELS:
            self.close()
            raise ImageError(
                f"{self.name}: {self.size[1]} x {self.size[0]} is over the limit of {images.MAX_PIXELS:,} pixels"
            )
        if self.path is not None and not min(self.size):
            self.close()
            raise self._empty()

    def __iter__(self) -> Iterator[FilmFrame]:
        """The frames that are left, in order.

        Raises:
            ImageError: there is none at all; or, after the last one that could be had, the film was cut short.
        """
        index, seconds, start, damaged = 0, 0.0, None, 0
        while self._capture.isOpened() and self._capture.grab():
            now = self._clock() if self.path is None else self._get(cv2.CAP_PROP_POS_MSEC) / 1000
            done, bgr = self._capture.retrieve()
            if not done or bgr is None or not bgr.size:
                damaged += 1
                if damaged >= _DAMAGED:
                    break
                continue
            start, damaged = now if start is None else start, 0
            past = now - start
            if index:  # a clock that stands still or goes back is moved on by a frame
                seconds = past if math.isfinite(past) and past > seconds else seconds + 1 / self.fps
            yield FilmFrame(index, seconds, np.ascontiguousarray(bgr[..., ::-1]))
            index += 1
        self.close()
        if not index:
            raise self._empty()
        if index < _SHORT * self.count and seconds + 2 / self.fps < _SHORT * self.count / self.fps:
            raise ImageError(f"{self.name}: ends after {index} of {self.count} frames: it is damaged or was cut short")

    def close(self) -> None:
        """Let go of the file or camera."""
        self._capture.release()

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _get(self, key: int) -> float:
        value = float(self._capture.get(key))
        return value if math.isfinite(value) else 0.0

    def _empty(self) -> ImageError:
        advice = (
            "another program may be using it" if self.path is None else "get a fresh copy, or convert it with ffmpeg"
        )
        return ImageError(f"{self.name}: has no frame that could be decoded: {advice}")


def frames(source: str | os.PathLike[str] | int) -> Iterator[FilmFrame]:
    """The frames of a film or a camera, in order; see :class:`Reader`.

    Args:
        source: a film's path, or a camera's number.

    Raises:
        ImageError: it cannot be read; or, after the last frame that could be had, the film was cut short.
    """
    with Reader(source) as reader:
        yield from reader


def _camera(number: int, name: str) -> Any:
    if not 0 <= number < 2**31:  # a C int
        raise ArgumentError(f"camera: expected a number from 0, got {number}")
    capture = cv2.VideoCapture(number)
    if not capture.isOpened():
        raise ImageError(
            f"{name}: cannot be opened: there is none, another program uses it, or this user may not use it"
        )
    return capture


def _film(path: Path, name: str) -> Any:
    _check(path, name)
    # An absolute path: "a:b.mp4" would be a protocol to ffmpeg, and "img%02d.png" is but a name here.
    capture = cv2.VideoCapture(os.path.abspath(path), cv2.CAP_FFMPEG)  # noqa: PTH100  (Path.absolute keeps "..")
    if not capture.isOpened():
        raise ImageError(
            f"{name}: cannot be read as a film: it is none, is damaged, or was cut short"
            " (an MP4 or MOV whose recording broke off has no index); get a fresh copy, or convert it with ffmpeg"
        )
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
    return capture


def _check(path: Path, name: str) -> None:
    """Refuse what is no file, and a picture, of which ffmpeg would make a film of one frame."""
    try:
        os.fspath(path).encode()  # OpenCV does not survive a name that is no UTF-8
        if path.is_dir():
            raise ImageError(f"{name}: is a directory: give one film in it")
        if not path.is_file():
            odd = "is a device or a pipe: give a file; --camera reads cameras"
            raise ImageError(f"{name}: {odd if path.exists() else 'no such file: check the name'}")
        with path.open("rb") as file:
            start = file.read(6)
    except UnicodeEncodeError:
        raise ImageError(f"{name}: OpenCV opens no film whose path is not UTF-8: rename it") from None
    except (OSError, ValueError) as error:
        raise ImageError(f"{name}: cannot be opened: {getattr(error, 'strerror', None) or error}") from None
    if not start:
        raise ImageError(f"{name}: is empty (0 bytes): get a fresh copy")
    if start in (b"GIF87a", b"GIF89a"):
        return  # which may be animated
    try:
        images.size(path)
    except ImageError:
        return
    raise ImageError(f"{name}: is a picture, not a film: facekp detect, or a Detector, reads it")


@contextmanager
def quiet() -> Iterator[None]:
    """Without OpenCV's own lines on standard error about what it could not open: the caller says it."""
    before = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(before)
