"""What a run says while it goes: lines, a progress bar where there is a terminal, JSON Lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from ..errors import ArgumentError

__all__ = ["Screen", "json_lines", "screen"]

Writer = Callable[[Mapping[str, Any]], None]


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

    def step(self) -> None:
        """One more picture is done."""
        if self._bar is not None:
            self._bar.advance(self._task)

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


@contextmanager
def json_lines(target: str | None, screen: Screen) -> Iterator[Writer]:
    """A function that writes one object a line, at once: to a file, to standard output (``"-"``), or nowhere (None).

    Raises:
        ArgumentError: the file cannot be written.
    """
    if target is None:
        yield lambda record: None
    elif target == "-":
        yield lambda record: screen.say(_line(record))
    else:
        path = Path(target)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("w", encoding="ascii", newline="\n")
        except OSError as error:
            raise _unwritable(path, error) from None

        def write(record: Mapping[str, Any]) -> None:
            try:
                file.write(f"{_line(record)}\n")
                file.flush()
            except OSError as error:
                raise _unwritable(path, error) from None

        try:
            yield write
        finally:
            try:
                file.close()  # writes again what could not be written
            except OSError as error:
                raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> ArgumentError:
    return ArgumentError(f"--json {path}: cannot be written ({error.strerror or error})")


def _line(record: Mapping[str, Any]) -> str:
    # ASCII only: bytes of a file's name that are no UTF-8 arrive as "\udcXX", which os.fsencode turns back into them.
    return json.dumps(record, ensure_ascii=True, allow_nan=False)
