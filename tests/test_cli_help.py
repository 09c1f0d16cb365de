"""``--help`` of every verb at 80 columns, and completion in the shell."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from facekp import cli
from facekp.cli.options import PANELS


def verbs(group: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield before
    for name, command in getattr(group, "commands", {}).items():
        yield from verbs(command, (*before, name))


VERBS = list(verbs(typer.main.get_command(cli.app)))


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("FORCE_COLOR", raising=False)


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_help_reads_well_at_80_columns(verb: tuple[str, ...], capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*verb, "--help"]) == 0
    out = capfd.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert "…" not in out  # nothing is cut
    assert "[[" not in out  # typer itself puts what may be left out in brackets
    # What an option does is not squeezed into a narrow column.
    options = [line for line in out.splitlines() if re.match(r"│ (\* )? *-", line)]
    starts = [m.end() for line in options if (m := re.match(r"│.*?-\w.*?  +(?=[A-Z]\w* ?)", line))]
    own = [line for line in options if not re.search(r"--help|-completion", line)]
    assert not [line for line in own if re.search(r"<[a-z]+( range)?>", line)], "give these a metavar"
    assert len(starts) > 0.7 * len(options) > 0  # a long name has its line to itself
    assert max(starts) <= 50


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_the_first_sentence_fits_one_line(verb: tuple[str, ...]) -> None:
    command = typer.main.get_command(cli.app)
    for name in verb:
        command = command.commands[name]  # type: ignore[attr-defined]
    first, _, rest = str(command.help).partition("\n\n")
    assert first.endswith(".")
    assert not verb or len(first) <= 64
    # Typer keeps the line breaks of later paragraphs: longer lines would be broken twice.
    assert "\n" not in rest or max(map(len, rest.splitlines())) <= 76


def test_every_verb_has_its_panel(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    out = capfd.readouterr().out
    panels = [name for name in re.findall(r"─ ([\w ]+) ─", out) if name != "Options"]
    assert panels == [name for name in PANELS if name in panels]
    assert {"Find", "Train"} <= set(panels)


@pytest.mark.parametrize(
    ("words", "says"),
    [("facekp det", ["detect"]), ("facekp detect --pa", ["--parquet"]), ("facekp benchmark fi", ["finder"])],
)
def test_bash_completes(
    words: str, says: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_FACEKP_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
    with contextlib.suppress(SystemExit):
        cli.main([])
    assert capfd.readouterr().out.split() == says


def test_completion_is_offered(capfd: pytest.CaptureFixture[str]) -> None:
    cli.main(["--help"])
    assert {"--install-completion", "--show-completion"} <= set(capfd.readouterr().out.split())
