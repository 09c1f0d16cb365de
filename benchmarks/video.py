"""Measure how still, how prompt and how fast faces are followed in films whose truth is known, and record it.

    python benchmarks/video.py ../shared/data/300w --model mobile-ibug

A film is a photograph of the validation list under a virtual camera: each frame is one affine warp of it, with new
noise and new JPEG blocks.  So where every point of the photograph is in every frame is known exactly.
`facekp.Detector` on every frame and `facekp.video.Tracker` see the same frames, in turns.  Writes
``benchmarks/results/video-MODEL.json``, which docs/benchmarks.md quotes.  The defaults of `facekp.video.Smoothing` were
chosen on films of a photograph of the list's other half (``--tuning``).
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from facekp import Detector, datasets, geometry, metrics
from facekp.benchmark.machine import machine
from facekp.sample import Sample
from facekp.training.data import validation_names
from facekp.video import Tracker

Array = npt.NDArray[Any]

RESULTS = Path(__file__).parent / "results"
SIZE, FACE = (480, 640), 160.0  # of a frame (H, W), and of the face in it, pixels
FPS, NOISE, QUALITY = 30.0, 4.0, 85  # frames a second; standard deviation of the noise in grey levels; JPEG
SETTLED = 10  # frames at the start that are not counted
WAYS = ("found anew", "tracked")  # every frame on its own; and by a Tracker


# ---------------------------------------------------------------- films whose truth is known


def still(t: float) -> tuple[float, float, float, float, float]:
    """Sideways, down (in faces), angle (degrees), growth (logarithm), shear."""
    return 0.0, 0.0, 0.0, 0.0, 0.0


def calm(t: float) -> tuple[float, float, float, float, float]:
    """Somebody who talks: at most 0.4 faces a second."""
    return (
        0.12 * math.sin(2.9 * t),
        0.05 * math.sin(2.3 * t + 1),
        5 * math.sin(2 * t),
        0.05 * math.sin(1.7 * t),
        0.04 * math.sin(2.6 * t),
    )


def lively(t: float) -> tuple[float, float, float, float, float]:
    """Somebody who dances: up to 2.4 faces a second."""
    return (
        0.4 * math.sin(5.7 * t),
        0.12 * math.sin(8.3 * t + 1),
        14 * math.sin(4.1 * t),
        0.15 * math.sin(3.3 * t),
        0.08 * math.sin(4.9 * t),
    )


MOTIONS: dict[str, Callable[[float], tuple[float, float, float, float, float]]] = {
    "still": still,
    "calm": calm,
    "lively": lively,
}


class Film:
    """A photograph under a moving camera.

    Args:
        sample: the photograph and the points of its face.
        motion: where the face is by the time.
        seed: of the noise.
    """

    def __init__(self, sample: Sample, motion: str, seed: int) -> None:
        self.image, self.points = sample.image, np.asarray(sample.keypoints, np.float64)
        self.motion, self.rng = MOTIONS[motion], np.random.default_rng(seed)
        box = geometry.extent(self.points).astype(np.float64)
        self.centre, self.zoom = (box[:2] + box[2:]) / 2, FACE / float(max(box[2:] - box[:2]))

    def matrix(self, t: float) -> Array:
        """From the photograph to the frame at a time, 2x3."""
        right, down, angle, growth, shear = self.motion(t)
        turn = geometry.rotation_matrix(angle, (0.0, 0.0), self.zoom * math.exp(growth))
        turn[:, :2] = turn[:, :2] @ np.array([[1.0, shear], [0.0, 1.0]])
        there = np.array([SIZE[1] / 2 + right * FACE, SIZE[0] / 2 + down * FACE])
        turn[:, 2] = there - turn[:, :2] @ self.centre
        return turn

    def frame(self, t: float) -> Array:
        """``(H, W, 3)`` RGB uint8, as a camera would give it."""
        clean = geometry.warp(self.image, self.matrix(t), SIZE, border=None)
        noisy = np.clip(clean + self.rng.normal(0, NOISE, clean.shape), 0, 255).astype(np.uint8)
        _, data = cv2.imencode(".jpg", noisy[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])

    def frames(self, count: int) -> Iterator[tuple[float, Array]]:
        for i in range(count):
            yield i / FPS, self.frame(i / FPS)


# ---------------------------------------------------------------- what is seen in them


def watch(film: Film, detector: Detector, count: int) -> tuple[dict[str, Array], dict[str, dict[str, float]], Array]:
    """Let both look at one film.

    Returns:
        Points ``(T, K, 2)`` of each; its milliseconds and looks of the network a frame, the first frame left out;
        times ``(T,)``.
    """
    tracker, points, times = Tracker(detector), {way: [] for way in WAYS}, []
    costs = {way: {"ms": 0.0, "looks": 0.0} for way in WAYS}
    for t, frame in film.frames(count):
        truth = geometry.apply(film.matrix(t), film.points)
        times.append(t)
        for way, see in zip(WAYS, (detector, functools.partial(tracker, time=t)), strict=True):
            with looks(detector) as counted:
                start = time.perf_counter()
                found = see(frame)
                spent = time.perf_counter() - start
            if len(times) > 1:
                costs[way]["ms"] += 1000 * spent / (count - 1)
                costs[way]["looks"] += counted[0] / (count - 1)
            points[way].append(nearest([getattr(one, "face", one).keypoints for one in found], truth))
    return {way: np.stack(p) for way, p in points.items()}, costs, np.array(times)


@contextmanager
def looks(detector: Detector) -> Iterator[list[int]]:
    """Count the crops that go through a detector's network."""
    counted, predict = [0], detector.predict

    def count(crops: Array) -> tuple[Array, Array]:
        counted[0] += len(crops)
        return predict(crops)

    detector.predict = count  # type: ignore[method-assign]
    try:
        yield counted
    finally:
        del detector.predict


