"""What the verbs that read a data set share: their options, the set itself, and a report as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ArgumentError

if TYPE_CHECKING:
    from ..datasets.opening import Opened

__all__ = ["Data", "Format", "Json", "Split", "as_json", "opened", "write_text"]

Data = Annotated[Path, typer.Argument(metavar="DATA", help="The folder or file of the data set.")]
Format = Annotated[
    str | None,
    typer.Option("--format", metavar="FORMAT", help="What DATA is: 300w, dlib_xml, ...; by its content unless told."),
]
Split = Annotated[
    str | None, typer.Option(metavar="PART", help="Which part: train, common, ... or a folder: lfpw/testset.")
]
Json = Annotated[str | None, typer.Option("--json", metavar="FILE|-", help="Write the report as JSON.")]


def opened(
    data: Path, given: str | None, split: str | None, *, default_split: bool = False, on_error: str = "raise"
) -> Opened:
    """The data set that a command line names; see :func:`facekp.datasets.opening.open_set`."""
    from ..datasets import opening

    name = given or opening.guess(data, parts=True)
    return opening.open_set(data, name, split=split, default_split=default_split, on_error=on_error)


def as_json(values: Mapping[str, Any]) -> str:
    """One JSON object; what could not be measured (NaN) is null."""
    known = {key: None if value != value else value for key, value in values.items()}  # noqa: PLR0124
    return json.dumps(known, indent=1, ensure_ascii=True, allow_nan=False)


def write_text(text: str, target: str, option: str = "--json") -> None:
    """Text into a file, or onto standard output (``"-"``).

    Raises:
        ArgumentError: the file cannot be written; the message names the option.
    """
    if target == "-":
        typer.echo(text)
        return
    path = Path(target)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n", "utf-8")
    except OSError as error:
        raise ArgumentError(f"{option} {path}: cannot be written ({error.strerror or error})") from None
