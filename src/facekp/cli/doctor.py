"""``facekp doctor``: whether all is well here, and what to do where it is not."""

from __future__ import annotations

import json as _json
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..doctor import Check

__all__ = ["doctor"]

MARKS = {"ok": "ok", "note": "-", "wrong": "WRONG"}


def doctor(
    json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object instead.")] = False,
) -> None:
    """Check this installation.

    Looks at packages, extras, device, engines, cache and the models' files,
    and lets every engine find the face of a small picture. The exit code is
    1 where something is wrong; what to do about it is told.
    """
    from ..doctor import examine

    checks = examine()
    wrong = [check for check in checks if check.status == "wrong"]
    if json:
        typer.echo(_json.dumps({"ok": not wrong, "checks": [asdict(check) for check in checks]}))
    else:
        for group, members in groupby(checks, key=lambda check: check.group):
            typer.echo(f"{group}:")
            for check in members:
                _show(check)
        count = f"{len(wrong)} thing{'' if len(wrong) == 1 else 's'} wrong"
        typer.echo(f"\n{count}; see above what to do." if wrong else "\nAll is well.")
    if wrong:
        raise typer.Exit(1)


def _show(check: Check) -> None:
    typer.echo(f"  {MARKS[check.status]:5} {check.name}: {check.says}")
    if check.cure:
        typer.echo(f"        -> {check.cure}")
