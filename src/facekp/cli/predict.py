"""``facekp predict``: a model's points for a data set's own boxes, in its own format."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ..errors import ArgumentError
from . import outputs
from .labelled import Format, Split, opened
from .options import FINDER, MODEL, MODELS, Batch, Device, Engine, Precision

__all__ = ["predict"]


class Boxes(str, Enum):
    """Where the faces are looked for."""

    labelled = "labelled"
    finder = "finder"


def predict(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=MODEL)],
    data: Annotated[Path | None, typer.Argument(metavar="DATA", help="The folder or file of the data set.")] = None,
    *,
    out: Annotated[
        Path,
        typer.Option(
            "--output", parser=outputs.place, metavar="DST", help="The new folder or file; pictures come along."
        ),
    ],
    to: Annotated[
        str | None, typer.Option(metavar="FORMAT", help="What DST shall be, as of convert; by its ending unless told.")
    ] = None,
    to_schema: Annotated[
        str | None, typer.Option(metavar="SCHEMA", help="Write these points, taken from the model's by their names.")
    ] = None,
    format_: Format = None,
    split: Split = None,
    kaggle: Annotated[
        Path | None, typer.Option(metavar="TEST_CSV", help="Kaggle's test.csv instead of DATA; with --lookup.")
    ] = None,
    lookup: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Kaggle's IdLookupTable.csv: what the submission DST holds.")
    ] = None,
    boxes: Annotated[
        Boxes, typer.Option(metavar="WHOSE", help="labelled: the set's own; or finder: those that it finds.")
    ] = Boxes.labelled,
    finder: Annotated[str, typer.Option(metavar="NAME", help=FINDER, rich_help_panel=MODELS)] = "auto",
    device: Device = "auto",
    engine: Engine = "auto",
    precision: Precision = "float32",
    batch_size: Batch = 32,
) -> None:
    """Write a model's points for a data set.

    In any format that convert writes, or as a submission to Kaggle.
    """
    _check(data, kaggle, lookup, {"--to": to, "--to-schema": to_schema, "--format": format_, "--split": split})

    outputs.check("--output", out, [kaggle, lookup, model, finder], own={".csv"})

    from .. import predict as predictions
    from .. import schema as schemas
    from ..datasets import TARGETS
    from ..datasets.convert import planned, write
    from ..detector import Detector

    used = finder if boxes is Boxes.finder else None
    if kaggle is not None and lookup is not None:
        detector = Detector.from_pretrained(model, finder=used, device=device, engine=engine, precision=precision)
        rows = predictions.submit(detector, kaggle, lookup, out, boxes=boxes.value, batch_size=batch_size)
        typer.echo(f"{out}: {rows:,} rows by {detector.name}")
    elif data is not None:
        name = planned(out, to)
        target = to_schema or TARGETS[name].schema
        if target is not None:
            schemas.get(target)  # refuses an unknown name before anything is read
        samples = opened(data, format_, split).samples
        detector = Detector.from_pretrained(model, finder=used, device=device, engine=engine, precision=precision)
        found = predictions.predict(detector, samples, schema=target, boxes=boxes.value, batch_size=batch_size)
        write(found, out, name)
        typer.echo(f"{out}: {len(found):,} faces of {found.schema.name} by {detector.name}")


def _check(data: Path | None, kaggle: Path | None, lookup: Path | None, others: Mapping[str, str | None]) -> None:
    if (data is None) == (kaggle is None):
        raise ArgumentError("predict: which faces? Name the data set DATA, or --kaggle TEST_CSV with --lookup CSV")
    if (lookup is None) != (kaggle is None):
        raise ArgumentError("predict: --kaggle TEST_CSV and --lookup CSV go together")
    given = [name for name, value in others.items() if value is not None]
    if kaggle is not None and given:
        raise ArgumentError(f"predict: {given[0]} does not go with --kaggle, which writes a submission")
