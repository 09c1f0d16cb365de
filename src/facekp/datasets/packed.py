"""A packed cache: the crops of a set and its labels in one file, mapped into memory."""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, overload
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError, DatasetError, unknown_name
from ..sample import Sample
from ..schema import KeypointSchema
from .base import SampleSet
from .packed_file import AGAIN, PackFile
from .packed_text import from_text

__all__ = ["Packed", "PackedSample", "Packing"]

Array = npt.NDArray[Any]


class Packing(NamedTuple):
    """How a set was packed.

    Attributes:
        side: the longest side of a crop in pixels.
        scale: a crop's side over the face's box; 0 for whole pictures.
    """

    side: int
    scale: float


class PackedSample(Sample):
    """A face of a packed cache.

    :attr:`pixels` is a read-only view of the mapped file, and so is :attr:`image`; points and boxes are in its pixels.
    :attr:`path` is the file of the picture that it was cut from, which need not be there any more.  Pickled, it is a
    reference to the cache, which is opened again.  A copy that ``dataclasses.replace`` makes holds its pixels itself.
    """

    __slots__ = ("_index", "_own", "_pack")

    def __init__(
        self,
        keypoints: Array,
        schema: KeypointSchema,
        path: Path | None = None,
        source_box: Array | None = None,
        subject: str | None = None,
        *,
        pixels: Array | None = None,
        meta: Mapping[str, Any] | None = None,
        pack: _Pack | None = None,
        index: int = 0,
    ) -> None:
        self._pack, self._index = pack, index
        super().__init__(keypoints, schema, path, source_box, subject, pixels, {} if meta is None else meta)

    @property
    def pixels(self) -> Array | None:
        """The crop, ``(H, W, 3)`` RGB uint8; its checksum is compared when it is first read."""
        if self._own is None and self._pack is not None:
            return self._pack.pixels(self._index)
        return self._own

    @pixels.setter
    def pixels(self, value: Array | None) -> None:
        self._own: Array | None = value

    @property
    def packing(self) -> Packing | None:
        """How it was packed; None when it holds other pixels than the cache's."""
        return self._pack.packing if self._own is None and self._pack is not None else None

    @property
    def to_picture(self) -> Array:
        """The 2x3 float64 map from the crop's pixels to those of the picture that it was cut from.

        Raises:
            ArgumentError: it holds other pixels than the cache's: it was transformed.
        """
        if self._own is not None or self._pack is None:
            raise ArgumentError("to_picture: this face was changed after it was unpacked; ask the one of the cache")
        return np.array(self._pack.arrays["matrix"][self._index])

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        labels = (self.keypoints, self.schema, self.path, self.source_box, self.subject)
        return _restored, (labels, self._own, dict(self.meta), self._pack, self._index)


def _restored(
    labels: tuple[Any, ...], pixels: Array | None, meta: dict[str, Any], pack: _Pack | None, index: int
) -> PackedSample:
    return PackedSample(*labels, pixels=pixels, meta=meta, pack=pack, index=index)


