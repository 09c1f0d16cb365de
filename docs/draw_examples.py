"""Draw ``docs/assets/examples.jpg`` by running the examples on the bundled photograph.

python docs/draw_examples.py
"""

from __future__ import annotations

import runpy
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
PICTURE = ROOT / "docs" / "assets" / "examples.jpg"
FACE = (slice(10, 260), slice(99, 349))  # rows and columns of the photograph
WIDTH = 1000


def run(name: str, *arguments: str) -> None:
    """One example, as from the command line."""
    before = sys.argv, list(sys.path)
    sys.argv, sys.path = [str(EXAMPLES / name), *arguments], [str(EXAMPLES), *sys.path]
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    finally:
        sys.argv, sys.path = before


def scaled(picture: np.ndarray, width: int) -> np.ndarray:
    height = round(picture.shape[0] * width / picture.shape[1])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


def main(target: Path = PICTURE) -> None:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        run("face_mask.py", "--output", str(out / "mask.png"))
        run("head_pose.py", "--output", str(out / "pose.png"))
        run("align_faces.py", "--size", "336", "--output", str(out))
        run("morph.py", "--output", str(out / "morph.png"))
        mask, pose, crop, morph = (
            cv2.imread(str(out / f"{name}.png")) for name in ("mask", "pose", "astronaut_1", "morph")
        )
    above = np.hstack([scaled(part, WIDTH // 3) for part in (mask[FACE], pose[FACE], crop)])
    both = np.vstack([scaled(above, WIDTH), scaled(morph, WIDTH)])
    cv2.imwrite(str(target), both, [cv2.IMWRITE_JPEG_QUALITY, 85])


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
