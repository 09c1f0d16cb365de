"""The same transforms for a whole batch of pictures, on the GPU or the CPU, in one resampling.

Maps and strengths are drawn by numpy with the functions that single pictures use; pixels are touched by a handful of
tensor operations for the whole batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from .. import _arguments as check
from .. import geometry
from ..errors import ArgumentError
from ..schema import KeypointSchema
from . import batch_pixels
from .base import Array, Compose, Transform, moved_boxes, then
from .geometric import CropToBox, Geometric, Mirror, Resize, mirror_pairs
from .photometric import Photometric

__all__ = ["BatchWarp", "warp_batch"]

Images = torch.Tensor | Sequence[torch.Tensor]


class BatchWarp:
    """Crop, affine and photometric transforms of a uint8 batch in one ``grid_sample``.

    Takes the transforms that single pictures take: geometric ones first, as all of them become one map.

    Args:
        transforms: a :class:`~facekp.transforms.Compose` or a list of transforms.
        schema: what the points are; a mirror needs its pairs.

    Raises:
        ArgumentError: a transform has no batched form, or a geometric one follows a photometric one.

    Example:
        >>> warp = BatchWarp.preset("classic", (96, 96), schema)
        >>> images, keypoints = warp(frames, points, rng=7)
    """

    def __init__(self, transforms: Compose | Sequence[Transform], schema: KeypointSchema) -> None:
        self.transforms, self.schema = list(_flat(transforms)), check.layout(schema)
        self._geometric = [t for t in self.transforms if isinstance(t, (Geometric, CropToBox, Resize))]
        self._photometric = self.transforms[len(self._geometric) :]
        for step in self._photometric:
            if step in self._geometric:
                raise ArgumentError(
                    f"BatchWarp: {step!r} follows a photometric transform; put all geometric ones first: "
                    "they become one map"
                )
            if not batch_pixels.known(step):
                raise ArgumentError(f"BatchWarp: {type(step).__name__} has no batched form; use it on single pictures")

    @classmethod
    def preset(
        cls, name: str, size: tuple[int, int], schema: KeypointSchema, scale: float = 1.2, box: Any = "extent"
    ) -> BatchWarp:
        """The batched form of :func:`facekp.transforms.preset` around a :class:`~facekp.transforms.CropToBox`.

        Args:
            name: ``"none"``, ``"classic"`` or ``"strong"``.
            size: ``(H, W)`` of the crops.
            schema: what the points are.
            scale: growth of the box.
            box: ``"extent"`` of the points, the given ``"source"`` boxes, or the ``"full"`` pictures.
        """
        from .presets import preset

        return cls(preset(name, CropToBox(size, scale, box)), schema)

    def __call__(
        self, images: Images, keypoints: Any, boxes: Any = None, rng: np.random.Generator | int | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Transform a batch.

        Args:
            images: ``(N, 3, H, W)`` uint8, or N tensors ``(3, H, W)`` of different sizes.
            keypoints: ``(N, K, 2)``, in pixels of each picture, NaN where missing; an array or a tensor.
            boxes: ``(N, 4)`` that a crop to the ``"source"`` box takes; None: the points' extents.
            rng: a generator, or a seed; None draws from the system's entropy.

        Returns:
            ``(N, 3, h, w)`` uint8 and ``(N, K, 2)`` float32, both where the images are.  One seed gives the same maps
            and strengths on every device; noise itself differs from one kind of device to another.

        Raises:
            ArgumentError: a wrong shape or type, pictures of different sizes that nothing brings to one size, or a
                face whose box is not known.
        """
        generator = rng if isinstance(rng, np.random.Generator) else np.random.default_rng(rng)
        sizes = _sizes(images)
        points = _array("keypoints", keypoints, (len(sizes), len(self.schema), 2))
        places = _Places(
            sizes, points, geometry.extent(points) if boxes is None else _array("boxes", boxes, (len(sizes), 4))
        )
        for step in self._geometric:
            places.move(step, self.schema, generator)
        if (places.sizes != places.sizes[:1]).any():
            raise ArgumentError("BatchWarp: the pictures differ in size; begin with CropToBox or Resize")
        height, width = (int(v) for v in places.sizes[0]) if len(sizes) else (1, 1)
        out = warp_batch(images, places.matrices, (height, width))
        out = batch_pixels.apply(self._photometric, out, generator)
        return out, torch.from_numpy(places.keypoints).to(out.device)

    def __repr__(self) -> str:
        return "BatchWarp([" + "".join(f"\n    {step!r}," for step in self.transforms) + f"\n], {self.schema.name})"


