"""Heatmaps over the face."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _arguments as arguments
from .. import image as images
from ..errors import ArgumentError, unknown_name
from ..schema import KeypointSchema
from .base import Array, grid, picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["heatmaps"]


def heatmaps(
    image: Any,
    maps: Any,
    schema: KeypointSchema,
    *,
    show: str | int | Sequence[str | int] = "sum",
    columns: int = 4,
    side: float = 2.4,
) -> Figure:
    """Heatmaps over the picture that they belong to: of one point, of all together, or of each group.

    Args:
        image: the network's crop: anything that :func:`facekp.image.read` takes.
        maps: ``(K, h, w)`` array or tensor over the whole picture, e.g. of :func:`facekp.heatmap.gaussian`, or a
            network's output after :func:`facekp.heatmap.spatial_softmax`.  Values under 0 count as 0.
        schema: of the K points.
        show: ``"sum"``: all points in one panel; ``"groups"``: a panel for each of the schema's groups;
            a point's index or name, a group's name, or several of these: a panel for each.
        columns: panels in a row.
        side: of each panel, in inches.

    Each map has its own largest value scaled to 1; a panel of several shows the largest of them at each place, so that
    a sharp map does not hide a broad one.

    Raises:
        ArgumentError: the maps' shape is wrong, or a name is unknown (the choices are listed).
        ImageError: the picture cannot be read.
        MissingExtraError: matplotlib is not installed.
    """
    arguments.layout(schema)
    values = _values(maps)
    if values.ndim != 3 or len(values) != len(schema) or not values.size:
        raise ArgumentError(f"heatmaps: expected maps ({len(schema)}, h, w), got {values.shape}")
    wanted = _wanted(show, schema)
    pixels = images.read(image)
    height, width = pixels.shape[:2]
    figure, panels = grid(len(wanted), columns, side, shape=height / width)
    for axes, (name, indices) in zip(panels, wanted.items(), strict=True):
        picture(axes, pixels, name)
        shown = _scaled(values[indices]).max(0)
        axes.imshow(
            shown,
            cmap="inferno",
            alpha=0.85 * np.sqrt(shown),
            vmin=0,
            vmax=1,
            extent=(-0.5, width - 0.5, height - 0.5, -0.5),  # one frame for picture and maps, whatever the stride
            interpolation="nearest",
        )
    return figure


def _values(maps: Any) -> Array:
    values = arguments.numbers(maps.detach().float() if hasattr(maps, "detach") else maps, "maps")
    return np.where(np.isfinite(values), np.maximum(values, 0), 0)


def _scaled(maps: Array) -> Array:
    peak = maps.max((-2, -1), keepdims=True)
    return np.asarray(maps / np.where(peak > 0, peak, 1))


def _wanted(show: str | int | Sequence[str | int], schema: KeypointSchema) -> dict[str, list[int]]:
    """Titles and points of the panels."""
    if show == "sum":
        return {f"all {len(schema)} points": list(range(len(schema)))}
    if show == "groups":
        if not schema.groups:
            raise ArgumentError(f"heatmaps: schema {schema.name} has no groups")
        return {name: list(indices) for name, indices in schema.groups.items()}
    found: dict[str, list[int]] = {}
    if not isinstance(show, (str, int, Sequence)):
        raise ArgumentError(f"show: expected names or indices of points, got {show!r}")
    for one in [show] if isinstance(show, (str, int)) else show:
        if isinstance(one, str) and one in schema.groups:
            found[one] = list(schema.groups[one])
        elif isinstance(one, str) and one in schema.names:
            found[one] = [schema.names.index(one)]
        elif isinstance(one, int) and 0 <= one < len(schema):
            found[f"{one}: {schema.names[one]}"] = [one]
        elif isinstance(one, str):
            raise unknown_name("point or group", one, ("sum", "groups", *schema.groups, *schema.names))
        else:
            raise ArgumentError(f"heatmaps: show: point {one}: {schema.name} has points 0 to {len(schema) - 1}")
    if not found:
        raise ArgumentError("heatmaps: show names no point")
    return found
