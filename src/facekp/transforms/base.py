"""Joint transforms of a picture and its points; geometric ones compose into one warp.

A :class:`View` holds the untouched picture and one pending affine map.
Geometric transforms only multiply into that map and move the points; the first
transform that needs pixels, or the end, resamples once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import geometry
from ..errors import ArgumentError
from ..sample import Sample
from ..schema import KeypointSchema

__all__ = ["Compose", "Transform", "View"]

Array = npt.NDArray[Any]


@dataclass(slots=True)
class View:
    """A picture on its way through transforms.

    Attributes:
        source: ``(H, W, 3)`` uint8, as last resampled.
        keypoints: ``(K, 2)`` in the frame of the *result*, NaN where missing.
        box: ``(4,)`` the set's own box, or the face's where it gives none, in the frame of the result
            (follows the points only roughly under turns).
        schema: what the points are.
        size: ``(H, W)`` of the result.
        pending: 2x3 map from ``source`` to the result, or None for identity.
    """

    source: Array
    keypoints: Array
    box: Array
    schema: KeypointSchema
    size: tuple[int, int]
    pending: Array | None = None

    @classmethod
    def of(cls, sample: Sample) -> View:
        image, box = sample.image, sample.box if sample.source_box is None else sample.source_box
        return cls(image, np.asarray(sample.keypoints, np.float32), box, sample.schema, image.shape[:2])

    def move(self, matrix: Array, size: tuple[int, int] | None = None) -> None:
        """Apply an affine map to points and box now, to the pixels later."""
        self.pending = matrix if self.pending is None else geometry.compose(self.pending, matrix)
        self.keypoints = geometry.apply(matrix, self.keypoints)
        x0, y0, x1, y1 = self.box
        corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float32)
        self.box = geometry.extent(geometry.apply(matrix, corners))
        self.size = size or self.size

    def pixels(self) -> Array:
        """The picture in the frame of the result; resamples what is pending, once."""
        if self.pending is not None:
            self.source = geometry.warp(self.source, self.pending, self.size)
            self.pending = None
        return self.source


class Transform(ABC):
    """One step; all randomness comes from the generator it is handed."""

    @abstractmethod
    def apply(self, view: View, rng: np.random.Generator) -> None:
        """Change the view in place."""

    def __call__(self, sample: Sample, rng: np.random.Generator | int | None = None) -> Sample:
        """Transform a sample; the given one is left as it is."""
        generator = rng if isinstance(rng, np.random.Generator) else np.random.default_rng(rng)
        view = View.of(sample)
        self.apply(view, generator)
        return replace(
            sample, pixels=view.pixels(), keypoints=view.keypoints, schema=view.schema, source_box=view.box, path=None
        )


class Compose(Transform):
    """Transforms one after the other; neighbouring geometric ones cost one resampling together."""

    def __init__(self, transforms: Sequence[Transform]) -> None:
        for i, transform in enumerate(transforms):
            if not isinstance(transform, Transform):
                raise ArgumentError(f"transforms[{i}] is a {type(transform).__name__}, expected a Transform")
        self.transforms = list(transforms)

    def apply(self, view: View, rng: np.random.Generator) -> None:
        for transform in self.transforms:
            transform.apply(view, rng)
