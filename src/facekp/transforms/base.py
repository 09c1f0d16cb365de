"""Joint transforms of a picture and its points; geometric ones compose into one warp.

A :class:`View` holds the untouched picture and one pending affine map.
Geometric transforms only multiply into that map; the first transform that needs pixels, or the end, resamples once.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import geometry
from ..errors import ArgumentError
from ..sample import PER_POINT, Sample
from ..schema import KeypointSchema

__all__ = ["Compose", "Transform", "View", "then"]

Array = npt.NDArray[Any]


def then(first: Array, second: Array) -> Array:
    """One 2x3 matrix, or ``(N, 2, 3)``, that does the first and then the second."""
    out: Array = second[..., :2] @ first
    out[..., 2] += second[..., 2]
    return out


@dataclass(slots=True)
class View:
    """A picture on its way through transforms.

    Attributes:
        source: ``(H, W, 3)`` uint8, as last resampled.
        points: ``(K, 2)`` in the frame of ``source``, NaN where missing.
        source_box: ``(4,)`` the set's own box in the frame of ``source``, or None where it gives none.
        schema: what the points are.
        size: ``(H, W)`` of the result.
        pending: 2x3 map from ``source`` to the result, or None for identity.
        swapped: whether left and right points have changed places: True after one mirror, False after two.
    """

    source: Array
    points: Array
    source_box: Array | None
    schema: KeypointSchema
    size: tuple[int, int]
    pending: Array | None = None
    swapped: bool = False

    @classmethod
    def of(cls, sample: Sample) -> View:
        """A sample before its first transform."""
        image, points = sample.image, np.asarray(sample.keypoints, np.float32)
        return cls(image, points, sample.source_box, sample.schema, image.shape[:2])

    @property
    def keypoints(self) -> Array:
        """``(K, 2)`` in the frame of the result, NaN where missing."""
        return self.points if self.pending is None else geometry.apply(self.pending, self.points)

    @property
    def box(self) -> Array:
        """``(4,)`` in the frame of the result: the extent of the set's turned box, or of the points without one."""
        if self.source_box is None:
            return geometry.extent(self.keypoints)
        if self.pending is None:
            return self.source_box
        return moved_boxes(self.pending, self.source_box)

    def move(self, matrix: Array, size: tuple[int, int] | None = None) -> None:
        """Apply a 2x3 map to points, box and pixels; the pixels are resampled when they are asked for."""
        self.pending = matrix if self.pending is None else then(self.pending, matrix)
        self.size = size or self.size

    def pixels(self) -> Array:
        """The picture in the frame of the result; resamples what is pending, once."""
        if self.pending is not None:
            self.source_box = None if self.source_box is None else self.box
            self.points = self.keypoints
            self.source = geometry.warp(self.source, self.pending, self.size)
            self.pending = None
        return self.source


def moved_boxes(matrix: Array, boxes: Array) -> Array:
    """The extents ``(..., 4)`` of the moved corners of boxes ``(..., 4)``."""
    corners = np.asarray(boxes, np.float32)[..., [0, 1, 2, 1, 2, 3, 0, 3]]
    return geometry.extent(geometry.apply(matrix, corners.reshape(*corners.shape[:-1], 4, 2)))


class Transform(ABC):
    """One step; all randomness comes from the generator it is handed."""

    @abstractmethod
    def apply(self, view: View, rng: np.random.Generator) -> None:
        """Change the view in place."""

    def __call__(self, sample: Sample, rng: np.random.Generator | int | None = None) -> Sample:
        """Transform a sample; the given one is left as it is.

        Args:
            sample: a labelled face.
            rng: a generator, or a seed; None draws from the system's entropy.

        Returns:
            A new sample with the transformed ``pixels``, ``keypoints`` and, if there is one, ``source_box``; what
            ``meta`` says of each point (``visibility``, ``occluded``) follows its point through a mirror.
        """
        generator = rng if isinstance(rng, np.random.Generator) else np.random.default_rng(rng)
        if not isinstance(sample, Sample):
            raise ArgumentError(f"{type(self).__name__}: expected a facekp Sample, got {type(sample).__name__}")
        view = View.of(sample)
        self.apply(view, generator)
        pixels = view.pixels()
        return replace(
            sample,
            pixels=pixels,
            keypoints=view.points,
            schema=view.schema,
            source_box=view.source_box,
            path=None,
            meta=_swapped(sample) if view.swapped else sample.meta,
        )

    def __repr__(self) -> str:
        given = [name for name in inspect.signature(type(self)).parameters if hasattr(self, name)]
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in given)})"


def _swapped(sample: Sample) -> dict[str, Any]:
    """A mirrored face's meta: what it says of each point, in the points' new order."""
    meta, order = dict(sample.meta), sample.schema.mirror or ()
    for key in PER_POINT:
        values = meta.get(key)
        if isinstance(values, tuple) and len(values) == len(order):
            meta[key] = tuple(values[i] for i in order)
    return meta


class Compose(Transform):
    """Transforms one after the other; neighbouring geometric ones cost one resampling together.

    Args:
        transforms: steps of this module, or photometric transforms of ``torchvision.transforms.v2``, which
            are wrapped in :class:`~facekp.transforms.TorchVision`.

    Raises:
        ArgumentError: one of them is neither, or a torchvision transform that moves points.
    """

    def __init__(self, transforms: Sequence[Any]) -> None:
        if not isinstance(transforms, Sequence):
            raise ArgumentError(f"transforms: expected a list of transforms, got {type(transforms).__name__}")
        self.transforms = [_step(i, transform) for i, transform in enumerate(transforms)]

    def apply(self, view: View, rng: np.random.Generator) -> None:
        for transform in self.transforms:
            transform.apply(view, rng)

    def __repr__(self) -> str:
        return "Compose([" + "".join(f"\n    {step!r}," for step in self.transforms) + "\n])"


def _step(i: int, transform: Any) -> Transform:
    if isinstance(transform, Transform):
        return transform
    if any(cls.__module__.startswith("torchvision.transforms") for cls in type(transform).__mro__):
        from .tv import TorchVision

        return TorchVision(transform)
    raise ArgumentError(f"transforms[{i}] is a {type(transform).__name__}, expected a Transform")
