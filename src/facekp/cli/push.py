"""``facekp push``: a trained model goes to the Hugging Face Hub."""

from __future__ import annotations

import json as _json
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["push"]


def push(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, or a model's.")],
    repo: Annotated[str, typer.Argument(metavar="ORG/NAME", help="The repository; made where it is missing.")],
    *,
    private: Annotated[bool, typer.Option("--private", metavar="", help="Only those with a token may see it.")] = False,
    revision: Annotated[
        str | None, typer.Option(metavar="BRANCH", help="Another branch than main; made where it is missing.")
    ] = None,
    message: Annotated[str | None, typer.Option(metavar="TEXT", help="The commit's message.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", metavar="", help="Check the model, print what would be sent, and send nothing.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object instead.")] = False,
) -> None:
    """Push a model to the Hugging Face Hub.

    Its model card goes along. HF_TOKEN says who you are.
    """
    from .. import hub

    done = hub.push(run, repo, private=private or None, revision=revision, message=message, dry_run=dry_run)
    if json:
        typer.echo(_json.dumps({"repo": repo, "revision": done.commit, "url": done.url, "files": done.files}))
        return
    for name, digest in done.files.items():
        typer.echo(f"{digest}  {done.sizes[name]:>12,}  {name}")
    if dry_run:
        typer.echo(f"would go to {done.url}; nothing was sent. The card:\n\n{done.card}", nl=False)
    else:
        typer.echo(f"{done.url}\nload it with --model {repo}@{done.commit}")
