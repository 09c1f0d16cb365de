"""How exactly and how fast each codec reads its own maps.

    python benchmarks/decoders.py [--only speed|errors]

Errors: 256 points on 128 x 128 maps, their sub-pixel parts spread evenly, are encoded, turned into the output that
means exactly this target, and decoded; in heatmap pixels.  ``clean``: points at least 3 sigma inside; ``noise``: the
same with Gaussian noise of 2 % of each map's peak on every value, before the output's logarithm or logit; ``border``:
points within 3 sigma of the map's edge.

Speed: points and scores of 256 faces x 68 maps of 64 x 64 on one CPU thread, against a loop over the maps in numpy that
gives the same, and against kornia's ``spatial_soft_argmax2d``, points only, where kornia is installed.  All are run in
turn, several times; CPU time counts.

Writes benchmarks/results/decoders.json.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

import facekp
from facekp import decoders, schema

RESULTS = Path(__file__).parent / "results" / "decoders.json"
SIDE, STRATA = 128, 16
SIGMAS, STRIDES = (1, 2, 3, 5, 7, 9, 11), (1, 2, 4, 8)
NOISE = 0.02
CONDITIONS = ("clean", "noise", "border")
FACES, POINTS, MAPS = 256, 68, 64
REPEATS = 15  # of a loop over maps, which takes seconds, a third


def variants(sigma: float, stride: int) -> dict[str, decoders.Codec]:
    """The codecs that are compared, by what the table calls them."""
    size = {"input_size": (SIDE * stride, SIDE * stride)}
    maps: dict[str, Any] = {**size, "heatmap_size": (SIDE, SIDE), "sigma": sigma}
    bins = {**size, "split": 2.0, "sigma": 2.0 * sigma * stride}
    window = 2 * math.ceil(3 * sigma) + 1
    create = decoders.create
    return {
        "argmax": create("argmax", **maps),
        "argmax, quarter": create("argmax", quarter=True, **maps),
        "weighted_argmax": create("weighted_argmax", **maps),
        "weighted_argmax, threshold 0.2": create("weighted_argmax", threshold=0.2, **maps),
        "weighted_argmax, window 3 sigma": create("weighted_argmax", window=window, **maps),
        "weighted_argmax, disc of radius 2 sigma": create(
            "weighted_argmax", target="disc", radius=2 * sigma, loss="heatmap_mse", **maps
        ),
        "soft_argmax": create("soft_argmax", **maps),
        "dark": create("dark", **maps),
        "dark, no blur": create("dark", blur=0, **maps),
        "udp": create("udp", **maps),
        "offset": create("offset", **maps),
        "simcc": create("simcc", **bins),
        "simcc, expectation": create("simcc", reading="expectation", **bins),
    }


def places(condition: str, sigma: float) -> Tensor:
    """``(STRATA, STRATA, 2)`` in heatmap pixels: whole cells by chance, sub-pixel parts evenly."""
    rng = np.random.default_rng(0)
    part = (np.stack(np.meshgrid(np.arange(STRATA), np.arange(STRATA)), -1) + 0.5) / STRATA - 0.5
    reach = math.ceil(3 * sigma)
    whole = rng.integers(reach, SIDE - reach, part.shape)
    if condition == "border":
        near = rng.integers(0, reach, part.shape[:2])
        near = np.where(rng.random(near.shape) < 0.5, near, SIDE - 1 - near)
        rows, columns = np.indices(near.shape)
        whole[rows, columns, rng.integers(0, 2, near.shape)] = near
    return torch.from_numpy(whole + part).float()


def noisy(target: dict[str, Tensor]) -> dict[str, Tensor]:
    """A target with noise on every map, of a share of its peak, and on every vector, of a share of a cell."""
    generator = torch.Generator().manual_seed(0)
    changed = dict(target)
    for key in set(target) & {"heatmap", "x", "y", "offset"}:
        values = target[key]
        over = (-2, -1) if key == "heatmap" else -1
        peak = 1.0 if key == "offset" else values.amax(over, keepdim=True)
        changed[key] = values + NOISE * peak * torch.randn(values.shape, generator=generator)
    return changed


def errors() -> list[dict[str, Any]]:
    rows = []
    for stride in STRIDES:
        for sigma in SIGMAS:
            for name, codec in variants(sigma, stride).items():
                for condition in CONDITIONS:
                    cells = places(condition, sigma)
                    points = (cells + 0.5) * stride - 0.5
                    error = torch.cat([_error(codec, row[None], condition) for row in points]) / stride
                    rows.append(
                        {"codec": name, "sigma": sigma, "stride": stride, "condition": condition} | _summary(error)
                    )
            sys.stderr.write(f"stride {stride}, sigma {sigma}\n")
    return rows


def _error(codec: decoders.Codec, points: Tensor, condition: str) -> Tensor:
    target = codec.encode(points)
    decoded, _ = codec.decode(codec.ideal_output(noisy(target) if condition == "noise" else target))
    return (decoded - points)[target["mask"]].double()


def _summary(error: Tensor) -> dict[str, Any]:
    distance = error.norm(dim=-1)
    return {
        "points": len(error),
        "mean": round(distance.mean().item(), 5),
        "p99": round(distance.quantile(0.99).item(), 5),
        "bias": [round(float(b), 5) for b in error.mean(0)],
    }


# ---------------------------------------------------------------- speed


Array = np.ndarray[Any, Any]


def soft_argmax_loop(maps: Array, codec: Any) -> tuple[Array, Array]:
    """What the codec gives, map by map: ``(N, K, H, W)`` → points ``(N, K, 2)``, scores ``(N, K)``."""
    count, points, height, width = maps.shape
    xs, ys = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    found, spread = np.empty((count, points, 2), np.float32), np.empty((count, points), np.float32)
    for n in range(count):
        for k in range(points):
            p = np.exp(maps[n, k] - maps[n, k].max())
            p /= p.sum()
            along_x, along_y = p.sum(0), p.sum(1)
            x, y = along_x @ xs, along_y @ ys
            found[n, k] = x, y
            spread[n, k] = (along_x @ (xs - x) ** 2 + along_y @ (ys - y) ** 2) / 2
    return (found + 0.5) * codec.stride - 0.5, _scores(np.log(np.sqrt(spread) / max(height, width) + 1e-4), codec)


def dark_loop(maps: Array, codec: Any) -> tuple[Array, Array]:
    """The same for DARK, as its authors' code does it: blur, logarithm, derivatives, solve."""
    count, points, _, width = maps.shape
    found, value = np.empty((count, points, 2), np.float32), np.empty((count, points), np.float32)
    for n in range(count):
        for k in range(points):
            y, x = divmod(int(maps[n, k].argmax()), width)
            value[n, k] = maps[n, k, y, x]
            found[n, k] = np.array([x, y]) - _taylor(maps[n, k], x, y, codec.blur)
    spread = codec.sigma / np.sqrt(value) / max(maps.shape[-2:])
    return (found + 0.5) * codec.stride - 0.5, _scores(np.log(spread), codec)


