"""A folder of Parquet files, each whole from the moment that it is there."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from ..errors import ArgumentError, MissingExtraError
from .shard import Done, Shard

__all__ = ["ROWS", "ParquetParts"]

ROWS = 1000
"""Pictures in one Parquet file, and so the most that a killed run has to do again."""


class ParquetParts:
    """A folder of Parquet files of up to :data:`ROWS` pictures, which all shards of a run may share.

    A file appears when it is whole, and is never written to again: a run that was killed leaves out its last pictures.
    The columns are those of :func:`record`, with ``faces`` as a list of structures.  A file's name that is no UTF-8
    has ``\\udcXX`` for each such byte.

    Args:
        folder: made where it is missing.
        shard: which share is written; its number is in the files' names.  None: all.
        resume: keep what the folder holds; else there must be nothing of this shard, or of another division.
        model, weights: as of :class:`JsonLines`.
        option: how errors name the folder's argument.

    Attributes:
        count: pictures that the folder held already.

    Raises:
        ArgumentError: it cannot be written, or holds what it should not.
        MissingExtraError: pyarrow is not installed.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        shard: Shard | None = None,
        resume: bool = False,
        model: str | None = None,
        weights: str | None = None,
        option: str = "folder",
    ) -> None:
        self._arrow()
        shard = shard or Shard(1, 1)
        self.folder, self._name = Path(folder), f"{option} {folder}"
        self._stem = f"part-{shard.number}of{shard.count}-"
        self._rows: list[Mapping[str, Any]] = []
        self._done = Done(folder, self._name, model, weights)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            parts = sorted(self.folder.glob("*.parquet"))
        except OSError as error:
            raise self._unwritable(error) from None
        if resume:
            for part in parts:
                self._read_back(part)
            self._done.check()
        elif old := [p.name for p in parts if not self._of_another(p.name, shard)]:
            raise ArgumentError(f"{self._name}: holds {old[0]} already: resume that run, or name another folder")
        own = [p.stem.removeprefix(self._stem) for p in parts if p.name.startswith(self._stem)]
        self._next = max((int(n) for n in own if n.isdecimal()), default=-1) + 1
        self.count = len(self._done)

    def __contains__(self, path: str | os.PathLike[str]) -> bool:
        """Whether the folder held this picture when it was opened."""
        return _text(os.fspath(path)) in self._done

    def write(self, record: Mapping[str, Any]) -> None:
        """Take a record, and write a file when there are enough.

        Raises:
            ArgumentError: it cannot be written.
        """
        path = _text(record["path"])
        self._rows.append({**record, **self._done.extras(path), "path": path})
        if len(self._rows) >= ROWS:
            self._flush()

    def close(self) -> None:
        """Write what is left.

        Raises:
            ArgumentError: it cannot be written.
        """
        if self._rows:
            self._flush()

    def __enter__(self) -> ParquetParts:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or not issubclass(kind, ArgumentError):  # what could not be written is not tried again
            self.close()

    def _flush(self) -> None:
        arrow, parquet = self._arrow()
        target = self.folder / f"{self._stem}{self._next:05d}.parquet"
        partial = target.with_name(f".{target.name}.part")  # readers of a folder leave out names with a dot
        try:
            try:
                parquet.write_table(arrow.Table.from_pylist(self._rows, schema=_columns(arrow)), partial)
                partial.replace(target)
            finally:
                partial.unlink(missing_ok=True)
        except OSError as error:
            raise self._unwritable(error) from None
        self._rows = []
        self._next += 1

    def _read_back(self, part: Path) -> None:
        arrow, parquet = self._arrow()
        try:
            # Files of an older facekp have no base and no weights.
            newer = [name for name in ("base", "weights") if name in parquet.read_schema(part).names]
            table = parquet.read_table(part, columns=["path", "model", *newer]).to_pydict()
            paths, models = table["path"], table["model"]
        except (OSError, KeyError, arrow.ArrowException) as error:
            reason = str(error).strip().splitlines()[0]
            raise ArgumentError(f"{self._name}: {part.name} is no file of pictures' records ({reason})") from None
        missing = [None] * len(paths)
        rest = (table.get("base", missing), models, table.get("weights", missing))
        for path, base, wrote, weights in zip(paths, *rest, strict=True):
            self._done.add(path, base, wrote, weights)

    @staticmethod
    def _of_another(name: str, shard: Shard) -> bool:
        found = re.match(r"part-(\d+)of(\d+)-", name)
        return found is not None and int(found[2]) == shard.count and int(found[1]) != shard.number

    @staticmethod
    def _arrow() -> tuple[Any, Any]:
        try:
            import pyarrow  # late: the extra parquet
            from pyarrow import parquet
        except ImportError:
            raise MissingExtraError("pyarrow", "parquet") from None
        return pyarrow, parquet

    def _unwritable(self, error: OSError) -> ArgumentError:
        return ArgumentError(f"{self._name}: cannot be written ({error.strerror or error})")


def _columns(arrow: Any) -> Any:
    numbers = arrow.list_(arrow.float32())
    face = arrow.struct(
        [
            ("box", numbers),
            ("score", arrow.float32()),
            ("keypoints", arrow.list_(numbers)),
            ("scores", numbers),
            ("uncertainty", numbers),  # null where the model does not tell it
        ]
    )
    whole, text = arrow.int32(), arrow.string()
    columns = [("path", text), ("width", whole), ("height", whole), ("model", text), ("schema", text)]
    return arrow.schema([*columns, ("faces", arrow.list_(face)), ("weights", text), ("base", text)])


def _text(path: str) -> str:
    return path.encode("utf-8", "backslashreplace").decode("utf-8")
