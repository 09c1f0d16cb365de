"""dlib's regression trees as a peer of ``facekp benchmark speed``: 68 points of faces whose boxes are given.

    python -m venv venv-dlib && venv-dlib/bin/pip install dlib opencv-python-headless    # needs a compiler
    venv-dlib/bin/python benchmarks/peers/dlib_ert.py ert.dat --train DATA/300w/labels_ibug_300W_train.xml
    facekp benchmark speed PICTURES --peer "venv-dlib/bin/python benchmarks/peers/dlib_ert.py ert.dat"

Kazemi and Sullivan, "One millisecond face alignment with an ensemble of regression trees", CVPR 2014.  How long it
takes depends on how many trees there are and how deep, not on what they have learned.  ``--train`` makes, of a few
faces, 15 times 500 of depth 4: a file about as large as dlib's published predictor of 68 points.

Timed is the predictor, which takes its pixels from the whole picture, and its points as an array.
"""

import argparse
import json
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import cv2
import dlib
import numpy as np


def train(labels: Path, faces: int, target: Path) -> None:
    tree = ET.parse(labels)
    pictures = tree.getroot().find("images")
    for i, picture in enumerate(list(pictures)):
        picture.set("file", str(labels.parent.absolute() / picture.get("file")))
        if i >= faces:
            pictures.remove(picture)
    options = dlib.shape_predictor_training_options()
    options.cascade_depth, options.num_trees_per_cascade_level, options.tree_depth = 15, 500, 4
    options.oversampling_amount, options.num_threads, options.random_seed = 5, 1, "0"
    with tempfile.TemporaryDirectory() as folder:
        few = Path(folder) / "few.xml"
        tree.write(few)
        dlib.train_shape_predictor(str(few), str(target), options)


def answer(model: Path) -> None:
    predictor = dlib.shape_predictor(str(model))
    about = {"name": "dlib ERT", "version": dlib.__version__, "what": "shape_predictor, 68 points", "boxes": True}
    print(json.dumps(about), flush=True)
    for line in sys.stdin:
        path, _, given = line.rstrip("\n").partition("\t")
        picture = cv2.imread(path)[..., ::-1].copy()
        boxes = json.loads(given)
        start = time.perf_counter()
        points = [points_of(predictor, picture, box) for box in boxes]
        ms = (time.perf_counter() - start) * 1000
        found = [[*(p.min(0) - 0.5).tolist(), *(p.max(0) + 0.5).tolist()] for p in points]
        print(json.dumps({"boxes": found, "ms": ms}), flush=True)


def points_of(predictor: dlib.shape_predictor, picture: np.ndarray, box: list[float]) -> np.ndarray:
    shape = predictor(picture, dlib.rectangle(*(round(v) for v in box)))
    return np.array([(p.x, p.y) for p in shape.parts()], np.float32)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, metavar="MODEL.dat")
    parser.add_argument("--train", type=Path, metavar="LABELS.xml", help="make MODEL.dat first, and stop")
    parser.add_argument("--faces", type=int, default=40)
    given = parser.parse_args()
    if given.train:
        train(given.train, given.faces, given.model)
    else:
        answer(given.model)
