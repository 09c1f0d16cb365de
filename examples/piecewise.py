"""Warp a picture triangle by triangle, so that its points come to other places: what a mask, a morph and a mean share.

python examples/piecewise.py [PICTURE] [--output out/mean_shape.png]

shows a face in the shape of the mean face.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

import facekp


def frame(size: tuple[int, int]) -> np.ndarray:
    """Eight points on the edge of a picture of ``(H, W)``, which stay where they are and hold the rest."""
    x, y = size[1] - 1, size[0] - 1
    return np.array([(0, 0), (x / 2, 0), (x, 0), (x, y / 2), (x, y), (x / 2, y), (0, y), (0, y / 2)], np.float32)


def triangles(points: np.ndarray) -> np.ndarray:
    """Delaunay's triangles ``(T, 3)``, as indices of the points ``(K, 2)``."""
    low, high = np.floor(points.min(0)).astype(int) - 10, np.ceil(points.max(0)).astype(int) + 10
    plane = cv2.Subdiv2D((*low.tolist(), *(high - low).tolist()))
    for x, y in points.tolist():
        plane.insert((x, y))
    corners = plane.getTriangleList().reshape(-1, 3, 1, 2)
    away = np.linalg.norm(corners - points, axis=-1)  # OpenCV gives places; its own outer corners are near none
    return away.argmin(-1)[away.min(-1).max(-1) < 0.01]


def warp(image: np.ndarray, source: np.ndarray, target: np.ndarray, mesh: np.ndarray, size: tuple[int, int]):
    """The picture ``(H, W, C)`` with its points moved from source to target, and where it is known, ``(H, W)`` bool."""
    which = np.full(size, -1, np.int32)
    for i, corners in enumerate(target[mesh]):
        cv2.fillConvexPoly(which, np.round(corners * 16).astype(np.int32), i, shift=4)
    flat = np.concatenate([target[mesh], np.ones((len(mesh), 3, 1))], -1)
    back = np.linalg.pinv(flat) @ source[mesh]  # (x, y, 1) of the target -> x, y of the source, for each triangle
    y, x = np.nonzero(which >= 0)
    places = np.zeros((*size, 2), np.float32)
    places[y, x] = np.einsum("ni,nij->nj", np.stack([x, y, np.ones_like(x)], -1), back[which[y, x]])
    return cv2.remap(image, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101), which >= 0


def canvas(image: np.ndarray, face: facekp.Face, size: int = 320) -> tuple[np.ndarray, np.ndarray]:
    """The face levelled in the middle of a square picture, and its points there."""
    place = face.schema.mean_shape * 0.6 * size + (0.5 * size, 0.54 * size)
    matrix = facekp.geometry.align(face.keypoints, place)
    return facekp.geometry.warp(image, matrix, (size, size), border=None), facekp.geometry.apply(matrix, face.keypoints)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", nargs="?", type=Path, default=Path(__file__).with_name("astronaut.jpg"))
    parser.add_argument("--output", type=Path, default=Path("out/mean_shape.png"))
    given = parser.parse_args()
    image = facekp.image.read(given.picture)
    faces = facekp.Detector.from_pretrained("resnet18-ibug")(image)
    if not faces:
        raise SystemExit(f"{given.picture}: no face found")
    picture, points = canvas(image, faces[0])
    size = picture.shape[:2]
    mean = faces[0].schema.mean_shape * 0.6 * size[0] + (0.5 * size[0], 0.54 * size[0])
    before, after = np.concatenate([points, frame(size)]), np.concatenate([mean, frame(size)])
    shaped, _ = warp(picture, before, after, triangles(after), size)
    given.output.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(given.output), np.hstack([picture, shaped])[..., ::-1])
    print(f"as it is, and in the mean shape: {given.output}")


if __name__ == "__main__":
    main()
