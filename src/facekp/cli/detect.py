"""``facekp detect``: pictures in; drawings, points, JSON Lines, CSV or Parquet files out."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ArgumentError, ImageError
from .options import FINDER, MODEL, MODELS, OUTPUT, Batch, Device, Engine, Mirror, Precision
from .outputs import place

if TYPE_CHECKING:
    from ..detector import Detector
    from ..face import Face
    from .inputs import Picture, Pictures
    from .points import PointFiles
    from .records import Records, Target
    from .screen import Screen
    from .stopping import Stop

__all__ = ["detect"]

log = logging.getLogger(__name__)

HELD_PIXELS = 40_000_000
"""Decoded pictures are kept for drawing up to so many pixels; beyond, they are read again."""


def detect(
    inputs: Annotated[
        list[str], typer.Argument(metavar="IMAGE|DIR|GLOB", help="Pictures, directories of them, or patterns.")
    ],
    *,
    model: Annotated[str, typer.Option(metavar="NAME", help=MODEL, rich_help_panel=MODELS)] = "resnet18-ibug",
    finder: Annotated[str, typer.Option(metavar="NAME", help=FINDER, rich_help_panel=MODELS)] = "auto",
    finder_side: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            help="Long side to which the finder scales; larger finds smaller faces.",
            rich_help_panel=MODELS,
        ),
    ] = None,
    tile: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS", help="For crowds: look at squares of so many pixels, too.", rich_help_panel=MODELS
        ),
    ] = None,
    device: Device = "auto",
    engine: Engine = "auto",
    precision: Precision = "float32",
    mirror: Mirror = False,
    batch_size: Batch = 16,
    output: Annotated[
        Path | None,
        typer.Option(
            parser=place, metavar="DIR", help="Save the pictures with the points drawn.", rich_help_panel=OUTPUT
        ),
    ] = None,
    json: Annotated[
        str | None,
        typer.Option(
            "--json", metavar="FILE|-", help="Write JSON Lines, an object per picture.", rich_help_panel=OUTPUT
        ),
    ] = None,
    csv: Annotated[
        str | None, typer.Option("--csv", metavar="FILE|-", help="Write CSV, a row per face.", rich_help_panel=OUTPUT)
    ] = None,
    parquet: Annotated[
        Path | None,
        typer.Option(
            parser=place, metavar="DIR", help="Write Parquet files of 1000 pictures each.", rich_help_panel=OUTPUT
        ),
    ] = None,
    pts: Annotated[
        Path | None,
        typer.Option(
            parser=place, metavar="DIR", help="Write 300-W's .pts files, one per face.", rich_help_panel=OUTPUT
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", metavar="", help="Leave out what --json FILE or --parquet holds.", rich_help_panel=OUTPUT
        ),
    ] = False,
    max_faces: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Keep the best so many faces of a picture.")
    ] = None,
    min_score: Annotated[
        float | None, typer.Option(min=0, max=1, metavar="P", help="Drop faces with a lower score.")
    ] = None,
    shard: Annotated[
        str | None, typer.Option(metavar="K/N", help="Only the K-th of N equal shares of the pictures: 3/16.")
    ] = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", metavar="", help="Look into directories of directories.")
    ] = False,
) -> None:
    """Find the keypoints of every face in pictures.

    Without --json, --csv and --parquet, a line per picture says how many faces it has.
    """
    from ..annotate import Shard
    from . import inputs as given
    from .points import PointFiles
    from .records import Target
    from .stopping import stoppable

    share = Shard(1, 1) if shard is None else Shard.parse(shard)
    target = Target(json, csv, parquet, resume, share)
    pictures = given.find(inputs, recursive=recursive, skip=output)
    if not pictures.found:
        raise ArgumentError(_none_found(pictures.problems))
    target.check(pictures.found, [*inputs, model, finder])
    # Of all pictures, so that no two shards give one name to two files.
    targets = _targets(pictures.found, output)
    points = PointFiles.plan(pictures.found, pts, replace=target.begun)
    if shard is not None:
        pictures.found = share.pick(pictures.found, key=lambda picture: picture.path)
    points.check(pictures.found)

    from ..detector import Detector

    with stoppable() as stop:
        detector = Detector.from_pretrained(
            model, finder=finder, device=device, engine=engine, precision=precision, mirror=mirror
        )
        options = {"max_faces": max_faces, "min_score": min_score, "batch_size": batch_size}
        options |= {"finder_side": finder_side, "tile": tile}
        if _run(detector, pictures, targets, target, points=points, stop=stop, options=options):
            raise typer.Exit(1)


def _none_found(problems: Sequence[str]) -> str:
    more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
    return f"no picture found: {'; '.join(problems[:3])}{more}"


def _targets(pictures: Sequence[Picture], output: Path | None) -> dict[Path, Path]:
    """Where each picture's drawing goes; whatever stands in the way is found before the model is loaded."""
    from . import drawings

    if output is None:
        return {}
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArgumentError(f"--output {output}: no directory can be made there ({error.strerror or error})") from None
    return drawings.plan(pictures, output)


