"""``facekp benchmark speed``: how fast detectors are on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import ArgumentError
from .labelled import as_json, write_text
from .options import FINDER, MODEL, MODELS, Device
from .outputs import check, place

__all__ = ["speed"]


def speed(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE|DIR|GLOB", help="Pictures with faces, directories of them (and theirs), or patterns."
        ),
    ],
    *,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Only so many of the pictures, evenly spread.")] = 16,
    model: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help=f"{MODEL[:-1]}; repeatable.", rich_help_panel=MODELS)
    ] = None,
    finder: Annotated[str, typer.Option(metavar="NAME", help=FINDER, rich_help_panel=MODELS)] = "auto",
    finder_side: Annotated[
        list[int] | None,
        typer.Option(
            metavar="PIXELS",
            help="Also find at this long side: smaller is faster, for larger faces; repeatable.",
            rich_help_panel=MODELS,
        ),
    ] = None,
    device: Device = "auto",
    engine: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="torch, onnx, opencv, auto; repeatable; unless told, all.", rich_help_panel=MODELS
        ),
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="float32; bfloat16, of torch; int8, of onnx; repeatable; unless told, float32."
        ),
    ] = None,
    threads: Annotated[
        list[int] | None, typer.Option(min=1, metavar="N", help="CPU threads; repeatable; unless told, torch's own.")
    ] = None,
    batch_sizes: Annotated[
        str | None, typer.Option(metavar="SIZES", help="Such as 1,16,64; unless told, powers of two to --max-batch.")
    ] = None,
    max_batch: Annotated[int, typer.Option(min=0, metavar="N", help="The largest batch; 0: no batches.")] = 256,
    rounds: Annotated[int, typer.Option(min=1, metavar="N", help="Turns of each of those that are compared.")] = 5,
    starts: Annotated[
        int, typer.Option(min=0, metavar="N", help="Fresh processes until the first result; 0: none.")
    ] = 5,
    memory: Annotated[
        int, typer.Option(min=0, metavar="N", help="Watch the memory of a stream of so many pictures.")
    ] = 0,
    peer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COMMAND", help="Another program to measure, such as those in benchmarks/peers; repeatable."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", parser=place, metavar="FILE", help="Write the report as JSON.")
    ] = None,
) -> None:
    """Measure speed on this machine, beside other programs.

    Stages of a call, batches, threads, start-up, memory.
    """
    from . import inputs as given

    pictures = given.find(inputs, recursive=True)
    if pictures.problems or not pictures.found:
        raise ArgumentError(f"no picture found: {'; '.join(pictures.problems[:3])}")
    if output is not None:
        check("--output", output, [*inputs, *(p.path for p in pictures.found), *(model or ()), finder])
    sizes = _sizes(batch_sizes, max_batch)

    from .. import benchmark

    found = [picture.path for picture in pictures.found]
    count = min(limit, len(found))
    result = benchmark.speed(
        [found[i * len(found) // count] for i in range(count)],
        models=model or ("resnet18-ibug",),
        engines=engine,
        precisions=precision or ("float32",),
        thread_counts=threads,
        batch_sizes=sizes,
        rounds=rounds,
        starts=starts,
        memory=memory,
        peers=peer or (),
        finder=finder,
        finder_sides=finder_side or (),
        device=device,
    )
    if output is not None:
        write_text(as_json(result), str(output), "--output")
    typer.echo(benchmark.speed_table(result))


def _sizes(text: str | None, largest: int) -> list[int]:
    """Batch sizes, as told or powers of two."""
    if text is None:
        return [1 << i for i in range(largest.bit_length()) if 1 << i <= largest]
    try:
        sizes = sorted({int(part) for part in text.split(",")})
    except ValueError:
        sizes = []
    if not sizes or sizes[0] < 1:
        raise ArgumentError(f"--batch-sizes {text}: expected whole numbers with commas between, such as 1,16,64")
    return sizes
