"""Facial keypoints: find them in pictures, train, measure and ship the models that do it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._version import __version__
from .errors import FacekpError

if TYPE_CHECKING:
    from . import (
        activations,
        annotate,
        benchmark,
        datasets,
        decoders,
        demo,
        doctor,
        draw,
        engine,
        errors,
        evaluate,
        export,
        finder,
        geometry,
        heatmap,
        hub,
        image,
        losses,
        metrics,
        models,
        plots,
        pose,
        predict,
        preprocessing,
        sample,
        schema,
        transforms,
        video,
    )
    from .detector import Detector
    from .face import Face

__all__ = [
    "Detector",
    "Face",
    "FacekpError",
    "__version__",
    "activations",
    "annotate",
    "benchmark",
    "datasets",
    "decoders",
    "demo",
    "doctor",
    "draw",
    "engine",
    "errors",
    "evaluate",
    "export",
    "finder",
    "geometry",
    "heatmap",
    "hub",
    "image",
    "list_models",
    "losses",
    "metrics",
    "models",
    "plots",
    "pose",
    "predict",
    "preprocessing",
    "sample",
    "schema",
    "transforms",
    "video",
]

# Namespaces load when they are first used: most programs need few of them.
_CLASSES = {"Detector": "detector", "Face": "face"}
_MODULES = frozenset(n for n in __all__ if n.islower() and n not in ("list_models", "__version__"))


def list_models() -> list[str]:
    """The names of the models inside the package, for :meth:`Detector.from_pretrained`."""
    from . import hub

    return list(hub.bundled("keypoints"))


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _CLASSES:
        value = getattr(import_module(f".{_CLASSES[name]}", __name__), name)
    elif name in _MODULES:
        value = import_module(f".{name}", __name__)
    else:
        raise AttributeError(f"module 'facekp' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
