"""What every writer shares: pictures put beside labels, nothing overwritten by something else, text that is whole."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import DatasetError
from ..sample import Sample

__all__ = ["name_of", "place", "shortest", "write_text"]

Array = npt.NDArray[Any]


def name_of(sample: Sample) -> str | None:
    """What a picture is called below its set's folder (``helen/trainset/1.jpg``); None when it has no name.

    A name in a label file that leads out of the folder (``../x``, ``/etc/x``) is cut to its last part.
    """
    if sample.path is None:
        return None
    name = str(sample.meta.get("name") or sample.path.name).replace("\\", "/")
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts or any(":" in part for part in parts):
        return parts[-1].rpartition(":")[2] if parts[-1] != ".." else sample.path.name
    return "/".join(parts)


def place(samples: Sequence[Sample], root: Path, *, one_each: bool = False) -> list[str]:
    """Put the samples' pictures below a folder.

    A file is copied as it is; pixels in memory become PNG.  Two pictures that would have the same name get numbers:
    ``a.jpg``, ``a-2.jpg``.  A picture that is there already stays.

    Args:
        samples: the faces; several may share a picture.
        root: the folder, made where it is missing.
        one_each: a picture of its own for every face, with a stem of its own (for formats of one face a file).

    Returns:
        For each sample its picture's path below root, with ``/``.

    Raises:
        DatasetError: a picture cannot be read or written, or another one stands in its place.
    """
    names: list[str] = []
    stored: set[str] = set()
    taken: dict[str, object] = {}  # name (or stem) → which picture it is
    for index, sample in enumerate(samples):
        in_memory = sample.pixels is not None or sample.path is None
        wanted = PurePosixPath(name_of(sample) or f"{index + 1:05d}.png")
        if in_memory:
            wanted = wanted.with_suffix(".png")
        identity: object = index if one_each or in_memory else sample.path
        name, number = wanted, 1
        # Lower case: on some systems A.jpg and a.jpg are one file.
        while taken.setdefault(_key(name, one_each), identity) != identity:
            number += 1
            name = wanted.with_stem(f"{wanted.stem}-{number}")
        if name.as_posix() not in stored:
            _store(sample, root / name, in_memory)
            stored.add(name.as_posix())
        names.append(name.as_posix())
    return names


def _key(name: PurePosixPath, stem_only: bool) -> str:
    return (name.with_suffix("") if stem_only else name).as_posix().lower()


def _store(sample: Sample, target: Path, in_memory: bool) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not in_memory and sample.path is not None:
            if target.exists() and target.samefile(sample.path):
                return
            if not target.exists():
                shutil.copyfile(sample.path, target)
                return
            content = sample.path.read_bytes()
        else:
            content = _png(sample.image)
        if not target.exists():
            target.write_bytes(content)
        elif target.read_bytes() != content:
            raise DatasetError(f"{target}: another picture has this name already; write to an empty folder")
    except OSError as error:
        raise DatasetError(f"{target}: this picture cannot be written ({error.strerror or error})") from None


def _png(image: Array) -> bytes:
    good, data = cv2.imencode(".png", cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2BGR))
    if not good:
        raise DatasetError("a picture in memory cannot be written as PNG")
    return bytes(data)


def write_text(path: Path, text: str) -> None:
    """A label file, whole or not at all: it is written under another name and then renamed.

    Raises:
        DatasetError: it cannot be written.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(path)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be written ({error.strerror or error})") from None


def shortest(values: Array) -> list[float]:
    """Numbers whose text is the shortest that reads back as the same float32."""
    return [float(str(np.float32(v))) for v in np.asarray(values).reshape(-1)]
