"""Whole samples on their way through torchvision's pipelines (v2), and back.

torchvision's ``KeyPoints`` live in two frames.  Its resize, affine, rotate and perspective take (0, 0) for the corner
of the top-left pixel; its flips, ``x' = W - 1 - x``, for that pixel's centre, and they never swap left and right.
Here points enter torchvision as half a pixel more, the frame of the corner, and flips are done anew.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from ..errors import ArgumentError, FacekpError
from ..sample import Sample
from ..schema import KeypointSchema
from .geometric import mirror_pairs

__all__ = ["FacePoints", "TvSample", "from_tv_tensors", "to_tv_tensors"]

if not hasattr(tv_tensors, "KeyPoints"):
    raise FacekpError("to_tv_tensors and from_tv_tensors need torchvision 0.23 or later, the first that has KeyPoints")


class FacePoints(tv_tensors.KeyPoints):  # type: ignore[misc]
    """A face's points in torchvision: the corner of the top-left pixel is (0, 0); flips swap the points' names.

    Attributes:
        schema: what the points are.
    """

    schema: KeypointSchema

    @classmethod
    def wrap(cls, tensor: torch.Tensor, like: FacePoints, **options: Any) -> FacePoints:
        out: FacePoints = tensor.as_subclass(cls)
        out.canvas_size = options.get("canvas_size", like.canvas_size)
        out.schema = like.schema
        return out


class TvSample(NamedTuple):
    """What torchvision's transforms are called with.

    Attributes:
        image: ``tv_tensors.Image``, ``(3, H, W)`` uint8.
        keypoints: ``tv_tensors.KeyPoints``, ``(K, 2)`` float32, in torchvision's frame; NaN where missing.
    """

    image: Any
    keypoints: Any


def to_tv_tensors(sample: Sample) -> TvSample:
    """A sample as torchvision's types; ``transform(*to_tv_tensors(sample))`` calls a v2 transform on both.

    The points know their schema: a horizontal flip swaps their names, which torchvision's own ``KeyPoints`` do not.

    Args:
        sample: a labelled face.
    """
    if not isinstance(sample, Sample):
        raise ArgumentError(f"sample: expected a facekp Sample, got {type(sample).__name__}")
    image = np.ascontiguousarray(sample.image.transpose(2, 0, 1))
    points = FacePoints(torch.from_numpy(sample.keypoints.astype(np.float32) + 0.5), canvas_size=image.shape[1:])
    points.schema = sample.schema
    return TvSample(tv_tensors.Image(torch.from_numpy(image)), points)


def from_tv_tensors(image: Any, keypoints: Any) -> Sample:
    """The way back from :func:`to_tv_tensors`.

    Args:
        image: ``(3, H, W)`` uint8, or float of [0, 1].
        keypoints: what :func:`to_tv_tensors` gave, transformed or not.

    Raises:
        ArgumentError: a wrong shape or type, or points that did not come from :func:`to_tv_tensors`.
    """
    if not isinstance(keypoints, FacePoints) or not hasattr(keypoints, "schema"):
        raise ArgumentError(f"keypoints: expected what to_tv_tensors gave, got {type(keypoints).__name__}")
    if not isinstance(image, torch.Tensor) or image.ndim != 3 or image.shape[0] != 3:
        what = tuple(image.shape) if isinstance(image, torch.Tensor) else type(image).__name__
        raise ArgumentError(f"image: expected a tensor (3, H, W), got {what}")
    pixels = v2.functional.to_dtype(image.as_subclass(torch.Tensor), torch.uint8, scale=True)
    points = keypoints.as_subclass(torch.Tensor).detach().cpu().numpy().astype(np.float32) - np.float32(0.5)
    schema = keypoints.schema
    return Sample(points, schema, pixels=np.ascontiguousarray(pixels.detach().cpu().numpy().transpose(1, 2, 0)))


@v2.functional.register_kernel("horizontal_flip", FacePoints)  # type: ignore[untyped-decorator]
def _mirrored(points: FacePoints) -> FacePoints:
    out = points.as_subclass(torch.Tensor).clone()
    out[..., 0] = points.canvas_size[1] - out[..., 0]
    return FacePoints.wrap(out[mirror_pairs(points.schema)], like=points)


@v2.functional.register_kernel("vertical_flip", FacePoints)  # type: ignore[untyped-decorator]
def _upside_down(points: FacePoints) -> FacePoints:
    # Upside down is a mirror and half a turn: left and right change their names here too
    out = points.as_subclass(torch.Tensor).clone()
    out[..., 1] = points.canvas_size[0] - out[..., 1]
    return FacePoints.wrap(out[mirror_pairs(points.schema)], like=points)


@v2.functional.register_kernel("rotate", FacePoints)  # type: ignore[untyped-decorator]
def _turned(points: FacePoints, angle: float, expand: bool = False, center: Any = None, **_: Any) -> FacePoints:
    size = points.canvas_size
    out, _size = v2.functional.rotate_keypoints(points.as_subclass(torch.Tensor), size, angle=angle, center=center)
    if expand:  # the centre stays the centre; the larger size that torchvision's points believe in is not always right
        larger = v2.functional.rotate(torch.empty((1, *size), dtype=torch.uint8), angle, expand=True).shape[1:]
        out = out + torch.tensor([larger[1] - size[1], larger[0] - size[0]]).to(out) / 2
        size = tuple(larger)
    return FacePoints.wrap(out, like=points, canvas_size=size)


@v2.functional.register_kernel("elastic", FacePoints)  # type: ignore[untyped-decorator]
def _elastic(points: FacePoints, *_: Any, **__: Any) -> FacePoints:
    raise ArgumentError("ElasticTransform: torchvision rounds points to whole pixels in it; leave it out")
