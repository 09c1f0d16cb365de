"""Where ``facekp detect`` writes its records: JSON Lines in a file or on standard output, Parquet files, or nowhere."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from .. import annotate
from ..errors import ArgumentError
from .drawings import identity
from .inputs import Picture
from .screen import Screen

__all__ = ["Records", "Target", "opened"]


class Records(Protocol):
    """What takes records, and knows the pictures of earlier ones."""

    def __contains__(self, path: str | os.PathLike[str], /) -> bool: ...
    def write(self, record: Mapping[str, Any], /) -> None: ...


@dataclass(frozen=True, slots=True)
class Target:
    """What the command line says of it.

    Attributes:
        json: a file, ``"-"`` or None.
        parquet: a folder or None.
        resume: go on with what is there.
        shard: which share of the pictures is written.

    Raises:
        ArgumentError: the options contradict each other.
    """

    json: str | None
    parquet: Path | None
    resume: bool
    shard: annotate.Shard

    def __post_init__(self) -> None:
        if self.json is not None and self.parquet is not None:
            raise ArgumentError("--json and --parquet: give one of them")
        if self.resume and (self.json or "-") == "-" and self.parquet is None:
            raise ArgumentError("--resume needs --json FILE or --parquet DIR, which holds what is done")

    def check(self, pictures: Sequence[Picture]) -> None:
        """Refuse to write over one of the pictures.

        Raises:
            ArgumentError: the file is a picture, or a link to one.
        """
        if self.json in (None, "-"):
            return
        path = Path(str(self.json))
        if identity(path) in {identity(p.path) for p in pictures} or _linked(path, pictures):
            raise ArgumentError(f"--json {path}: is one of the pictures; name another file, or - for standard output")


def _linked(path: Path, pictures: Sequence[Picture]) -> bool:
    """Whether a file has another name (a hard link), and that is a picture's."""
    there = _stat(path)
    if there is None or there.st_nlink < 2:
        return False
    return any((found := _stat(p.path)) is not None and os.path.samestat(found, there) for p in pictures)


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (OSError, ValueError):
        return None


@contextmanager
def opened(target: Target, model: str, screen: Screen) -> Iterator[Records]:
    """What takes the records.

    Raises:
        ArgumentError: it cannot be written, or holds what cannot be resumed.
        MissingExtraError: pyarrow is not installed.
    """
    if target.parquet is not None:
        options: dict[str, Any] = {
            "shard": target.shard,
            "resume": target.resume,
            "model": model,
            "option": "--parquet",
        }
        with annotate.ParquetParts(target.parquet, **options) as parts:
            yield parts
    elif target.json in (None, "-"):
        yield _Shown(screen if target.json else None)
    else:
        with annotate.JsonLines(str(target.json), resume=target.resume, model=model, option="--json") as lines:
            yield lines


@dataclass(frozen=True, slots=True)
class _Shown:
    """Records on standard output, or nowhere (None)."""

    screen: Screen | None

    def __contains__(self, path: str | os.PathLike[str], /) -> bool:
        return False

    def write(self, record: Mapping[str, Any], /) -> None:
        if self.screen is not None:
            self.screen.say(annotate.line(record))
