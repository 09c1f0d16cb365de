"""The ``.asf`` files of Stegmann's AAM-API: relative points, and the paths that join them.

After the comments (lines that begin with ``#``) come the number of points, one line a point, and the picture's name::

    path  type  x  y  point  connects-from  connects-to  [user1 user2 user3]

``x`` and ``y`` are shares of the picture's width and height: 0 is its left or top edge and 1 its right or bottom edge.
A pixel's *centre* is a whole number in facekp, so a share r of a W-wide picture is ``r W - 0.5``.

The AAM-API itself (Stegmann, "Active Appearance Models", DTU 2000; ``CAAMShape::Rel2Abs``) takes ``r W``, and leaves
open whether that counts from a pixel's edge or its centre.  IMM Frontal's pictures tell: from the drawn points to the
nearest edge along the face's horizontal axis at jaw and nose wings, left and right averaged so that a habit of clicking
too far out cancels, ``r W`` is 0.41 px too far right (+-0.05 over 12 people) and ``r W - 0.5`` 0.09 px too far left.
A test holds this.  It is also the one reading in which a picture that is resized keeps its file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError, DatasetError
from ..schema import KeypointSchema
from .base import numbers, points_of, read_text
from .writing import write_text

__all__ = ["AsfShape", "read_asf", "write_asf"]

Array = npt.NDArray[Any]

OPEN_PATH = 4
"""The bit of a point's type that says that its path is open (the others: 1 inner, 2 artificial, 8 hole)."""

_FORMAT = "<path#> <type> <x rel.> <y rel.> <point#> <connects from> <connects to> <user1> <user2> <user3>"


@dataclass(frozen=True, eq=False)
class AsfShape:
    """What an ``.asf`` file says.

    Attributes:
        points: ``(K, 2)`` float64 ``(x, y)``, as shares of the picture's width and height; NaN is a missing point.
        paths: K numbers of the path that each point is on.
        types: K bit masks; :data:`OPEN_PATH` is the bit that matters.
        connections: K pairs: the point before and the point after on the path; an open path's ends name themselves.
        image: the picture's file name, as it stands in the file.
    """

    points: Array
    paths: tuple[int, ...]
    types: tuple[int, ...]
    connections: tuple[tuple[int, int], ...]
    image: str

    def pixels(self, size: tuple[int, int]) -> Array:
        """The points ``(K, 2)`` float32 in pixels of a picture of ``size = (H, W)``: ``x = r W - 0.5``."""
        return (self.points * [size[1], size[0]] - 0.5).astype(np.float32)

    @property
    def edges(self) -> list[tuple[int, int]]:
        """The pairs of points to join, in the order of the points, each once."""
        pairs = ((i, j) for i, (_, j) in enumerate(self.connections) if i != j)
        back = ((j, i) for i, (j, _) in enumerate(self.connections) if i != j)
        unique = {frozenset(pair): pair for pair in [*back, *pairs]}
        return sorted(unique.values())

    @property
    def contours(self) -> list[tuple[tuple[int, ...], bool]]:
        """Each path's points in the file's order, and whether it is closed."""
        members = {path: [i for i, p in enumerate(self.paths) if p == path] for path in dict.fromkeys(self.paths)}
        return [(tuple(found), not self.types[found[0]] & OPEN_PATH) for found in members.values()]

    @classmethod
    def of(cls, keypoints: Array, size: tuple[int, int], image: str, schema: KeypointSchema) -> AsfShape:
        """A face as an ``.asf`` file holds it: the inverse of :meth:`pixels`, with the schema's edges as paths.

        Args:
            keypoints: ``(K, 2)`` pixels; NaN where a label is missing.
            size: ``(H, W)`` of the picture.
            image: the picture's file name.
            schema: what the K points are.

        Raises:
            ArgumentError: the keypoints are not the schema's, or the picture has no size.
        """
        points = np.asarray(keypoints, np.float64)
        if points.shape != (len(schema), 2) or min(size) <= 0:
            raise ArgumentError(
                f"expected ({len(schema)}, 2) points of {schema.name} on a picture, got {points.shape} on {size}"
            )
        paths, types, connections = _paths(len(schema), schema.edges)
        return cls((points + 0.5) / [size[1], size[0]], paths, types, connections, image)


def _paths(
    count: int, edges: Sequence[tuple[int, int]]
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[tuple[int, int], ...]]:
    """Paths, types and connections of points that these edges join; where three meet, the third edge is left out."""
    before, after, part = list(range(count)), list(range(count)), list(range(count))
    for a, b in edges:
        part = [part[a] if p == part[b] else p for p in part]
        if after[a] == a and before[b] == b:
            after[a], before[b] = b, a
        elif after[b] == b and before[a] == a:
            after[b], before[a] = a, b
    number = {p: i for i, p in enumerate(dict.fromkeys(part))}
    ends = {part[i] for i in range(count) if before[i] == i or after[i] == i}
    types = tuple(OPEN_PATH if p in ends else 0 for p in part)
    return tuple(number[p] for p in part), types, tuple(zip(before, after, strict=True))


