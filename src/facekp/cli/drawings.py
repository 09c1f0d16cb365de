"""Where the drawings and other files of a run go, and how they are written."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError
from .inputs import Picture
from .outputs import identity

__all__ = ["numbered", "plan", "save", "write"]

Array = npt.NDArray[Any]
LONGEST = 255  # bytes of a file's name on nearly every file system
JPEG = frozenset({".jpg", ".jpeg", ".jpe", ".jfif"})


def plan(pictures: Iterable[Picture], folder: Path, suffix: str | None = None) -> dict[Path, Path]:
    """A file below ``folder`` for every picture: its own name, or that name and a number.

    No two pictures get the same file, nor one that differs only in upper and lower case,
    and none gets a picture that is itself to be read.

    Args:
        pictures: what is read.
        folder: where the files go.
        suffix: of the files; None: that of a drawing, ``.jpg`` or ``.png`` as the picture's.
    """
    pictures = list(pictures)
    taken = {identity(p.path) for p in pictures}
    numbers: dict[Path, int] = {}
    targets = {}
    for picture in pictures:
        ending = suffix or (".jpg" if picture.path.suffix.lower() in JPEG else ".png")
        base = folder / picture.place.with_suffix(ending)
        target = base
        while identity(target) in taken:
            numbers[base] = numbers.get(base, 1) + 1
            target = base.with_name(numbered(base.stem, f"-{numbers[base]}{ending}"))
        taken.add(identity(target))
        targets[picture.path] = target
    return targets


def numbered(stem: str, end: str) -> str:
    """A file's name, its stem cut where it would get too long."""
    while len(os.fsencode(stem)) > LONGEST - len(end):
        stem = stem[:-1]
    return stem + end


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
    write(np.asarray(data).tobytes(), target)
    return None


def write(data: bytes, target: Path) -> None:
    """Write a file, whole or not at all, with its folders.

    Raises:
        ArgumentError: it cannot be written.
    """
    # Written beside and moved: no half a picture after Ctrl-C, and a link in the folder is replaced, not followed.
    # Its own name could get too long with more at its end.
    partial = target.with_name(f".facekp-{secrets.token_hex(6)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_bytes(data)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise ArgumentError(f"{target}: cannot be written ({error.strerror or error})") from None
