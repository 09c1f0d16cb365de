"""Which pictures a command line means."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .. import image as images
from ..errors import ImageError

__all__ = ["Picture", "Pictures", "find"]


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture to be read.

    Attributes:
        path: the file, as the user would write it.
        place: its name, with the folders that lie between it and the directory that was given.
    """

    path: Path
    place: Path


@dataclass(slots=True)
class Pictures:
    """The pictures, each once, and what was asked for in vain."""

    found: list[Picture] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def find(inputs: Sequence[str], *, recursive: bool = False, skip: Path | None = None) -> Pictures:
    """The pictures that files, directories and glob patterns stand for.

    A directory means the files in it whose names end like a picture's, sorted; a
    pattern, where the shell has left it alone, means what the shell would have made of it.

    Args:
        inputs: what the user wrote.
        recursive: look into the directories of directories, too.
        skip: a directory that is not looked into (where the drawings go).
    """
    result, seen = Pictures(), set()
    for text in _expanded(inputs, result.problems):
        if os.path.isdir(text):  # noqa: PTH112  (Path.is_dir raises for a name that is too long)
            found = list(_inside(Path(text), recursive, skip, result.problems))
        elif os.path.lexists(text):
            found = [Picture(Path(text), Path(Path(text).name))]
        else:
            found = []
            result.problems.append(_why_not(text))
        for picture in found:
            key = os.path.abspath(picture.path)  # noqa: PTH100  (Path.absolute keeps "..")
            if key not in seen:
                seen.add(key)
                result.found.append(picture)
    return result


def _expanded(inputs: Sequence[str], problems: list[str]) -> Iterator[str]:
    for text in inputs:
        if os.path.lexists(text) or not glob.has_magic(text) or "://" in text:
            yield text
            continue
        matches = sorted(glob.glob(text, recursive=True))  # noqa: PTH207  (Path.glob takes no absolute pattern)
        if not matches:
            problems.append(f"{images.describe(text)}: no file matches this pattern")
        yield from matches


def _inside(folder: Path, recursive: bool, skip: Path | None, problems: list[str]) -> Iterator[Picture]:
    def note(error: OSError) -> None:
        problems.append(f"{images.describe(error.filename)}: cannot be listed: {error.strerror}")

    avoided = None if skip is None else skip.resolve()
    count = 0
    for parent, folders, names in os.walk(folder, onerror=note):
        inner = [f for f in sorted(folders) if Path(parent, f).resolve() != avoided] if recursive else []
        folders[:] = inner
        for name in sorted(names):
            if images.is_image_path(name):
                path = Path(parent, name)
                count += 1
                yield Picture(path, path.relative_to(folder))
    if not count:
        hint = "" if recursive else "; --recursive looks into its directories"
        problems.append(f"{images.describe(folder)}: no picture in this directory{hint}")


def _why_not(text: str) -> str:
    """What image.read says about a path that is not there: it knows about URLs, and where it looked."""
    try:
        images.read(text)
    except ImageError as error:
        return str(error)
    return f"{images.describe(text)}: appeared while it was looked for; try again"
