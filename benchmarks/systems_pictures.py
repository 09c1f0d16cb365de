"""The pictures of the runs of systems.py, small enough that all of them can be kept with the docs."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from systems import ROOT, System, done

from facekp import Detector, activations, geometry, image, metrics, plots
from facekp.plots import base
from facekp.sample import Sample
from facekp.schema import KeypointSchema

if TYPE_CHECKING:
    from systems_measure import Trained

FOLDER = ROOT / "docs" / "assets" / "results"
PHOTOGRAPH = ROOT / "examples" / "astronaut.jpg"
EACH, SIDE = 3, 1.55  # faces in a row, and inches of each
DPI = 120
AROUND = 0.35  # of a picture's height: what is shown to each side of a single point
Array = npt.NDArray[Any]


def draw(trained: Trained) -> dict[str, Any]:
    """A run's pictures; returns their names for the JSON."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    run = trained.run
    if run.id != run.listed:  # one model of several that are shown together
        return {"picture": None, "filter_pictures": []}
    samples = [_around(sample) for sample in trained.crops.samples]
    scale = 1.0 if len(trained.detector.schema) == 1 or run.data == "kaggle" else 1.5
    figure = plots.pairs(samples, trained.in_picture(), errors=trained.nme, each=EACH, scale=scale, side=SIDE)
    picture = _beside(plots.read_metrics(trained.folder), figure, run.id)
    return {"picture": picture, "filter_pictures": _filters(trained) if run.filters else []}


def draw_joint(models: list[Trained], schema: KeypointSchema, name: str) -> str:
    """The same of models with a point each; their curves are means over the models that still run."""
    points, truth = (np.concatenate([getattr(m, k) for m in models], 1) for k in ("points", "truth"))
    nme = metrics.nme(points, truth, schema, metrics.default_normalizer(schema), boxes=models[0].boxes)
    found, labels = (np.concatenate(parts, 1) for parts in zip(*map(_found, models), strict=True))
    shown = [replace(s, schema=schema, keypoints=p) for s, p in zip(models[0].crops.samples, labels, strict=True)]
    figure = plots.pairs(shown, found, errors=nme, each=EACH, scale=1.0, side=SIDE)
    histories = [{row["epoch"]: row for row in plots.read_metrics(m.folder)} for m in models]
    rows = []
    for epoch in sorted({e for history in histories for e in history}):
        there = [history[epoch] for history in histories if epoch in history]
        keys = set.intersection(*(set(row) for row in there))
        rows.append({key: float(np.mean([row[key] for row in there])) for key in keys})
    return _beside(rows, figure, name)


def _found(trained: Trained) -> tuple[Array, Array]:
    """Predicted and true points in the pixels of the pictures."""
    return trained.in_picture(), np.stack([sample.keypoints for sample in trained.crops.samples])


def _around(sample: Sample) -> Sample:
    """A single point has no extent: it gets a box to be shown in."""
    if len(sample.schema) > 1 or sample.source_box is not None:
        return sample
    half = AROUND * sample.image.shape[0]
    return replace(sample, source_box=np.concatenate([sample.keypoints[0] - half, sample.keypoints[0] + half]))


def _beside(rows: list[dict[str, float]], faces: Figure, name: str) -> str:
    """Losses above errors, to the left of the faces and as high; returns the file's name."""
    right = _pixels(faces)
    there = {key for row in rows for key in row}
    losses = [key for key in ("train/loss", "val/loss") if key in there]
    size = (2.9, len(right) / 2 / DPI)
    panels = [plots.curves(rows, losses, log=True, size=size), plots.curves(rows, ["val/nme"], size=size)]
    decades = panels[0].axes[0].yaxis  # matplotlib's own labels overlap on an axis as short as this
    decades.set_major_locator(LogLocator(subs=(1, 3)))
    decades.set_major_formatter("{x:g}")
    decades.set_minor_formatter(NullFormatter())
    panels[1].axes[0].set(ylabel="NME, %", title="")  # what fits beside a panel as low as this
    left = np.vstack([_pixels(panel) for panel in panels])
    white = np.full((max(0, len(right) - len(left)), *left.shape[1:]), 255, np.uint8)
    file = f"{name}.webp"
    _write(file, np.hstack([np.vstack([left, white])[: len(right)], right]))
    return file


def _filters(trained: Trained) -> list[str]:
    """The filters of the first convolution and of the one in the middle."""
    network = trained.detector.network
    layers = list(activations.convolutions(network))
    names = []
    for layer, most in ((layers[0], 64), (layers[len(layers) // 2], 8)):
        figure = plots.filters(network, layer, images=trained.images, most=most, inputs=16, tile=0.3)
        names.append(f"{trained.run.id}-filters-{layers.index(layer) + 1}.webp")
        _write(names[-1], _pixels(figure))
    return names


def photograph(runs: list[System], given: argparse.Namespace) -> str | None:
    """What the systems of 68 points find on a photograph of one's own, into one picture; the last one's section."""
    there = [
        r for r in runs if r.data == "300w" and r.plain and (done(given.runs / r.id) or {"error": 1})["error"] is None
    ]
    if not there:
        return None
    pixels = image.read(PHOTOGRAPH)
    figure, panels = base.grid(len(there), 4, 2.0)
    for axes, run in zip(panels, there, strict=True):
        detector = Detector.from_pretrained(given.runs / run.id / "model", device="cpu")
        face = detector(pixels, max_faces=1, refine=False)[0]  # as these systems had it: one look
        matrix = geometry.crop_matrix(face.box, (base.CUT, base.CUT), 1.6)
        base.picture(axes, geometry.warp(pixels, matrix, (base.CUT, base.CUT)), run.id)
        base.face(axes, geometry.apply(matrix, face.keypoints), detector.schema)
    FOLDER.mkdir(parents=True, exist_ok=True)
    _write("photograph.webp", _pixels(figure))
    return there[-1].section


def _pixels(figure: Figure) -> Array:
    """RGB of a figure."""
    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def _write(name: str, pixels: Array) -> None:
    cv2.imwrite(str(FOLDER / name), pixels[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, 62])
