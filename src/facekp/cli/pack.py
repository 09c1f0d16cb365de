"""``facekp pack``: the crops of a data set in one file that training reads at once."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from .outputs import place

__all__ = ["pack"]


class Box(str, Enum):
    """What is kept of a picture."""

    face = "face"
    full = "full"


def pack(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="The folder or file of the data set.")],
    out: Annotated[
        Path,
        typer.Argument(parser=place, metavar="OUT", help="The cache, by custom .fkp; one that is there is replaced."),
    ],
    *,
    format_: Annotated[
        str | None, typer.Option("--format", metavar="FORMAT", help="What SRC is; by its content unless told.")
    ] = None,
    split: Annotated[str | None, typer.Option(metavar="PART", help="Which part of SRC: train, test, ...")] = None,
    schema: Annotated[
        str | None,
        typer.Option(metavar="SCHEMA", help="What SRC's points are, where it does not say it: a name or a JSON file."),
    ] = None,
    side: Annotated[int, typer.Option(metavar="PIXELS", help="The longest side of a crop in pixels.")] = 256,
    scale: Annotated[
        float, typer.Option(metavar="X", help="How much of the surroundings: the crop over the face's box.")
    ] = 2.0,
    box: Annotated[
        Box, typer.Option(metavar="WHAT", help="face: each with its surroundings; or full pictures.")
    ] = Box.face,
    skip: Annotated[
        bool, typer.Option("--skip", metavar="", help="Leave wrong labels and unreadable pictures out.")
    ] = False,
) -> None:
    """Write the faces of a data set into one file.

    Training reads from it without decoding a picture.
    """
    from .. import datasets
    from ..datasets.layout import read_schema
    from ..datasets.opening import guess, open_set
    from .screen import screen

    on_error = "skip" if skip else "raise"
    layout = read_schema(Path(schema)) if schema is not None and schema.lower().endswith(".json") else schema
    name = format_ or guess(source, parts=True)
    samples = open_set(source, name, split=split, schema=layout, on_error=on_error).samples
    with screen(len(samples)) as shown:
        packed = datasets.pack(
            samples, out, side=side, scale=scale, box=box.value, on_error=on_error, progress=shown.step
        )
    left = f", {len(packed.skipped)} left out" if packed.skipped else ""
    typer.echo(f"{out}: {len(packed)} faces of {packed.schema.name}, {out.stat().st_size / 1e6:.1f} MB{left}")
