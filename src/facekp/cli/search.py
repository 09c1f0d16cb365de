"""``facekp search``: a recipe trained again and again, with other values of some keys."""

from __future__ import annotations

import json as _json
import logging
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ArgumentError
from .labelled import write_text
from .outputs import check, place

if TYPE_CHECKING:
    from ..training.found import Found

__all__ = ["search"]


class Sampler(str, Enum):
    """Which values come next."""

    tpe = "tpe"
    random = "random"
    grid = "grid"


class Pruner(str, Enum):
    """Which trials are stopped early."""

    none = "none"
    median = "median"


def search(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A name of `facekp train --list`, or a YAML file.")],
    *,
    over: Annotated[
        list[str],
        typer.Option(
            metavar="KEY=VALUES",
            help="A key and its values: codec.sigma=1,1.5,2, or optimizer.lr=log:1e-4..1e-2; repeatable.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", parser=place, metavar="DIR", help="The folder of the trials' runs.")
    ],
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The folder of the data sets, instead of the recipe's.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key in all trials.")
    ] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="How many in all.", show_default="20, or the whole grid")
    ] = None,
    sampler: Annotated[
        Sampler, typer.Option(metavar="NAME", help="Which values come next: tpe, random or grid.")
    ] = Sampler.tpe,
    pruner: Annotated[
        Pruner, typer.Option(metavar="NAME", help="median stops a trial that is behind most others; or none.")
    ] = Pruner.none,
    storage: Annotated[
        str | None,
        typer.Option(metavar="FILE|URL", help="The study's SQLite file or data base.", show_default="DIR/study.db"),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, metavar="N", help="Trials at the same time.")] = 1,
    threads: Annotated[
        int, typer.Option(min=0, metavar="N", help="CPU threads of each trial; 0 shares the cores.")
    ] = 0,
    metric: Annotated[str, typer.Option(metavar="NAME", help="A column of the runs' metrics.csv.")] = "val/nme",
    maximize: Annotated[bool, typer.Option("--maximize", metavar="", help="More of the metric is better.")] = False,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of the sampler.")] = 0,
    json: Annotated[str | None, typer.Option(metavar="FILE|-", help="Write the trials as JSON here, too.")] = None,
) -> None:
    """Search for good values of a recipe's keys.

    The same command again goes on where this one ended. DIR gets a run's
    folder for each trial, trials.csv, trials.json, history.png, slices.png.
    """
    from .. import plots
    from ..training import search as searching

    if json is not None:
        check("--json", json, [recipe, data, output, storage])
    plots.check()  # before the first of many trials
    logging.getLogger("facekp").setLevel(logging.INFO)
    root = [] if data is None else [f"data.root={_json.dumps(str(data))}"]
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArgumentError(f"--output {output}: no directory can be made there ({error.strerror or error})") from None
    try:
        found = searching.search(
            recipe,
            over,
            output,
            fixed=[*root, *(set_ or [])],
            trials=trials,
            sampler=sampler.value,
            pruner=pruner.value,
            storage=storage,
            workers=workers,
            threads=threads,
            metric=metric,
            maximize=maximize,
            seed=seed,
        )
    except KeyboardInterrupt:
        typer.echo("facekp: interrupted; the same command goes on from here", err=True)
        raise
    _write(found, output, json)


def _write(found: Found, output: Path, json: str | None) -> None:
    text = _json.dumps(found.to_dict(), indent=1)
    write_text(text, str(output / "trials.json"), "--output")
    write_text(found.to_csv().rstrip("\n"), str(output / "trials.csv"), "--output")
    for name, figure in found.figures().items():
        try:
            figure.savefig(output / f"{name}.png")
        except OSError as error:
            raise ArgumentError(
                f"--output {output / name}.png: cannot be written ({error.strerror or error})"
            ) from None
    if json is not None:
        write_text(text, json)
    if json == "-":
        return
    typer.echo(found.table())
    if found.best is not None:
        typer.echo(f"best: {found.folder / found.best.run}")
