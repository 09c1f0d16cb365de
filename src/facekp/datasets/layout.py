"""Layouts of points that no data set's paper gives: from a file, from names, or joined from several."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import geometry
from .. import schema as schemas
from ..errors import ArgumentError, DatasetError
from ..sample import Sample
from ..schema import KeypointSchema
from .base import read_text

__all__ = ["from_names", "known", "mirror_of", "one_schema", "read_schema", "union"]

Array = npt.NDArray[Any]
Edges = Iterable[tuple[int, int]]

_SIDE = re.compile(r"(?<![a-z])(left|right)(?![a-z])")
# What an error is divided by, from the names that the schemas share; the first pair that is there counts.
_NORMALIZERS = {
    "inter_ocular": (("right_eye_outer", "left_eye_outer"),),
    "inter_pupil": (("left_pupil", "right_pupil"), ("left_eye", "right_eye")),
}


def read_schema(path: Path) -> KeypointSchema:
    """A schema's JSON file, as :meth:`~facekp.schema.KeypointSchema.to_dict` gives it.

    Raises:
        DatasetError: no such file, no JSON, or fields that contradict each other.
    """
    text = read_text(path, "schema file (the JSON of KeypointSchema.to_dict())")
    try:
        return KeypointSchema.from_dict(json.loads(text))
    except json.JSONDecodeError as error:
        raise DatasetError(f"{path}:{error.lineno}: damaged JSON ({error.msg})") from None
    except (ArgumentError, TypeError, AttributeError, RecursionError) as error:
        raise DatasetError(f"{path}: not the JSON of KeypointSchema.to_dict() ({error})") from None


def known(names: Sequence[str]) -> KeypointSchema | None:
    """The schema of facekp's own that has exactly these points, if there is one."""
    return next((s for s in map(schemas.get, schemas.names()) if s.names == tuple(names)), None)


def mirror_of(names: Sequence[str]) -> tuple[int, ...] | None:
    """The mirror permutation that ``left`` and ``right`` in the names say (``left_eye``, ``eye_left``, ``Eye-Right``).

    A point without a side is its own partner; None where one with a side has no partner.
    """
    place = {name.lower(): i for i, name in enumerate(names)}
    partners = [place.get(_SIDE.sub(lambda m: "right" if m[0] == "left" else "left", name)) for name in place]
    if len(place) < len(names) or any(p is None for p in partners):
        return None
    return tuple(p for p in partners if p is not None)


def from_names(name: str, names: Sequence[str], edges: Edges, faces: Sequence[Array]) -> KeypointSchema:
    """A schema of which only names and edges are known.

    Mirror pairs and normalisers follow from the names; there are no groups, and the points do not count as
    spanning the face, so that a face's box is the data set's own.

    Args:
        name: what to call it.
        names: K unique names.
        edges: pairs of indices.
        faces: ``(K, 2)`` each, pixels; the mean shape is the mean of their points within the extent of each.

    Raises:
        ArgumentError: names that are not unique, an edge out of range.
    """
    mirror = mirror_of(names)
    place = {n: i for i, n in enumerate(names)}
    pairs = {
        key: ((place[a],), (place[b],))
        for key, choices in _NORMALIZERS.items()
        for a, b in [next(((a, b) for a, b in choices if a in place and b in place), ("", ""))]
        if a
    }
    return KeypointSchema(
        name=name,
        names=tuple(names),
        mirror=mirror,
        edges=tuple(edges),
        groups={},
        normalizers=pairs,
        mean_shape=_mean(faces, len(names), mirror),
        spans_face=False,
    )


def _mean(faces: Sequence[Array], count: int, mirror: Sequence[int] | None) -> Array:
    """``(K, 2)``, normalised; a point that no face has lies at the centre."""
    total, seen = np.zeros((count, 2)), np.zeros((count, 1))
    for face in faces:
        labelled = np.isfinite(face).all(-1)
        low, high = (face[labelled].min(0), face[labelled].max(0)) if labelled.any() else (0.0, 0.0)
        side = float(np.max(np.subtract(high, low)))
        if side > 0:
            total[labelled] += (face[labelled] - np.add(low, high) / 2) / side
            seen[labelled] += 1
    mean = total / np.maximum(seen, 1)
    if mirror is not None:
        mean = (mean + mean[list(mirror)] * (-1, 1)) / 2
    return _normalised(mean)


