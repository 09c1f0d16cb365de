"""No verb writes over what it reads, by whatever name, nor into nothing."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from facekp import cli, datasets, hub, schema
from facekp.cli import outputs
from facekp.errors import ArgumentError, HubError

Files = dict[Path, bytes]


@pytest.fixture
def work(tmp_path: Path, tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a data set ``in``, a model, and links to their files."""
    picture = np.full((100, 100, 3), 90, np.uint8)
    picture[::25] //= 2
    for place in ("in", "300w/lfpw/testset"):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        assert cv2.imwrite(str(folder / "a.jpg"), picture)
        datasets.write_pts(folder / "a.pts", schema.get("ibug68").mean_shape * 50 + 50)
    (tmp_path / "in" / "notes.json").write_text("{}")
    shutil.copytree(tiny_models / "whole", tmp_path / "m")
    (tmp_path / "run").mkdir()
    for name in ("recipe.json", "metrics.csv"):
        (tmp_path / "run" / name).write_text("{}")
    (tmp_path / "recipe.yaml").write_text("a: 1\n")
    (tmp_path / "test.csv").write_text("ImageId,Image\n")
    (tmp_path / "soft.json").symlink_to(tmp_path / "in" / "a.pts")
    os.link(tmp_path / "in" / "a.pts", tmp_path / "hard.json")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder: Path) -> Files:
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


INSPECT = ["inspect", "in"]
EVALUATE = ["evaluate", "m", "--device", "cpu", "--data", "in"]
DETECT = ["detect", "in", "--device", "cpu", "--model", "m"]
KAGGLE = ["predict", "m", "--device", "cpu", "--kaggle", "test.csv", "--lookup", "test.csv"]


@pytest.mark.parametrize(
    ("command", "target"),
    [
        *((INSPECT, f"--json {name}") for name in ("in/a.pts", "in/a.jpg", "soft.json", "hard.json", "in/../in/a.pts")),
        (["inspect", "in/notes.json"], "--json in/notes.json"),
        (INSPECT, "--sheet in/a.jpg"),
        *((EVALUATE, f"--json {name}") for name in ("in/a.jpg", "m/config.json", "m/model.safetensors", "hard.json")),
        (["compare", "run"], "--json run/metrics.csv"),
        (["compare", "run"], "--json run/recipe.json"),
        (["search", "recipe.yaml", "--over", "a=1", "--output", "new"], "--json recipe.yaml"),
        (["benchmark", "finder", "--data", "in"], "--output in/a.pts"),
        (["benchmark", "speed", "in"], "--output in/a.jpg"),
        *((DETECT, f"--json {name}") for name in ("in/a.jpg", "in/a.pts", "m/config.json", "soft.json")),
        (DETECT, "--csv hard.json"),
        (["video", "in.mp4", "--model", "m"], "--json m/config.json"),
        (KAGGLE, "--output test.csv"),
    ],
)
def test_what_is_read_stays(work: Path, capfd: pytest.CaptureFixture[str], command: list[str], target: str) -> None:
    before = files(work)
    option, name = target.split()
    assert cli.main([*command, option, name]) == 2
    out, err = capfd.readouterr()
    assert (out, len(err.splitlines())) == ("", 1), err
    assert err.startswith(f"facekp: {option} {name}: ")
    assert "name another file" in err
    assert files(work) == before


def test_a_sheet_is_not_written_over_a_picture(work: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="needs facekp[plots]")
    part = Path("300w/lfpw/testset")
    os.link(part / "a.jpg", part / "worst.png")
    (part / "out").mkdir()
    (part / "out" / "ced.png").symlink_to(work / part / "a.jpg")
    before = files(work)
    arguments = ["evaluate", "m", "--device", "cpu", "--data", "300w", "--split", "lfpw/testset", "--output"]
    for output in (part, part / "out"):
        assert cli.main([*arguments, str(output)]) == 2
        assert "is one of the pictures that are read" in capfd.readouterr().err
    assert files(work) == before
    for _ in range(2):
        assert cli.main([*arguments, "300w/lfpw/report"]) == 0


