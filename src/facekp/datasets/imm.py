"""The two face databases of IMM (DTU), in ``.asf`` files: 240 faces with 58 points, 120 frontal ones with 73."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from pathlib import Path, PureWindowsPath
from typing import Any, NamedTuple

from .. import geometry
from .. import image as images
from .. import schema as schemas
from ..errors import DatasetError, ImageError, unknown_name
from ..sample import Sample
from ..schema import KeypointSchema
from .asf import read_asf
from .base import SampleSet, Skipping, is_file

__all__ = ["IMM", "IMMFrontal"]

log = logging.getLogger(__name__)

PICTURES = (".jpg", ".bmp", ".png", ".jpeg", ".JPG")
_SPLITS = {"train": range(1, 33), "valid": range(33, 41), "all": range(1, 41)}


class _Source(NamedTuple):
    """What tells one of the two sets from the other."""

    schema: str
    names: re.Pattern[str]
    had: str


_IMM = _Source(
    "imm58",
    re.compile(r"(?P<person>\d\d)-(?P<shot>[1-6])(?P<sex>[mf])", re.IGNORECASE),
    "The IMM Face Database (240 faces; for research, with a reference to Nordstrøm et al., 2004) is had from DTU: "
    "search for 'IMM Face Database' and unpack it so that 01-1m.asf, 01-1m.jpg ... 40-6m.jpg lie in this folder",
)
_FRONTAL = _Source(
    "imm73",
    re.compile(r"(?P<person>\d+)_(?P<shot>\d+)"),
    "The IMM Frontal Face DB (120 faces; for research, with a reference to Fagertun and Stegmann, 2005) is had from "
    "DTU: search for 'IMM Frontal Face Database' and unpack its small pictures so that 01_01.asf, 01_01.jpg ... "
    "12_10.jpg lie in this folder",
)


class IMM(SampleSet):
    """The IMM Face Database: 40 people, six shots each, 640x480, 58 points.

    The point of the classic nose-tip exercise, the lowest on the nose's midline, is called ``nose_base`` here:
    the set labels no tip, and joined with sets that do, the two would be taken for one.  ``keypoints=["nose_tip"]`` is
    understood all the same, and yields that point.  ``meta`` has ``name``, ``person``, ``shot`` and ``sex`` (``"m"`` or
    ``"f"``); ``subject`` is the person.  ``source_box`` is the extent of all 58 points, also where a few are asked for.

    Args:
        root: the folder of ``01-1m.asf``, ``01-1m.jpg`` and so on.
        split: ``"train"`` (people 1 to 32: 192 faces), ``"valid"`` (33 to 40: 48) or ``"all"``, as the exercise has it.
        keypoints: only these, by their names or groups in ``imm58``; None: all.
        on_error: ``"skip"`` leaves wrong files out and lists them in ``skipped``.

    A set of which faces are missing is read, with one warning that counts them.

    Raises:
        ArgumentError: an unknown split or point.
        DatasetError: nothing is there, or a file is wrong.
    """

    def __init__(
        self, root: str | Path, split: str = "train", *, keypoints: Iterable[str] | None = None, on_error: str = "raise"
    ) -> None:
        if split not in _SPLITS:
            raise unknown_name("IMM split", split, _SPLITS)
        full, layout = schemas.get("imm58"), None
        if keypoints is not None:
            asked = [keypoints] if isinstance(keypoints, str) else list(keypoints)
            plain = ["nose_base" if key == "nose_tip" else key for key in asked]
            layout = full.subset(plain, name=f"imm58:{'+'.join(asked)}")
        samples, errors = _read(Path(root), _IMM, layout, _SPLITS[split], shots=6, on_error=on_error)
        super().__init__(samples, layout or full, f"IMM {split}", errors)


class IMMFrontal(SampleSet):
    """The IMM Frontal Face DB: 12 people, ten shots each, 800x600, 73 points, among them the nose's tip.

    ``meta`` has ``name``, ``person`` and ``shot``; ``subject`` is the person.  ``source_box`` is the extent of all 73
    points, also where a few are asked for.

    Args:
        root: the folder of ``01_01.asf``, ``01_01.jpg`` and so on.
        keypoints: only these, by their names or groups in ``imm73``; None: all.
        on_error: ``"skip"`` leaves wrong files out and lists them in ``skipped``.

    A set of which faces are missing is read, with one warning that counts them.

    Raises:
        ArgumentError: an unknown point.
        DatasetError: nothing is there, or a file is wrong.
    """

    def __init__(self, root: str | Path, *, keypoints: Iterable[str] | None = None, on_error: str = "raise") -> None:
        full = schemas.get("imm73")
        layout = None if keypoints is None else full.subset(keypoints)
        samples, errors = _read(Path(root), _FRONTAL, layout, range(1, 13), shots=10, on_error=on_error)
        super().__init__(samples, layout or full, "IMM Frontal", errors)


def _read(
    root: Path, source: _Source, layout: KeypointSchema | None, people: range, *, shots: int, on_error: str
) -> tuple[list[Sample], list[DatasetError]]:
    if not root.is_dir():
        raise DatasetError(f"{root}: no such folder. {source.had}")
    files = [(path, found) for path in sorted(root.glob("*.asf")) if (found := source.names.fullmatch(path.stem))]
    files = [(path, found) for path, found in files if int(found["person"]) in people]
    if not files:
        raise DatasetError(f"{root}: no .asf file of people {people[0]} to {people[-1]} is here. {source.had}")
    if len(files) < len(people) * shots:
        log.warning("%s: partial, %d of %d faces are here", root, len(files), len(people) * shots)
    full = schemas.get(source.schema)
    samples, skipping = [], Skipping(on_error)
    for path, found in files:
        with skipping.one():
            samples.append(_sample(path, full, layout, found.groupdict()))
    if not samples:
        raise skipping.nothing(f"{root}: no face that is right")
    return samples, skipping.errors


def _sample(path: Path, full: KeypointSchema, layout: KeypointSchema | None, name: dict[str, Any]) -> Sample:
    shape = read_asf(path, len(full))
    # Annotators' tools leave the folders of their own disks in the name; what counts is the file beside this one.
    told = path.with_name(PureWindowsPath(shape.image).name or path.name)
    picture = next((p for p in (told, *(path.with_suffix(s) for s in PICTURES)) if p != path and is_file(p)), None)
    if picture is None:
        raise DatasetError(f"{path}: its picture {told.name[:300]} is missing beside it")
    try:
        points = shape.pixels(images.size(picture))
    except ImageError as error:
        raise DatasetError(f"{path}: its picture gives no size ({error})") from None
    box = geometry.extent(points)
    if layout is not None:
        points = points[[full.index(n) for n in layout.names]]
    meta = {"name": picture.name, **name}
    return Sample(points, layout or full, picture, box, subject=name["person"], meta=meta)
