"""``facekp evaluate``: a model against labelled faces."""

from __future__ import annotations

import json as _json
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ArgumentError

if TYPE_CHECKING:
    from ..datasets import SampleSet
    from ..evaluate import Report

__all__ = ["evaluate"]


class Boxes(str, Enum):
    """Where the faces are looked for."""

    labelled = "labelled"
    finder = "finder"
    both = "both"


def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A name of `facekp models`, a folder, or org/repo.")],
    *,
    data: Annotated[Path, typer.Option("--data", metavar="ROOT", help="The folder or file of the data set.")],
    format_: Annotated[
        str | None,
        typer.Option(
            "--format", help="A format of facekp.datasets: 300w (the default), dlib_xml (for .xml), wflw, coco, ..."
        ),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Which part: train, common, ... or a folder: lfpw/testset.")] = None,
    boxes: Annotated[
        Boxes, typer.Option(help="The labels' boxes, those that the finder finds, or both side by side.")
    ] = Boxes.labelled,
    norm: Annotated[
        str | None,
        typer.Option(help="What errors are divided by: inter_ocular, inter_pupil, box, diagonal, or two points: a-b."),
    ] = None,
    finder: Annotated[str, typer.Option(help="The face finder: a name or a folder.")] = "finder",
    device: Annotated[str, typer.Option(help="auto (CUDA, then MPS, then CPU), cpu, cuda, cuda:1, mps.")] = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="Faces that go through the network together.")] = 32,
    output: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Write report.json, ced.png and worst.png (or worst-BOXES.png) here."
        ),
    ] = None,
    json: Annotated[str | None, typer.Option("--json", metavar="FILE|-", help="Write the report as JSON.")] = None,
) -> None:
    """Measure a model on labelled faces: its normalised error, failures, and how honest its scores are."""
    from .. import evaluate as evaluation
    from .. import plots
    from ..detector import Detector

    if output is not None:
        plots.check()  # before the network runs for an hour
        _folder(output)
    samples = _samples(data, format_, split)
    kinds = ("labelled", "finder") if boxes is Boxes.both else (boxes.value,)
    detector = Detector.from_pretrained(model, finder=finder if "finder" in kinds else None, device=device)
    reports = [
        evaluation.evaluate(detector, samples, boxes=kind, norm=norm, batch_size=batch_size)  # type: ignore[arg-type]
        for kind in kinds
    ]
    text = _json.dumps({"reports": [r.to_dict() for r in reports]}, indent=1, ensure_ascii=True, allow_nan=False)
    if json is not None:
        _write(text, json)
    if json != "-":
        typer.echo(evaluation.table(reports))
    if output is not None:
        _write(text, str(output / "report.json"), "--out")
        _pictures(reports, samples, output)


def _pictures(reports: list[Report], samples: SampleSet, output: Path) -> None:
    """The curves of all reports in one plot, and the worst faces of each."""
    from .. import evaluate as evaluation
    from .. import plots
    from . import drawings

    try:
        plots.ced({f"{r.boxes} boxes": r.errors for r in reports}).savefig(output / "ced.png")
    except OSError as error:
        raise ArgumentError(f"--out {output / 'ced.png'}: cannot be written ({error.strerror or error})") from None
    for report in reports:
        name = "worst.png" if len(reports) == 1 else f"worst-{report.boxes}.png"
        drawings.save(evaluation.worst_sheet(report, samples), output / name)


def _samples(data: Path, given: str | None, split: str | None) -> SampleSet:
    import inspect

    from .. import datasets

    name = given or ("dlib_xml" if data.suffix.lower() == ".xml" else "300w")
    reader = datasets.DATASETS.get(name)
    # An unknown name is create's to refuse.  Every reader's first argument is where the data is.
    arguments = list(inspect.signature(reader).parameters) if reader else ["root"]
    options: dict[str, Any] = {arguments[0]: data}
    if split is not None:
        options["split"] = split
    elif "split" in arguments:
        # A reader's own default is the training part, on which nothing should be measured unasked.
        raise ArgumentError(
            f"--split: which part of {data} ({name})? Say e.g. common, or a folder such as lfpw/testset"
        )
    return datasets.create(name, **options)


def _folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArgumentError(f"--out {path}: no directory can be made there ({error.strerror or error})") from None


def _write(text: str, target: str, option: str = "--json") -> None:
    if target == "-":
        typer.echo(text)
        return
    path = Path(target)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n", "utf-8")
    except OSError as error:
        raise ArgumentError(f"{option} {path}: cannot be written ({error.strerror or error})") from None
