"""A whole film: every frame's faces drawn, written down, or both."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import annotate as records
from .. import draw as drawing
from ..detector import Detector
from ..errors import ArgumentError
from .reader import FilmFrame, Reader
from .tracker import TrackedFace, Tracker
from .writer import Writer

__all__ = ["annotate", "draw", "record"]

Array = npt.NDArray[Any]


def draw(
    image: Any, faces: Sequence[TrackedFace], *, points: bool = True, boxes: bool = True, size: float = 1.0
) -> Array:
    """Draw tracked faces on a copy of a frame, each with its id.

    Args:
        image: the frame.
        faces: what :class:`Tracker` gave for it.
        points: draw the keypoints, joined along the contours of their schema.
        boxes: draw the boxes, with the ids.
        size: how many times larger than usual to draw.

    Returns:
        ``(H, W, 3)`` RGB uint8, a new array.

    Raises:
        ImageError: the frame cannot be read.
    """
    canvas = drawing.faces(image, [one.face for one in faces], points=points, boxes=False, size=size)
    known = [one for one in faces if boxes and np.isfinite(one.face.box).all() and _area(one.face.box) > 0]
    if not known:
        return canvas
    return drawing.boxes(canvas, [one.face.box for one in known], labels=[str(one.id) for one in known], size=size)


def record(
    path: str | os.PathLike[str], frame: FilmFrame, faces: Sequence[TrackedFace], model: Detector
) -> dict[str, Any]:
    """What is written of one frame: :func:`facekp.annotate.record`, with the frame, its time, and what is tracked.

    Args:
        path: the film's, as it is to stand in the file.
        frame: one of its frames.
        faces: what :class:`Tracker` gave for it.
        model: what found them.

    Returns:
        ``path``, ``frame`` (from 0), ``time`` (seconds), ``width``, ``height``, ``model``, ``schema`` and ``faces``:
        ``id``, ``found``, ``carried`` and what :meth:`facekp.Face.to_dict` gives, which :meth:`facekp.Face.from_dict`
        takes.
    """
    whole = records.record(path, frame.image.shape[:2], [one.face for one in faces], model)
    found = [
        {"id": one.id, "found": one.found, "carried": one.carried, **data}
        for one, data in zip(faces, whole.pop("faces"), strict=True)
    ]
    first = {"path": whole.pop("path"), "frame": frame.index, "time": round(frame.time, 6)}
    return {**first, **whole, "faces": found}


def annotate(
    source: str | os.PathLike[str] | int | Reader,
    output: str | os.PathLike[str] | None,
    tracker: Tracker,
    *,
    each: Callable[[FilmFrame, list[TrackedFace]], None] | None = None,
    seconds: float | None = None,
) -> int:
    """Follow the faces of a film, and write a film in which they are drawn.

    Whatever ends it, Ctrl-C or a damaged frame, the film that was written so far is closed and plays.  It has no sound;
    :func:`copy_sound` brings that.

    Args:
        source: a film's path, a camera's number, or a :class:`Reader`.
        output: the film to write, in a format of :data:`FORMATS`; None writes none.
        tracker: follows the faces; it forgets those of earlier films.
        each: is called with every frame and its faces.
        seconds: stop after so much of it, over 0; None goes on to the end.

    Returns:
        How many frames there were.

    Raises:
        ImageError: the film or camera cannot be read, or not to its end.
        ArgumentError: the output cannot be written, or is the film that is read; ``seconds`` is not over 0.
    """
    if seconds is not None and not seconds > 0:
        raise ArgumentError(f"seconds: expected a number over 0, got {seconds!r}")
    tracker.reset()
    count = 0
    reader = source if isinstance(source, Reader) else Reader(source)
    with reader:
        if output is not None and reader.path is not None:
            _refuse_same(reader.path, Path(output))
        writer = None if output is None else Writer(output, reader.fps, reader.size)
        try:
            for frame in reader:
                if seconds is not None and frame.time >= seconds:
                    break
                faces = tracker(frame.image, frame.time)
                if writer is not None:
                    writer.write(draw(frame.image, faces), frame.time)
                if each is not None:
                    each(frame, faces)
                count += 1
        finally:
            if writer is not None:
                writer.close()
    return count


def _refuse_same(source: Path, output: Path) -> None:
    if output.exists() and output.samefile(source):
        raise ArgumentError(f"{output}: is the film that is read: name another file")


def _area(box: Array) -> float:
    return float(box[2] - box[0]) * float(box[3] - box[1])
