"""Kaggle's "Facial Keypoints Detection" (2013): its CSV files.

Pictures are 96x96 grey values in the CSV itself, row by row; points are ``(x, y)`` in their pixels, counted from 0.
"Left" and "right" are the subject's, as everywhere here.  ``training.csv`` holds two sources one below the other:
2,284 faces with (nearly) all of the 15 points, and 4,765 with four.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import geometry
from .. import schema as schemas
from ..errors import DatasetError, unknown_name
from ..sample import Sample
from .base import SampleSet, Skipping, points_of

__all__ = ["KAGGLE_COLUMNS", "KaggleFacialKeypoints", "KaggleTest", "columns_at", "identity", "rows"]

Array = npt.NDArray[Any]

SIDE = 96
KAGGLE_COLUMNS = {
    "left_eye_center": "left_eye_center",
    "right_eye_center": "right_eye_center",
    "left_eye_inner": "left_eye_inner_corner",
    "left_eye_outer": "left_eye_outer_corner",
    "right_eye_inner": "right_eye_inner_corner",
    "right_eye_outer": "right_eye_outer_corner",
    "left_brow_inner": "left_eyebrow_inner_end",
    "left_brow_outer": "left_eyebrow_outer_end",
    "right_brow_inner": "right_eyebrow_inner_end",
    "right_brow_outer": "right_eyebrow_outer_end",
    "nose_tip": "nose_tip",
    "left_mouth_corner": "mouth_left_corner",
    "right_mouth_corner": "mouth_right_corner",
    "upper_lip_top_mid": "mouth_center_top_lip",
    "lower_lip_bottom_mid": "mouth_center_bottom_lip",
}
"""The points of the schema ``kaggle15``, in its order, and what Kaggle's columns call them (plus ``_x`` and ``_y``)."""

FEW = ("left_eye_center", "right_eye_center", "nose_tip", "lower_lip_bottom_mid")
"""The points that the second, larger source of ``training.csv`` labels."""

_AXES = tuple(f"{column}_{axis}" for column in KAGGLE_COLUMNS.values() for axis in "xy")
_HAD = (
    "The files (Kaggle's competition rules: for the competition and for research) are had with an account from "
    "kaggle.com/c/facial-keypoints-detection: unpack training.csv, test.csv and IdLookupTable.csv"
)


class KaggleFacialKeypoints(SampleSet):
    """The faces of ``training.csv``, schema ``kaggle15``.

    Columns are found by their names, in any order; an empty cell is NaN.  The pictures stay in memory, one byte a pixel
    (65 MB for the 7,049 rows), and are RGB when asked for.  ``source_box`` is the whole picture, for the points do not
    span the face.  ``meta`` has ``name`` (file and line), ``line`` and ``source`` (``"15-point"`` or ``"4-point"``).

    Args:
        path: ``training.csv``.
        missing: ``"keep"``, or ``"drop"`` the rows that lack one of the 15 points (2,140 remain in Kaggle's file); with
            ``where="4-point"``, those that lack one of the four.
        where: ``"15-point"``, ``"4-point"`` or ``"all"``: which of the two sources; a row is of the second where it has
            none but its four points.
        on_error: ``"skip"`` leaves wrong rows out and lists them in ``skipped``.

    Raises:
        ArgumentError: an unknown ``missing`` or ``where``.
        DatasetError: no such file, a column is missing, a number is none, a picture has not 96x96 values of 0 to 255.
    """

    def __init__(self, path: str | Path, missing: str = "keep", where: str = "all", *, on_error: str = "raise") -> None:
        if missing not in ("keep", "drop"):
            raise unknown_name("missing", missing, ("keep", "drop"))
        if where not in ("15-point", "4-point", "all"):
            raise unknown_name("where", where, ("15-point", "4-point", "all"))
        samples, errors = _read(Path(path), (*_AXES, "Image"), Skipping(on_error))
        needed = [i for i, name in enumerate(KAGGLE_COLUMNS) if name in FEW or where != "4-point"]
        chosen = [s for s in samples if where in ("all", s.meta["source"])]
        if missing == "drop":
            chosen = [s for s in chosen if s.mask[needed].all()]
        super().__init__(chosen, schemas.get("kaggle15"), f"Kaggle {Path(path).name} ({where})", errors)


class KaggleTest(SampleSet):
    """The unlabelled faces of ``test.csv``: every point is NaN; ``meta["image_id"]`` is Kaggle's ``ImageId``.

    Args:
        path: ``test.csv``.
        on_error: ``"skip"`` leaves wrong rows out and lists them in ``skipped``.

    Raises:
        DatasetError: as of :class:`KaggleFacialKeypoints`, or an ``ImageId`` that is no number or comes twice.
    """

    def __init__(self, path: str | Path, *, on_error: str = "raise") -> None:
        samples, errors = _read(Path(path), ("ImageId", "Image"), Skipping(on_error))
        super().__init__(samples, schemas.get("kaggle15"), f"Kaggle {Path(path).name}", errors)


