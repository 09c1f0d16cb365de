"""Compare the depths of ``facekp.pose.HEAD`` with those that turned faces imply.

    python tools/head_depths.py ../shared/data/300w

Fits the head to the faces of 300-W's train folders, then, in turns, the head to all fits: the rigid part of a
factorisation of shape and motion (Tomasi and Kanade, IJCV 1992).  A head that is tilted forward as a whole explains
the faces as well, with other depths, so the result is tilted until it differs least from HEAD.
"""

from __future__ import annotations

import sys

import numpy as np

from facekp import datasets, pose

TURNS = 60


def main(root: str) -> None:
    samples = datasets.create("300w", root=root, split="train")
    names = list(pose.HEAD)
    head = np.array([pose.HEAD[name] for name in names])
    points = np.stack([s.keypoints for s in samples])[:, [samples.schema.index(n) for n in names]].astype(np.float64)
    points -= points.mean(1, keepdims=True)
    other = [names.index(mirrored(name)) for name in names]
    model = head - head.mean(0)
    sys.stdout.write(f"{len(samples)} faces; distance from HEAD {misfit(points, model):.2f} mm (root mean square)\n")
    for _ in range(TURNS):
        turn, scale = fit(points, model)
        flat = (points / scale[:, None, None]).transpose(0, 2, 1).reshape(-1, len(names))
        model = np.linalg.lstsq(turn[:, :2].reshape(-1, 3), flat, rcond=None)[0].T
        model = (model + model[other] * [-1, 1, 1]) / 2
        model -= model.mean(0)
        model *= np.linalg.norm(head[0] - head[3]) / np.linalg.norm(model[0] - model[3])
    sys.stdout.write(f"distance from the head that fits best {misfit(points, model):.2f} mm\n")
    tilts = [model @ pose.rotation(0, angle, 0).T for angle in np.arange(-15, 15.01, 0.1)]
    model = min(tilts, key=lambda tilted: np.abs(tilted - (head - head.mean(0))).sum())
    model += (head[0] + head[3]) / 2 - (model[0] + model[3]) / 2
    for name, mine, its in zip(names, head, model, strict=True):
        sys.stdout.write(
            f"{name:20} HEAD {np.array2string(mine, precision=1)}   300-W {np.array2string(its, precision=1)}\n"
        )


def mirrored(name: str) -> str:
    sides = {"left_": "right_", "right_": "left_"}
    return next((there + name.removeprefix(here) for here, there in sides.items() if name.startswith(here)), name)


def fit(points: np.ndarray, model: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotations and scales of the faces."""
    turn = pose._fit(points, np.broadcast_to(model, (len(points), *model.shape)))
    flat = (model @ turn.transpose(0, 2, 1))[..., :2]
    return turn, (points * flat).sum((1, 2)) / (flat**2).sum((1, 2))


def misfit(points: np.ndarray, model: np.ndarray) -> float:
    turn, scale = fit(points, model)
    gap = points / scale[:, None, None] - (model @ turn.transpose(0, 2, 1))[..., :2]
    return float(np.sqrt((gap**2).sum(-1).mean()))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
