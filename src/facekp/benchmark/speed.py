"""How fast detectors are: their stages, batches, start-up and memory, beside other programs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy.typing as npt
import torch

from .. import image as images
from ..detector import pick_device
from ..engine import ENGINES, PRECISIONS, runs_on
from ..errors import ArgumentError, MissingExtraError, unknown_name
from ..finder import FaceFinder
from ..models.facts import Facts
from . import starts as starting
from .cost import SIZE, as_frame
from .machine import installed, machine
from .peers import Peer
from .stages import WatchedDetector
from .timing import Run, in_turns, milliseconds, threads

__all__ = ["BATCH_SIZES", "speed"]

log = logging.getLogger(__name__)
Array = npt.NDArray[Any]

BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
REPEATS = 8  # calls of one contestant in one turn
FACES = 64  # so many different faces are in the batches


@dataclass(frozen=True, slots=True)
class Contestant:
    """A detector of the comparison: what was asked for, and what came of it."""

    model: str
    engine: str
    precision: str
    finder: str
    detector: WatchedDetector

    def about(self) -> dict[str, Any]:
        finder = self.detector.finder
        own = finder.engine if isinstance(finder, FaceFinder) else None
        return {
            "model": self.detector.name,
            "finder": self.finder,
            "engine": self.engine,
            "network_engine": self.detector.runner.by(1),
            "finder_engine": None if own is None else own.by(1),
            "precision": self.precision,
            "crop": list(self.detector.crop_size),
        }


@dataclass(frozen=True, slots=True)
class Scene:
    """What is looked at: a picture with one face, as a frame with the face's box, and faces for batches."""

    path: Path
    frame: Array
    box: Array
    faces: Sequence[tuple[Array, Array]]
    finder_sides: Sequence[int] = ()


def speed(
    pictures: Sequence[str | Path],
    *,
    models: Sequence[str | Path] = ("resnet18-ibug",),
    engines: Sequence[str] | None = None,
    precisions: Sequence[str] = ("float32",),
    thread_counts: Sequence[int] | None = None,
    batch_sizes: Sequence[int] = BATCH_SIZES,
    rounds: int = 5,
    starts: int = 5,
    memory: int = 0,
    peers: Sequence[str] = (),
    finder: str | Path = "auto",
    finder_sides: Sequence[int] = (),
    device: str = "auto",
) -> dict[str, Any]:
    """Measure how fast detectors are on this machine.

    Whatever is compared runs in turns, in so many rounds, after warming up, and each number is given as the median and
    the best of all rounds.  On a GPU its work is waited for before a clock is read.

    Measured are, for each model, engine, precision and number of threads: the *stages* of a call with the path of one
    picture, with the mean number of ``looks`` (crops that went through the network); ``face_ms``, a call with a frame
    of 640 x 480 and the box of its face, and ``frame_ms``, with the frame alone; and ``faces_per_s``, calls with so
    many pictures whose faces' boxes are known as the batch is large: cutting out, network, decoding.  Where boxes are
    given, each face is looked at once (``refine=False``).  With ``starts`` also the seconds from a process's start to
    its first result, and with ``memory`` a long stream's memory.

    Args:
        pictures: files; at least one must show a face.
        models: names, folders or Hub repositories, as for :meth:`facekp.Detector.from_pretrained`.
        engines: of :data:`facekp.engine.ENGINES`; None: all that are installed and run on the device.
        precisions: of :data:`facekp.engine.PRECISIONS`; an engine has ``"float32"`` and perhaps one more.
        thread_counts: numbers of CPU threads; None: what PyTorch is set to.
        batch_sizes: of faces; none: no batches.
        rounds: turns of each contestant.
        starts: fresh processes for each model and engine; 0: none.
        memory: pictures that go through :meth:`facekp.Detector.stream` of the first model and engine; 0: none.
        peers: commands, see :class:`facekp.benchmark.Peer`: those that are given boxes are measured on the frame's
            face, the others on the frame.
        finder: as for :meth:`facekp.Detector.from_pretrained`.
        finder_sides: the frame is also looked at with the finder at each of these, for ``frame_ms_at``: smaller is
            faster and sees only larger faces.
        device: as ``finder``.

    Returns:
        Plain data, ready for JSON: ``machine``, ``finder`` as it was asked for, ``pictures``, ``rows``, ``peers``,
        ``starts``, ``memory``, ``left_out`` (engines that cannot run a model, when ``engines`` is None).

    Raises:
        ArgumentError: a number is out of range, there are no pictures or no face in them, or an engine does not run.
        ImageError: a picture cannot be read.
        MissingExtraError: an engine that was named is not installed.
    """
    paths = [Path(picture) for picture in pictures]
    counts = [torch.get_num_threads()] if thread_counts is None else list(thread_counts)
    _check(counts, paths=paths, models=models, batch_sizes=batch_sizes, rounds=rounds, starts=starts, memory=memory)
    where = pick_device(device, engines[0] if engines else None)
    result: dict[str, Any] = {
        "machine": machine(where),
        "finder": str(finder),
        "rounds": rounds,
        "rows": [],
        "peers": [],
        "left_out": [],
    }
    asked = _asked(engines, precisions, where)
    options = {"finder": str(finder), "device": str(where)}
    with ExitStack() as stack:
        running = [stack.enter_context(Peer(command)) for command in peers]
        for count in counts:
            with threads(count):
                group, left = _contestants(models, asked, options, paths[0], strict=engines is not None)
                result["left_out"] = left
                scene = _scene(group[0].detector, paths, finder_sides)
                rows, theirs = _turns(group, running, scene, paths, rounds)
                _batches(rows, group, scene, batch_sizes, rounds)
            result["rows"] += [{**row, "threads": count} for row in rows]
            result["peers"] += [{**row, "threads": count} for row in theirs]
            pairs = list(dict.fromkeys((one.model, one.engine) for one in group))
            del group  # their memory, before the next ones are loaded
    result["pictures"] = {"count": len(paths), "faces": len(scene.faces), "frame": list(SIZE)}
    result["starts"] = starting.first_results(scene.path, pairs, options, starts) if starts else None
    result["memory"] = starting.stream_memory(paths, *pairs[0], options, memory) if memory else None
    return result


