"""Draw ``docs/assets/results/mean-face.png`` from ``benchmarks/results/mean_face.json``.

python docs/draw_mean_face.py [RECORD PICTURE]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

mpl.use("agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from mean_face_section import bins

ROOT = Path(__file__).parents[1]
RECORD = ROOT / "benchmarks" / "results" / "mean_face.json"
PICTURE = ROOT / "docs" / "assets" / "results" / "mean-face.png"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
MEAN = "#7f7f7f"
SCATTER = "300w"  # its labels are by people


def errors(axes: Axes, data: dict[str, Any], key: str, colours: dict[str, str]) -> None:
    """NME by bin of yaw, one line for each model."""
    said, shown = data["sets"][key], bins(data, key)[1:]
    for i, (name, colour) in enumerate(colours.items()):
        rows = [data["models"][name]["sets"][key]["parts"][part]["nme_box"] for part in shown]
        place = np.arange(len(shown)) + 0.06 * (i - (len(colours) - 1) / 2)
        low, high = ([100 * (abs(r[0] - r[k]) if r[k] is not None else 0) for r in rows] for k in (1, 2))
        style = {"color": colour, "label": name, "linestyle": "--" if colour == MEAN else "-"}
        axes.errorbar(place, [100 * r[0] for r in rows], (low, high), marker="o", markersize=4, linewidth=1.5, **style)
    ticks = [f"{part.replace(' to ', '° to ')}°\n{said['faces'][part]} faces" for part in shown]
    axes.set_xticks(range(len(shown)), ticks)
    axes.set(title=said["title"], ylabel="NME over the box, %", ylim=(0, None))
    axes.grid(axis="y", alpha=0.3)


def scatter(axes: Axes, data: dict[str, Any], name: str, colour: str) -> None:
    """The nose tip's place across the box, in truth and prediction."""
    model = data["models"][name]["sets"][SCATTER]
    truth, answer = (100 * np.array(v) for v in (data["sets"][SCATTER]["nose"], model["nose"]))
    rise, end = model["parts"]["all"]["nose"][0], 1.08 * np.abs(truth).max()
    axes.plot([-end, end], [-end, end], ":", color="#444444", linewidth=1)
    axes.plot(truth, answer, ".", color=colour, markersize=4, alpha=0.6)
    line = answer.mean() + rise * (np.array([-end, end]) - truth.mean())
    axes.plot([-end, end], line, color=colour, linewidth=1.5)
    ticks = range(-40, 41, 20)
    axes.set(xlim=(-end, end), ylim=(-end, end), aspect="equal", xticks=ticks, yticks=ticks)
    axes.set_title(f"{name}\nslope {rise:.2f}")
    axes.grid(alpha=0.3)


def picture(data: dict[str, Any]) -> Any:
    """The whole figure: errors above, noses below."""
    names = list(data["models"])
    colours = {name: MEAN if i == 0 else COLOURS[(i - 1) % len(COLOURS)] for i, name in enumerate(names)}
    with plt.rc_context({"font.size": 9, "axes.titlesize": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = plt.figure(figsize=(max(8.4, 1.9 * len(names)), 6.2), layout="constrained")
        above, below = figure.subfigures(2, 1, height_ratios=(3.2, 2.6))
        for axes, key in zip(above.subplots(1, len(data["sets"])), data["sets"], strict=True):
            errors(axes, data, key, colours)
        handles, labels = above.axes[0].get_legend_handles_labels()
        above.legend(handles, labels, loc="outside upper center", ncols=len(names), frameon=False)
        row = below.subplots(1, len(names), sharex=True, sharey=True, squeeze=False)[0]
        for axes, (name, colour) in zip(row, colours.items(), strict=True):
            scatter(axes, data, name, colour)
        row[0].set_ylabel("predicted")
        below.supxlabel(
            f"nose tip across the box, % of its longer side from the centre: true ({data['sets'][SCATTER]['title']})",
            fontsize=9,
        )
    return figure


def main(record: Path = RECORD, target: Path = PICTURE) -> None:
    figure = picture(json.loads(record.read_text("utf-8")))
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=130, metadata={"Software": None})


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
