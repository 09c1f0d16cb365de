"""The ``.pts`` format of 300-W: one face a file, coordinates that count from 1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import DatasetError
from .base import numbers, points_of, read_text

__all__ = ["pts_text", "read_pts", "write_pts"]

Array = npt.NDArray[Any]


def read_pts(path: str | Path, count: int | None = None) -> Array:
    """Points ``(K, 2)`` float32 of a ``.pts`` file, moved to facekp's 0-based pixel centres.

    Header lines before ``{`` may be missing, in any order, and with or without
    a space after the colon; blank lines and CRLF do not matter.

    Args:
        path: the file.
        count: how many points there must be, or None for what the header says.

    Raises:
        DatasetError: naming file and line; also for an infinite coordinate, or a point with one of its two.
    """
    path = Path(path)
    announced: float | None = None
    rows: list[list[float]] = []
    inside = closed = False
    for line, raw in enumerate(read_text(path, ".pts file").splitlines(), 1):
        text = raw.strip()
        if not text or closed:
            continue
        key, colon, value = text.partition(":")
        if colon and not inside:
            if key.strip().lower() == "n_points":
                (announced,) = numbers(value.split(), path, line, 1)
            continue
        if text.startswith("{"):
            inside, text = True, text[1:].strip()
        if text.endswith("}"):
            closed, text = True, text[:-1].strip()
        if text:
            rows.append(numbers(text.replace(",", " ").split(), path, line, 2))
    if inside and not closed:
        raise DatasetError(f"{path}: the closing '}}' is missing; the file is cut off after {len(rows)} points")
    for expected, says in ((announced, "its header says"), (count, "the schema has")):
        if expected is not None and len(rows) != expected:
            raise DatasetError(f"{path}: {len(rows)} points, but {says} {expected:g}")
    if not rows:
        raise DatasetError(f"{path}: no points; expected 'n_points: 68' and one 'x y' a line in braces")
    return points_of((np.asarray(rows, np.float64) - 1).ravel(), str(path))


def pts_text(keypoints: Array) -> str:
    """Points ``(K, 2)`` as :func:`read_pts` reads them: 1-based, three decimals; a missing one is ``nan nan``."""
    rows = "\n".join(f"{x:.3f} {y:.3f}" for x, y in np.asarray(keypoints, np.float64) + 1)
    return f"version: 1\nn_points: {len(keypoints)}\n{{\n{rows}\n}}\n"


def write_pts(path: str | Path, keypoints: Array) -> None:
    """Write points as :func:`read_pts` reads them (1-based, three decimals); a missing one is ``nan nan``."""
    Path(path).write_text(pts_text(keypoints), encoding="utf-8")
