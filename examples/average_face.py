"""The average of many faces: every one is brought to their mean shape, then the colours are averaged.

python examples/average_face.py [PICTURE|FOLDER ...] [--output out/average.png]

Without pictures: the average of a face and its mirror image.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from piecewise import canvas, frame, triangles, warp

import facekp


def pictures(paths: list[Path]) -> Iterator[np.ndarray]:
    for path in paths:
        inside = sorted(p for p in path.iterdir() if facekp.image.is_image_path(p)) if path.is_dir() else [path]
        yield from map(facekp.image.read, inside)


def average(faces: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """The mean of levelled pictures and their points, see :func:`piecewise.canvas`."""
    size = faces[0][0].shape[:2]
    shapes = [np.concatenate([points, frame(size)]) for _, points in faces]
    mean = np.mean(shapes, axis=0)
    mesh, total = triangles(mean), np.zeros((*size, 3))
    for (picture, _), shape in zip(faces, shapes, strict=True):
        total += warp(picture, shape, mean, mesh, size)[0]
    return np.round(total / len(faces)).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="*", type=Path)
    parser.add_argument("--output", type=Path, default=Path("out/average.png"))
    given = parser.parse_args()
    detector = facekp.Detector.from_pretrained("resnet18-ibug")
    images = list(pictures(given.pictures))
    if not given.pictures:
        image = facekp.image.read(Path(__file__).with_name("astronaut.jpg"))
        images = [image, np.ascontiguousarray(image[:, ::-1])]
    found = detector(images)
    faces = [canvas(image, face) for image, several in zip(images, found, strict=True) for face in several]
    if not faces:
        sys.exit("no face found")
    given.output.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(given.output), average(faces)[..., ::-1])
    print(f"average of {len(faces)} faces: {given.output}")


if __name__ == "__main__":
    main()
