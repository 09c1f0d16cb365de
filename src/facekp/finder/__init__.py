"""The face finder: where the faces of a picture are."""

from __future__ import annotations

from .decode import Detections, decode
from .finder import FaceFinder, FinderConfig
from .network import DEFAULT_SPEC, STRIDES, FinderNetwork, create
from .others import Finder, FunctionFinder, YuNet
from .targets import assign, grid, loss

__all__ = [
    "DEFAULT_SPEC",
    "STRIDES",
    "Detections",
    "FaceFinder",
    "Finder",
    "FinderConfig",
    "FinderNetwork",
    "FunctionFinder",
    "YuNet",
    "assign",
    "create",
    "decode",
    "grid",
    "loss",
]
