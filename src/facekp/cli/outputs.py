"""Where a verb may write: never over what it reads."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import typer

from ..errors import ArgumentError

__all__ = ["apart", "check", "given", "identity", "linked", "place"]

READ = frozenset(
    ".pts .asf .xml .csv .txt .mat .fkp .yaml .yml .onnx .safetensors .ckpt .db".split()  # noqa: SIM905
)
"""Endings of what is read, besides pictures: labels, recipes, models, studies.  Reports end in .json."""

READ_JSON = frozenset({"config.json", "points.json", "recipe.json", "schema.json", "readme.md"})
"""Files of models, runs and data sets that their endings do not tell from reports."""


def place(text: str) -> Path:
    """A path from the command line; ``Path("")`` would be the working directory."""
    if not text:
        raise typer.BadParameter("is empty: give a name")
    return Path(text)


def given(option: str, name: str | Path) -> None:
    """Refuse an empty name, and what would wait for ever, or is no place for a file.

    Raises:
        ArgumentError: an empty name, a named pipe, a socket or a disk; new and regular files, character devices such
            as /dev/null, and whatever the shell has opened as /dev/stdout or /dev/fd/63 are taken.
    """
    if not str(name):
        raise ArgumentError(f"{option}: its name is empty; name a file")
    path = Path(name)
    there = _stat(path)
    if there is None or stat.S_ISREG(there.st_mode) or stat.S_ISDIR(there.st_mode) or stat.S_ISCHR(there.st_mode):
        return
    if stat.S_ISFIFO(there.st_mode) and path.absolute().parts[1:2] in (("dev",), ("proc",)):
        return  # a pipe of the shell's, which somebody reads; a named one might have no reader
    what = "a named pipe" if stat.S_ISFIFO(there.st_mode) else "neither a file nor a pipe"
    raise ArgumentError(f"{option} {path}: is {what}; name a file")


def check(
    option: str, name: str | Path, reads: Iterable[str | Path | None], *, own: Collection[str] = frozenset()
) -> None:
    """:func:`given`, and refuse to write over what is read.

    A file that is there is refused if it is one of those that are read, or lies in a folder that is read and has the
    ending or name of what is read from folders; by its own name, a link or a hard link.  So a report of yesterday
    can be replaced, wherever it is.

    Args:
        option: for errors.
        name: the file to be written, or ``"-"``.
        reads: the files and folders that are read; what is None or not there is left out.
        own: endings that the written file has itself, so that an earlier one may be replaced.

    Raises:
        ArgumentError: it must not be written.
    """
    if str(name) == "-":
        return
    given(option, name)
    path = Path(name)
    there = _stat(path)
    if there is None or not stat.S_ISREG(there.st_mode):
        return
    for read in reads:
        if read is None or not str(read):
            continue
        if os.path.isdir(read):  # noqa: PTH112  (Path.is_dir raises for a name that is too long)
            if found := next((p for p in _names_in(path, read) if _is_read(p, own)), None):
                raise ArgumentError(
                    f"{option} {path}: {found} is in {read}, which is read, and might be a part of it; "
                    "remove it, or name another file"
                )
        elif identity(path) == identity(read) or linked(path, [read]):
            raise ArgumentError(f"{option} {path}: is read by this command; name another file")


def apart(option: str, targets: Iterable[Path], pictures: Iterable[str | Path | None]) -> None:
    """Refuse to write over one of many pictures.

    Raises:
        ArgumentError: a target is one of them, by its name, a link or a hard link.
    """
    there = {(found.st_dev, found.st_ino): target for target in targets if (found := _stat(target)) is not None}
    for picture in pictures if there else ():
        found = None if picture is None else _stat(Path(picture))
        if found is not None and (target := there.get((found.st_dev, found.st_ino))):
            raise ArgumentError(f"{option} {target}: is one of the pictures that are read; name another folder")


def identity(path: str | Path) -> str:
    """The same text for two paths to one file, also where upper and lower case do not matter."""
    return os.path.realpath(path).casefold()


def linked(path: Path, others: Iterable[str | Path]) -> bool:
    """Whether a file has another name (a hard link), and that is one of the others."""
    there = _stat(path)
    if there is None or there.st_nlink < 2:
        return False
    return any((found := _stat(Path(p))) is not None and os.path.samestat(found, there) for p in others)


def _names_in(path: Path, folder: str | Path) -> Iterator[Path]:
    """The names that a file has in a folder and below it."""
    real = Path(os.path.realpath(path))
    if identity(path).startswith(os.path.join(identity(folder), "")):  # noqa: PTH118  (Path drops a separator)
        yield real
    there = _stat(path)
    if there is not None and there.st_nlink > 1:
        for parent, _, names in os.walk(folder):
            yield from (other for name in names if linked(path, [other := Path(parent, name)]))


def _is_read(path: Path, own: Collection[str]) -> bool:
    from .. import image as images  # late: it imports OpenCV, and every verb imports this module

    ending = path.suffix.lower()
    return path.name.lower() in READ_JSON or (ending in READ | images.SUFFIXES and ending not in own)


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (OSError, ValueError):
        return None
