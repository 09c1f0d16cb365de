"""Geometric transforms: each is one affine map.

The maps are made by functions of drawn numbers that take one picture's numbers, or arrays of N pictures' numbers:
the same maths serves a single picture and :class:`~facekp.transforms.BatchWarp`.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from .. import geometry
from ..errors import ArgumentError, unknown_name
from . import _check
from .base import Array, Transform, View

__all__ = [
    "CropToBox",
    "Geometric",
    "Mirror",
    "RandomAffine",
    "Resize",
    "Rotate",
    "Scale",
    "Shear",
    "Shift",
    "centred",
]

BoxKind = Literal["extent", "source", "full"]
Pair = tuple[float, float]


def centred(height: Any, width: Any, linear: tuple[Any, Any, Any, Any], shift: tuple[Any, Any] = (0.0, 0.0)) -> Array:
    """A linear map about the picture's centre ``((W - 1) / 2, (H - 1) / 2)``, then a shift.

    Args:
        height: H, a number or ``(N,)``, as everything here.
        width: W.
        linear: ``(a, b, c, d)`` of ``x' = a x + b y, y' = c x + d y``.
        shift: ``(dx, dy)`` in pixels.

    Returns:
        ``(2, 3)``, or ``(N, 2, 3)`` float64.
    """
    a, b, c, d = linear
    x, y = (width - 1) / 2, (height - 1) / 2
    rows = (a, b, x - a * x - b * y + shift[0]), (c, d, y - c * x - d * y + shift[1])
    if not isinstance(rows[0][2], np.ndarray):
        return np.array(rows, np.float64)
    out = np.empty((len(rows[0][2]), 2, 3))
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            out[:, i, j] = value
    return out


class Geometric(Transform):
    """An affine map that is drawn anew for each picture, with probability ``p``.

    ``numbers`` is how many uniform numbers of [0, 1) a map needs.
    """

    numbers: ClassVar[int] = 0
    p: float = 1.0

    @abstractmethod
    def matrix(self, height: Any, width: Any, draw: Any) -> Array:
        """The map of one picture, or of N.

        Args:
            height: of the picture, a number, or ``(N,)``.
            width: likewise.
            draw: ``numbers`` floats of [0, 1), or ``(numbers, N)``.

        Returns:
            ``(2, 3)``, or ``(N, 2, 3)``.
        """

    def apply(self, view: View, rng: np.random.Generator) -> None:
        *draw, chance = rng.random(self.numbers + 1).tolist()
        if chance < self.p:
            view.move(self.matrix(*view.size, draw))


def _between(limits: Pair, draw: Any) -> Any:
    return limits[0] + (limits[1] - limits[0]) * draw


def _turn(degrees: Any) -> tuple[Any, Any]:
    radians = degrees * (math.pi / 180)
    return (np.cos(radians), np.sin(radians)) if isinstance(radians, np.ndarray) else _scalar_turn(radians)


def _scalar_turn(radians: float) -> tuple[float, float]:
    return math.cos(radians), math.sin(radians)


def _exp(value: Any) -> Any:
    return np.exp(value) if isinstance(value, np.ndarray) else math.exp(value)


class RandomAffine(Geometric):
    """Turn, scale, stretch and shift about the picture's centre, all in one.

    Args:
        angle: turn by a uniform angle in ±this many degrees.
        scale: scale by ``exp(u)``, u uniform in ± ``log(1 + scale)``.
        shift: move by a uniform share, up to this, of the picture's size.
        stretch: change the aspect ratio by up to this share.
        p: how often; else nothing happens.
    """

    numbers = 5

    def __init__(
        self, angle: float = 0.0, scale: float = 0.0, shift: float = 0.0, stretch: float = 0.0, p: float = 1.0
    ) -> None:
        self.angle = _check.amount("RandomAffine", "angle", angle)
        self.scale = _check.amount("RandomAffine", "scale", scale)
        self.shift = _check.amount("RandomAffine", "shift", shift)
        self.stretch = _check.amount("RandomAffine", "stretch", stretch)
        self.p = _check.chance("RandomAffine", p)

    def matrix(self, height: Any, width: Any, draw: Any) -> Array:
        angle, scale, right, down, stretch = (2 * u - 1 for u in draw)
        cos, sin = _turn(angle * self.angle)
        ratio, zoom = _exp(stretch * (math.log1p(self.stretch) / 2)), _exp(scale * math.log1p(self.scale))
        along, across = zoom * ratio, zoom / ratio
        linear = (along * cos, -across * sin, along * sin, across * cos)
        return centred(height, width, linear, (right * self.shift * width, down * self.shift * height))


class Rotate(Geometric):
    """Turn about the picture's centre.

    Args:
        angle: in degrees, clockwise as seen: a number a draws from ±a; a pair ``(low, high)`` from that range,
            and ``(a, a)`` turns by exactly a.
        p: how often; else nothing happens.
    """

    numbers = 1

    def __init__(self, angle: float | Pair, p: float = 1.0) -> None:
        self.angle, self.p = _check.pair("Rotate", "angle", angle), _check.chance("Rotate", p)

    def matrix(self, height: Any, width: Any, draw: Any) -> Array:
        cos, sin = _turn(_between(self.angle, draw[0]))
        return centred(height, width, (cos, -sin, sin, cos))


class Scale(Geometric):
    """Zoom about the picture's centre; the picture keeps its size.

    Args:
        scale: the factor, drawn log-uniformly: a number s draws from ``1 / (1 + s)`` to ``1 + s``; a pair
            ``(low, high)`` from that range, and ``(s, s)`` scales by exactly s.
        p: how often; else nothing happens.
    """

    numbers = 1

    def __init__(self, scale: float | Pair, p: float = 1.0) -> None:
        if not isinstance(scale, (tuple, list)):
            most = 1 + _check.amount("Scale", "scale", scale)
            scale = (1 / most, most)
        self.scale = _check.pair("Scale", "scale", scale)
        _check.amount("Scale", "scale", self.scale[0], above=True)
        self.p = _check.chance("Scale", p)

    def matrix(self, height: Any, width: Any, draw: Any) -> Array:
        low, high = self.scale
        zoom = _exp(_between((math.log(low), math.log(high)), draw[0]))
        return centred(height, width, (zoom, 0.0, 0.0, zoom))


class Shift(Geometric):
    """Move the picture's content.

    Args:
        x: to the right, as a share of the width: a number a draws from ±a; a pair ``(low, high)`` from that range.
        y: down, as a share of the height.
        p: how often; else nothing happens.
    """

    numbers = 2

    def __init__(self, x: float | Pair = 0.0, y: float | Pair = 0.0, p: float = 1.0) -> None:
        self.x, self.y = _check.pair("Shift", "x", x), _check.pair("Shift", "y", y)
        self.p = _check.chance("Shift", p)

    def matrix(self, height: Any, width: Any, draw: Any) -> Array:
        shift = (_between(self.x, draw[0]) * width, _between(self.y, draw[1]) * height)
        return centred(height, width, (1.0, 0.0, 0.0, 1.0), shift)


class Shear(Geometric):
    """Slant about the picture's centre.

    Args:
        x: slant of the upright lines in degrees: a number a draws from ±a; a pair ``(low, high)`` from that range.
            At a positive angle what is lower moves to the right.
        y: slant of the level lines; at a positive angle what is further right moves down.
        p: how often; else nothing happens.
    """

    numbers = 2

    def __init__(self, x: float | Pair = 0.0, y: float | Pair = 0.0, p: float = 1.0) -> None:
        self.x = _check.pair("Shear", "x", x, low=-80, high=80)
        self.y = _check.pair("Shear", "y", y, low=-80, high=80)
        self.p = _check.chance("Shear", p)
        steepest = [max(abs(v) for v in limits) for limits in (self.x, self.y)]
        if sum(steepest) >= 90:
            raise ArgumentError(
                f"Shear: x and y may reach {steepest[0]:g} and {steepest[1]:g} degrees, which together flatten the "
                "picture: keep their sum below 90"
            )

    def matrix(self, height: Any, width: Any, draw: Any) -> Array:
        (cx, sx), (cy, sy) = (_turn(_between(limits, u)) for limits, u in zip((self.x, self.y), draw, strict=True))
        return centred(height, width, (1.0, sx / cx, sy / cy, 1.0))


class Mirror(Geometric):
    """Swap left and right, points' names included, with probability ``p``.

    Raises:
        ArgumentError: when applied to a schema without mirror pairs.
    """

    def __init__(self, p: float = 0.5) -> None:
        self.p = _check.chance("Mirror", p)

    def matrix(self, height: Any, width: Any, draw: Any) -> Array:
        return centred(height, width, (-1.0, 0.0, 0.0, 1.0))

    def apply(self, view: View, rng: np.random.Generator) -> None:
        if rng.random() < self.p:
            swap = mirror_pairs(view.schema)
            view.move(self.matrix(*view.size, ()))
            view.points, view.swapped = view.points[swap], not view.swapped


def mirror_pairs(schema: Any) -> list[int]:
    """Which point takes each point's place under a mirror.

    Raises:
        ArgumentError: the schema does not say.
    """
    if schema.mirror is None:
        raise ArgumentError(f"schema {schema.name} has no mirror pairs and cannot be mirrored")
    return list(schema.mirror)


class Resize(Transform):
    """Scale the whole picture to ``size = (H, W)``, each direction by its own factor.

    Args:
        size: ``(H, W)`` of the result.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = _check.size("Resize", size)

    def apply(self, view: View, rng: np.random.Generator) -> None:
        view.move(geometry.resize_matrix(view.size, self.size), self.size)


class CropToBox(Transform):
    """Cut out the face's box, grown ``scale`` times, to ``size = (H, W)``.

    Args:
        size: ``(H, W)`` of the crop.
        scale: growth of the box about its centre.
        box: ``"extent"`` of the points, the data set's ``"source"`` box, or the ``"full"`` picture.

    Raises:
        ArgumentError: when applied to a face whose box is not known or has no area.
    """

    def __init__(self, size: tuple[int, int], scale: float = 1.2, box: BoxKind = "extent") -> None:
        self.size, self.scale = _check.size("CropToBox", size), _check.amount("CropToBox", "scale", scale, above=True)
        if box not in get_args(BoxKind):
            raise unknown_name("CropToBox: box", box, get_args(BoxKind))
        self.box = box

    def apply(self, view: View, rng: np.random.Generator) -> None:
        if self.box == "extent":
            box = geometry.extent(view.keypoints)
        else:
            box = view.box if self.box == "source" else geometry.image_box(view.size)
        view.move(geometry.crop_matrix(box, self.size, self.scale), self.size)
