"""Do several looks, or several models, know better how far off a point is?  For docs/experiments.md.

    python benchmarks/disagreement.py ../shared/data/300w

Rank correlation of expected with true errors (:func:`facekp.metrics.rank_correlation`) on the 201 faces of 300-W's
validation list, of `resnet18-ibug`: by its rating; by that and how much its points differ in six crops, moved by up
to 6 % and scaled by up to 10 %; by that and how far the other models' points are; and by all models' ratings.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from facekp import Detector, datasets, metrics
from facekp.training.split import validation_names

Array = npt.NDArray[Any]

MODELS = ("resnet18-ibug", "mobile-ibug", "mobile-light-ibug")
CROPS, MOVED, SCALED = 6, 0.06, 0.1
LEAST = 1e-3  # of the eyes' distance: a difference of nothing has no logarithm


def main(root: str) -> None:
    known = set(validation_names("300w"))
    faces = list(datasets.create("300w", root=root, split="train").where(lambda s: s.meta["name"] in known))
    truth, pictures = np.stack([face.keypoints for face in faces]), [face.image for face in faces]
    boxes, rng = np.stack([face.box for face in faces]), np.random.default_rng(0)
    moved = [boxes, *(_moved(boxes, rng) for _ in range(CROPS - 1))]
    points, rated, errors = {}, {}, {}
    for name in MODELS:
        detector = Detector.from_pretrained(name, finder=None, device="cpu")
        length = metrics.normalizer(truth, detector.schema, "inter_ocular")[:, None]
        looks = []
        for part in moved if name == MODELS[0] else moved[:1]:
            found = detector(pictures, boxes=[box[None] for box in part], refine=False)
            looks.append(np.stack([face.keypoints for (face,) in found]))
            if len(looks) == 1:
                rated[name] = np.log(np.stack([face.uncertainty for (face,) in found]) / length)
        points[name] = looks
        errors[name] = np.linalg.norm(looks[0] - truth, axis=-1) / length
    first = MODELS[0]
    crops = np.stack(points[first])
    scatter = np.sqrt(np.square(crops - crops.mean(0)).sum(-1).mean(0)) / length
    _show("its rating", rated[first], errors[first])
    _show(f"and the scatter of {CROPS} crops, 0.3 times", rated[first] + 0.3 * np.log(scatter + LEAST), errors[first])
    for other in MODELS[1:]:
        apart = np.linalg.norm(points[other][0] - crops[0], axis=-1) / length
        _show(f"the distance from {other} alone", apart, errors[first])
        _show("its rating and that, 0.1 times", rated[first] + 0.1 * np.log(apart + LEAST), errors[first])
    _show("the ratings of all models, multiplied", sum(rated.values()), errors[first])
    _show(f"the true errors of {MODELS[1]}", errors[MODELS[1]], errors[first])
    means = {"one crop": crops[0], f"{CROPS} crops": crops.mean(0)}
    print(
        ", ".join(
            f"NME {k}: {np.linalg.norm(v - truth, axis=-1).mean(1) @ (1 / length[:, 0]) / len(truth):.2%}"
            for k, v in means.items()
        )
    )


def _moved(boxes: Array, rng: np.random.Generator) -> Array:
    """Boxes ``(N, 4)``, each off by something else."""
    sides = boxes[:, 2:] - boxes[:, :2]
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2 + sides * rng.uniform(-MOVED, MOVED, sides.shape)
    half = sides * rng.uniform(1 - SCALED, 1 + SCALED, (len(boxes), 1)) / 2
    return np.concatenate([centres - half, centres + half], 1)


def _show(what: str, expected: Any, errors: Array) -> None:
    ranks = metrics.rank_correlation(np.asarray(expected), errors)
    print(f"{what:48} over all {ranks.overall:.3f}, within {ranks.within:.3f}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
