"""One format of labelled faces into another."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from .. import schema as schemas
from ..errors import ArgumentError, unknown_name
from ..schema import KeypointSchema
from .base import SampleSet
from .beside import write_asf_folder, write_pts_folder
from .coco import write_coco
from .dlib_xml import write_dlib_xml
from .folder import write_folder
from .kaggle_out import write_kaggle
from .layout import read_schema
from .opening import BY_ENDING, guess, open_set
from .split import concat
from .wflw import write_wflw

__all__ = ["TARGETS", "convert", "guess", "planned", "write"]

log = logging.getLogger(__name__)


class Target(NamedTuple):
    """How a format is written.

    Attributes:
        write: takes samples and the path.
        file: the path is a file (and pictures go beside it), not a folder.
        schema: the only points that the format knows, or None for any.
        boxes: whether it holds boxes.
    """

    write: Callable[..., object]
    file: bool = False
    schema: str | None = None
    boxes: bool = True


#: What writes each format that :func:`convert` can write, by its name.
TARGETS: dict[str, Target] = {
    "asf": Target(write_asf_folder, boxes=False),
    "coco": Target(write_coco, file=True),
    "dlib_xml": Target(write_dlib_xml, file=True),
    "folder": Target(write_folder),
    "kaggle": Target(lambda samples, path: write_kaggle(path, samples), file=True, schema="kaggle15", boxes=False),
    "pts": Target(write_pts_folder, boxes=False),
    "wflw": Target(write_wflw, schema="wflw98"),
}


def convert(
    source: str | Path,
    target: str | Path,
    *,
    source_format: str | None = None,
    target_format: str | None = None,
    schema: KeypointSchema | str | None = None,
    target_schema: KeypointSchema | str | None = None,
    split: str | None = None,
    on_error: str = "raise",
) -> SampleSet:
    """Read a set in one format and write it in another, with copies of its pictures.

    ============ ==================== =============== ============= ========= ============================
    format       point kept to        missing point   no box        subject   faces of one picture
    ============ ==================== =============== ============= ========= ============================
    ``pts``      0.0005 px            ``nan nan``     never a box   no        a copy each
    ``asf``      5e-9 of the picture  ``nan nan``     never a box   no        a copy each
    ``dlib_xml`` 0.5 px               yes             extent        no        yes
    ``coco``     float32              yes             yes           yes       yes
    ``folder``   float32              yes             yes           yes       yes
    ``wflw``     float32              ``nan nan``     extent        no        yes; 98 points only
    ``kaggle``   float32              yes             never a box   no        a row each; 15 points only
    ============ ==================== =============== ============= ========= ============================

    ``nan nan`` is text that facekp reads and other tools may not.  "extent": every face of the format has a box, so
    that one without gets its points' extent.  Boxes are exact but in ``dlib_xml`` and ``wflw``, which have whole
    pixels (0.5 px).  Where the format has no subject, reading gives the photograph.  A face without any labelled point
    is refused by ``dlib_xml`` and not read again from ``coco``.  ``kaggle`` holds its pictures itself, grey, and takes
    none but 96x96.  Of ``meta``, ``wflw`` keeps its attributes and ``coco`` the visibility.

    Args:
        source: a file or folder that one of the readers takes.
        target: a new folder (``pts``, ``asf``, ``folder``, ``wflw``) or file (``coco``, ``dlib_xml``, ``kaggle``;
            pictures go beside it, and those that are there already stay).
        source_format: one of :func:`facekp.datasets.names`; by :func:`guess` unless told.
        target_format: one of :data:`TARGETS`; by the ending of the name (``.xml``, ``.json``, ``.csv``)
            unless told.
        schema: what the source's points are, where the format does not say it: a schema, its name, or a JSON file.
        target_schema: write these points instead, taken by their names; one that the source lacks is missing.
        split: which part of the source; to be told where the reader knows several.
        on_error: ``"skip"`` leaves wrong labels out, with one warning.

    Returns:
        What was written.

    Raises:
        ArgumentError: an unknown format, an argument that a format does not take, a target that is there already.
        DatasetError: the source is wrong, or something cannot be written.
    """
    target = Path(target)
    name = planned(target, target_format)
    samples = open_set(
        source, source_format or guess(source), schema=_layout(schema), split=split, on_error=on_error
    ).samples
    if target_schema is not None:
        samples = concat(samples, schema=_layout(target_schema))
    write(samples, target, name)
    return samples


def planned(target: Path, name: str | None = None) -> str:
    """The format in which a new file or folder is to be written, by its ending unless told; for :func:`write`.

    Raises:
        ArgumentError: an unknown format, or a target that is there already.
    """
    name = name or BY_ENDING.get(target.suffix.lower(), "")
    if not name:
        raise ArgumentError(
            f"{target}: its ending tells no format; say which (--to), choose one of: {', '.join(TARGETS)}"
        )
    if name not in TARGETS:
        raise unknown_name("format to write", name, TARGETS)
    form = TARGETS[name]
    if target.is_file() or (target.is_dir() and (form.file or any(target.iterdir()))):
        raise ArgumentError(f"{target}: it is there already; name a new {'file' if form.file else 'folder'}")
    return name


def write(samples: SampleSet, target: Path, name: str) -> None:
    """Write faces where and how :func:`planned` has found it possible.

    Raises:
        ArgumentError: the format has other points than the faces.
        DatasetError: something cannot be read or written.
    """
    form = TARGETS[name]
    if form.schema is not None and samples.schema != schemas.get(form.schema):
        shared = len(set(samples.schema.names) & set(schemas.get(form.schema).names))
        raise ArgumentError(
            f"{name} has the points of {form.schema}, {samples.name} those of {samples.schema.name}, "
            f"and {shared} are in both: ask for the target schema {form.schema} (--to-schema {form.schema}), "
            "which leaves the others missing"
        )
    if not form.boxes and any(s.source_box is not None for s in samples):
        log.warning("%s: the boxes of %s are lost, %s files hold none", target, samples.name, name)
    _write(samples, target, form)


def _layout(schema: KeypointSchema | str | None) -> KeypointSchema | str | None:
    if isinstance(schema, str) and schema.lower().endswith(".json"):
        return read_schema(Path(schema))
    return schema


def _write(samples: SampleSet, target: Path, form: Target) -> None:
    """A folder is made under another name first: one that is there is whole."""
    if form.file:
        form.write(samples, target)
        return
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        form.write(samples, part)
        if target.is_dir():
            target.rmdir()  # it is empty
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