@dataclass(slots=True)
class _Places:
    """Where N pictures are on their way through geometric transforms: maps so far, and sizes ``(N, 2)`` of results."""

    sizes: Array
    points: Array
    source_boxes: Array
    matrices: Array = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self.matrices = np.tile(np.eye(3)[:2], (len(self.sizes), 1, 1))

    @property
    def keypoints(self) -> Array:
        return geometry.apply(self.matrices, self.points)

    def move(self, step: Transform, schema: KeypointSchema, rng: np.random.Generator) -> None:
        """Multiply a step's maps in."""
        height, width = self.sizes.T
        if isinstance(step, (CropToBox, Resize)):
            matrices = self._crops(step) if isinstance(step, CropToBox) else self._resizes(step)
            self.sizes = np.broadcast_to(step.size, self.sizes.shape)
        elif isinstance(step, Geometric):
            draw = rng.random((len(self.sizes), step.numbers + 1))
            chosen = draw[:, -1] < step.p
            if isinstance(step, Mirror) and chosen.any():
                self.points = np.where(chosen[:, None, None], self.points[:, mirror_pairs(schema)], self.points)
            matrices = np.where(chosen[:, None, None], step.matrix(height, width, draw[:, :-1].T), np.eye(3)[:2])
        self.matrices = then(self.matrices, matrices)

    def _crops(self, step: CropToBox) -> Array:
        if step.box == "extent":
            boxes = geometry.extent(self.keypoints)
        elif step.box == "source":
            boxes = moved_boxes(self.matrices, self.source_boxes)
        else:
            boxes = np.concatenate([np.full(self.sizes.shape, -0.5), self.sizes[:, ::-1] - 0.5], 1)
        return np.array([geometry.crop_matrix(box, step.size, step.scale) for box in boxes]).reshape(-1, 2, 3)

    def _resizes(self, step: Resize) -> Array:
        own = [(int(h), int(w)) for h, w in self.sizes]
        return np.array([geometry.resize_matrix(size, step.size) for size in own]).reshape(-1, 2, 3)


