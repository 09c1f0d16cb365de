"""The results page: its list of systems, its numbers, and that it is what the record says."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PAGE, RECORD = ROOT / "docs" / "results.md", ROOT / "benchmarks" / "results" / "systems.json"
PICTURES = ROOT / "docs" / "assets" / "results"

recipe = pytest.importorskip("facekp.training.recipe", reason="needs facekp[train]")


@pytest.fixture
def systems(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return pytest.importorskip("systems")


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    return pytest.importorskip("results_text")


def test_every_recipe_of_a_system_is_on_the_list(systems: ModuleType) -> None:
    listed = {run.recipe for run in systems.read()[1]}
    names = set(recipe.names())
    classic = {name for name in names if name.startswith(("nose-tip", "all-points", "300w", "pixelwise", "kaggle"))}
    # A quick recipe stands for the one that it makes smaller.
    shown = listed | {name.removesuffix("-quick") for name in listed}
    assert classic - shown == set()


def test_every_run_is_a_recipe_that_loads(systems: ModuleType, tmp_path: Path) -> None:
    for run in systems.read()[1]:
        loaded = recipe.load(run.recipe, run.overrides(tmp_path, tmp_path / "runs"))
        assert Path(loaded.data.root) == tmp_path
        again = recipe.load(run.recipe, run.changes("kaggle"))
        assert again.model_dump(exclude={"data"}) == loaded.model_dump(exclude={"data"})


def test_one_model_for_each_point(systems: ModuleType) -> None:
    single = [run for run in systems.read()[1] if run.listed == "e-single"]
    assert len({run.set[-1] for run in single}) == len(single) == 15
    assert systems.chosen(single, "e-single", "0/1") == single
    assert systems.chosen(single, "e-single-nose_tip", "0/1") == [single[10]]
    assert systems.chosen(single, None, "1/2") == single[1::2]
    with pytest.raises(SystemExit, match="there is no a0"):
        systems.chosen(single, "a0", "0/1")


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0.000331, "0.000331"), (0.0000012, "0.0000012"), (5.8649, "5.86"), (22.0, "22.0"), (1234.5, "1234")],
)
def test_numbers(say: ModuleType, value: float | None, text: str) -> None:
    assert say.number(value) == text


def _run(name: str, theirs: float, ours: float) -> dict[str, Any]:
    run = {"id": name, "title": name, "section": "E", "group": "", "authors": {"mse": theirs}}
    return run | {"errors": {"mse": ours, "nme": ours / 100, "mean_face_nme": 0.2}}


def test_ranks_beside_the_authors(say: ModuleType) -> None:
    runs = [_run("a", 2.0, 5.0), _run("b", 3.0, 4.0), _run("c", 4.0, 6.0)]
    (text,) = say.findings("E", {"runs": runs, "joint": {}})
    assert text.startswith("Lowest NME here: **b**, 4.00 %.")
    assert "its authors have: a (2.00), b (3.00), c (4.00). Here: b (4.00), a (5.00), c (6.00)." in text
    assert "The best is another one. Of all pairs, 2 of 3 are in the same order." in text


@pytest.mark.skipif(not RECORD.is_file(), reason="the systems have not been measured")
def test_the_page_is_what_the_record_says(say: ModuleType) -> None:
    import generate_results  # type: ignore[import-not-found]

    assert generate_results.page() == PAGE.read_text("utf-8")


@pytest.mark.skipif(not RECORD.is_file(), reason="the systems have not been measured")
def test_pictures_are_there_and_small() -> None:
    runs = json.loads(RECORD.read_text("utf-8"))["runs"]
    named = {name for run in runs for name in (run["picture"], *run["filter_pictures"]) if name}
    sizes = {file.name: file.stat().st_size for file in PICTURES.glob("*.webp")}
    assert named <= sizes.keys()
    assert max(sizes.values()) < 80_000
    assert sum(sizes.values()) < 3_000_000
