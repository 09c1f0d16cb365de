"""For geometry: the similarity that brings one set of points over another, and the five points of recognition."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from . import _arguments as check
from .errors import ArgumentError
from .schema import KeypointSchema

__all__ = ["ARCFACE", "align", "five_points", "similarity"]

Array = npt.NDArray[Any]

#: Where face recognition wants :func:`five_points`, in pixels of a 112x112 crop: the template of ArcFace (Deng, Guo,
#: Xue and Zafeiriou, "ArcFace: additive angular margin loss for deep face recognition", CVPR 2019), with the numbers
#: of its authors' code, InsightFace (``face_align.py``).
ARCFACE: Array = np.array(
    [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)]
)
ARCFACE.setflags(write=False)


def align(source: Array, target: Array, *, reflection: bool = False) -> Array:
    """The least-squares rotation, uniform scale and shift that bring points over others, for many faces at once.

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns", PAMI 1991, eq. 40-42,
    which in the plane needs no decomposition: with points as complex numbers about their means, the map is
    ``a = <s, t> / <s, s>``, and with a mirror ``<conj(s), t> / <s, s>``.  Points with a NaN in either are left out.

    Args:
        source: ``(..., K, 2)``.
        target: ``(..., K, 2)``, or one ``(K, 2)`` for all.
        reflection: take the best map that also mirrors where that leaves less; without it, faces stay as they are.

    Returns:
        ``(..., 2, 3)`` float64, for :func:`facekp.geometry.apply` and :func:`facekp.geometry.warp`.

    Raises:
        ArgumentError: the shapes do not fit, or a face has fewer than two distinct points that are known in both.
    """
    return _fit(source, target, reflection, "align")


def similarity(source: Array, target: Array) -> Array:
    """:func:`align` of one face, without reflection.

    Args:
        source: ``(K, 2)``.
        target: ``(K, 2)``.

    Returns:
        The 2x3 matrix.

    Raises:
        ArgumentError: fewer than two distinct points are known in both.
    """
    source, target = check.numbers(source, "source"), check.numbers(target, "target")
    if (
        source.shape != target.shape
        or source.shape[1:] != (2,)
        or not len(source)
        or not np.isfinite(source + target).all()
    ):
        if source.ndim > 2 or target.ndim > 2:
            raise ArgumentError(f"similarity: expected (K, 2) and (K, 2), got {source.shape} and {target.shape}")
        return _fit(source, target, False, "similarity")
    # As complex numbers: the same in a third of the time, which counts where every face of every frame is levelled.
    middle, goal = source.mean(0), target.mean(0)
    s, t = (source - middle) @ (1, 1j), (target - goal) @ (1, 1j)
    spread = float(np.vdot(s, s).real)
    if spread < 1e-12:
        return _fit(source, target, False, "similarity")  # says what is wrong
    turn = complex(np.vdot(s, t)) / spread
    a, b = turn.real, turn.imag
    return np.array([[a, -b, goal[0] - a * middle[0] + b * middle[1]], [b, a, goal[1] - b * middle[0] - a * middle[1]]])


def _fit(source: Array, target: Array, reflection: bool, name: str) -> Array:
    source, target = check.numbers(source, "source"), check.numbers(target, "target")
    if min(source.ndim, target.ndim) < 2 or source.shape[-1] != 2 or source.shape[-2:] != target.shape[-2:]:
        raise ArgumentError(
            f"{name}: expected as many points (x, y) in both, such as (K, 2) and (K, 2), "
            f"got {source.shape} and {target.shape}"
        )
    try:
        source, target = np.broadcast_arrays(source, target)
    except ValueError:
        raise ArgumentError(f"{name}: expected as many faces in both, got {source.shape} and {target.shape}") from None
    known: Array = np.asarray((np.isfinite(source) & np.isfinite(target)).all(-1, keepdims=True))
    count = known.sum(-2)
    (ms, ds), (mt, dt) = (_about_mean(points, known, count) for points in (source, target))
    spread = (ds**2).sum((-2, -1))
    bad = (count[..., 0] < 2) | (spread < 1e-12)
    if bad.any():
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        which = f" of face {', '.join(map(str, first))}" if first else ""
        raise ArgumentError(f"{name}: two distinct points{which} known in both are needed, got {count[first][0]}")
    dots = np.swapaxes(ds, -2, -1) @ dt  # what s and t have in common, by axis
    (xx, xy), (yx, yy) = ((dots[..., i, 0], dots[..., i, 1]) for i in (0, 1))
    turned = np.stack([xx + yy, yx - xy, xy - yx, xx + yy], -1)
    if reflection:
        mirrored = np.stack([xx - yy, xy + yx, xy + yx, yy - xx], -1)
        better = np.hypot(mirrored[..., 0], mirrored[..., 1]) > np.hypot(turned[..., 0], turned[..., 1])
        turned = np.where(better[..., None], mirrored, turned)
    linear = turned.reshape(*turned.shape[:-1], 2, 2) / spread[..., None, None]
    shift = mt[..., 0, :, None] - linear @ ms[..., 0, :, None]
    matrix: Array = np.concatenate([linear, shift], -1)
    return matrix


def _about_mean(points: Array, known: Array, count: Array) -> tuple[Array, Array]:
    """The mean ``(..., 1, 2)`` of the known points, and all about it, zero where unknown."""
    mean = np.where(known, points, 0).sum(-2, keepdims=True) / np.maximum(count, 1)[..., None]
    return mean, np.where(known, points - mean, 0)


def five_points(points: Array, schema: KeypointSchema) -> Array:
    """The five points by which recognition aligns faces.

    Args:
        points: ``(..., K, 2)``.
        schema: what they are.  An eye is its pupil where the layout has one, and else the mean of its points.

    Returns:
        ``(..., 5, 2)`` float32: right eye, left eye, nose tip, right and left corner of the mouth.  Right is the
        subject's, which is left in the picture.

    Raises:
        ArgumentError: the points are not of this schema, or it lacks one of the five.
    """
    points = check.points_of(points, schema, "...", dtype=np.float32)
    sets = []
    for side in ("right", "left"):
        eyes = [half for half in schema.normalizers.get("inter_pupil", ()) if schema.names[half[0]].startswith(side)]
        sets += [list(eye) for eye in eyes]
    rest = ("nose_tip", "right_mouth_corner", "left_mouth_corner")
    sets += [[schema.names.index(name)] for name in rest if name in schema.names]
    if len(sets) != 5:
        raise ArgumentError(f"schema {schema.name}: has no pupils (normaliser inter_pupil), or not all of {rest}")
    return np.stack([points[..., which, :].mean(-2) for which in sets], -2)
