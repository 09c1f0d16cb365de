"""What the points of a face are: their names, pairs, drawing, normalisers and mean shape.

Nothing about a set of points is written anywhere else.  A layout is one file of
``_schemas/``, read when it is first asked for.  Left and right are the *subject's*:
a face that looks at you has its left eye at the right of the picture.

Names are a shared vocabulary: the same place on a face has the same name in every
schema, so data sets can be joined by name.  The sets draw the same place a little
differently (up to some 7 % of the eye distance on brows and lips); what lies further
apart, or is spaced otherwise along its contour, has a name of its own.  WFLW's names
follow its usual mapping to the 68 points.

================ ====== ==============================================================
``ibug68``       68     300-W; Sagonas et al., "300 faces in-the-wild challenge", ICCVW 2013
``imm58``        58     IMM Face Database; Nordstrøm, Larsen, Sierakowski, Stegmann, DTU 2004
``imm73``        73     IMM Frontal Face DB; Fagertun and Stegmann, DTU 2005
``kaggle15``     15     Kaggle "Facial Keypoints Detection", 2013 (``training.csv``'s columns)
``wflw98``       98     Wu et al., "Look at boundary", CVPR 2018
``cofw29``       29     Burgos-Artizzu et al., ICCV 2013, with LFPW's points (Belhumeur et al., CVPR 2011)
``nose_tip``     1      the one point of ``ibug68``
================ ====== ==============================================================

The mean shapes of ``ibug68`` and ``imm73`` are measured (Procrustes mean of 2,012
300-W training faces and of 120 IMM Frontal faces, made symmetric).  Those of ``imm58``,
``kaggle15``, ``wflw98`` and ``cofw29`` are *derived* from ``ibug68``'s along its contours by
the published definitions, not measured; ``tools/mean_shapes.py`` makes all of them.
"""

from __future__ import annotations

import functools
import json
import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import ArgumentError, unknown_name

__all__ = ["KeypointSchema", "get", "names"]

Array = npt.NDArray[Any]
Indices = tuple[int, ...]

_NAMES = ("cofw29", "ibug68", "imm58", "imm73", "kaggle15", "nose_tip", "wflw98")


