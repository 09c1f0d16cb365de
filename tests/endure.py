"""Very many pictures through ``facekp detect``, whose runs are ended over and over: none is lost, none done twice.

    python tests/endure.py FOLDER --pictures 100000

FOLDER gets that many links to some small cuttings of the bundled photograph, one of them in a hundred with the face.
Each of three shards is run with ``--resume``, and ended by KILL, TERM or INT after a random time, until it comes to its
end by itself.  Then every picture must have one whole line, with the same faces as every other link to the same
cutting.  A folder that is there already is gone on with.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np

EXAMPLE = Path(__file__).parents[1] / "examples" / "astronaut.jpg"
SHARDS, CUTTINGS, SIDE = 3, 100, 64
ENDINGS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


def make(folder: Path, count: int, rng: random.Random) -> None:
    """Hard links in folders of a thousand: ``pictures/012/012345.jpg``."""
    image, own = cv2.imread(str(EXAMPLE)), folder / "cuttings"
    own.mkdir(parents=True, exist_ok=True)
    for i in range(CUTTINGS):
        y, x = rng.randrange(200, image.shape[0] - SIDE), rng.randrange(image.shape[1] - SIDE)
        cutting = cv2.resize(image[70:200, 160:290], (SIDE, SIDE)) if i == 0 else image[y : y + SIDE, x : x + SIDE]
        cv2.imwrite(str(own / f"{i}.jpg"), cutting)
    for i in range(count):
        link = folder / "pictures" / f"{i // 1000:03}" / f"{i:06}.jpg"
        if not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            os.link(own / f"{i % CUTTINGS}.jpg", link)


def run(folder: Path, shard: int, rng: random.Random, seconds: float, model: str) -> Counter[str]:
    """One shard to its end; how often it was ended, by what."""
    command = [sys.executable, "-m", "facekp", "detect", str(folder / "pictures"), "--recursive", "--model", model]
    command += ["--shard", f"{shard}/{SHARDS}", "--resume", "--json", str(folder / f"{shard}.jsonl")]
    endings: Counter[str] = Counter()
    while True:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            code = process.wait(rng.uniform(0.3, 1) * seconds)
        except subprocess.TimeoutExpired:
            ending = rng.choice(ENDINGS)
            process.send_signal(ending)
            process.wait()
            endings[ending.name] += 1
            continue
        if code != 0:
            sys.exit(f"shard {shard}: exit code {code}")
        return endings


def alike(some: list[dict[str, Any]], others: list[dict[str, Any]]) -> bool:
    """The same faces, to a hundredth of a pixel: sums in batches of another size are rounded otherwise."""
    points = [np.array([face["keypoints"] for face in faces]) for faces in (some, others)]
    return points[0].shape == points[1].shape and np.allclose(*points, atol=0.01)


def check(folder: Path, count: int) -> int:
    """Every picture once, and the same faces for the same cutting; returns how many faces there are."""
    seen: Counter[str] = Counter()
    faces: dict[int, list[dict[str, Any]]] = {}
    for shard in range(1, SHARDS + 1):
        for line in (folder / f"{shard}.jsonl").read_text("ascii").splitlines():
            record = json.loads(line)
            name = Path(record["path"]).stem
            seen[name] += 1
            if not alike(faces.setdefault(int(name) % CUTTINGS, record["faces"]), record["faces"]):
                sys.exit(f"{name}: other faces than in other links to the same cutting")
    twice = [name for name, times in seen.items() if times > 1]
    lost = [i for i in range(count) if f"{i:06}" not in seen]
    if twice or lost or len(seen) != count:
        sys.exit(f"{len(lost)} of {count} are lost, {len(twice)} done twice, {len(seen)} seen")
    return sum(len(faces[i % CUTTINGS]) for i in range(count))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=60, help="a run is ended after at most so many")
    parser.add_argument("--model", default="mobile-ibug")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a background shell's are deaf to it, and so their children
    rng, start = random.Random(given.seed), time.monotonic()
    make(given.folder, given.pictures, random.Random(given.seed))
    endings: Counter[str] = Counter()
    for shard in range(1, SHARDS + 1):
        endings += run(given.folder, shard, rng, given.seconds, given.model)
        sys.stderr.write(f"shard {shard}/{SHARDS}: {time.monotonic() - start:.0f} s, ended {dict(endings)}\n")
    found = check(given.folder, given.pictures)
    sys.stdout.write(f"{given.pictures} pictures, {found} faces: none lost, none twice; ended {dict(endings)}\n")


if __name__ == "__main__":
    main()
