"""Pictures without a face: those of scikit-image that come with its wheel."""

from __future__ import annotations

from importlib import resources
from importlib.util import find_spec
from typing import Any

import numpy.typing as npt

from .. import image as images
from ..errors import MissingExtraError

__all__ = ["NAMES", "textures"]

Array = npt.NDArray[Any]

#: Textures, things, animals, cells, print, sky.  Not the pictures of people, ``astronaut`` and
#: ``camera``, nor ``coins``, which show heads.
NAMES = (
    "brick.png", "cell.png", "chelsea.png", "chessboard_GRAY.png", "chessboard_RGB.png", "clock_motion.png",
    "coffee.png", "color.png", "grass.png", "gravel.png", "horse.png", "hubble_deep_field.jpg", "ihc.png",
    "logo.png", "microaneurysms.png", "moon.png", "motorcycle_left.png", "motorcycle_right.png", "page.png",
    "phantom.png", "retina.jpg", "rocket.jpg", "text.png",
)  # fmt: skip


def textures() -> dict[str, Array]:
    """scikit-image's sample pictures without a face, by name: those of :data:`NAMES` that this version carries.

    Raises:
        MissingExtraError: scikit-image is not installed.
    """
    if find_spec("skimage") is None:
        raise MissingExtraError("scikit-image", "bench")
    folder = resources.files("skimage") / "data"
    return {name: images.read((folder / name).read_bytes()) for name in NAMES if (folder / name).is_file()}
