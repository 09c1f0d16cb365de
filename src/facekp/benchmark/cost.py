"""What a finder costs: time, memory, and the size of its weights."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from .. import geometry
from ..detector import Detector
from ..finder import FaceFinder
from .peers import Peer

__all__ = ["as_frame", "measure"]

Array = npt.NDArray[Any]

SIZE = (480, 640)
ROUNDS, REPEATS = 5, 8

# A process of its own: what this one holds already would hide what a detector takes.
_MEMORY = """
import numpy, torch
from facekp.detector import Detector
def peak():
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
before = peak()
Detector.from_pretrained(device="cpu")(numpy.zeros((480, 640, 3), numpy.uint8), boxes=[[200, 100, 400, 300]])
Detector.from_pretrained(device="cpu")(numpy.zeros((480, 640, 3), numpy.uint8))
print((peak() - before) / 1024)
"""


def measure(detector: Detector, image: Array, peers: Sequence[Peer] = ()) -> dict[str, Any]:
    """Milliseconds for one frame of 640 x 480, in turns with the peers; memory; weights.

    Args:
        detector: with its finder.
        image: a photograph of one face; the frame shows it as large as it fits.
        peers: measured on the same frame.

    Returns:
        ``finder_ms`` (finding alone), ``detector_ms`` (finding and keypoints), the best and the median of all rounds;
        ``NAME_ms`` of each peer; ``threads``; ``memory_mib``: what a process that has imported everything takes more
        for loading both models and going through a frame, where the system tells; ``finder_kilobytes`` of weights.
    """
    frame = as_frame(image)
    times: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        times.setdefault("finder", []).extend(_milliseconds(lambda: detector.finder([frame])))  # type: ignore[misc]
        times.setdefault("detector", []).extend(_milliseconds(lambda: detector(frame)))
        for peer in peers:
            times.setdefault(peer.name, []).extend(peer.milliseconds(frame, REPEATS))
    result: dict[str, Any] = {"threads": torch.get_num_threads()}
    for name, values in times.items():
        result[f"{name}_ms"], result[f"{name}_ms_median"] = round(min(values), 2), round(float(np.median(values)), 2)
    return {**result, "memory_mib": _memory(), "finder_kilobytes": _kilobytes(detector)}


def as_frame(image: Array) -> Array:
    """A picture as a frame of 640 x 480, as large as it fits, with grey beside it."""
    zoom = min(SIZE[0] / image.shape[0], SIZE[1] / image.shape[1])
    matrix = np.array([[zoom, 0, 0.5 * zoom - 0.5], [0, zoom, 0.5 * zoom - 0.5]])
    return geometry.warp(image, matrix, SIZE, border=114)


def _milliseconds(run: Callable[[], Any]) -> list[float]:
    run()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1000)
    return times


def _memory() -> float | None:
    ran = subprocess.run(
        [sys.executable, "-c", _MEMORY], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False
    )
    return round(float(ran.stdout), 1) if ran.returncode == 0 else None  # only Linux tells


def _kilobytes(detector: Detector) -> float | None:
    """Of the finder's weights as :func:`facekp.hub.save` writes them: matrices in half precision."""
    if not isinstance(detector.finder, FaceFinder):
        return None
    state = detector.finder.network.state_dict().values()
    size: int = sum(t.numel() * (2 if t.is_floating_point() and t.ndim > 1 else t.element_size()) for t in state)
    return round(size / 1e3, 1)
