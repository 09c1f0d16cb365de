"""``facekp models``: what is inside the package."""

from __future__ import annotations

import json as _json
from typing import Annotated

import typer

__all__ = ["models"]


def models(
    json: Annotated[
        bool, typer.Option("--json", help="Print each model's whole config, one JSON object a line.")
    ] = False,
) -> None:
    """List the models that come with facekp."""
    from .. import hub

    configs = {name: hub.read_config(folder / hub.CONFIG) for name, folder in hub.bundled().items()}
    if json:
        for config in configs.values():
            typer.echo(_json.dumps(config))
        return
    for name, config in configs.items():
        schema = config.get("schema", "")
        layout = schema if isinstance(schema, str) else str(schema.get("name", ""))
        rest = (layout, str(config.get("licence", "")))
        typer.echo(f"{name:20}{config.get('type', ''):12}{'  '.join(part for part in rest if part)}")
