"""Cut every face out as recognition networks take it: 112x112 pixels, eyes, nose and mouth at ArcFace's places.

python examples/align_faces.py [PICTURE ...] [--size 112] [--output out/aligned]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2

import facekp


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="*", type=Path, default=[Path(__file__).with_name("astronaut.jpg")])
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--output", type=Path, default=Path("out/aligned"))
    given = parser.parse_args()
    detector = facekp.Detector.from_pretrained("resnet18-ibug")
    given.output.mkdir(parents=True, exist_ok=True)
    for path in given.pictures:
        image = facekp.image.read(path)
        for number, face in enumerate(detector(image), 1):
            crop = facekp.geometry.face_crop(image, face.keypoints, face.schema, given.size)
            # The same in steps, for another template or all 68 points:
            #   five = facekp.geometry.five_points(face.keypoints, face.schema)
            #   matrix = facekp.geometry.align(five, facekp.geometry.ARCFACE)
            #   crop = facekp.geometry.warp(image, matrix, (112, 112))
            target = given.output / f"{path.stem}_{number}.png"
            cv2.imwrite(str(target), crop[..., ::-1])
            print(target)


if __name__ == "__main__":
    main()