def test_an_earlier_report_is_replaced(work: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for target in ("report.json", "in/report.json", "report.txt"):
        Path(target).write_text("old")
        assert cli.main([*INSPECT, "--json", target]) == 0
        assert Path(target).read_text("utf-8").startswith("{")
    for target in ("in/new.jsonl", "in/new.csv"):
        for _ in range(2):
            assert cli.main([*DETECT, "--csv" if target.endswith("csv") else "--json", target]) == 0
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "command",
    [
        *([*DETECT, option] for option in ("--output", "--json", "--csv", "--pts", "--parquet")),
        *([*INSPECT, option] for option in ("--json", "--sheet")),
        *([*EVALUATE, option] for option in ("--json", "--output")),
        *(["compare", "run", option] for option in ("--json", "--output")),
        ["search", "recipe.yaml", "--over", "a=1", "--output"],
        ["train", "resnet18-ibug", "--output"],
        ["video", "in.mp4", "--json"],
        ["benchmark", "speed", "in", "--output"],
        [*KAGGLE, "--output"],
        ["export", "m", "--output"],
        ["convert", "in", "--to", "pts"],
        ["pack", "in"],
    ],
)
def test_an_empty_name_is_none(work: Path, capfd: pytest.CaptureFixture[str], command: list[str]) -> None:
    before = files(work)
    assert cli.main([*command, ""]) == 2
    err = capfd.readouterr().err
    assert len(err.splitlines()) == 1
    assert "is empty" in err
    assert files(work) == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipes_that_nobody_reads(work: Path, capfd: pytest.CaptureFixture[str]) -> None:
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        for command in ([*DETECT, "--json"], [*DETECT, "--csv"], [*INSPECT, "--json"], ["video", "in.mp4", "--json"]):
            for name, says in (("pipe", "is a named pipe; name a file"), ("socket", "is neither a file nor a pipe")):
                assert cli.main([*command, name]) == 2
                assert f"{command[-1]} {name}: {says}" in capfd.readouterr().err
    assert cli.main(["convert", "in", "pipe", "--to", "coco"]) == 2
    assert "DST pipe: is a named pipe" in capfd.readouterr().err


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="this system has no /dev/stdout")
def test_devices_take_what_is_written(work: Path, capfd: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-m", "facekp", *DETECT, "--json", "/dev/stdout"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # /dev/stdout is a pipe here
    assert (done.returncode, done.stderr, done.stdout.count('"path"')) == (0, "", 1)
    assert cli.main([*DETECT, "--json", "/dev/null"]) == 0
    assert cli.main([*INSPECT, "--json", "/dev/null"]) == 0
    assert capfd.readouterr().err == ""


def test_names_that_are_too_long_or_odd(tmp_path: Path) -> None:
    for name in ("x" * 5000, "a\0b", tmp_path, tmp_path / "new"):
        outputs.check("--json", name, ["x" * 5000, "", None, tmp_path / "nowhere", tmp_path])
    (tmp_path / "a.CSV").touch()
    with pytest.raises(ArgumentError, match=r"a\.CSV"):
        outputs.check("--json", tmp_path / "a.CSV", [tmp_path])
    outputs.check("--csv", tmp_path / "a.CSV", [tmp_path], own={".csv"})


def test_only_models_that_would_do_are_offered() -> None:
    def offered(kind: str | None) -> str:
        with pytest.raises(HubError) as error:
            hub.load("./nowhere", kind=kind)
        return str(error.value).partition("one of: ")[2]

    check: Callable[[str], bool] = lambda text: "finder" in text.split(", ")  # noqa: E731
    assert [check(offered(kind)) for kind in ("keypoints", "finder", None)] == [False, True, True]


def test_the_option_for_other_points_is_named(work: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["convert", "in", "out", "--to", "wflw"]) == 2
    assert "(--to-schema wflw98)" in capfd.readouterr().err
