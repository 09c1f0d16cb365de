"""``facekp video``: a film or a camera in; a film with its faces drawn, JSON Lines, or both out."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ArgumentError, ImageError
from . import outputs
from .options import FINDER, MODEL, MODELS, Device, Engine, Precision

if TYPE_CHECKING:
    from ..video import FilmFrame, Reader, TrackedFace, Tracker
    from .stopping import Stop

__all__ = ["video"]


def video(
    source: Annotated[str | None, typer.Argument(metavar="IN", help="A film; left out with --camera.")] = None,
    output: Annotated[
        str | None, typer.Argument(metavar="OUT", help="The film to write: .mp4, .m4v, .mov, .mkv or .avi.")
    ] = None,
    *,
    camera: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Read a camera, 0 being the first, until Ctrl-C.")
    ] = None,
    json: Annotated[
        str | None, typer.Option("--json", metavar="FILE|-", help="Write JSON Lines, one object per frame.")
    ] = None,
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
    device: Device = "auto",
    engine: Engine = "auto",
    precision: Precision = "float32",
    every: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How often the finder looks for new faces.")
    ] = 0.5,
    carry: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="For how long optical flow may carry points on; 0: never.")
    ] = 0.045,
    smooth: Annotated[
        bool,
        typer.Option("--smooth/--no-smooth", metavar="", help="Keep points from trembling, or leave them as seen."),
    ] = True,
    max_faces: Annotated[int | None, typer.Option(min=1, metavar="N", help="Follow at most so many faces.")] = None,
    min_score: Annotated[
        float | None, typer.Option(min=0, max=1, metavar="P", help="Drop faces with a lower score.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="Stop after so much of the film.")
    ] = None,
    sound: Annotated[
        bool, typer.Option("--sound/--no-sound", metavar="", help="Copy the film's sound, by ffmpeg, or leave it out.")
    ] = True,
) -> None:
    """Follow the faces of a film or a camera.

    Writes OUT, a film with the faces drawn, or --json, or both. No window is opened.
    """
    film, target = _places(source, output, camera, json)
    for option, name in (("--json", json), ("OUT", target)):
        if name is not None:
            outputs.check(option, name, [model, finder])
    if seconds is not None and not 0 < seconds < math.inf:
        raise ArgumentError(f"--seconds {seconds:g}: expected a number over 0")

    from .. import video as films
    from ..detector import Detector
    from .stopping import stoppable

    with stoppable() as stop, films.Reader(film) as reader:
        detector = Detector.from_pretrained(model, finder=finder, device=device, engine=engine, precision=precision)
        options = {"every": every, "carry": carry, "smooth": smooth, "max_faces": max_faces, "min_score": min_score}
        tracker = films.Tracker(detector, **options, finder_side=finder_side)  # type: ignore[arg-type]
        complaints = _run(reader, tracker, target, json=json, stop=stop, seconds=seconds)
    if target is not None and sound and reader.path is not None:
        problem = films.copy_sound(reader.path, target, seconds=seconds)
        if problem is not None:
            typer.echo(f"facekp: {problem}", err=True)
    if complaints:
        raise typer.Exit(1)


def _places(
    source: str | None, output: str | None, camera: int | None, json: str | None
) -> tuple[str | int, str | None]:
    """What is read, and the film that is written; whatever contradicts itself is found before anything is opened."""
    from ..video import FORMATS

    if camera is not None and output is not None:
        raise ArgumentError("--camera: instead of IN: give OUT alone, or neither with --json")
    film, target = (source, output) if camera is None else (camera, source)
    if film is None:
        raise ArgumentError("IN is missing: the film to read, or --camera N (facekp video --help says more)")
    if target is None and json is None:
        raise ArgumentError("OUT is missing: a film to write, or --json FILE: facekp opens no window to show it in")
    if target is not None and Path(target).suffix.lower() not in FORMATS:
        raise ArgumentError(f"{target}: a film's name must end in one of {', '.join(FORMATS)}")
    written = [p for p in (target, json) if p not in (None, "-")]
    taken = [str(film)] if camera is None else []
    for name in written:
        if any(_same(str(name), other) for other in taken):
            raise ArgumentError(f"{name}: is read or written already: name another file")
        taken.append(str(name))
    return film, target


def _same(a: str, b: str) -> bool:
    try:
        return outputs.identity(a) == outputs.identity(b) or Path(a).samefile(b)
    except (OSError, ValueError):
        return False


def _run(
    reader: Reader, tracker: Tracker, target: str | None, *, json: str | None, stop: Stop, seconds: float | None
) -> int:
    """Go through the film; returns how many complaints there were."""
    from .. import image as images
    from .. import video as films
    from ..annotate import Shard
    from . import records as kept
    from . import screen as screens

    path = reader.name if reader.path is None else str(reader.path)
    total = reader.count if seconds is None else min(reader.count, int(seconds * reader.fps))
    place = kept.Target(json, None, None, False, Shard(1, 1))
    if target is not None:  # before the records are begun: what is there stays if no film can be written
        films.Writer(target, reader.fps, reader.size).close()
    frames = 0
    ids: set[int] = set()
    with screens.screen(total) as screen, kept.opened(place, tracker.detector, screen) as lines:

        def each(frame: FilmFrame, faces: list[TrackedFace]) -> None:
            nonlocal frames
            with stop.shield():
                lines.write(films.record(path, frame, faces, tracker.detector))
            frames += 1
            ids.update(one.id for one in faces)
            screen.step()

        try:
            films.annotate(reader, target, tracker, each=each, seconds=seconds)
        except ImageError as error:  # cut short: what there was is done
            if not frames:
                raise
            screen.complain(str(error))
        if json is None:
            said = f"{frames} frame{'' if frames == 1 else 's'}, {len(ids)} face{'' if len(ids) == 1 else 's'}"
            screen.say(f"{images.describe(path)}: {said} -> {images.describe(str(target))}")
        return screen.complaints