def _check(
    counts: Sequence[int],
    *,
    paths: Sequence[Path],
    models: Sequence[Any],
    batch_sizes: Sequence[int],
    rounds: int,
    starts: int,
    memory: int,
) -> None:
    least = {"starts": 0, "memory": 0}
    numbers = {"pictures": [len(paths)], "models": [len(models)], "thread_counts": [len(counts), *counts]}
    numbers |= {"batch_sizes": list(batch_sizes), "rounds": [rounds], "starts": [starts], "memory": [memory]}
    for argument, values in numbers.items():
        if any(value < least.get(argument, 1) for value in values):
            raise ArgumentError(f"{argument}: at least {least.get(argument, 1)} expected, got {values}")


def _asked(engines: Sequence[str] | None, precisions: Sequence[str], device: torch.device) -> list[tuple[str, str]]:
    """Engines with precisions."""
    if engines is None:
        names = [name for name in ENGINES if name != "auto" and runs_on(name, device)]
        names = [name for name in names if name != "onnx" or installed("onnxruntime", "onnxruntime-gpu")]
    else:
        names = list(engines)
    for kind, given, known in (("engine", names, ENGINES), ("precision", precisions, PRECISIONS)):
        for name in given:
            if name not in known:
                raise unknown_name(kind, name, known)
    if ("onnx" in names or "int8" in precisions) and not installed("onnxruntime", "onnxruntime-gpu"):
        raise MissingExtraError("onnxruntime", "onnx")
    pairs = [(e, p) for e in names for p in precisions if e == "auto" or PRECISIONS[p] in ("", e)]
    if not pairs:
        has = ", ".join(f"{p} is of {e}" for p, e in PRECISIONS.items() if e)
        raise ArgumentError(f"engines {', '.join(names)} have no precision {', '.join(precisions)}: {has}")
    return pairs


def _contestants(
    models: Sequence[str | Path],
    asked: Sequence[tuple[str, str]],
    options: Mapping[str, Any],
    picture: Path,
    *,
    strict: bool,
) -> tuple[list[Contestant], list[dict[str, str]]]:
    """Detectors, each after its first call, and those that cannot be: an error if ``strict``."""
    group, left = [], []
    for model in models:
        for engine, precision in asked:
            detector = WatchedDetector.from_pretrained(model, engine=engine, precision=precision, **options)
            assert isinstance(detector, WatchedDetector)
            if detector.finder is None:
                raise ArgumentError(f"{model}: has no finder, as it works on whole pictures: no stages to measure")
            try:
                detector.stages([picture])
                detector(images.read(picture), boxes="full")
            except ArgumentError as error:
                if strict:
                    raise
                left.append({"model": str(model), "engine": engine, "why": str(error)})
                continue
            finder = options["finder"]
            which = Facts.read(detector.config).face_finder if finder == "auto" else finder
            group.append(Contestant(str(model), engine, precision, which, detector))
    if not group:
        raise ArgumentError(f"no engine can run {', '.join(map(str, models))}: {left[0]['why']}")
    return group, left


