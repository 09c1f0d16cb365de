"""``facekp inspect``: what is in a data set, and what looks wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ArgumentError
from .labelled import Data, Format, Json, Split, as_json, opened, write_text
from .outputs import check, place

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["inspect"]


def inspect(
    data: Data,
    *,
    format_: Format = None,
    split: Split = None,
    sheet: Annotated[
        Path | None,
        typer.Option(parser=place, metavar="FILE.png", help="Draw some faces with their points, side by side."),
    ] = None,
    faces: Annotated[int, typer.Option(min=1, max=400, metavar="N", help="How many faces --sheet shows.")] = 16,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Which faces --sheet shows.")] = 0,
    suspects: Annotated[bool, typer.Option("--suspects", metavar="", help="Show faces with warnings first.")] = False,
    tiny: Annotated[
        float, typer.Option(min=0, metavar="PIXELS", help="Warn of faces smaller than so many pixels.")
    ] = 24.0,
    thorough: Annotated[
        bool,
        typer.Option("--thorough", metavar="", help="Decode every picture: finds damage, and copies labelled anew."),
    ] = False,
    json: Json = None,
) -> None:
    """Count and measure the faces of a data set.

    Warns of labels that look wrong. Wrong labels and unreadable pictures
    are counted and listed; the exit code is then 1.
    """
    from ..datasets import inspection

    _check_sheet(sheet)
    for option, target in (("--json", json), ("--sheet", sheet)):
        if target is not None:
            check(option, target, [data])
    found = opened(data, format_, split, default_split=True, on_error="skip")
    report = inspection.inspect(found.samples, tiny=tiny, thorough=thorough)
    if json is not None:
        # Which part was read is not in the library's report: there, the caller knows.
        write_text(as_json({"format": found.format, "split": found.split, **report.to_dict()}), json)
    if json != "-":
        part = ", the reader's default (--split names another)" if split is None else ""
        typer.echo(f"format {found.format}{'' if found.split is None else f', split {found.split}{part}'}")
        typer.echo(str(report))
    if sheet is not None:
        first = dict.fromkeys(i for w in report.warnings for i in (w.index, w.other) if i is not None)
        _draw(inspection.contact_sheet(found.samples, faces, seed=seed, first=list(first) if suspects else ()), sheet)
    if report.skipped or report.unreadable:
        raise typer.Exit(1)


def _check_sheet(sheet: Path | None) -> None:
    """What would fail at the end is told at the start."""
    if sheet is not None and sheet.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise ArgumentError(f"--sheet {sheet}: name a .png (or .jpg) file")
    if sheet is not None and sheet.is_dir():
        raise ArgumentError(f"--sheet {sheet}: is a folder")


def _draw(picture: npt.NDArray[Any], sheet: Path) -> None:
    from . import drawings

    if problem := drawings.save(picture, sheet):
        raise ArgumentError(f"--sheet {sheet}: {problem}")
