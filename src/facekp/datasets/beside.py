"""Any folder of pictures with a ``.pts`` or ``.asf`` file beside each, of any schema."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy.typing as npt

from .. import image as images
from .. import schema as schemas
from ..errors import DatasetError, ImageError
from ..sample import Sample
from ..schema import KeypointSchema
from .asf import AsfShape, read_asf, write_asf
from .base import SampleSet, Skipping, is_file
from .dlib_xml import photograph
from .folder import SCHEMA
from .layout import one_schema, read_schema
from .pts import read_pts, write_pts
from .writing import place, write_text

__all__ = ["AsfFolder", "PtsFolder", "write_asf_folder", "write_pts_folder"]

Array = npt.NDArray[Any]
_ENDINGS = (".jpg", ".png", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".pgm", ".ppm", ".avif", ".jp2")
_PICTURES = tuple(e for ending in _ENDINGS for e in (ending, ending.upper()))


class PtsFolder(SampleSet):
    """Every ``.pts`` file below a folder, with the picture of the same name beside it.

    :class:`~facekp.datasets.IBUG300W` reads 300-W's own folders and knows its splits; this takes whatever is there.

    Args:
        root: the folder.
        schema: what the points are; ``schema.json`` of the folder, else ``ibug68``, unless told.
        on_error: ``"skip"`` leaves wrong files out and lists them in ``skipped``.

    Raises:
        DatasetError: no ``.pts`` file, a wrong one, or one without a picture.
    """

    def __init__(
        self, root: str | Path, schema: KeypointSchema | str | None = None, *, on_error: str = "raise"
    ) -> None:
        root = Path(root)
        layout = _schema(root, schema) or schemas.get("ibug68")
        samples, errors = _read(root, ".pts", layout, on_error, lambda path: (read_pts(path, len(layout)), None))
        super().__init__(samples, layout, root.name, errors)


class AsfFolder(SampleSet):
    """Every ``.asf`` file below a folder, with its picture beside it.

    :class:`~facekp.datasets.IMM` and :class:`~facekp.datasets.IMMFrontal` know the people and splits of those two sets.

    Args:
        root: the folder.
        schema: what the points are (``"imm58"``, ``"imm73"``, ...); ``schema.json`` of the folder unless told.
        on_error: ``"skip"`` leaves wrong files out and lists them in ``skipped``.

    Raises:
        DatasetError: no ``.asf`` file, a wrong one, one without a picture, or no word of what the points are.
    """

    def __init__(
        self, root: str | Path, schema: KeypointSchema | str | None = None, *, on_error: str = "raise"
    ) -> None:
        root = Path(root)
        layout = _schema(root, schema)
        if layout is None:
            raise DatasetError(f"{root / SCHEMA}: this file is missing; say schema=, such as 'imm58' or 'imm73'")
        samples, errors = _read(root, ".asf", layout, on_error, lambda path: _asf(path, len(layout)))
        super().__init__(samples, layout, root.name, errors)


def _schema(root: Path, schema: KeypointSchema | str | None) -> KeypointSchema | None:
    if schema is not None:
        return schemas.get(schema) if isinstance(schema, str) else schema
    return read_schema(root / SCHEMA) if (root / SCHEMA).is_file() else None


def _asf(path: Path, count: int) -> tuple[Array, Path]:
    shape = read_asf(path, count)
    # Annotators' tools leave the folders of their own disks in the name; what counts is the file beside this one.
    told = path.with_name(PureWindowsPath(shape.image).name or path.name)
    file = told if told != path and is_file(told) else _beside(path)
    try:
        return shape.pixels(images.size(file)), file
    except ImageError as error:
        raise DatasetError(f"{path}: its picture gives no size ({error})") from None


def _beside(labels: Path) -> Path:
    found = next((p for suffix in _PICTURES if (p := labels.with_suffix(suffix)).is_file()), None)
    if found is None:
        raise DatasetError(f"{labels}: its picture {labels.stem}.jpg (or {', '.join(_ENDINGS[1:])}) is missing")
    return found


def _read(
    root: Path,
    suffix: str,
    schema: KeypointSchema,
    on_error: str,
    read: Callable[[Path], tuple[Array, Path | None]],
) -> tuple[list[Sample], list[DatasetError]]:
    samples, skipping = [], Skipping(on_error)
    for path in sorted(root.rglob(f"*{suffix}")):
        with skipping.one():
            points, told = read(path)
            file = told or _beside(path)
            name = file.relative_to(root).as_posix()
            samples.append(Sample(points, schema, file, subject=photograph(name), meta={"name": name}))
    if not samples:
        expected = f"a{suffix} beside a.jpg, in any folder below this one"
        raise skipping.nothing(f"{root}: no {suffix} file; expected {expected}")
    return samples, skipping.errors


# ---------------------------------------------------------------- writing


def write_pts_folder(samples: Sequence[Sample], root: str | Path) -> None:
    """Write faces as :class:`PtsFolder` reads them: a ``.pts`` file beside a picture for every face.

    Points are kept to 0.0005 px; a missing one is ``nan nan``, which facekp reads and other tools may not.  Boxes,
    subjects and ``meta`` have no place in the format.  Another schema than ``ibug68`` is written to ``schema.json``.
    Faces that share a picture get a copy each (``a.jpg``, ``a-2.jpg``).

    Raises:
        ArgumentError: no face, or several schemas.
        DatasetError: something cannot be read or written.
    """
    root = Path(root)
    layout = one_schema(samples, "write_pts_folder")
    for sample, name in zip(samples, place(samples, root, one_each=True), strict=True):
        labels = (root / name).with_suffix(".pts")
        try:
            write_pts(labels, sample.keypoints)
        except OSError as error:
            raise DatasetError(f"{labels}: cannot be written ({error.strerror or error})") from None
    if layout != schemas.get("ibug68"):
        write_text(root / SCHEMA, json.dumps(layout.to_dict(), indent=1))


def write_asf_folder(samples: Sequence[Sample], root: str | Path) -> None:
    """Write faces as :class:`AsfFolder` reads them: an ``.asf`` file beside a picture for every face.

    Points are kept to 5e-9 of the picture's size; a missing one is ``nan nan``, which facekp reads and other tools may
    not.  Boxes, subjects and ``meta`` have no place in the format.  The schema is written to ``schema.json``.  Faces
    that share a picture get a copy each (``a.jpg``, ``a-2.jpg``).

    Raises:
        ArgumentError: no face, several schemas, or a picture's name that begins with ``#``.
        DatasetError: something cannot be read or written.
    """
    root = Path(root)
    layout = one_schema(samples, "write_asf_folder")
    for sample, name in zip(samples, place(samples, root, one_each=True), strict=True):
        file = root / name
        write_asf(file.with_suffix(".asf"), AsfShape.of(sample.keypoints, images.size(file), file.name, layout))
    write_text(root / SCHEMA, json.dumps(layout.to_dict(), indent=1))
