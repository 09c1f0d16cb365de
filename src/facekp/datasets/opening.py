"""A data set as a person names it: where it is, perhaps which format it has, perhaps which part is meant."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import ArgumentError, unknown_name
from ..schema import KeypointSchema
from .base import SampleSet
from .folder import SCHEMA
from .ibug300w import SPLITS

__all__ = ["BY_ENDING", "Opened", "guess", "open_set"]

BY_ENDING = {".xml": "dlib_xml", ".json": "coco", ".csv": "kaggle", ".mat": "cofw", ".fkp": "packed"}


class Opened(NamedTuple):
    """A data set that was read, and what was read.

    Attributes:
        samples: the faces.
        format: the reader's name.
        split: the part, None where the reader knows none.
    """

    samples: SampleSet
    format: str
    split: str | None


def guess(source: str | Path, *, parts: bool = False) -> str:
    """The format of what is there, from its name and, of a folder, from what lies in it.

    Args:
        source: a file or a folder.
        parts: take 300-W's folders for ``"300w"``, which reads one part of them, not for ``"pts"``, which reads all.

    Raises:
        ArgumentError: nothing is there, or it looks like no format.
    """
    source = Path(source)
    ending = BY_ENDING.get(source.suffix.lower())
    if ending and not source.is_dir() and _fits(source, ending):
        return ending  # of a file that is missing, the reader says where it is had
    if parts and any((source / folder).is_dir() for folders in SPLITS.values() for folder in folders):
        return "300w"
    marks = {
        "folder": (SCHEMA, "*.csv"),
        "folder ": (SCHEMA, "points.json"),
        "wflw": ("WFLW_images",),
        "udacity": ("*_frames_keypoints.csv",),
        "cofw": ("COFW_*_color.mat",),
        "asf": (SCHEMA, "**/*.asf"),
        "imm": ("[0-9][0-9]-[1-6][mfMF].asf",),
        "imm_frontal": ("[0-9]*_[0-9]*.asf",),
        "pts": ("**/*.pts",),
    }
    for name, patterns in marks.items():
        if source.is_dir() and all(next(source.glob(pattern), None) is not None for pattern in patterns):
            return name.strip()
    what = "looks like no format that facekp reads; say which it is" if source.exists() else "no such file or folder"
    raise ArgumentError(f"{source}: {what}")


def _fits(source: Path, name: str) -> bool:
    """Many sets have a CSV file; Kaggle's has its pictures in a column of that name."""
    if name != "kaggle" or not source.is_file():
        return True
    try:
        with source.open(encoding="utf-8-sig", errors="replace") as stream:
            return "Image" in [cell.strip(' "\r\n') for cell in stream.readline(100_000).split(",")]
    except OSError:
        return True


def open_set(
    source: str | Path,
    name: str,
    *,
    split: str | None = None,
    schema: KeypointSchema | str | None = None,
    default_split: bool = False,
    on_error: str = "raise",
) -> Opened:
    """Read a set of which no more is known than a command line tells.

    Args:
        source: the folder or file.
        name: one of :func:`facekp.datasets.names`.
        split: which part.
        schema: what the points are, where the format does not say it.
        default_split: where no part is told, take the reader's own default instead of refusing.
        on_error: ``"skip"`` leaves wrong labels out.

    Raises:
        ArgumentError: an unknown format, an argument that it does not take, or a part that must be told.
        DatasetError: the files are missing or wrong.
    """
    from . import DATASETS, create  # which import this module

    if name not in DATASETS:
        raise unknown_name("data set format", name, DATASETS)
    # Every reader's first argument is where the data is.
    arguments = inspect.signature(DATASETS[name]).parameters
    options: dict[str, Any] = {next(iter(arguments)): Path(source), "on_error": on_error}
    for key, value in (("schema", schema), ("split", split)):
        if value is not None:
            if key not in arguments:
                raise ArgumentError(f"{source}: the format {name} takes no {key}")
            options[key] = value
    if "split" in arguments and split is None:
        if not default_split:
            # A reader's own default is one part: the others would be lost, or the training part be measured, unasked.
            raise ArgumentError(f"{source}: which split of this {name} set? Say e.g. train or test (--split)")
        split = str(arguments["split"].default)
    return Opened(create(name, **options), name, split)
