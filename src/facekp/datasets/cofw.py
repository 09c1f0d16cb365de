"""COFW: 29 points with occlusion (Burgos-Artizzu, Perona, Dollár, ICCV 2013), from MATLAB v7.3 files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import schema as schemas
from ..errors import DatasetError, MissingExtraError, unknown_name
from ..sample import Sample
from .base import SampleSet, Skipping, points_of

__all__ = ["COFW"]

Array = npt.NDArray[Any]

# file, pictures, points, boxes
_SPLITS = {
    "train": ("COFW_train_color.mat", "IsTr", "phisTr", "bboxesTr"),
    "test": ("COFW_test_color.mat", "IsT", "phisT", "bboxesT"),
}
_HAD = (
    "COFW (for research; its page states the terms) is had from CaltechDATA, 'Caltech Occluded Faces in the Wild "
    "(COFW)': unpack COFW_color.zip and give the folder that holds COFW_train_color.mat and COFW_test_color.mat, "
    "or one of the files"
)


class COFW(SampleSet):
    """The 29-point faces of COFW, read with h5py (``pip install 'facekp[data]'``).

    Points are 1-based in the file and move by one pixel; a box ``x y w h`` becomes ``x-1, y-1, x-1+w, y-1+h`` in the
    points' frame.  ``meta["occluded"]`` is a tuple of 29 bool, ``meta["name"]`` the file with the face's number (from
    0).  Pictures lie inside the file and are read when asked for, the file being opened each time: a sample can be
    sent to another process.

    Args:
        path: the folder of the two files, or one file.
        split: ``"train"`` (1,345 faces) or ``"test"`` (507).
        on_error: ``"skip"`` leaves wrong faces out and lists them in ``skipped``.

    Raises:
        ArgumentError: unknown split.
        MissingExtraError: h5py is not installed.
        DatasetError: no such file, no MATLAB v7.3 file, or arrays that do not fit together.
    """

    def __init__(self, path: str | Path, split: str = "train", *, on_error: str = "raise") -> None:
        path = Path(path)
        if split not in _SPLITS:
            raise unknown_name("COFW split", split, _SPLITS)
        file, *keys = _SPLITS[split]
        if path.is_dir() or not path.suffix:
            path /= file
        if not path.is_file():
            raise DatasetError(f"{path}: this file is missing. {_HAD}")
        points, boxes = _labels(path, keys)
        samples, skipping = [], Skipping(on_error)
        for index in range(len(points)):
            with skipping.one():
                samples.append(_sample(path, keys[0], index, points[index], boxes[index]))
        if not samples:
            raise skipping.nothing(f"{path}: no face in {keys[1]}")
        super().__init__(samples, schemas.get("cofw29"), f"COFW {split}", skipping.errors)


@dataclass(slots=True)
class _Inside(Sample):
    """A face whose picture lies inside a MATLAB file.

    Attributes:
        file: the MATLAB file.
        cell: the name of its cell array of pictures.
        index: which of them, from 0.
    """

    file: Path = Path()
    cell: str = ""
    index: int = 0

    @property
    def image(self) -> Array:
        """The picture, ``(H, W, 3)`` RGB uint8 (read from the MATLAB file, not kept)."""
        return _picture(self.file, self.cell, self.index) if self.pixels is None else self.pixels


def _h5py() -> Any:
    try:
        import h5py
    except ImportError:
        raise MissingExtraError("h5py", "data") from None
    return h5py


def _open(path: Path) -> Any:
    try:
        return _h5py().File(path, "r")
    except OSError as error:
        raise DatasetError(f"{path}: not a MATLAB v7.3 (HDF5) file, or cut off ({error}). {_HAD}") from None


def _labels(path: Path, keys: list[str]) -> tuple[Array, Array]:
    """Points with occlusion ``(N, 87)`` and boxes ``(N, 4)``; MATLAB's columns are HDF5's rows."""
    with _open(path) as file:
        absent = [key for key in keys if key not in file]
        if absent:
            raise DatasetError(f"{path}: it has no {', '.join(absent)}; expected {', '.join(keys)}. {_HAD}")
        try:
            pictures = file[keys[0]].size
            points, boxes = (np.asarray(file[key], np.float64).T for key in keys[1:])
        except (OSError, TypeError, ValueError, AttributeError) as error:
            raise DatasetError(f"{path}: {', '.join(keys)} cannot be read ({error})") from None
    count = len(points) if points.ndim == 2 else 0
    if (points.shape, boxes.shape, pictures) != ((count, 87), (count, 4), count):
        raise DatasetError(
            f"{path}: {pictures} pictures, points {points.shape} and boxes {boxes.shape} do not fit together; "
            "expected N, (N, 87) and (N, 4) in MATLAB's order"
        )
    return points, boxes


def _sample(path: Path, cell: str, index: int, row: Array, box: Array) -> Sample:
    where = f"{path}: face {index} (from 0)"
    x, y, occluded = row.reshape(3, 29)
    points = points_of(np.stack([x, y], -1) - 1, where)
    if not np.isfinite(box).all() or (box[2:] < 0).any():
        raise DatasetError(f"{where}: the box {box.tolist()} is not x y width height")
    source = np.concatenate([box[:2] - 1, box[:2] - 1 + box[2:]]).astype(np.float32)
    meta = {"name": f"{path.name}#{index}", "occluded": tuple(bool(flag) for flag in occluded > 0)}
    return _Inside(points, schemas.get("cofw29"), None, source, meta=meta, file=path, cell=cell, index=index)


def _picture(path: Path, cell: str, index: int) -> Array:
    with _open(path) as file:
        try:
            reference = np.asarray(file[cell]).reshape(-1)[index]
            stored = np.asarray(file[reference])
        except (OSError, KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise DatasetError(f"{path}: picture {index} of {cell} cannot be read ({error})") from None
    image = stored.T  # MATLAB counts columns first: (3, W, H) or, where it is grey, (W, H)
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, -1)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise DatasetError(f"{path}: picture {index} of {cell} is {stored.dtype} {stored.shape}, not (3, W, H) uint8")
    return np.ascontiguousarray(image)
