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

__all__ = ["evaluate"]


class Boxes(str, Enum):
    """Where the faces are looked for."""

    labelled = "labelled"
    found = "found"


def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A name of `facekp models`, a folder, or org/repo.")],
    data: Annotated[Path, typer.Argument(metavar="DATA", help="The folder or file of the data set.")],
    *,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format", help="A format of facekp.datasets: 300w (the default), dlib_xml (for .xml), wflw, coco, ..."
        ),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Which part: train, common, ... or a folder: lfpw/testset.")] = None,
    boxes: Annotated[Boxes, typer.Option(help="The labels' boxes, or those that the finder finds.")] = Boxes.labelled,
    normalizer: Annotated[
        str | None, typer.Option(help="What errors are divided by: inter_ocular, inter_pupil, box, diagonal.")
    ] = None,
    finder: Annotated[str, typer.Option(help="The face finder: a name or a folder.")] = "finder",
    device: Annotated[str, typer.Option(help="auto (CUDA, then MPS, then CPU), cpu, cuda, cuda:1, mps.")] = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="Faces that go through the network together.")] = 32,
    json: Annotated[str | None, typer.Option("--json", metavar="FILE|-", help="Write the report as JSON.")] = None,
) -> None:
    """Measure a model on labelled faces: its normalised error, failures, and how honest its scores are."""
    from .. import evaluate as evaluation
    from ..detector import Detector

    samples = _samples(data, format_, split)
    used = finder if boxes is Boxes.found else None
    detector = Detector.from_pretrained(model, finder=used, device=device)
    report = evaluation.evaluate(detector, samples, boxes=boxes.value, normalizer=normalizer, batch_size=batch_size)
    if json is not None:
        # JSON knows no NaN: what could not be measured is null.
        values = {key: None if value != value else value for key, value in report.to_dict().items()}  # noqa: PLR0124
        _write(_json.dumps(values, indent=1, ensure_ascii=True), json)
    if json != "-":
        typer.echo(str(report))


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


def _write(text: str, target: str) -> None:
    if target == "-":
        typer.echo(text)
        return
    path = Path(target)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n", "utf-8")
    except OSError as error:
        raise ArgumentError(f"--json {path}: cannot be written ({error.strerror or error})") from None