def _taylor(values: Array, x: int, y: int, blur: float) -> Array:
    side = 2 * math.ceil(3 * blur) + 1
    h = np.log(np.maximum(cv2.GaussianBlur(values, (side, side), blur, borderType=cv2.BORDER_CONSTANT), 1e-10))
    dx, dy = (h[y, x + 1] - h[y, x - 1]) / 2, (h[y + 1, x] - h[y - 1, x]) / 2
    dxx = (h[y, x + 2] - 2 * h[y, x] + h[y, x - 2]) / 4
    dyy = (h[y + 2, x] - 2 * h[y, x] + h[y - 2, x]) / 4
    dxy = (h[y + 1, x + 1] - h[y - 1, x + 1] - h[y + 1, x - 1] + h[y - 1, x - 1]) / 4
    solved: Array = np.linalg.solve(np.array([[dxx, dxy], [dxy, dyy]]), np.array([dx, dy]))
    return solved


def _scores(log_spread: Array, codec: decoders.Codec) -> Array:
    fitted = codec.calibration
    scores: Array = 1 / (1 + np.exp(-(fitted["bias"][0] + fitted["slope"] * log_spread)))
    return scores


def speed() -> dict[str, Any]:
    sizes: dict[str, Any] = {"input_size": (4 * MAPS, 4 * MAPS), "heatmap_size": (MAPS, MAPS), "sigma": 2.0}
    unit = torch.rand(FACES, POINTS, 2, generator=torch.Generator().manual_seed(0))
    points = (12 + unit * (MAPS - 25) + 0.5) * 4 - 0.5  # further inside than any blur reaches
    found = {}
    for name, loop in {"soft_argmax": soft_argmax_loop, "dark": dark_loop}.items():
        codec = decoders.create(name, **sizes)
        output = codec.ideal_output(codec.encode(points))
        runs: dict[str, Callable[[], Any]] = {
            "facekp": partial(codec.decode, output),
            "numpy loop": partial(loop, output.numpy(), codec),
        }
        (mine, score), (its, its_score) = (run() for run in runs.values())
        assert np.abs(mine.numpy() - its).max() < 0.01, name
        assert np.abs(score.numpy() - its_score).max() < 0.01, name
        kornia = _kornia() if name == "soft_argmax" else None
        if kornia is not None:
            runs["kornia, points only"] = partial(kornia, output, normalized_coordinates=False)
            assert (kornia(output, normalized_coordinates=False) - codec.to_map(mine)).abs().max() < 0.01
        found[name] = _timed(runs)
    return found


