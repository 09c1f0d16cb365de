"""Morph one face into another, and show them half way: their average.

python examples/morph.py [A] [B] [--steps 5] [--output out/morph.png]

Without B, A becomes its own mirror image; half way, it is symmetric.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
from piecewise import canvas, frame, triangles, warp

import facekp


def levelled(detector: facekp.Detector, image: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The largest face of a picture in a square, and its points with those of the frame."""
    faces = detector(image, max_faces=1, order="size")
    if not faces:
        sys.exit(f"{name}: no face found")
    picture, points = canvas(image, faces[0])
    return picture, np.concatenate([points, frame(picture.shape[:2])])


def morph(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray], share: float) -> np.ndarray:
    """``share`` of the way from one face to the other, in shape and in colour."""
    shape = (1 - share) * a[1] + share * b[1]
    mesh, size = triangles((a[1] + b[1]) / 2), a[0].shape[:2]  # one mesh for all steps, so that nothing jumps
    first, second = (warp(picture, points, shape, mesh, size)[0].astype(float) for picture, points in (a, b))
    return np.round((1 - share) * first + share * second).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a", nargs="?", type=Path, default=Path(__file__).with_name("astronaut.jpg"))
    parser.add_argument("b", nargs="?", type=Path)
    parser.add_argument("--steps", type=int, default=5, help="pictures in the row, the two ends among them")
    parser.add_argument("--output", type=Path, default=Path("out/morph.png"))
    given = parser.parse_args()
    detector = facekp.Detector.from_pretrained("resnet18-ibug")
    first = facekp.image.read(given.a)
    second = first[:, ::-1] if given.b is None else facekp.image.read(given.b)
    a, b = levelled(detector, first, str(given.a)), levelled(detector, second, str(given.b or given.a))
    row = [morph(a, b, share) for share in np.linspace(0, 1, max(2, given.steps))]
    given.output.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(given.output), np.hstack(row)[..., ::-1])
    print(f"{len(row)} steps: {given.output}")


if __name__ == "__main__":
    main()
