"""Samples per second of the "strong" augmentation on one core, beside torchvision v2 and albumentations.

    python benchmarks/transforms.py [ROUNDS]        # writes benchmarks/results/transforms.json

Every peer starts from the same frame of 500 x 500 pixels with a face of 68 points and ends with 128 x 128 pixels and
the moved points.  Each peer is written in the order that its own docs advise, with the nearest counterpart of every
operation at the same probability; what it lacks is left out, in its favour.  A round times each peer once, one after
the other, by the CPU time of the process, and the best round counts: other programs on the machine can only slow a
round down.  albumentations is needed for this script only: ``pip install albumentations``.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # it asks the network for its newest version otherwise

import albumentations
import cv2
import numpy as np
import torch
import torchvision

import facekp
from facekp import geometry, image, schema, transforms
from facekp.sample import Sample

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "transforms.json"
FRAME, SIDE, SAMPLES, ROUNDS, EXTRA = 500, 128, 150, 9, 10
LAYOUT = schema.get("ibug68")

Pipeline = Callable[[Sample], Any]


def with_facekp() -> Pipeline:
    pipeline = transforms.preset("strong", transforms.CropToBox((128, 128), scale=1.2))
    rng = np.random.default_rng(0)
    return lambda sample: pipeline(sample, rng)


def with_torchvision() -> Pipeline:
    # https://docs.pytorch.org/vision/stable/transforms.html#performance-considerations:
    # v2, tensors rather than PIL, uint8, bilinear resizing; the crop first, so that the rest sees few pixels
    from torchvision import tv_tensors
    from torchvision.transforms import v2

    bilinear = v2.InterpolationMode.BILINEAR
    rest = v2.Compose(
        [
            v2.RandomHorizontalFlip(0.5),
            v2.RandomAffine(20, translate=(0.07, 0.07), scale=(0.85, 1.18), interpolation=bilinear),
            v2.RandomApply([v2.RandomAffine(20, (0.05, 0.05), (0.93, 1.08), interpolation=bilinear)], p=0.4),
            v2.RandomApply([v2.ColorJitter(saturation=0.6)], p=0.5),
            v2.RandomApply([v2.ColorJitter(brightness=0.25, contrast=0.3)], p=0.7),
            v2.RandomGrayscale(0.15),
            v2.RandomApply([v2.GaussianBlur(7, sigma=(0.4, 1.9))], p=0.2),
            v2.RandomErasing(0.4, scale=(0.01, 0.16)),
            v2.RandomApply([v2.GaussianNoise(sigma=0.03)], p=0.2),
            v2.RandomApply([v2.JPEG((15, 70))], p=0.2),
        ]
    )

    def run(sample: Sample) -> Any:
        picture = tv_tensors.Image(torch.from_numpy(sample.pixels).permute(2, 0, 1))
        points = tv_tensors.KeyPoints(torch.from_numpy(sample.keypoints), canvas_size=picture.shape[1:])
        left, top, side = square(sample)
        picture, points = (
            v2.functional.resized_crop(v, top, left, side, side, [128, 128], antialias=True) for v in (picture, points)
        )
        return rest(picture, points)

    return run


def with_albumentations() -> Pipeline:
    # https://albumentations.ai/docs/3-basic-usage/performance-tuning: uint8, crop and shrink first
    import albumentations as A

    pipeline = A.Compose(
        [
            A.Resize(128, 128, interpolation=cv2.INTER_AREA),
            A.HorizontalFlip(p=0.5),
            A.Affine(scale=(0.85, 1.18), translate_percent=(-0.07, 0.07), rotate=(-20, 20), p=1.0),
            A.Affine(scale=(0.93, 1.08), translate_percent=(-0.05, 0.05), rotate=(-20, 20), p=0.4),
            A.ColorJitter(brightness=(1, 1), contrast=(1, 1), saturation=(0.4, 1.6), hue=(0, 0), p=0.5),
            A.RGBShift(25, 25, 25, p=0.5),
            A.RandomBrightnessContrast(0.25, 0.3, p=0.7),
            A.RandomGamma((67, 149), p=0.7),
            A.Illumination(mode="linear", p=0.2),
            A.ToGray(p=0.15),
            A.OneOf([A.GaussianBlur(sigma_limit=(0.4, 1.9), p=0.6), A.MotionBlur(blur_limit=(3, 7), p=0.4)], p=0.2),
            A.CoarseDropout((1, 3), (0.08, 0.4), (0.08, 0.4), fill="random_uniform", p=0.4),
            A.GaussNoise(std_range=(0.0, 0.055), p=0.2),
            A.ImageCompression(quality_range=(15, 70), p=0.2),
        ],
        keypoint_params=A.KeypointParams("xy", remove_invisible=False),
        seed=0,
    )

    def run(sample: Sample) -> Any:
        left, top, side = square(sample)
        crop = sample.pixels[top : top + side, left : left + side]
        return pipeline(image=crop, keypoints=sample.keypoints - np.array([left, top], np.float32))

    return run


def square(sample: Sample) -> tuple[int, int, int]:
    """Left, top and side of the face's square, grown by a fifth, for peers that crop by slicing."""
    x0, y0, x1, y1 = sample.box
    side = round(float(max(x1 - x0, y1 - y0)) * 1.2)
    return round(float(x0 + x1 - side) / 2), round(float(y0 + y1 - side) / 2), side


