"""Compare the shipped finders: whose faces are found under each hardship, and at what cost.

    python benchmarks/finders.py mobile-ibug ../shared/data/300w

With a keypoint model's points, on the 201 pictures of the validation list, as ``facekp benchmark finder`` does; then,
as they are, LFPW's test set, which chooses nothing: run it once for new weights.  Writes
``benchmarks/results/finders.json``.
"""

from __future__ import annotations

import datetime
import json
import sys
from pathlib import Path
from typing import Any

from sealing import WEIGHTS

from facekp import Detector, benchmark, datasets, evaluate
from facekp.datasets.frames import frames_300w
from facekp.training.split import validation_names

ROOT = Path(__file__).parents[1]
OUT = ROOT / "benchmarks" / "results" / "finders.json"
KEPT = ("asked", "end_to_end", "conditions", "false_alarms", "cost", "environment")


def main(model: str, root: str) -> None:
    names = validation_names("300w")
    held, known = frames_300w(Path(root), names=names), set(names)
    faces = list(datasets.create("300w", root=root, split="train").where(lambda s: s.meta["name"] in known))
    test = datasets.create("300w", root=root, split="lfpw/testset")
    rows: dict[str, dict[str, Any]] = {}
    for folder in sorted(WEIGHTS.iterdir()):
        config = folder / "config.json"
        if not config.exists() or json.loads(config.read_text("utf-8"))["type"] != "finder":
            continue
        detector = Detector.from_pretrained(model, finder=folder.name, device="cpu")
        found = benchmark.finder(detector, faces, frames=held, pictures=False)
        report = evaluate.evaluate(detector, test, boxes="finder", worst=0).to_dict()
        on_test = {key: report[key] for key in ("nme", "failure_rate_8", "found")}
        rows[folder.name] = {key: found[key] for key in KEPT} | {"lfpw/testset": on_test}
        print(folder.name, on_test, benchmark.finder_table(found), sep="\n", end="\n\n")
    result = {
        "command": f"python benchmarks/finders.py {model} DATA/300w",
        "model": model,
        "date": datetime.date.today().isoformat(),
        "finders": rows,
    }
    OUT.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
