"""Joint transforms of a picture and its points, one by one or for a whole batch.

Geometric transforms only multiply into one affine map; however many there are, pixels are resampled once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .base import Compose, Transform, View
from .geometric import CropToBox, Mirror, RandomAffine, Resize, Rotate, Scale, Shear, Shift
from .hand import Hand
from .occlusion import Occlude
from .photometric import Blur, Colour, Grey, Jpeg, Noise, Shade, Tone
from .presets import PRESETS as PRESETS
from .presets import preset
from .simple import CLAHE, Brightness, Contrast, Gamma, Hue, Saturation

if TYPE_CHECKING:
    from .batch import BatchWarp, warp_batch
    from .tv import TorchVision
    from .tv_samples import from_tv_tensors, to_tv_tensors

__all__ = [
    "CLAHE",
    "BatchWarp",
    "Blur",
    "Brightness",
    "Colour",
    "Compose",
    "Contrast",
    "CropToBox",
    "Gamma",
    "Grey",
    "Hand",
    "Hue",
    "Jpeg",
    "Mirror",
    "Noise",
    "Occlude",
    "RandomAffine",
    "Resize",
    "Rotate",
    "Saturation",
    "Scale",
    "Shade",
    "Shear",
    "Shift",
    "Tone",
    "TorchVision",
    "Transform",
    "View",
    "from_tv_tensors",
    "preset",
    "to_tv_tensors",
    "warp_batch",
]

# These need torch or torchvision, which single pictures do without.
_LATE = {
    "BatchWarp": "batch",
    "warp_batch": "batch",
    "TorchVision": "tv",
    "from_tv_tensors": "tv_samples",
    "to_tv_tensors": "tv_samples",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _LATE:
        raise AttributeError(f"module 'facekp.transforms' has no attribute {name!r}")
    value = getattr(import_module(f".{_LATE[name]}", __name__), name)
    globals()[name] = value
    return value
