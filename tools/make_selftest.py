"""Make the picture on which ``facekp doctor`` tries the models, and the points that it expects there.

python tools/make_selftest.py

The picture is a part of ``examples/astronaut.jpg`` (NASA, public domain).  The points are those that the shipped model
finds in the whole photograph, in tenths of a pixel.  They were looked at: they lie where a person would set them, so
that a later model, too, finds them within a few per cent of the distance of the eyes.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

import facekp

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "examples" / "astronaut.jpg"
TARGET = ROOT / "src" / "facekp" / "_selftest"
CORNER, SIDE = (148, 28), 160  # x, y of the part's first pixel


def main() -> None:
    x, y = CORNER
    part = cv2.imread(str(PICTURE))[y : y + SIDE, x : x + SIDE]
    cv2.imwrite(str(TARGET / "face.jpg"), part, [cv2.IMWRITE_JPEG_QUALITY, 85])
    (face,) = facekp.Detector.from_pretrained("resnet18-ibug", device="cpu", engine="torch")(PICTURE)
    points = np.round(face.keypoints.astype(float) - CORNER, 1).tolist()
    record = {"schema": face.schema.name, "keypoints": points}
    (TARGET / "face.json").write_text(json.dumps(record) + "\n", "utf-8")


if __name__ == "__main__":
    main()
