"""YouTube Faces frames with 68 points, in the CSV of Udacity's facial keypoints exercise."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from .. import schema as schemas
from ..errors import DatasetError, unknown_name
from ..sample import Sample
from .base import SampleSet, Skipping, picture, points_of, read_text

__all__ = ["UdacityKeypoints"]

_SPLITS = ("training", "test")
_HAD = (
    "The frames (YouTube Faces, Wolf et al., 2011; for research) are had with Udacity's project 'P1 Facial Keypoints': "
    "unpack its data so that training/, test/, training_frames_keypoints.csv and test_frames_keypoints.csv lie there"
)


class UdacityKeypoints(SampleSet):
    """The video frames of Udacity's exercise: one face each, labelled by a machine.

    A row is a picture's name and 68 points ``x0, y0, x1, y1, ...`` that count from 0, as here; two empty cells are a
    missing point.  ``subject`` is the person, the name before ``_NN``: the same people are in both splits, so divide
    by subject.  ``meta`` has ``name`` (below the root) and ``line``.

    Args:
        root: the folder of ``training/``, ``test/`` and their CSV files.
        split: ``"training"`` (3,462 frames in the usual archive) or ``"test"`` (770).
        people: only these persons; None: all.
        skip: not these persons.
        on_error: ``"skip"`` leaves wrong rows out and lists them in ``skipped``.

    Raises:
        ArgumentError: unknown split.
        DatasetError: the CSV or a picture is missing, a row is damaged, or a name comes twice.
    """

    def __init__(
        self,
        root: str | Path,
        split: str = "training",
        *,
        people: Collection[str] | None = None,
        skip: Collection[str] = (),
        on_error: str = "raise",
    ) -> None:
        if split not in _SPLITS:
            raise unknown_name("Udacity split", split, _SPLITS)
        table = Path(root) / f"{split}_frames_keypoints.csv"
        rows = list(_rows(table))
        samples, skipping, seen = [], Skipping(on_error), dict[str, int]()
        for line, row in rows:
            person = re.sub(r"_\d+\.\w+$", "", row[0])
            if person in skip or (people is not None and person not in people):
                continue
            with skipping.one():
                if (first := seen.setdefault(row[0], line)) != line:
                    raise DatasetError(f"{table}, line {line}: {row[0]} stands in line {first} already")
                samples.append(_sample(row, table, line, split, person))
        if not samples and (skipping.errors or not rows):
            raise skipping.nothing(f"{table}: no labelled frame. {_HAD}")
        super().__init__(samples, schemas.get("ibug68"), f"Udacity {split}", skipping.errors)


def _rows(table: Path) -> Iterator[tuple[int, list[str]]]:
    """Lines (from 1) and cells; the header and empty lines are left out."""
    if not table.is_file():
        raise DatasetError(f"{table}: this file is missing. {_HAD}")
    reader = csv.reader(read_text(table, "CSV file").splitlines())
    try:
        header = next(reader, [])
        if len(header) != 137:
            raise DatasetError(f"{table}, line 1: expected a header of 137 columns, found {len(header)}. {_HAD}")
        yield from ((reader.line_num, row) for row in reader if row)
    except csv.Error as error:
        raise DatasetError(f"{table}, line {reader.line_num}: damaged CSV ({error})") from None


def _sample(row: Sequence[str], table: Path, line: int, split: str, person: str) -> Sample:
    where = f"{table}, line {line}"
    if len(row) != 137:
        raise DatasetError(f"{where}: expected a name and 136 numbers, got {len(row)} columns")
    try:
        values = [float(cell) if cell.strip() else float("nan") for cell in row[1:]]
    except ValueError as error:
        raise DatasetError(f"{where}: expected a name and 136 numbers ({error})") from None
    name = row[0].strip()
    # A name with folders in it could lead out of the split's own.
    if not name or Path(name).name != name:
        raise DatasetError(f"{where}: {row[0]!r} is not the name of a picture in {split}/")
    path = picture(table.parent / split / name, where)
    meta = {"name": f"{split}/{name}", "line": line}
    return Sample(points_of(values, where), schemas.get("ibug68"), path, subject=person, meta=meta)
