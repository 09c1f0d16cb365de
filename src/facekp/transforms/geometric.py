"""Geometric transforms: each is one affine map."""

from __future__ import annotations

from typing import Literal

import numpy as np

from .. import geometry
from ..errors import ArgumentError
from .base import Array, Transform, View

__all__ = ["CropToBox", "Mirror", "RandomAffine"]

BoxKind = Literal["extent", "source", "full"]


def pick_box(view: View, kind: BoxKind) -> Array:
    """The box that a recipe's ``box: extent | source | full`` means."""
    if kind == "extent":
        return geometry.extent(view.keypoints)
    return view.box if kind == "source" else geometry.image_box(view.size)


class CropToBox(Transform):
    """Cut out the face's box, grown ``scale`` times, to ``size = (H, W)``.

    Args:
        size: ``(H, W)`` of the crop.
        scale: growth of the box about its centre.
        box: ``"extent"`` of the points, the data set's ``"source"`` box, or the ``"full"`` picture.
    """

    def __init__(self, size: tuple[int, int], scale: float = 1.2, box: BoxKind = "extent") -> None:
        self.size, self.scale, self.box = (int(size[0]), int(size[1])), float(scale), box

    def apply(self, view: View, rng: np.random.Generator) -> None:
        view.move(geometry.crop_matrix(pick_box(view, self.box), self.size, self.scale), self.size)


class RandomAffine(Transform):
    """Turn, scale and shift about the picture's centre.

    Args:
        angle: turn by a uniform angle in ±this many degrees.
        scale: scale by ``exp(u)``, u uniform in ± ``log(1 + scale)``.
        shift: move by a uniform share, up to this, of the picture's size.
        stretch: change the aspect ratio by up to this share.
        p: how often; else nothing happens.
    """

    def __init__(
        self, angle: float = 0.0, scale: float = 0.0, shift: float = 0.0, stretch: float = 0.0, p: float = 1.0
    ) -> None:
        if min(angle, scale, shift, stretch) < 0:
            raise ArgumentError("RandomAffine: angle, scale, shift and stretch must not be negative")
        self.angle, self.scale, self.shift, self.stretch, self.p = angle, scale, shift, stretch, p

    def apply(self, view: View, rng: np.random.Generator) -> None:
        draw = rng.uniform(-1, 1, 5)
        if rng.random() >= self.p:
            return
        height, width = view.size
        cx, cy = (width - 1) / 2, (height - 1) / 2
        zoom = float(np.exp(draw[1] * np.log1p(self.scale)))
        matrix = geometry.rotation_matrix(float(draw[0]) * self.angle, (cx, cy), zoom)
        ratio = float(np.exp(draw[4] * np.log1p(self.stretch) / 2))
        stretch = np.array([[ratio, 0, cx - ratio * cx], [0, 1 / ratio, cy - cy / ratio]])
        matrix = geometry.compose(stretch, matrix)
        matrix[:, 2] += (draw[2] * self.shift * width, draw[3] * self.shift * height)
        view.move(matrix)


class Mirror(Transform):
    """Swap left and right, points' names included, with probability ``p``.

    Raises:
        ArgumentError: when applied to a schema without mirror pairs.
    """

    def __init__(self, p: float = 0.5) -> None:
        self.p = p

    def apply(self, view: View, rng: np.random.Generator) -> None:
        if rng.random() >= self.p:
            return
        if view.schema.mirror is None:
            raise ArgumentError(f"schema {view.schema.name} has no mirror pairs and cannot be mirrored")
        view.move(geometry.mirror_matrix(view.size[1]))
        view.keypoints = view.keypoints[list(view.schema.mirror)]
