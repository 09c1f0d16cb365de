"""What only a fresh process shows: how soon the first result is there, and how much memory a long stream takes."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from ..errors import ArgumentError

__all__ = ["first_results", "stream_memory"]

_IMPORTS = "import torch, torchvision, cv2\nprint('done', flush=True)"
_FIRST = """
import sys
from facekp import Detector
model, engine, finder, device, picture = sys.argv[1:]
faces = Detector.from_pretrained(model, engine=engine, finder=finder, device=device)(picture)
print(len(faces), flush=True)
"""
_STREAM = "from facekp.benchmark.starts import child\nchild()"


def first_results(
    picture: Path, pairs: Sequence[tuple[str, str]], options: Mapping[str, str], count: int
) -> dict[str, Any]:
    """Seconds from a process's start to the first result, in turns with processes that only import.

    Args:
        picture: that is given to the detector by its path.
        pairs: models with engines.
        options: ``finder`` and ``device``.
        count: of processes of each; one more of each before is not counted, for the disk's cache.

    Returns:
        ``imports_s``: ``import torch, torchvision, cv2``; ``rows``: of each model and engine ``seconds``, and ``more``,
        the difference of the medians.
    """
    rest = [options["finder"], options["device"], str(picture)]
    programs = [(_IMPORTS,), *((_FIRST, model, engine, *rest) for model, engine in pairs)]
    times: list[list[float]] = [[] for _ in programs]
    for turn in range(count + 1):
        for program, values in zip(programs, times, strict=True):
            seconds = _seconds(program)
            if turn:
                values.append(seconds)
    imports, *others = ({"median": round(statistics.median(v), 3), "best": round(min(v), 3)} for v in times)
    rows = [
        {"model": model, "engine": engine, "seconds": s, "more": round(s["median"] - imports["median"], 3)}
        for (model, engine), s in zip(pairs, others, strict=True)
    ]
    return {"processes": count, "imports_s": imports, "rows": rows}


def _seconds(program: Sequence[str]) -> float:
    """From a process's start until it says something."""
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", *program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        seconds = time.perf_counter() - start
        _, errors = process.communicate()
    if not said or process.returncode:
        raise ArgumentError(f"start-up: the fresh process failed: {_last(errors)}")
    return seconds


def stream_memory(
    paths: Sequence[Path], model: str, engine: str, options: Mapping[str, str], count: int
) -> dict[str, Any] | None:
    """Resident memory of a process that takes a long stream of pictures, in MB (10^6 bytes).

    Args:
        paths: the pictures, again and again.
        model: of the detector.
        engine: of it.
        options: ``finder`` and ``device``.
        count: of pictures.

    Returns:
        ``loaded``: with the models, before the first picture; ``warm``: after the first tenth; ``least``, ``most`` and
        ``end`` after any picture from then on; ``flat``: half of most less least.  None where the system does not tell
        (only Linux does).
    """
    if _resident() is None:
        return None
    job = {"paths": [str(path) for path in paths], "model": model, "engine": engine, "count": count, **options}
    ran = subprocess.run(
        [sys.executable, "-c", _STREAM], input=json.dumps(job), capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise ArgumentError(f"memory: the fresh process failed: {_last(ran.stderr)}")
    measured: dict[str, Any] = json.loads(ran.stdout)
    return {"model": model, "engine": engine, "pictures": count, **measured}


def child() -> None:
    """The fresh process of :func:`stream_memory`: the job on standard input, what it measured on standard output."""
    from ..detector import Detector

    job = json.load(sys.stdin)
    detector = Detector.from_pretrained(job["model"], engine=job["engine"], finder=job["finder"], device=job["device"])
    loaded = _resident()
    after = [_resident() or 0.0 for _ in detector.stream(islice(cycle(job["paths"]), job["count"]))]
    steady = after[len(after) // 10 :]
    low, high = min(steady), max(steady)
    values = {"loaded": loaded, "warm": steady[0], "least": low, "most": high, "end": after[-1]}
    values["flat"] = round((high - low) / 2, 1)
    sys.stdout.write(json.dumps(values))


def _resident() -> float | None:
    """Of this process, in MB."""
    try:
        with Path("/proc/self/status").open(encoding="utf-8") as lines:
            return next(round(int(line.split()[1]) * 1024 / 1e6, 1) for line in lines if line.startswith("VmRSS"))
    except (OSError, StopIteration):
        return None


def _last(errors: str) -> str:
    return (errors.strip().splitlines() or ["it said nothing"])[-1]
