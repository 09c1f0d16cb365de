"""Fit how a finder's score and the points' scores together say whether it is a face, and record it.

    python benchmarks/face_score.py resnet18-ibug ../shared/data/300w [finder-light]

On the validation list of 300-W's train folders: candidates of a low threshold, in every third picture as it is, turned
by any angle, small, dark and covered, against candidates in all of them with the faces painted over or cut away.
The weights go to the model's ``config.json`` as ``face_score`` (see ``facekp/models/verdict.py``), what they do on
halves of the pictures that did not fit them to ``benchmarks/results``.  A finder that is named goes there as
``face_finder``, as they hold for it; none: ``finder``.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sealing import WEIGHTS, seal

from facekp import geometry, hub, metrics
from facekp.benchmark.conditions import CONDITIONS, Condition, cut_away, turned
from facekp.benchmark.stages import WatchedDetector
from facekp.datasets import IBUG300W
from facekp.datasets.frames import frames_300w
from facekp.decoders.calibration import logit
from facekp.detector import Detector
from facekp.predict import best_face
from facekp.training.split import validation_names
from facekp.transforms.frames import without_faces

ROOT = Path(__file__).parents[1]
Array = npt.NDArray[Any]

LEAST, LIKELY = 0.01, 0.1  # of the finder: what is looked at, and what is where the finder is sure of none
AGAIN = 0.1  # of the verdict: what is looked at a second time
MIN_SCORE = 0.55  # chosen by the table that this writes
MISSED = 1e-6  # stands for the scores of a face that is not found
WRONG = 0.15  # points of a face that are further off are not counted: neither a good look nor a false alarm
#: Validation pictures in which somebody's face is neither labelled nor in faces.csv, found by looking at the best
#: scored false alarms: not used as pictures without faces.
UNLABELLED = (
    "afw/3576294411_2.jpg",
    "helen/trainset/1050957686_1.jpg",
    "helen/trainset/147226455_1.jpg",
    "helen/trainset/2100608030_2.jpg",
    "lfpw/trainset/image_0547.jpg",
)


def main(model: str, data: str, finder: str = "finder") -> None:
    root, path = Path(data), WEIGHTS / model / "config.json"
    config = json.loads(path.read_text("utf-8"))
    if finder != "finder" or "face_finder" in config:
        config["face_finder"] = finder
    bundle = WatchedDetector.from_pretrained(model, finder=finder, device="cpu")

    def judging(**verdict: float) -> WatchedDetector:
        changed = {**config, "face_score": {"least": LEAST, **verdict}}
        return WatchedDetector(bundle.network, changed, face_finder=bundle.finder, engine="auto")

    detector = judging(finder=1, points=0, bias=0, likely=0, again=0, min_score=0)
    held = set(validation_names("300w"))
    samples = [s for s in IBUG300W(root, split="train") if s.meta["name"] in held][::3]
    rows = np.array(list(faces(detector, samples)) + list(alarms(detector, root, sorted(held))))
    part, right, kind = rows[:, 0] % 2, rows[:, 3].astype(bool), rows[:, 4].astype(int)
    x = np.c_[np.ones(len(rows)), logit(rows[:, 1]), logit(rows[:, 2])]
    held_out = np.where(part == 0, x @ fit(x[part == 1], right[part == 1]), x @ fit(x[part == 0], right[part == 0]))
    probability = 1 / (1 + np.exp(-held_out))
    bias, sure, points = (round(float(v), 4) for v in fit(x, right))
    weights = {"finder": sure, "points": points, "bias": bias, "min_score": MIN_SCORE}
    found = {**weights, "least": LEAST, "likely": LIKELY, "again": AGAIN}
    report = {
        "model": model,
        "finder": finder,
        "face_score": found,
        "candidates": {"faces": int(right.sum()), "others": int((~right).sum())},
        "calibration_error": round(metrics.expected_calibration_error(probability, right), 4),
        "by_threshold": {
            str(t): {
                "faces": round(float((probability[right] >= t).mean()), 4),
                "faces_by_kind": {
                    name: round(float((probability[right & (kind == i)] >= t).mean()), 4)
                    for i, name in enumerate(hardships())
                },
                "others": int((probability[~right] >= t).sum()),
            }
            for t in (0.1, 0.3, 0.4, 0.5, 0.55, 0.6, 0.7, 0.9)
        },
        "thrift": {
            "every candidate": thrift(judging(**weights, likely=0, again=0), samples),
            "the likely": thrift(judging(**found), samples),
        },
        "pictures": {"with": len(samples) * len(hardships()), "without": int(rows[:, 5].max())},
    }
    (ROOT / "benchmarks" / "results" / f"face_score-{model}.json").write_text(json.dumps(report, indent=1) + "\n")
    hub.write_config(path.parent, {**config, "face_score": found})
    seal()


def hardships() -> dict[str, Condition]:
    names = ("as it is", "24 px wide", "darkened x0.25", "lower half covered")
    return {name: CONDITIONS[name] for name in names} | {"turned": CONDITIONS["as it is"]}


def thrift(detector: WatchedDetector, samples: list[Any]) -> dict[str, float]:
    """How many labelled faces are found, and looks at crops a picture."""
    found = sum(mean > MISSED for _, _, mean, *_ in faces(detector, samples))
    return {"faces": found, "looks": round(detector.looks / len(samples) / len(hardships()), 2)}


def faces(detector: Detector, samples: list[Any]) -> Any:
    """Rows (picture, finder's score, points' score, 1, hardship, 0) of the labelled faces."""
    for kind, (name, condition) in enumerate(hardships().items()):
        pairs = []
        for i, sample in enumerate(samples):
            change = partial(turned, angle=30.0 * (i % 12)) if name == "turned" else condition.change
            pairs.append(change(sample.image, sample.keypoints))
        for i, (found, (_, points)) in enumerate(zip(detector([image for image, _ in pairs]), pairs, strict=True)):
            face = best_face(found, geometry.extent(points))
            if face is None:
                yield i, MISSED, MISSED, 1, kind, 0
            elif metrics.nme(face.keypoints[None], points[None], detector.schema)[0] < WRONG:
                yield i, face.score, float(face.scores.mean()), 1, kind, 0


def alarms(detector: Detector, root: Path, names: list[str]) -> Any:
    """The same with 0 for 1, of everything that is found where no face is."""
    frames = frames_300w(root, names=[n for n in names if n not in UNLABELLED])
    pictures = [(i, image) for i, f in enumerate(frames) for image in (without_faces(f).image, cut_away(f))]
    pictures = [(i, image) for i, image in pictures if image is not None]
    for (i, _), found in zip(pictures, detector([image for _, image in pictures]), strict=True):
        for face in found:
            mean = float(face.scores.mean())
            if "--show" in sys.argv and mean > 0.4:
                print(frames[i].path, round(face.score, 2), round(mean, 2), face.box.round(), file=sys.stderr)
            yield i, face.score, mean, 0, -1, len(pictures)


def fit(x: Array, right: Array) -> Array:
    """Logistic regression by Newton's method, with a slight pull towards zero."""
    w = np.zeros(x.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(x @ w, -30, 30)))
        gradient = x.T @ (right - p) - 0.1 * w
        w += np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x + 0.1 * np.eye(len(w)), gradient)
    return w


if __name__ == "__main__":
    given = [word for word in sys.argv[1:] if word != "--show"]
    if len(given) not in (2, 3):
        sys.exit(__doc__)
    main(*given)
