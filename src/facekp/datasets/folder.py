"""A person's own points: a folder of pictures, one table of points, and a file that says what they are."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import schema as schemas
from ..errors import DatasetError
from ..sample import Sample
from ..schema import KeypointSchema
from .base import FARTHEST, SampleSet, Skipping, picture, points_of, read_text
from .layout import one_schema, read_schema
from .writing import place, shortest, write_text

__all__ = ["Folder", "write_folder"]

Array = npt.NDArray[Any]
SCHEMA, TABLE = "schema.json", "points.csv"
BOX = ("box_x0", "box_y0", "box_x1", "box_y1")
_LAYOUT = (
    "expected pictures, one table (points.csv or points.json: file,NAME_x,NAME_y,... for the schema's names) and "
    f"{SCHEMA}, which json.dumps(schema.to_dict()) makes"
)


class Folder(SampleSet):
    """Pictures with one CSV or JSON of points and a schema file; coordinates are facekp's (0-based pixel centres).

    The CSV has a header: ``file``, then ``NAME_x`` and ``NAME_y`` for every name of the schema, in any order, and
    optionally ``box_x0,box_y0,box_x1,box_y1`` (xyxy, edges) and ``subject``.  An empty cell is NaN; a box is whole or
    empty.  The JSON is a list of ``{"file": "a.jpg", "points": {"NAME": [x, y] or null, ...}, "box": [x0, y0, x1, y1],
    "subject": "..."}``, in which a point may be left out.  Several rows may name one picture.

    Args:
        root: the folder.
        schema: what the points are, by name or as a schema; ``schema.json`` of the folder unless told.
        on_error: ``"skip"`` leaves wrong rows out and lists them in ``skipped``.

    Raises:
        DatasetError: no table or several, no schema, columns that do not fit it, a wrong row, a missing picture, the
            same face twice; the message names file and line.
    """

    def __init__(
        self, root: str | Path, schema: KeypointSchema | str | None = None, *, on_error: str = "raise"
    ) -> None:
        root = Path(root)
        table = _table(root)
        if schema is None and not (root / SCHEMA).is_file():
            raise DatasetError(f"{root / SCHEMA}: this file is missing, and no schema= is given; {_LAYOUT}")
        layout = schemas.get(schema) if isinstance(schema, str) else schema or read_schema(root / SCHEMA)
        rows = _json_rows(table, layout) if table.suffix.lower() == ".json" else _csv_rows(table, layout)
        samples, skipping, seen = [], Skipping(on_error), dict[tuple[str, bytes], str]()
        for where, row in rows:
            with skipping.one():
                sample = _sample(root, where, row, layout)
                first = seen.setdefault((sample.meta["name"], sample.keypoints.tobytes()), where)
                if first is not where:
                    raise DatasetError(f"{where}: it repeats {first}")
                samples.append(sample)
        if not samples:
            raise skipping.nothing(f"{table}: no face; {_LAYOUT}")
        super().__init__(samples, layout, root.name, skipping.errors)


def _table(root: Path) -> Path:
    if not root.is_dir():
        raise DatasetError(f"{root}: no such folder; {_LAYOUT}")
    found = sorted(p for p in root.iterdir() if p.suffix.lower() in (".csv", ".json") and p.name != SCHEMA)
    if len(found) != 1:
        raise DatasetError(f"{root}: {len(found)} tables ({', '.join(p.name for p in found)}); {_LAYOUT}")
    return found[0]


Row = tuple[str, Mapping[str, Any]]  # where it stands; file, points (2K values, None where empty), box, subject


def _csv_rows(path: Path, schema: KeypointSchema) -> Iterator[Row]:
    """The rows as text; a wrong header is an error of the whole file, a wrong row of the row."""
    reader = csv.reader(io.StringIO(read_text(path, "table of points"), newline=""), strict=True)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        columns = _columns(path, header, schema)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                where = f"{path}:{reader.line_num}"
                yield where, _named(cells, len(header), columns)
    except csv.Error as error:
        raise DatasetError(f"{path}:{reader.line_num}: damaged CSV ({error})") from None


def _columns(path: Path, header: Sequence[str], schema: KeypointSchema) -> dict[str, int]:
    points = [f"{name}_{axis}" for name in schema.names for axis in "xy"]
    allowed = {"file", "subject", *BOX, *points}
    twice = sorted({h for h in header if header.count(h) > 1})
    unknown = [h for h in header if h not in allowed]
    boxed = any(h in BOX for h in header)
    missing = [h for h in ("file", *points, *(BOX if boxed else ())) if h not in header]
    problems = [("missing", missing), ("unknown", unknown), ("twice", twice)]
    told = "; ".join(f"{what}: {', '.join(names[:6])}" for what, names in problems if names)
    if told:
        hint = "; it has semicolons: save it with commas" if len(header) == 1 and ";" in header[0] else ""
        raise DatasetError(f"{path}:1: its columns do not fit schema {schema.name} ({told}){hint}")
    return {name: header.index(name) for name in header}


def _named(cells: Sequence[str], width: int, columns: Mapping[str, int]) -> Mapping[str, Any]:
    if len(cells) != width:
        return {"wrong": f"expected {width} cells, found {len(cells)}"}
    return {name: cells[index].strip() for name, index in columns.items()}


def _json_rows(path: Path, schema: KeypointSchema) -> Iterator[Row]:
    try:
        data = json.loads(read_text(path, "table of points"))
    except json.JSONDecodeError as error:
        raise DatasetError(f"{path}:{error.lineno}: damaged JSON ({error.msg})") from None
    except (RecursionError, ValueError) as error:
        raise DatasetError(f"{path}: damaged JSON ({error})") from None
    if not isinstance(data, list):
        raise DatasetError(f'{path}: expected a list of {{"file": ..., "points": {{NAME: [x, y]}}}}')
    for index, entry in enumerate(data):
        yield f"{path}: entry {index} (from 0)", _flat(entry, schema)


def _flat(entry: Any, schema: KeypointSchema) -> Mapping[str, Any]:
    """A JSON entry in the CSV's columns."""
    points = entry.get("points") if isinstance(entry, dict) else None
    if not isinstance(points, dict):
        return {"wrong": 'expected {"file": ..., "points": {NAME: [x, y]}}'}
    if unknown := [name for name in points if name not in schema.names]:
        return {"wrong": f"points that schema {schema.name} has not: {', '.join(unknown[:6])}"}
    row = {key: entry.get(key) for key in ("file", "subject")}
    for name in schema.names:
        pair = points.get(name)
        if pair is not None and (not isinstance(pair, list) or len(pair) != 2):
            return {"wrong": f"point {name} is not [x, y] or null"}
        row[f"{name}_x"], row[f"{name}_y"] = pair or (None, None)
    box = entry.get("box")
    if box is not None and (not isinstance(box, list) or len(box) != 4):
        return {"wrong": "box is not [x0, y0, x1, y1]"}
    return row | dict(zip(BOX, box or [None] * 4, strict=True))


