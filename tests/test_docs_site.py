"""The sources of the site: figures come from scripts, all pages are in the navigation, generated ones are current."""

from __future__ import annotations

import re
import runpy
from importlib import import_module
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import yaml

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SCRIPTS = [path for folder in ("docs", "benchmarks", "tools", "tests") for path in sorted((ROOT / folder).glob("*.py"))]
#: Folders whose pictures a script makes by a name that it reads or puts together.
FOLDERS = {"results": "benchmarks/systems_pictures.py"}
PATTERNS = {"schema-*.svg": "docs/draw_mean_shapes.py"}


def test_every_figure_is_made_by_a_script() -> None:
    text = "\n".join(path.read_text("utf-8") for path in SCRIPTS if path != Path(__file__))
    for script in (*FOLDERS.values(), *PATTERNS.values()):
        assert (ROOT / script).is_file(), script
    figures = [path for path in sorted((DOCS / "assets").rglob("*")) if path.is_file()]
    assert len(figures) > 20
    for figure in figures:
        made = figure.parent.name in FOLDERS or any(figure.match(pattern) for pattern in PATTERNS)
        assert made or figure.name in text, f"no script in docs, benchmarks, tools or tests names {figure.name}"


@pytest.mark.parametrize(("script", "figure"), [("draw_home", "home"), ("draw_heatmaps", "heatmaps")])
def test_a_figure_of_a_model_is_of_the_one_that_ships(script: str, figure: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    runpy.run_path(str(DOCS / f"{script}.py"))["main"](tmp_path / f"{figure}.jpg")
    shown, now = (cv2.imread(str(folder / f"{figure}.jpg")).astype(int) for folder in (DOCS / "assets", tmp_path))
    # Half of what another model changed: letters differ by the version of matplotlib, points by a hair.
    bound = {"home": 0.4, "heatmaps": 2.5}[figure]
    if shown.shape != now.shape and np.abs(np.subtract(shown.shape, now.shape)).max() <= 2:
        pytest.skip("this version of matplotlib lays the figure out a little otherwise")
    assert shown.shape == now.shape
    assert np.abs(shown - now).mean() < bound, f"docs/assets/{figure}.jpg is out of date: python docs/{script}.py"


def test_the_reference_s_first_page_lists_all_of_it() -> None:
    pages = {path.name for path in (DOCS / "reference").glob("*.md")} - {"index.md"}
    listed = re.findall(r"^\| \[[^]]+\]\((\S+)\)", (DOCS / "reference" / "index.md").read_text("utf-8"), re.MULTILINE)
    assert set(listed) == pages


def test_every_page_is_in_the_navigation() -> None:
    text = ROOT.joinpath("mkdocs.yml").read_text("utf-8")
    listed = set(re.findall(r"([\w./-]+\.md)$", text, re.MULTILINE))
    there = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert there - listed == set()
    assert listed - there == set()


def test_the_navigation_is_in_order() -> None:
    config = yaml.safe_load(ROOT.joinpath("mkdocs.yml").read_text("utf-8"))
    asked = ["Home", "Learn", "Reference", "Models", "Benchmarks", "Results", "Robustness", "How facekp compares"]
    asked += ["Architecture", "Experiments", "Changelog"]
    titles = [next(iter(entry)) for entry in config["nav"]]
    assert [title for title in titles if title in asked] == asked


def test_the_reference_has_every_public_name() -> None:
    """The site shows what a page's module has in ``__all__``, but for functions that a module of that name hides."""
    pages = {path.name: path.read_text("utf-8") for path in sorted((DOCS / "reference").glob("*.md"))}
    shown = {name for text in pages.values() for name in re.findall(r"^::: (\S+)$", text, re.MULTILINE)}
    left_out = [page for page, text in pages.items() if re.search(r"^\s+(members|filters):", text, re.MULTILINE)]
    assert left_out == [], "these pages choose members: say which names are missing"
    missing = []
    for name in ROOT.joinpath("tests", "public_names.txt").read_text("utf-8").split():
        module, _, last = name.rpartition(".")
        hidden = is_module(name) and callable(getattr(import_module(module), last))
        if f"{name}.{last}" not in shown if hidden else not (shown & {module, name, home(name)} or module == "facekp"):
            missing.append(name)
    assert missing == []
    assert {f"facekp.{name}" for name in ("detector", "face", "errors", "list_models")} <= shown


def is_module(name: str) -> bool:
    return ROOT.joinpath("src", *name.split(".")).with_suffix(".py").is_file()


def home(name: str) -> str:
    """The module in which the object of a public name is defined."""
    module, _, last = name.rpartition(".")
    return str(getattr(getattr(import_module(module), last), "__module__", module))


def test_constants_say_what_they_are() -> None:
    """A constant's comment is its docstring on the site, and without one it is not shown."""
    names = ROOT.joinpath("tests", "public_names.txt").read_text("utf-8").split()
    source = "".join(path.read_text("utf-8") for path in sorted(ROOT.joinpath("src", "facekp").rglob("*.py")))
    parts = [name.rpartition(".") for name in names]
    upper = [(module, last) for module, _, last in parts if last.isupper()]
    constants = {last for module, last in upper if not isinstance(getattr(import_module(module), last), type)}
    assert len(constants) > 10
    above, beside = r"^#:[^\n]*\n{0}\b", r"^{0}\b[^\n]*\S  # "
    below = r'^{0}\b[^\n]*\n(?:(?:    [^\n]*\n)*[)\]}}]+\n)?"""'
    patterns = "|".join((above, beside, below))
    assert [c for c in sorted(constants) if not re.search(patterns.format(c), source, re.MULTILINE)] == []


@pytest.mark.parametrize(
    ("docstring", "shown"),
    [
        ("A :class:`~facekp.Face`, by :func:`read`.", "A `facekp.Face`, by `read`."),
        ("In a loop::\n\n    run()\n", "In a loop:\n\n    run()\n"),
        ("A sentence.\n\n::\n\n    run()\n", "A sentence.\n\n\n    run()\n"),
        ("``a[::2]`` and ``x::y`` stay.", "``a[::2]`` and ``x::y`` stay."),
    ],
)
def test_docstrings_become_markdown(docstring: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    assert pytest.importorskip("griffe_roles").markdown(docstring) == shown


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(DOCS))
    return pytest.importorskip("generate_models")


def test_the_models_page_is_what_the_configs_say(models: ModuleType) -> None:
    stale = [path.name for path, text in models.pages().items() if path.read_text("utf-8") != text]
    assert stale == [], "run  python docs/generate_models.py"


def test_a_model_without_measures_has_a_chapter_too(models: ModuleType) -> None:
    config = {
        "name": "finder",
        "type": "keypoints",
        "schema": "kaggle15",
        "facekp": "0.1",
        "licence": "mine",
        "sha256": "a" * 64,
        "crop": {"size": [64, 48], "box": "full"},
        "network": {"name": "simple"},
        "codec": {"name": "regression"},
        "recipe": {"epochs": 3, "optimizer": {"name": "adam", "lr": 0.001}},
    }
    text = models.chapter(config)
    assert "Nothing was measured." in text
    assert "epochs 3, optimizer (name adam, lr 0.001)" in text
    assert "| [`finder`](#finder) | 15 points, `kaggle15` | 48x64 px | 0.6 MB |  | mine |" in models.overview([config])
