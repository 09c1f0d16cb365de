"""Points that neither tremble nor lag: the 1€ filter, on a face's place and on its shape."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import geometry
from ..errors import ArgumentError
from ..schema import KeypointSchema

__all__ = ["OneEuro", "Smoother", "Smoothing"]

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class OneEuro:
    """The 1€ filter's three parameters (Casiez, Roussel and Vogel, "1€ filter", CHI 2012).

    A first-order low-pass filter whose cutoff rises with the speed: at rest it takes the tremor away, in motion it
    hardly lags.  With the time ``Te`` since the last value::

        tau = 1 / (2 pi fc)            alpha = 1 / (1 + tau / Te)
        x^_i = alpha x_i + (1 - alpha) x^_(i-1)
        fc = min_cutoff + beta |v^_i|

    ``v^`` is ``(x_i - x_(i-1)) / Te``, which the same low-pass filter with the fixed cutoff ``d_cutoff`` has smoothed.

    Attributes:
        min_cutoff: cutoff at rest, Hz; less takes more of the tremor away.
        beta: by how many Hz the cutoff rises for a speed of one unit a second; more lags less.
        d_cutoff: cutoff of the speed, Hz.

    Raises:
        ArgumentError: a cutoff is not positive, or beta negative.
    """

    min_cutoff: float
    beta: float
    d_cutoff: float = 1.0

    def __post_init__(self) -> None:
        values = (self.min_cutoff, self.d_cutoff, self.beta)
        if not all(math.isfinite(v) for v in values) or min(values[:2]) <= 0 or self.beta < 0:
            raise ArgumentError(
                "smoothing: min_cutoff and d_cutoff must be positive and beta not negative; "
                f"got {self.min_cutoff}, {self.d_cutoff}, {self.beta}"
            )

    def filter(self) -> Filter:
        """A filter with these parameters, which has seen nothing yet."""
        return Filter(self)


class Filter:
    """One signal on its way through :class:`OneEuro`; its last axis is a vector, whose length is the speed's."""

    def __init__(self, parameters: OneEuro) -> None:
        self.parameters = parameters
        self._time = 0.0
        self._raw: Array | None = None
        self._value: Array = np.zeros(0)
        self._speed: Array = np.zeros(0)

    def __call__(self, value: Array, time: float, unit: Any = 1.0) -> Array:
        """The next value, smoothed.

        Args:
            value: ``(..., D)``.
            time: seconds; where it is not later than the last one's, nothing changes and the last result comes back.
            unit: length of one unit, in the value's: the speed is in units a second.  A number, or one per component.

        Returns:
            ``(..., D)`` float64.
        """
        value = np.asarray(value, np.float64)
        if self._raw is None or value.shape != self._raw.shape:
            self._raw, self._value, self._speed, self._time = value, value, np.zeros_like(value), time
            return value
        step = time - self._time
        if step <= 0:
            return self._value
        rate = _alpha(np.asarray(self.parameters.d_cutoff), step)
        self._speed = self._speed + rate * ((value - self._raw) / step / unit - self._speed)
        length = np.linalg.norm(self._speed, axis=-1, keepdims=True)
        share = _alpha(self.parameters.min_cutoff + self.parameters.beta * length, step)
        self._raw, self._time = value, time
        self._value = self._value + share * (value - self._value)
        return self._value


def _alpha(cutoff: Array, step: float) -> Array:
    """How much of a new value counts, ``step`` seconds after the last one."""
    tau = 1 / (2 * math.pi * cutoff)
    return 1 / (1 + tau / step)


@dataclass(frozen=True, slots=True)
class Smoothing:
    """How points are smoothed.

    All points of a face together tell where it is: one similarity (place, angle, size), which is hardly noisy and may
    move quickly.  What is left when the face is put upright in its own frame is its shape, of which each point is
    noisy, and which does not move at all while the head only moves in the picture's plane.  So both are smoothed, each
    in its own way.  A unit is the longer side of the mean face, hence the same parameters serve near and far faces.

    The defaults were chosen on made films of one photograph (``benchmarks/video.py --tuning``).

    Attributes:
        place: of the similarity, for the whole face.
        shape: of the points in the face's frame, for each point.
        jump: by how many units a face may move or grow from frame to frame; more is another place, where smoothing
            begins anew.
        gap: the same after so many seconds without the face.
    """

    place: OneEuro = OneEuro(0.8, 80.0, 3.0)
    shape: OneEuro = OneEuro(0.5, 20.0, 1.0)
    jump: float = 0.5
    gap: float = 0.5

    def __post_init__(self) -> None:
        if not self.jump > 0 or not self.gap > 0:
            raise ArgumentError(f"smoothing: jump and gap must be positive, got {self.jump}, {self.gap}")


class Smoother:
    """The points of one face, frame by frame.

    Args:
        schema: what the points are; its mean shape is the face's frame.
        smoothing: how much.
    """

    def __init__(self, schema: KeypointSchema, smoothing: Smoothing) -> None:
        self.schema, self.smoothing = schema, smoothing
        self._mean = np.asarray(schema.mean_shape, np.float64)
        self._mean = self._mean - self._mean.mean(0)
        self._radius = max(float(np.sqrt((self._mean**2).sum(-1).mean())), 0.1)
        self.reset()

    def reset(self) -> None:
        """Forget what was seen: the next points come out as they are."""
        self._place, self._shape = self.smoothing.place.filter(), self.smoothing.shape.filter()
        self._last: Array | None = None
        self._time = 0.0

    def __call__(self, points: Array, time: float, size: float) -> Array:
        """The next points, smoothed.

        Args:
            points: ``(K, 2)`` in picture pixels, all known.
            time: seconds, not before the last one's.
            size: the face's longer side in pixels, which counts where there are too few points to tell.

        Returns:
            ``(K, 2)`` float32.
        """
        place = self._place_of(points, size)
        if self._last is not None:
            place[2] = self._last[2] + math.remainder(place[2] - self._last[2], 2 * math.pi)
            if time - self._time > self.smoothing.gap or self._jumped(place):
                self.reset()
        if self._last is None or time > self._time:
            self._last, self._time = place, time
        size = math.exp(place[3])
        turn = np.array([size, size, 1 / self._radius, 1 / self._radius])
        smooth = self._place(place, time, turn)
        shape = self._shape(geometry.apply(geometry.invert(_matrix(place)), points), time)
        return geometry.apply(_matrix(smooth), shape)

    def _place_of(self, points: Array, size: float) -> Array:
        """Where the mean of the points is, the angle in radians, and the logarithm of the size in pixels: ``(4,)``."""
        x, y = np.asarray(points, np.float64).mean(0)
        try:
            turn = geometry.similarity(self._mean, points)
        except ArgumentError:  # a single point
            return np.array([x, y, 0.0, math.log(max(size, 1e-3))])
        zoom = max(math.hypot(turn[0, 0], turn[1, 0]), 1e-3)
        return np.array([x, y, math.atan2(turn[1, 0], turn[0, 0]), math.log(zoom)])

    def _jumped(self, place: Array) -> bool:
        if self._last is None:
            return False
        moved = np.linalg.norm(place[:2] - self._last[:2]) / math.exp(min(place[3], self._last[3]))
        return bool(max(moved, abs(place[3] - self._last[3])) > self.smoothing.jump)


def _matrix(place: Array) -> Array:
    """From the face's frame to the picture."""
    x, y, angle, size = (float(v) for v in place)
    c, s = math.exp(size) * math.cos(angle), math.exp(size) * math.sin(angle)
    return np.array([[c, -s, x], [s, c, y]])