def _normalised(shape: Array) -> Array:
    low, high = shape.min(0), shape.max(0)
    moved: Array = (shape - (low + high) / 2) / (float((high - low).max()) or 1.0)
    return moved.astype(np.float32)


# ---------------------------------------------------------------- joining


def union(members: Sequence[KeypointSchema]) -> KeypointSchema:
    """The schema of all points of several, by name, in the order in which they first appear.

    Edges are those of all.  Mirror pairs come from the members; a point whose partner differs between two of them
    makes the union refuse to be mirrored.  A group is the sum of the members' groups of that name, a normaliser that
    of the first member that has it.  The mean shape is the first's; each next is laid onto what is there by a
    similarity of the points that they share.  The union spans the face if every member does.
    """
    distinct = list(dict.fromkeys(members))
    if len(distinct) == 1:
        return distinct[0]
    names = list(dict.fromkeys(n for s in distinct for n in s.names))
    place = {n: i for i, n in enumerate(names)}
    groups: dict[str, dict[int, None]] = {}
    pairs: dict[str, Any] = {}
    for s in distinct:
        at = [place[n] for n in s.names]
        for key, indices in s.groups.items():
            if key not in place:  # a name cannot be a point and a group
                groups.setdefault(key, {}).update((at[i], None) for i in indices)
        for key, (a, b) in s.normalizers.items():
            pairs.setdefault(key, ([at[i] for i in a], [at[i] for i in b]))
    return KeypointSchema(
        name="+".join(s.name for s in distinct),
        names=tuple(names),
        mirror=_joined_mirror(distinct, names),
        edges=tuple(dict.fromkeys((place[s.names[a]], place[s.names[b]]) for s in distinct for a, b in s.edges)),
        groups={key: tuple(indices) for key, indices in groups.items()},
        normalizers=pairs,
        mean_shape=_joined_shape(distinct, names),
        spans_face=all(s.spans_face for s in distinct),
    )


def _joined_mirror(members: Sequence[KeypointSchema], names: Sequence[str]) -> tuple[int, ...] | None:
    partner: dict[str, str] = {}
    for s in members:
        if s.mirror is not None:
            for name, other in ((n, s.names[j]) for n, j in zip(s.names, s.mirror, strict=True)):
                if partner.setdefault(name, other) != other:
                    return None
    guess = mirror_of(names)  # for the points of a member that lacks half of each pair
    place = {n: i for i, n in enumerate(names)}
    found = tuple(place[partner[n]] if n in partner else guess[i] if guess else -1 for i, n in enumerate(names))
    return found if all(j >= 0 and found[j] == i for i, j in enumerate(found)) else None


def _joined_shape(members: Sequence[KeypointSchema], names: Sequence[str]) -> Array:
    place = {n: i for i, n in enumerate(names)}
    shape = np.full((len(names), 2), np.nan)
    for s in members:
        at = [place[n] for n in s.names]
        moved = np.asarray(s.mean_shape, np.float64)
        with suppress(
            ArgumentError
        ):  # fewer than two points in common: both are centred and of size 1, which has to do
            moved = geometry.apply(geometry.similarity(moved, shape[at]), moved)
        known_already = np.isfinite(shape[at])
        shape[at] = np.where(known_already, shape[at], moved)
    return _normalised(shape)


def one_schema(samples: Sequence[Sample], who: str) -> KeypointSchema:
    """The schema that all samples share.

    Raises:
        ArgumentError: no sample, or several schemas; the message names the writer.
    """
    layouts = list(dict.fromkeys(s.schema for s in samples))
    if len(layouts) != 1:
        raise ArgumentError(f"{who}: one schema is needed, got {[s.name for s in layouts]}; join them by concat")
    return layouts[0]
