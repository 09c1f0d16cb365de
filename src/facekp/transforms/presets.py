"""Ready pipelines."""

from __future__ import annotations

from ..errors import unknown_name
from .base import Compose, Transform
from .geometric import Mirror, RandomAffine
from .occlusion import Occlude
from .photometric import Blur, Colour, Grey, Jpeg, Noise, Shade, Tone

__all__ = ["PRESETS", "preset"]

PRESETS = ("none", "classic", "strong")


def preset(name: str, crop: Transform) -> Compose:
    """A ready pipeline around a crop.

    ``"none"`` only crops.  ``"classic"`` is what course projects do: turns of
    ±15°, small shifts, brightness and saturation.  ``"strong"`` is what the
    shipped keypoint models were trained with, at least at first.

    Args:
        name: ``"none"``, ``"classic"`` or ``"strong"``.
        crop: what brings the picture to the network's size, e.g. :class:`CropToBox`.

    Raises:
        ArgumentError: another name.
    """
    if name == "none":
        return Compose([crop])
    if name == "classic":
        return Compose([crop, RandomAffine(angle=15, shift=0.08), Tone(0.25, 0, 0, p=0.3), Colour(0.25, 0.1, p=0.3)])
    if name != "strong":
        raise unknown_name("preset", name, PRESETS)
    return Compose(
        [
            crop,
            Mirror(),
            RandomAffine(angle=20, scale=0.18, shift=0.07, stretch=0.1),
            RandomAffine(angle=20, scale=0.08, shift=0.05, p=0.4),  # together up to ±40°
            Colour(p=0.5),
            Tone(p=0.7),
            Shade(p=0.2),
            Grey(p=0.15),
            Blur(p=0.2),
            Occlude(p=0.4),
            Noise(p=0.2),
            Jpeg(p=0.2),
        ]
    )
