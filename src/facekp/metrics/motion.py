"""How still points are from frame to frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _arguments as check
from ..errors import ArgumentError
from ..schema import KeypointSchema
from .lengths import normalizer

__all__ = ["jitter", "jitters"]

Array = npt.NDArray[Any]


def jitter(
    points: Array, target: Array | None = None, *, schema: KeypointSchema | None = None, norm: str | None = None
) -> float:
    """Mean jitter of the points of one face in a film: how much they tremble, whatever their error.

    ``mean_tk |p_(t-1)k - 2 p_tk + p_(t+1)k|``, the size of the second difference over every three frames in a row: a
    point that rests or moves evenly has none.  With the truth it is the second difference of ``p - truth`` (the
    acceleration error of Kanazawa et al., "Learning 3D human dynamics from video", CVPR 2019, in the plane), so that
    a face that really starts to move costs nothing.  Independent noise of standard deviation s on each coordinate
    gives ``s sqrt(3 pi)``, some 3.07 s.

    Args:
        points: ``(T, K, 2)`` of frames at equal times; NaN where there is none: three frames with a gap are left out.
        target: the true points, the same shape.
        schema: what the points are; needed with ``norm`` only.
        norm: None for pixels per frame squared; else divide by the middle frame's normaliser, see
            :func:`normalizer` (of the truth where it is given).

    Returns:
        The mean; NaN where no three frames in a row are complete.

    Raises:
        ArgumentError: a shape does not fit, or ``norm`` without a schema.
    """
    values = jitters(points, target, schema=schema, norm=norm)
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else float("nan")


def jitters(
    points: Array, target: Array | None = None, *, schema: KeypointSchema | None = None, norm: str | None = None
) -> Array:
    """What :func:`jitter` is the mean of: ``(T - 2, K)``, NaN where a frame is missing."""
    points = check.numbers(points, "points")
    truth = points if target is None else check.numbers(target, "target")
    if points.ndim != 3 or points.shape[-1] != 2 or truth.shape != points.shape:
        raise ArgumentError(
            f"jitter: expected points (T, K, 2) and a target like it, got {points.shape}, {truth.shape}"
        )
    if norm is not None and schema is None:
        raise ArgumentError(f"jitter: norm {norm!r} needs a schema, which knows the points")
    path = points if target is None else points - truth
    if len(path) < 3:
        return np.zeros((0, path.shape[1]))
    sizes: Array = np.linalg.norm(path[:-2] - 2 * path[1:-1] + path[2:], axis=-1)
    if norm is not None and schema is not None:
        length = normalizer(truth[1:-1], schema, norm)
        sizes = sizes / np.where(length > 0, length, np.nan)[:, None]
    return sizes
