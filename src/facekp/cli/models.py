"""``facekp models``: the models that have a name, and where each would come from."""

from __future__ import annotations

import json as _json
from dataclasses import asdict
from typing import Annotated, Any

import typer

__all__ = ["models"]


def models(
    json: Annotated[
        bool, typer.Option("--json", metavar="", help="Print a JSON object for each model, one a line.")
    ] = False,
) -> None:
    """List the models that facekp knows by name.

    Tells their type, points, size, error and licence, and where each would come from.
    """
    from .. import hub

    entries = hub.available()
    if json:
        for entry in entries:
            typer.echo(_json.dumps(asdict(entry)))
        return
    rows = [_row(entry) for entry in entries]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        typer.echo("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def _row(entry: Any) -> list[str]:
    return [
        entry.name,
        entry.type,
        "-" if entry.points is None else f"{entry.points} points ({entry.schema})",
        "-" if entry.bytes is None else f"{entry.bytes / 1e6:.1f} MB",
        "-" if entry.nme is None else f"NME {100 * entry.nme:.2f} % ({entry.nme_on})",
        entry.licence,
        entry.source if entry.repo is None else f"{entry.source}: {entry.repo}@{entry.revision}",
    ]
