"""A table of faces: CSV, one row for each."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..schema import KeypointSchema
from .linefile import LineFile

__all__ = ["CsvRows", "csv_header", "csv_rows"]


def csv_header(schema: KeypointSchema) -> str:
    """The header of a table of faces, without its end: ``path`` to ``y1``, and three columns for every point."""
    points = [f"{name}_{part}" for name in schema.names for part in ("x", "y", "score")]
    return _text([["path", "width", "height", "model", "face", "score", "x0", "y0", "x1", "y1", *points]])


def csv_rows(record: Mapping[str, Any]) -> str:
    """The rows of a picture, without the last one's end: one for each face of :func:`record`, counted from 1.

    An unknown number is an empty cell.  A byte of a file's name that is no UTF-8 becomes ``\\udcXX``.
    """
    path = str(record["path"]).encode("utf-8", "backslashreplace").decode("utf-8")
    picture = [path, record["width"], record["height"], record["model"]]
    rows = []
    for number, face in enumerate(record["faces"], 1):
        points = zip(face["keypoints"], face["scores"], strict=True)
        rows.append([*picture, number, face["score"], *face["box"], *(v for (x, y), p in points for v in (x, y, p))])
    return _text(rows)


def _text(rows: Iterable[Sequence[Any]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue().removesuffix("\n")


class CsvRows(LineFile):
    """A CSV file with a header and one row for each face; a picture without a face has none.

    All rows of a picture are written together or not at all.  It cannot be resumed: which pictures without a face are
    done is not in it.  :class:`JsonLines` can.

    Args:
        path: the file; made with its folders where it is missing, and begun anew where it is there.
        schema: names the columns of the points.
        option: how errors name the file's argument.

    Raises:
        ArgumentError: the file cannot be written, or another run is writing to it.
    """

    def __init__(self, path: str | Path, schema: KeypointSchema, *, option: str = "path") -> None:
        super().__init__(path, option=option)
        self._append(f"{csv_header(schema)}\n".encode())

    def __contains__(self, path: str | os.PathLike[str]) -> bool:
        """No picture was done before."""
        return False

    def __enter__(self) -> CsvRows:
        return self

    def write(self, record: Mapping[str, Any]) -> None:
        """Append the rows of a picture, at once.

        Raises:
            ArgumentError: they cannot be written, or the file is closed.
        """
        if rows := csv_rows(record):
            self._append(f"{rows}\n".encode())
