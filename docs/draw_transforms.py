"""Draw ``docs/assets/transforms.jpg``: what each transform does to a face and its points.

    python docs/draw_transforms.py

The points are those that the model that ships finds on ``examples/astronaut.jpg``.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

import facekp
from facekp import draw, image, transforms
from facekp.sample import Sample

ROOT = Path(__file__).parents[1]
OUT = ROOT / "docs" / "assets" / "transforms.jpg"
SIDE, COLUMNS, LABEL = 150, 7, 18

CROP = transforms.CropToBox((SIDE, SIDE), scale=1.5)
STEPS = {
    "CropToBox": (CROP,),
    "Rotate": (CROP, transforms.Rotate((25, 25))),
    "Scale": (CROP, transforms.Scale((0.7, 0.7))),
    "Shift": (CROP, transforms.Shift((0.15, 0.15), (-0.1, -0.1))),
    "Shear": (CROP, transforms.Shear((20, 20))),
    "Mirror": (CROP, transforms.Mirror(p=1.0)),
    "RandomAffine": (CROP, transforms.RandomAffine(25, 0.2, 0.1, 0.2)),
    "Brightness": (CROP, transforms.Brightness((1.5, 1.5))),
    "Contrast": (CROP, transforms.Contrast((1.8, 1.8))),
    "Gamma": (CROP, transforms.Gamma((2.0, 2.0))),
    "Saturation": (CROP, transforms.Saturation((2.2, 2.2))),
    "Hue": (CROP, transforms.Hue((0.15, 0.15))),
    "Tone": (CROP, transforms.Tone()),
    "Colour": (CROP, transforms.Colour()),
    "Grey": (CROP, transforms.Grey()),
    "CLAHE": (CROP, transforms.CLAHE((4, 4), tiles=4)),
    "Shade": (CROP, transforms.Shade(0.9)),
    "Blur": (CROP, transforms.Blur(0.03)),
    "Noise": (CROP, transforms.Noise(40)),
    "Jpeg": (CROP, transforms.Jpeg((8, 8))),
    "Occlude": (CROP, transforms.Occlude()),
    "Hand": (CROP, transforms.Hand(0.35)),
}
SEEDS = {"Occlude": 5, "Hand": 3, "RandomAffine": 4, "Tone": 6, "Colour": 1, "Blur": 1, "Shade": 9, "Noise": 2}
STRONG = 6


def face() -> Sample:
    """The astronaut with the points that are found on her."""
    found = facekp.Detector.from_pretrained("resnet18-ibug", device="cpu")(ROOT / "examples" / "astronaut.jpg")[0]
    pixels = image.read(ROOT / "examples" / "astronaut.jpg")
    return Sample(found.keypoints, found.schema, pixels=pixels)


def tile(sample: Sample, name: str) -> np.ndarray:
    """One picture with its points and its name below."""
    out = draw.points(sample.image, sample.keypoints, sample.schema, edges=False, size=1.1)
    strip = np.full((LABEL, SIDE, 3), 255, np.uint8)
    cv2.putText(strip, name, (4, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (40, 40, 40), 1, cv2.LINE_AA)
    return np.concatenate([out, strip])


def main() -> None:
    sample = face()
    tiles = [tile(transforms.Compose(s)(sample, SEEDS.get(name, 0)), name) for name, s in STEPS.items()]
    strong = transforms.preset("strong", CROP)
    tiles += [tile(strong(sample, seed), f'"strong", {seed}') for seed in range(1, STRONG + 1)]
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % COLUMNS)
    rows = [np.concatenate(tiles[i : i + COLUMNS], 1) for i in range(0, len(tiles), COLUMNS)]
    grid = cv2.cvtColor(np.concatenate(rows), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(OUT), grid, [cv2.IMWRITE_JPEG_QUALITY, 72])


if __name__ == "__main__":
    main()
