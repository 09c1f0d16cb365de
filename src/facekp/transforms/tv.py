"""A transform of torchvision (v2) as one step among facekp's."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from ..errors import ArgumentError
from .base import Array
from .photometric import Photometric

__all__ = ["TorchVision"]


class TorchVision(Photometric):
    """A photometric transform of ``torchvision.transforms.v2`` as a step; :class:`Compose` wraps them by itself.

    torchvision draws from torch's global generator: for the time of the call that one is seeded from the generator of
    the pipeline, and it is then put back, so nothing else is disturbed.  One sample at a time: two threads would
    share it.

    Args:
        transform: takes a uint8 ``(3, H, W)`` image and returns one of the same shape and type.
        p: how often; else nothing happens.

    Raises:
        ArgumentError: a transform that moves pixels, or is nothing to be called; when applied, one that returns
            another shape or type.
    """

    def __init__(self, transform: Any, p: float = 1.0) -> None:
        super().__init__(p)
        if not callable(transform) or isinstance(transform, type):
            raise ArgumentError(f"TorchVision: transform must be a transform, got {transform!r}")
        for part in _parts(transform):
            if type(part).__name__ in _moving():
                raise ArgumentError(
                    f"TorchVision: {type(part).__name__} moves pixels but would leave the points behind: use a "
                    "geometric transform of facekp.transforms, or to_tv_tensors for all-torchvision pipelines"
                )
        self.transform = transform

    def change(self, image: Array, rng: np.random.Generator) -> Array:
        given = tv_tensors.Image(torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))))
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int(rng.integers(1 << 62)))
            out = self.transform(given)
        if not isinstance(out, torch.Tensor) or out.shape != given.shape or out.dtype != torch.uint8:
            what = f"{tuple(out.shape)} {out.dtype}" if isinstance(out, torch.Tensor) else type(out).__name__
            raise ArgumentError(
                f"TorchVision: {self.transform!r} made {what} of {tuple(given.shape)} torch.uint8; only photometric "
                "transforms that keep shape and type can be a step"
            )
        return np.ascontiguousarray(out.numpy().transpose(1, 2, 0))


@cache
def _moving() -> frozenset[str]:
    """The names of torchvision's transforms, v1 and v2 (which share them), that move pixels."""
    known = {**vars(v2._geometry), **vars(v2._auto_augment)}
    return frozenset(name for name in v2.__dict__ if isinstance(known.get(name), type))


def _parts(transform: Any) -> Iterator[Any]:
    """The transform and all that it contains: torchvision keeps some in plain lists."""
    yield transform
    inside = list(transform.children()) if isinstance(transform, torch.nn.Module) else []
    for value in vars(transform).values() if hasattr(transform, "__dict__") else ():
        inside += [part for part in value if callable(part)] if isinstance(value, (list, tuple)) else []
    for part in inside:
        yield from _parts(part)
