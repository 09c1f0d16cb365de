"""Data sets: every reader yields the same :class:`facekp.sample.Sample`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import ArgumentError, unknown_name
from .base import SampleSet
from .dlib_xml import DlibXML
from .ibug300w import IBUG300W
from .pts import read_pts, write_pts

__all__ = ["DATASETS", "IBUG300W", "DlibXML", "SampleSet", "create", "names", "read_pts", "write_pts"]

DATASETS: dict[str, Callable[..., SampleSet]] = {"300w": IBUG300W, "dlib_xml": DlibXML}


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
        raise ArgumentError(f"data set {name}: {error}") from None
