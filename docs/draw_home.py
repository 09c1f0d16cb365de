"""Draw ``docs/assets/home.jpg``: the face of ``examples/astronaut.jpg``, enlarged, with the points found on it.

python docs/draw_home.py
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

import facekp
from facekp import draw, geometry, image

ROOT = Path(__file__).parents[1]
OUT = ROOT / "docs" / "assets" / "home.jpg"
LEFT, TOP, WIDTH, HEIGHT, SCALE = 82, 28, 288, 172, 3


def main(target: Path = OUT) -> None:
    pixels = image.read(ROOT / "examples" / "astronaut.jpg")
    face = facekp.Detector.from_pretrained("resnet18-ibug", device="cpu")(pixels)[0]
    matrix = np.array([[1.0, 0, -LEFT], [0, 1, -TOP]]) * SCALE
    matrix[:, 2] += (SCALE - 1) / 2  # pixels' centres stay where they are
    large = geometry.warp(pixels, matrix, (HEIGHT * SCALE, WIDTH * SCALE), border=None)
    drawn = draw.points(large, geometry.apply(matrix, face.keypoints), face.schema)
    cv2.imwrite(str(target), drawn[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main()
