"""Measure a shipped model on 300-W's LFPW test set, and record it.

    python benchmarks/accuracy.py resnet18-ibug ../shared/data/300w

Runs ``facekp evaluate`` with labelled boxes and with the finder's, writes both reports
to ``benchmarks/results/`` and into the model's ``config.json``, and keeps a log:
the test set is for measuring shipped weights, once each, not for choosing.
"""

from __future__ import annotations

import datetime
import json
import shlex
import subprocess
import sys
from pathlib import Path

from facekp import hub

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
SPLIT = "lfpw/testset"


def main(model: str, data: str) -> None:
    config_path = ROOT / "src" / "facekp" / "weights" / model / "config.json"
    config = json.loads(config_path.read_text("utf-8"))
    done = [m for m in config["metrics"] if SPLIT in m.get("data", "")]
    if done and done[0].get("sha256") == config["sha256"]:
        sys.exit(f"{model}: these weights have been measured on {SPLIT} already; it is run once per shipped weight")
    reports = [report(model, data, boxes) for boxes in ("labelled", "finder")]
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"accuracy-{model}.json"
    history = json.loads(path.read_text("utf-8"))["history"] if path.exists() else []
    entry = {"date": datetime.date.today().isoformat(), "sha256": config["sha256"], "reports": reports}
    path.write_text(json.dumps({"history": [*history, entry]}, indent=1) + "\n", "utf-8")
    keys = ("data", "boxes", "normalizer", "faces", "nme", "failure_rate_8", "auc_8", "found", "calibration_error")
    measured = [{k: r[k] for k in keys} | {"sha256": config["sha256"]} for r in reports]
    config["metrics"] = [m for m in config["metrics"] if SPLIT not in m.get("data", "")] + measured
    hub.write_config(config_path.parent, config)


def report(model: str, data: str, boxes: str) -> dict[str, object]:
    command = ["facekp", "evaluate", model, "--data", data, "--split", SPLIT, "--boxes", boxes]
    print("$", shlex.join(command), file=sys.stderr)
    ran = subprocess.run([*command, "--json", "-"], check=True, stdout=subprocess.PIPE, text=True)
    (measured,) = json.loads(ran.stdout)["reports"]
    return measured | {"command": shlex.join([*command[:4], "DATA/300w", *command[5:]])}


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
