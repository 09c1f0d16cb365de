"""How small a face is found, by the side to which the finder scales pictures.

    python benchmarks/reach.py mobile-light-ibug ../shared/data/300w \\
        --peer "venv-mediapipe/bin/python benchmarks/peers/mediapipe_mesh.py"

The pictures of 300-W's validation list, each in the middle of a grey square of 640 pixels, so that the face takes some
share of its width.  Writes ``benchmarks/results/reach.json``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy.typing as npt
import torch

from facekp import Detector, benchmark, datasets, geometry
from facekp.benchmark.conditions import far_away
from facekp.benchmark.finder import located
from facekp.benchmark.machine import machine
from facekp.training.split import validation_names

OUT = Path(__file__).parents[1] / "benchmarks" / "results" / "reach.json"
SHARES = (0.04, 0.05, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.3)  # of the picture's width
SIDES = (384, 320, 256, 192, 160)
FINDERS = ("finder", "finder-light")

Array = npt.NDArray[Any]


def main(model: str, root: str, commands: Sequence[str]) -> None:
    known = set(validation_names("300w"))
    faces = list(datasets.create("300w", root=root, split="train").where(lambda s: s.meta["name"] in known))
    cut = [[far_away(s.image, s.keypoints, share) for s in faces] for share in SHARES]
    rows: list[dict[str, Any]] = []

    def add(name: str, side: int | None, boxes: Callable[[Array], Sequence[Any]]) -> None:
        count = [sum(located(boxes(image), geometry.extent(points)) for image, points in part) for part in cut]
        rows.append({"name": name, "side": side, "located": count})
        print(rows[-1], flush=True)

    for name in FINDERS:
        detector = Detector.from_pretrained(model, finder=name, device="cpu", precision="int8")
        for side in SIDES:
            add(name, side, partial(_boxes, detector, side))
    for command in commands:
        with benchmark.Peer(command) as peer:
            add(f"{peer.name} {peer.about['version']}", None, partial(_theirs, peer))
    result = {
        "command": f'python benchmarks/reach.py {model} DATA/300w --peer "python benchmarks/peers/mediapipe_mesh.py"',
        "model": model,
        "faces": len(faces),
        "shares": SHARES,
        "rows": rows,
        "machine": machine(torch.device("cpu")),
    }
    OUT.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


def _boxes(detector: Detector, side: int, image: Array) -> list[Array]:
    return [face.box for face in detector(image, finder_side=side)]


def _theirs(peer: benchmark.Peer, image: Array) -> list[Array]:
    return list(peer.find([image])[0])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("root", help="300-W's folder")
    parser.add_argument("--peer", action="append", default=[], help="a command, see facekp.benchmark.Peer")
    chosen = parser.parse_args()
    main(chosen.model, chosen.root, chosen.peer)
