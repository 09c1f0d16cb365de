"""What all figures share: a figure without pyplot, a grid of pictures, a face's points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .. import _arguments as arguments
from .. import draw, geometry
from ..errors import ArgumentError, MissingExtraError
from ..sample import Sample
from ..schema import KeypointSchema

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["DARK", "Array", "check", "chosen", "cut", "face", "grid", "new", "panel", "picture"]

Array = npt.NDArray[Any]
DARK = (12 / 255, 14 / 255, 24 / 255)  # the rim that sets dots off from a picture, as in facekp.draw
CUT = 256  # pixels of a face in a panel: as many as a panel shows


def check() -> None:
    """Whether figures can be made, before the work that they are to show.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        raise MissingExtraError("matplotlib", "plots")


def new(size: tuple[float, float]) -> Figure:
    """An empty figure, ``size`` in inches."""
    check()
    from matplotlib.figure import Figure

    try:
        width, height = size
    except (TypeError, ValueError):
        raise ArgumentError(f"size: expected (width, height) in inches, got {size!r}") from None
    size = arguments.number(width, "size", above=0), arguments.number(height, "size", above=0)
    return Figure(figsize=size, dpi=120, layout="constrained")


def panel(figure: Figure, *place: int) -> Any:
    """Axes for curves, with a light grid behind them."""
    axes = figure.add_subplot(*place)
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    return axes


def grid(count: int, columns: int, side: float, *, shape: float = 1.0, titles: bool = True) -> tuple[Figure, list[Any]]:
    """A figure of ``count`` panels for pictures of height / width ``shape``, each ``side`` inches wide."""
    columns = max(1, min(arguments.whole(columns, "columns", 1), count))
    arguments.number(side, "side", above=0)
    rows = math.ceil(count / columns)
    figure = new((columns * side, rows * (side * shape + (0.22 if titles else 0.0))))
    figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)
    panels = [figure.add_subplot(rows, columns, i + 1) for i in range(count)]
    for axes in panels:
        axes.set_axis_off()
    return figure, panels


def picture(axes: Any, image: Array, title: str = "") -> None:
    """An RGB or grey picture, its pixels' centres at whole numbers; nothing drawn later widens the view."""
    axes.imshow(image, cmap="gray" if image.ndim == 2 else None, interpolation="antialiased")
    axes.set(xlim=(-0.5, image.shape[1] - 0.5), ylim=(image.shape[0] - 0.5, -0.5))
    if title:
        axes.set_title(title, fontsize=8, pad=3)


def cut(sample: Sample, points: Sequence[Array], scale: float) -> tuple[Array, list[Array]]:
    """A sample's face and its surroundings, ``(CUT, CUT, 3)``, and each of ``points`` in that frame."""
    matrix = geometry.crop_matrix(sample.box, (CUT, CUT), scale)
    moved = [geometry.apply(matrix, np.asarray(p, np.float32)) for p in points]
    return geometry.warp(sample.image, matrix, (CUT, CUT)), moved


def face(
    axes: Any, points: Array, schema: KeypointSchema, *, inches: float = 2.0, color: Any = None, hollow: bool = False
) -> None:
    """A face's points and contours; coloured by group, or all in one RGB ``color``.

    Args:
        axes: where the picture is.
        points: ``(K, 2)`` in the picture's pixels; what is NaN is left out.
        schema: of the K points.
        inches: how large the face's panel is: strokes follow it.
        color: of all points.
        hollow: rings instead of dots.
    """
    from matplotlib.collections import LineCollection

    colors = _colors(schema, color)
    known: Array = np.asarray(np.isfinite(points).all(1))
    # Few points may be large; 68 must not hide the face.
    size = 72 * inches * 0.017 * float(np.clip(math.sqrt(68 / len(schema)), 0.9, 2.5))
    edges = [(a, b) for a, b in schema.edges if known[a] and known[b]]
    lines = LineCollection(
        [points[[a, b]] for a, b in edges], colors=[colors[a] for a, _ in edges], linewidths=size / 4, alpha=0.75
    )
    axes.add_collection(lines, autolim=False)
    shown = [colors[i] for i in np.flatnonzero(known)]
    rim = size / 8
    axes.scatter(
        *points[known].T,
        s=size**2,
        c="none" if hollow else shown,
        edgecolors=shown if hollow else [DARK],
        linewidths=2 * rim if hollow else rim,
        zorder=3,
    )


def _colors(schema: KeypointSchema, color: Any) -> list[tuple[float, ...]]:
    if color is not None:
        return [tuple(c / 255 for c in color)] * len(schema)
    named = [draw.COLORS["other"]] * len(schema)
    for group, indices in schema.groups.items():
        for i in indices:
            named[i] = draw.COLORS.get(group, draw.COLORS["other"])
    return [tuple(c / 255 for c in rgb) for rgb in named]


def chosen(count: int, wanted: int, what: str, argument: str = "count") -> list[int]:
    """Up to ``wanted`` of ``count`` things, evenly spread.

    Raises:
        ArgumentError: there are none, or none are wanted.
    """
    if count < 1:
        raise ArgumentError(f"{what}: there are none")
    arguments.whole(wanted, f"{what}: {argument}", 1)
    return [int(i) for i in np.unique(np.linspace(0, count - 1, min(count, wanted)).round())]
