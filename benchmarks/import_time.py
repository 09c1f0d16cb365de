"""How long ``import facekp`` takes, and what ``facekp.Detector`` adds to torch, torchvision and cv2.

    python benchmarks/import_time.py [REPEATS]

Prints one JSON object: the median of fresh processes, in seconds.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

CASES = {
    "import facekp": ("", "import facekp"),
    "facekp.Detector after torch, torchvision, cv2": (
        "import torch, torchvision, cv2",
        "import facekp; facekp.Detector",
    ),
    "facekp.cli": ("", "import facekp.cli"),
}


def seconds(before: str, timed: str) -> float:
    """What one fresh process measures."""
    code = f"{before}\nimport time\nstart = time.perf_counter()\n{timed}\nprint(time.perf_counter() - start)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def main(repeats: int = 5) -> dict[str, float]:
    """The median for every case; one more process than counted, to warm the disk's cache."""
    medians = {}
    for name, case in CASES.items():
        seconds(*case)
        medians[name] = round(statistics.median(seconds(*case) for _ in range(repeats)), 3)
    return medians


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*map(int, sys.argv[1:])), indent=1) + "\n")
