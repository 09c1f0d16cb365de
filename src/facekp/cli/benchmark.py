"""``facekp benchmark``: the measurements that the documentation quotes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ArgumentError
from .labelled import as_json, opened, write_text
from .options import FINDER, MODEL, MODELS, Device
from .outputs import check, place
from .speed import speed

if TYPE_CHECKING:
    from ..sample import Frame, Sample

__all__ = ["app"]

app = typer.Typer(help="Measurements that the documentation quotes.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Measurements that the documentation quotes."""


app.command()(speed)


@app.command()
def finder(
    *,
    data: Annotated[Path, typer.Option("--data", metavar="ROOT", help="The folder of 300-W (afw, helen, lfpw).")],
    split: Annotated[
        str | None,
        typer.Option(
            metavar="PART", help="A part, such as lfpw/testset; unless told, the validation list of the train folders."
        ),
    ] = None,
    model: Annotated[str, typer.Option(metavar="NAME", help=MODEL, rich_help_panel=MODELS)] = "resnet18-ibug",
    finder: Annotated[str, typer.Option(metavar="NAME", help=FINDER, rich_help_panel=MODELS)] = "auto",
    device: Device = "cpu",
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Only so many faces, evenly spread.")] = None,
    turns: Annotated[
        str | None, typer.Option(metavar="DEGREES", help="Let the finder look at turned copies, too: 90,180,270.")
    ] = None,
    refine: Annotated[bool, typer.Option(metavar="", help="Look at badly cut faces again.")] = True,
    peer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COMMAND", help="Another finder to measure, such as those in benchmarks/peers; repeatable."
        ),
    ] = None,
    peer_faces: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Give the peers only so many of the pictures, evenly spread.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="CPU threads; unless told, torch's own.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", parser=place, metavar="FILE", help="Write the report as JSON.")
    ] = None,
) -> None:
    """Measure the finder end to end, beside its peers.

    On turned, small, dark and covered faces; false alarms; speed.
    """
    import torch

    from .. import benchmark
    from ..detector import Detector

    if output is not None:
        check("--output", output, [data, model, finder])
    if threads is not None:
        torch.set_num_threads(threads)
    name, samples, frames = _data(data, split, limit)
    detector = Detector.from_pretrained(model, finder=finder, device=device)
    options: dict[str, Any] = {} if refine else {"refine": False}
    if turns is not None:
        options["turns"] = _degrees(turns)
    result = benchmark.finder(
        detector, samples, frames=frames, peers=peer or (), peer_faces=peer_faces, name=name, **options
    )
    if output is not None:
        write_text(as_json(result), str(output), "--output")
    typer.echo(benchmark.finder_table(result))


def _degrees(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise ArgumentError(f"--turns {text}: expected degrees with commas between, such as 90,180,270") from None


def _data(root: Path, split: str | None, limit: int | None) -> tuple[str, list[Sample], list[Frame]]:
    """The faces of a split, and the same pictures with all of their faces."""
    from ..datasets.frames import frames_300w

    if split is None:
        from ..training.split import validation_names

        held = set(validation_names("300w"))
        samples = [s for s in opened(root, "300w", "train").samples if s.meta["name"] in held]
        name = "300-W validation list"
    else:
        samples, name = list(opened(root, "300w", split).samples), f"300-W {split}"
    if limit is not None and limit < len(samples):
        samples, name = [samples[i * len(samples) // limit] for i in range(limit)], f"{name}, {limit} faces"
    return name, samples, frames_300w(root, names=[str(s.meta["name"]) for s in samples])
