"""``facekp evaluate``: a model against labelled faces."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ArgumentError
from .labelled import Format, Json, Split, as_json, opened, write_text
from .options import FINDER, MODEL, MODELS, Batch, Device, Engine, Mirror, Precision
from .outputs import apart, check, place

if TYPE_CHECKING:
    from ..datasets import SampleSet
    from ..evaluate import Report

__all__ = ["evaluate"]


class Boxes(str, Enum):
    """Where the faces are looked for."""

    labelled = "labelled"
    finder = "finder"
    moved = "moved"
    both = "both"


def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=MODEL)],
    *,
    data: Annotated[Path, typer.Option("--data", metavar="ROOT", help="The folder or file of the data set.")],
    format_: Format = None,
    split: Split = None,
    boxes: Annotated[
        Boxes,
        typer.Option(
            metavar="WHOSE", help="labelled, moved (off by up to 15 %), finder, or both: labelled and finder."
        ),
    ] = Boxes.labelled,
    norm: Annotated[
        str | None,
        typer.Option(
            metavar="LENGTH",
            help="What errors are divided by: inter_ocular, inter_pupil, box, diagonal, or two points: a-b.",
        ),
    ] = None,
    finder: Annotated[str, typer.Option(metavar="NAME", help=FINDER, rich_help_panel=MODELS)] = "auto",
    device: Device = "auto",
    engine: Engine = "auto",
    precision: Precision = "float32",
    mirror: Mirror = False,
    batch_size: Batch = 32,
    output: Annotated[
        Path | None,
        typer.Option("--output", parser=place, metavar="DIR", help="Write report.json, ced.png and worst.png here."),
    ] = None,
    json: Json = None,
) -> None:
    """Measure a model on labelled faces.

    Tells its normalised error, its failures, and how honest its scores are.
    Of a model of few points it takes these, by their names.
    """
    from .. import evaluate as evaluation
    from .. import plots
    from ..datasets import concat
    from ..detector import Detector

    if output is not None:
        plots.check()  # before the network runs for an hour
        _folder(output)
    if json is not None:
        check("--json", json, [data, model, finder])
    samples = opened(data, format_, split).samples
    kinds = ("labelled", "finder") if boxes is Boxes.both else (boxes.value,)
    if output is not None:
        apart(
            "--output",
            [output / name for name in ("ced.png", *map(_sheet, kinds), _sheet())],
            (s.path for s in samples),
        )
    detector = Detector.from_pretrained(
        model,
        finder=finder if "finder" in kinds else None,
        device=device,
        engine=engine,
        precision=precision,
        mirror=mirror,
    )
    if set(detector.schema.names) < set(
        samples.schema.names
    ):  # of a nose tip's model: the set's other points are not it
        samples = concat(samples, schema=detector.schema)
    reports = [
        evaluation.evaluate(detector, samples, boxes=kind, norm=norm, batch_size=batch_size)  # type: ignore[arg-type]
        for kind in kinds
    ]
    text = as_json({"reports": [r.to_dict() for r in reports]})
    if json is not None:
        write_text(text, json)
    if json != "-":
        typer.echo(evaluation.table(reports))
    if output is not None:
        write_text(text, str(output / "report.json"), "--output")
        _pictures(reports, samples, output)


def _pictures(reports: list[Report], samples: SampleSet, output: Path) -> None:
    """The curves of all reports in one plot, and the worst faces of each."""
    from .. import evaluate as evaluation
    from .. import plots
    from . import drawings

    try:
        plots.ced({f"{r.boxes} boxes": r.errors for r in reports}).savefig(output / "ced.png")
    except OSError as error:
        raise ArgumentError(f"--output {output / 'ced.png'}: cannot be written ({error.strerror or error})") from None
    for report in reports:
        name = _sheet() if len(reports) == 1 else _sheet(report.boxes)
        drawings.save(evaluation.worst_sheet(report, samples), output / name)


def _sheet(boxes: str | None = None) -> str:
    return "worst.png" if boxes is None else f"worst-{boxes}.png"


def _folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArgumentError(f"--output {path}: no directory can be made there ({error.strerror or error})") from None