def _kornia() -> Callable[..., Tensor] | None:
    try:
        from kornia.geometry.subpix import spatial_soft_argmax2d
    except ImportError:
        return None
    return spatial_soft_argmax2d  # type: ignore[no-any-return]


def _timed(runs: dict[str, Callable[[], Any]], repeats: int = REPEATS) -> dict[str, Any]:
    """Seconds of CPU time of each, run in turn so that what else the machine does falls on all."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for i in range(repeats):
        for name, run in runs.items():
            if "loop" in name and i % 3:
                continue
            start = time.process_time()
            run()
            seconds[name].append(time.process_time() - start)
    return {name: {"min": round(min(s), 4), "median": round(statistics.median(s), 4)} for name, s in seconds.items()}


def per_face() -> dict[str, float]:
    """Microseconds to decode one face of 68 points, in a batch of 32, maps of 64 x 64 or an input of 256 x 256."""
    sizes: dict[str, Any] = {"input_size": (4 * MAPS, 4 * MAPS)}
    maps: dict[str, Any] = {**sizes, "heatmap_size": (MAPS, MAPS), "sigma": 2.0}
    pip = {**sizes, "heatmap_size": (8, 8), "mean_shape": schema.get("ibug68").mean_shape}
    cases = dict.fromkeys(decoders.names(), maps) | {"pip": pip, "regression": sizes, "simcc": sizes}
    points = 32 + 190 * torch.rand(32, POINTS, 2, generator=torch.Generator().manual_seed(0))
    runs: dict[str, Callable[[], Any]] = {}
    for name, options in cases.items():
        codec = decoders.create(name, **options)
        output = codec.ideal_output(codec.encode(points))
        runs[name] = partial(codec.decode, output)
    _timed(runs, 1)
    return {name: round(t["min"] / 32 * 1e6, 1) for name, t in _timed(runs, 15).items()}


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=("speed", "errors"))
    only = parser.parse_args().only
    torch.set_num_threads(1)
    results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {}
    if only != "errors":
        results["speed"] = {
            "date": datetime.date.today().isoformat(),
            "command": "python benchmarks/decoders.py",
            "facekp": facekp.__version__,
            "torch": torch.__version__,
            "machine": f"1 thread of {os.cpu_count()} CPU cores, {platform.machine()}, "
            f"{torch.backends.cpu.get_cpu_capability()}",
            "faces": FACES,
            "decode": speed(),
            "microseconds_per_face": per_face(),
        }
    if only != "speed":
        results["errors"] = errors()
    parts = [f' "{key}": {json.dumps(results[key], indent=1)}' for key in results if key != "errors"]
    lines = ",\n".join(f"  {json.dumps(row)}" for row in results.get("errors", []))
    RESULTS.write_text("{\n" + ",\n".join([*parts, f' "errors": [\n{lines}\n ]']) + "\n}\n", "utf-8")


if __name__ == "__main__":
    main()
