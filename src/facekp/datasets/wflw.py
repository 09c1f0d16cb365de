"""WFLW: 98 points, boxes and six attributes (Wu et al., "Look at boundary", CVPR 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .. import schema as schemas
from ..errors import ArgumentError, DatasetError, unknown_name
from ..sample import Sample
from .base import FARTHEST, SampleSet, Skipping, numbers, picture, points_of, read_text
from .writing import place, shortest, write_text

__all__ = ["WFLW", "write_wflw"]

ATTRIBUTES = ("pose", "expression", "illumination", "make-up", "occlusion", "blur")
SPLITS = ("train", "test")
_FOLDER = "list_98pt_rect_attr_train_test"
_POINTS, _COLUMNS = 98, 2 * 98 + 4 + len(ATTRIBUTES)
_HAD = (
    "WFLW (research, non-commercial) is had from wywu.github.io/projects/LAB/WFLW.html: "
    f"unpack WFLW_annotations.tar.gz and WFLW_images.tar.gz so that {_FOLDER}/ (or WFLW_annotations/{_FOLDER}/) and "
    "WFLW_images/ lie in this folder"
)


class WFLW(SampleSet):
    """The 98-point faces of WFLW; several may share a picture.

    A line has 196 coordinates, a box ``x0 y0 x1 y1``, six attributes (0 or 1) and the picture's name below
    ``WFLW_images/``.  Points and box are taken as they are, in 0-based pixels: the set's pages say nothing else.
    ``meta`` has ``name`` and the attributes ``pose``, ``expression``, ``illumination``, ``make-up``, ``occlusion``
    and ``blur`` as bool; ``subject`` is the picture, so that its faces stay in one split.

    Args:
        root: the folder that holds the lists and ``WFLW_images/``.
        split: ``"train"`` (7,500 faces) or ``"test"`` (2,500).
        attribute: only the faces that have it, such as the test set's ``"pose"`` (326 faces).
        on_error: ``"skip"`` leaves wrong lines out and lists them in ``skipped``.

    Raises:
        ArgumentError: unknown split or attribute.
        DatasetError: no list, no such picture, or a wrong line; the message names file and line.
    """

    def __init__(
        self, root: str | Path, split: str = "train", attribute: str | None = None, *, on_error: str = "raise"
    ) -> None:
        root = Path(root)
        if split not in SPLITS:
            raise unknown_name("WFLW split", split, SPLITS)
        if attribute is not None and attribute not in ATTRIBUTES:
            raise unknown_name("WFLW attribute", attribute, ATTRIBUTES)
        path = _list(root, split)
        samples, skipping = [], Skipping(on_error)
        for line, text in enumerate(read_text(path, "WFLW list").splitlines(), 1):
            if text.strip():
                with skipping.one():
                    samples.append(_sample(root, path, line, text))
        if not samples:
            raise skipping.nothing(f"{path}: no face; expected {_COLUMNS} numbers and a picture's name a line")
        chosen = [s for s in samples if attribute is None or s.meta[attribute]]
        name = f"WFLW {split}" if attribute is None else f"WFLW {split} {attribute}"
        super().__init__(chosen, schemas.get("wflw98"), name, skipping.errors)


def _list(root: Path, split: str) -> Path:
    file = f"{_FOLDER}/list_98pt_rect_attr_{split}.txt"
    found = next((p for p in (root / "WFLW_annotations" / file, root / file) if p.is_file()), None)
    if found is None:
        raise DatasetError(f"{root}: {file} is not here. {_HAD}")
    return found


def _sample(root: Path, path: Path, line: int, text: str) -> Sample:
    words = text.split(maxsplit=_COLUMNS)  # the name may hold spaces
    where = f"{path}:{line}"
    if len(words) <= _COLUMNS:
        raise DatasetError(f"{where}: expected {_COLUMNS} numbers and a picture's name, found {len(words)} words")
    values = numbers(words[:_COLUMNS], path, line, _COLUMNS)
    points = points_of(values[: 2 * _POINTS], where)
    edges, flags = values[2 * _POINTS : 2 * _POINTS + 4], values[2 * _POINTS + 4 :]
    box = np.asarray([v if abs(v) <= FARTHEST else np.nan for v in edges], np.float32)
    if not np.isfinite(box).all() or (box[2:] < box[:2]).any():
        raise DatasetError(f"{where}: the box {edges} is not x0 y0 x1 y1")
    if any(flag not in (0, 1) for flag in flags):
        raise DatasetError(f"{where}: the six attributes must be 0 or 1, found {flags}")
    name = words[_COLUMNS].strip()
    file = picture(root / "WFLW_images" / name, where)
    meta = {"name": name, **{key: bool(flag) for key, flag in zip(ATTRIBUTES, flags, strict=True)}}
    return Sample(points, schemas.get("wflw98"), file, box, subject=name, meta=meta)


def write_wflw(samples: Sequence[Sample], root: str | Path, split: str = "train") -> None:
    """Write faces as :class:`WFLW` reads them: a list of lines, and the pictures in ``WFLW_images/``.

    Points are exact (float32); a missing one is ``nan nan``, which facekp reads and the set's own tools do not know.
    The box has whole pixels, as the set's; a face without one gets its points' extent, rounded outwards.
    Attributes that ``meta`` lacks are 0.

    Raises:
        ArgumentError: a face has another schema or no labelled point and no box; unknown split.
        DatasetError: something cannot be written.
    """
    root = Path(root)
    if split not in SPLITS:
        raise unknown_name("WFLW split", split, SPLITS)
    for index, sample in enumerate(samples):
        if sample.schema != schemas.get("wflw98"):
            raise ArgumentError(f"write_wflw: sample {index} has schema {sample.schema.name}, WFLW has wflw98")
        if sample.source_box is None and not sample.mask.any():
            raise ArgumentError(f"write_wflw: sample {index} has neither a box nor a point")
    lines = [_line(sample, name) for sample, name in zip(samples, place(samples, root / "WFLW_images"), strict=True)]
    write_text(root / _FOLDER / f"list_98pt_rect_attr_{split}.txt", "".join(lines))


def _line(sample: Sample, name: str) -> str:
    if sample.source_box is None:
        box = np.concatenate([np.floor(sample.box[:2]), np.ceil(sample.box[2:])])
    else:
        box = np.rint(sample.source_box)
    points = " ".join(str(v) for v in shortest(sample.keypoints))
    flags = " ".join(str(int(bool(sample.meta.get(key, False)))) for key in ATTRIBUTES)
    return f"{points} {' '.join(str(int(v)) for v in box)} {flags} {name}\n"