def warp_batch(images: Images, matrices: Array, size: tuple[int, int]) -> torch.Tensor:
    """:func:`facekp.geometry.warp` of N pictures by one ``grid_sample``; black beyond their edges.

    Pictures whose map shrinks them k times, k >= 2, are first averaged over k x k blocks.

    Args:
        images: ``(N, 3, H, W)`` uint8, or N tensors ``(3, H, W)`` of different sizes.
        matrices: ``(N, 2, 3)``, from picture pixels to output pixels.
        size: ``(H, W)`` of the output.

    Returns:
        ``(N, 3, H, W)`` uint8.

    Raises:
        ArgumentError: a wrong shape or type, or a map that has no inverse.
    """
    sizes, size = _sizes(images), check.size(size)
    matrices = _array("matrices", matrices, (len(sizes), 2, 3), np.float64)
    if not len(sizes):
        device = images.device if isinstance(images, torch.Tensor) else None
        return torch.zeros((0, 3, *size), dtype=torch.uint8, device=device)
    if not np.isfinite(matrices).all():
        raise ArgumentError("matrices: expected finite numbers, got NaN or infinite ones")
    zoom = np.sqrt(np.abs(np.linalg.det(matrices[:, :, :2])))
    blocks = np.maximum(1, 1 / np.maximum(zoom, 1e-6) + 1e-6).astype(np.int64)
    blocks = np.minimum(blocks[:, None], sizes)
    canvas = _shrunk(images, sizes, blocks)
    theta = _theta(matrices, blocks, (canvas.shape[2], canvas.shape[3]), size)
    grid = F.affine_grid(torch.from_numpy(theta).to(canvas), [len(sizes), 3, *size], align_corners=False)
    out = F.grid_sample(canvas, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return out.round_().to(torch.uint8)


def _theta(matrices: Array, blocks: Array, canvas: tuple[int, int], size: tuple[int, int]) -> Array:
    """``(N, 2, 3)`` float32 maps from the output to the shrunk pictures, both in ``grid_sample``'s ±1 frame."""
    high, wide = blocks[:, 0, None], blocks[:, 1, None]
    scale = np.concatenate([1 / wide, 1 / high], 1)  # pixel x of the picture is (x + 0.5) / k - 0.5 when shrunk
    inverse = geometry.invert(matrices) * scale[:, :, None]
    inverse[:, :, 2] += 0.5 * scale - 0.5
    unit = np.array([[size[1] / 2, 0, (size[1] - 1) / 2], [0, size[0] / 2, (size[0] - 1) / 2]])
    theta = then(np.broadcast_to(unit, inverse.shape), inverse)
    extent = np.array([canvas[1], canvas[0]])
    theta *= (2 / extent)[:, None]
    theta[:, :, 2] += 1 / extent - 1
    return theta.astype(np.float32)


def _shrunk(images: Images, sizes: Array, blocks: Array) -> torch.Tensor:
    """``(N, 3, h, w)`` float32: each picture averaged over its blocks, in the top left corner, black around."""
    if isinstance(images, torch.Tensor) and (blocks == blocks[:1]).all():
        return _averaged(images, blocks[0])
    rows, columns = (-(-sizes // blocks)).max(0)
    device = images[0].device
    canvas = torch.zeros((len(sizes), 3, int(rows), int(columns)), device=device)
    if isinstance(images, torch.Tensor):
        for block in np.unique(blocks, axis=0):
            chosen = torch.from_numpy(np.flatnonzero((blocks == block).all(1))).to(device)
            small = _averaged(images[chosen], block)
            canvas[chosen, :, : small.shape[2], : small.shape[3]] = small
    else:
        for i, image in enumerate(images):
            small = _averaged(image[None], blocks[i])
            canvas[i, :, : small.shape[2], : small.shape[3]] = small[0]
    return canvas


def _averaged(images: torch.Tensor, block: Array) -> torch.Tensor:
    high, wide = (int(v) for v in block)
    out = images.float()
    if high == wide == 1:
        return out
    right, below = -images.shape[3] % wide, -images.shape[2] % high
    if right or below:  # fill the last blocks up by repeating the edge
        out = F.pad(out, (0, right, 0, below), mode="replicate")
    return F.avg_pool2d(out, (high, wide))


def _flat(transforms: Any) -> list[Transform]:
    steps = transforms.transforms if isinstance(transforms, Compose) else transforms
    if not isinstance(steps, Sequence):
        raise ArgumentError(f"transforms: expected a list of transforms, got {type(steps).__name__}")
    out: list[Transform] = []
    for i, step in enumerate(steps):
        if isinstance(step, Compose):
            out.extend(_flat(step))
        elif isinstance(step, (Geometric, CropToBox, Resize, Photometric)):
            out.append(step)
        else:
            raise ArgumentError(f"BatchWarp: transforms[{i}] is a {type(step).__name__}, which has no batched form")
    return out


def _sizes(images: Images) -> Array:
    """``(N, 2)`` heights and widths, after a check."""
    if isinstance(images, torch.Tensor):
        if images.ndim != 4 or images.shape[1] != 3 or images.dtype != torch.uint8 or 0 in images.shape[2:]:
            raise ArgumentError(f"images: expected (N, 3, H, W) uint8, got {tuple(images.shape)} {images.dtype}")
        return np.tile(np.array(images.shape[2:], np.int64), (len(images), 1))
    if not isinstance(images, Sequence):
        raise ArgumentError(f"images: expected a tensor or a list of tensors, got {check.shown(images)}")
    for i, image in enumerate(images):
        if not isinstance(image, torch.Tensor) or image.ndim != 3 or image.shape[0] != 3 or image.dtype != torch.uint8:
            what = f"{tuple(image.shape)} {image.dtype}" if hasattr(image, "shape") else type(image).__name__
            raise ArgumentError(f"images[{i}]: expected a tensor (3, H, W) of uint8, got {what}")
    return np.array([image.shape[1:] for image in images], np.int64).reshape(-1, 2)


def _array(argument: str, values: Any, shape: tuple[int, ...], dtype: Any = np.float32) -> Array:
    array = check.numbers(values, argument, dtype)
    if array.shape != shape:
        raise ArgumentError(f"{argument}: expected shape {shape}, got {array.shape}")
    return array
