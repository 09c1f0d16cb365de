"""Where the drawings of a run go, and how they are written."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError
from .inputs import Picture

__all__ = ["identity", "plan", "save"]

Array = npt.NDArray[Any]
LONGEST = 255  # bytes of a file's name on nearly every file system
JPEG = frozenset({".jpg", ".jpeg", ".jpe", ".jfif"})


def plan(pictures: Iterable[Picture], folder: Path) -> dict[Path, Path]:
    """A file below ``folder`` for the drawing of every picture: its own name, or that name and a number.

    No two pictures get the same file, nor one that differs only in upper and lower case,
    and none gets a picture that is itself to be read.
    """
    pictures = list(pictures)
    taken = {identity(p.path) for p in pictures}
    numbers: dict[Path, int] = {}
    targets = {}
    for picture in pictures:
        suffix = ".jpg" if picture.path.suffix.lower() in JPEG else ".png"
        base = folder / picture.place.with_suffix(suffix)
        target = base
        while identity(target) in taken:
            numbers[base] = numbers.get(base, 1) + 1
            target = base.with_name(_numbered(base.stem, f"-{numbers[base]}{suffix}"))
        taken.add(identity(target))
        targets[picture.path] = target
    return targets


def _numbered(stem: str, end: str) -> str:
    while len(os.fsencode(stem)) > LONGEST - len(end):
        stem = stem[:-1]
    return stem + end


def identity(path: str | Path) -> str:
    """The same text for two paths to one file, also where upper and lower case do not matter."""
    return os.path.realpath(path).casefold()


def save(picture: Array, target: Path) -> str | None:
    """Write an RGB picture, whole or not at all; returns why it could not be encoded, or None.

    Raises:
        ArgumentError: the file cannot be written.
    """
    options = [cv2.IMWRITE_JPEG_QUALITY, 95] if target.suffix == ".jpg" else []
    try:
        done, data = cv2.imencode(target.suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
    except cv2.error as error:
        return str(error.err or error)
    if not done:
        return f"OpenCV cannot encode it as {target.suffix}"
    # Written beside and moved: no half a picture after Ctrl-C, and a link in the folder is replaced, not followed.
    # Its own name could get too long with more at its end.
    partial = target.with_name(f".facekp-{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_bytes(np.asarray(data).tobytes())
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise ArgumentError(f"{target}: cannot be written ({error.strerror or error})") from None
    return None
