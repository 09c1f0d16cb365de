"""``facekp demo``: a page to play with, in a browser."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from .options import MODELS, Device, Engine
from .stopping import stoppable

__all__ = ["demo"]


def demo(
    *,
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Chosen at first: a name of `facekp models`, a folder, or org/repo.",
            rich_help_panel=MODELS,
        ),
    ] = "resnet18-ibug",
    finder: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Chosen at first: auto, the one that the model goes with; a name, a folder, yunet, or an ONNX file.",
            rich_help_panel=MODELS,
        ),
    ] = "auto",
    device: Device = "auto",
    engine: Engine = "auto",
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="The address to listen on; 0.0.0.0 lets other machines use the page.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="The port; 0 takes any that is free.")
    ] = 7860,
) -> None:
    """Open a page that finds, shows, corrects and saves points.

    Ctrl-C ends it. Pictures stay on this machine, and are forgotten when the page ends.
    """
    from .. import demo as page
    from ..demo.server import gradio

    gradio()  # a missing extra is told before anything is loaded
    looker = page.Looker(model, finder, device=device, engine=engine)
    looker.detector(model, finder)  # so is a model that is not there
    with stoppable(), page.serving(looker, host=host, port=port) as address:
        typer.echo(f"facekp demo: {address}  (Ctrl-C ends it)")
        while True:
            time.sleep(3600)
