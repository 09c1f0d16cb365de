"""Faces that are in a set twice, or as a mirror image."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from .. import geometry
from ..errors import ImageError
from ..sample import Sample
from ..schema import KeypointSchema
from .suspects import FEWEST, Suspect

__all__ = ["Pictures", "copies", "why_not"]

Array = npt.NDArray[Any]
Pair = tuple[int, int]

ALIKE = 1.5  # pixels of the smaller face: labels that were rounded twice differ by no more
AT_MOST = 0.03  # and of its longer side, for very small faces
LOOKS = 0.97  # correlation of two thumbnails from which on they show the same
SIDE = 24  # of a thumbnail: blocks and noise of another compression are averaged away
BLOCK = 512  # faces that are compared with all others at once


class _Shape(NamedTuple):
    """Points ``(2K,)`` float32 with their extent's centre at 0 and its longer side 1, and what that was in pixels."""

    points: Array
    side: float

    @property
    def tolerance(self) -> float:
        """What its points may differ by from those of a copy."""
        return min(ALIKE / self.side, AT_MOST)


Shapes = Sequence[_Shape | None]


class Pictures:
    """Small pictures of the faces, each made when it is first asked for.

    Attributes:
        problems: the pictures that could not be read, and why.
    """

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._samples = samples
        self._made: dict[int, Array | None] = {}
        self.problems: dict[Any, str] = {}

    def __getitem__(self, index: int) -> Array | None:
        """``(24, 24)`` of a face, mean 0 and length 1; None where there is no picture, or nothing on it."""
        if index not in self._made:
            sample = self._samples[index]
            try:
                self._made[index] = _thumbnail(sample)
            except ImageError as error:
                self._made[index] = None
                self.problems.setdefault(sample.path, str(error))
        return self._made[index]


def why_not(schema: KeypointSchema) -> str | None:
    """Why copies cannot be seen by the points; None where they can."""
    return f"{schema.name} has too few points for a shape" if len(schema) < FEWEST else None


def copies(samples: Sequence[Sample], schema: KeypointSchema, pictures: Pictures, thorough: bool) -> Iterator[Suspect]:
    """Faces that are a copy, or a mirror image, of an earlier one.

    A duplicate has its box where another face has its own (IoU over 0.8), on the same picture or on one with the same
    bytes.  Otherwise two faces are the same when small pictures of both (cut out by the points' extents) correlate by
    0.97.  Looked at are pairs whose points have the same shape (each coordinate within 1.5 px of the smaller face;
    place and size do not matter), or all.

    Args:
        samples: the faces.
        schema: their points.
        pictures: of the samples.
        thorough: look at all pictures: this also finds copies whose labels are not copies.

    Yields:
        The later face of each pair; one of several copies is told of once.
    """
    said: set[tuple[str, int]] = set()
    for same in _same_files(samples):
        if (same.kind, same.index) not in said:
            said.add((same.kind, same.index))
            yield same
    shapes = [_shape(s.keypoints) for s in samples]
    flipped = None
    if schema.mirror is not None:
        flipped = [_shape(s.keypoints[list(schema.mirror)] * (-1, 1)) for s in samples]
    pairs = _lookalikes(pictures, len(samples), flipped is not None) if thorough else _shapealikes(shapes, flipped)
    for j, i, kind in sorted(pairs):
        a, b = (None, None) if (kind, j) in said else (pictures[i], pictures[j])
        if a is None or b is None:
            continue
        likeness = float((a * (b[:, ::-1] if kind == "mirrored" else b)).sum())
        if likeness >= LOOKS:
            said.add((kind, j))
            apart = _apart(shapes[i], (flipped or shapes)[j] if kind == "mirrored" else shapes[j])
            yield Suspect(kind, j, f"the pictures correlate by {likeness:.3f}{apart}", i)


def _lookalikes(pictures: Pictures, count: int, mirror: bool) -> Iterator[tuple[int, int, str]]:
    made = {i: small for i in range(count) if (small := pictures[i]) is not None}
    if not made:
        return
    at, stack = np.array(list(made)), np.stack(list(made.values()))
    flat = stack.reshape(len(at), -1)
    for kind, other in [("duplicate", flat)] + [("mirrored", stack[:, :, ::-1].reshape(len(at), -1))] * mirror:
        for start in range(0, len(at), BLOCK):
            rows = at[start : start + BLOCK]
            near = flat[start : start + BLOCK] @ other.T >= LOOKS - 1e-3  # the sum is taken again, exactly
            a, b = np.nonzero(near & (rows[:, None] < at))
            yield from ((int(j), int(i), kind) for i, j in zip(rows[a], at[b], strict=True))