def _scene(detector: WatchedDetector, paths: Sequence[Path], finder_sides: Sequence[int]) -> Scene:
    pictures = [images.read(path) for path in paths]
    found = [detector(picture) for picture in pictures]
    faces = [(picture, face.box[None]) for picture, here in zip(pictures, found, strict=True) for face in here]
    for i in sorted(range(len(paths)), key=lambda i: len(found[i]) != 1):
        frame = as_frame(pictures[i])
        inside = detector(frame) if found[i] else []
        if inside:
            return Scene(paths[i], frame, inside[0].box[None], faces[:FACES], finder_sides)
    raise ArgumentError(f"pictures: no face was found in {len(paths)} of them, such as {paths[0]}")


def _turns(
    group: Sequence[Contestant], peers: Sequence[Peer], scene: Scene, paths: Sequence[Path], rounds: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """One picture at a time, facekp and its peers in turns."""
    mine: list[Run] = [partial(_single, one.detector, scene, paths) for one in group]
    theirs: list[Run] = [partial(_peer, peer, scene) for peer in peers]
    measured = in_turns([*mine, *theirs], rounds)
    rows = []
    for one, values in zip(group, measured[: len(group)], strict=True):
        face, frame = values.pop("face"), values.pop("frame")
        at = {str(side): values.pop(f"frame at {side}") for side in scene.finder_sides}
        rows.append(
            {
                **one.about(),
                "looks": round(values.pop("looks")["median"], 2),
                "stages_ms": values,
                "face_ms": face,
                "frame_ms": frame,
                "frame_ms_at": at,
            }
        )
        log.info("%s", rows[-1])
    others = [
        {**peer.about, **{f"{name}_ms": value for name, value in values.items()}}
        for peer, values in zip(peers, measured[len(group) :], strict=True)
    ]
    return rows, others


def _single(detector: WatchedDetector, scene: Scene, paths: Sequence[Path]) -> dict[str, Sequence[float]]:
    values: dict[str, Sequence[float]] = dict(detector.stages(paths))
    values["looks"] = [detector.looks / len(paths)]
    calls: dict[str, Callable[[], Any]] = {
        "face": lambda: detector(scene.frame, boxes=scene.box, refine=False),
        "frame": lambda: detector(scene.frame),
        **{f"frame at {side}": partial(detector, scene.frame, finder_side=side) for side in scene.finder_sides},
    }
    for name, call in calls.items():
        call()
        values[name] = milliseconds(call, REPEATS, detector.device)
    return values


def _peer(peer: Peer, scene: Scene) -> dict[str, Sequence[float]]:
    times = peer.milliseconds(scene.frame, REPEATS + 1, scene.box)
    return {"face" if peer.given_boxes else "frame": times[1:]}


def _batches(
    rows: Sequence[dict[str, Any]], group: Sequence[Contestant], scene: Scene, sizes: Sequence[int], rounds: int
) -> None:
    """Faces a second, written into the rows; one model after the other, as its engines keep a large batch's memory."""
    for row in rows:
        row["faces_per_s"] = {}
    for model in dict.fromkeys(one.model for one in group):
        chosen = [(row, one.detector) for row, one in zip(rows, group, strict=True) if one.model == model]
        for size in sizes:
            part = list(islice(cycle(scene.faces), size))
            calls = [partial(_batch, detector, part) for _, detector in chosen]
            for call in calls:
                call()
            turns = [partial(_timed, call, max(1, 32 // size), chosen[0][1].device) for call in calls]
            for (row, _), values in zip(chosen, in_turns(turns, rounds), strict=True):
                rates = {name: round(size / ms * 1000, 1) for name, ms in values["batch"].items()}
                row["faces_per_s"][str(size)] = rates


def _batch(detector: WatchedDetector, faces: Sequence[tuple[Array, Array]]) -> None:
    pictures, boxes = [picture for picture, _ in faces], [box for _, box in faces]
    detector(pictures, boxes=boxes, batch_size=len(faces), refine=False)


def _timed(call: Callable[[], Any], repeats: int, device: torch.device) -> dict[str, Sequence[float]]:
    return {"batch": milliseconds(call, repeats, device)}
