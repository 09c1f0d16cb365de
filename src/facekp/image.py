"""Anything a person calls an image becomes one array: ``(H, W, 3)`` RGB uint8, upright.

:func:`read` takes a path, encoded bytes, an open file, a PIL image, a numpy
array or a torch tensor.  Neither PIL nor torch is imported for it: an object
can only be theirs if its owner has imported them already.

What is done to a picture on the way:

* EXIF orientation is applied, so what looks upright in a viewer is upright here.
* Transparency is laid over white (the colours under transparent pixels are arbitrary).
* 16 bits become 8 by rounding ``v / 257``; floats in [0, 1] by rounding ``255 v``.
* Grey becomes three equal channels; of an animation the first frame is taken; colour profiles are not applied.

Nothing here keeps state: any number of threads may read at once.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from . import _imageheader as headers
from ._imagevalues import to_rgb8, upright
from .errors import ArgumentError, ImageError

__all__ = ["MAX_PIXELS", "SUFFIXES", "describe", "is_image_path", "read", "size"]

Array = npt.NDArray[Any]

SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .png .apng .webp .bmp .dib .tif .tiff .gif .avif .pbm .pgm .ppm .pnm".split()  # noqa: SIM905
)
"""The file name endings, in lower case, that :func:`is_image_path` takes for pictures."""

MAX_PIXELS = 178_956_970
"""The largest picture that :func:`read` decodes unasked: 512 MiB of RGB, as in Pillow."""

_KNOWN = f"{', '.join(list(headers.FORMATS)[:-1])} and {list(headers.FORMATS)[-1]}"
_URL = re.compile(r"[A-Za-z][\w+.\-]+://|(https?|ftp|file|s3|gs):/|data:[\w.+\-/]*[;,]")


def read(source: Any, *, color: str = "rgb", max_pixels: int = MAX_PIXELS) -> Array:
    """Read a picture.

    Args:
        source: one of

            * a path (``str`` or ``Path``; any characters),
            * an encoded file as ``bytes``, ``bytearray`` or ``memoryview``, or a file opened in binary mode,
            * a PIL image of any mode,
            * a numpy array ``(H, W)``, ``(H, W, 1)``, ``(H, W, 3)`` or ``(H, W, 4)``,
            * a torch tensor ``(H, W)``, ``(1, H, W)``, ``(3, H, W)`` or ``(4, H, W)``, on any device.

            Arrays and tensors are uint8, uint16 or bool, or float in [0, 1].
        color: channel order of an array or tensor: ``"rgb"`` (RGBA) or ``"bgr"`` (BGRA; what cv2 gives).
            Files and PIL images know their own order, and are not touched by it.
        max_pixels: refuse files and PIL images with more pixels than this, before they are decoded.

    Returns:
        ``(H, W, 3)`` RGB uint8, C-contiguous, writeable, upright.  An array that is all of this
        already is not copied; do not write into what you get.

    Raises:
        ImageError: the picture is missing, damaged, too large or no picture; the message names it.
        ArgumentError: ``color`` is neither ``"rgb"`` nor ``"bgr"``.
    """
    if color not in ("rgb", "bgr"):
        raise ArgumentError(f"color: expected 'rgb' or 'bgr', got {color!r}")
    name = describe(source)
    if isinstance(source, np.ndarray):
        return _from_array(source, name, color)
    if isinstance(source, (str, os.PathLike)):
        return _decode(_read_path(source, name), name, max_pixels)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _decode(_as_bytes(source, name), name, max_pixels)
    if _is_a(source, "torch", "Tensor"):
        return _from_tensor(source, name, color)
    if _is_a(source, "PIL.Image", "Image"):
        return _from_pil(source, name, max_pixels)
    if callable(getattr(source, "read", None)):
        return _decode(_read_file(source, name), name, max_pixels)
    expected = "a path, encoded bytes, an open file, a PIL image, a numpy array or a torch tensor"
    raise ImageError(f"{name}: not an image: expected {expected}")


def size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """The size ``(H, W)`` that :func:`read` would give this file, from its header: nothing is decoded.

    Raises:
        ImageError: there is no such file, it is cut short, or it is no picture; the message names it.
    """
    name = describe(path)
    _, header = _header(_read_path(path, name), name)
    return header.size[::-1] if header.orientation >= 5 else header.size


def is_image_path(path: str | os.PathLike[str]) -> bool:
    """Whether a file's name looks like a picture's (its ending is in :data:`SUFFIXES`); nothing is opened.

    ``._photo.jpg`` does not: macOS leaves such files beside the pictures on foreign disks.
    """
    path = Path(path)
    return path.suffix.lower() in SUFFIXES and not path.name.startswith("._")


def describe(source: Any) -> str:
    """How messages name a source: its path where it has one, else ``<bytes>``, ``<array>`` and the like."""
    if isinstance(source, (str, os.PathLike)):
        return _printable(os.fspath(source))
    if isinstance(source, np.ndarray):
        return "<array>"
    if isinstance(source, (bytes, bytearray, memoryview)):
        return "<bytes>"
    if _is_a(source, "torch", "Tensor"):
        return "<tensor>"
    if _is_a(source, "PIL.Image", "Image"):
        return _printable(getattr(source, "filename", None)) or "<PIL image>"
    if callable(getattr(source, "read", None)):
        return _printable(getattr(source, "name", None)) or "<file>"
    return f"<{type(source).__name__}>"


def _printable(name: object) -> str:
    """A name cut to a length, without what would upset a terminal or a log; "" where it is no name."""
    if not isinstance(name, (str, bytes, os.PathLike)):
        return ""
    text = os.fsdecode(name)
    if len(text) > 300:
        text = f"{text[:200]}...{text[-90:]}"
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _is_a(source: Any, module: str, kind: str) -> bool:
    """Whether an object is of a class whose module need not be imported to know."""
    owner = getattr(sys.modules.get(module), kind, None)
    return owner is not None and isinstance(source, owner)


# ---------------------------------------------------------------- files


def _read_path(source: str | os.PathLike[str], name: str) -> bytes:
    text = os.fsdecode(source)
    if _URL.match(text):
        raise ImageError(f"{name}: facekp opens no URLs: download the picture and give its path or its bytes")
    path = Path(text)
    try:
        if not text:
            raise ImageError("'': the path is empty: give the path of a picture")
        if path.is_dir():
            raise ImageError(f"{name}: is a directory: give the path of one picture in it")
        if not path.is_file():
            odd = "is a device or a pipe: give its content as bytes"
            raise ImageError(f"{name}: {odd if path.exists() else _missing(path)}")
        with path.open("rb") as file:
            # The first bytes decide whether the rest (a film of 50 GB, say) is read at all.
            start = file.read(headers.SNIFF)
            return start + file.read() if headers.sniff(start) in headers.FORMATS else start
    except (OSError, ValueError) as error:
        raise ImageError(f"{name}: cannot be opened: {_reason(error)}") from None


def _missing(path: Path) -> str:
    """Why there is no file, of which a link may have the name."""
    if not path.is_symlink():
        return f"no such file: {_nearest(path)}"
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            return "is a link that leads round in a circle: mend or remove it"
    return f"is a link that leads nowhere, to {_printable(path.readlink())}: mend or remove it"


def _nearest(path: Path) -> str:
    """What to do about a missing file, from how much of its path exists."""
    if not path.parent.is_dir():
        return f"the directory {_printable(path.parent)} does not exist"
    return "check the name" if path.is_absolute() else f"check the name; it was looked for in {_printable(Path.cwd())}"


def _read_file(source: Any, name: str) -> bytes:
    try:
        data = source.read()
    except Exception as error:  # a stranger's read() may raise anything
        raise ImageError(f"{name}: cannot be read: {_reason(error)}") from error
    if isinstance(data, str):
        raise ImageError(f"{name}: is open in text mode: open it with mode 'rb'")
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise ImageError(f"{name}: its read() gave {type(data).__name__}, expected bytes")
    return _as_bytes(data, name)


def _as_bytes(data: bytes | bytearray | memoryview, name: str) -> bytes:
    try:
        return bytes(data)
    except ValueError as error:  # a memoryview that was released
        raise ImageError(f"{name}: cannot be read: {_reason(error)}") from None


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)


# ---------------------------------------------------------------- encoded pictures


def _header(data: bytes, name: str) -> tuple[str, headers.Header]:
    if not data:
        raise ImageError(f"{name}: is empty (0 bytes): get a fresh copy; if it is a file, seek to its start")
    kind = headers.sniff(data)
    if kind not in headers.FORMATS:
        what = f"is {kind}, which facekp does not read" if kind else "is not a picture"
        raise ImageError(f"{name}: {what}: {_KNOWN} can be read, so convert it to one of them")
    try:
        return kind, headers.parse(data, kind)
    except headers.HeaderError as error:
        raise ImageError(f"{name}: this {kind} file {error}: get a fresh copy") from None


def _decode(data: bytes, name: str, max_pixels: int) -> Array:
    kind, header = _header(data, name)
    _check_size(*header.size, name, max_pixels)
    try:
        # UNCHANGED keeps 16 bits and alpha, and leaves EXIF, which cv2 reads from some formats only, to upright().
        decoded: Array | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except (cv2.error, MemoryError) as error:
        last = str(getattr(error, "err", "") or error or type(error).__name__).strip().splitlines()[-1]
        raise ImageError(f"{name}: {_why_not(kind)} ({last})") from None
    if decoded is None or decoded.size == 0:
        raise ImageError(f"{name}: {_why_not(kind)}")
    rgb = to_rgb8(decoded, name, "bgr", white=header.white, premultiplied=header.premultiplied)
    return upright(rgb, header.orientation)


def _why_not(kind: str) -> str:
    if kind in ("AVIF", "GIF") and not cv2.haveImageWriter(f"x.{kind.lower()}"):
        newer = "convert it to PNG, or install a newer opencv-python-headless"
        return f"OpenCV {cv2.__version__} as installed here has no {kind} decoder: {newer}"
    return f"this {kind} file is damaged, or of a sort that OpenCV {cv2.__version__} cannot decode: convert it to PNG"


def _check_size(height: int, width: int, name: str, max_pixels: int) -> None:
    if height <= 0 or width <= 0:
        raise ImageError(f"{name}: has no pixels ({width} x {height}): get a fresh copy")
    if height * width > max_pixels:
        raise ImageError(
            f"{name}: {width} x {height} is {height * width:,} pixels, over the limit of {max_pixels:,}:"
            " shrink it, or raise max_pixels if you trust its source"
        )


# ---------------------------------------------------------------- objects


def _from_pil(source: Any, name: str, max_pixels: int) -> Array:
    from PIL import ImageOps

    width, height = source.size
    _check_size(height, width, name, max_pixels)
    try:
        upright = ImageOps.exif_transpose(source)
        if not upright.mode.startswith(("I", "F")):  # integers and floats that convert() would clip
            alpha = upright.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in upright.info
            upright = upright.convert("RGBA" if alpha else "RGB")
        array = np.array(upright)
    except Exception as error:  # Pillow's plugins raise whatever a damaged file leads to
        raise ImageError(f"{name}: PIL cannot decode it: {_reason(error)}") from error
    if array.dtype.kind == "i":  # mode I: how Pillow holds 16-bit greys
        if array.min() < 0 or array.max() > 65535:
            raise ImageError(f"{name}: a PIL image of mode {source.mode} must hold 16-bit values, 0 to 65535")
        array = array.astype(np.uint16)
    return to_rgb8(array, name, "rgb")


def _from_tensor(source: Any, name: str, color: str) -> Array:
    shape = tuple(source.shape)
    if len(shape) == 3 and shape[0] not in (1, 3, 4) and shape[2] in (1, 3, 4):
        raise ImageError(f"{name}: shape {shape} has its channels last: pass tensor.permute(2, 0, 1)")
    if len(shape) != 2 and not (len(shape) == 3 and shape[0] in (1, 3, 4)):
        raise ImageError(f"{name}: expected shape (3, H, W) or (1, H, W), got {shape}{_batch(len(shape))}")
    try:
        tensor = source.detach().cpu()
        # numpy has no bfloat16
        array: Array = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    except (RuntimeError, TypeError, NotImplementedError) as error:
        raise ImageError(f"{name}: this tensor has no plain values: {_reason(error)}") from None
    array = array if array.ndim == 2 else array.transpose(1, 2, 0)
    return _from_array(array, name, color)


def _from_array(array: Array, name: str, color: str) -> Array:
    shape = array.shape
    if array.ndim == 3 and shape[2] not in (1, 3, 4) and shape[0] in (1, 3, 4):
        raise ImageError(f"{name}: shape {shape} has its channels first: pass array.transpose(1, 2, 0)")
    if array.ndim != 2 and not (array.ndim == 3 and shape[2] in (1, 3, 4)):
        hint = ": if it is an encoded file, pass array.tobytes()" if array.ndim == 1 else _batch(array.ndim)
        raise ImageError(f"{name}: expected shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), got {shape}{hint}")
    if array.size == 0:
        raise ImageError(f"{name}: has no pixels: its shape is {shape}")
    return to_rgb8(np.asarray(array), name, color)


def _batch(dimensions: int) -> str:
    return ": a batch is passed as a list of its pictures" if dimensions == 4 else ""
