"""Find the faces of one picture, print where the eyes are, and save a drawing.

python examples/detect_and_draw.py [PICTURE] [DRAWING]
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2

import facekp


def main(picture: str, drawing: str) -> None:
    detector = facekp.Detector.from_pretrained("resnet18-ibug")
    faces = detector(picture)
    print(f"{picture}: {len(faces)} face(s), found by {detector.name} on {detector.device}")
    for face in faces:
        groups = face.schema.groups
        for part in ("left_eye", "right_eye"):  # the subject's left and right
            x, y = face.keypoints[list(groups[part])].mean(0)
            print(f"  {part}: ({x:.1f}, {y:.1f})")
        print(f"  sure of the face: {face.score:.2f}, of its points: {face.scores.mean():.2f} on average")
    rgb = facekp.draw.faces(picture, faces)
    Path(drawing).parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(drawing, rgb[..., ::-1]):  # cv2 writes BGR
        sys.exit(f"{drawing}: cannot be written")
    print(f"drawn in {drawing}")


if __name__ == "__main__":
    here = Path(__file__).parent
    defaults = [str(here / "astronaut.jpg"), "out/astronaut.jpg"]
    try:
        main(*(sys.argv[1:] + defaults[len(sys.argv) - 1 :])[:2])
    except facekp.FacekpError as error:
        sys.exit(str(error))
