"""JSON Lines that survive whatever ends a run."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any

from ..errors import ArgumentError
from .shard import line, same_path

__all__ = ["JsonLines"]


class JsonLines:
    """A file of one JSON object a line, whole at any moment but for the last line.

    A line that cannot be written whole, because the disk is full or somebody pressed Ctrl-C, is taken back.  Of a
    process that was killed, half a line may be left: it is dropped when the file is resumed.

    Args:
        path: the file; made with its folders where it is missing.
        resume: keep what the file holds and append; else begin anew.
        model: the model that will write; resuming what another wrote is refused.  None: any.
        option: how errors name the file's argument.

    Attributes:
        count: pictures that the file held already.

    Raises:
        ArgumentError: the file cannot be written, another run is writing to it, or what is to be resumed is
            no file of records, or another model's.
    """

    def __init__(
        self, path: str | Path, *, resume: bool = False, model: str | None = None, option: str = "path"
    ) -> None:
        self.path, self._name = Path(path), f"{option} {path}"
        self._done: set[str] = set()
        self._file: FileIO | None = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = FileIO(self.path, "ab")
            self._regular = self.path.is_file()
            _lock(self._file, self._name)
            if resume:
                self._end = self._read_back(model)
            if self._regular:
                self._file.truncate(self._end if resume else 0)
            self._end = self._end if resume else 0
        except OSError as error:
            self._abandon()
            raise self._unwritable(error) from None
        except ArgumentError:
            self._abandon()
            raise
        self.count = len(self._done)

    def __contains__(self, path: str | os.PathLike[str]) -> bool:
        """Whether the file held this picture when it was opened."""
        return bool(self._done) and same_path(path) in self._done

    def write(self, record: Mapping[str, Any]) -> None:
        """Append a record, at once.

        Raises:
            ArgumentError: it cannot be written, or the file is closed.
        """
        if self._file is None:
            raise ArgumentError(f"{self._name}: is closed")
        data = memoryview(f"{line(record)}\n".encode("ascii"))
        sent = 0
        try:
            while sent < len(data):
                sent += self._file.write(data[sent:]) or 0
        except BaseException as error:  # Ctrl-C, too
            self._take_back()
            if isinstance(error, OSError):
                raise self._unwritable(error) from None
            raise
        self._end += len(data)

    def close(self) -> None:
        """Close the file; nothing waits to be written."""
        if self._file is not None:
            file, self._file = self._file, None
            try:
                file.close()
            except OSError as error:
                raise self._unwritable(error) from None

    def __enter__(self) -> JsonLines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read_back(self, model: str | None) -> int:
        """Fill in what is done; returns where the last whole line ends."""
        if not self._regular:
            raise ArgumentError(f"{self._name}: is no regular file, so that nothing can be resumed")
        end = 0
        with self.path.open("rb") as stream:
            for number, text in enumerate(stream, 1):
                if not text.endswith(b"\n"):
                    break
                self._done.add(same_path(self._path_of(text, number, model)))
                end += len(text)
        return end

    def _path_of(self, text: bytes, number: int, model: str | None) -> str:
        try:
            found = json.loads(text)
            path, wrote = found["path"], found["model"]
        except (ValueError, KeyError, TypeError, RecursionError):
            path = wrote = None
        if not isinstance(path, str):
            raise ArgumentError(f"{self._name}: line {number} is no record of a picture: name another file")
        if model is not None and wrote != model:
            raise ArgumentError(f"{self._name}: was written by the model {wrote}, not {model}: name another file")
        return path

    def _take_back(self) -> None:
        if self._file is not None and self._regular:
            try:
                self._file.truncate(self._end)
            except OSError:
                return  # the next run drops the half line

    def _abandon(self) -> None:
        if self._file is not None:
            self._file.close()

    def _unwritable(self, error: OSError) -> ArgumentError:
        return ArgumentError(f"{self._name}: cannot be written ({error.strerror or error})")


def _lock(file: FileIO, name: str) -> None:
    """Refuse a file that another run is writing to; where files cannot be locked, take it on trust."""
    try:
        import fcntl  # not on Windows
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ArgumentError(f"{name}: another run is writing to it: wait for it, or name another file") from None
    except OSError:  # a file system without locks
        return
