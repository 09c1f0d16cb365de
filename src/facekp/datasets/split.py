"""A set in two parts that share nobody, and several sets in one."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import schema as schemas
from ..errors import ArgumentError, unknown_name
from ..sample import PER_POINT, Sample
from ..schema import KeypointSchema
from .base import SampleSet
from .dlib_xml import photograph
from .layout import union

__all__ = ["concat", "split_by"]

Array = npt.NDArray[Any]


def split_by(
    samples: SampleSet, by: str = "fraction", valid: float = 0.2, seed: int = 0
) -> tuple[SampleSet, SampleSet]:
    """Cut a set into a part to train on and a part to choose by.

    Faces of one subject, of one photograph, and of a picture and its mirrored copy (``..._mirror``) go to the same
    part, either way; the order within each stays.  Which part it is follows from a hash of the seed and the group's
    name: it does not depend on the machine, on the order, or (but for those at the edge) on what else is in the set.

    Args:
        samples: the set.
        by: ``"subject"``: ``valid`` is the share of the groups, and every face must have a subject;
            ``"fraction"``: the share of the faces, as near as whole groups come.
        valid: the share of the second part, in (0, 1).
        seed: another seed, another cut.

    Returns:
        ``(train, valid)``.

    Raises:
        ArgumentError: a wrong argument, a face without a subject, or too few groups for two parts.
    """
    if by not in ("subject", "fraction"):
        raise unknown_name("split_by by=", by, ("subject", "fraction"))
    if not 0 < valid < 1:
        raise ArgumentError(f"split_by: valid must lie between 0 and 1, got {valid}")
    if by == "subject":
        nobody = next((i for i, s in enumerate(samples) if s.subject is None), None)
        if nobody is not None:
            raise ArgumentError(f"split_by: sample {nobody} has no subject; by='fraction' needs none")
    groups = _groups(samples)
    if len(groups) < 2:
        raise ArgumentError(f"split_by: {samples.name} has {len(groups)} subject or photograph; two are needed")
    weights = {key: 1 if by == "subject" else len(members) for key, members in groups.items()}
    inside = {i for key in _held(weights, valid, seed) for i in groups[key]}
    parts = [[s for i, s in enumerate(samples) if (i in inside) is wanted] for wanted in (False, True)]
    return (
        SampleSet(parts[0], samples.schema, f"{samples.name} (train)"),
        SampleSet(parts[1], samples.schema, f"{samples.name} (valid)"),
    )


def _held(weights: dict[str, int], valid: float, seed: int) -> list[str]:
    """The groups of the second part: one at least, and not all."""
    order = sorted(weights, key=lambda key: hashlib.blake2b(f"{seed}\0{key}".encode(errors="surrogateescape")).digest())
    goal = valid * sum(weights.values())
    held: list[str] = []
    count = 0
    for key in order:
        # A group is taken if that comes nearer to the goal than leaving it.
        if abs(count + weights[key] - goal) < abs(count - goal):
            held.append(key)
            count += weights[key]
    smallest = min(held or order, key=lambda key: weights[key])
    if not held:
        return [smallest]
    return [key for key in held if key != smallest] if len(held) == len(weights) else held


def _groups(samples: Sequence[Sample]) -> dict[str, list[int]]:
    """Members of each group, by the least of its names; two faces belong together if a chain of marks joins them."""
    parent = list(range(len(samples)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first: dict[tuple[str, str], int] = {}
    names: list[list[str]] = []
    for i, sample in enumerate(samples):
        marks = list(_marks(sample))
        names.append([name for _, name in marks] or [f"{i:09d}"])
        for mark in marks:
            parent[root(i)] = root(first.setdefault(mark, i))
    members: dict[int, list[int]] = defaultdict(list)
    for i in range(len(samples)):
        members[root(i)].append(i)
    return {min(name for i in group for name in names[i]): group for group in members.values()}


def _marks(sample: Sample) -> Iterator[tuple[str, str]]:
    """What a face shares with those that must stay with it."""
    if sample.subject is not None:
        yield "subject", f"subject {sample.subject}"
    # The name below the set's folder, so that the cut is the same on every machine.
    name = sample.meta.get("name", sample.path)
    if name is not None:
        # Without a path it is no file's name, and what follows a dot is no ending.
        yield "photograph", f"photograph {name if sample.path is None else photograph(str(name))}"


def concat(*sets: SampleSet, schema: KeypointSchema | str | None = None) -> SampleSet:
    """Several sets as one, joined by their points' names, which facekp's schemas share.

    Args:
        sets: the sets, in this order.
        schema: the result's points; unless told, the union: all names in the order in which they first appear, with
            the members' edges and mirror pairs.  Points that it lacks are left out.

    A point that a set lacks is NaN.  ``Sample.box`` stays what it was: where the result's points do not span every
    face, a face whose own schema did gets its extent as ``source_box``, and the set's box moves to
    ``meta["source_box"]``.  Pictures stay where they are.

    Raises:
        ArgumentError: no set; a set that shares no point with ``schema``.
    """
    if not sets:
        raise ArgumentError("concat: at least one set is needed")
    own = list(dict.fromkeys(s.schema for s in sets))
    target = union(own) if schema is None else schemas.get(schema) if isinstance(schema, str) else schema
    for s in sets:
        if not set(s.schema.names) & set(target.names):
            raise ArgumentError(f"concat: {s.name} ({s.schema.name}) and schema {target.name} have no point in common")
    if target.spans_face and not all(s.spans_face for s in own):
        target = replace(target, spans_face=False)  # the extent of a part of a face is not the face's box
    joined = [_moved(sample, target) for s in sets for sample in s]
    skipped = [error for s in sets for error in s.skipped]
    result = SampleSet(joined, target, " + ".join(dict.fromkeys(s.name for s in sets)))
    result.skipped = skipped  # not through the constructor: the readers have warned of them
    return result


def _moved(sample: Sample, target: KeypointSchema) -> Sample:
    if sample.schema == target and sample.schema.spans_face == target.spans_face:
        return sample
    place = {name: i for i, name in enumerate(sample.schema.names)}
    take = [place.get(name, -1) for name in target.names]
    points = np.where(np.array(take)[:, None] >= 0, sample.keypoints[take], np.float32("nan"))
    box, meta = sample.source_box, dict(sample.meta)
    if sample.schema.spans_face and not target.spans_face:
        if box is not None:
            meta["source_box"] = box
        box = sample.box if sample.mask.any() else box
    for key in PER_POINT:
        values = meta.get(key)
        if isinstance(values, tuple) and len(values) == len(sample.schema):
            meta[key] = tuple(values[i] if i >= 0 else 0 for i in take)
    return replace(sample, keypoints=points.astype(np.float32), schema=target, source_box=box, meta=meta)
