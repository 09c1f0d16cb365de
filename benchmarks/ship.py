"""Put a trained model into the package, under a name of its own.

    python benchmarks/ship.py runs/resnet18-ibug-192-again/model resnet18-ibug

Then ``benchmarks/face_score.py`` fits how it judges faces, and ``benchmarks/accuracy.py`` measures it on the test set,
once.  With ``--pushed`` it pins a model that was pushed to ``facekp/NAME``: what the command below printed goes into
``src/facekp/pushed.json``, once the folder is seen to be what was pushed.

    facekp push FOLDER facekp/NAME --json > push.json
    python benchmarks/ship.py --pushed push.json FOLDER
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
from pathlib import Path

from sealing import WEIGHTS, seal

from facekp import _hublist, hub

PUSHED = WEIGHTS.with_name("pushed.json")
SAID = ("type", "schema", "points", "bytes", "nme", "nme_on", "licence")  # of the model, for those who list it


def main(folder: str, name: str) -> None:
    config = json.loads((Path(folder) / "config.json").read_text("utf-8"))
    (WEIGHTS / name).mkdir(exist_ok=True)
    shutil.copyfile(Path(folder) / "model.safetensors", WEIGHTS / name / "model.safetensors")
    hub.write_config(WEIGHTS / name, {**config, "name": name})
    seal()


def pin(printed: str, folder: str, table: Path = PUSHED) -> None:
    """Write down which commit and files a name of facekp's own means."""
    push = json.loads(Path(printed).read_text("utf-8"))
    organisation, _, name = push["repo"].partition("/")
    if organisation != "facekp" or not re.fullmatch(r"[0-9a-f]{40}", str(push["revision"])):
        sys.exit(f"{printed}: expected a push to facekp/NAME that was no dry run")
    for file in ("config.json", "model.safetensors"):
        if hashlib.sha256((Path(folder) / file).read_bytes()).hexdigest() != push["files"][file]:
            sys.exit(f"{folder}: {file} is not the one that was pushed")
    entry = _hublist.entry_of(name, hub.read_config(Path(folder) / "config.json"), Path(folder))
    facts = {key: value for key in SAID if (value := getattr(entry, key)) is not None}
    pins = json.loads(table.read_text("utf-8")) | {
        name: {"revision": push["revision"], "files": push["files"], **facts}
    }
    table.write_text(json.dumps(pins, indent=1, ensure_ascii=False, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--pushed"] and len(sys.argv) == 4:
        sys.exit(pin(*sys.argv[2:]))
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