def nearest(faces: list[Array], truth: Array) -> Array:
    """The face whose points are the nearest; NaN where none is near."""
    best = min(faces, key=lambda p: float(np.abs(p - truth).mean()), default=np.full_like(truth, np.nan))
    return best if np.abs(best - truth).mean() < 0.2 * FACE else np.full_like(truth, np.nan)


def at_rest(film: Film, points: Array, times: Array) -> Array:
    """Points ``(T, K, 2)`` in the photograph, brought back from where the camera was at ``times``."""
    matrices = np.stack([film.matrix(float(t)) for t in times])
    return geometry.apply(geometry.invert(matrices), points).astype(np.float64)


def lag(film: Film, points: Array, times: Array) -> float:
    """By how many seconds points follow the truth: the delay d for which ``points(t)``, brought back into the
    photograph by where the camera was at ``t - d``, move least about their mean."""

    def tremor(delay: float) -> float:
        there = at_rest(film, points, times - delay)
        return float(np.nanmean(np.nanvar(there, axis=0)))

    delays = np.arange(-2, 4.001, 0.05) / FPS
    return float(delays[int(np.argmin([tremor(d) for d in delays]))])


def measures(film: Film, points: Array, times: Array) -> dict[str, float]:
    """Of one film as one of them saw it, the first frames left out."""
    points, times = points[SETTLED:], times[SETTLED:]
    truth = np.stack([geometry.apply(film.matrix(t), film.points) for t in times])
    # In the photograph every point rests: what moves there is tremor (and lag), whatever the points' own error.
    rest = at_rest(film, points, times)
    eyes = float(np.linalg.norm(truth[0, 36] - truth[0, 45]))
    return {
        "tremor": float(np.sqrt(np.nanmean(np.nanvar(rest, axis=0).sum(-1)))) * film.zoom / eyes,
        "jitter": metrics.jitter(points, truth) / eyes,
        "error": float(np.nanmean(np.linalg.norm(points - truth, axis=-1))) / eyes,
        "lag": lag(film, points, times) * FPS,
        "lost": float(np.isnan(points[:, 0, 0]).mean()),
    }


# ---------------------------------------------------------------- the report


def samples(root: Path, count: int, tuning: bool) -> list[Sample]:
    """Faces of the validation list, evenly spread; for tuning others than for measuring."""
    held = set(validation_names("300w"))
    found = datasets.create("300w", root=root, split="train").where(lambda s: s.meta["name"] in held)
    half = range(1 if tuning else 0, len(found), 2)
    picks = np.linspace(0, len(half) - 1, count).round().astype(int)
    return [found[half[int(i)]] for i in picks]


def summary(films: list[dict[str, Any]]) -> dict[str, Any]:
    """What is asked of a tracker: by how much a still face trembles less, how far a moving one lags, and the speed."""
    still = [f for f in films if f["motion"] == "still"]
    moving = [f for f in films if f["motion"] != "still"]
    before, after = WAYS

    def mean(part: list[dict[str, Any]], way: str, key: str) -> float:
        return float(np.mean([f[way][key] for f in part]))

    return {
        "jitter_ratio": round(mean(still, before, "jitter") / mean(still, after, "jitter"), 2),
        "tremor_ratio": round(mean(still, before, "tremor") / mean(still, after, "tremor"), 2),
        "lag_frames_most": round(max((f[after]["lag"] for f in moving), default=0.0), 2),
        "speed_ratio": round(mean(films, before, "ms") / mean(films, after, "ms"), 2),
        "speed_ratio_median": round(float(np.median([f[before]["ms"] / f[after]["ms"] for f in films])), 2),
        "looks_ratio": round(mean(films, before, "looks") / mean(films, after, "looks"), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="the folder of 300-W")
    parser.add_argument("--model", default="resnet18-ibug")
    parser.add_argument("--films", type=int, default=6, help="photographs")
    parser.add_argument("--frames", type=int, default=60, help="of each film")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tuning", type=Path, metavar="FILE", help="films of the list's other half, recorded there")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(options.threads)
    detector = Detector.from_pretrained(options.model, device="cpu")
    about, films = machine(torch.device("cpu")), []
    command = f"python benchmarks/video.py DATA/300w --model {options.model} --films {options.films}"
    command += f" --frames {options.frames}"
    record = options.tuning or RESULTS / f"video-{detector.name}.json"
    weights = str(detector.config.get("sha256", ""))
    head = {"command": command, "model": detector.name, "sha256": weights, "engine": str(detector.engine)}
    head |= {"threads": options.threads}
    for n, sample in enumerate(samples(options.root, options.films, options.tuning is not None)):
        for motion in MOTIONS:
            film = Film(sample, motion, seed=n)
            films.append({"picture": sample.meta["name"], "motion": motion, **seen(film, detector, options.frames)})
            print(json.dumps(films[-1]), flush=True)
        report = {**head, "machine": about, "summary": summary(films), "films": films}
        record.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    print(json.dumps(report["summary"], indent=1))


def seen(film: Film, detector: Detector, count: int) -> dict[str, dict[str, float]]:
    """The measures of both ways of one film."""
    points, costs, times = watch(film, detector, count)
    return {way: {k: round(v, 6) for k, v in (measures(film, points[way], times) | costs[way]).items()} for way in WAYS}


if __name__ == "__main__":
    main()
