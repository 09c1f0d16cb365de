"""``facekp export``: a model as an ONNX file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ..errors import ArgumentError
from .outputs import check as check_output
from .outputs import place

__all__ = ["export"]

_DIGITS = 9  # of a number: Python refuses to read thousands of them


def export(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A keypoint model or a finder: a name, a folder, or org/repo.")
    ],
    *,
    output: Annotated[Path, typer.Option("--output", parser=place, metavar="FILE.onnx", help="The file to write.")],
    decoder: Annotated[
        bool | None,
        typer.Option(
            "--decoder/--no-decoder",
            metavar="",
            help="Give points (a finder: boxes), or what the network gives.",
            show_default="points; boxes with --size",
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(metavar="HxW", help="A finder's input, in multiples of 32: 320x416.", show_default="any"),
    ] = None,
    batch: Annotated[
        str, typer.Option(metavar="N", help="Pictures per call: a number, or dynamic for any.")
    ] = "dynamic",
    precision: Annotated[
        str, typer.Option(metavar="NAME", help="float32, or int8: keypoints, faster on a CPU.")
    ] = "float32",
    check: Annotated[
        list[Path] | None, typer.Option(metavar="IMAGE", help="A picture to check the file with; repeatable.")
    ] = None,
) -> None:
    """Write a model as ONNX.

    For programs without PyTorch. The file is checked to give the same.
    """
    _place(output, [model, *(check or ())])
    sides, pictures = _size(size), _batch(batch)

    from ..export import export as written

    done = written(
        model, output, decoder=decoder, size=sides, batch=pictures, pictures=check or (), precision=precision
    )
    off = ", ".join(f"{name} {value:.1g}" for name, value in done.difference.items())
    by = "PyTorch" if precision == "float32" else f"precision {precision}"
    shape = " x ".join(map(str, done.inputs))
    typer.echo(f"{done.path}: {shape} -> {', '.join(done.outputs)}; differs from {by} by {off}")


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isdecimal() and len(part) <= _DIGITS for part in parts):
        raise ArgumentError(f"--size {text:.60}: expected height and width, as in 320x416")
    return int(parts[0]), int(parts[1])


def _batch(text: str) -> int | None:
    if text == "dynamic":
        return None
    if not text.isdecimal() or len(text) > _DIGITS or int(text) < 1:
        raise ArgumentError(f"--batch {text:.60}: expected a positive number, or dynamic")
    return int(text)


def _place(path: Path, reads: Sequence[str | Path]) -> None:
    """Whatever stands in the way is found before the model is exported."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArgumentError(f"--output {path}: cannot be written ({error.strerror or error})") from None
    if path.is_dir():
        raise ArgumentError(f"--output {path}: is a directory; name a file")
    if path.suffix.lower() != ".onnx":
        raise ArgumentError(f"--output {path}: must end in .onnx")
    check_output("--output", path, reads, own={".onnx"})
