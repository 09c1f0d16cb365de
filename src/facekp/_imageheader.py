"""What an encoded picture says of itself before it is decoded: format, size, orientation, completeness.

A decoder finds out too late that a picture of 60,000 x 60,000 pixels was not
meant well, and some fill what is missing of a cut-off file with grey.  The
functions here read the few bytes that tell.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable

from ._imagetags import CUT, Header, HeaderError, avif, exif_orientation, tiff

__all__ = ["FORMATS", "SNIFF", "Header", "HeaderError", "parse", "sniff"]

SNIFF = 64
"""So many first bytes are enough for :func:`sniff`."""

_SIGNATURES = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"GIF87a", "GIF"),
    (0, b"GIF89a", "GIF"),
    (8, b"WEBPVP8", "WebP"),
    (0, b"BM", "BMP"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"II+\0", "TIFF"),
    (0, b"MM\0+", "TIFF"),
    # What people give and facekp does not read: recognised so that the error can say what it is.
    (4, b"ftyphei", "a HEIC picture"),
    (4, b"ftyphev", "a HEIC picture"),
    (4, b"ftypmif1", "a HEIF picture"),
    (4, b"ftypmsf1", "a HEIF picture"),
    (4, b"ftyp", "a video"),
    (8, b"AVI ", "a video"),
    (0, b"\x1aE\xdf\xa3", "a video"),
    (4, b"jP  ", "a JPEG 2000 picture"),
    (0, b"\xffO\xffQ", "a JPEG 2000 picture"),
    (4, b"JXL ", "a JPEG XL picture"),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (0, b"8BPS", "a Photoshop document"),
    (0, b"%PDF", "a PDF document"),
    (0, b"<svg", "an SVG drawing"),
    (0, b"<?xml", "an XML file"),
    (0, b"<!DOCTYPE", "a web page"),
    (0, b"<html", "a web page"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"version https://git-lfs", "a Git LFS pointer (run  git lfs pull  to get the picture)"),
)


def sniff(data: bytes) -> str:
    """What the first bytes announce: a name in :data:`FORMATS`, what else it is, or ""."""
    if data[4:8] == b"ftyp" and b"avi" in data[8:SNIFF]:
        return "AVIF"
    if re.match(rb"P[1-6][ \t\r\n#]", data):
        return "PNM"
    for offset, signature, kind in _SIGNATURES:
        if data.startswith(signature, offset):
            return kind
    return ""


def parse(data: bytes, kind: str) -> Header:
    """Read the header of a picture whose format :func:`sniff` found.

    Raises:
        HeaderError: the file is cut short or contradicts itself.
    """
    try:
        return FORMATS[kind](data)
    except (struct.error, IndexError):  # there was nothing left to read
        raise HeaderError(CUT) from None


# In JPEG data FF is followed by 0 (a plain FF), a restart number or another FF; anything else is a marker.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def _jpeg(data: bytes) -> Header:
    size, orientation, at = None, 1, 2
    # Segment by segment up to the end marker: the thumbnail in an EXIF segment has one as well.
    while True:
        found = _JPEG_MARKER.search(data, at)
        if found is None:
            raise HeaderError(CUT)
        at = found.end()
        marker = data[at - 1]
        if marker == 0xD9:
            break
        if marker in (0x01, 0xD8):  # they have no content
            continue
        length = struct.unpack_from(">H", data, at)[0]
        if marker in _JPEG_FRAMES and size is None:
            size = struct.unpack_from(">HH", data, at + 3)
        elif marker == 0xE1 and orientation == 1 and data.startswith(b"Exif\0\0", at + 2):
            orientation = exif_orientation(data[at + 2 : at + length])
        at += max(length, 2)
    if size is None:
        raise HeaderError("has no picture in it")
    return Header((size[0], size[1]), orientation)


def _png(data: bytes) -> Header:
    size, orientation, pixels, kind, at = (0, 0), 1, False, b"", 8
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, at)
        if at + 12 + length > len(data):
            raise HeaderError(CUT)
        body = memoryview(data)[at + 8 : at + 8 + length]
        if kind.isupper():  # the chunks that a picture cannot do without
            checksum = struct.unpack_from(">I", data, at + 8 + length)[0]
            if zlib.crc32(body, zlib.crc32(kind)) != checksum:
                raise HeaderError(f"is damaged: a checksum is wrong (chunk {kind.decode('latin-1')})")
        if kind == b"IHDR":
            width, height = struct.unpack_from(">II", body)
            size = (height, width)
        elif kind == b"eXIf":
            orientation = exif_orientation(bytes(body))
        pixels |= kind == b"IDAT"
        at += 12 + length
    if not pixels:
        raise HeaderError("has no picture in it")
    return Header(size, orientation)


def _gif(data: bytes) -> Header:
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at, pixels = 13 + _gif_palette(flags), False
    while data[at] != 0x3B:
        if data[at] == 0x2C:
            at, pixels = at + 11 + _gif_palette(data[at + 9]), True
        elif data[at] == 0x21:
            at += 2
        else:
            raise HeaderError("is damaged")
        while data[at]:  # blocks of up to 255 bytes, each behind its length
            at += data[at] + 1
        at += 1
    if not pixels:
        raise HeaderError("has no picture in it")
    return Header((height, width))


def _gif_palette(flags: int) -> int:
    return 6 << (flags & 7) if flags & 0x80 else 0


def _webp(data: bytes) -> Header:
    end = struct.unpack_from("<I", data, 4)[0] + 8
    if end > len(data):
        raise HeaderError(CUT)
    height = width = 0
    orientation, at = 1, 12
    while at + 8 <= end:
        kind, length = struct.unpack_from("<4sI", data, at)
        at += 8
        if at + length > end:
            raise HeaderError(CUT)
        w = h = 0
        if kind == b"VP8X":
            w, h = (int.from_bytes(data[at + i : at + i + 3], "little") + 1 for i in (4, 7))
        elif kind == b"VP8 ":
            w, h = (v & 0x3FFF for v in struct.unpack_from("<HH", data, at + 6))
        elif kind == b"VP8L":
            bits = struct.unpack_from("<I", data, at + 1)[0]
            w, h = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        elif kind == b"EXIF":
            orientation = exif_orientation(data[at : at + length])
        width, height = max(width, w), max(height, h)
        at += length + (length & 1)
    return Header((height, width), orientation)


def _bmp(data: bytes) -> Header:
    offset, head = struct.unpack_from("<II", data, 10)
    packing = 0
    if head == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
    else:
        width, height, _, bits, packing = struct.unpack_from("<iiHHI", data, 18)
    height = abs(height)  # negative where the rows run downwards
    if packing in (0, 3) and offset + (width * bits + 31) // 32 * 4 * height > len(data):
        raise HeaderError(CUT)
    return Header((height, width))


_GAP = rb"(?:\s|#[^\n]*\n)+"
_PNM = re.compile(rb"P([1-6])" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})(?:" + _GAP + rb"(\d{1,5}))?")


def _pnm(data: bytes) -> Header:
    found = _PNM.match(data)
    if found is None:
        raise HeaderError("does not say its size")
    kind, width, height = int(found[1]), int(found[2]), int(found[3])
    if kind in (1, 4):
        start, length, white = found.end(3) + 1, (width + 7) // 8 * height, None
    elif found[4] is None or not 0 < int(found[4]) < 65536:
        raise HeaderError("does not say how bright white is")
    else:
        start, white = found.end() + 1, int(found[4])
        length = width * height * (3 if kind == 6 else 1) * (2 if white > 255 else 1)
    if kind > 3 and start + length > len(data):
        raise HeaderError(CUT)
    # cv2 stretches values to 255 where they are few and written in digits, and nowhere else.
    return Header((height, width), white=None if kind < 4 and (white or 0) < 256 else white)


FORMATS: dict[str, Callable[[bytes], Header]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "WebP": _webp,
    "BMP": _bmp,
    "TIFF": tiff,
    "GIF": _gif,
    "AVIF": avif,
    "PNM": _pnm,
}
