"""Measure the ranges of a shipped model's maps, record them, and what running it in integers costs in accuracy.

    python benchmarks/int8.py mobile-ibug ../shared/data/300w

The ranges, of 128 of 300-W's training faces, go to the model's ``config.json`` as ``int8_ranges``.  Then the validation
list and LFPW's test set (once for each model's ranges; it chooses nothing) are measured in float32 and in int8, and by
how much the two differ: ``benchmarks/results/int8-MODEL.json``.
"""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sealing import WEIGHTS, seal

from facekp import Detector, datasets, engine, evaluate, hub, metrics, predict
from facekp.sample import Sample
from facekp.training.split import validation_names

ROOT = Path(__file__).parents[1]
FACES, BATCH = 128, 16
PRECISIONS = ("float32", "int8")


def main(model: str, root: str) -> None:
    held = set(validation_names("300w"))
    train = datasets.create("300w", root=root, split="train")
    faces = train.where(lambda s: s.meta["name"] not in held)
    used = [faces[i * len(faces) // FACES] for i in range(FACES)]
    path = WEIGHTS / model / "config.json"
    config = json.loads(path.read_text("utf-8"))
    config["int8_ranges"] = [[float(f"{v:.5g}") for v in pair] for pair in ranges(model, used)]
    hub.write_config(path.parent, config)
    seal()
    sets = {
        "300-W validation list": train.where(lambda s: s.meta["name"] in held),
        "300-W lfpw/testset": datasets.create("300w", root=root, split="lfpw/testset"),
    }
    rows = [row(model, name, samples) for name, samples in sets.items()]
    result = {
        "command": f"python benchmarks/int8.py {model} DATA/300w",
        "date": datetime.date.today().isoformat(),
        "ranges": len(config["int8_ranges"]),
        "rows": rows,
    }
    out = ROOT / "benchmarks" / "results" / f"int8-{model}.json"
    out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


def ranges(model: str, samples: Sequence[Sample]) -> list[tuple[float, float]]:
    """Of the network's maps on the crops that it is given in use."""
    detector = Detector.from_pretrained(model, finder=None, device="cpu", engine="torch")
    seen: list[torch.Tensor] = []
    detector.engine = None  # the network itself is called, and tells its inputs
    detector.network.register_forward_pre_hook(lambda _, given: seen.append(given[0].clone()))
    predict.keypoints(detector, samples, batch_size=BATCH)
    network = Detector.from_pretrained(model, finder=None, device="cpu", engine="torch").network
    return engine.ranges(network, seen)


def row(model: str, name: str, samples: datasets.SampleSet) -> dict[str, Any]:
    """What both kinds of numbers give on one set, in labelled boxes and in a finder's."""
    found: dict[str, Any] = {"data": name, "faces": len(samples)}
    points = []
    for precision in PRECISIONS:
        detector = Detector.from_pretrained(model, device="cpu", engine="onnx", precision=precision)
        reports = [
            evaluate.evaluate(detector, samples, boxes=boxes, name=name, worst=0) for boxes in ("labelled", "finder")
        ]
        print(precision, evaluate.table(reports), sep="\n", end="\n\n")
        keys = ("nme", "failure_rate_8", "auc_8", "calibration_error", "rank_correlation", "rank_correlation_within")
        found[precision] = {r.boxes: {k: r.to_dict()[k] for k in keys} for r in reports}
        points.append(predict.keypoints(detector, samples)[0])
    eyes = metrics.normalizer(np.stack([s.keypoints for s in samples]), samples[0].schema)
    apart = np.linalg.norm(points[0] - points[1], axis=-1) / eyes[:, None]
    found["apart"] = {"mean": round(float(apart.mean()), 6), "99 %": round(float(np.quantile(apart, 0.99)), 6)}
    return found


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
