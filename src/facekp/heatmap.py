"""Heatmaps as pure tensor functions: drawing them, and reading points off them.

Any device, any floating dtype, any leading batch dimensions, no loop over
points.  Frame: ``(0, 0)`` is the centre of the top-left cell of a map; a point
``x`` in input pixels lies at ``(x + 0.5) / stride - 0.5`` on a map of that
stride.  Sizes are ``(H, W)``; sigma and radius are in heatmap pixels.

A point that is missing (NaN), or that lies off the map, has an empty map and a
False mask.  Half precision is worked out in float32: 11 bits cannot hold a place
to a fraction of a pixel, nor its square.  What draws maps gives them in the
dtype of the points; what reads points off maps gives at least float32.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor

from . import _arguments as check
from .errors import ArgumentError, unknown_name

__all__ = [
    "centre_of_mass",
    "disc",
    "expectation",
    "gaussian",
    "offsets",
    "patches",
    "peak",
    "soft_argmax",
    "spatial_softmax",
    "spread",
    "to_heatmap",
    "to_input",
]

LARGE = 1 << 23  # values from which on a soft-argmax is worked out block by block
BLOCK = 1 << 17  # values that are worked on at once: what a core's own cache holds


def to_heatmap(points: Tensor, stride: float) -> Tensor:
    """Input pixels → heatmap pixels."""
    _check_stride("to_heatmap", points, stride)
    return (points + 0.5) / stride - 0.5


def to_input(points: Tensor, stride: float) -> Tensor:
    """Heatmap pixels → input pixels."""
    _check_stride("to_input", points, stride)
    return (points + 0.5) * stride - 0.5


def wide(values: Tensor) -> Tensor:
    """Half precision → float32; anything else as it is."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


# These look at shapes, types and plain numbers only: values may be anywhere, and a graph is often being recorded.


def _positive(name: str, argument: str, value: Any) -> None:
    if not (isinstance(value, (int, float)) and 0 < value < math.inf):
        raise ArgumentError(f"{name}: {argument} must be positive and finite, got {check.shown(value)}")


def _check_stride(name: str, points: Tensor, stride: float) -> None:
    _positive(name, "stride", stride)
    if not isinstance(points, Tensor):
        raise ArgumentError(f"{name}: points must be a tensor, got {check.shown(points)}")


def _check_maps(name: str, maps: Tensor, *, whole: bool = False) -> None:
    """Maps ``(..., H, W)`` with cells; of floats unless ``whole`` numbers will do."""
    if not isinstance(maps, Tensor):
        raise ArgumentError(f"{name}: maps must be a tensor, got {check.shown(maps)}")
    if maps.ndim < 2 or 0 in maps.shape[-2:]:
        raise ArgumentError(f"{name}: maps must be (..., H, W) with at least one cell, got {tuple(maps.shape)}")
    if not maps.is_floating_point() and (not whole or maps.is_complex()):
        raise ArgumentError(f"{name}: maps must hold floating-point numbers, got {maps.dtype}")


def _centres(points: Tensor, size: tuple[int, int], stride: float, name: str) -> tuple[Tensor, Tensor]:
    """Where points lie on a map (0 where they do not), and whether they do."""
    _check_stride(name, points, stride)
    if points.shape[-1:] != (2,):
        raise ArgumentError(f"{name}: points must be (..., K, 2), got {tuple(points.shape)}")
    if not points.is_floating_point():
        raise ArgumentError(f"{name}: points must hold floating-point numbers, got {points.dtype}")
    height, width = check.size(size, f"{name}: size")
    centre = to_heatmap(wide(points), stride)
    limit = centre.new_tensor([width - 0.5, height - 0.5])
    mask = ((centre >= -0.5) & (centre <= limit)).all(-1)  # NaN compares False
    return torch.where(mask[..., None], centre, torch.zeros_like(centre)), mask


