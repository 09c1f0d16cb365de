"""The code blocks of the documentation: found, and run in order in a prepared folder.

A block is run unless an HTML comment before it says otherwise::

    <!-- code: slow -->             with the slow tests, by .ci/full
    <!-- code: hub -->              it asks the Hub: tests/hubserver.py plays it
    <!-- code: skip: REASON -->     not at all
    <!-- code: file NAME -->        what follows, of whatever language, is written to that file first
    <!-- code: page skip: REASON --> holds for all blocks after it on the page that have no comment of their own
"""

from __future__ import annotations

import contextlib
import functools
import io
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facekp import cli

ROOT = Path(__file__).parents[1]
PYTHON, SHELL = ("python", "py"), ("sh", "bash", "shell", "console")
TEXT = ("", "yaml", "json", "csv", "text")  # nothing to run
_COMMENT = re.compile(r"<!--\s*code:\s*(page\s+)?(slow|hub|skip|file)\b:?\s*(.*?)\s*-->")
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[\w+-]*)[^`]*$")
#: Cut short in tests: what a training command is given besides what the page says.
SHORT = ["epochs=1", "workers=0", "batch_size=4", "precision=32-true", "validate_every=1"]


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        page: below the repository's root.
        line: of its fence, from 1.
        language: of the fence.
        code: what stands in it.
        kind: ``"run"``, ``"slow"``, ``"hub"`` or ``"skip"``.
        reason: why it is skipped.
        file: the name of the file to write it to, or "".
    """

    page: str
    line: int
    language: str
    code: str
    kind: str
    reason: str
    file: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """All that is on the site, and the README."""
    return [ROOT / "README.md", *sorted(ROOT.joinpath("docs").rglob("*.md"))]


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page that are to be run or written, each with what its comment says."""
    return list(_blocks(page.relative_to(ROOT).as_posix(), page.read_text("utf-8").splitlines()))


def _blocks(page: str, lines: list[str]) -> Iterator[Block]:
    general, own, file = ("run", ""), None, ""
    rows = enumerate(lines, 1)
    for number, line in rows:
        comment = _COMMENT.search(line)
        fence = _FENCE.match(line)
        if comment:
            whole, kind, reason = comment.groups()
            if kind == "file":
                file = reason
            elif whole:
                general = (kind, reason)
            else:
                own = (kind, reason)
        elif fence:
            indent, language = len(fence["indent"]), fence["language"]
            body = [row[indent:] for _, row in _until_closed(rows, fence["indent"])]
            if language not in TEXT or file:
                kind, reason = own or (("run", "") if file else general)
                yield Block(page, number, language, "\n".join(body) + "\n", kind, reason, file)
            own, file = None, ""
        elif line.strip():
            own = None  # a comment belongs to what follows at once


def _until_closed(rows: Iterator[tuple[int, str]], indent: str) -> Iterator[tuple[int, str]]:
    for number, row in rows:
        if row.rstrip() == f"{indent}```":
            return
        yield number, row


# ---------------------------------------------------------------- running


def run(block: Block, names: dict[str, Any]) -> None:
    """Run a block in the working directory, or write it to its file.

    Args:
        block: what to run.
        names: the variables of the page's Python, which grow from block to block.
    """
    if block.file:
        Path(block.file).write_text(block.code, "utf-8")
    elif block.language in PYTHON:
        exec(compile("\n" * block.line + block.code, block.page, "exec"), names)
    elif block.language in SHELL:
        for command in commands(block.code):
            shell(command, str(block))
    else:
        raise AssertionError(f"{block}: a block of {block.language!r} cannot be run: mark it with a comment")


def commands(code: str) -> list[str]:
    """The commands of a shell block, without comments; a line that ends with a backslash goes on."""
    joined = re.sub(r"\\\n\s*", " ", code)
    return [line.strip() for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def words(command: str) -> list[str]:
    """A command's words, up to a comment."""
    return shlex.split(command, comments=True)


def shell(command: str, where: str) -> None:
    """Run one command: ``facekp`` and the repository's scripts in this process, the rest by sh.

    What follows a ``|`` is run only where it is installed.
    """
    first, _, rest = command.partition(" | ")
    given = words(first)
    if given[0] == "facekp":
        code, out = facekp(given[1:])
    elif given[0] == "python" and given[1].startswith("examples/"):
        code, out = script(given[1:])
    else:
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
        code, out, rest = done.returncode, done.stdout + done.stderr, ""
    assert code == 0, f"{where}: {command}: exit code {code}: {out[-800:]}"
    if rest and shutil.which(words(rest)[0]):
        after = subprocess.run(["sh", "-c", rest], input=out, capture_output=True, text=True, check=False)
        assert after.returncode == 0, f"{where}: {rest}: {after.stderr}"


def facekp(arguments: list[str]) -> tuple[int, str]:
    """``facekp`` in this process, its training cut short: exit code, and what it printed."""
    verb = arguments[0]
    changes = SHORT if verb in ("train", "search") and "--list" not in arguments else []
    arguments = [*arguments, *(word for change in changes for word in ("--set", change))]
    arguments += ["--trials", "2"] if verb == "search" else []
    return _captured(lambda: cli.main(arguments))


def script(arguments: list[str]) -> tuple[int, str]:
    """A script of the repository in this process."""
    before = sys.argv

    def call() -> int:
        sys.argv = [str(ROOT / arguments[0]), *arguments[1:]]
        try:
            runpy.run_path(sys.argv[0], run_name="__main__")
        finally:
            sys.argv = before
        return 0

    return _captured(call)


def _captured(call: Callable[[], int]) -> tuple[int, str]:
    """What a call returns, and what it prints, also through ``sys.stdout.buffer``."""
    out = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = call()
    return code, out.buffer.getvalue().decode("utf-8", "replace")  # type: ignore[attr-defined]


# ---------------------------------------------------------------- commands that are not run


def wrong_command(command: str) -> str:
    """Why a ``facekp`` command cannot be right: a verb, an option or a recipe that is not there; "" where it may be."""
    given = words(command.partition(" | ")[0].removesuffix("&"))
    place = next((i for i, word in enumerate(given) if "=" not in word), 0)
    given = given[place:]
    if not given or given[0] != "facekp":
        return ""
    node, rest = _command(), given[1:]
    while rest and rest[0] in getattr(node, "commands", {}):
        node, rest = node.commands[rest[0]], rest[1:]
    if hasattr(node, "commands") and rest and not rest[0].startswith("-"):
        return f"there is no verb {rest[0]!r}"
    known = {option for parameter in node.params for option in (*parameter.opts, *parameter.secondary_opts)}
    asked = {word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)}
    return f"there is no option {', '.join(sorted(asked - known - {'--help'}))}" if asked - known - {"--help"} else ""


@functools.cache
def _command() -> Any:
    import typer

    return typer.main.get_command(cli.app)
