"""JSON Lines that survive whatever ends a run."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ArgumentError
from .linefile import LineFile
from .shard import line, same_path

__all__ = ["JsonLines"]


class JsonLines(LineFile):
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
        self._done: set[str] = set()
        self._model = model
        super().__init__(path, resume=resume, option=option)
        self.count = len(self._done)

    def __contains__(self, path: str | os.PathLike[str]) -> bool:
        """Whether the file held this picture when it was opened."""
        return bool(self._done) and same_path(path) in self._done

    def __enter__(self) -> JsonLines:
        return self

    def write(self, record: Mapping[str, Any]) -> None:
        """Append a record, at once.

        Raises:
            ArgumentError: it cannot be written, or the file is closed.
        """
        self._append(f"{line(record)}\n".encode("ascii"))

    def _read_back(self) -> int:
        """Fill in what is done; returns where the last whole line ends."""
        if not self._regular:
            raise ArgumentError(f"{self._name}: is no regular file, so that nothing can be resumed")
        end = 0
        with self.path.open("rb") as stream:
            for number, text in enumerate(stream, 1):
                if not text.endswith(b"\n"):
                    break
                self._done.add(same_path(self._path_of(text, number)))
                end += len(text)
        return end

    def _path_of(self, text: bytes, number: int) -> str:
        try:
            found = json.loads(text)
            path, wrote = found["path"], found["model"]
        except (ValueError, KeyError, TypeError, RecursionError):
            path = wrote = None
        if not isinstance(path, str):
            raise ArgumentError(f"{self._name}: line {number} is no record of a picture: name another file")
        if self._model is not None and wrote != self._model:
            raise ArgumentError(f"{self._name}: was written by the model {wrote}, not {self._model}: name another file")
        return path
