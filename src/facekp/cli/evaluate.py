"""``facekp evaluate``: a model against labelled faces."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from .labelled import Data, Format, Json, Split, opened, write_json

__all__ = ["evaluate"]


class Boxes(str, Enum):
    """Where the faces are looked for."""

    labelled = "labelled"
    found = "found"


def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A name of `facekp models`, a folder, or org/repo.")],
    data: Data,
    *,
    format_: Format = None,
    split: Split = None,
    boxes: Annotated[Boxes, typer.Option(help="The labels' boxes, or those that the finder finds.")] = Boxes.labelled,
    normalizer: Annotated[
        str | None, typer.Option(help="What errors are divided by: inter_ocular, inter_pupil, box, diagonal.")
    ] = None,
    finder: Annotated[str, typer.Option(help="The face finder: a name or a folder.")] = "finder",
    device: Annotated[str, typer.Option(help="auto (CUDA, then MPS, then CPU), cpu, cuda, cuda:1, mps.")] = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="Faces that go through the network together.")] = 32,
    json: Json = None,
) -> None:
    """Measure a model on labelled faces: its normalised error, failures, and how honest its scores are."""
    from .. import evaluate as evaluation
    from ..detector import Detector

    samples = opened(data, format_, split).samples
    used = finder if boxes is Boxes.found else None
    detector = Detector.from_pretrained(model, finder=used, device=device)
    report = evaluation.evaluate(detector, samples, boxes=boxes.value, normalizer=normalizer, batch_size=batch_size)
    if json is not None:
        write_json(report.to_dict(), json)
    if json != "-":
        typer.echo(str(report))