@dataclass(frozen=True, eq=False)
class KeypointSchema:
    """The layout of K facial points.  Immutable; equal and hashed by name and point names.

    Attributes:
        name: what the layout is called.
        names: K unique point names; ``left_`` and ``right_`` are the subject's.
        mirror: the K indices to read from after a flip (``flipped = points[..., mirror, :]``),
            or None for a layout that refuses to be mirrored.
        edges: pairs of indices to join when drawing.
        groups: indices of a part: jaw, left_brow, right_brow, nose, left_eye, right_eye,
            mouth, as far as the layout has them.
        normalizers: two sets of indices; the distance between the means of their points
            divides an error.  ``inter_ocular`` is between the outer eye corners,
            ``inter_pupil`` between the pupils or, where the layout has none, the means of
            each eye's points.  (The face's box and its diagonal need no indices.)
        mean_shape: ``(K, 2)`` float32 ``(x, y)``, read-only.  The centre of its extent is
            ``(0, 0)``, the extent's longest side is 1, y points down, and it is its own mirror
            image.  A :meth:`subset` keeps its parent's frame.
        spans_face: the points' extent is the whole face's.

    Raises:
        ArgumentError: a field contradicts another; the message names it.
    """

    name: str
    names: tuple[str, ...]
    mirror: Indices | None = field(repr=False)
    edges: tuple[tuple[int, int], ...] = field(repr=False)
    groups: Mapping[str, Indices] = field(repr=False)
    normalizers: Mapping[str, tuple[Indices, Indices]] = field(repr=False)
    mean_shape: Array = field(repr=False)
    spans_face: bool

    def __post_init__(self) -> None:
        try:
            self._set("names", tuple(str(name) for name in self.names))
            self._set("mirror", None if self.mirror is None else _ints(self.mirror))
            self._set("edges", tuple((operator.index(a), operator.index(b)) for a, b in self.edges))
            self._set("groups", MappingProxyType({k: _ints(v) for k, v in self.groups.items()}))
            pairs = {k: (_ints(a), _ints(b)) for k, (a, b) in self.normalizers.items()}
            self._set("normalizers", MappingProxyType(pairs))
            shape = np.array(self.mean_shape, np.float32)
        except (TypeError, ValueError, AttributeError) as error:
            raise ArgumentError(f"schema {self.name!r}: a field has the wrong form ({error})") from None
        shape.setflags(write=False)
        self._set("mean_shape", shape)
        self._check()

    def _set(self, key: str, value: object) -> None:
        object.__setattr__(self, key, value)  # the one way to fill a frozen dataclass

    def _check(self) -> None:
        k = len(self.names)
        if not k or len(set(self.names)) < k:
            twice = sorted({name for name in self.names if self.names.count(name) > 1})
            raise ArgumentError(f"schema {self.name!r}: names must be unique and at least one; repeated: {twice}")
        if clash := set(self.names) & set(self.groups):
            raise ArgumentError(f"schema {self.name!r}: {sorted(clash)} name both a point and a group")
        self._check_range("edges", [i for edge in self.edges for i in edge])
        for key, indices in self.groups.items():
            self._check_range(f"groups[{key!r}]", indices)
        for key, (a, b) in self.normalizers.items():
            self._check_range(f"normalizers[{key!r}]", a + b)
            if not a or not b:
                raise ArgumentError(f"schema {self.name!r}: normalizers[{key!r}] needs points on both sides")
        if self.mirror is not None:
            self._check_range("mirror", self.mirror)
            if len(self.mirror) != k or any(self.mirror[j] != i for i, j in enumerate(self.mirror)):
                raise ArgumentError(f"schema {self.name!r}: mirror must be its own inverse, a permutation of {k}")
        if self.mean_shape.shape != (k, 2) or not np.isfinite(self.mean_shape).all():
            raise ArgumentError(
                f"schema {self.name!r}: mean_shape must be ({k}, 2), finite; got {self.mean_shape.shape}"
            )

    def _check_range(self, what: str, indices: Iterable[int]) -> None:
        wrong = [i for i in indices if not 0 <= i < len(self.names)]
        if wrong:
            raise ArgumentError(f"schema {self.name!r}: {what} has {wrong}, expected 0 to {len(self.names) - 1}")

    def __len__(self) -> int:
        return len(self.names)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, KeypointSchema):
            return NotImplemented
        return (self.name, self.names) == (other.name, other.names)

    def __hash__(self) -> int:
        return hash((self.name, self.names))

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        # Through the constructor, so that a copy is as read-only as the original.
        groups, normalizers = dict(self.groups), dict(self.normalizers)
        fields = (self.name, self.names, self.mirror, self.edges, groups, normalizers, self.mean_shape, self.spans_face)
        return type(self), fields

    def index(self, name: str) -> int:
        """The index of a point.

        Raises:
            ArgumentError: there is no such point; the message lists the names.
        """
        if name not in self.names:
            raise unknown_name(f"point of schema {self.name}", name, self.names)
        return self.names.index(name)

    def subset(self, names: Iterable[str], name: str | None = None) -> KeypointSchema:
        """The layout of some of the points, in the order asked for.

        The mirror is kept when every kept point's partner is kept, an edge when both
        ends are, a normaliser when all its points are, a group with those of its points
        that are.  ``spans_face`` is kept only when every point is.  The mean shape is cut,
        not normalised again: it stays in the parent's frame.

        Args:
            names: point or group names; a point named twice is kept once.
            name: the new layout's name; by default ``parent:first+second``.

        Raises:
            ArgumentError: a name is neither a point nor a group, or there are none.
        """
        if not isinstance(names, Iterable):
            raise ArgumentError(f"names: expected point or group names, got {names!r}")
        asked = [names] if isinstance(names, str) else list(names)
        kept = list(dict.fromkeys(i for key in asked for i in self._indices(key)))
        if not kept:
            raise ArgumentError(f"schema {self.name!r}: subset needs at least one point or group name")
        new = {old: i for i, old in enumerate(kept)}
        mirror = self.mirror
        if mirror is not None:
            mirror = tuple(new[mirror[i]] for i in kept) if all(mirror[i] in new for i in kept) else None
        groups = {key: tuple(new[i] for i in old if i in new) for key, old in self.groups.items()}
        pairs = {key: ab for key, ab in self.normalizers.items() if all(i in new for i in ab[0] + ab[1])}
        return KeypointSchema(
            name=name or f"{self.name}:{'+'.join(asked)}",
            names=tuple(self.names[i] for i in kept),
            mirror=mirror,
            edges=tuple((new[a], new[b]) for a, b in self.edges if a in new and b in new),
            groups={key: indices for key, indices in groups.items() if indices},
            normalizers={k: (tuple(new[i] for i in a), tuple(new[i] for i in b)) for k, (a, b) in pairs.items()},
            mean_shape=self.mean_shape[kept],
            spans_face=self.spans_face and len(kept) == len(self),
        )

    def _indices(self, key: str) -> Indices:
        if key in self.groups:
            return self.groups[key]
        if key in self.names:
            return (self.names.index(key),)
        raise unknown_name(f"point or group of schema {self.name}", key, (*self.groups, *self.names))

    def mirrored(self, points: Array, width: int) -> Array:
        """The points on the mirrored picture: ``x' = width - 1 - x``, and left and right exchanged.

        Args:
            points: ``(..., K, 2)`` ``(x, y)`` in pixels; a missing point (NaN) moves with its place.
            width: the picture's width in pixels.

        Returns:
            ``(..., K, 2)`` float32.

        Raises:
            ArgumentError: the layout has no mirror pairs, or the points are of another one.
        """
        if self.mirror is None:
            raise ArgumentError(f"schema {self.name!r} has no mirror pairs and cannot be mirrored: leave out the flip")
        if not (isinstance(width, (int, np.integer)) and width > 0):
            raise ArgumentError(f"width: expected a whole number of pixels, at least 1, got {width!r}")
        points = np.asarray(points, np.float64)
        if points.shape[-2:] != (len(self), 2):
            raise ArgumentError(f"points: schema {self.name} expects (..., {len(self)}, 2), got {points.shape}")
        flipped = points[..., list(self.mirror), :]  # a copy: the caller's points stay as they are
        flipped[..., 0] = width - 1 - flipped[..., 0]
        return flipped.astype(np.float32)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and lists, ready for JSON; :meth:`from_dict` is the exact inverse."""
        return {
            "name": self.name,
            "names": list(self.names),
            "mirror": None if self.mirror is None else list(self.mirror),
            "edges": [list(edge) for edge in self.edges],
            "groups": {key: list(indices) for key, indices in self.groups.items()},
            "normalizers": {key: [list(a), list(b)] for key, (a, b) in self.normalizers.items()},
            # The shortest decimals that read back as the same float32.
            "mean_shape": [[float(str(x)), float(str(y))] for x, y in self.mean_shape],
            "spans_face": self.spans_face,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> KeypointSchema:
        """Build a layout from :meth:`to_dict`'s output; other keys are passed over.

        Raises:
            ArgumentError: a key is missing, or the fields contradict each other.
        """
        try:
            return cls(**{key: data[key] for key in cls.__dataclass_fields__})
        except KeyError as error:
            raise ArgumentError(f"schema: the key {error} is missing") from None


def _ints(values: Iterable[Any]) -> Indices:
    return tuple(operator.index(value) for value in values)  # refuses 1.5, which int() would cut to 1


def names() -> list[str]:
    """The names that :func:`get` knows."""
    return list(_NAMES)


def get(name: str) -> KeypointSchema:
    """The schema of that name; the same object each time.

    Raises:
        ArgumentError: there is none; the message lists the names.
    """
    if name not in _NAMES:
        raise unknown_name("schema", name, _NAMES)
    return _load(name)


@functools.cache
def _load(name: str) -> KeypointSchema:
    if name == "nose_tip":
        return get("ibug68").subset(["nose_tip"], name="nose_tip")
    text = (resources.files(__package__) / "_schemas" / f"{name}.json").read_text("utf-8")
    return KeypointSchema.from_dict(json.loads(text))