@dataclass(slots=True)
class _Grey(Sample):
    """A face whose picture is kept as one byte a pixel.

    Attributes:
        grey: ``(96, 96)`` uint8.
    """

    grey: Array = field(default_factory=lambda: np.zeros((SIDE, SIDE), np.uint8), repr=False)

    @property
    def image(self) -> Array:
        """The picture, ``(96, 96, 3)`` RGB uint8 (three equal channels, made anew)."""
        return np.repeat(self.grey[..., None], 3, -1) if self.pixels is None else self.pixels


# ---------------------------------------------------------------- reading


def _read(path: Path, columns: Sequence[str], skipping: Skipping) -> tuple[list[Sample], list[DatasetError]]:
    lines = rows(path)
    _, header = next(lines, (1, []))
    at = columns_at(header, columns, path)
    samples: list[Sample] = []
    seen: dict[int, int] = {}
    for line, row in lines:
        where = f"{path}:{line}"
        with skipping.one():
            if len(row) != len(header):
                raise DatasetError(f"{where}: {len(row)} columns, but the header has {len(header)}")
            cells = [row[i] for i in at]
            meta: dict[str, Any] = {"name": f"{path.name}:{line}", "line": line}
            if len(cells) == 2:
                meta["image_id"] = identity("ImageId", cells[0], seen, line, where)
                points = np.full((len(KAGGLE_COLUMNS), 2), np.nan, np.float32)
            else:
                points = points_of([_coordinate(v, where) for v in cells[:-1]], where)
                labelled = np.isfinite(points[:, 0])
                few = not any(labelled[i] for i, name in enumerate(KAGGLE_COLUMNS) if name not in FEW)
                meta["source"] = "4-point" if few else "15-point"
            box = geometry.image_box((SIDE, SIDE))
            samples.append(_Grey(points, schemas.get("kaggle15"), None, box, meta=meta, grey=_pixels(cells[-1], where)))
    if not samples:
        raise skipping.nothing(f"{path}: no row with a picture. {_HAD}")
    return samples, skipping.errors


def rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Lines (from 1) and cells; empty lines are left out."""
    if not path.is_file():
        raise DatasetError(f"{path}: this file is missing. {_HAD}")
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
            for line, text in enumerate(stream, 1):
                stripped = text.strip()
                # Kaggle quotes nothing, and a plain split is several times faster than csv on these long cells.
                if stripped:
                    yield line, next(csv.reader([stripped])) if '"' in stripped else stripped.split(",")
    except (OSError, csv.Error) as error:
        raise DatasetError(f"{path}: cannot read this CSV file ({error})") from None


def columns_at(header: Sequence[str], wanted: Sequence[str], path: Path) -> list[int]:
    """Where the wanted columns are."""
    found = [cell.strip() for cell in header]
    absent = [name for name in wanted if name not in found]
    if absent:
        more = f" and {len(absent) - 3} more" if len(absent) > 3 else ""
        raise DatasetError(f"{path}:1: no column {', '.join(absent[:3])}{more}. {_HAD}")
    twice = sorted({name for name in wanted if found.count(name) > 1})
    if twice:
        raise DatasetError(f"{path}:1: the column {twice[0]} stands there twice")
    return [found.index(name) for name in wanted]


def _coordinate(cell: str, where: str) -> float:
    try:
        return float(cell) if cell.strip() else math.nan
    except ValueError:
        raise DatasetError(f"{where}: expected a coordinate or an empty cell, found {cell[:40]!r}") from None


def identity(column: str, cell: str, seen: dict[int, int], line: int, where: str) -> int:
    """A whole number that no line before had; ``seen`` remembers it."""
    try:
        number = int(cell)
    except ValueError:
        raise DatasetError(f"{where}: {column} must be a whole number, found {cell[:40]!r}") from None
    if (first := seen.setdefault(number, line)) != line:
        raise DatasetError(f"{where}: {column} {number} stands in line {first} already")
    return number


def _pixels(text: str, where: str) -> Array:
    """``(96, 96)`` uint8 of values in digits between spaces; all at once, for ``int()`` takes ten times as long."""
    text = text.strip()
    if "  " in text or "\t" in text:
        text = " ".join(text.split())
    raw = np.frombuffer(text.encode("ascii", "replace"), np.uint8)
    digits, space = raw - 48, raw == 32  # a byte below "0" wraps round to a large number
    wrong = (digits > 9) & ~space
    if wrong.any():
        at = int(wrong.argmax())
        raise DatasetError(
            f"{where}: Image holds {raw[max(0, at - 5) : at + 5].tobytes().decode()!r}, not only numbers"
        )
    ends = np.append(np.flatnonzero(space), len(raw))
    if len(ends) != SIDE * SIDE or not len(raw):
        raise DatasetError(
            f"{where}: Image has {len(ends) if len(raw) else 0:,} values, expected {SIDE * SIDE:,} (96x96)"
        )
    lengths = np.diff(ends, prepend=-1) - 1
    # The tens of a one-digit number are read from what stands before it, and then count nothing.
    values = digits[ends - 1].astype(np.int32)
    for place in (1, 2):
        values += np.where(lengths > place, digits[ends - 1 - place], 0) * np.int32(10**place)
    if lengths.max() > 3 or values.max() > 255:
        raise DatasetError(f"{where}: Image has a value over 255")
    grey: Array = values.astype(np.uint8).reshape(SIDE, SIDE)
    return grey
