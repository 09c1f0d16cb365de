"""Draw ``docs/assets/heatmaps.jpg``: what a network of heatmaps learns and gives, and how a point is read from it.

    python docs/draw_heatmaps.py

The face is that of ``examples/astronaut.jpg``; the maps are those of the model that ships.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch

mpl.use("agg")
from matplotlib import pyplot as plt

import facekp
from facekp import decoders, image, preprocessing, transforms
from facekp.sample import Sample

ROOT = Path(__file__).parents[1]
OUT = ROOT / "docs" / "assets" / "heatmaps.jpg"
SURE, UNSURE = "right_eye_outer", "right_jaw_3"
MARKS = {"highest cell": ("s", "#ff2020"), "soft-argmax": ("o", "#00d0ff"), "dark": ("x", "#7dff5a")}
CELLS = 5  # of the map, to each side of its peak, are shown


def crop(detector: facekp.Detector) -> Sample:
    """The face as the network sees it, with the points that are found."""
    pixels = image.read(ROOT / "examples" / "astronaut.jpg")
    found = detector(pixels)[0]
    whole = Sample(found.keypoints, found.schema, pixels=pixels)
    return transforms.Compose([transforms.CropToBox(detector.crop_size, scale=detector.crop_scale)])(whole, rng=0)


def maps(detector: facekp.Detector, sample: Sample) -> torch.Tensor:
    """What the network gives, ``(1, K, h, w)``, as probabilities over the cells."""
    pixels = torch.from_numpy(np.ascontiguousarray(sample.image)).permute(2, 0, 1)[None]
    settings = detector.config["preprocessing"]
    with torch.inference_mode():
        output = detector.network(preprocessing.network_input(pixels, settings["mean"], settings["std"]))
    logits = output[:, : len(sample.schema)]
    return logits.flatten(2).softmax(-1).view_as(logits)


def readings(codec: Any, probability: torch.Tensor, index: int) -> dict[str, np.ndarray]:
    """Where each decoder sees the point, in pixels of the crop."""
    size = {"input_size": codec.input_size, "heatmap_size": tuple(probability.shape[-2:])}
    tools = {
        "highest cell": (decoders.create("argmax", **size), probability),
        "soft-argmax": (decoders.create("soft_argmax", **size, sigma=1.0), probability.clamp_min(1e-12).log()),
        "dark": (decoders.create("dark", **size, sigma=1.0), probability),
    }
    return {name: tool.decode(values)[0][0, index].numpy() for name, (tool, values) in tools.items()}


def overlay(axes: Any, sample: Sample, heat: np.ndarray, title: str) -> None:
    """A map over the face."""
    height, width = sample.image.shape[:2]
    axes.imshow(sample.image)
    shown = heat / heat.max()
    axes.imshow(
        np.ones_like(shown),
        alpha=0.85 * shown,
        extent=(-0.5, width - 0.5, height - 0.5, -0.5),
        cmap="autumn",
        interpolation="nearest",
    )
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()


def zoom(axes: Any, heat: np.ndarray, stride: float, points: dict[str, np.ndarray], title: str) -> None:
    """The cells about a map's peak, and what the decoders read there."""
    axes.imshow(heat, cmap="magma", extent=_extent(heat, stride))
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    centre = (np.array([column, row]) + 0.5) * stride - 0.5
    for name, point in points.items():
        marker, colour = MARKS[name]
        hollow = {"markerfacecolor": "none"} if marker != "x" else {}
        axes.plot(
            *point,
            marker,
            color=colour,
            label=name,
            markersize=12 if marker == "s" else 8,
            markeredgewidth=1.8,
            linestyle="none",
            **hollow,
        )
    axes.set_xlim(centre[0] - CELLS * stride, centre[0] + CELLS * stride)
    axes.set_ylim(centre[1] + CELLS * stride, centre[1] - CELLS * stride)
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()


def _extent(heat: np.ndarray, stride: float) -> tuple[float, float, float, float]:
    height, width = heat.shape
    return (-0.5, width * stride - 0.5, height * stride - 0.5, -0.5)


def main(target: Path = OUT) -> None:
    detector = facekp.Detector.from_pretrained("resnet18-ibug", device="cpu", engine="torch")
    sample = crop(detector)
    probability = maps(detector, sample)
    sure, unsure = (sample.schema.index(name) for name in (SURE, UNSURE))
    stride = detector.crop_size[1] / probability.shape[-1]
    size = {"input_size": detector.crop_size, "heatmap_size": tuple(probability.shape[-2:])}
    points = torch.from_numpy(np.array(sample.keypoints))[None]
    gaussian = decoders.create("dark", **size, sigma=1.5).encode(points)["heatmap"][0].numpy()
    disc = decoders.create("weighted_argmax", **size, target="disc", radius=3.0).encode(points)["heatmap"][0].numpy()
    given = probability[0].numpy()

    figure, axes = plt.subplots(2, 3, figsize=(8.2, 5.6), layout="constrained")
    overlay(axes[0, 0], sample, gaussian[sure], "learned: a Gaussian")
    overlay(axes[1, 0], sample, disc[sure], "or a disc")
    for row, index, name in ((0, sure, "an eye's corner"), (1, unsure, "the jaw")):
        overlay(axes[row, 1], sample, given[index], f"given: {name}")
        points_read = readings(detector.codec, probability, index)
        zoom(axes[row, 2], given[index], stride, points_read, "its cells, and what is read")
    axes[0, 2].legend(fontsize=7, loc="lower right", framealpha=0.6, facecolor="#202020", labelcolor="white")
    figure.savefig(target, dpi=110, pil_kwargs={"quality": 88})
    plt.close(figure)


if __name__ == "__main__":
    main()
