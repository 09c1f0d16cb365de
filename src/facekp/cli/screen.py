"""What a run says while it goes: lines, a progress bar where there is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

__all__ = ["Screen", "screen"]


class Screen:
    """Lines for people, above the progress bar where there is one.

    Attributes:
        complaints: how many there were.
    """

    def __init__(self, bar: Any = None, task: Any = None) -> None:
        self._bar, self._task = bar, task
        self.complaints = 0

    def say(self, line: str) -> None:
        """A line on standard output, at once."""
        if self._bar is not None and sys.stdout.isatty():
            self._above(line)
        else:
            typer.echo(line)

    def complain(self, reason: str) -> None:
        """A line on standard error."""
        self.complaints += 1
        line = f"facekp: {' '.join(reason.split())}"
        if self._bar is not None:
            self._above(line)
        else:
            typer.echo(line, err=True)

    def step(self, count: int = 1) -> None:
        """So many more pictures are done."""
        if self._bar is not None:
            self._bar.advance(self._task, count)

    def _above(self, line: str) -> None:
        self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def screen(total: int) -> Iterator[Screen]:
    """A screen; with a bar on standard error if that is a terminal and there is more than one picture."""
    if total < 2 or not sys.stderr.isatty():
        yield Screen()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # Nothing is redirected: what is for standard output must go there, also when only standard error is a terminal.
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=False, redirect_stderr=False) as bar:
        yield Screen(bar, bar.add_task("", total=total))
