"""What the page draws, as plain data for its script; and what the script gives back, as faces."""

from __future__ import annotations

import base64
import itertools
import json
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .. import draw
from ..errors import ArgumentError
from ..face import Face
from .looking import Found, Heat

__all__ = ["Edited", "edited", "heat_view", "view"]

Array = npt.NDArray[Any]
SHOWN_PIXELS = 12_000_000
"""Larger pictures are sent to the browser smaller; points stay in pixels of the picture itself."""
LONGEST = 65_000  # a side that JPEG can hold
FARTHEST = 1_000_000
_count = itertools.count(1)


@dataclass(slots=True)
class Edited:
    """Faces as a person left them.

    Attributes:
        faces: copies; a point that was marked as missing is NaN, with score 0; one that was moved has score 1.
        corrected: of each face the indices of the points that were moved or marked.
        hidden: groups of points that are not shown.
        numbers: whether the points' numbers are shown.
        lines: whether their contours are shown.
        boxes: whether boxes are shown.
    """

    faces: list[Face]
    corrected: list[list[int]]
    hidden: frozenset[str] = field(default_factory=frozenset)
    numbers: bool = False
    lines: bool = True
    boxes: bool = True


def view(found: Found) -> dict[str, Any]:
    """What the page's script is given of a picture: plain data, coordinates in the picture's frame.

    Every call has another ``id``, by which the script and :func:`edited` know what belongs together.
    """
    schema = found.detector.schema
    height, width = found.size
    return {
        "id": next(_count),
        "name": found.name,
        "width": width,
        "height": height,
        "href": _jpeg(found.image),
        "mappable": found.mappable,
        "names": list(schema.names),
        "edges": [list(edge) for edge in schema.edges],
        "groups": {key: list(indices) for key, indices in schema.groups.items()},
        "colors": {key: "#{:02x}{:02x}{:02x}".format(*rgb) for key, rgb in draw.COLORS.items()},
        "faces": [_face(face) for face in found.faces],
    }


def heat_view(heat: Heat, face: int, point: int, view_id: int) -> dict[str, Any]:
    """A point's map for the page's script; ``matrix`` is that of SVG's ``matrix(a b c d e f)``."""
    height, width = heat.rgba.shape[:2]
    return {
        "id": view_id,
        "face": face,
        "point": point,
        "width": width,
        "height": height,
        "href": _url(".png", cv2.cvtColor(heat.rgba, cv2.COLOR_RGBA2BGRA)),
        "matrix": [float(v) for v in heat.matrix[:2].T.reshape(-1)],
    }


def edited(found: Found, shown: dict[str, Any] | None, text: str) -> Edited:
    """The faces of a picture with a person's corrections.

    Args:
        found: the picture and its faces.
        shown: the :func:`view` that the page had of it, or None.
        text: what the page's script wrote: JSON with the view's ``id``, ``points`` (for each face, K times ``[x, y]``
            or null), ``hidden``, ``numbers``, ``lines`` and ``boxes``.  Empty text, or that of another view, corrects
            nothing.

    Raises:
        ArgumentError: the text is not of this form.
    """
    unchanged = Edited(list(found.faces), [[] for _ in found.faces])
    if not text.strip() or shown is None:
        return unchanged
    try:
        data = json.loads(text)
        if data["id"] != shown["id"]:
            return unchanged
        points = [_points(face, given) for face, given in zip(found.faces, data["points"], strict=True)]
        hidden = frozenset(str(name) for name in data.get("hidden", ()))
        numbers, lines, boxes = (bool(data.get(key, fallback)) for key, fallback in _SWITCHES.items())
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise ArgumentError(f"corrections: not what the page's script writes ({error}); load the page anew") from None
    pairs = [_corrected(face, given) for face, given in zip(found.faces, points, strict=True)]
    return Edited([face for face, _ in pairs], [which for _, which in pairs], hidden, numbers, lines, boxes)


_SWITCHES = {"numbers": False, "lines": True, "boxes": True}


def _points(face: Face, given: Any) -> Array:
    """``(K, 2)`` float32 of what JSON has; null is a missing point."""
    points = np.array([[np.nan, np.nan] if p is None else p for p in given], np.float64)
    if points.shape != face.keypoints.shape or np.isinf(points).any() or (np.abs(points) > FARTHEST).any():
        raise ValueError(f"expected {face.keypoints.shape} numbers within {FARTHEST}, got {points.shape}")
    return points.astype(np.float32)


def _corrected(face: Face, points: Array) -> tuple[Face, list[int]]:
    missing = np.isnan(points).any(1)
    changed = ~((points == face.keypoints) | (np.isnan(points) & np.isnan(face.keypoints))).all(1)
    scores = np.where(changed, np.where(missing, 0, 1), face.scores).astype(np.float32)
    # What a person did has no expected error.
    off = None if face.uncertainty is None else np.where(changed, np.nan, face.uncertainty).astype(np.float32)
    return Face(points, scores, face.box, face.score, face.schema, off), [int(i) for i in np.flatnonzero(changed)]


def _face(face: Face) -> dict[str, Any]:
    # float32 → float → JSON → float → float32 gives the same number: what was not moved is known by it.
    def plain(array: Array) -> list[float | None]:
        return [float(v) if np.isfinite(v) else None for v in array]

    return {
        "box": plain(face.box),
        "score": float(face.score),
        "points": [plain(p) if np.isfinite(p).all() else None for p in face.keypoints],
        "scores": plain(face.scores),
        "off": None if face.uncertainty is None else plain(face.uncertainty),
    }


def _jpeg(image: Array) -> str:
    height, width = image.shape[:2]
    shrink = min((SHOWN_PIXELS / (height * width)) ** 0.5, LONGEST / max(height, width))
    if shrink < 1:
        size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return _url(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92])


def _url(suffix: str, image: Array, options: list[int] | None = None) -> str:
    _, data = cv2.imencode(suffix, image, options or [])
    kind = {".jpg": "jpeg", ".png": "png"}[suffix]
    return f"data:image/{kind};base64,{base64.b64encode(data.tobytes()).decode()}"