def _run(
    detector: Detector,
    pictures: Pictures,
    targets: Mapping[Path, Path],
    target: Target,
    *,
    points: PointFiles,
    stop: Stop,
    options: Mapping[str, Any],
) -> int:
    """Go through the pictures; returns how many could not be read or drawn."""
    from . import records as kept
    from . import screen as screens

    with screens.screen(len(pictures.found)) as screen, kept.opened(target, detector, screen) as records:
        for problem in pictures.problems:
            screen.complain(problem)
        left = [picture for picture in pictures.found if picture.path not in records]
        if target.resume:
            log.info("%d of %d pictures were done before", len(pictures.found) - len(left), len(pictures.found))
            screen.step(len(pictures.found) - len(left))
        for result in _results(detector, left, bool(targets), options):
            _report(
                result, detector, targets, points=points, records=records, screen=screen, stop=stop, plain=target.silent
            )
        return screen.complaints


@dataclass(slots=True)
class _Result:
    """A picture and what came of it; ``image`` is None where it would take too much memory to wait with."""

    picture: Picture
    size: tuple[int, int]
    image: Any
    outcome: list[Face] | ImageError | None


def _results(
    detector: Detector, pictures: Sequence[Picture], keep: bool, options: Mapping[str, Any]
) -> Iterator[_Result]:
    """Every picture in order, each decoded once, while the crops of many share the network's batches."""
    from .. import image as images

    waiting: deque[_Result] = deque()

    def read() -> Iterator[Any]:
        for picture in pictures:
            try:
                image = images.read(picture.path)
            except ImageError as error:
                waiting.append(_Result(picture, (0, 0), None, error))
                continue
            held = sum(r.size[0] * r.size[1] for r in waiting if r.image is not None)
            kept = image if keep and held + image.shape[0] * image.shape[1] <= HELD_PIXELS else None
            waiting.append(_Result(picture, (image.shape[0], image.shape[1]), kept, None))
            yield image

    for outcome in detector.stream(read(), on_error="return", **options):
        while waiting[0].outcome is not None:
            yield waiting.popleft()
        result = waiting.popleft()
        result.outcome = outcome
        yield result
    yield from waiting


def _report(
    result: _Result,
    detector: Detector,
    targets: Mapping[Path, Path],
    *,
    points: PointFiles,
    records: Records,
    screen: Screen,
    stop: Stop,
    plain: bool,
) -> None:
    """Draw a picture and write its points, then record it: what is on record is done."""
    from .. import image as images
    from ..annotate import record

    faces, path = result.outcome, result.picture.path
    target = targets.get(path)
    screen.step()
    if not isinstance(faces, list):
        screen.complain(str(faces))
        return
    if target is not None and (problem := _draw(result, faces, target)):
        screen.complain(problem)
        target = None
    if problem := points.write(path, faces):
        screen.complain(problem)
        return
    with stop.shield():
        records.write(record(path, result.size, faces, detector))
    if plain:
        count = f"{len(faces)} face{'' if len(faces) == 1 else 's'}"
        drawn = "" if target is None else f" -> {images.describe(target)}"
        screen.say(f"{images.describe(path)}: {count}{drawn}")


def _draw(result: _Result, faces: list[Face], target: Path) -> str | None:
    """Save the picture with its faces; returns what went wrong, or None."""
    from .. import draw
    from .. import image as images
    from . import drawings

    try:
        drawn = draw.faces(result.picture.path if result.image is None else result.image, faces)
    except ImageError as error:  # read a second time, and gone
        return str(error)
    problem = drawings.save(drawn, target)
    return problem and f"{images.describe(result.picture.path)}: the drawing cannot be saved: {problem}"
