"""dlib's XML of boxes and parts; coordinates count from 0 and are whole numbers."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np

from .. import schema as schemas
from ..errors import DatasetError
from ..sample import Sample
from ..schema import KeypointSchema
from .base import SampleSet, read_text

__all__ = ["DlibXML", "photograph"]


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

    Raises:
        DatasetError: damaged XML, an entity declaration, a part out of range,
            a missing attribute, a number that is none.
    """

    def __init__(self, path: str | Path, schema: KeypointSchema | str = "ibug68") -> None:
        path = Path(path)
        layout = schemas.get(schema) if isinstance(schema, str) else schema
        super().__init__([], layout, path.name)
        for image in _parse(path).iter("image"):
            file = image.get("file")
            if not file:
                raise DatasetError(f"{path}: an <image> has no file attribute")
            for box in image.iter("box"):
                if box.get("ignore") != "1" and box.find("part") is not None:
                    self.samples.append(self._sample(path, file, box))
        if not self.samples:
            raise DatasetError(f"{path}: no labelled face; expected <image><box><part name= x= y= /></box></image>")

    def _sample(self, path: Path, file: str, box: ET.Element) -> Sample:
        where = f"{path}: image {file}"
        left, top, width, height = (_number(box, key, where) for key in ("left", "top", "width", "height"))
        points = np.full((len(self.schema), 2), np.nan, np.float32)
        for part in box.iter("part"):
            name = part.get("name", "")
            if not name.isascii() or not name.isdigit() or int(name) >= len(points):
                raise DatasetError(f"{where}: part {name!r} is not one of the {len(points)} of {self.schema.name}")
            points[int(name)] = _number(part, "x", where), _number(part, "y", where)
        source = np.array([left - 0.5, top - 0.5, left + width - 0.5, top + height - 0.5], np.float32)
        return Sample(points, self.schema, path.parent / file, source, subject=photograph(file), meta={"name": file})


def _parse(path: Path) -> ET.Element:
    text = read_text(path, "XML file")
    if "<!ENTITY" in text or "<!DOCTYPE" in text:
        raise DatasetError(f"{path}: it declares entities, which facekp does not read; dlib's files have none")
    try:
        return ET.fromstring(re.sub(r"<\?xml[^>]*\?>", "", text, count=1))
    except ET.ParseError as error:
        raise DatasetError(f"{path}:{error.position[0]}: damaged XML ({error})") from None


def _number(element: ET.Element, key: str, where: str) -> float:
    try:
        value = float(element.get(key, ""))
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise DatasetError(f"{where}: <{element.tag}> needs a number in {key}=, found {element.get(key)!r}")
    return value
