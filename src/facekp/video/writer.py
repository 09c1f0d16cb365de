"""Frames become a film that plays, whatever ends the run; and the sound of another is copied to it."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .. import image as images
from ..errors import ArgumentError
from .reader import FPS, quiet

__all__ = ["FORMATS", "Writer", "copy_sound"]

log = logging.getLogger(__name__)
Array = npt.NDArray[Any]

FORMATS = {".mp4": "mp4v", ".m4v": "mp4v", ".mov": "mp4v", ".mkv": "mp4v", ".avi": "MJPG"}
"""The codec by a film's ending, of those that every OpenCV can write."""

_GAP = 600.0  # s: a longer pause between two frames is taken for a fault of the clock, and left out


class Writer:
    """A film of a steady frame rate, written beside its place and put there when it is closed.

    Frames may come at any times: one is repeated until the next one's time, and one that comes within the same
    ``1 / fps`` as the last is left out, so that everything is shown when it happened and sound stays with it.  A film
    that a run did not come to the end of is closed, too, and plays as far as it goes.

    Args:
        path: ends in one of :data:`FORMATS`; replaced where it is there.
        fps: frames a second.
        size: ``(H, W)`` of the frames.

    Attributes:
        count: frames written.

    Raises:
        ArgumentError: the ending is unknown, or no film can be written there.
    """

    def __init__(self, path: str | os.PathLike[str], fps: float, size: tuple[int, int]) -> None:
        self.path, self.size, self.count = Path(path), size, 0
        self.name, suffix = images.describe(path), self.path.suffix.lower()
        if suffix not in FORMATS:
            raise ArgumentError(f"{self.name}: a film's name must end in one of {', '.join(FORMATS)}")
        if not FPS[0] <= fps <= FPS[1] or min(size) < 2:
            raise ArgumentError(
                f"{self.name}: expected {FPS[0]:g} to {FPS[1]:g} frames a second of 2 x 2 pixels or more"
            )
        self.fps = round(fps, 3)
        self._part = self.path.with_name(f".facekp-{secrets.token_hex(6)}.part{suffix}")
        self._last: Array | None = None
        self._start: float | None = None
        try:
            os.fspath(self._part).encode()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.is_dir():
                raise ArgumentError(f"{self.name}: is a directory: name a file")
            self._part.touch()
        except UnicodeEncodeError:
            raise ArgumentError(f"{self.name}: OpenCV writes no film into a folder whose path is not UTF-8") from None
        except OSError as error:
            raise ArgumentError(f"{self.name}: cannot be written ({error.strerror or error})") from None
        self._writer = self._opened(FORMATS[suffix])

    def _opened(self, codec: str) -> Any:
        with quiet():
            place, fourcc = os.path.abspath(self._part), cv2.VideoWriter.fourcc(*codec)  # noqa: PTH100
            writer = cv2.VideoWriter(place, cv2.CAP_FFMPEG, fourcc, self.fps, self.size[::-1])
        if not writer.isOpened():
            self._part.unlink(missing_ok=True)
            height, width = self.size
            raise ArgumentError(f"{self.name}: OpenCV cannot write a film of {width} x {height} pixels there")
        return writer

    def write(self, image: Array, time: float) -> None:
        """Append a frame.

        Args:
            image: ``(H, W, 3)`` RGB uint8; one of another size is fitted in.
            time: seconds, not before the last one's.

        Raises:
            ArgumentError: the film is closed.
        """
        if self._writer is None:
            raise ArgumentError(f"{self.name}: is closed: open another Writer")
        if image.shape[:2] != self.size:
            image = cv2.resize(image, self.size[::-1], interpolation=cv2.INTER_AREA)
        if self._start is None:
            self._start = time
        place = round((time - self._start) * self.fps)
        if place - self.count > _GAP * self.fps:
            self._start += (place - self.count) / self.fps
            place = self.count
        bgr = np.ascontiguousarray(image[..., ::-1])
        with quiet():
            while self._last is not None and self.count < place:
                self._put(self._last)
            if self.count <= place:
                self._put(bgr)
        self._last = bgr

    def _put(self, bgr: Array) -> None:
        self._writer.write(bgr)
        self.count += 1

    def close(self) -> None:
        """End the film and put it in its place.

        Raises:
            ArgumentError: it could not be written whole: the disk is full, say.
        """
        if self._writer is None:
            return
        writer, self._writer = self._writer, None
        try:
            with quiet():
                writer.release()
            if self.count:
                self._prove()
                self._part.replace(self.path)
        except OSError as error:
            raise ArgumentError(f"{self.name}: cannot be written ({error.strerror or error})") from None
        finally:
            with contextlib.suppress(OSError):
                self._part.unlink(missing_ok=True)

    def _prove(self) -> None:
        """OpenCV does not tell whether what it wrote arrived."""
        with quiet():
            film = cv2.VideoCapture(os.path.abspath(self._part), cv2.CAP_FFMPEG)  # noqa: PTH100
            count = film.get(cv2.CAP_PROP_FRAME_COUNT) if film.isOpened() and film.grab() else 0
            film.release()
        # What a container that does not count says is made of the duration, which is rounded.
        if count < self.count - max(2, 0.02 * self.count):
            raise ArgumentError(f"{self.name}: could not be written whole: is the disk full?")

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def copy_sound(
    source: str | os.PathLike[str],
    film: str | os.PathLike[str],
    *,
    seconds: float | None = None,
    timeout: float = 600.0,
) -> str | None:
    """Copy the sound of one film to another of the same length, by the program ffmpeg; nothing is encoded anew.

    Args:
        source: whose sound it is; where it has none, nothing changes.
        film: gets the sound; stays as it is where that fails.
        seconds: no more of it than this; None for all.
        timeout: seconds that ffmpeg may take.

    Returns:
        None where that was done, or why not.
    """
    program = shutil.which("ffmpeg")
    if program is None:
        return f"{images.describe(film)}: has no sound, as there is no program ffmpeg to copy it"
    path = Path(film)
    part = path.with_name(f".facekp-{secrets.token_hex(6)}.sound{path.suffix.lower()}")
    # "file:" and absolute: no name is taken for an option or a protocol.
    picture, sound, out = (f"file:{os.path.abspath(p)}" for p in (path, source, part))  # noqa: PTH100
    options = ["-nostdin", "-v", "error", "-y", "-i", picture, "-i", sound, "-map", "0:v:0", "-map", "1:a?"]
    limit = [] if seconds is None else ["-t", f"{seconds:.3f}"]
    try:
        done = subprocess.run(
            [program, *options, *limit, "-c", "copy", out],
            capture_output=True,
            timeout=timeout,
            check=False,
            shell=False,
        )
        if done.returncode == 0 and part.stat().st_size:
            part.replace(path)
            return None
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = said[-1] if said else f"exit code {done.returncode}"
    except subprocess.TimeoutExpired:
        reason = f"it took more than {timeout:g} s"
    except OSError as error:
        reason = error.strerror or str(error)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return f"{images.describe(film)}: has no sound: ffmpeg could not copy it ({reason})"
