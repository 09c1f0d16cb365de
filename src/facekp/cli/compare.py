"""``facekp compare``: several runs side by side."""

from __future__ import annotations

import json as _json
from pathlib import Path
from typing import Annotated

import typer

from ..errors import ArgumentError
from .labelled import write_text
from .outputs import check, place

__all__ = ["compare"]


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="The folders of runs, finished or not.")],
    *,
    metric: Annotated[str, typer.Option(metavar="NAME", help="A column of the runs' metrics.csv.")] = "val/nme",
    maximize: Annotated[bool, typer.Option("--maximize", metavar="", help="More of the metric is better.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", parser=place, metavar="DIR", help="Write compare.json and compare.png here."),
    ] = None,
    json: Annotated[str | None, typer.Option(metavar="FILE|-", help="Write the comparison as JSON.")] = None,
) -> None:
    """Compare runs.

    Tells their epochs, time, losses and errors, and how their recipes differ.
    """
    from .. import plots
    from ..training import compare as comparing

    if output is not None:
        plots.check()
    if json is not None:
        check("--json", json, runs)
    read = comparing.read(runs)
    table = comparing.table(read, metric=metric, maximize=maximize)
    text = _json.dumps(comparing.to_dict(read, metric=metric, maximize=maximize), indent=1)
    if json is not None:
        write_text(text, json)
    if json != "-":
        typer.echo(table)
    if output is not None:
        write_text(text, str(output / "compare.json"), "--output")
        try:
            comparing.figure(read, metric=metric).savefig(output / "compare.png")
        except OSError as error:
            raise ArgumentError(
                f"--output {output / 'compare.png'}: cannot be written ({error.strerror or error})"
            ) from None
