"""What every reader shares."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from ..errors import DatasetError, unknown_name
from ..sample import Sample
from ..schema import KeypointSchema

__all__ = ["FARTHEST", "SampleSet", "Skipping", "is_file", "numbers", "picture", "points_of", "read_text"]

Array = npt.NDArray[Any]
FARTHEST = 10_000_000
"""No label is so many pixels away: the differences and squares of such numbers are still exact enough."""
log = logging.getLogger(__name__)


class Skipping:
    """What a reader does with a label that is wrong: ``on_error="raise"`` (strict) or ``"skip"``.

    The whole of it, in a reader::

        skipping = Skipping(on_error)
        for line, row in enumerate(rows, 1):
            with skipping.one():                # a DatasetError in here costs this face only
                samples.append(_sample(row, path, line))
        super().__init__(samples, schema, name, skipped=skipping.errors)

    Errors of the whole set (no such folder, damaged XML) are raised outside of :meth:`one`, and so in both modes.

    Attributes:
        errors: what was left out, and why.

    Raises:
        ArgumentError: ``on_error`` is neither of the two.
    """

    def __init__(self, on_error: str = "raise") -> None:
        if on_error not in ("raise", "skip"):
            raise unknown_name("on_error", on_error, ("raise", "skip"))
        self.strict, self.errors = on_error == "raise", list[DatasetError]()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Around the reading of one face: its :class:`DatasetError` goes on, or is put down."""
        try:
            yield
        except DatasetError as error:
            self.put(error)

    def put(self, error: DatasetError) -> None:
        """One face is wrong: raise why, or put it down."""
        if self.strict:
            raise error
        self.errors.append(error)

    def nothing(self, message: str) -> DatasetError:
        """The error of a set without one right face: the message and, of what was left out, the first."""
        return DatasetError(f"{message}; the first of {len(self.errors)}: {self.errors[0]}" if self.errors else message)


class SampleSet(Sequence[Sample]):
    """Labelled faces in a fixed order; pictures are read when asked for.

    Args:
        samples: the faces, all with this schema; a list is copied, another sequence is asked for each face.
        schema: what their points are.
        name: for messages and reports.
        skipped: why a reader left faces out (``on_error="skip"``); one warning counts them and shows the first.
            A part of a set (a slice, :meth:`where`) does not repeat them.
    """

    def __init__(
        self, samples: Sequence[Sample], schema: KeypointSchema, name: str, skipped: Sequence[DatasetError] = ()
    ) -> None:
        self.samples: Sequence[Sample] = list(samples) if isinstance(samples, list) else samples
        self.schema, self.name = schema, name
        self.skipped: list[DatasetError] = list(skipped)
        if skipped:
            log.warning("%s: %d left out, %d read; the first: %s", name, len(skipped), len(self.samples), skipped[0])

    def __len__(self) -> int:
        return len(self.samples)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> SampleSet: ...
    def __getitem__(self, index: int | slice) -> Sample | SampleSet:
        if isinstance(index, slice):
            return SampleSet(self.samples[index], self.schema, self.name)
        return self.samples[index]

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)

    def where(self, keep: Callable[[Sample], bool]) -> SampleSet:
        """The faces for which ``keep`` is true, in the same order."""
        return SampleSet([s for s in self.samples if keep(s)], self.schema, self.name)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {len(self)} faces, schema {self.schema.name})"


def read_text(path: Path, what: str) -> str:
    """A label file's text.

    Raises:
        DatasetError: it cannot be read; the message names it.
    """
    try:
        return path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise DatasetError(f"{path}: cannot read this {what} ({error.strerror or error})") from None


def numbers(words: Sequence[str], path: Path, line: int, count: int) -> list[float]:
    """Exactly ``count`` numbers.

    Raises:
        DatasetError: another count, or a word that is no number; the message names file and line.
    """
    try:
        values = [float(w) for w in words]
    except ValueError:
        raise DatasetError(f"{path}:{line}: expected {count} numbers, found {' '.join(words)[:80]!r}") from None
    if len(values) != count:
        raise DatasetError(f"{path}:{line}: expected {count} numbers, found {len(values)}")
    return values


def is_file(path: Path) -> bool:
    """Whether a file is there; unlike ``Path.is_file``, no error for a name that is too long to be one."""
    return os.path.isfile(path)  # noqa: PTH113


def picture(path: Path, where: str) -> Path:
    """The path of a picture that is there; it is not read yet.

    Args:
        path: the picture.
        where: the label's file and line, for the message.

    Raises:
        DatasetError: there is no such file.
    """
    if not is_file(path):
        raise DatasetError(f"{where}: its picture {str(path)[:300]} is missing")
    return path


def points_of(values: Sequence[float] | Array, where: str) -> Array:
    """``x y x y ...`` as points ``(K, 2)`` float32; NaN twice is a missing one.

    Args:
        values: 2K numbers.
        where: file and line, for the message.

    Raises:
        DatasetError: a number is infinite or beyond :data:`FARTHEST`, or a point has one of its two.
    """
    points = np.asarray(values, np.float64).reshape(-1, 2)
    if (np.abs(points) > FARTHEST).any():
        raise DatasetError(f"{where}: a coordinate is infinite, or beyond {FARTHEST:,} pixels")
    if (half := np.isnan(points).sum(1) == 1).any():
        raise DatasetError(f"{where}: point {int(half.argmax())} (from 0) has x or y, but not both")
    return points.astype(np.float32)