def _axes(like: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The columns' and rows' places ``(W,)`` and ``(H,)``."""
    height, width = size
    return (
        torch.arange(width, dtype=like.dtype, device=like.device),
        torch.arange(height, dtype=like.dtype, device=like.device),
    )


def gaussian(
    points: Tensor,
    size: tuple[int, int],
    sigma: float,
    stride: float = 1.0,
    *,
    normalize: Literal["peak", "sum"] = "peak",
) -> tuple[Tensor, Tensor]:
    """Gaussian maps with sub-pixel centres: ``exp(-|p - c|^2 / (2 sigma^2))``.

    Args:
        points: ``(..., K, 2)`` in input pixels; NaN where a label is missing.
        size: ``(H, W)`` of the maps.
        sigma: standard deviation in heatmap pixels.
        stride: input pixels per heatmap pixel.
        normalize: ``"peak"``: the value at the centre is 1; ``"sum"``: each map
            sums to 1 (what is cut off at the border is made up for).

    Returns:
        maps ``(..., K, H, W)`` and mask ``(..., K)``: a point that is missing, or
        whose centre lies off the map, has an empty map and a False mask.

    Raises:
        ArgumentError: sigma, stride or size is not positive, the last dimension is not 2, or points are whole numbers.
    """
    _positive("gaussian", "sigma", sigma)
    if normalize not in ("peak", "sum"):
        raise unknown_name("normalize of gaussian", normalize, ("peak", "sum"))
    centre, mask = _centres(points, size, stride, "gaussian")
    along_x, along_y = (
        torch.exp(-((axis - centre[..., i, None]) ** 2) / (2 * sigma**2)) for i, axis in enumerate(_axes(centre, size))
    )
    if normalize == "sum":
        along_x = along_x / along_x.sum(-1, keepdim=True)
        along_y = along_y / along_y.sum(-1, keepdim=True)
    along_y = along_y * mask[..., None]
    return (along_y[..., :, None] * along_x[..., None, :]).to(points.dtype), mask


def disc(points: Tensor, size: tuple[int, int], radius: float, stride: float = 1.0) -> tuple[Tensor, Tensor]:
    """Binary discs: 1 in the cells whose centre is no further than ``radius`` from the point, else 0.

    Args:
        points: ``(..., K, 2)`` in input pixels; NaN where a label is missing.
        size: ``(H, W)`` of the maps.
        radius: in heatmap pixels, at least ``sqrt(1/2)``, so that every point on the map has a cell.
        stride: input pixels per heatmap pixel.

    Returns:
        maps ``(..., K, H, W)`` of 0 and 1, and mask ``(..., K)``, as :func:`gaussian` has it.

    Raises:
        ArgumentError: radius is under ``sqrt(1/2)``, stride is not positive, or the last dimension is not 2.
    """
    if not (isinstance(radius, (int, float)) and 0 < radius < math.inf and radius * radius >= 0.5):
        raise ArgumentError(f"disc: radius must be at least sqrt(1/2) = 0.7072 heatmap pixels, got {radius}")
    centre, mask = _centres(points, size, stride, "disc")
    xs, ys = _axes(centre, size)
    squared = ((ys - centre[..., 1:]) ** 2)[..., :, None] + ((xs - centre[..., :1]) ** 2)[..., None, :]
    return ((squared <= radius**2) & mask[..., None, None]).to(points.dtype), mask


def offsets(points: Tensor, size: tuple[int, int], stride: float = 1.0) -> tuple[Tensor, Tensor]:
    """From every cell's centre to the point: ``(x - column, y - row)`` in heatmap pixels.

    Args:
        points: ``(..., K, 2)`` in input pixels; NaN where a label is missing.
        size: ``(H, W)`` of the maps.
        stride: input pixels per heatmap pixel.

    Returns:
        vectors ``(..., K, 2, H, W)``, x before y, 0 where the mask is False; and mask ``(..., K)``,
        as :func:`gaussian` has it.

    Raises:
        ArgumentError: stride is not positive, or the last dimension is not 2.
    """
    centre, mask = _centres(points, size, stride, "offsets")
    xs, ys = _axes(centre, size)
    along_x, along_y = ((centre[..., i, None] - axis) * mask[..., None] for i, axis in enumerate((xs, ys)))
    shape = (*along_x.shape[:-1], *size)
    pair = (along_x[..., None, :].expand(shape), along_y[..., :, None].expand(shape))
    return torch.stack(pair, -3).to(points.dtype), mask


def spatial_softmax(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Softmax of ``logits / temperature`` over the two last dimensions: ``(..., H, W)`` → maps that sum to 1."""
    _check_maps("spatial_softmax", logits)
    _positive("spatial_softmax", "temperature", temperature)
    flat = wide(logits).flatten(-2)
    if temperature != 1:  # a pass over all maps
        flat = flat / temperature
    return torch.softmax(flat, -1).view(logits.shape).to(logits.dtype)


def expectation(probability: Tensor) -> Tensor:
    """The mean place ``(..., 2)`` ``(x, y)`` in heatmap pixels of maps ``(..., H, W)`` that sum to 1.

    On a spatial softmax this is the soft-argmax, or integral regression
    (Sun et al., "Integral Human Pose Regression", ECCV 2018).
    """
    _check_maps("expectation", probability)
    return _mean(*_marginals(probability))


def spread(probability: Tensor, mean: Tensor) -> Tensor:
    """Standard deviation per axis ``sqrt(E|p - mean|^2 / 2)``, in heatmap pixels: ``(..., H, W)`` → ``(...)``."""
    _check_maps("spread", probability)
    if not isinstance(mean, Tensor) or mean.shape != (*probability.shape[:-2], 2):
        raise ArgumentError(
            f"spread: mean must be {(*probability.shape[:-2], 2)}, a place in each map, got {check.shown(mean)}"
        )
    return _deviation(*_marginals(probability), mean)


def _marginals(probability: Tensor) -> tuple[Tensor, Tensor]:
    """Sums over the rows ``(..., W)`` and over the columns ``(..., H)``."""
    probability = wide(probability)
    return probability.sum(-2), probability.sum(-1)


def _mean(along_x: Tensor, along_y: Tensor) -> Tensor:
    xs, ys = _axes(along_x, (along_y.shape[-1], along_x.shape[-1]))
    return torch.cat([along_x @ xs[:, None], along_y @ ys[:, None]], -1)  # matrices: OpenCV multiplies no vectors


def _deviation(along_x: Tensor, along_y: Tensor, mean: Tensor) -> Tensor:
    xs, ys = _axes(along_x, (along_y.shape[-1], along_x.shape[-1]))
    variance = (along_x * (xs - mean[..., :1]) ** 2).sum(-1) + (along_y * (ys - mean[..., 1:]) ** 2).sum(-1)
    return (variance / 2).clamp_min(0).sqrt()


def soft_argmax(logits: Tensor, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
    """:func:`expectation` and :func:`spread` of the :func:`spatial_softmax`, without keeping that of a large batch.

    Args:
        logits: ``(..., H, W)``.
        temperature: divides the logits.

    Returns:
        mean ``(..., 2)`` in heatmap pixels and spread ``(...)``.
    """
    _check_maps("soft_argmax", logits)
    _positive("soft_argmax", "temperature", temperature)
    # A tape or an exported graph would remember every block; a GPU prefers them all at once.
    if logits.requires_grad or torch.compiler.is_compiling() or logits.is_cuda or logits.numel() <= LARGE:
        along_x, along_y = _marginals(spatial_softmax(wide(logits), temperature))
    else:
        along_x, along_y = _blockwise_marginals(logits, temperature)
    mean = _mean(along_x, along_y)
    return mean, _deviation(along_x, along_y, mean)


def _blockwise_marginals(logits: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """:func:`_marginals` of the softmax, without the softmax: only the marginals are divided by their sum."""
    height, width = logits.shape[-2:]
    count = max(1, BLOCK // (height * width))
    buffer = torch.empty(count, height * width, dtype=wide(logits[:0]).dtype, device=logits.device)
    pairs = []
    for block in torch.split(logits.reshape(-1, height * width), count):
        maps = wide(block)
        weights = torch.sub(maps, maps.amax(1, keepdim=True), out=buffer[: len(maps)])
        if temperature != 1:
            weights.div_(temperature)
        pairs.append(_marginals(weights.exp_().view(-1, height, width)))
    along_x, along_y = (torch.unflatten(torch.cat(side), 0, logits.shape[:-2]) for side in zip(*pairs, strict=True))
    total = along_x.sum(-1, keepdim=True)
    return along_x / total, along_y / total


def peak(maps: Tensor) -> tuple[Tensor, Tensor]:
    """The highest cell of each map; of equals, the first in reading order.

    Args:
        maps: ``(..., H, W)``.

    Returns:
        cells ``(..., 2)`` ``(x, y)``, whole numbers in int64, and their values ``(...)``.
    """
    _check_maps("peak", maps, whole=True)
    value, index = maps.flatten(-2).max(-1)
    width = maps.shape[-1]
    return torch.stack([index % width, index // width], -1), value


def patches(maps: Tensor, cells: Tensor, radius: int) -> tuple[Tensor, Tensor]:
    """Squares cut out of maps.

    Args:
        maps: ``(..., H, W)``.
        cells: ``(..., 2)`` int64 ``(x, y)``: the middle of each square.
        radius: squares have side ``P = 2 radius + 1``.

    Returns:
        squares ``(..., P, P)``, 0 off the map; and ``(..., 2, P)`` bool: which of their columns
        and of their rows lie on the map.
    """
    _check_maps("patches", maps, whole=True)
    check.whole(radius, "patches: radius", 0)
    shape = (*maps.shape[:-2], 2)
    if not isinstance(cells, Tensor) or cells.shape != shape or cells.dtype != torch.int64:
        raise ArgumentError(f"patches: cells must be {shape} of torch.int64, one of each map, got {check.shown(cells)}")
    height, width = maps.shape[-2:]
    reach = torch.arange(-radius, radius + 1, device=maps.device)
    x, y = cells[..., :1] + reach, cells[..., 1:] + reach
    inside = torch.stack([(x >= 0) & (x < width), (y >= 0) & (y < height)], -2)
    index = y.clamp(0, height - 1)[..., :, None] * width + x.clamp(0, width - 1)[..., None, :]
    values = maps.flatten(-2).gather(-1, index.flatten(-2)).view(index.shape)
    return values * (inside[..., 1, :, None] & inside[..., 0, None, :]), inside


def centre_of_mass(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Centre of mass of maps of any sum; values under 0 count as 0.

    Args:
        maps: ``(..., H, W)``.

    Returns:
        places ``(..., 2)`` ``(x, y)`` in heatmap pixels (the map's middle where it is empty), and
        masses ``(...)``.
    """
    _check_maps("centre_of_mass", maps)
    mass = wide(maps).clamp_min(0)
    height, width = maps.shape[-2:]
    xs, ys = _axes(mass, (height, width))
    along_x, along_y = mass.sum(-2), mass.sum(-1)
    total = along_x.sum(-1)
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    shift = torch.cat([along_x @ (xs - middle_x)[:, None], along_y @ (ys - middle_y)[:, None]], -1)
    full = total > 0
    shift = torch.where(full[..., None], shift / torch.where(full, total, torch.ones_like(total))[..., None], 0.0)
    return shift + shift.new_tensor([middle_x, middle_y]), total
