"""Points, boxes and names on a picture; many pictures on a sheet.

Every function takes anything that :func:`facekp.image.read` takes and gives a new
``(H, W, 3)`` RGB uint8 array; the given picture is never written to.  Points are
drawn where they are, at fractions of a pixel, ``(0, 0)`` being the centre of the
top-left pixel.  Strokes grow with the face and the picture, so that a picture of
200 pixels and one of 6,000 look alike on a screen; ``size`` makes all of them
larger or smaller.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _arguments as check
from . import geometry
from . import image as images
from ._canvas import Canvas, text_width
from ._drawstyle import COLORS, Color, Colors, Style, numbers
from .errors import ArgumentError
from .face import Face
from .schema import KeypointSchema

__all__ = ["COLORS", "boxes", "faces", "points", "sheet"]

Array = npt.NDArray[Any]


def faces(
    image: Any,
    faces: Face | Iterable[Face],
    *,
    points: bool = True,
    edges: bool = True,
    boxes: bool = True,
    scores: bool = False,
    labels: str | None = None,
    low: float = 0.5,
    size: float = 1.0,
    colors: Colors = None,
) -> Array:
    """Draw faces on a copy of a picture.

    Args:
        image: the picture that the faces' coordinates belong to.
        faces: what :class:`facekp.Detector` gave for it; one face will do.
        points: draw the keypoints.
        edges: join them along the contours of their schema.
        boxes: draw the faces' boxes.
        scores: write each face's score on its box.
        labels: write beside each point its ``"index"``, ``"name"`` or ``"score"``; to be readable, 68 of
            them want a face some 600 pixels wide, so enlarge a smaller picture and its points first.
        low: points with a score under this are drawn hollow and fainter.
        size: how many times larger than usual to draw.
        colors: RGB by group name, ``"other"`` and ``"box"``, over :data:`COLORS`; or one colour for all.

    Returns:
        ``(H, W, 3)`` RGB uint8, a new array.

    Raises:
        ImageError: the picture cannot be read.
        ArgumentError: something in ``faces`` is no Face, or an option is none of the above.
    """
    canvas, found = images.read(image).copy(), _as_faces(faces)
    style = Style(canvas, edges=edges, labels=labels, low=low, size=size, colors=colors)
    if boxes:
        for face in found:
            style.box(face.box, f"{face.score:.2f}" if scores else "")
    if points:
        for face in found:
            style.points(face.keypoints, face.schema, face.scores, face.box)
    return canvas


def points(
    image: Any,
    keypoints: Any,
    schema: KeypointSchema | None = None,
    *,
    scores: Any = None,
    edges: bool = True,
    labels: str | None = None,
    low: float = 0.5,
    size: float = 1.0,
    colors: Colors = None,
) -> Array:
    """Draw keypoints on a copy of a picture.

    Args:
        image: the picture.
        keypoints: ``(K, 2)`` or ``(N, K, 2)``, ``(x, y)``; a point that is NaN is left out, with its edges.
        schema: what the points are; it gives their colours, names and edges.
        scores: ``(K,)`` or ``(N, K)`` in [0, 1], or None where there are none.
        edges, labels, low, size, colors: as in :func:`faces`.

    Returns:
        ``(H, W, 3)`` RGB uint8, a new array.

    Raises:
        ImageError: the picture cannot be read.
        ArgumentError: a shape does not fit, or an option is none of those that there are.
    """
    canvas = images.read(image).copy()
    style = Style(canvas, edges=edges, labels=labels, low=low, size=size, colors=colors)
    array = numbers(keypoints, "keypoints")
    if array.ndim not in (2, 3) or array.shape[-1] != 2:
        raise ArgumentError(f"keypoints: expected shape (K, 2) or (N, K, 2), got {array.shape}")
    if schema is not None and len(check.layout(schema)) != array.shape[-2]:
        raise ArgumentError(f"keypoints: schema {schema.name} has {len(schema)} points, got {array.shape}")
    if schema is None and labels == "name":
        raise ArgumentError("labels: 'name' needs a schema, which knows the names")
    certain = np.ones(array.shape[:-1], np.float32) if scores is None else numbers(scores, "scores")
    if certain.shape != array.shape[:-1]:
        raise ArgumentError(f"scores: expected shape {array.shape[:-1]}, as keypoints have, got {certain.shape}")
    count = array.shape[-2]
    for face, values in zip(array.reshape(-1, count, 2), certain.reshape(-1, count), strict=True):
        style.points(face, schema, values)
    return canvas


def boxes(
    image: Any,
    boxes: Any,
    *,
    labels: Sequence[str] | None = None,
    size: float = 1.0,
    color: Color | None = None,
) -> Array:
    """Draw boxes on a copy of a picture.

    Args:
        image: the picture.
        boxes: ``(N, 4)`` xyxy.
        labels: one text (ASCII) for each box.
        size: how many times larger than usual to draw.
        color: RGB.

    Returns:
        ``(H, W, 3)`` RGB uint8, a new array.

    Raises:
        ImageError: the picture cannot be read.
        ArgumentError: a box has no area, or there are more or fewer labels than boxes.
    """
    canvas, array = images.read(image).copy(), geometry.as_boxes(boxes)
    if labels is not None and (not isinstance(labels, Sequence) or len(labels) != len(array)):
        raise ArgumentError(f"labels: expected one for each of {len(array)} boxes, got {_count(labels)}")
    style = Style(canvas, size=size, colors=color)
    for box, label in zip(array, labels or [""] * len(array), strict=True):
        style.box(box, str(label))
    return canvas


def sheet(
    pictures: Iterable[Any],
    *,
    columns: int = 4,
    size: tuple[int, int] = (256, 256),
    labels: Sequence[str] | None = None,
    gap: int = 4,
) -> Array:
    """A contact sheet: pictures side by side, row by row, each as large as fits into its tile.

    Args:
        pictures: anything that :func:`facekp.image.read` takes; at least one.
        columns: pictures in a row; fewer where there are fewer pictures.
        size: ``(H, W)`` of a tile, in pixels.
        labels: one text (ASCII) for each picture, written into its upper left corner.
        gap: pixels between tiles, and around them.

    Returns:
        ``(rows (H + gap) + gap, columns (W + gap) + gap, 3)`` RGB uint8.

    Raises:
        ImageError: a picture cannot be read.
        ArgumentError: there is no picture, a number is too small, or there are more or fewer labels than pictures.
    """
    check.whole(columns, "columns", 1)
    check.whole(gap, "gap", 0)
    height, width = check.size(size)
    if not isinstance(pictures, Iterable) or isinstance(pictures, (str, bytes)):
        raise ArgumentError(f"pictures: expected a list of pictures, got {check.shown(pictures)}")
    tiles: list[Array] = []
    for picture in pictures:
        if (len(tiles) + 1) * (height + gap) * (width + gap) > images.MAX_PIXELS:
            raise ArgumentError(
                f"size: a sheet of more than {len(tiles)} tiles of {(height, width)} with gap {gap} would have more "
                f"than {images.MAX_PIXELS:,} pixels"
            )
        tiles.append(_tile(images.read(picture), size))
    if not tiles:
        raise ArgumentError("sheet: there are no pictures")
    if labels is not None and (not isinstance(labels, Sequence) or len(labels) != len(tiles)):
        raise ArgumentError(f"labels: expected one for each of {len(tiles)} pictures, got {_count(labels)}")
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    canvas = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), _PAPER, np.uint8)
    for i, tile in enumerate(tiles):
        x, y = gap + i % columns * (width + gap), gap + i // columns * (height + gap)
        canvas[y : y + height, x : x + width] = tile
        if labels is not None:
            _caption(canvas[y : y + height, x : x + width], str(labels[i]))
    return canvas


_PAPER = 36


def _count(labels: Any) -> Any:
    return len(labels) if isinstance(labels, Sequence) else check.shown(labels)


def _tile(picture: Array, size: tuple[int, int]) -> Array:
    """The whole picture in the middle of a tile."""
    scale = min(size[0] / picture.shape[0], size[1] / picture.shape[1])
    shape = (max(1, round(picture.shape[0] * scale)), max(1, round(picture.shape[1] * scale)))
    tile = np.full((*size, 3), _PAPER, np.uint8)
    y, x = (size[0] - shape[0]) // 2, (size[1] - shape[1]) // 2
    matrix = geometry.resize_matrix(picture.shape[:2], shape)
    tile[y : y + shape[0], x : x + shape[1]] = geometry.warp(picture, matrix, shape, border=None)
    return tile


def _caption(tile: Array, words: str) -> None:
    height = min(max(tile.shape[0] / 20, 7.0), tile.shape[0] / 3)
    page = Canvas(tile, geometry.image_box((tile.shape[0], tile.shape[1])), 1.0)
    page.text(words, (height + text_width(words, height) / 2, 1.5 * height), height, (255, 255, 255), halo=(0, 0, 0))
    page.blend()


def _as_faces(given: Face | Iterable[Face]) -> list[Face]:
    if not isinstance(given, (Face, Iterable)):
        raise ArgumentError(f"faces: expected a list of facekp.Face, got {type(given).__name__}")
    found = [given] if isinstance(given, Face) else list(given)
    for i, face in enumerate(found):
        if not isinstance(face, Face):
            raise ArgumentError(f"faces[{i}]: expected a facekp.Face, got {type(face).__name__}")
    return found
