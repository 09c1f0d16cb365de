"""Every Python and shell block of the site and the README runs, in order, in a folder with small data."""

from __future__ import annotations

import importlib
import re
import socket
from pathlib import Path
from typing import Any

import docs_code
import docs_data
import hubserver
import pytest
from docs_code import ROOT

import facekp
from facekp import annotate
from facekp import schema as schemas
from facekp.datasets import SampleSet
from facekp.sample import Sample

PAGES = {page.relative_to(ROOT).as_posix(): docs_code.blocks(page) for page in docs_code.pages()}
RUN, SLOW = (
    [name for name, found in PAGES.items() if any(block.kind == kind for block in found)] for kind in ("run", "slow")
)
HUB = "docs/learn/hub.md"
SKIPPED = [block for blocks in PAGES.values() for block in blocks if block.kind == "skip"]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "DATA"
    docs_data.data(folder)
    return folder


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    connect = socket.socket.connect

    def local_only(self: socket.socket, address: Any) -> None:
        assert self.family == socket.AF_UNIX or address[0] in ("127.0.0.1", "::1", "localhost"), address
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", local_only)


def walk(name: str, kinds: tuple[str, ...], prepared: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docs_data.working_directory(folder, prepared)
    names: dict[str, Any] = {"__name__": "__main__", **docs_data.PAGES.get(name, lambda _: {})(folder)}
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    for block in PAGES[name]:
        if block.kind in kinds:
            try:
                docs_code.run(block, names)
            except Exception as error:
                error.args = (f"{block}: {error}", *error.args[1:])
                raise


@pytest.mark.parametrize("name", RUN)
def test_code(name: str, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    walk(name, ("run",), prepared, tmp_path, monkeypatch)


def test_code_that_asks_the_hub(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [name for name, found in PAGES.items() if any(block.kind == "hub" for block in found)] == [HUB]
    model = hubserver.small_model(tmp_path / "tiny")
    files = {path.name: path.read_bytes() for path in model.iterdir()}
    with hubserver.Hub() as server:
        server.add("org/repo", files)
        server.repos["org/repo"].commits[40 * "0"] = files
        server.add("org/private", files, private=True)
        monkeypatch.setattr(hubserver, "READER", "hf_...")  # as the page says
        hubserver.connect(server, monkeypatch, tmp_path / "cache")
        monkeypatch.setenv("HF_TOKEN", hubserver.WRITER)
        walk(HUB, ("run", "hub"), prepared, tmp_path / "here", monkeypatch)
        pushed = server.repos["me/my-model"]
    assert pushed.private
    assert list(pushed.messages.values())[-2:] == ["First version", f"Model of facekp {facekp.__version__}"]
    assert {"config.json", "model.safetensors"} < set(pushed.commits[pushed.branches["main"]])


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_slow_code(name: str, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lightning", reason="training needs facekp[train]")
    walk(name, ("run", "slow"), prepared, tmp_path, monkeypatch)


# The reference shows modules' own words, and the programs in them.
def _literal(text: str) -> str:
    """The first block after ``::``, without its indent."""
    after = text.partition("::\n\n")[2].splitlines()
    count = next((n for n, line in enumerate(after) if line and not line.startswith("    ")), len(after))
    return "\n".join(line[4:] for line in after[:count])


def _evaluated(names: dict[str, Any]) -> dict[str, Any]:
    face = names["detector"](names["photo"])[0]
    turned = face.keypoints.mean(0) + (face.keypoints - face.keypoints.mean(0)) * (0.55, 1)  # a head at 35 degrees
    samples = [
        Sample(points, face.schema, path=names["photo"], source_box=face.box, meta={"set": part})
        for part, points in (("afw", face.keypoints), ("helen", turned))
    ]
    return {"samples": SampleSet(samples, face.schema, "faces")}


def _measured(names: dict[str, Any]) -> dict[str, Any]:
    points = names["detector"](names["photo"])[0].keypoints[None]
    return {"prediction": points, "target": points + 1, "schema": schemas.get("ibug68"), "batches": [(points, points)]}


WORDS: dict[str, Any] = {"annotate": None, "evaluate": _evaluated, "metrics": _measured, "video": None}
NOT_RUN = {"benchmark": "takes minutes: tests/test_benchmark.py runs both", "demo": "serves until it is ended"}


@pytest.mark.parametrize("name", WORDS)
def test_the_reference_s_own_words(name: str, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "metrics":
        pytest.importorskip("torchmetrics")
    docs_data.working_directory(tmp_path, prepared)
    docs_data.PAGES["docs/learn/video.md"](tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"facekp": facekp, "photo": tmp_path / "photo.jpg", "album": tmp_path}
    names |= {"detector": facekp.Detector.from_pretrained("mobile-ibug", device="cpu"), "annotate": annotate}
    names |= WORDS[name](names) if WORDS[name] else {}
    code = _literal(str(importlib.import_module(f"facekp.{name}").__doc__))
    assert code.count("\n") > 2
    exec(compile(code, f"facekp.{name}", "exec"), names)


def test_no_module_s_program_is_left_out() -> None:
    found = set()
    for path in sorted(ROOT.joinpath("docs", "reference").glob("*.md")):
        module = re.search(r"^::: facekp\.(\w+)$", path.read_text("utf-8"), re.MULTILINE)
        if module and "::\n\n    " in str(importlib.import_module(f"facekp.{module[1]}").__doc__):
            found.add(module[1])
    assert found == {*WORDS, *NOT_RUN, "engine"}  # engine has a table


def test_nothing_is_left_out_in_silence() -> None:
    blocks = [block for found in PAGES.values() for block in found]
    assert len(blocks) > 100
    assert [str(b) for b in blocks if b.kind == "skip" and len(b.reason) < 10] == [], "say why it is not run"
    strange = [str(b) for b in blocks if b.language not in docs_code.PYTHON + docs_code.SHELL and not b.file]
    assert strange == [], "a block of a language that the tests do not know"
    run = sum(b.kind != "skip" for b in blocks)
    assert run > 80, f"only {run} of {len(blocks)} blocks are run"


@pytest.mark.parametrize("page", sorted(set(PAGES) - {"docs/reference/cli.md", "README.md"}))
def test_commands_stand_in_fences(page: str) -> None:
    text = re.sub(r"^( *)```.*?^\1```$", "", ROOT.joinpath(page).read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert re.findall(r"^    (?:facekp|python|pip) .*$", text, re.MULTILINE) == []


def test_commands_that_are_not_run_could_be() -> None:
    found = [(b, c) for b in SKIPPED if b.language in docs_code.SHELL for c in docs_code.commands(b.code)]
    wrong = [f"{block}: {command}: {why}" for block, command in found if (why := docs_code.wrong_command(command))]
    assert wrong == []


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("facekp detect a.jpg --output out/", ""),
        ("facekp benchmark speed a.jpg --limit 3 | cat", ""),
        ("CUDA_VISIBLE_DEVICES=0 facekp train nose-tip-a1 &", ""),
        ("facekp detects a.jpg", "there is no verb 'detects'"),
        ("facekp detect a.jpg --outputs out/ -r", "there is no option --outputs"),
        ("ls --help", ""),
    ],
)
def test_wrong_commands_are_seen(command: str, why: str) -> None:
    assert docs_code.wrong_command(command) == why


def test_comments_decide(tmp_path: Path) -> None:
    page = """\
```python
1
```
<!-- code: slow -->
```sh
facekp models
```
<!-- code: page skip: too long for here -->
text

    ```python
    2
    ```
<!-- code: file a.yaml -->
```yaml
a: 1
```
```yaml
b: 1
```
"""
    found = list(docs_code._blocks("p.md", page.splitlines()))
    assert [(b.line, b.language, b.kind, b.code) for b in found] == [
        (1, "python", "run", "1\n"),
        (5, "sh", "slow", "facekp models\n"),
        (11, "python", "skip", "2\n"),
        (15, "yaml", "run", "a: 1\n"),
    ]
    assert found[2].reason == "too long for here"
    assert found[3].file == "a.yaml"


def test_the_messages_of_the_troubleshooting_page_are_the_code_s() -> None:
    source = "".join(path.read_text("utf-8") for path in sorted(ROOT.joinpath("src", "facekp").rglob("*.py")))
    joined = re.sub(r'"\s*\n\s*f?"', "", source)  # a message may be written in two pieces
    page = ROOT.joinpath("docs", "learn", "troubleshooting.md").read_text("utf-8")
    tables = re.findall(r"\| message[^\n]*\n\|[-|]+\n((?:\|[^\n]*\n)+)", page)
    cells = [row.split("|")[1] for table in tables for row in table.splitlines()]
    quoted = [text for cell in cells for text in re.findall(r"`([^`]+)`", cell)]
    assert len(quoted) > 20
    assert [text for text in quoted if text not in joined] == []
