"""``facekp convert``: labelled faces from one format into another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import outputs

__all__ = ["convert"]


def convert(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="The folder or file of the data set.")],
    target: Annotated[
        Path,
        typer.Argument(parser=outputs.place, metavar="DST", help="A new folder or file; pictures are copied along."),
    ],
    *,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="FORMAT", help="What SRC is; by its content unless told.")
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(metavar="FORMAT", help="What DST shall be; by its ending unless told."),
    ] = None,
    schema: Annotated[
        str | None,
        typer.Option(metavar="SCHEMA", help="What SRC's points are, where it does not say it: a name or a JSON file."),
    ] = None,
    to_schema: Annotated[
        str | None, typer.Option(metavar="SCHEMA", help="Write these points instead, taken by their names.")
    ] = None,
    split: Annotated[str | None, typer.Option(metavar="PART", help="Which part of SRC: train, test, ...")] = None,
    skip: Annotated[
        bool, typer.Option("--skip", metavar="", help="Leave wrong labels out instead of stopping.")
    ] = False,
) -> None:
    """Write labelled faces in another format.

    Their pictures come along.
    """
    outputs.given("DST", target)

    from .. import datasets

    samples = datasets.convert(
        source,
        target,
        source_format=from_,
        target_format=to,
        schema=schema,
        target_schema=to_schema,
        split=split,
        on_error="skip" if skip else "raise",
    )
    typer.echo(f"{target}: {len(samples)} faces of {samples.schema.name}")
