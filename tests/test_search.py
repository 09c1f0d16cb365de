"""The search: its loop with runs that are acted, and at the end real ones in processes of their own."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("lightning", reason="needs the extra: pip install 'facekp[train]'")
pytest.importorskip("optuna", reason="needs the extra: pip install 'facekp[search]'")

import optuna

from facekp import datasets, schema
from facekp.cli import main
from facekp.errors import ArgumentError, MissingExtraError, RecipeError
from facekp.training import search as searching
from facekp.training import search_loop, space
from facekp.training.search import search

# ---------------------------------------------------------------- what is tried


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("optimizer.lr=log:1e-4..1e-2", space.Axis("optimizer.lr", (), 1e-4, 1e-2, True)),
        ("optimizer.weight_decay=0..0.1", space.Axis("optimizer.weight_decay", (), 0.0, 0.1)),
        ("network.head_width=32..256", space.Axis("network.head_width", (), 32, 256)),
        ("codec.sigma=1,1.5,2", space.Axis("codec.sigma", (1, 1.5, 2))),
        ("optimizer.lr=3e-4,1e-3", space.Axis("optimizer.lr", (3e-4, 1e-3))),
        ("augment=strong,none", space.Axis("augment", ("strong", "none"))),
        ("crop.size=[96, 96],[128, 128]", space.Axis("crop.size", ([96, 96], [128, 128]))),
        ("early_stopping=null,{patience: 3}", space.Axis("early_stopping", (None, {"patience": 3}))),
    ],
)
def test_axes(text: str, expected: space.Axis) -> None:
    found = space.parse(text)
    assert found == expected
    assert type(found.low) is type(expected.low)
    assert space.parse(str(found)) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("optimizer.lr", "expected KEY=LOW..HIGH"),
        ("=1,2", "expected KEY=LOW..HIGH"),
        ("lr=", "expected KEY=LOW..HIGH"),
        ("lr=1..x", "two numbers"),
        ("lr=2..1", "the lower one first"),
        ("lr=log:0..1", "must be positive"),
        ("lr=log:1,2", "expected LOW..HIGH"),
        ("lr=0..inf", "two numbers"),
        ("lr=1,{", "no list of YAML values"),
        ("lr=2020-01-01,1", "no list of YAML values"),
        ("lr=2020-13-01,1", "no list of YAML values"),
        ("lr=1,2,1", "stands there twice"),
    ],
)
def test_wrong_axes(text: str, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        space.parse(text)


@given(st.lists(st.floats(1e-6, 1e6), min_size=2, max_size=2, unique=True), st.booleans())
def test_a_range_survives_its_text(ends: list[float], log: bool) -> None:
    axis = space.Axis("a.b", (), min(ends), max(ends), log)
    assert space.parse(str(axis)) == axis


def test_a_grid_is_every_combination() -> None:
    axes = [space.parse("a=1,2"), space.parse("b=x,[3]")]
    points = space.grid(axes)
    assert points == [{"a": 1, "b": "x"}, {"a": 1, "b": "[3]"}, {"a": 2, "b": "x"}, {"a": 2, "b": "[3]"}]
    assert axes[1].value("[3]") == [3]
    with pytest.raises(ArgumentError, match=r"a grid needs a list of values, e\.g\. c=0,1"):
        space.grid([space.parse("c=0..1")])


# ---------------------------------------------------------------- the loop


class Acted:
    """A run that measures what a function of its learning rate says, one more epoch at each look."""

    act: Callable[[float], list[float] | str]
    ran: list[str]

    def __init__(self, recipe: Any, overrides: list[str], folder: Path, threads: int) -> None:
        self.folder, self.stopped, self.process = folder, False, self
        (rate,) = (float(o.partition("=")[2]) for o in overrides if o.startswith("optimizer.lr"))
        said = type(self).act(rate)
        self.failure = said if isinstance(said, str) else None
        self.values = [] if isinstance(said, str) else said
        self.shown = 0
        type(self).ran.append(folder.name)

    @property
    def ended(self) -> bool:
        return self.shown >= len(self.values)

    def reason(self) -> str | None:
        return self.failure

    def measured(self, metric: str) -> list[tuple[int, float]]:
        self.shown += 1
        return list(enumerate(self.values[: self.shown]))

    def terminate(self) -> None:
        self.stopped = True

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def on_disk(monkeypatch: pytest.MonkeyPatch) -> type[Acted]:
    monkeypatch.setattr(search_loop, "Attempt", Acted)
    monkeypatch.setattr(search_loop, "wait", lambda attempts, seconds: None)
    monkeypatch.setattr(search_loop, "POLL", 0.0)
    Acted.act, Acted.ran = staticmethod(lambda rate: [2 * rate, rate]), []
    return Acted


@pytest.fixture
def acted(on_disk: type[Acted], monkeypatch: pytest.MonkeyPatch) -> type[Acted]:
    """Studies in memory, where a call finds those of the calls before: a data base takes seconds to set up."""
    kept: dict[str, Any] = {}
    memory = optuna.storages.InMemoryStorage
    monkeypatch.setattr(searching, "_storage", lambda url: kept.setdefault(url, memory()))
    return on_disk


def study_in(folder: Path) -> Any:
    storage = searching._storage(f"sqlite:///{folder / 'study.db'}")
    return optuna.load_study(study_name="tiny", storage=storage)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(
        "name: tiny\ndata: {sets: [{name: 300w}], validation: 300w}\nnetwork: {name: resnet}\n"
        "codec: {name: soft_argmax}\n",
        "utf-8",
    )
    return path


GRID = ["optimizer.lr=0.3,0.1,0.2"]


def test_a_grid_is_searched_once(acted: type[Acted], recipe: Path, tmp_path: Path) -> None:
    found = search(recipe, GRID, tmp_path / "out", sampler="grid", workers=2)
    assert [(t.run, t.state, t.value, t.last, t.epochs) for t in found.trials] == [
        ("trial-0000", "complete", 0.3, 0.3, 2),
        ("trial-0001", "complete", 0.1, 0.1, 2),
        ("trial-0002", "complete", 0.2, 0.2, 2),
    ]
    assert found.best is not None
    assert found.best.parameters == {"optimizer.lr": 0.1}
    assert [t.value for t in found.ranked()] == [0.1, 0.2, 0.3]
    again = search(recipe, GRID, tmp_path / "out", sampler="grid")
    assert again == found
    assert len(acted.ran) == 3


def test_the_best_validation_counts_whichever_way(acted: type[Acted], recipe: Path, tmp_path: Path) -> None:
    acted.act = staticmethod(lambda rate: [0.5, 0.5 + rate, 0.5 - rate])
    least = search(recipe, GRID, tmp_path / "a", sampler="grid")
    most = search(recipe, GRID, tmp_path / "b", sampler="grid", maximize=True)
    assert [t.value for t in least.trials] == [pytest.approx(v) for v in (0.2, 0.4, 0.3)]
    assert [t.value for t in most.trials] == [pytest.approx(v) for v in (0.8, 0.6, 0.7)]
    assert most.best is not None
    assert most.best.run == "trial-0000"
    with pytest.raises(RecipeError, match="its study is one to maximize"):
        search(recipe, GRID, tmp_path / "b", sampler="grid")


@pytest.mark.parametrize(("sampler", "storage"), [("random", "acted"), ("tpe", "on_disk")])
def test_a_search_goes_on_where_it_was(
    sampler: str, storage: str, request: pytest.FixtureRequest, recipe: Path, tmp_path: Path
) -> None:
    acted: type[Acted] = request.getfixturevalue(storage)
    over = ["optimizer.lr=log:1e-3..1e-1", "network.head_width=8..64"]
    first = search(recipe, over, tmp_path / "out", trials=3, sampler=sampler)
    more = search(recipe, over, tmp_path / "out", trials=5, sampler=sampler)
    assert more.trials[:3] == first.trials
    assert acted.ran == [f"trial-{i:04d}" for i in range(5)]
    rates = [t.parameters["optimizer.lr"] for t in more.trials]
    assert len(set(rates)) == 5  # the second call does not begin with the first one's numbers
    assert all(1e-3 <= rate <= 1e-1 for rate in rates)
    assert all(isinstance(t.parameters["network.head_width"], int) for t in more.trials)
    assert more.log_keys == ("optimizer.lr",)
    twin = search(recipe, over, tmp_path / "twin", trials=3, sampler=sampler)
    assert [t.parameters for t in twin.trials] == [t.parameters for t in first.trials]


def test_a_failure_is_told_and_tried_again(acted: type[Acted], recipe: Path, tmp_path: Path) -> None:
    acted.act = staticmethod(lambda rate: "out of memory" if rate == 0.1 else [rate])
    found = search(recipe, GRID, tmp_path / "out", sampler="grid")
    assert [(t.state, t.value, t.reason) for t in found.trials] == [
        ("complete", 0.3, None),
        ("failed", None, "out of memory"),
        ("complete", 0.2, None),
    ]
    assert [row["reason"] for row in csv.DictReader(found.to_csv().splitlines())] == ["", "out of memory", ""]
    assert "failed" in found.table().splitlines()[-1]
    acted.act = staticmethod(lambda rate: [rate])
    again = search(recipe, GRID, tmp_path / "out", sampler="grid")
    assert acted.ran[3:] == ["trial-0001"]
    assert [t.state for t in again.trials] == ["complete"] * 3


def test_a_search_in_which_nothing_works_stops(acted: type[Acted], recipe: Path, tmp_path: Path) -> None:
    acted.act = staticmethod(lambda rate: "no data here")
    with pytest.raises(RecipeError, match="all of 3 trials failed: no data here"):
        search(recipe, ["optimizer.lr=0.1..0.9"], tmp_path / "out", trials=10)
    assert len(acted.ran) == 3
    acted.act = staticmethod(lambda rate: [math.nan])
    with pytest.raises(RecipeError, match="all of 1 trials failed: it has measured no val/nme"):
        search(recipe, ["optimizer.lr=0.1,0.9"], tmp_path / "other", trials=1)


def test_what_lies_behind_is_pruned(acted: type[Acted], recipe: Path, tmp_path: Path) -> None:
    acted.act = staticmethod(lambda rate: [rate] * 4)
    over = ["optimizer.lr=0.1,0.11,0.12,0.13,0.14,0.9"]
    found = search(recipe, over, tmp_path / "out", sampler="grid", pruner="median")
    assert [t.state for t in found.trials] == ["complete"] * 5 + ["pruned"]
    assert found.trials[-1].epochs == 1
    assert found.best is not None
    assert found.best.value == 0.1
    assert all(t.state == "complete" for t in search(recipe, over, tmp_path / "all", sampler="grid").trials)


def test_ctrl_c_stops_the_runs_and_the_next_call_goes_on(
    acted: type[Acted], recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = []

    def interrupt(attempts: list[Acted], seconds: float) -> None:
        stopped.extend(attempts)
        raise KeyboardInterrupt

    monkeypatch.setattr(search_loop, "wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        search(recipe, GRID, tmp_path / "out", sampler="grid", workers=2)
    assert [one.stopped for one in stopped] == [True, True]
    monkeypatch.setattr(search_loop, "wait", lambda attempts, seconds: None)
    found = search(recipe, GRID, tmp_path / "out", sampler="grid")
    assert sorted(acted.ran) == ["trial-0000", "trial-0000", "trial-0001", "trial-0001", "trial-0002"]
    assert sorted(t.parameters["optimizer.lr"] for t in found.trials) == [0.1, 0.2, 0.3]


def test_trials_of_a_dead_command_are_taken_over(acted: type[Acted], recipe: Path, tmp_path: Path) -> None:
    search(recipe, GRID, tmp_path / "out", sampler="grid", trials=1)
    study = study_in(tmp_path / "out")
    dead = study.ask()  # the second point of the grid
    dead.suggest_categorical("optimizer.lr", [0.3, 0.1, 0.2])
    dead.set_user_attr("run", "trial-0001")
    dead.set_user_attr("alive", 0.0)
    found = search(recipe, GRID, tmp_path / "out", sampler="grid")
    assert sorted(acted.ran) == ["trial-0000", "trial-0001", "trial-0002"]
    assert sorted((t.run, t.state) for t in found.trials) == [(f"trial-000{i}", "complete") for i in range(3)]


def test_no_trial_too_many(acted: type[Acted], recipe: Path, tmp_path: Path) -> None:
    """Two commands want the last trial: the slower one gives its own back."""
    search(recipe, GRID, tmp_path / "out", sampler="grid")
    study = study_in(tmp_path / "out")
    loop = search_loop.Loop(study, [space.parse(GRID[0])], recipe, (), tmp_path / "out", "val/nme", 3, 1, 0)
    loop._start()
    assert not loop.going
    assert study.trials[-1].state.name == "FAIL"
    assert len(search(recipe, GRID, tmp_path / "out", sampler="grid").trials) == 3


def test_another_search_in_the_same_place(acted: type[Acted], recipe: Path, tmp_path: Path) -> None:
    search(recipe, GRID, tmp_path / "out", sampler="grid")
    with pytest.raises(RecipeError, match=r"another over: .*0\.4"):
        search(recipe, ["optimizer.lr=0.4,0.1"], tmp_path / "out", sampler="grid")
    with pytest.raises(RecipeError, match="another metric: val/nme, now val/loss"):
        search(recipe, GRID, tmp_path / "out", sampler="grid", metric="val/loss")
    with pytest.raises(RecipeError, match="another recipe: epochs: 10, now 3"):
        search(recipe, GRID, tmp_path / "out", sampler="grid", fixed=["epochs=3"])
    assert len(acted.ran) == 3


def test_wrong_input_is_told_before_the_first_trial(on_disk: type[Acted], recipe: Path, tmp_path: Path) -> None:
    def fails(said: str, kind: type[Exception], *over: str, **options: Any) -> None:
        with pytest.raises(kind, match=said):
            search(recipe, over or GRID, tmp_path / "out", **options)

    fails("optimizer.rate: unknown key", RecipeError, "optimizer.rate=1,2")
    fails("optimizer.lr", RecipeError, "optimizer.lr=0.1,-1")
    fails("each key once", ArgumentError, "epochs=1,2", "epochs=3,4")
    fails("unknown sampler 'best'; choose one of: grid, random, tpe", ArgumentError, sampler="best")
    fails("unknown pruner 'all'; choose one of: median, none", ArgumentError, pruner="all")
    fails("at least 1", ArgumentError, trials=0)
    fails("at least 1", ArgumentError, workers=0)
    fails("one device", RecipeError, fixed=["devices=2"])
    with pytest.raises(ArgumentError, match="at least one --over"):
        search(recipe, [], tmp_path / "out")
    broken = tmp_path / "notes.txt"
    broken.write_text("no data base" * 100, "utf-8")
    fails(r"notes\.txt: cannot be used", ArgumentError, storage=broken)
    assert not on_disk.ran


def test_without_optuna(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'facekp\[search\]'"):
        search(recipe, GRID, tmp_path / "out")


def test_the_command(on_disk: type[Acted], recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="needs facekp[plots]")
    out = tmp_path / "out"
    words = ["search", str(recipe), "--over", GRID[0], "--sampler", "grid", "--output", str(out)]
    assert main(words) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].split() == ["run", "state", "best", "val/nme", "last", "epochs", "time", "optimizer.lr"]
    assert said[1].split()[:5] == ["trial-0001", "complete", "10.00", "%", "10.00"]
    assert said[-1] == f"best: {out / 'trial-0001'}"
    assert {p.name for p in out.iterdir()} == {"study.db", "trials.csv", "trials.json", "history.png", "slices.png"}
    assert main([*words, "--json", "-"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((out / "trials.json").read_text("utf-8"))
    assert printed["best"]["parameters"] == {"optimizer.lr": 0.1}
    for wrong in (
        ["--over", "optimizer.rate=1,2"],
        ["--over", "epochs=1..x"],
        ["--sampler", "best"],
        ["--workers", "0"],
    ):
        assert main([*words[:2], *wrong, *words[4:]] if wrong[0] == "--over" else [*words, *wrong]) == 2
        assert capsys.readouterr().err.count("\n") == 1


# ---------------------------------------------------------------- real runs


def tiny(root: Path, **changes: Any) -> Path:
    """A 300-W in the small and its recipe, which is JSON and so YAML."""
    rng = np.random.default_rng(0)
    mean = schema.get("ibug68").mean_shape
    (root / "lfpw" / "trainset").mkdir(parents=True)
    for i in range(6):
        points = mean * rng.uniform(30, 36) + rng.uniform(30, 34, 2)
        image = np.full((64, 64, 3), 90 + 5 * i, np.uint8)
        for k, (x, y) in enumerate(points):
            cv2.circle(image, (round(x), round(y)), 1, (int(3 * k), 255 - int(3 * k), 60), -1)
        path = root / "lfpw" / "trainset" / f"image_{i:04d}.png"
        cv2.imwrite(str(path), image)
        datasets.write_pts(path.with_suffix(".pts"), points)
    (root / "validation.txt").write_text("lfpw/trainset/image_0000.png\n", "utf-8")
    values = {
        "name": "tiny",
        "data": {
            "sets": [{"name": "300w", "root": str(root), "split": "lfpw/trainset"}],
            "validation": str(root / "validation.txt"),
        },
        "crop": {"size": [32, 32], "scale": 1.3},
        "network": {"name": "resnet", "depth": 18, "head": "regression", "head_width": 8},
        "codec": {"name": "regression"},
        "augment": "none",
        "epochs": 1,
        "batch_size": 5,
        "workers": 0,
    }
    path = root / "tiny.yaml"
    path.write_text(json.dumps(values | changes), "utf-8")
    return path


@pytest.mark.slow
def test_two_runs_at_a_time_and_one_that_fails(tmp_path: Path) -> None:
    recipe = tiny(tmp_path / "data")
    over = ["optimizer.lr=1e-4,1e-3", "network.head_width=8,-8"]
    found = search(recipe, over, tmp_path / "out", sampler="grid", workers=2)
    assert sorted(t.state for t in found.trials) == ["complete", "complete", "failed", "failed"]
    for trial in found.trials:
        folder = tmp_path / "out" / trial.run
        assert (folder / "log.txt").exists()
        assert (folder / "model" / "config.json").exists() == (trial.state == "complete")
        assert (trial.reason is None) == (trial.state == "complete")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a system with SIGKILL")
def test_a_killed_search_leaves_no_run_behind_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = tiny(tmp_path / "data", epochs=2000)
    out = tmp_path / "out"
    words = ["search", str(recipe), "--over", "optimizer.lr=1e-4,1e-3", "--sampler", "grid", "--output", str(out)]
    code = "import sys; from facekp.cli import main; sys.exit(main(sys.argv[1:]))"
    command = subprocess.Popen([sys.executable, "-c", code, *words, "--set", "validate_every=1"])
    metrics, log = out / "trial-0000" / "metrics.csv", out / "trial-0000" / "log.txt"
    while not metrics.exists() or len(metrics.read_text("utf-8").splitlines()) < 4:
        assert command.poll() is None, log.read_text("utf-8") if log.exists() else "no log"
        time.sleep(0.2)
    os.kill(command.pid, signal.SIGKILL)
    command.wait()
    time.sleep(5)
    before = metrics.read_text("utf-8")
    time.sleep(3)
    assert metrics.read_text("utf-8") == before  # nobody goes on writing
    study = study_in(out)
    assert [t.state.name for t in study.trials] == ["RUNNING", "WAITING"]
