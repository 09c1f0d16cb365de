"""For doctor: which packages facekp asks for, and which are there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import metadata

__all__ = ["Needed", "extras", "needed"]


@dataclass(frozen=True, slots=True)
class Needed:
    """A package that facekp asks for.

    Attributes:
        name: as pip calls it.
        oldest: the oldest version that will do, or ``""``.
        found: the version that is installed, or None.
    """

    name: str
    oldest: str
    found: str | None

    @property
    def old(self) -> bool:
        """Whether it is there, and older than facekp needs."""
        return self.found is not None and _release(self.found) < _release(self.oldest)


#: Packages that bring the same module under another name.
TWINS = {
    "opencv-python-headless": ("opencv-python", "opencv-contrib-python-headless", "opencv-contrib-python"),
    "onnxruntime": ("onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino"),
}


def needed(extra: str | None = None) -> list[Needed]:
    """What facekp needs, or what one of its extras adds.

    Raises:
        importlib.metadata.PackageNotFoundError: facekp is not installed, but run from its source.
    """
    found = []
    for line in metadata.requires("facekp") or ():
        text, _, marker = line.partition(";")
        name, oldest = re.match(r"[\w.-]+", text), re.search(r">=\s*([\w.]+)", text)
        wanted = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", marker)
        if name is None or name[0] == "facekp" or (wanted and wanted[1]) != extra:
            continue
        found.append(Needed(name[0], oldest[1] if oldest else "", version(name[0])))
    return found


def extras() -> list[str]:
    """The names of facekp's extras."""
    return sorted(metadata.metadata("facekp").get_all("Provides-Extra") or ())


def version(name: str) -> str | None:
    """The installed version of a package, or of one that brings the same module."""
    for one in (name, *TWINS.get(name, ())):
        try:
            return metadata.version(one)
        except metadata.PackageNotFoundError:
            continue
    return None


def _release(text: str) -> tuple[int, ...]:
    """``"2.6.1+cpu"`` → (2, 6, 1)."""
    found = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()
