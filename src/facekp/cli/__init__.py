"""The ``facekp`` command: every verb is a thin layer over the library.

Exit codes: 0 all done; 1 some pictures could not be read or drawn, doctor or inspect found something wrong, or the
reader of a pipe went away; 2 nothing was done, because the command line, a file or a data set is wrong (one line on
stderr says what); 70 a fault of facekp; 130 interrupted.  Nothing that takes long to import is imported before a verb
needs it.
"""

from __future__ import annotations

import io
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from .._version import __version__
from ..errors import FacekpError
from . import (
    benchmark,
    compare,
    convert,
    demo,
    detect,
    doctor,
    evaluate,
    export,
    inspect,
    models,
    pack,
    predict,
    push,
    search,
    train,
    video,
)
from .options import arrange

__all__ = ["app", "main"]

app = typer.Typer(
    name="facekp",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@dataclass(slots=True)
class State:
    """What the options before the verb say."""

    debug: bool = False


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"facekp {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", metavar="", callback=_version, is_eager=True, help="Print the version and stop."),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", metavar="", envvar="FACEKP_DEBUG", help="Show where an error comes from.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", metavar="", help="Say more on stderr.")] = False,
) -> None:
    """Facial keypoints: find them in pictures, train and measure the models that do it."""
    if isinstance(context.obj, State):
        context.obj.debug = debug
    logging.basicConfig(format="facekp: %(message)s", level=logging.WARNING)
    logging.getLogger("facekp").setLevel(logging.INFO if verbose else logging.WARNING)
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


app.command("detect")(detect.detect)
app.command("video")(video.video)
app.command("train")(train.train)
app.command("search")(search.search)
app.command("compare")(compare.compare)
app.command("evaluate")(evaluate.evaluate)
app.command("predict")(predict.predict)
app.command("inspect")(inspect.inspect)
app.command("export")(export.export)
app.command("convert")(convert.convert)
app.command("pack")(pack.pack)
app.command("models")(models.models)
app.command("push")(push.push)
app.command("doctor")(doctor.doctor)
app.command("demo")(demo.demo)
app.add_typer(benchmark.app, name="benchmark")
arrange(app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: the words after ``facekp``; None takes those of the process.

    Returns:
        The exit code.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A file's name may hold what the terminal's encoding does not.
        sys.stdout.reconfigure(errors="backslashreplace")
    state = State()
    given = None if arguments is None else list(arguments)
    try:
        code = app(args=given, prog_name="facekp", standalone_mode=False, obj=state)
        return code if isinstance(code, int) else 0
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except BrokenPipeError:
        _forget_stdout()
        return 1
    except Exception as error:  # noqa: BLE001  (the outermost layer: what is left becomes one line)
        if state.debug:
            traceback.print_exc()
        message, code = _explain(error)
        typer.echo(f"facekp: {' '.join(message.split())}", err=True)
        return code


def _explain(error: Exception) -> tuple[str, int]:
    """One line about an error, and its exit code."""
    if isinstance(error, FacekpError):
        return str(error), 2
    format_message = getattr(error, "format_message", None)  # typer's own usage errors, whose class moved over time
    if callable(format_message):
        command = getattr(getattr(error, "ctx", None), "command_path", "facekp")
        return f"{format_message()} ({command} --help says more)", 2
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror, 2
    first = (str(error).strip().splitlines() or [""])[0]
    return f"unexpected {type(error).__name__}: {first} (facekp --debug shows where; please report it)", 70


def _forget_stdout() -> None:
    """Whoever read our output has gone: what is still buffered must not raise again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
