"""Measure a packed cache of 10,000 faces, and record it.

    python benchmarks/packed.py ../shared/data/300w

300-W's train faces, repeated until there are 10,000, are packed into a temporary folder (about 2 GB).  Fresh processes
then open the file; crops of 128x128 are made from the pictures and from the cache, plain and with the preset
"strong".  Writes ``benchmarks/results/packed.json``.  Linux only: memory is read from ``/proc``.
"""

from __future__ import annotations

import datetime
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from facekp import __version__, datasets, transforms
from facekp.sample import Sample

RESULTS = Path(__file__).parent / "results" / "packed.json"
FACES, TOUCHED, TIMED, REPEATS = 10_000, 100, 500, 5
OPENING = """
import sys, time
from facekp import datasets

def memory():
    lines = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return [int(lines[key].split()[0]) / 1024 for key in ("VmRSS", "RssAnon")]

before = memory()
start = time.perf_counter()
packed = datasets.Packed(sys.argv[1])
seconds = time.perf_counter() - start
opened = memory()
start = time.perf_counter()
for i in range(0, len(packed), len(packed) // int(sys.argv[2])):
    packed[i].image.sum()
print(seconds, time.perf_counter() - start, *before, *opened, *memory())
"""


def opened(path: Path) -> list[float]:
    """What a fresh process measures: seconds to open and to touch, and MiB (all, its own) before and after both."""
    command = [sys.executable, "-c", OPENING, str(path), str(TOUCHED)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return [float(word) for word in done.stdout.split()]


def opening(path: Path) -> dict[str, float]:
    medians = [statistics.median(v) for v in zip(*(opened(path) for _ in range(REPEATS)), strict=True)]
    seconds, touching, before, own_before, after, own_after, touched, own_touched = medians
    return {
        "open_ms": round(seconds * 1000, 1),
        "touch_ms": round(touching * 1000, 1),
        "open_mib": round(after - before, 1),
        "open_own_mib": round(own_after - own_before, 1),
        "touch_mib": round(touched - after, 1),
        "touch_own_mib": round(own_touched - own_after, 1),
    }


def rate(samples: Sequence[Sample], transform: transforms.Transform) -> float:
    """Crops a second of CPU time; reading the picture is part of each."""
    start = time.process_time()
    for i, sample in enumerate(samples):
        transform(sample, np.random.default_rng(i))
    return len(samples) / (time.process_time() - start)


def rates(pictures: Sequence[Sample], packed: Sequence[Sample], preset: str) -> dict[str, float]:
    """The medians of runs in turn, so that whatever else the machine does falls on both."""
    transform = transforms.preset(preset, transforms.CropToBox((128, 128), 1.3))
    pairs = [(rate(pictures, transform), rate(packed, transform)) for _ in range(REPEATS)]
    first, second = (statistics.median(side) for side in zip(*pairs, strict=True))
    return {"pictures": round(first), "packed": round(second)}


def machine() -> str:
    wide = " with AVX-512" if "avx512f" in Path("/proc/cpuinfo").read_text("utf-8") else ""
    return f"one of {os.cpu_count()} CPU cores of an {platform.machine()}{wide}"


def main(root: str) -> None:
    load = os.getloadavg()[0]
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    cv2.setNumThreads(1)
    pictures = datasets.IBUG300W(root, "train")
    repeated = list(itertools.islice(itertools.cycle(pictures), FACES))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "faces.fkp"
        start = time.process_time()
        packed = datasets.pack(repeated, path)
        packing = time.process_time() - start
        chosen = range(0, len(pictures), len(pictures) // TIMED)[:TIMED]
        measured = {
            "faces": len(packed),
            "side": packed.packing.side,
            "scale": packed.packing.scale,
            "megabytes": round(path.stat().st_size / 1e6),
            "pack_cpu_s": round(packing, 1),
            **opening(path),
            "touched": TOUCHED,
            "timed": TIMED,
            "crops_per_s": {
                preset: rates([pictures[i] for i in chosen], [packed[i] for i in chosen], preset)
                for preset in ("none", "strong")
            },
        }
    about = {
        "date": datetime.date.today().isoformat(),
        "command": "python benchmarks/packed.py DATA/300w",
        "data": f"{len(pictures)} faces of 300-W's train folders, repeated",
        "environment": {
            "facekp": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "opencv": cv2.__version__,
            "machine": machine(),
            "load_before": round(load, 1),
        },
    }
    RESULTS.write_text(json.dumps({**about, **measured}, indent=1) + "\n", "utf-8")
    print(RESULTS.read_text("utf-8"))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
