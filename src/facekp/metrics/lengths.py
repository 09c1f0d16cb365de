"""What errors are divided by."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _arguments as check
from .. import geometry
from ..errors import ArgumentError, unknown_name
from ..schema import KeypointSchema

__all__ = ["NORMALIZERS", "default_normalizer", "normalizer"]

Array = npt.NDArray[Any]

#: Normalisers that need no named points.
NORMALIZERS = ("box", "diagonal")


def normalizer(
    target: Array, schema: KeypointSchema, norm: str = "inter_ocular", *, boxes: Array | None = None
) -> Array:
    """The length ``(N,)`` in pixels by which errors of ``target`` ``(N, K, 2)`` are divided.

    Args:
        target: true points; NaN where missing.
        schema: names the pairs.
        norm: ``"inter_ocular"`` (outer eye corners; 300-W's rule), ``"inter_pupil"`` (centres of the eyes),
            ``"box"`` (square root of the box's area), ``"diagonal"`` (of the box), or two points or groups of
            the schema, ``"a-b"``: the distance between the means of their points, e.g. ``"nose_tip-chin"``.
        boxes: ``(N, 4)`` xyxy for ``"box"`` and ``"diagonal"``; the extent of the labelled points where it is None.

    Returns:
        ``(N,)`` float64; NaN where a point that is needed has no label, or an infinite one, which is none either.

    Raises:
        ArgumentError: the schema does not have this normaliser; the choices are listed.  Or a shape does not fit.
    """
    target = check.points_of(target, schema, "N", argument="target")
    if not isinstance(norm, str):
        raise ArgumentError(f"norm: expected a normaliser's name, got {check.shown(norm)}")
    if norm in NORMALIZERS:
        box = check.numbers(geometry.extent(target) if boxes is None else boxes, "boxes")
        if box.shape != (len(target), 4):
            raise ArgumentError(f"boxes: expected ({len(target)}, 4), one for each face, got {box.shape}")
        wh = box[:, 2:] - box[:, :2]
        if ((wh < 0) | np.isinf(box).reshape(-1, 2, 2).any(1)).any():  # NaN is a face without labels
            raise ArgumentError("boxes: expected finite x1 >= x0 and y1 >= y0 (not x, y, width, height)")
        sides: Array = np.sqrt(wh.prod(-1)) if norm == "box" else np.hypot(wh[:, 0], wh[:, 1])
        return sides
    left, right = schema.normalizers[norm] if norm in schema.normalizers else _pair(norm, schema)
    points = np.where(np.isfinite(target), target, np.nan)
    gap: Array = np.linalg.norm(points[:, list(left)].mean(1) - points[:, list(right)].mean(1), axis=-1)
    return gap


def default_normalizer(schema: KeypointSchema) -> str:
    """Inter-ocular where the schema has both outer eye corners, else the box's diagonal."""
    return "inter_ocular" if "inter_ocular" in check.layout(schema).normalizers else "diagonal"


def _pair(norm: str, schema: KeypointSchema) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The indices of both sides of ``"a-b"``."""
    known = {**schema.groups, **{name: (i,) for i, name in enumerate(schema.names)}}
    cuts = [(norm[:i], norm[i + 1 :]) for i, letter in enumerate(norm) if letter == "-"]
    for a, b in cuts:
        if a in known and b in known:
            if set(known[a]) == set(known[b]):
                raise ArgumentError(f"norm: {norm!r} are the same points, which are no distance apart")
            return known[a], known[b]
    if not cuts:
        choices = ", ".join(sorted([*schema.normalizers, *NORMALIZERS]))
        raise ArgumentError(
            f"unknown normaliser of {schema.name} {norm!r}; choose one of: {choices}; "
            "or two of its points or groups, joined by '-'"
        )
    wrong = next((side for side in cuts[0] if side not in known), norm)
    raise unknown_name(f"point or group of {schema.name} in {norm!r}:", wrong, known)
