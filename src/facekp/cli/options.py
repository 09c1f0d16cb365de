"""Options that verbs share, and the panels of the help in which options and verbs stand."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["FINDER", "MODEL", "MODELS", "OUTPUT", "Batch", "Device", "Engine", "Mirror", "Precision", "arrange"]

MODELS, OUTPUT = "Models", "Output"

MODEL = "A name of `facekp models`, a folder, or org/repo."
FINDER = "The face finder: auto, the one that the model goes with; a name, a folder, yunet, or an ONNX file."

Engine = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="What runs the networks: torch, onnx, opencv; auto is the quickest that is installed.",
        rich_help_panel=MODELS,
    ),
]
Precision = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Of the points' network: float32; int8, faster on a CPU, by onnx; bfloat16, by torch.",
        rich_help_panel=MODELS,
    ),
]
Device = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="auto (CUDA, then MPS, then CPU), cpu, cuda, cuda:1, mps.", rich_help_panel=MODELS
    ),
]
Batch = Annotated[
    int, typer.Option(min=1, metavar="N", help="Faces that go through the network together.", rich_help_panel=MODELS)
]

Mirror = Annotated[
    bool,
    typer.Option(
        "--mirror",
        metavar="",
        help="Look at mirror images, too: a little more exact, twice the time.",
        rich_help_panel=MODELS,
    ),
]

#: Where each verb stands in ``facekp --help``.
PANELS = {
    "Find": ("detect", "video", "demo"),
    "Train": ("train", "search", "compare", "evaluate"),
    "Data sets": ("inspect", "convert", "pack", "predict"),
    "Models": ("models", "export", "push"),
    "This machine": ("doctor", "benchmark"),
}


def arrange(app: typer.Typer) -> None:
    """Put the verbs of the command into their panels; one without a panel stays with the rest."""
    panels = {name: panel for panel, names in PANELS.items() for name in names}
    for verb in app.registered_commands:
        verb.rich_help_panel = panels.get(str(verb.name), verb.rich_help_panel)
    for group in app.registered_groups:
        group.rich_help_panel = panels.get(str(group.name), group.rich_help_panel)
    order = list(panels)
    app.registered_commands.sort(key=lambda verb: order.index(str(verb.name)) if verb.name in panels else len(order))
