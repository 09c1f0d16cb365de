"""Very many pictures: a shard of them, what an earlier run has done already, JSON Lines, Parquet or CSV files out.

Behind ``facekp detect --shard --resume --json --parquet``, and of use to programs that have a loop of their own::

    paths = annotate.Shard.parse("3/16").pick(sorted(album.glob("*.jpg")))
    with annotate.JsonLines("points-3.jsonl", resume=True) as lines:
        left = [path for path in paths if path not in lines]
        for path, faces in zip(left, detector.stream(left)):
            lines.write(annotate.record(path, facekp.image.size(path), faces, detector))

Whatever ends such a run, the file holds whole lines, and the next run does what is missing, nothing twice.
"""

from __future__ import annotations

from .lines import JsonLines
from .parquet import ParquetParts
from .shard import Shard, line, record
from .table import CsvRows, csv_header, csv_rows

__all__ = ["CsvRows", "JsonLines", "ParquetParts", "Shard", "csv_header", "csv_rows", "line", "record"]
