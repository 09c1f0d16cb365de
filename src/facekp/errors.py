"""The errors that facekp raises on purpose.

Every message names the file or argument at fault, says what was expected, and
what to do next.  Catch :class:`FacekpError` to catch them all.
"""

from __future__ import annotations

__all__ = [
    "ArgumentError",
    "DatasetError",
    "FacekpError",
    "HubError",
    "ImageError",
    "MissingExtraError",
    "RecipeError",
    "TrainingError",
    "unknown_name",
]


class FacekpError(Exception):
    """Base of every error that facekp raises on purpose."""


class ArgumentError(FacekpError, ValueError):
    """An argument has a wrong shape, type or value."""


class ImageError(FacekpError):
    """A picture cannot be read or used."""


class DatasetError(FacekpError):
    """A data set's file is missing, damaged or inconsistent."""


class RecipeError(FacekpError):
    """A training recipe is wrong; the message names the key and the choices."""


class TrainingError(FacekpError):
    """A training run cannot go on: it diverged, or its checkpoint cannot be written."""


class HubError(FacekpError):
    """A model cannot be found, loaded, verified or pushed."""


class MissingExtraError(FacekpError, ImportError):
    """An optional dependency is not installed; the message names the extra."""

    def __init__(self, package: str, extra: str) -> None:
        self.package, self.extra = package, extra
        super().__init__(f"this needs {package}, which is not installed: run  pip install 'facekp[{extra}]'")

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        return type(self), (self.package, self.extra)


def unknown_name(kind: str, name: object, choices: object) -> ArgumentError:
    """The error for a name that is in no dict: it lists the choices."""
    known = ", ".join(sorted(str(c) for c in choices))  # type: ignore[attr-defined]
    return ArgumentError(f"unknown {kind} {name!r}; choose one of: {known}")
