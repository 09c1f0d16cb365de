"""Put a trained model into the package, under a name of its own.

    python benchmarks/ship.py runs/resnet18-ibug-192-again/model resnet18-ibug

Then ``benchmarks/face_score.py`` fits how it judges faces, and ``benchmarks/accuracy.py`` measures it on the test set,
once.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from sealing import WEIGHTS, seal

from facekp import hub


def main(folder: str, name: str) -> None:
    config = json.loads((Path(folder) / "config.json").read_text("utf-8"))
    (WEIGHTS / name).mkdir(exist_ok=True)
    shutil.copyfile(Path(folder) / "model.safetensors", WEIGHTS / name / "model.safetensors")
    hub.write_config(WEIGHTS / name, {**config, "name": name})
    seal()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
