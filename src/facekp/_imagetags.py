"""The two containers that carry a picture's orientation: TIFF directories (EXIF is one) and AVIF boxes."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["CUT", "Header", "HeaderError", "avif", "exif_orientation", "tiff"]

CUT = "is cut short"


class HeaderError(ValueError):
    """The file is damaged; the text goes on from "this PNG file ..."."""


@dataclass(frozen=True)
class Header:
    """What is known before decoding.

    Attributes:
        size: ``(H, W)`` as stored.
        orientation: the EXIF orientation, 1-8, that cv2 leaves to be undone.
        white: the value of white in the decoded array, where it is not its type's largest.
        premultiplied: the decoder gives colours that are multiplied by alpha already.
    """

    size: tuple[int, int]
    orientation: int = 1
    white: int | None = None
    premultiplied: bool = False


# ---------------------------------------------------------------- TIFF and EXIF

_WIDTH, _HEIGHT, _ORIENTATION = 256, 257, 274
_STRIPS, _TILES = (273, 279), (324, 325)  # where the pixels are: offsets, byte counts
_TAGS = {_WIDTH, _HEIGHT, _ORIENTATION, *_STRIPS, *_TILES}
_TYPES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}


def exif_orientation(exif: bytes) -> int:
    """The orientation in a block of EXIF data; 1 where it has none or makes no sense."""
    try:
        value = _directory(exif.removeprefix(b"Exif\0\0")).get(_ORIENTATION, [1])[0]
    except (struct.error, HeaderError):
        return 1
    return value if 1 <= value <= 8 else 1


def tiff(data: bytes) -> Header:
    """A TIFF or BigTIFF file: its first picture."""
    tags = _directory(data)
    if _WIDTH not in tags or _HEIGHT not in tags:
        raise HeaderError("does not say its size")
    for offsets, counts in (_STRIPS, _TILES):
        for offset, count in zip(tags.get(offsets, []), tags.get(counts, []), strict=False):
            if offset + count > len(data):
                raise HeaderError(CUT)
    # libtiff undoes the orientation itself, and multiplies by alpha.
    return Header((tags[_HEIGHT][0], tags[_WIDTH][0]), premultiplied=True)


def _directory(data: bytes) -> dict[int, list[int]]:
    """The tags of a TIFF file's first directory, as far as they are of use here."""
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    word, entry, inline = ("Q", 20, 8) if big else ("I", 12, 4)
    start = struct.unpack_from(order + word, data, 8 if big else 4)[0]
    if start > len(data):  # struct would take a huge offset for a negative one
        raise HeaderError(CUT)
    count = struct.unpack_from(order + ("Q" if big else "H"), data, start)[0]
    start += 8 if big else 2
    tags: dict[int, list[int]] = {}
    for at in range(start, start + min(count, 4096) * entry, entry):
        tag, kind, n = struct.unpack_from(f"{order}HH{word}", data, at)
        if tag not in _TAGS or kind not in _TYPES or n == 0:
            continue
        where, length = at + entry - inline, struct.calcsize(_TYPES[kind]) * n
        if length > inline:
            where = struct.unpack_from(order + word, data, where)[0]
        if where + length > len(data):
            raise HeaderError(CUT)
        tags[tag] = list(struct.unpack_from(f"{order}{n}{_TYPES[kind]}", data, where))
    return tags


# ---------------------------------------------------------------- AVIF

# By mirror axis (None: no mirror), for 0 to 3 anticlockwise quarter turns; ISO/IEC 23008-12, 6.5.10 and 6.5.12.
_TURNED: dict[int | None, tuple[int, int, int, int]] = {None: (1, 8, 3, 6), 0: (4, 5, 2, 7), 1: (2, 7, 4, 5)}


def avif(data: bytes) -> Header:
    """An AVIF file: the properties of its primary item (cv2 leaves their rotation undone)."""
    size, turn, axis, depth = (0, 0), 0, None, 8
    for kind, body in _primary_properties(data):
        if kind == b"ispe":
            width, height = struct.unpack_from(">II", body, 4)
            size = (height, width)
        elif kind == b"av1C":
            depth = 8 + 2 * (body[2] >> 6 & 1) + 2 * (body[2] >> 5 & 1)
        elif kind == b"irot":
            turn = body[0] & 3
        elif kind == b"imir":
            axis = body[0] & 1
    if size == (0, 0):
        raise HeaderError("does not say its size")
    return Header(size, _TURNED[axis][turn], white=(1 << depth) - 1 if depth > 8 else None)


def _primary_properties(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    whole = dict(_boxes(data))  # to the last one, so that a file that is cut short is found out
    boxes = dict(_boxes(whole.get(b"meta", b"")[4:]))
    pitm = boxes.get(b"pitm", b"")
    primary = int.from_bytes(pitm[4:], "big")
    iprp = dict(_boxes(boxes.get(b"iprp", b"")))
    properties = list(_boxes(iprp.get(b"ipco", b"")))
    for index in _associations(iprp.get(b"ipma", b"")).get(primary, []):
        if 1 <= index <= len(properties):
            yield properties[index - 1]


def _associations(ipma: bytes) -> dict[int, list[int]]:
    """Item number → the numbers of its properties, from 1."""
    if len(ipma) < 8:
        return {}
    item_code, wide = (">I" if ipma[0] else ">H"), ipma[3] & 1
    found: dict[int, list[int]] = {}
    at = 8
    for _ in range(min(int.from_bytes(ipma[4:8], "big"), 4096)):
        item = struct.unpack_from(item_code, ipma, at)[0]
        at += struct.calcsize(item_code)
        count, at = ipma[at], at + 1
        codes = struct.unpack_from(f">{count}{'H' if wide else 'B'}", ipma, at)
        at += struct.calcsize(f">{count}{'H' if wide else 'B'}")
        found[item] = [code & (0x7FFF if wide else 0x7F) for code in codes]
    return found


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The boxes that follow each other in ``data``: four-letter kind and content."""
    at = 0
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if length == 1:
            length, head = struct.unpack_from(">Q", data, at + 8)[0], 16
        elif length == 0:  # until the end
            length = len(data) - at
        if length < head or at + length > len(data):
            raise HeaderError(CUT)
        yield kind, data[at + head : at + length]
        at += length