def _sample(root: Path, where: str, row: Mapping[str, Any], schema: KeypointSchema) -> Sample:
    if "wrong" in row:
        raise DatasetError(f"{where}: {row['wrong']}")
    name, subject = row.get("file"), row.get("subject")
    if not isinstance(name, str) or not name or "\0" in name:
        raise DatasetError(f"{where}: it names no file")
    keys = [f"{n}_{axis}" for n in schema.names for axis in "xy"]
    points = points_of([_value(row[key], key, where) for key in keys], where)
    box = np.array([_value(row.get(key), key, where) for key in BOX], np.float32)
    if np.isnan(box).any() and not np.isnan(box).all():
        raise DatasetError(f"{where}: the box is neither whole nor empty")
    if (box[2:] < box[:2]).any():
        raise DatasetError(f"{where}: the box {box.tolist()} is not x0 y0 x1 y1")
    file = picture(root / name, where)
    whole = None if np.isnan(box).any() else box
    return Sample(points, schema, file, whole, None if subject in (None, "") else str(subject), meta={"name": name})


def _value(cell: Any, key: str, where: str) -> float:
    """A number; NaN for an empty cell."""
    if cell is None or cell == "":
        return float("nan")
    try:
        value = float(cell) if not isinstance(cell, bool | list | dict) else float("inf")
    except (TypeError, ValueError, OverflowError):
        value = float("inf")
    if abs(value) > FARTHEST:
        raise DatasetError(f"{where}: {key} is {str(cell)[:40]!r}, not a number")
    return value


# ---------------------------------------------------------------- writing


def write_folder(samples: Sequence[Sample], root: str | Path) -> None:
    """Write faces as :class:`Folder` reads them: pictures, ``points.csv`` and ``schema.json``.

    Points, missing points, boxes (also that there is none) and subjects are kept exactly (float32); ``meta`` is not.

    Raises:
        ArgumentError: no face, or several schemas.
        DatasetError: something cannot be read or written.
    """
    root = Path(root)
    schema = one_schema(samples, "write_folder")
    stream = io.StringIO(newline="")
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(["file", *(f"{name}_{axis}" for name in schema.names for axis in "xy"), *BOX, "subject"])
    for sample, name in zip(samples, place(samples, root), strict=True):
        points = np.where(sample.mask[:, None], sample.keypoints, np.nan)
        box = np.full(4, np.nan) if sample.source_box is None else sample.source_box
        table.writerow([name, *_cells(points), *_cells(box), sample.subject or ""])
    write_text(root / SCHEMA, json.dumps(schema.to_dict(), indent=1))
    write_text(root / TABLE, stream.getvalue())


def _cells(values: Array) -> list[str]:
    return ["" if np.isnan(v) else str(v) for v in shortest(values)]