def read_asf(path: str | Path, count: int | None = None) -> AsfShape:
    """Read an ``.asf`` file: spaces or tabs, any line ends, comments anywhere.

    Points are put in the order of their numbers.

    Args:
        path: the file.
        count: how many points there must be; None takes what the file announces.

    Raises:
        DatasetError: no number of points, another number than announced, a line that is no point, numbers that
            are not 0 to K - 1, no picture's name; the message names file and line.
    """
    path = Path(path)
    text = read_text(path, ".asf file").replace("\0", "")
    lines = [(i, raw.strip()) for i, raw in enumerate(text.splitlines(), 1)]
    lines = [(i, line) for i, line in lines if line and not line.startswith("#")]
    if not lines:
        raise DatasetError(f"{path}: no points; expected their number, a line for each, and the picture's name")
    announced = _announced(*lines[0], path, count)
    rows = [_row(line, path, i, announced) for i, line in lines[1 : announced + 1]]
    rest = lines[announced + 1 :]
    if len(rows) < announced:
        raise DatasetError(f"{path}: cut off after {len(rows)} of {announced} points")
    if len(rest) != 1:
        found = f"more lines: {rest[0][1][:60]!r}" if rest else "the end of the file"
        where = f"{path}:{rest[0][0]}" if rest else str(path)
        raise DatasetError(f"{where}: expected the picture's name after {announced} points, found {found}")
    if sorted(row[4] for row in rows) != list(range(announced)):
        raise DatasetError(f"{path}: the points' numbers (fifth column) are not 0 to {announced - 1}, each once")
    rows.sort(key=lambda row: row[4])
    points_of([v for row in rows for v in row[2:4]], str(path))  # refuses what is infinite or half missing
    whole = [[int(v) for v in (row[0], row[1], row[5], row[6])] for row in rows]
    return AsfShape(
        np.array([row[2:4] for row in rows], np.float64),
        tuple(row[0] for row in whole),
        tuple(row[1] for row in whole),
        tuple((row[2], row[3]) for row in whole),
        rest[0][1],
    )


def _announced(line: int, text: str, path: Path, count: int | None) -> int:
    (value,) = numbers(text.split(), path, line, 1)
    if not (value > 0 and value.is_integer()):
        raise DatasetError(f"{path}:{line}: expected the number of points, found {text[:60]!r}")
    if count is not None and value != count:
        raise DatasetError(f"{path}:{line}: {value:g} points, but the schema has {count}")
    return int(value)


def _row(text: str, path: Path, line: int, count: int) -> list[float]:
    words = text.split()
    if not 7 <= len(words) <= 10:
        raise DatasetError(f"{path}:{line}: expected one of {count} points, {_FORMAT}, found {text[:60]!r}")
    row = numbers(words, path, line, len(words))
    if not all(v.is_integer() for v in (row[0], row[1], *row[4:7])) or row[1] < 0:
        raise DatasetError(f"{path}:{line}: path, type, point and connections must be whole numbers")
    if not all(0 <= v < count for v in row[4:7]):
        raise DatasetError(
            f"{path}:{line}: the point or a connection is not one of the {count} points, 0 to {count - 1}"
        )
    return row


def write_asf(path: str | Path, shape: AsfShape) -> None:
    """Write what :func:`read_asf` reads; eight decimals, as the AAM-API writes; a missing point is ``nan nan``.

    Raises:
        ArgumentError: the picture's name would be read as something else.
        DatasetError: the file cannot be written.
    """
    name = shape.image.strip()
    if not name or name.startswith("#") or len(name.splitlines()) > 1:
        raise ArgumentError(f"image: an .asf file cannot hold the picture's name {shape.image!r}; rename the picture")
    rows = zip(shape.paths, shape.types, shape.points, shape.connections, strict=True)
    body = "\n".join(
        f"{part}\t{kind}\t{x:.8f}\t{y:.8f}\t{i}\t{before}\t{after}\t0.000000\t0.000000\t0.000000"
        for i, (part, kind, (x, y), (before, after)) in enumerate(rows)
    )
    head = f"#\n# AAM Shape File\n#\n\n#\n# number of model points\n#\n{len(shape.points)}\n\n"
    text = f"{head}#\n# model points\n#\n# format: {_FORMAT}\n#\n{body}\n\n#\n# host image\n#\n{name}\n"
    write_text(Path(path), text)