PEERS = {"facekp": with_facekp, "torchvision v2": with_torchvision, "albumentations": with_albumentations}


def face() -> Sample:
    """A real photograph of 500 x 500 pixels around a face of 260 pixels, with a mean face's points on it."""
    picture = image.read(ROOT / "examples" / "astronaut.jpg")
    picture = cv2.resize(picture, (FRAME, FRAME), interpolation=cv2.INTER_AREA)
    matrix = geometry.rotation_matrix(5, (0, 0), 260 / float(np.ptp(LAYOUT.mean_shape, 0).max()))
    points = geometry.apply(matrix, LAYOUT.mean_shape) + np.float32(FRAME / 2)
    return Sample(points, LAYOUT, pixels=picture)


def seconds(run: Callable[[Sample], Any], sample: Sample, samples: int = SAMPLES) -> float:
    """CPU time of this process for one sample."""
    start = time.process_time()
    for _ in range(samples):
        run(sample)
    return (time.process_time() - start) / samples


def best(runs: dict[str, Callable[[Sample], Any]], sample: Sample, rounds: int) -> dict[str, float]:
    """Each run's best round; rounds are interleaved, and one more is for warming up."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        seconds(run, sample, 30)
    for _ in range(rounds):
        for name, run in runs.items():
            found[name].append(seconds(run, sample))
    return {name: min(times) for name, times in found.items()}


def extra(sample: Sample, rounds: int) -> dict[str, float]:
    """What one more geometric transform costs, as a share of the pipeline."""
    crop = transforms.CropToBox((SIDE, SIDE), scale=1.2)
    runs = {}
    more = [transforms.Rotate(3), transforms.Scale(0.02), transforms.Shift(0.01, 0.01), transforms.Shear(2)]
    more = [more[i % len(more)] for i in range(EXTRA)]
    for name, steps in (("plain", []), ("extra", more)):
        strong = transforms.preset("strong", crop)
        pipeline = transforms.Compose([crop, *steps, *strong.transforms[1:]])
        runs[name] = functools.partial(pipeline, rng=np.random.default_rng(0))
    times = best(runs, sample, rounds)
    each = (times["extra"] - times["plain"]) / EXTRA
    return {"microseconds": round(each * 1e6, 1), "share": round(each / times["plain"], 4)}


def batched(rounds: int) -> dict[str, float]:
    """Samples per second of BatchWarp on the CPU, 256 crops of 96 x 96 in and out."""
    n = 256
    sample = transforms.CropToBox((96, 96), scale=1.2)(face(), 0)
    pictures = torch.from_numpy(np.repeat(sample.image.transpose(2, 0, 1)[None], n, 0))
    points = np.repeat(sample.keypoints[None], n, 0)
    out = {}
    for name in ("classic", "strong"):
        warp, times = transforms.BatchWarp.preset(name, (96, 96), LAYOUT), []
        for seed in range(rounds):
            start = time.process_time()
            warp(pictures, points, rng=seed)
            times.append(time.process_time() - start)
        out[name] = round(n / min(times))
    return out


def main(rounds: int = ROUNDS) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    sample = face()
    times = best({name: make() for name, make in PEERS.items()}, sample, rounds)
    packages = (facekp, torch, torchvision, albumentations, cv2, np)
    result = {
        "date": date.today().isoformat(),
        "command": "python benchmarks/transforms.py",
        "machine": f"{platform.machine()}, 1 thread",
        "versions": {package.__name__: package.__version__ for package in packages},
        "samples_per_second": {name: round(1 / t) for name, t in times.items()},
        "facekp_is_faster": {name: round(t / times["facekp"], 2) for name, t in times.items() if name != "facekp"},
        "extra_geometric_transform": extra(sample, rounds),
        "batch_warp_cpu": batched(rounds),
        "code": {name: inspect.getsource(make) for name, make in PEERS.items()},
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    sys.stdout.write(json.dumps({k: v for k, v in result.items() if k != "code"}, indent=1) + "\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
