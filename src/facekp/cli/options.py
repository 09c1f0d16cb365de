"""Options that verbs share."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["Engine"]

Engine = Annotated[
    str, typer.Option(help="What runs the networks: torch, onnx, opencv, or auto: the quickest that is installed.")
]
