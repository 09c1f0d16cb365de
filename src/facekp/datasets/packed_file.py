"""The file of a packed cache: pixels one after the other, then the labels as arrays, then a JSON index.

====================== =====================================================================================
header, 48 bytes       magic, version, its own length, where the labels start, the index's length, the file's
                       length, CRC-32 of labels and index, CRC-32 of the header
pixels                 raw bytes, face after face, without gaps; each face's CRC-32 stands among the labels
labels                 little-endian arrays, each at a multiple of 64 bytes
index                  JSON: what the labels are (``arrays``: dtype, shape, place) and what the set is
====================== =====================================================================================

Every byte is under one of the checksums, so that no single damaged byte goes unnoticed (a CRC-32 sees every change
of up to 32 bits in a row).
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError, DatasetError

__all__ = ["AGAIN", "VERSION", "PackFile", "PackWriter"]

Array = npt.NDArray[Any]

MAGIC = b"\x89FKP\r\n\x1a\n"  # as PNG's: a transfer as text damages it
VERSION = 1
AGAIN = "run  facekp pack  again"
_HEADER = struct.Struct("<8sIIQQQII")
_ALIGN = 64


class PackWriter:
    """Writes a file beside its place, and renames it when it is whole.

    As a context: what is left of it without :meth:`finish` is removed.

    Raises:
        ArgumentError: something else than a packed cache stands in the place.
        DatasetError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._at = _HEADER.size
        try:
            self.path = path
            _check_place(path)
            self._part = path.with_name(f"{path.name}.part")
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._part.open("wb")
            self._file.write(bytes(_HEADER.size))  # no magic: a half-written file is none of ours
        except OSError as error:
            raise self._failed(error) from None

    def __enter__(self) -> PackWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):  # a full disk: the first error says so
            self._file.close()
        self._part.unlink(missing_ok=True)

    def append(self, pixels: Array) -> tuple[int, int]:
        """Write one face's pixels, uint8; returns where they stand and their CRC-32."""
        start, data = self._at, np.ascontiguousarray(pixels, np.uint8).reshape(-1).data
        self._write(data)
        return start, zlib.crc32(data)

    def finish(self, arrays: Mapping[str, Array], index: Mapping[str, Any]) -> None:
        """Write labels and index, the header last, and put the file in its place."""
        tail, crc, places = self._at, 0, {}
        for name, array in arrays.items():
            gap = bytes(-self._at % _ALIGN)
            little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
            places[name] = [little.dtype.str, list(little.shape), self._at + len(gap)]
            crc = self._write(little.tobytes(), self._write(gap, crc))
        text = json.dumps({**index, "arrays": places}).encode("ascii")
        crc = self._write(text, crc)
        header = _HEADER.pack(MAGIC, VERSION, _HEADER.size, tail, len(text), self._at, crc, 0)
        header = header[:-4] + struct.pack("<I", zlib.crc32(header[:-4]))
        try:
            self._file.seek(0)
            self._file.write(header)
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._part.replace(self.path)
        except OSError as error:
            raise self._failed(error) from None

    def _write(self, data: bytes | memoryview, crc: int = 0) -> int:
        try:
            self._file.write(data)
        except OSError as error:
            raise self._failed(error) from None
        self._at += len(data)
        return zlib.crc32(data, crc)

    def _failed(self, error: OSError) -> DatasetError:
        return DatasetError(f"{self.path}: cannot be written ({error.strerror or error})")


def _check_place(path: Path) -> None:
    """Only a packed cache (or an empty file) is overwritten."""
    if path.is_dir():
        raise ArgumentError(f"{path}: is a directory; name a file, such as {path / 'train.fkp'}")
    if path.exists():
        if not path.is_file():  # a pipe would be waited for
            raise ArgumentError(f"{path}: is a device, a pipe or a socket; name a file")
        with path.open("rb") as file:
            if file.read(len(MAGIC)) not in (MAGIC, b""):
                raise ArgumentError(f"{path}: it is there already and is no packed cache; remove it or name a new file")


class PackFile:
    """A whole file, mapped into memory and not read but for labels and index.

    Attributes:
        path: the file.
        memory: all its bytes ``(L,)`` uint8, read-only.
        arrays: the labels, views into it.
        index: the JSON object.
        labels_at: where the labels start, and so where the pixels end.
        stamp: the CRC-32 of labels and index: another file, another stamp.

    Raises:
        DatasetError: it cannot be read, is of another kind or a newer version, is cut off or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.memory = path, _mapped(path)
        self.labels_at, length, self.stamp = _header(path, self.memory)
        if zlib.crc32(self.memory[self.labels_at :].data) != self.stamp:
            raise DatasetError(f"{path}: its labels are damaged (checksum): {AGAIN}")
        try:
            self.index: dict[str, Any] = json.loads(self.memory[len(self.memory) - length :].tobytes())
            self.arrays = {name: self._array(*place) for name, place in self.index["arrays"].items()}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DatasetError(f"{path}: its index is not that of a packed cache ({error}): {AGAIN}") from None

    def _array(self, kind: str, shape: list[int], start: int) -> Array:
        count = int(np.prod(shape, dtype=np.int64))
        array: Array = np.frombuffer(self.memory, kind, count, start).reshape(shape)
        return array


def _mapped(path: Path) -> Array:
    try:
        if path.stat().st_size == 0:
            raise DatasetError(f"{path}: is empty: {AGAIN}")
        # A plain view: slices of np.memmap cost several times as much.
        return np.asarray(np.memmap(path, np.uint8, "r"))
    except OSError as error:
        raise DatasetError(f"{path}: cannot read this packed cache ({error.strerror or error})") from None


def _header(path: Path, memory: Array) -> tuple[int, int, int]:
    """Where the labels start, the index's length, and the checksum of both."""
    head = memory[: _HEADER.size].tobytes()
    if not head.startswith(MAGIC[: len(head)]):
        raise DatasetError(f"{path}: is not a packed cache of facekp (or its start is damaged): {AGAIN}")
    if len(head) < _HEADER.size:
        raise DatasetError(f"{path}: is cut off, only {len(memory)} bytes are there: {AGAIN}")
    _, version, _, labels, index, length, crc, own = _HEADER.unpack(head)
    if version > VERSION:
        raise DatasetError(
            f"{path}: is of format {version}, this facekp reads {VERSION}: update facekp, or {AGAIN} with this one"
        )
    if zlib.crc32(head[:-4]) != own or version < 1:
        raise DatasetError(f"{path}: its header is damaged (checksum): {AGAIN}")
    if length != len(memory):
        state = "is cut off" if length > len(memory) else "has more than belongs to it"
        raise DatasetError(f"{path}: {state}, {len(memory):,} bytes of {length:,}: {AGAIN}")
    return labels, index, crc
