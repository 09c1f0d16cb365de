"""The command line, from --help to Ctrl-C, with models of random weights."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
import typer

import facekp
from facekp import cli
from facekp.face import Face

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-c", "import sys; from facekp.cli import main; sys.exit(main())"]


class Done(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Done]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.delenv("FACEKP_DEBUG", raising=False)

    def call(*arguments: object) -> Done:
        capfd.readouterr()
        code = cli.main([str(a) for a in arguments])
        return Done(code, *capfd.readouterr())

    return call


@pytest.fixture
def detect(run: Run, tiny_models: Path) -> Run:
    """``facekp detect`` by a model that takes every picture for one face."""
    return lambda *arguments: run("detect", "--device", "cpu", "--model", tiny_models / "whole", *arguments)


def picture(path: Path, size: tuple[int, int] = (24, 32), value: int = 90) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((*size, 3), value, np.uint8)
    pixels[:: max(1, size[0] // 4)] //= 2
    assert cv2.imwrite(str(path), pixels)
    return path


def one_line(done: Done, code: int = 2) -> str:
    assert done.code == code
    assert done.out == ""
    assert len(done.err.splitlines()) == 1, done.err
    assert done.err.startswith("facekp: ")
    assert "Traceback" not in done.err
    return done.err


# ---------------------------------------------------------------- the command itself


@pytest.mark.parametrize("arguments", [["--help"], [], ["detect", "--help"], ["train", "--help"], ["models", "--help"]])
def test_help(run: Run, arguments: Sequence[str]) -> None:
    done = run(*arguments)
    assert done.code == 0
    assert "Usage: facekp" in done.out
    assert done.err == ""


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"facekp {facekp.__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nothing"], "nothing"),
        (["--nothing"], "--nothing"),
        (["detect"], "IMAGE"),
        (["detect", "a.jpg", "--nothing"], "facekp detect --help"),
        (["detect", "a.jpg", "--max-faces", "0"], "--max-faces"),
        (["detect", "a.jpg", "--max-faces", "many"], "--max-faces"),
        (["detect", "a.jpg", "--min-score", "1.5"], "--min-score"),
        (["detect", "a.jpg", "--batch-size", "-1"], "--batch-size"),
        (["detect", "a.jpg"], "no such file"),
        (["detect", ""], "no picture found"),
        (["detect", "*.jpg"], "no file matches"),
        (["detect", "."], "no picture in this directory"),
        (["detect", "http://example.com/a.jpg"], "URL"),
        (["train"], "resnet18-ibug"),
        (["train", "nothing"], "resnet18-ibug"),
        (["train", "nothing.yaml"], "nothing.yaml"),
        (["train", "resnet18-ibug", "--set", "epochs"], "key=value"),
        (["train", "resnet18-ibug", "--set", "epochs=none"], "epochs"),
        (["train", "resnet18-ibug", "--data", "nowhere", "--output", "new"], "nowhere"),
        (["evaluate", "resnet18-ibug"], "facekp evaluate --help"),
    ],
)
def test_bad_input_is_one_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: Sequence[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert says in one_line(run(*arguments))


def test_debug_shows_where(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run("--debug", "detect", "missing.jpg")
    assert done.code == 2
    assert "Traceback" in done.err
    assert "missing.jpg" in done.err.splitlines()[-1]
    monkeypatch.setenv("FACEKP_DEBUG", "1")
    assert "Traceback" in run("detect", "missing.jpg").err
    monkeypatch.setenv("FACEKP_DEBUG", "0")
    assert "Traceback" not in run("detect", "missing.jpg").err


def test_a_fault_of_facekp_is_told_apart(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("first\nsecond")

    monkeypatch.setattr("facekp.detector.Detector.from_pretrained", broken)
    says = one_line(run("detect", picture(tmp_path / "a.png")), 70)
    assert "RuntimeError: first" in says
    assert "--debug" in says


def verbs(group: Any) -> Iterator[tuple[str, Any]]:
    """Every command by its name, with that of its group before it."""
    for name, command in group.commands.items():
        inner = verbs(command) if hasattr(command, "commands") else [("", command)]
        yield from (((f"{name} {rest}").strip(), each) for rest, each in inner)


def test_every_option_is_in_the_reference() -> None:
    page = ROOT.joinpath("docs", "reference", "cli.md").read_text("utf-8")
    for name, command in verbs(typer.main.get_command(cli.app)):
        section = page.partition(f"## facekp {name}\n")[2].partition("\n## ")[0]
        options = [o for p in command.params for o in p.opts if o.startswith("--") and o != "--help"]
        assert options
        assert [o for o in options if f"`{o}" not in section] == []


# ---------------------------------------------------------------- detect: what comes out


def test_a_line_for_people(detect: Run, tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    assert detect(path) == (0, f"{path}: 1 face\n", "")


def test_json_lines(detect: Run, tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png", (24, 32))
    done = detect(path, "--json", "-")
    assert (done.code, done.err) == (0, "")
    (row,) = done.rows
    assert list(row) == ["path", "width", "height", "model", "schema", "faces"]
    assert (row["path"], row["width"], row["height"]) == (str(path), 32, 24)
    assert (row["model"], row["schema"]) == ("whole", "ibug68")
    (data,) = row["faces"]  # type: ignore[misc]
    assert list(data) == ["box", "score", "keypoints", "scores"]
    assert data["box"] == [-0.5, -0.5, 31.5, 23.5]
    face = Face.from_dict(data, str(row["schema"]))
    assert face.keypoints.shape == (68, 2)
    assert ((face.scores >= 0) & (face.scores <= 1)).all()


def test_json_is_what_the_library_gives(detect: Run, tiny_models: Path) -> None:
    path = ROOT / "examples" / "astronaut.jpg"
    (row,) = detect(path, "--json", "-").rows
    (face,) = facekp.Detector.from_pretrained(tiny_models / "whole", device="cpu")(path)
    assert row["faces"] == [face.to_dict()]


def test_json_file_is_made_with_its_folders(detect: Run, tmp_path: Path) -> None:
    path, target = picture(tmp_path / "a.png"), tmp_path / "new" / "points.jsonl"
    target.parent.mkdir()
    target.write_text("old\n" * 100)
    assert detect(path, path.with_name("a.png"), "--json", target) == (0, "", "")
    (line,) = target.read_text("ascii").splitlines()
    assert json.loads(line)["path"] == str(path)


def test_options_reach_the_detector(run: Run, tiny_models: Path) -> None:
    path = ROOT / "examples" / "astronaut.jpg"
    common = ["detect", path, "--json", "-", "--model", tiny_models / "crops", "--finder", tiny_models / "finder"]
    every = run(*common, "--device", "cpu", "--batch-size", 7).rows[0]["faces"]
    assert len(every) > 2  # type: ignore[arg-type]
    two = run(*common, "--device", "cpu", "--max-faces", 2).rows[0]["faces"]
    assert [f["box"] for f in two] == [f["box"] for f in every[:2]]  # type: ignore[attr-defined,index]
    none = run(*common, "--min-score", 1)
    assert (none.code, none.rows[0]["faces"]) == (0, [])
    done = run("detect", path, "--model", tiny_models / "crops", "--finder", tiny_models / "finder", "--min-score", 1)
    assert done.out == f"{path}: 0 faces\n"
    (whole,) = run("detect", path, "--json", "-", "--model", tiny_models / "whole", "--mirror").rows
    detector = facekp.Detector.from_pretrained(tiny_models / "whole", device="cpu", mirror=True)
    assert whole["faces"] == [detector(path)[0].to_dict()]


def test_drawings(detect: Run, tmp_path: Path) -> None:
    paths = [picture(tmp_path / "in" / name, (60, 80)) for name in ("a.jpg", "b.JPEG", "c.png", "d.webp", "e.x.bmp")]
    out = tmp_path / "deep" / "out"
    done = detect(*paths, "--output", out)
    assert done.code == 0
    assert sorted(p.name for p in out.iterdir()) == ["a.jpg", "b.jpg", "c.png", "d.png", "e.x.png"]
    assert done.out.splitlines()[1] == f"{paths[1]}: 1 face -> {out / 'b.jpg'}"
    for path, drawn in zip(paths, sorted(out.iterdir()), strict=True):
        before, after = cv2.imread(str(path)), cv2.imread(str(drawn))
        assert before.shape == after.shape
        assert np.abs(before.astype(int) - after).max() > 60


def test_pictures_too_large_to_wait_with_are_read_again(
    detect: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [picture(tmp_path / f"{i}.png", value=20 * i + 50) for i in range(5)]
    assert detect(*paths, "--output", tmp_path / "held").code == 0
    monkeypatch.setattr("facekp.cli.detect.HELD_PIXELS", 24 * 32 * 2)
    assert detect(*paths, "--output", tmp_path / "again").code == 0
    for path in paths:
        assert (tmp_path / "held" / path.name).read_bytes() == (tmp_path / "again" / path.name).read_bytes()


# ---------------------------------------------------------------- detect: which pictures


def test_a_directory_is_its_pictures_sorted(detect: Run, tmp_path: Path) -> None:
    for name in ("b.png", "a.jpg", "C.PNG", "deep/d.png", "deep/er/e.png"):
        picture(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "._a.jpg").write_bytes(b"no picture")
    flat = [r["path"] for r in detect(tmp_path, "--json", "-").rows]
    assert flat == [str(tmp_path / n) for n in ("C.PNG", "a.jpg", "b.png")]
    deep = [r["path"] for r in detect(tmp_path, "--json", "-", "--recursive").rows]
    assert deep == [*flat, str(tmp_path / "deep/d.png"), str(tmp_path / "deep/er/e.png")]


def test_patterns_that_the_shell_left(detect: Run, tmp_path: Path) -> None:
    for name in ("b.png", "a.png", "c.jpg", "in/d.png", "[x].png"):
        picture(tmp_path / name)
    names = [r["path"] for r in detect(tmp_path / "?.png", tmp_path / "**" / "d.*", "--json", "-").rows]
    assert names == [str(tmp_path / n) for n in ("a.png", "b.png", "in/d.png")]
    (row,) = detect(tmp_path / "[x].png", "--json", "-").rows  # a file of that very name is no pattern
    assert row["path"] == str(tmp_path / "[x].png")


def test_a_picture_is_taken_once(detect: Run, tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    done = detect(path, tmp_path, tmp_path / "*.png", tmp_path / "." / "a.png", "--json", "-")
    assert len(done.rows) == 1


def test_a_run_does_not_find_its_own_drawings(detect: Run, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    for _ in range(2):
        done = detect(tmp_path, "--recursive", "--output", tmp_path / "out", "--json", "-")
        assert [r["path"] for r in done.rows] == [str(tmp_path / "a.png")]


def test_names_that_are_no_text(detect: Run, tmp_path: Path) -> None:
    good = picture(tmp_path / "good.png")
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xe9 \n.png"))
    try:
        odd.write_bytes(good.read_bytes())
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    row = json.loads(detect(odd, "--json", "-", "--output", tmp_path / "out").out)
    assert os.fsencode(row["path"]) == os.fsencode(odd)
    assert os.fsencode(tmp_path / "out" / odd.name) in map(os.fsencode, (tmp_path / "out").iterdir())
    assert detect(odd).out == f"{tmp_path}/\\udcff\\udce9 \\n.png: 1 face\n"
    odd.write_bytes(b"")
    assert len(detect(odd, good).err.splitlines()) == 1


# ---------------------------------------------------------------- detect: nothing is overwritten


def test_same_names_from_different_folders(detect: Run, tmp_path: Path) -> None:
    paths = [picture(tmp_path / d / "a.jpg", value=v) for d, v in (("x", 40), ("y", 120), ("z", 250))]
    paths += [picture(tmp_path / "a-2.jpg"), picture(tmp_path / "w" / "A.JPG"), picture(tmp_path / "a.jpeg")]
    out = tmp_path / "out"
    lines = detect(*paths, "--output", out).out.splitlines()
    names = [Path(line.rpartition(" -> ")[2]).name for line in lines]
    assert names[:3] == ["a.jpg", "a-2.jpg", "a-3.jpg"]
    assert sorted(p.name for p in out.iterdir()) == sorted(names)
    assert len({n.casefold() for n in names}) == 6
    means = [cv2.imread(str(out / n)).mean() for n in names[:3]]
    assert means == sorted(means)


def test_folders_below_a_directory_stay(detect: Run, tmp_path: Path) -> None:
    for name in ("in/a.png", "in/x/a.png", "in/y/a.png"):
        picture(tmp_path / name)
    assert detect(tmp_path / "in", "-r", "--output", tmp_path / "out").code == 0
    assert sorted(p.relative_to(tmp_path / "out").as_posix() for p in tmp_path.rglob("out/**/*.png")) == [
        "a.png",
        "x/a.png",
        "y/a.png",
    ]


def test_an_input_is_never_overwritten(detect: Run, tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    before = path.read_bytes()
    (tmp_path / "link").symlink_to(tmp_path)
    for output in (tmp_path, tmp_path / "link", tmp_path / "x" / ".."):
        (tmp_path / "x").mkdir(exist_ok=True)
        assert detect(path, "--output", output).code == 0
        assert path.read_bytes() == before
    assert (tmp_path / "a-2.png").exists()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").symlink_to(path)
    os.link(path, tmp_path / "out" / "a-2.png")
    assert detect(path, "--output", tmp_path / "out").code == 0
    assert path.read_bytes() == before


def test_json_is_not_written_over_a_picture(detect: Run, tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    before = path.read_bytes()
    assert "is one of the pictures" in one_line(detect(path, "--json", path))
    assert path.read_bytes() == before


def test_places_that_cannot_be_written(detect: Run, tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    (tmp_path / "file").write_text("")
    assert "--output" in one_line(detect(path, "--output", tmp_path / "file"))
    assert "--output" in one_line(detect(path, "--output", tmp_path / "file" / "out"))
    assert "--json" in one_line(detect(path, "--json", tmp_path))
    assert "--json" in one_line(detect(path, "--json", tmp_path / "file" / "x.jsonl"))
    (tmp_path / "out" / "a.png").mkdir(parents=True)
    (tmp_path / "out" / "a.png" / "x").write_text("")
    assert "cannot be written" in one_line(detect(path, "--output", tmp_path / "out"))
    assert list((tmp_path / "out").glob(".*")) == []


# ---------------------------------------------------------------- detect: broken pictures


def test_the_rest_goes_on_after_a_broken_picture(detect: Run, tmp_path: Path) -> None:
    names = ["0.png", "1.png", "2.png", "3.png", "4.png"]
    paths = [picture(tmp_path / name) for name in names]
    for broken in ("0.png", "2.png", "4.png"):
        (tmp_path / broken).write_bytes(paths[1].read_bytes()[:40])
    done = detect(tmp_path, "--json", "-", "--output", tmp_path / "out")
    assert done.code == 1
    assert [Path(str(r["path"])).name for r in done.rows] == ["1.png", "3.png"]
    errors = done.err.splitlines()
    assert len(errors) == 3
    for line, name in zip(errors, ("0.png", "2.png", "4.png"), strict=True):
        assert line.startswith(f"facekp: {tmp_path / name}: ")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["1.png", "3.png"]


def test_only_broken_pictures(detect: Run, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    (tmp_path / "b.jpg").write_bytes(b"hello")
    done = detect(tmp_path, "--output", tmp_path / "out")
    assert (done.code, done.out, len(done.err.splitlines())) == (1, "", 2)


def test_a_missing_file_among_others(detect: Run, tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    done = detect(tmp_path / "missing.png", path, tmp_path / "*.gif")
    assert (done.code, done.out) == (1, f"{path}: 1 face\n")
    assert [line.split(": ")[1] for line in done.err.splitlines()] == [
        str(tmp_path / "missing.png"),
        str(tmp_path / "*.gif"),
    ]


def test_many_missing_files_are_one_line(detect: Run, tmp_path: Path) -> None:
    assert "and 7 more" in one_line(detect(*(tmp_path / f"{i}.png" for i in range(10))))


def test_a_picture_that_no_jpeg_can_hold(detect: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = picture(tmp_path / "a.jpg")
    monkeypatch.setattr("cv2.imencode", lambda *_: (False, None))
    done = detect(path, "--output", tmp_path / "out", "--json", "-")
    assert done.code == 1
    assert "cannot be saved" in done.err
    assert len(done.rows) == 1


def test_a_model_that_is_none(run: Run, tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    target = tmp_path / "points.jsonl"
    target.write_text("kept")
    (tmp_path / "empty").mkdir()
    assert "config.json" in one_line(run("detect", path, "--model", tmp_path / "empty", "--json", target))
    assert target.read_text() == "kept"
    assert "cuda:99" in one_line(run("detect", path, "--device", "cuda:99"))


# ---------------------------------------------------------------- detect: terminals, pipes, Ctrl-C


@pytest.fixture
def crowd(tmp_path: Path, tiny_models: Path) -> tuple[list[str], int]:
    """A command whose output no pipe holds, so that it waits for its reader, and how many lines that would be."""
    path, count = picture(tmp_path / "in" / "0.png"), 400
    for i in range(1, count):
        os.link(path, path.with_name(f"{i}.png"))
    model = ["--model", str(tiny_models / "whole"), "--device", "cpu", "--batch-size", "4"]
    return [*COMMAND, "detect", str(path.parent), "--json", "-", *model], count


def test_ctrl_c_leaves_whole_lines(crowd: tuple[list[str], int]) -> None:
    command, count = crowd
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs ignore Ctrl-C, and so would their children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  (no threads yet)
    )
    assert process.stdout is not None
    assert process.stderr is not None
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    # Not by communicate(), which would lose what came with the first line and lies in the stream's buffer.
    rest, errors = process.stdout.read(), process.stderr.read()
    rows = [json.loads(line) for line in [first, *rest.splitlines()]]
    assert process.wait() == 130
    assert 1 <= len(rows) < count
    assert errors == ""


def test_a_reader_that_goes_away(crowd: tuple[list[str], int]) -> None:
    process = subprocess.Popen(crowd[0], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait() == 1


def test_no_bar_in_a_pipe_and_one_on_a_terminal(tmp_path: Path, tiny_models: Path) -> None:
    pty = pytest.importorskip("pty", reason="there are no terminals on this system")
    for i in range(3):
        picture(tmp_path / f"{i}.png")
    (tmp_path / "1.png").write_bytes(b"")
    command = [*COMMAND, "detect", str(tmp_path), "--json", "-", "--model", str(tiny_models / "whole")]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "FORCE_COLOR": "1"}
    piped = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert len(piped.stderr.splitlines()) == 1
    assert "\x1b" not in piped.stderr + piped.stdout
    master, slave = pty.openpty()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=slave, env=environment) as process:
        os.close(slave)
        assert process.stdout is not None
        out, seen = process.stdout.read(), b""
        try:
            while block := os.read(master, 4096):
                seen += block
        except OSError:  # how Linux says that the other end is closed
            pass
    os.close(master)
    assert b"3/3" in seen
    assert b"1.png: is empty" in seen
    assert [len(json.loads(line)["faces"]) for line in out.splitlines()] == [1, 1]
    assert b"\x1b" not in out


# ---------------------------------------------------------------- the other verbs


def test_models_are_listed(run: Run, tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = {name: tiny_models / name for name in ("whole", "finder")}
    monkeypatch.setattr("facekp.hub.bundled", lambda: folders)
    lines = run("models").out.splitlines()
    assert [line.split()[:2] for line in lines] == [["whole", "keypoints"], ["finder", "finder"]]
    assert [row["name"] for row in run("models", "--json").rows] == ["whole", "finder"]


def test_recipes_are_listed(run: Run) -> None:
    pytest.importorskip("pydantic")
    done = run("train", "--list")
    names = [line.split()[0] for line in done.out.splitlines()]
    assert done.code == 0
    assert {"finder", "resnet18-ibug"} <= set(names)
    assert names == sorted(names)


def test_train_gives_the_recipe_to_the_library(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit = pytest.importorskip("facekp.training.run", reason="needs facekp[train]")
    calls = []

    def record(recipe: object, output: Path, *, resume: bool) -> Path:
        calls.append((recipe, output, resume))
        return output / "model"

    monkeypatch.setattr(fit, "fit", record)
    odd = tmp_path / "a: b # c"
    options = ["--data", odd, "--output", tmp_path / "run", "--set", "epochs=3", "--set", "optimizer.lr=3e-4"]
    assert run("train", "resnet18-ibug", *options, "--resume").out == f"{tmp_path / 'run' / 'model'}\n"
    ((recipe, output, resume),) = calls
    assert (recipe.data.root, recipe.epochs, recipe.optimizer.lr) == (str(odd), 3, 3e-4)
    assert (output, resume) == (tmp_path / "run", True)
    assert run("train", "finder", "--data", "data").code == 0
    assert calls[1][1:] == (Path("runs/finder"), False)


def test_ctrl_c_in_training(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit = pytest.importorskip("facekp.training.run", reason="needs facekp[train]")

    def stopped(*_: object, **__: object) -> None:
        raise SystemExit(1)  # what Lightning does

    monkeypatch.setattr(fit, "fit", stopped)
    assert "--resume" in one_line(run("train", "finder", "--output", tmp_path), 130)


def test_a_missing_extra_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "facekp.training", raising=False)
    monkeypatch.setitem(sys.modules, "lightning", None)
    assert "pip install 'facekp[train]'" in one_line(run("train", "finder"))