class _Pack:
    """An open cache: what :class:`PackedSample` looks into."""

    _open: ClassVar[WeakValueDictionary[tuple[str, int], _Pack]] = WeakValueDictionary()

    def __init__(self, path: Path) -> None:
        file = PackFile(path)
        self.path, self.memory, self.arrays, self.stamp = path, file.memory, file.arrays, file.stamp
        try:
            self.schema = KeypointSchema.from_dict(file.index["schema"])
            self.name = str(file.index["name"])
            self.packing = Packing(int(file.index["side"]), float(file.index["scale"]))
            self.texts = self.arrays["text"].data
            self._check(file.labels_at)
        except (ArgumentError, KeyError, TypeError, ValueError, IndexError) as error:
            raise DatasetError(f"{path}: its labels do not fit together ({error}): {AGAIN}") from None
        self._read = np.zeros(len(self), bool)
        # Absolute: a data loader's worker may have another working directory.
        self._key = (os.path.abspath(path), self.stamp)  # noqa: PTH100  (resolves no links)
        self._open[self._key] = self

    def _check(self, end: int) -> None:
        """The arrays are those that a cache has, and every face's pixels lie where pixels are."""
        count, points = len(self.arrays["start"]), len(self.schema)
        shapes = {"start": (count,), "size": (count, 2), "crc": (count,), "text_end": (count,), "matrix": (count, 2, 3)}
        shapes |= {"keypoints": (count, points, 2), "source_box": (count, 4)}
        wrong = [name for name, shape in shapes.items() if self.arrays[name].shape != shape]
        if wrong:
            raise ValueError(f"{', '.join(wrong)} have another shape than {count} faces of {points} points")
        ends = self.arrays["start"] + self.arrays["size"].prod(1, dtype=np.uint64) * np.uint64(3)
        if (ends > end).any() or int(self.arrays["text_end"][-1]) != len(self.texts):
            raise ValueError("a face lies outside of the file's pixels")

    def __len__(self) -> int:
        return len(self.arrays["start"])

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return _Pack.reopened, self._key

    @classmethod
    def reopened(cls, path: str, stamp: int) -> _Pack:
        """The same cache, in this process perhaps open already."""
        pack = cls._open.get((path, stamp)) or cls(Path(path))
        if pack.stamp != stamp:
            raise DatasetError(f"{path}: was packed anew in the meantime: open it again")
        return pack

    def damaged(self, index: int) -> bool:
        """Whether a face's pixels are not those that were written."""
        return zlib.crc32(self._view(index).data) != int(self.arrays["crc"][index])

    def _view(self, index: int) -> Array:
        start = int(self.arrays["start"][index])
        height, width = (int(v) for v in self.arrays["size"][index])
        return self.memory[start : start + height * width * 3].reshape(height, width, 3)

    def pixels(self, index: int) -> Array:
        """A view of one face's pixels."""
        if not self._read[index]:
            if self.damaged(index):
                raise _damaged(self.path, [index], len(self))
            self._read[index] = True
        return self._view(index)

    def sample(self, index: int) -> PackedSample:
        """One face; its pixels are not touched."""
        first = int(self.arrays["text_end"][index - 1]) if index else 0
        subject, path, meta = from_text(bytes(self.texts[first : int(self.arrays["text_end"][index])]))
        box = np.array(self.arrays["source_box"][index])
        points = np.array(self.arrays["keypoints"][index])
        source = None if np.isnan(box).all() else box
        return PackedSample(points, self.schema, path, source, subject, meta=meta, pack=self, index=index)


def _damaged(path: Path, faces: Sequence[int], count: int) -> DatasetError:
    shown = ", ".join(str(face) for face in faces[:5])
    more = ", ..." if len(faces) > 5 else ""
    what = f"the pixels of {len(faces)} of {count} faces are damaged (checksum; from 0: {shown}{more})"
    return DatasetError(f"{path}: {what}: {AGAIN}, or leave such faces out with on_error='skip'")


class _Faces(Sequence[Sample]):
    """The faces of a cache, each made when it is asked for."""

    def __init__(self, pack: _Pack, rows: Sequence[int]) -> None:
        self.pack, self.rows = pack, rows

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> _Faces: ...
    def __getitem__(self, index: int | slice) -> Sample | _Faces:
        if isinstance(index, slice):
            return _Faces(self.pack, self.rows[index])
        return self.pack.sample(self.rows[index])


class Packed(SampleSet):
    """The faces of a packed cache, which :func:`facekp.datasets.pack` or ``facekp pack`` wrote.

    Nothing is decoded: a face's pixels are a view of the mapped file, ``(H, W, 3)`` RGB uint8 and read-only; its
    points, boxes and schema are in the frame of that crop.  Subject, path and ``meta`` are those of the set that was
    packed; :attr:`PackedSample.to_picture` leads back to its pictures.  Opening checks header and labels, and the
    first look at a face its pixels.  A set (and a face) is pickled as a reference to the file, so that
    data-loader workers share its memory.

    Args:
        path: the file.
        on_error: ``"skip"`` reads the whole file at once and leaves faces with damaged pixels out.

    Raises:
        DatasetError: no such file, another kind of file, a newer version, cut off, or damaged.  Looking at a face whose
            pixels are damaged raises it, too.
    """

    def __init__(self, path: str | Path, *, on_error: str = "raise") -> None:
        if on_error not in ("raise", "skip"):
            raise unknown_name("on_error", on_error, ("raise", "skip"))
        self._pack = _Pack(Path(path))
        rows: Sequence[int] = range(len(self._pack))
        wrong = [i for i in rows if self._pack.damaged(i)] if on_error == "skip" else []
        if wrong:
            rows = sorted(set(rows) - set(wrong))
        skipped = [_damaged(self._pack.path, [i], len(self._pack)) for i in wrong]
        super().__init__(_Faces(self._pack, rows), self._pack.schema, self._pack.name, skipped)

    @property
    def packing(self) -> Packing:
        """How it was packed."""
        return self._pack.packing

    def verify(self) -> None:
        """Read the whole file and compare every checksum.

        Raises:
            DatasetError: pixels are damaged; the message counts the faces and names the first.
        """
        wrong = [i for i in range(len(self._pack)) if self._pack.damaged(i)]
        if wrong:
            raise _damaged(self._pack.path, wrong, len(self._pack))
