"""Put a mask on every face of a picture: a painted one, or the face of another picture (a face swap).

python examples/face_mask.py [PICTURE] [--source OTHER_PICTURE] [--output out/mask.png]

The mask is cut into triangles between its points, and each triangle is moved to where the face has its points.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
from piecewise import triangles, warp

import facekp

SCHEMA = facekp.schema.get("ibug68")


def painted(side: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """A carnival mask on the mean face, RGBA, and its points; whatever is drawn here follows the face."""
    points = SCHEMA.mean_shape * 0.8 * side + side / 2
    mask = np.zeros((side, side, 4), np.uint8)
    parts = {name: np.round(points[list(i)]).astype(np.int32) for name, i in SCHEMA.groups.items()}
    jaw, nose = parts["jaw"], parts["nose"]
    cheeks = [(2 * jaw[at] + 3 * nose[wing]) // 5 for at, wing in ((13, 8), (3, 4))]
    lower = [jaw[16], jaw[14], cheeks[0], nose[3], cheeks[1], jaw[2], jaw[0]]
    outline = np.concatenate([parts["right_brow"], parts["left_brow"], lower])
    cv2.fillPoly(mask, [outline], (150, 20, 60, 225), cv2.LINE_AA)
    for eye in (parts["right_eye"], parts["left_eye"]):
        centre, axes = eye.mean(0).round().astype(int).tolist(), (np.ptp(eye, 0) * (0.8, 1.2)).astype(int).tolist()
        cv2.ellipse(mask, centre, axes, 0, 0, 360, (240, 200, 80, 235), 6, cv2.LINE_AA)
        cv2.ellipse(mask, centre, axes, 0, 0, 360, (0, 0, 0, 0), -1)
    return mask, points


def put_on(image: np.ndarray, face: np.ndarray, mask: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The picture with the mask on one face, whose points are ``face`` ``(68, 2)``."""
    if mask.shape[2] == 4:  # what is drawn on the mask, and no more, is drawn on the face
        mesh = triangles(points)
        turned = np.linalg.det(np.diff(points[mesh], axis=1)) * np.linalg.det(np.diff(face[mesh], axis=1)) < 0
        moved, inside = warp(mask, points, face, mesh[~turned], image.shape[:2])  # a turned head hides some of it
        alpha = moved[..., 3:] / 255 * cv2.blur(inside.astype(np.float32), (3, 3))[..., None]
        return np.round(image * (1 - alpha) + moved[..., :3] * alpha).astype(np.uint8)
    moved, inside = warp(mask, points, face, triangles(face), image.shape[:2])
    # A photograph's face takes over the light of the place where it goes (Perez et al., "Poisson image editing", 2003).
    inside = cv2.erode(inside.astype(np.uint8) * 255, np.ones((3, 3), np.uint8))
    x, y, width, height = cv2.boundingRect(inside)
    return cv2.seamlessClone(moved, image, inside, (x + width // 2, y + height // 2), cv2.NORMAL_CLONE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", nargs="?", type=Path, default=Path(__file__).with_name("astronaut.jpg"))
    parser.add_argument("--source", type=Path, help="a picture whose largest face is the mask")
    parser.add_argument("--output", type=Path, default=Path("out/mask.png"))
    given = parser.parse_args()
    detector = facekp.Detector.from_pretrained("resnet18-ibug")
    mask, points = painted()
    if given.source is not None:
        mask = facekp.image.read(given.source)
        found = detector(mask, max_faces=1, order="size")
        if not found:
            sys.exit(f"{given.source}: no face found")
        points = found[0].keypoints
    image = facekp.image.read(given.picture)
    faces = detector(image)
    for face in faces:
        image = put_on(image, face.keypoints, mask, points)
    given.output.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(given.output), image[..., ::-1])
    print(f"{len(faces)} masked face(s): {given.output}")


if __name__ == "__main__":
    main()
