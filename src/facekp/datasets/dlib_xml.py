"""dlib's XML of boxes and parts; coordinates count from 0 and are whole numbers."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .. import schema as schemas
from ..errors import ArgumentError, DatasetError
from ..sample import Sample
from ..schema import KeypointSchema
from .base import FARTHEST, SampleSet, Skipping, picture
from .writing import place, write_text

__all__ = ["DlibXML", "photograph", "write_dlib_xml"]


def photograph(name: str) -> str:
    """What files of one photograph share: the name without a mirror mark and, in AFW and HELEN, the face's number."""
    stem = re.sub(r"_mirror$", "", Path(name).with_suffix("").as_posix())
    return re.sub(r"_\d+$", "", stem) if re.search(r"(^|/)(afw|helen)/", stem) else stem


class DlibXML(SampleSet):
    """Faces of a dlib XML file such as ``labels_ibug_300W_train.xml``.

    A part that is not listed is NaN.  Boxes marked ``ignore='1'`` and boxes
    without parts are left out.  The box of a file is ``source_box``: dlib's
    ``left, top, width, height`` covers whole pixels, so its edges lie half a
    pixel outside.

    Args:
        path: the XML file; pictures are looked for beside it.
        schema: what the parts are; part names are the points' numbers.
        on_error: ``"skip"`` leaves wrong boxes out and lists them in ``skipped``; damaged XML is raised all the same.

    Raises:
        DatasetError: damaged XML, an entity declaration, a part out of range,
            a missing attribute or picture, a number that is none.
    """

    def __init__(self, path: str | Path, schema: KeypointSchema | str = "ibug68", *, on_error: str = "raise") -> None:
        path = Path(path)
        layout = schemas.get(schema) if isinstance(schema, str) else schema
        samples, skipping = [], Skipping(on_error)
        for image in _parse(path).iter("image"):
            file = image.get("file")
            if not file:
                skipping.put(DatasetError(f"{path}: an <image> has no file attribute"))
                continue
            for box in image.iter("box"):
                if box.get("ignore") != "1" and box.find("part") is not None:
                    with skipping.one():
                        samples.append(_sample(path, file, box, layout))
        if not samples:
            expected = "<image><box><part name= x= y= /></box></image>"
            raise skipping.nothing(f"{path}: no labelled face; expected {expected}")
        super().__init__(samples, layout, path.name, skipping.errors)


def _sample(path: Path, file: str, box: ET.Element, schema: KeypointSchema) -> Sample:
    where = f"{path}: image {file}"
    left, top, width, height = (_number(box, key, where) for key in ("left", "top", "width", "height"))
    points = np.full((len(schema), 2), np.nan, np.float32)
    for part in box.iter("part"):
        name = part.get("name", "")
        if not re.fullmatch("[0-9]{1,9}", name) or int(name) >= len(points):
            raise DatasetError(f"{where}: part {name[:40]!r} is not one of the {len(points)} of {schema.name}")
        points[int(name)] = _number(part, "x", where), _number(part, "y", where)
    source = np.array([left - 0.5, top - 0.5, left + width - 0.5, top + height - 0.5], np.float32)
    return Sample(
        points, schema, picture(path.parent / file, where), source, subject=photograph(file), meta={"name": file}
    )


def _parse(path: Path) -> ET.Element:
    text = _text(path)
    if "<!ENTITY" in text or "<!DOCTYPE" in text:
        raise DatasetError(f"{path}: it declares entities, which facekp does not read; dlib's files have none")
    try:
        return ET.fromstring(re.sub(r"<\?xml[^>]*\?>", "", text, count=1))
    except ET.ParseError as error:
        raise DatasetError(f"{path}:{error.position[0]}: damaged XML ({error})") from None


def _text(path: Path) -> str:
    """The file as text: UTF-8, else the encoding that it declares.

    In this order because imglab always declares ISO-8859-1, and writes file names in the bytes of the system.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: cannot read this XML file ({error.strerror or error})") from None
    declared = re.match(rb"""\s*<\?xml[^>]*encoding\s*=\s*["']([\w.-]+)["']""", data)
    marked = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    encodings = ["utf-16"] if marked else ["utf-8-sig", *([declared[1].decode("ascii")] if declared else [])]
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except (LookupError, UnicodeError):
            continue
    raise DatasetError(f"{path}: this XML file is not {' or '.join(encodings)}; save it as UTF-8")


def _number(element: ET.Element, key: str, where: str) -> float:
    try:
        value = float(element.get(key, ""))
    except ValueError:
        value = float("nan")
    if not abs(value) <= FARTHEST:  # true for NaN as well
        raise DatasetError(f"{where}: <{element.tag}> needs a number in {key}=, found {element.get(key)!r:.40}")
    return value


def write_dlib_xml(samples: Sequence[Sample], path: str | Path) -> None:
    """Write faces as :class:`DlibXML` and dlib read them, and their pictures beside the XML.

    dlib's numbers are whole: a point moves by up to half a pixel in x and in y, as does each edge of a box.  A missing
    point is a part that is not there.  Every face has a box: one without gets its points' extent, rounded outwards.

    Raises:
        ArgumentError: a face without any labelled point, which readers would leave out.
        DatasetError: something cannot be written.
    """
    path = Path(path)
    for index, sample in enumerate(samples):
        if not sample.mask.any():
            raise ArgumentError(f"write_dlib_xml: sample {index} has no labelled point, which dlib's XML cannot hold")
    root = ET.Element("dataset")
    images = ET.SubElement(root, "images")
    entries: dict[str, ET.Element] = {}
    for sample, name in zip(samples, place(samples, path.parent), strict=True):
        if name not in entries:
            entries[name] = ET.SubElement(images, "image", file=name)
        left, top, right, bottom = _whole_box(sample)
        size = {"top": top, "left": left, "width": right - left, "height": bottom - top}
        box = ET.SubElement(entries[name], "box", {key: str(value) for key, value in size.items()})
        for part in np.flatnonzero(sample.mask):
            x, y = (str(int(v)) for v in np.rint(sample.keypoints[part]))
            ET.SubElement(box, "part", name=f"{part:02d}", x=x, y=y)
    ET.indent(root)
    write_text(path, f"<?xml version='1.0' encoding='UTF-8'?>\n{ET.tostring(root, encoding='unicode')}\n")


def _whole_box(sample: Sample) -> list[int]:
    """Left, top and, one beyond the last pixel, right and bottom."""
    if sample.source_box is None:
        low, high = np.floor(sample.box[:2] + 0.5), np.ceil(sample.box[2:] + 0.5)
        edges = np.concatenate([low, np.maximum(high, low + 1)])
    else:
        edges = np.rint(sample.source_box + 0.5)
    return [int(v) for v in edges]
