"""Where ``facekp detect`` writes its records: JSON Lines or CSV, in a file or on stdout, Parquet, or nowhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from .. import annotate
from ..annotate.shard import weights_of
from ..errors import ArgumentError
from . import outputs
from .inputs import Picture
from .screen import Screen

if TYPE_CHECKING:
    from ..detector import Detector

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
        csv: the same.
        parquet: a folder or None.
        resume: go on with what is there.
        shard: which share of the pictures is written.

    Raises:
        ArgumentError: the options contradict each other.
    """

    json: str | None
    csv: str | None
    parquet: Path | None
    resume: bool
    shard: annotate.Shard

    def __post_init__(self) -> None:
        given = {"--json": self.json, "--csv": self.csv, "--parquet": self.parquet}
        for option in ("--json", "--csv"):
            if given[option] not in (None, "-"):
                outputs.given(option, str(given[option]))
        named = [option for option, value in given.items() if value is not None]
        if len(named) > 1:
            raise ArgumentError(f"{' and '.join(named)}: give one of them")
        if self.resume and self.csv is not None:
            raise ArgumentError(
                "--resume does not go with --csv, which has no row for a picture without a face: use --json FILE"
            )
        if self.resume and (self.json or "-") == "-" and self.parquet is None:
            raise ArgumentError("--resume needs --json FILE or --parquet DIR, which holds what is done")

    @property
    def silent(self) -> bool:
        """Whether no records are asked for."""
        return self.json is None and self.csv is None and self.parquet is None

    @property
    def begun(self) -> bool:
        """Whether this goes on with what an earlier run has left: some picture is on record."""
        if not self.resume:
            return False
        if self.parquet is not None:
            return any(self.parquet.glob("*.parquet"))
        found = _stat(Path(str(self.json)))
        return found is not None and found.st_size > 0

    def check(self, pictures: Sequence[Picture], reads: Iterable[str | Path | None]) -> None:
        """Refuse to write over what is read.

        Args:
            pictures: those that were found.
            reads: what else: folders of pictures with their labels, models.

        Raises:
            ArgumentError: the file is a picture or another file that is read, or a link to one.
        """
        option, name = ("--json", self.json) if self.csv is None else ("--csv", self.csv)
        if name in (None, "-"):
            return
        path = Path(str(name))
        if outputs.identity(path) in {outputs.identity(p.path) for p in pictures} or outputs.linked(
            path, [p.path for p in pictures]
        ):
            raise ArgumentError(f"{option} {path}: is one of the pictures; name another file, or - for standard output")
        outputs.check(option, path, reads, own={".csv"} if self.csv is not None else ())


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (OSError, ValueError):
        return None


@contextmanager
def opened(target: Target, model: Detector, screen: Screen) -> Iterator[Records]:
    """What takes the records.

    Raises:
        ArgumentError: it cannot be written, or holds what cannot be resumed.
        MissingExtraError: pyarrow is not installed.
    """
    common: dict[str, Any] = {"resume": target.resume, "model": model.name, "weights": weights_of(model)}
    if target.parquet is not None:
        with annotate.ParquetParts(target.parquet, shard=target.shard, option="--parquet", **common) as parts:
            yield parts
    elif target.csv == "-":
        screen.say(annotate.csv_header(model.schema))
        yield _Shown(screen, annotate.csv_rows)
    elif target.csv is not None:
        with annotate.CsvRows(target.csv, model.schema, option="--csv") as rows:
            yield rows
    elif target.json in (None, "-"):
        yield _Shown(screen if target.json else None, annotate.line)
    else:
        with annotate.JsonLines(str(target.json), option="--json", **common) as lines:
            yield lines


@dataclass(frozen=True, slots=True)
class _Shown:
    """Records on standard output, or nowhere (None)."""

    screen: Screen | None
    text: Callable[[Mapping[str, Any]], str]

    def __contains__(self, path: str | os.PathLike[str], /) -> bool:
        return False

    def write(self, record: Mapping[str, Any], /) -> None:
        if self.screen is not None and (text := self.text(record)):
            self.screen.say(text)
