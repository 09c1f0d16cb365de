"""What every reader shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import overload

from ..errors import DatasetError
from ..sample import Sample
from ..schema import KeypointSchema

__all__ = ["SampleSet", "numbers", "read_text"]


class SampleSet(Sequence[Sample]):
    """Labelled faces in a fixed order; pictures are read when asked for.

    Args:
        samples: the faces, all with this schema.
        schema: what their points are.
        name: for messages and reports.
    """

    def __init__(self, samples: Sequence[Sample], schema: KeypointSchema, name: str) -> None:
        self.samples, self.schema, self.name = list(samples), schema, name

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
