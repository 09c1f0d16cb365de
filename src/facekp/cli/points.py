"""The ``.pts`` files of ``facekp detect --pts``: one for each face, never over a file that is not its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ArgumentError
from . import drawings, outputs
from .inputs import Picture

if TYPE_CHECKING:
    from ..face import Face

__all__ = ["PointFiles"]


@dataclass(frozen=True, slots=True)
class PointFiles:
    """Where the points of a run go.

    Attributes:
        firsts: the file of each picture's first face; its further ones get a number, from 2.
        replace: whether files that are there are an earlier run's, which this one goes on with.
        taken: the identities of all of ``firsts``.
    """

    firsts: Mapping[Path, Path]
    replace: bool
    taken: frozenset[str]

    @classmethod
    def plan(cls, pictures: Sequence[Picture], folder: Path | None, *, replace: bool) -> PointFiles:
        """Files below ``folder`` for all pictures; none where it is None."""
        firsts = {} if folder is None else drawings.plan(pictures, folder, ".pts")
        return cls(firsts, replace, frozenset(map(outputs.identity, firsts.values())))

    def check(self, pictures: Iterable[Picture]) -> None:
        """Refuse to begin where files of these pictures are there.

        Raises:
            ArgumentError: one is there already, which may be a label that somebody has made by hand.
        """
        for first in () if self.replace else (self.firsts.get(picture.path) for picture in pictures):
            if first is not None and first.exists():
                raise ArgumentError(
                    f"--pts: {first} is there already, and might be a label: remove it, or name another folder"
                )

    def write(self, picture: Path, faces: Sequence[Face]) -> str | None:
        """Write the faces of a picture, in the order in which they were found; returns what went wrong, or None.

        Raises:
            ArgumentError: a file cannot be written.
        """
        from ..datasets.pts import pts_text

        first = self.firsts.get(picture)
        if first is None:
            return None
        for face, target in zip(faces, self._targets(first), strict=False):
            if not self.replace and target.exists():
                return f"{target}: is there already, and might be a label; it is left as it is"
            drawings.write(pts_text(face.keypoints).encode("ascii"), target)
        return None

    def _targets(self, first: Path) -> Iterator[Path]:
        yield first
        for number in count(2):
            target = first.with_name(drawings.numbered(first.stem, f"_{number}.pts"))
            if outputs.identity(target) not in self.taken:
                yield target
