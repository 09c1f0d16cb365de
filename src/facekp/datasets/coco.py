"""COCO-keypoints JSON with any skeleton (Lin et al., "Microsoft COCO", ECCV 2014; cocodataset.org/#format-data)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError, DatasetError, unknown_name
from ..image import size
from ..sample import Sample
from ..schema import KeypointSchema
from .base import SampleSet, Skipping, picture, points_of, read_text
from .layout import from_names, known, one_schema
from .writing import place, shortest, write_text

__all__ = ["CocoKeypoints", "write_coco"]

Array = npt.NDArray[Any]
Row = Mapping[str, Any]


class CocoKeypoints(SampleSet):
    """Labelled instances of one category of a COCO-keypoints file.

    Keypoints ``x, y, v`` are 0-based pixel indices, so that they are facekp's coordinates as they are; ``v = 0`` is a
    missing point (NaN).  A ``bbox`` ``[x, y, width, height]`` counts from the picture's *edge* and becomes
    ``x - 0.5, y - 0.5, x + width - 0.5, y + height - 0.5``.  Left out, as every COCO tool does: crowds
    (``iscrowd = 1``) and instances without a labelled point.  ``meta`` has ``name``, ``id`` and ``visibility`` (the K
    values v); ``subject`` is the instance's key of that name, where there is one.

    The schema is the category's: one that :func:`write_coco` left there; else facekp's own of exactly these names;
    else its ``keypoints`` and ``skeleton`` (1-based pairs), mirror pairs from ``left`` and ``right`` in the names, and
    the mean shape of the labels.  A category without mirror pairs refuses to be mirrored.

    Args:
        path: the JSON file.
        images: the folder below which its ``file_name`` lie; the JSON's own unless told.
        category: a category's name, where several have keypoints.
        on_error: ``"skip"`` leaves wrong instances out and lists them in ``skipped``.

    Raises:
        DatasetError: damaged JSON, no such category, an id that is there twice or not at all, a missing picture,
            another number of keypoints than names; the message names the file and the instance.
    """

    def __init__(
        self,
        path: str | Path,
        images: str | Path | None = None,
        category: str | None = None,
        *,
        on_error: str = "raise",
    ) -> None:
        path = Path(path)
        root = path.parent if images is None else Path(images)
        data = _parse(path)
        chosen = _category(path, data, category)
        pictures = _by_id(path, data, "images")
        rows, skipping = [], Skipping(on_error)
        for where, row in _instances(path, data, chosen["id"]):
            with skipping.one():
                rows.append((where, row, *_points(row, len(chosen["keypoints"]), where)))
        schema = _schema(path, chosen, [points for _, _, points, _ in rows])
        samples = []
        for where, row, points, visible in rows:
            with skipping.one():
                name = _file_name(pictures, row, where)
                meta = {"name": name, "id": row["id"], "visibility": visible}
                subject = None if row.get("subject") is None else str(row["subject"])
                file = picture(root / name, where)
                samples.append(Sample(points, schema, file, _box(row, where), subject, meta=meta))
        if not samples:
            raise skipping.nothing(f"{path}: no instance of {chosen['name']!r} with a labelled point")
        super().__init__(samples, schema, path.name, skipping.errors)


def _parse(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(read_text(path, "COCO JSON"))
    except json.JSONDecodeError as error:
        raise DatasetError(f"{path}:{error.lineno}: damaged JSON ({error.msg})") from None
    except (RecursionError, ValueError) as error:  # nested too deep; a whole number of more than 4,300 digits
        raise DatasetError(f"{path}: damaged JSON ({error})") from None
    for key in ("images", "annotations", "categories"):
        rows = data.get(key) if isinstance(data, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise DatasetError(f"{path}: expected a COCO object with a list of objects in {key!r}")
    return dict(data)


def _category(path: Path, data: Row, name: str | None) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {}
    for row in data["categories"]:
        names = row.get("keypoints")
        if isinstance(names, list) and names and all(isinstance(n, str) for n in names) and "id" in row:
            found[str(row.get("name", row["id"]))] = {**row, "name": str(row.get("name", row["id"]))}
    if not found:
        raise DatasetError(f"{path}: no category has keypoints (a list of names) and an id")
    if name is None and len(found) > 1:
        raise DatasetError(f"{path}: several categories have keypoints; say category=, one of: {', '.join(found)}")
    if name is not None and name not in found:
        raise unknown_name(f"category of {path}", name, found)
    return found[name or next(iter(found))]


def _by_id(path: Path, data: Row, key: str) -> dict[Any, Row]:
    found: dict[Any, Row] = {}
    for index, row in enumerate(data[key]):
        number = row.get("id")
        if not isinstance(number, int | str):
            raise DatasetError(f"{path}: {key}[{index}] has no id")
        if number in found:
            raise DatasetError(f"{path}: {key}[{index}] repeats id {number!r}")
        found[number] = row
    return found


def _instances(path: Path, data: Row, category: Any) -> Iterator[tuple[str, Row]]:
    for number, row in _by_id(path, data, "annotations").items():
        # Without keypoints it is an instance of a box only, of which COCO has many.
        if row.get("category_id") == category and not row.get("iscrowd") and row.get("keypoints"):
            visible = row["keypoints"][2::3] if isinstance(row["keypoints"], list) else [1]
            if any(visible):
                yield f"{path}: annotation {number!r}", row


def _floats(values: Any, count: int, what: str, where: str) -> Array:
    if not isinstance(values, list) or len(values) != count:
        found = len(values) if isinstance(values, list) else repr(values)[:40]
        raise DatasetError(f"{where}: {what} must be {count} numbers, found {found}")
    if not all(isinstance(v, int | float) and not isinstance(v, bool) and abs(v) < 1e9 for v in values):
        raise DatasetError(f"{where}: {what} has something that is no number, or is not finite")
    return np.asarray(values, np.float64)


def _points(row: Row, count: int, where: str) -> tuple[Array, tuple[int, ...]]:
    values = _floats(row["keypoints"], 3 * count, f"keypoints (x, y, v of {count} points)", where).reshape(count, 3)
    visible = values[:, 2]
    if not np.isin(visible, (0, 1, 2)).all():
        raise DatasetError(f"{where}: a visibility is none of 0, 1, 2")
    points = np.where(visible[:, None] > 0, values[:, :2], np.nan)
    return points_of(points, where), tuple(int(v) for v in visible)


def _schema(path: Path, category: Row, faces: Sequence[Array]) -> KeypointSchema:
    names = category["keypoints"]
    try:
        if isinstance(category.get("schema"), dict):
            stated = KeypointSchema.from_dict(category["schema"])
            if stated.names == tuple(names):
                return stated
        pairs = category.get("skeleton") or []
        edges = [(int(a) - 1, int(b) - 1) for a, b in pairs]
        return known(names) or from_names(category["name"], names, edges, faces)
    except (ArgumentError, TypeError, ValueError) as error:
        raise DatasetError(f"{path}: category {category['name']!r}: {error}") from None


def _file_name(pictures: Mapping[Any, Row], row: Row, where: str) -> str:
    number = row.get("image_id")
    shown = pictures.get(number) if isinstance(number, int | str) else None
    if shown is None:
        raise DatasetError(f"{where}: image_id {number!r} is none of the images")
    name = shown.get("file_name")
    if not isinstance(name, str) or not name or "\0" in name:
        raise DatasetError(f"{where}: image {number!r} has no file_name")
    return name


def _box(row: Row, where: str) -> Array | None:
    if row.get("bbox") is None or row.get("bbox_is_extent"):
        return None
    x, y, width, height = _floats(row["bbox"], 4, "bbox", where)
    if width < 0 or height < 0:
        raise DatasetError(f"{where}: bbox has a negative size; expected [x, y, width, height]")
    return np.array([x - 0.5, y - 0.5, x + width - 0.5, y + height - 0.5], np.float32)


# ---------------------------------------------------------------- writing


def write_coco(samples: Sequence[Sample], path: str | Path, images: str | Path | None = None) -> None:
    """Write faces as :class:`CocoKeypoints` reads them, and their pictures.

    Points and boxes are exact (float32).  ``v`` is ``meta["visibility"]`` where there is one, else 2, and 0 for a
    missing point.  COCO wants a ``bbox`` of every instance: a face without one gets its points' extent, marked with
    ``bbox_is_extent``.  The whole schema is written to the category's key ``schema``, which other tools pass over.
    A face without any labelled point is written, and left out by every reader.

    Args:
        samples: the faces, all of one schema.
        path: the JSON file.
        images: the pictures' folder; the JSON's own unless told.

    Raises:
        ArgumentError: no face, or several schemas.
        DatasetError: something cannot be read or written.
    """
    path = Path(path)
    schema = one_schema(samples, "write_coco")
    names = place(samples, path.parent if images is None else Path(images))
    numbers = {name: i for i, name in enumerate(dict.fromkeys(names), 1)}
    pictures = []
    for name, sample in dict(zip(reversed(names), reversed(list(samples)), strict=True)).items():
        file = sample.path if sample.pixels is None else None
        height, width = sample.image.shape[:2] if file is None else size(file)
        pictures.append({"id": numbers[name], "file_name": name, "width": width, "height": height})
    category = {
        "id": 1,
        "name": schema.name,
        "supercategory": "face",
        "keypoints": list(schema.names),
        "skeleton": [[a + 1, b + 1] for a, b in schema.edges],
        "schema": schema.to_dict(),
    }
    data = {
        "info": {"description": "written by facekp; keypoints are 0-based pixel indices"},
        "licenses": [],
        "images": sorted(pictures, key=lambda row: int(row["id"])),
        "annotations": [_instance(i, s, numbers[n]) for i, (s, n) in enumerate(zip(samples, names, strict=True), 1)],
        "categories": [category],
    }
    write_text(path, json.dumps(data, allow_nan=False))


def _instance(number: int, sample: Sample, shown: int) -> dict[str, Any]:
    mask, seen = sample.mask, sample.meta.get("visibility")
    visible = seen if seen is not None and len(seen) == len(mask) else (2,) * len(mask)
    points = shortest(np.where(mask[:, None], sample.keypoints, 0))
    rows = [[x, y, (v or 2) if m else 0] for x, y, v, m in zip(points[::2], points[1::2], visible, mask, strict=True)]
    result: dict[str, Any] = {
        "id": number,
        "image_id": shown,
        "category_id": 1,
        "iscrowd": 0,
        "num_keypoints": int(mask.sum()),
        "keypoints": [value for row in rows for value in row],
    }
    box = sample.box if sample.source_box is None else sample.source_box
    if np.isfinite(box).all():
        x0, y0, x1, y1 = (v + 0.5 for v in np.asarray(box, np.float64).tolist())
        result |= {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0)}
    if sample.source_box is None:
        result["bbox_is_extent"] = True
    if sample.subject is not None:
        result["subject"] = sample.subject
    return result
