"""Data sets: every reader yields the same :class:`facekp.sample.Sample`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._arguments import options_of
from ..errors import ArgumentError, unknown_name
from .asf import AsfShape, read_asf, write_asf
from .base import SampleSet
from .beside import AsfFolder, PtsFolder, write_asf_folder, write_pts_folder
from .coco import CocoKeypoints, write_coco
from .cofw import COFW
from .convert import TARGETS, convert
from .dlib_xml import DlibXML, write_dlib_xml
from .folder import Folder, write_folder
from .ibug300w import IBUG300W
from .imm import IMM, IMMFrontal
from .kaggle import KaggleFacialKeypoints, KaggleTest
from .kaggle_out import kaggle_rmse, write_kaggle, write_submission
from .packed import Packed, PackedSample
from .packed_write import pack
from .pts import read_pts, write_pts
from .split import concat, split_by
from .udacity import UdacityKeypoints
from .wflw import WFLW, write_wflw

__all__ = [
    "COFW",
    "DATASETS",
    "IBUG300W",
    "IMM",
    "TARGETS",
    "WFLW",
    "AsfFolder",
    "AsfShape",
    "CocoKeypoints",
    "DlibXML",
    "Folder",
    "IMMFrontal",
    "KaggleFacialKeypoints",
    "KaggleTest",
    "Packed",
    "PackedSample",
    "PtsFolder",
    "SampleSet",
    "UdacityKeypoints",
    "concat",
    "convert",
    "create",
    "kaggle_rmse",
    "names",
    "pack",
    "read_asf",
    "read_pts",
    "split_by",
    "write_asf",
    "write_asf_folder",
    "write_coco",
    "write_dlib_xml",
    "write_folder",
    "write_kaggle",
    "write_pts",
    "write_pts_folder",
    "write_submission",
    "write_wflw",
]

#: The readers by the name of their format.
DATASETS: dict[str, Callable[..., SampleSet]] = {
    "300w": IBUG300W,
    "asf": AsfFolder,
    "coco": CocoKeypoints,
    "cofw": COFW,
    "dlib_xml": DlibXML,
    "folder": Folder,
    "imm": IMM,
    "imm_frontal": IMMFrontal,
    "kaggle": KaggleFacialKeypoints,
    "packed": Packed,
    "pts": PtsFolder,
    "udacity": UdacityKeypoints,
    "wflw": WFLW,
}


def names() -> list[str]:
    """The formats that :func:`create` knows."""
    return sorted(DATASETS)


def create(name: str, **options: Any) -> SampleSet:
    """A data set by the name of its format.

    Args:
        name: one of :func:`names`.
        options: the reader's own arguments, e.g. ``root="300w", split="train"``.

    Raises:
        ArgumentError: unknown name, or an option that the reader does not have.
        DatasetError: the files are missing or wrong.
    """
    if name not in DATASETS:
        raise unknown_name("data set format", name, DATASETS)
    try:
        return DATASETS[name](**options)
    except TypeError as error:
        raise ArgumentError(f"data set {name}: {options_of(DATASETS[name], error)}") from None
