"""Whether eyes are open, and which way they look.

python examples/eyes.py [PICTURE ...] [--closed 0.2] [--output out/eyes.png]

Open: the eye aspect ratio of Soukupova and Cech, "Real-time eye blink detection using facial landmarks", CVWW 2016:
``(|p2 - p6| + |p3 - p5|) / (2 |p1 - p4|)``, about 0.3 for an open eye and near 0 for a closed one.  It differs from
person to person: ``blinks.py`` compares the frames of a film with the person's own usual value.

Saved: both eyes enlarged, with their points and, as a line, the middle of the iris.

Gaze: where the dark of the iris lies between the corners of the eye, from 0 (the picture's left) to 1; about 0.5 looks
straight.  Rough: lashes and shadows are dark, too.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

import facekp

WIDE, HIGH = 120, 60  # pixels of an enlarged eye


def aspect_ratio(eye: np.ndarray) -> float:
    """Of an eye's six points ``(6, 2)``: a corner, two above, the other corner, two below."""
    above_to_below = np.linalg.norm(eye[1] - eye[5]) + np.linalg.norm(eye[2] - eye[4])
    return float(above_to_below / (2 * np.linalg.norm(eye[0] - eye[3])))


def gaze(image: np.ndarray, eye: np.ndarray) -> tuple[float, np.ndarray]:
    """Where the iris is between the corners, from 0 to 1, and the levelled, enlarged eye, drawn upon."""
    corners = np.array([(0.15 * WIDE, HIGH / 2), (0.85 * WIDE, HIGH / 2)])
    matrix = facekp.geometry.align(eye[[0, 3]], corners)
    picture = facekp.geometry.warp(image, matrix, (HIGH, WIDE), border=None)
    points = facekp.geometry.apply(matrix, eye)
    inside = cv2.fillConvexPoly(np.zeros((HIGH, WIDE), np.uint8), np.round(points).astype(np.int32), 1) > 0
    grey = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (0, 0), 2).astype(float)
    dark = inside & (grey <= np.percentile(grey[inside], 30)) if inside.any() else inside
    x = np.nonzero(dark)[1].mean() if dark.any() else WIDE / 2
    drawn = facekp.draw.points(picture, points)
    cv2.line(drawn, (round(x), 4), (round(x), HIGH - 5), (255, 60, 60), 1)
    return float((x - corners[0, 0]) / (corners[1, 0] - corners[0, 0])), drawn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="*", type=Path, default=[Path(__file__).with_name("astronaut.jpg")])
    parser.add_argument("--closed", type=float, default=0.2, help="an eye with a lower ratio is closed")
    parser.add_argument("--output", type=Path, default=Path("out/eyes.png"))
    given = parser.parse_args()
    detector = facekp.Detector.from_pretrained("resnet18-ibug")
    rows = []
    for path in given.pictures:
        image = facekp.image.read(path)
        for face in detector(image):
            eyes = [face.keypoints[list(face.schema.groups[f"{side}_eye"])] for side in ("right", "left")]
            ratio = float(np.mean([aspect_ratio(eye) for eye in eyes]))
            looks, pictures = zip(*(gaze(image, eye) for eye in eyes), strict=True)
            state = "closed" if ratio < given.closed else f"open, the iris at {np.mean(looks):.2f}"
            print(f"{path.name}: eye aspect ratio {ratio:.2f}, {state}")
            rows.append(np.hstack(pictures))
    if rows:
        given.output.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(given.output), np.vstack(rows)[..., ::-1])
        print(f"right and left eye of each face: {given.output}")


if __name__ == "__main__":
    main()
