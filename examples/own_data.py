"""Your own points, from a CSV to a detector: 12 points, some pictures, a small network, less than a minute.

pip install 'facekp[train]'
python examples/own_data.py [FOLDER] [--epochs 30] [--output out/own]

FOLDER holds the pictures, ``points.csv`` (``file,NAME_x,NAME_y,...``, empty where not labelled) and ``schema.json``.
Without FOLDER one is made of views of a single photograph, which the network then learns by heart.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import cv2
import numpy as np

import facekp
from facekp import geometry
from facekp.training import recipe, run

NAMES = (
    *("right_brow_mid", "left_brow_mid", "right_eye_outer", "right_eye_inner", "left_eye_inner", "left_eye_outer"),
    *("nose_tip", "nose_base", "right_mouth_corner", "left_mouth_corner", "lower_lip_bottom_mid", "chin"),
)


def make(folder: Path, count: int = 64) -> None:
    """Views of the bundled photograph, with twelve points as a person would have set them."""
    image = facekp.image.read(Path(__file__).with_name("astronaut.jpg"))
    face = facekp.Detector.from_pretrained("resnet18-ibug")(image)[0]
    layout = face.schema.subset(NAMES, "twelve")
    points = face.keypoints[[face.schema.names.index(name) for name in layout.names]]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "schema.json").write_text(json.dumps(layout.to_dict()), "utf-8")
    rng = np.random.default_rng(0)
    with (folder / "points.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["file", *(f"{name}_{axis}" for name in layout.names for axis in "xy")])
        for i in range(count):
            box = face.box + np.tile(rng.normal(0, 8, 2), 2)
            matrix = geometry.crop_matrix(box, (160, 160), rng.uniform(1.5, 2.2), rng.uniform(-15, 15))
            view = geometry.warp(image, matrix, (160, 160), border=None)
            cv2.imwrite(str(folder / f"{i:03}.jpg"), view[..., ::-1])
            table.writerow([f"{i:03}.jpg", *np.round(geometry.apply(matrix, points), 2).ravel().tolist()])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--output", type=Path, default=Path("out/own"))
    given = parser.parse_args()
    if (folder := given.folder) is None:
        make(folder := given.output / "data")
    values = {
        "name": "own",
        "data": {"sets": [{"name": "folder", "root": str(folder.resolve())}], "validation": {"by": "fraction"}},
        "crop": {"size": [48, 48], "scale": 1.6},
        "network": {"name": "simple", "channels": [16, 32, 48], "hidden": [96]},
        "codec": {"name": "regression"},
        "augment": "classic",
        "epochs": given.epochs,
        "batch_size": 8,
        "workers": 0,  # pictures this small are read as quickly as a process is asked for them
    }
    model = run.fit(recipe.check(values, "own_data.py"), given.output / "run")
    picture = next(p for p in sorted(folder.iterdir()) if facekp.image.is_image_path(p))
    for face in facekp.Detector.from_pretrained(model)(picture):
        for name, (x, y) in zip(face.schema.names, face.keypoints.tolist(), strict=True):
            print(f"{name:22} {x:6.1f} {y:6.1f}")
        cv2.imwrite(str(given.output / "found.png"), facekp.draw.faces(picture, [face])[..., ::-1])
    print(f"the model: {model}; facekp detect PICTURE --model {model}")


if __name__ == "__main__":
    main()
