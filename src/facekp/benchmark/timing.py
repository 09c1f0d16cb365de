"""Time, fairly: what is compared runs in turns, so that all of it sees the same machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import cv2
import torch

__all__ = ["Run", "in_turns", "milliseconds", "summary", "synchronise", "threads"]

#: What one turn of a contestant measured: milliseconds by name.
Run = Callable[[], Mapping[str, Sequence[float]]]


def in_turns(runs: Sequence[Run], rounds: int) -> list[dict[str, dict[str, float]]]:
    """Run each contestant once a round.

    Returns:
        For each of them the :func:`summary` of each of its measures, over all rounds.
    """
    collected: list[dict[str, list[float]]] = [{} for _ in runs]
    for _ in range(rounds):
        for run, values in zip(runs, collected, strict=True):
            for name, more in run().items():
                values.setdefault(name, []).extend(more)
    return [{name: summary(values) for name, values in each.items()} for each in collected]


def summary(values: Sequence[float]) -> dict[str, float]:
    """``median`` and ``best`` (the least) of some times."""
    return {"median": round(statistics.median(values), 3), "best": round(min(values), 3)}


def milliseconds(run: Callable[[], Any], repeats: int, device: torch.device) -> list[float]:
    """How long some calls took."""
    times = []
    for _ in range(repeats):
        synchronise(device)
        start = time.perf_counter()
        run()
        synchronise(device)
        times.append((time.perf_counter() - start) * 1000)
    return times


def synchronise(device: torch.device) -> None:
    """Wait until a GPU has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


@contextmanager
def threads(count: int) -> Iterator[None]:
    """So many threads for PyTorch and OpenCV, and for sessions of ONNX Runtime that are made inside."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(count)
    cv2.setNumThreads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
