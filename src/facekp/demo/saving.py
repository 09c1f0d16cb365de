"""Files of what the page shows: JSON, CSV, a drawing, and a data set in any format that facekp writes."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from .. import annotate, draw, geometry
from ..datasets import TARGETS, SampleSet, concat
from ..datasets.convert import write
from ..errors import ArgumentError, unknown_name
from ..sample import Sample
from .looking import Found
from .view import Edited

__all__ = ["FORMATS", "PICTURES", "as_csv", "as_json", "as_png", "samples", "save", "save_set"]

PICTURES = {"json": "points.json", "csv": "points.csv", "png": "drawing.png"}
"""What can be saved of one picture, and how the file's name ends."""

FORMATS = {
    "folder": "pictures, a CSV table and the points' schema",
    "coco": "COCO keypoints",
    "pts": ".pts files, as of 300-W",
    "dlib_xml": "dlib's XML, whole pixels",
    "asf": ".asf files, as of IMM",
    "wflw": "WFLW's text files, 98 points",
    "kaggle": "Kaggle's CSV, 15 points, each face cut out at 96x96, grey",
}
"""The formats of :data:`facekp.datasets.TARGETS`, in words."""

KAGGLE_SIZE = (96, 96)
KAGGLE_ROOM = 1.25  # around the face's box, whose middle lies below the crop's: Kaggle's show the forehead
KAGGLE_RISE = 0.1  # of the box's height; it stays in the crop

_FILES = {"coco": "faces.json", "dlib_xml": "faces.xml", "kaggle": "faces.csv"}


def as_json(found: Found, edited: Edited) -> str:
    """The record that ``facekp detect --json`` writes, and of each face the points that were ``corrected``."""
    record = annotate.record(found.name, found.size, edited.faces, found.detector)
    for face, corrected in zip(record["faces"], edited.corrected, strict=True):
        if corrected:
            face["corrected"] = corrected
    return json.dumps(record, indent=1, allow_nan=False) + "\n"


def as_csv(found: Found, edited: Edited) -> str:
    """One row for each point: face, index, name, x, y, score, corrected; a missing point has no x and y."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["picture", "face", "index", "name", "x", "y", "score", "corrected"])
    for number, (face, corrected) in enumerate(zip(edited.faces, edited.corrected, strict=True)):
        for i, (name, point, score) in enumerate(zip(face.schema.names, face.keypoints, face.scores, strict=True)):
            place = [f"{v:.3f}" for v in point] if np.isfinite(point).all() else ["", ""]
            rows.writerow([found.name, number, i, name, *place, f"{score:.4f}", int(i in corrected)])
    return text.getvalue()


def as_png(found: Found, edited: Edited) -> bytes:
    """The picture with its points, as the page shows them: groups, numbers, lines, boxes."""
    faces = []
    for face in edited.faces:
        points = face.keypoints.copy()
        for name in edited.hidden & set(face.schema.groups):
            points[list(face.schema.groups[name])] = np.nan
        faces.append(type(face)(points, face.scores, face.box, face.score, face.schema))
    drawn = draw.faces(
        found.image, faces, edges=edited.lines, boxes=edited.boxes, labels="index" if edited.numbers else None
    )
    _, data = cv2.imencode(".png", cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
    return data.tobytes()


def save(kind: str, found: Found, edited: Edited, folder: Path) -> Path:
    """Write one picture's points.

    Args:
        kind: one of :data:`PICTURES`.
        found: the picture.
        edited: its faces.
        folder: gets the file.

    Raises:
        ArgumentError: an unknown kind, or the file cannot be written.
    """
    if kind not in PICTURES:
        raise unknown_name("file", kind, PICTURES)
    if kind == "png":
        content = as_png(found, edited)
    else:
        content = {"json": as_json, "csv": as_csv}[kind](found, edited).encode("utf-8")
    target = folder / f"{_stem(found.name)}-{PICTURES[kind]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    except OSError as error:
        raise ArgumentError(f"{target.name}: cannot be written ({error.strerror or error})") from None
    return target


def samples(found: Found, edited: Edited) -> list[Sample]:
    """The faces of a picture as labelled ones; a face without any point is left out."""
    meta = {"name": found.name}
    return [
        Sample(face.keypoints, face.schema, path=found.path, source_box=face.box, meta=meta)
        for face in edited.faces
        if np.isfinite(face.keypoints).any()
    ]


def save_set(faces: Iterable[Sample], kind: str, folder: Path) -> Path:
    """Write labelled faces and their pictures in a format that ``facekp convert`` knows, as a ZIP file.

    Faces of several schemas are joined by the points' names; so are those of a format that has points of its own.
    Kaggle's has pictures of its own, too: each face is cut out, and its points go along.

    Args:
        faces: labelled faces.
        kind: one of :data:`facekp.datasets.TARGETS`.
        folder: gets the ZIP file; must be empty.

    Raises:
        ArgumentError: an unknown format, no face, or faces that the format cannot hold.
        DatasetError: something cannot be read or written.
    """
    if kind not in TARGETS:
        raise unknown_name("format", kind, TARGETS)
    given = list(faces)
    if not given:
        raise ArgumentError("there is no face to save: give a picture first")
    form = TARGETS[kind]
    if kind == "kaggle":
        given = [_cut_out(face) for face in given]
    elif not form.boxes:
        given = [Sample(s.keypoints, s.schema, path=s.path, meta=s.meta) for s in given]
    by_schema = [[s for s in given if s.schema == schema] for schema in dict.fromkeys(s.schema for s in given)]
    joined = concat(*(SampleSet(part, part[0].schema, "the page's faces") for part in by_schema), schema=form.schema)
    root = folder / "faces"
    target = root / _FILES[kind] if form.file else root
    if form.file:
        root.mkdir(parents=True)
    write(joined, target, kind)
    try:
        return Path(shutil.make_archive(str(folder / f"faces-{kind}"), "zip", folder, "faces"))
    except OSError as error:
        raise ArgumentError(f"faces-{kind}.zip: cannot be written ({error.strerror or error})") from None
    finally:
        shutil.rmtree(root, ignore_errors=True)  # the ZIP is all that is asked for


def _cut_out(face: Sample) -> Sample:
    """A face as Kaggle has them: it fills 96x96 pixels.  A picture that is one face is kept whole."""
    image = face.image
    box = face.box if face.source_box is None else face.source_box
    if np.array_equal(box, geometry.image_box(image.shape[:2])):
        matrix = geometry.crop_matrix(box, KAGGLE_SIZE)
    else:
        points = geometry.extent(face.keypoints)  # a person may have moved some out of the box
        x0, y0, x1, y1 = *np.fmin(box, points)[:2], *np.fmax(box, points)[2:]
        rise = KAGGLE_RISE * (y1 - y0)
        matrix = geometry.crop_matrix(np.array([x0, y0 - rise, x1, y1 - rise]), KAGGLE_SIZE, KAGGLE_ROOM)
    pixels = geometry.warp(image, matrix, KAGGLE_SIZE, border=None)
    return Sample(geometry.apply(matrix, face.keypoints), face.schema, pixels=pixels, meta=face.meta)


def _stem(name: str) -> str:
    """A file's name without its ending, safe on every system."""
    stem = Path(name.replace("\\", "/")).stem
    return "".join(c if c.isalnum() or c in "-_. " else "_" for c in stem)[:80] or "picture"
