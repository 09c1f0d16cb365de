"""What a network has learned: its filters, and what its layers see in a picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .. import _arguments as arguments
from .. import activations
from ..errors import ArgumentError
from .base import Array, check, new

if TYPE_CHECKING:
    import torch
    from matplotlib.figure import Figure

__all__ = ["feature_maps", "filters"]

DEAD = (0.9, 0.1, 0.15)
GAP = 0.12  # between two tiles, in tiles


def filters(
    network: torch.nn.Module,
    layer: str | None = None,
    *,
    images: torch.Tensor | None = None,
    most: int = 64,
    inputs: int = 8,
    tile: float = 0.42,
) -> Figure:
    """The learned filters of a convolution.

    Filters over one channel are drawn from blue (negative) through white to red; over three channels, of a first
    layer, as colours around grey; over more channels in rows, a column for each of the first ``inputs`` channels.
    Every filter has its own scale.

    Args:
        network: any module with 2-D convolutions.
        layer: a name of :func:`facekp.activations.convolutions`; the first of them unless told otherwise.
        images: ``(N, C, H, W)`` as the network takes them: the title then counts the filters that are dead on all of
            them (:func:`facekp.activations.dead_filters`), and red frames show which.
        most: how many filters are drawn.
        inputs: how many input channels are drawn of each.
        tile: of one filter, in inches.

    Raises:
        ArgumentError: there is no such convolution (the choices are listed), or nothing to draw is asked for.
        MissingExtraError: matplotlib is not installed.
    """
    import torch

    check()
    if not isinstance(network, torch.nn.Module):
        raise ArgumentError(f"network: expected a torch.nn.Module, got {type(network).__name__}")
    arguments.whole(most, "filters: most", 1)
    arguments.whole(inputs, "filters: inputs", 1)
    arguments.number(tile, "tile", above=0)
    layers = activations.convolutions(network)
    if not layers or (layer is not None and layer not in layers):
        raise ArgumentError(f"unknown convolution {layer!r}; choose one of: {', '.join(layers) or 'there is none'}")
    name = next(iter(layers)) if layer is None else layer
    weight = layers[name].weight.detach().float().cpu().numpy()
    dead = None if images is None else activations.dead_filters(network, images)[name]
    shown = weight[:most]
    if shown.shape[1] in (1, 3):
        each, columns = 1, math.ceil(math.sqrt(2 * len(shown)))
        tiles = [_tile(w) for w in shown]
    else:
        each = columns = min(inputs, shown.shape[1])
        tiles = [_tile(w[i : i + 1], float(np.abs(w[:each]).max())) for w in shown for i in range(each)]
    lost = [] if dead is None else np.flatnonzero(dead[:most]).tolist()
    marked = [i * each + j for i in lost for j in range(each)]
    return _mosaic(tiles, columns, tile, _title(weight, name, (len(shown), each), dead), marked)


def _title(weight: Array, name: str, shown: tuple[int, int], dead: Array | None) -> str:
    out, channels, height, width = weight.shape
    some = "" if shown[0] == out else f", the first {shown[0]} shown"
    some += "" if shown[1] in (1, channels) else f", of {shown[1]} channels each"
    lost = "" if dead is None else f", {int(dead.sum())} of {out} dead"
    return f"{name or 'convolution'}: {out} filters {height}x{width} over {channels} channels{some}{lost}"


def _tile(weight: Array, most: float | None = None) -> Array:
    """RGB in [0, 1] of one filter ``(1 or 3, h, w)``, 0 being white or grey and ``most`` the full colour."""
    scaled = weight / max(float(np.abs(weight).max()) if most is None else most, 1e-12)
    if len(weight) == 3:
        return np.asarray(0.5 + scaled.transpose(1, 2, 0) / 2)
    from matplotlib import colormaps

    return np.asarray(colormaps["RdBu_r"](0.5 + scaled[0] / 2)[..., :3])


def _mosaic(tiles: list[Array], columns: int, side: float, title: str, marked: list[int]) -> Figure:
    """Tiles in rows, in one axes: hundreds of axes would take seconds."""
    from matplotlib.patches import Rectangle

    columns = min(columns, len(tiles))
    rows = math.ceil(len(tiles) / columns)
    step = 1 + GAP
    shape = tiles[0].shape[0] / tiles[0].shape[1]
    # Tiny figures would cut their title off.
    figure = new((max(3.6, columns * step * side), rows * step * side * shape + 0.35))
    axes = figure.add_subplot()
    axes.set_axis_off()
    for i, one in enumerate(tiles):
        x, y = step * (i % columns), step * shape * (i // columns)
        axes.imshow(one, extent=(x, x + 1, y + shape, y), interpolation="nearest")
        edge = DEAD if i in marked else (0.6, 0.6, 0.6)
        axes.add_patch(Rectangle((x, y), 1, shape, fill=False, edgecolor=edge, linewidth=1.6 if i in marked else 0.4))
    axes.set(xlim=(-GAP, step * columns), ylim=(step * shape * rows, -GAP), aspect="equal")
    axes.set_title(title, fontsize=8)
    return figure


def feature_maps(
    network: torch.nn.Module,
    layer: str,
    image: torch.Tensor,
    *,
    most: int = 31,
    columns: int = 8,
    tile: float = 0.9,
) -> Figure:
    """What a layer sees in one picture, each map on its own scale from dark to bright.

    Args:
        network: any module.
        layer: a name of ``network.named_modules()``.
        image: ``(C, H, W)`` or ``(1, C, H, W)`` as the network takes it; it is drawn first.
        most: how many maps are drawn.
        columns: maps in a row.
        tile: of each map, in inches.

    Raises:
        ArgumentError: there is no such layer (the choices are listed), it gives no maps, or the picture is none.
        MissingExtraError: matplotlib is not installed.
    """
    import torch

    check()
    arguments.whole(most, "feature_maps: most", 1)
    arguments.whole(columns, "feature_maps: columns", 1)
    arguments.number(tile, "tile", above=0)
    if not isinstance(image, torch.Tensor):
        raise ArgumentError(f"feature_maps: expected an image (C, H, W) as a tensor, got {type(image).__name__}")
    batch = image[None] if image.ndim == 3 else image
    if batch.ndim != 4 or len(batch) != 1:
        raise ArgumentError(f"feature_maps: expected one image (C, H, W), got {tuple(image.shape)}")
    maps = activations.feature_maps(network, layer, batch)[0].float().cpu().numpy()
    from matplotlib import colormaps

    bright = colormaps["viridis"]
    given = _scaled(batch[0].detach().float().cpu().numpy())
    seen = given.transpose(1, 2, 0) if len(given) == 3 else np.repeat(given[0][..., None], 3, -1)
    tiles = [seen, *(bright(_scaled(m))[..., :3] for m in maps[:most])]
    some = "" if most >= len(maps) else f", the first {most} shown"
    constant = sum(float(np.ptp(m)) == 0 for m in maps)
    flat = f", {constant} the same everywhere" if constant else ""
    title = f"{layer}: {len(maps)} maps {maps.shape[1]}x{maps.shape[2]}{some}{flat}"
    return _mosaic(tiles, columns, tile, title, [])


def _scaled(values: Array) -> Array:
    low, high = float(values.min()), float(values.max())
    return np.asarray((values - low) / (high - low if high > low else 1))
