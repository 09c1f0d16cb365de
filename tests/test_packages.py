"""What goes into the wheel and the source archive, and that the same files always make the same archives.

Built by the build's own hatchling from copies of the tree.  Weights are cut short there, as compressing them takes
seconds; `.ci/full` builds the real archives twice.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

import facekp

pytest.importorskip("hatchling", reason="needs facekp[dev]")
ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "facekp"
TOPS = ("src", "tests", "tools", "benchmarks", "docs", "examples", ".ci")
MODEL = ("README.md", "config.json", "model.safetensors", "schema.png")
# A file of the package that fits none of these does not belong there, or its kind is to be added here.
IN_WHEEL = (
    r"facekp/(\w+/)*\w+\.py",
    r"facekp/(py\.typed|pushed\.json|weights\.sha256)",
    r"facekp/_schemas/\w+\.json",
    r"facekp/demo/\w+\.(html|css|js)",
    r"facekp/_selftest/face\.(jpg|json)",
    r"facekp/recipes/[\w-]+\.yaml",
    r"facekp/recipes/validation/\w+\.txt",
    rf"facekp/weights/[\w-]+/({'|'.join(MODEL)})",
    r"facekp-[^/]+\.dist-info/(METADATA|WHEEL|RECORD|entry_points\.txt|licenses/LICENSE)",
)
IN_SOURCES = (
    r"(PKG-INFO|LICENSE|pyproject\.toml|mkdocs\.yml|\.gitignore)",
    r"(README|CHANGELOG|CONTRIBUTING)\.md",
    r"CITATION\.cff",
    r"\.ci/(run|full|audit)",
    r"src/facekp/.*",  # as in the wheel
    r"(tests|tools|benchmarks|docs|examples)/(\w+/)*[\w-]+\.(py|md|txt|json|csv|yaml)",
    r"docs/assets/([\w.-]+/)*[\w.-]+\.(svg|png|jpg|webp)",
    r"docs/[\w/-]+\.(css|js|html|yml)",
    r"examples/([\w-]+/)*[\w-]+\.(jpg|txt|yaml|ipynb)",
)


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Path]]:
    """A wheel and a source archive, built from two copies: other folder, other times, other rights."""
    built = []
    for number, mask in enumerate((0o022, 0o077)):
        before = os.umask(mask)
        try:
            folder = tmp_path_factory.mktemp("tree") / f"copy-{'x' * 20 * number}"
            copy(folder)
            for path in folder.rglob("*"):
                os.utime(path, (1_000_000_000 + 86_400 * number,) * 2)
            built.append(build(folder, folder.parent / "dist"))
        finally:
            os.umask(before)
    return built


def copy(folder: Path) -> None:
    """The tree, without what git ignores."""
    ignored = shutil.ignore_patterns("__pycache__", ".*_cache", "*.egg-info", "out", "runs", "site", "dist", "build")
    for name in TOPS:
        shutil.copytree(ROOT / name, folder / name, ignore=ignored, copy_function=shutil.copyfile)
    for path in ROOT.iterdir():
        if path.is_file() and path.name != ".git":
            shutil.copyfile(path, folder / path.name)
    for path in folder.rglob("model.safetensors"):
        path.write_bytes(path.read_bytes()[:1000])


def build(folder: Path, dist: Path) -> tuple[Path, Path]:
    from hatchling.builders.sdist import SdistBuilder
    from hatchling.builders.wheel import WheelBuilder

    wheel, sources = (Path(next(kind(str(folder)).build(directory=str(dist)))) for kind in (WheelBuilder, SdistBuilder))
    return wheel, sources


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def names(archive: Path) -> list[str]:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as file:
            return file.namelist()
    with tarfile.open(archive) as file:
        members = file.getmembers()
    assert all(m.isfile() for m in members), "links, or folders, which hatchling does not write"
    return [m.name.partition("/")[2] for m in members]


def foreign(given: list[str], patterns: tuple[str, ...]) -> list[str]:
    return [name for name in given if not any(re.fullmatch(pattern, name) for pattern in patterns)]


def test_the_same_files_make_the_same_archives(archives: list[tuple[Path, Path]], tmp_path: Path) -> None:
    (wheel, sources), (again, sources_again) = archives
    assert digest(wheel) == digest(again)
    assert digest(sources) == digest(sources_again)
    with tarfile.open(sources) as file:
        file.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    from_sources, _ = build(folder, tmp_path / "dist")
    assert digest(from_sources) == digest(wheel), "the wheel from the source archive is another one"


def test_what_is_in_the_wheel(archives: list[tuple[Path, Path]]) -> None:
    given = names(archives[0][0])
    assert len(given) == len(set(given))
    assert foreign(given, IN_WHEEL) == []
    here = {p.relative_to(PACKAGE.parent).as_posix() for p in PACKAGE.rglob("*") if p.is_file()}
    here = {name for name in here if "__pycache__" not in name}
    assert {name for name in given if ".dist-info/" not in name} == here
    for needed in ("py.typed", "pushed.json", "weights.sha256", "recipes/validation/300w.txt"):
        assert f"facekp/{needed}" in given
    for name in set(facekp.schema.names()) - {"nose_tip"}:  # which is a point of ibug68
        assert f"facekp/_schemas/{name}.json" in given


def test_weights_are_in_the_packages_once_and_in_no_other_place(archives: list[tuple[Path, Path]]) -> None:
    recorded = [line.split()[1] for line in (PACKAGE / "weights.sha256").read_text("utf-8").splitlines()]
    models = {name.partition("/")[0] for name in recorded}
    assert models == {path.name for path in (PACKAGE / "weights").iterdir()}
    expected = {f"facekp/weights/{name}" for name in recorded}
    for archive, prefix in zip(archives[0], ("", "src/"), strict=True):
        given = names(archive)
        assert {n.removeprefix(prefix) for n in given if n.startswith(f"{prefix}facekp/weights/")} == expected
        assert sum(n.endswith(".safetensors") for n in given) == len(models)


def test_what_is_in_the_source_archive(archives: list[tuple[Path, Path]]) -> None:
    wheel, sources = archives[0]
    given = names(sources)
    assert len(given) == len(set(given))
    assert foreign(given, IN_SOURCES) == []
    inside = [name.removeprefix("src/") for name in given if name.startswith("src/")]
    assert sorted(inside) == sorted(name for name in names(wheel) if ".dist-info/" not in name)
    for needed in ("PKG-INFO", "pyproject.toml", "README.md", "LICENSE", "tests/conftest.py", ".ci/run", "mkdocs.yml"):
        assert needed in given


def test_sizes() -> None:
    """Of the real files: what is larger than this was not meant to be there."""
    for top in TOPS:
        for path in (ROOT / top).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                limit = 25_000_000 if path.suffix == ".safetensors" else 300_000
                assert path.stat().st_size < limit, f"{path}: {path.stat().st_size:,} bytes"


def test_nothing_else_is_under_version_control() -> None:
    """Archives hold some folders only; a stray file may also lie beside them."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git checkout, or no git")
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    tracked = [name for name in done.stdout.decode().split("\0") if name]
    assert foreign(tracked, IN_SOURCES) == []


def test_metadata(archives: list[tuple[Path, Path]]) -> None:
    with zipfile.ZipFile(archives[0][0]) as file:
        (path,) = [name for name in file.namelist() if name.endswith("/METADATA")]
        text = file.read(path).decode()
        scripts = file.read(path.replace("METADATA", "entry_points.txt")).decode()
    assert "License-Expression: MIT\n" in text
    assert "Requires-Python: >=3.10\n" in text
    assert f"Version: {facekp.__version__}\n" in text
    assert "facekp = facekp.cli:main" in scripts
