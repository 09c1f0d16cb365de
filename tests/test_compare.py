"""Runs side by side: from folders written for the purpose."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lightning", reason="needs the extra: pip install 'facekp[train]'")

from facekp.cli import main
from facekp.errors import ArgumentError
from facekp.training import compare

RECIPE = {"name": "tiny", "epochs": 4, "optimizer": {"name": "adam", "lr": 0.001}, "crop": {"size": [64, 64]}}
METRICS = "epoch,step,train/loss,val/nme\n0,9,4.0,\n0,9,,0.08\n1,19,2.0,\n1,19,,0.05\n2,29,1.5,\n2,29,,0.06\n"


def run(folder: Path, *, metrics: str = METRICS, model: float | None = None, **changes: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "recipe.json").write_text(json.dumps(RECIPE | changes), "utf-8")
    (folder / "metrics.csv").write_text(metrics, "utf-8")
    os.utime(folder / "recipe.json", (1000, 1000))
    os.utime(folder / "metrics.csv", (1150, 1150))
    if model is not None:
        (folder / "model").mkdir()
        (folder / "model" / "config.json").write_text(json.dumps({"metrics": [{"nme": model}]}), "utf-8")
    return folder


def test_what_a_run_says(tmp_path: Path) -> None:
    (one,) = compare.read([run(tmp_path / "a", model=0.0512)])
    assert (one.name, one.epochs, one.seconds, one.model) == ("a", 3, 150, 0.0512)
    assert one.best("val/nme") == (0.05, 1)
    assert one.best("val/nme", maximize=True) == (0.08, 0)
    assert one.last("val/nme") == 0.06
    assert one.last("train/loss") == 1.5
    assert one.best("val/ap") is None
    assert one.last("val/ap") is None


def test_a_table_of_runs_and_what_differs(tmp_path: Path) -> None:
    first = run(tmp_path / "a", model=0.0512)
    second = run(tmp_path / "b", optimizer={"name": "adam", "lr": 0.01, "clip": 5}, metrics="epoch,step\n", name="big")
    runs = compare.read([first, second])
    assert compare.differences(runs) == {
        "name": ["tiny", "big"],
        "optimizer.lr": [0.001, 0.01],
        "optimizer.clip": [None, 5],
    }
    head, *rows = compare.table(runs).splitlines()
    text = " ".join(head.split())
    assert text == "run epochs time train loss best val/nme epoch last model name optimizer.lr optimizer.clip"
    assert " ".join(rows[0].split()) == "a 3/4 2.5 min 1.5 5.00 % 1 6.00 % 5.12 % tiny 0.001 -"
    assert " ".join(rows[1].split()) == "b 0/4 2.5 min - - - - - big 0.01 5"
    assert len({len(row) for row in rows}) == 1


def test_json_says_the_same(tmp_path: Path) -> None:
    runs = compare.read([run(tmp_path / "a"), run(tmp_path / "b", epochs=9)])
    plain = compare.to_dict(runs)
    assert plain["runs"][1] == {
        "name": "b",
        "folder": str(tmp_path / "b"),
        "epochs": 3,
        "planned": 9,
        "seconds": 150.0,
        "train_loss": 1.5,
        "best": 0.05,
        "best_epoch": 1,
        "last": 0.06,
        "model_nme": None,
        "differs": {"epochs": 9},
    }
    assert json.loads(json.dumps(plain)) == plain


def test_a_resumed_run_has_all_its_epochs_and_no_time(tmp_path: Path) -> None:
    folder = run(tmp_path / "a")
    (folder / "metrics.csv").rename(folder / "metrics.0.csv")
    (folder / "metrics.csv").write_text("epoch,step,train/loss,val/nme\n3,39,1,0.04\n", "utf-8")
    (one,) = compare.read([folder])
    assert (one.epochs, one.seconds, one.best("val/nme")) == (4, None, (0.04, 3))


def test_runs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    folders = [run(tmp_path / x / "run") for x in "ab"]
    assert [r.name for r in compare.read(folders)] == ["a/run", "b/run"]


def test_a_figure_has_a_curve_for_each_run(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs facekp[plots]")
    (axes,) = compare.figure(compare.read([run(tmp_path / "a"), run(tmp_path / "b")])).axes
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["a", "b"]
    assert axes.get_lines()[0].get_ydata().tolist() == pytest.approx([8, 5, 6])


def test_wrong_folders(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="at least one run"):
        compare.read([])
    with pytest.raises(ArgumentError, match=r"no recipe\.json"):
        compare.read([tmp_path])
    good = run(tmp_path / "a")
    with pytest.raises(ArgumentError, match="twice"):
        compare.read([good, tmp_path / "b" / ".." / "a"])
    (tmp_path / "round").symlink_to("round")
    with pytest.raises(ArgumentError, match=r"no recipe\.json"):
        compare.read([tmp_path / "round"])
    with pytest.raises(ArgumentError, match="no run has measured 'val/ap'; there are: train/loss, val/nme"):
        compare.table(compare.read([good]), metric="val/ap")
    (good / "recipe.json").write_text("[]", "utf-8")
    with pytest.raises(ArgumentError, match=r"recipe\.json: expected keys and values"):
        compare.read([good])
    (good / "recipe.json").write_text("{", "utf-8")
    with pytest.raises(ArgumentError, match=r"recipe\.json: cannot be read"):
        compare.read([good])
    run(tmp_path / "c")
    (tmp_path / "c" / "metrics.csv").unlink()
    with pytest.raises(ArgumentError, match=r"no metrics\.csv"):
        compare.read([tmp_path / "c"])


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="needs facekp[plots]")
    folders = [str(run(tmp_path / x)) for x in "ab"]
    assert main(["compare", *folders, "--output", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.splitlines()[2].startswith("b ")
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"compare.json", "compare.png"}
    assert main(["compare", *folders, "--json", "-"]) == 0
    assert len(json.loads(capsys.readouterr().out)["runs"]) == 2
    assert main(["compare", *folders, "--metric", "val/iou"]) == 2
    assert "no run has measured 'val/iou'" in capsys.readouterr().err
    assert main(["compare", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "is it the folder of a run?" in said
    assert said.count("\n") == 1
