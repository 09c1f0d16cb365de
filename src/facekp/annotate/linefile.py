"""A file that grows by whole lines, whatever ends a run."""

from __future__ import annotations

from io import FileIO
from pathlib import Path
from types import TracebackType

from ..errors import ArgumentError

__all__ = ["LineFile"]


class LineFile:
    """A file, begun anew or appended to, in which at any moment all lines but the last are whole.

    What cannot be written whole, because the disk is full or somebody pressed Ctrl-C, is taken back.

    Args:
        path: the file; made with its folders where it is missing.
        resume: keep what the file holds, up to where :meth:`_read_back` says, and append.
        option: how errors name the file's argument.

    Raises:
        ArgumentError: the file cannot be written, or another run is writing to it.
    """

    def __init__(self, path: str | Path, *, resume: bool = False, option: str = "path") -> None:
        self.path, self._name = Path(path), f"{option} {path}"
        self._file: FileIO | None = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = FileIO(self.path, "ab")
            self._regular = self.path.is_file()
            _lock(self._file, self._name)
            self._end = self._read_back() if resume else 0
            if self._regular:
                self._file.truncate(self._end)
        except OSError as error:
            self._abandon()
            raise self._unwritable(error) from None
        except ArgumentError:
            self._abandon()
            raise
        except ValueError as error:  # a NUL in the name
            self._abandon()
            raise ArgumentError(f"{option} {str(path)!r}: cannot be written ({error})") from None

    def close(self) -> None:
        """Close the file; nothing waits to be written."""
        if self._file is not None:
            file, self._file = self._file, None
            try:
                file.close()
            except OSError as error:
                raise self._unwritable(error) from None

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read_back(self) -> int:
        """Where the last whole line ends; the rest is dropped."""
        raise NotImplementedError

    def _append(self, text: bytes) -> None:
        """Whole lines go to the end of the file at once, or not at all."""
        if self._file is None:
            raise ArgumentError(f"{self._name}: is closed")
        data = memoryview(text)
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