def _shapealikes(shapes: Shapes, flipped: Shapes | None) -> Iterator[tuple[int, int, str]]:
    yield from ((j, i, "duplicate") for i, j in _alike(shapes, shapes))
    if flipped is not None:
        yield from ((j, i, "mirrored") for i, j in _alike(shapes, flipped))


def _shape(points: Array) -> _Shape | None:
    box = geometry.extent(points)
    side = float((box[2:] - box[:2]).max())
    if np.isfinite(points).all(-1).sum() < FEWEST or not side > 0:
        return None
    return _Shape(((points - (box[:2] + box[2:]) / 2) / side).astype(np.float32).ravel(), side)


def _alike(first: Shapes, second: Shapes) -> Iterator[tuple[int, int]]:
    """Pairs ``i < j``: the shape of i in ``first`` is that of j in ``second``, and both lack the same points."""
    groups: dict[bytes, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for k, shapes in enumerate((first, second)):
        for i, shape in enumerate(shapes):
            if shape is not None:
                groups[np.isnan(shape.points).tobytes()][k].append(i)
    for rows, columns in groups.values():
        if rows and columns:
            yield from _close(_stacked(first, rows), _stacked(second, columns))


def _stacked(shapes: Shapes, at: Sequence[int]) -> tuple[Array, Array, Array]:
    """Which faces, their points and what these may differ by."""
    chosen = [shape for shape in (shapes[i] for i in at) if shape is not None]
    points = np.nan_to_num(np.stack([s.points for s in chosen]))
    return np.array(at), points, np.array([s.tolerance for s in chosen], np.float32)


def _close(first: tuple[Array, Array, Array], second: tuple[Array, Array, Array]) -> Iterator[tuple[int, int]]:
    (rows, left, left_by), (columns, right, right_by) = first, second
    # No coordinate may differ by more than the tolerance: then the squares' sum, one matrix product, is below this.
    limit = left.shape[1] * max(float(left_by.max()), float(right_by.max())) ** 2
    length = (right**2).sum(1)
    for start in range(0, len(rows), BLOCK):
        block = slice(start, start + BLOCK)
        squares = (left[block] ** 2).sum(1)[:, None] + length - 2 * left[block] @ right.T
        a, b = np.nonzero((squares <= limit + 1e-4) & (rows[block, None] < columns))
        gap = np.abs(left[block][a] - right[b]).max(1, initial=0.0)
        near = gap <= np.maximum(left_by[block][a], right_by[b])
        yield from zip(rows[block][a[near]].tolist(), columns[b[near]].tolist(), strict=True)


def _apart(a: _Shape | None, b: _Shape | None) -> str:
    if a is None or b is None:
        return ""
    gap = np.abs(a.points - b.points)
    return f", labels differ by up to {np.nanmax(gap) * min(a.side, b.side):.1f} px" if np.isfinite(gap).any() else ""


def _same_files(samples: Sequence[Sample]) -> Iterator[Suspect]:
    """Faces at the same place of one file, or of two with the same bytes."""
    files: dict[Path, list[int]] = defaultdict(list)
    for i, sample in enumerate(samples):
        if sample.path is not None and np.isfinite(sample.box).all():
            files[sample.path].append(i)
    for group in _by_content(files):
        faces = sorted(i for path in group for i in files[path])
        stacked = np.stack([samples[i].box for i in faces])
        overlap = np.tril(geometry.iou(stacked, stacked), -1)
        for b, a in np.argwhere(overlap > 0.8).tolist():
            yield Suspect("duplicate", faces[b], f"the same picture, boxes of IoU {overlap[b, a]:.2f}", faces[a])


def _by_content(paths: Iterable[Path]) -> list[list[Path]]:
    """Files with the same bytes together; only those of one size are read."""
    sizes: dict[int, list[Path]] = defaultdict(list)
    for path in paths:
        try:
            sizes[path.stat().st_size].append(path)
        except OSError:
            continue
    groups: dict[bytes, list[Path]] = defaultdict(list)
    for size, same in sizes.items():
        for path in same:
            key = str(path).encode(errors="surrogateescape")
            if len(same) > 1:
                try:
                    key = size.to_bytes(8, "big") + hashlib.blake2b(path.read_bytes()).digest()
                except OSError:
                    continue
            groups[key].append(path)
    return list(groups.values())


def _thumbnail(sample: Sample) -> Array | None:
    box = geometry.extent(sample.keypoints) if sample.mask.sum() >= FEWEST else sample.box
    if not np.isfinite(box).all() or (box[2:] <= box[:2]).any():
        return None
    try:
        image = sample.image
    except ValueError:  # neither pixels nor a path
        return None
    small = geometry.warp(image, geometry.crop_matrix(box, (SIDE, SIDE), 1.2), (SIDE, SIDE), border=None)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    grey -= grey.mean()
    length = float(np.linalg.norm(grey))
    return grey / length if length > SIDE else None  # a spread of less than one grey value is a plain surface
