"""Measure a shipped model on the validation list, by several normalisers and both kinds of boxes, and record it.

    python benchmarks/validation.py resnet18-ibug ../shared/data/300w

The 201 faces are cut from 300-W's train folders and were not trained on, but choices were made by them.  Writes
``benchmarks/results/validation-MODEL.json``, from which docs/learn/nme.md quotes.  With ``--mirror`` at the end it only
prints what ``mirror=True`` gives.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from facekp import Detector, datasets, evaluate
from facekp.training.data import validation_names

ROOT = Path(__file__).parents[1]
RUNS = (
    ("inter_ocular", "labelled"),
    ("inter_ocular", "finder"),
    ("inter_pupil", "labelled"),
    ("box", "labelled"),
    ("diagonal", "labelled"),
)


def main(model: str, root: str, mirror: str = "") -> None:
    held = set(validation_names("300w"))
    samples = datasets.create("300w", root=root, split="train").where(lambda s: s.meta["name"] in held)
    detector = Detector.from_pretrained(model, device="cpu", mirror=bool(mirror))
    if mirror:
        print(evaluate.table([evaluate.evaluate(detector, samples, name="300-W validation list", worst=0)]))
        return
    reports = [
        evaluate.evaluate(detector, samples, boxes=boxes, norm=norm, name="300-W validation list", worst=0)
        for norm, boxes in RUNS
    ]
    for part in (reports[:2], *([r] for r in reports[2:])):
        print(evaluate.table(part), end="\n\n")
    path = ROOT / "benchmarks" / "results" / f"validation-{model}.json"
    command = f"python benchmarks/validation.py {model} DATA/300w"
    path.write_text(
        json.dumps({"command": command, "reports": [r.to_dict() for r in reports]}, indent=1) + "\n", "utf-8"
    )


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4) or sys.argv[3:] not in ([], ["--mirror"]):
        sys.exit(__doc__)
    main(*sys.argv[1:])
