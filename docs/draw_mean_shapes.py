"""Draw every schema's mean shape into ``docs/assets/schema-NAME.svg``.

    python docs/draw_mean_shapes.py [--check]

With ``--check`` nothing is written, and it fails when a drawing is out of date.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from facekp import draw, schema

ASSETS = Path(__file__).parent / "assets"
SIDE, MARGIN = 640, 36  # of the drawing, in its own units
DARK = "#0c0e18"
RADIUS, TEXT = 3.2, 9.5


def drawing(layout: schema.KeypointSchema) -> str:
    """An SVG of the points with their indices, joined by the edges, in the colours of :data:`facekp.draw.COLORS`."""
    low, high = layout.mean_shape.min(0), layout.mean_shape.max(0)
    points = (layout.mean_shape - low) / (high - low).max() * (SIDE - 2 * MARGIN) + MARGIN
    width, height = np.ceil(points.max(0) + MARGIN).astype(int)
    colors = ["#ffffff"] * len(layout)
    for group, indices in layout.groups.items():
        for i in indices:
            colors[i] = "#" + "".join(f"{v:02x}" for v in draw.COLORS.get(group, draw.COLORS["other"]))
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        f'font-size="{TEXT}" text-anchor="middle">',
        f"<title>{layout.name}: {len(layout)} points</title>",
        f'<rect width="{width}" height="{height}" rx="8" fill="{DARK}"/>',
    ]
    for a, b in layout.edges:
        (x0, y0), (x1, y1) = points[a], points[b]
        ends = f'x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}"'
        lines.append(f'<line {ends} stroke="{colors[b]}" stroke-width="1.2" stroke-opacity=".55"/>')
    places = labels(layout, points)
    for i, (x, y) in enumerate(points):
        lines.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS}" fill="{colors[i]}"/>')
        tx, ty = places[i]
        lines.append(f'<text x="{tx:.1f}" y="{ty + TEXT * 0.36:.1f}" fill="{colors[i]}">{i}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def labels(layout: schema.KeypointSchema, points: np.ndarray) -> np.ndarray:
    """``(K, 2)``: for each number the place around its point that is farthest from all points, edges and numbers."""
    angles = np.arange(24) * (2 * np.pi / 24)
    ends = [(points[a], points[b]) for a, b in layout.edges]
    crowd = [points, *(a + (b - a) * np.linspace(0.1, 0.9, 9)[:, None] for a, b in ends)]
    taken = np.concatenate(crowd)
    places = np.zeros_like(points)
    for i, point in enumerate(points):
        reach = RADIUS + TEXT * (0.75 if i < 10 else 0.95)
        options = point + reach * np.stack([np.cos(angles), np.sin(angles)], -1)
        gaps = np.linalg.norm((options[:, None] - taken) / (1.25, 1.0), axis=-1).min(1)  # numbers are wider than high
        places[i] = options[int(np.argmax(np.round(gaps, 3)))]
        taken = np.concatenate([taken, places[i : i + 1] + np.array([[-4.0, 0], [0, 0], [4.0, 0]])])
    return places


def main(check: bool) -> None:
    """Write the drawings, or compare them."""
    for name in schema.names():
        layout = schema.get(name)
        if len(layout) < 2:
            continue
        path, text = ASSETS / f"schema-{name}.svg", drawing(layout)
        if not check:
            path.write_text(text, "utf-8")
        elif not path.is_file() or path.read_text("utf-8") != text:
            sys.exit(f"{path} is out of date: python docs/draw_mean_shapes.py")


if __name__ == "__main__":
    main("--check" in sys.argv[1:])
