"""``facekp train``: a recipe and data in, a model out."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import ArgumentError
from .outputs import place

__all__ = ["train"]


def train(
    recipe: Annotated[str | None, typer.Argument(metavar="RECIPE", help="A name of --list, or a YAML file.")] = None,
    *,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The folder of the data sets, instead of the recipe's.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(parser=place, metavar="DIR", help="The run's folder.", show_default="runs/RECIPE")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key: optimizer.lr=3e-4.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", metavar="", help="Go on from the folder's last checkpoint.")
    ] = False,
    list_: Annotated[
        bool, typer.Option("--list", metavar="", help="Print the recipes, and what each is, and stop.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", metavar="", help="Run two batches, tell sizes and memory, and stop.")
    ] = False,
    threads: Annotated[int, typer.Option(min=0, metavar="N", help="CPU threads; 0 leaves it to torch.")] = 0,
) -> None:
    """Train a recipe.

    The run's folder gets model/, which detect takes as --model.
    """
    from ..training import recipe as recipes

    if list_:
        titles = recipes.titles()
        width = max(map(len, titles))
        for name, title in titles.items():
            typer.echo(f"{name:{width}}  {title}".rstrip())
        return
    if recipe is None:
        raise ArgumentError(f"train: which recipe? One of {', '.join(recipes.names())}, or a YAML file")
    # A JSON string is a YAML string too, whatever the path holds.
    root = [] if data is None else [f"data.root={json.dumps(str(data))}"]
    loaded = recipes.load(recipe, [*root, *(set_ or [])])
    logging.getLogger("facekp").setLevel(logging.INFO)
    if threads:
        import torch

        torch.set_num_threads(threads)
    if dry_run:
        _rehearse(loaded)
        return
    from ..training import run

    _hush()
    if not run.is_first():
        logging.getLogger("facekp").setLevel(logging.WARNING)
    folder = output or Path("runs") / loaded.name
    try:
        model = run.fit(loaded, folder, resume=resume)
    except SystemExit:
        # Lightning answers Ctrl-C with exit(1), which would look like a failure.
        typer.echo(f"facekp: interrupted; --resume goes on from {folder}", err=True)
        raise KeyboardInterrupt from None
    if run.is_first():
        typer.echo(f"{model}")


def _hush() -> None:
    # Once imported: Lightning's own lines are for those who write such loops.
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _rehearse(recipe: Any) -> None:
    from ..training.dry import dry_run

    _hush()
    found = dry_run(recipe)
    for key in ("input", "output"):
        typer.echo(f"{key:<11} {found[key]}")
    typer.echo(f"parameters  {found['parameters']:,}")
    typer.echo(f"MACs        {found['macs']:,} for one picture")
    typer.echo(f"faces       {found['train']:,} to train on, {found['validation']:,} to validate")
    typer.echo(f"batches     {found['batches']:,} for each epoch")
    memory = "unknown" if found["memory"] is None else f"{found['memory'] / 2**20:,.0f} MiB at most"
    typer.echo(f"memory      {memory}, on {found['device']}")
