"""JSON Lines that survive whatever ends a run."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ArgumentError
from .linefile import LineFile
from .shard import Done, line

__all__ = ["JsonLines"]


class JsonLines(LineFile):
    """A file of one JSON object a line, whole at any moment but for the last line.

    A line that cannot be written whole, because the disk is full or somebody pressed Ctrl-C, is taken back.  Of a
    process that was killed, half a line may be left: it is dropped when the file is resumed.

    Args:
        path: the file; made with its folders where it is missing.
        resume: keep what the file holds and append; else begin anew.
        model: the model that will write; resuming what another wrote is refused.  None: any.
        weights: the SHA-256 of its weights, which is recorded; resuming what others of that name wrote is refused.
        option: how errors name the file's argument.

    Attributes:
        count: pictures that the file held already.

    Raises:
        ArgumentError: the file cannot be written, another run is writing to it, or what is to be resumed is
            no file of records, or another model's.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        resume: bool = False,
        model: str | None = None,
        weights: str | None = None,
        option: str = "path",
    ) -> None:
        self._done = Done(Path(path).parent, f"{option} {path}", model, weights)
        super().__init__(path, resume=resume, option=option)
        self.count = len(self._done)

    def __contains__(self, path: str | os.PathLike[str]) -> bool:
        """Whether the file held this picture when it was opened."""
        return path in self._done

    def __enter__(self) -> JsonLines:
        return self

    def write(self, record: Mapping[str, Any]) -> None:
        """Append a record, at once, with ``weights``, and ``base``, from which a relative path counts.

        Raises:
            ArgumentError: it cannot be written, or the file is closed.
        """
        whole = {**record, **self._done.extras(str(record["path"]))}
        self._append(f"{line(whole)}\n".encode("ascii"))

    def _read_back(self) -> int:
        """Fill in what is done; returns where the last whole line ends."""
        if not self._regular:
            raise ArgumentError(f"{self._name}: is no regular file, so that nothing can be resumed")
        end = 0
        with self.path.open("rb") as stream:
            for number, text in enumerate(stream, 1):
                if not text.endswith(b"\n"):
                    break
                self._take(text, number)
                end += len(text)
        self._done.check()
        return end

    def _take(self, text: bytes, number: int) -> None:
        try:
            found = json.loads(text)
            path, wrote = found["path"], found["model"]
            base, weights = found.get("base"), found.get("weights")
        except (ValueError, KeyError, TypeError, RecursionError):
            path = wrote = base = weights = None
        if not isinstance(path, str):
            raise ArgumentError(f"{self._name}: line {number} is no record of a picture: name another file")
        self._done.add(path, base, wrote, weights)
