"""Measure a shipped model on 300-W's LFPW test set, and record it.

    python benchmarks/accuracy.py resnet18-ibug ../shared/data/300w

Runs ``facekp evaluate`` with labelled boxes, with such that are off, and with the finder's, writes the reports
to ``benchmarks/results/`` and into the model's ``config.json``, and keeps a log:
the test set is for measuring shipped weights, once each, not for choosing.  Where only
the finder's weights are new, only what depends on them is measured.
"""

from __future__ import annotations

import datetime
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from sealing import seal

from facekp import hub

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
SPLIT = "lfpw/testset"


def main(model: str, data: str) -> None:
    config_path, config = shipped(model)
    own = config["sha256"]
    weights = {"labelled": own, "moved": own, "finder": own + shipped(config.get("face_finder", "finder"))[1]["sha256"]}
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"accuracy-{model}.json"
    history = json.loads(path.read_text("utf-8"))["history"] if path.exists() else []
    known = {r["boxes"]: r for r in (history[-1]["reports"] if history else []) if r["weights"] == weights[r["boxes"]]}
    if len(known) == len(weights):
        sys.exit(f"{model}: these weights have been measured on {SPLIT} already; it is run once per shipped weight")
    reports = [known.get(boxes) or report(model, data, boxes) | {"weights": weights[boxes]} for boxes in weights]
    entry = {"date": datetime.date.today().isoformat(), "sha256": config["sha256"], "reports": reports}
    path.write_text(json.dumps({"history": [*history, entry]}, indent=1) + "\n", "utf-8")
    keys = ("data", "boxes", "normalizer", "faces", "nme", "failure_rate_8", "auc_8", "found", "calibration_error")
    measured = [{k: r[k] for k in keys} | {"sha256": config["sha256"]} for r in reports]
    config["metrics"] = [m for m in config["metrics"] if SPLIT not in m.get("data", "")] + measured
    hub.write_config(config_path.parent, config)
    seal()


def shipped(name: str) -> tuple[Path, dict[str, Any]]:
    path = ROOT / "src" / "facekp" / "weights" / name / "config.json"
    return path, json.loads(path.read_text("utf-8"))


def report(model: str, data: str, boxes: str) -> dict[str, Any]:
    command = ["facekp", "evaluate", model, "--data", data, "--split", SPLIT, "--boxes", boxes]
    print("$", shlex.join(command), file=sys.stderr)
    ran = subprocess.run([*command, "--json", "-"], check=True, stdout=subprocess.PIPE, text=True)
    (measured,) = json.loads(ran.stdout)["reports"]
    return measured | {"command": shlex.join([*command[:4], "DATA/300w", *command[5:]])}


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
