"""Imports follow the floors of docs/architecture.md, which must name every module of the package."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "facekp"
MODULES = sorted(PACKAGE.rglob("*.py"))
SOURCES = ROOT.joinpath("docs", "architecture.md")

Place = tuple[int, int]


def read_floors(text: str) -> dict[str, Place]:
    """Room → (floor, place on the floor), from the code block under "Rooms and floors"."""
    block = text.partition("## Rooms and floors")[2].partition("```text\n")[2].partition("```")[0]
    rooms: dict[str, Place] = {}
    floor = -1
    for line in block.splitlines():
        found = re.fullmatch(r"(\d| ) {2}(\S+) +(\S.*)", line)
        assert found, f"not 'FLOOR  ROOM  what it is': {line!r}"
        floor = int(found[1]) if found[1] != " " else floor
        room = found[2].removesuffix(".py").removesuffix("/")
        assert room not in rooms, f"{room} stands there twice"
        rooms[room] = (floor, len(rooms))
    return rooms


FLOORS = read_floors(SOURCES.read_text("utf-8"))


def room_of(module: str) -> str:
    """``facekp.finder.decode`` → ``finder``; ``facekp`` itself → ``__init__``."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def module_name(path: Path, package: Path) -> str:
    parts = ["facekp", *path.relative_to(package).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_module(name: str, package: Path) -> bool:
    path = package.joinpath(*name.split(".")[1:])
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def imports(path: Path, package: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of every facekp module that a file imports, wherever in the file, for types too."""
    inside = module_name(path, package).split(".")
    if path.name != "__init__.py":
        inside = inside[:-1]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, a.name) for a in node.names if a.name.split(".")[0] == "facekp")
        elif isinstance(node, ast.ImportFrom):
            base = inside[: len(inside) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            if name.split(".")[0] == "facekp":
                for alias in node.names:
                    inner = f"{name}.{alias.name}"
                    yield node.lineno, inner if is_module(inner, package) else name


def offences(path: Path, package: Path = PACKAGE, floors: dict[str, Place] = FLOORS) -> list[str]:
    here = room_of(module_name(path, package))
    if here not in floors:
        return [f"{path}: {here} is not in {SOURCES.name}; give it a floor"]
    found = []
    for line, target in imports(path, package):
        room = room_of(target)
        if room == here:
            continue
        if room not in floors:
            found.append(f"{path}:{line}: imports {target}, which is not in {SOURCES.name}")
        elif floors[room][1] > floors[here][1]:
            found.append(
                f"{path}:{line}: {here} (floor {floors[here][0]}) imports {target} (floor {floors[room][0]}), "
                "which is higher or later on its floor"
            )
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_imports_go_down(path: Path) -> None:
    assert not offences(path)


def test_the_list_names_what_there_is_and_nothing_else() -> None:
    assert set(FLOORS) == {room_of(module_name(path, PACKAGE)) for path in MODULES}


def test_floors_rise() -> None:
    floors = [floor for floor, _ in FLOORS.values()]
    assert floors == sorted(floors)
    assert floors[0] == 0


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_helpers_serve_one_module(path: Path) -> None:
    # _canvas serves _drawstyle, which serves draw: a helper's only users lie between it and the module that it serves.
    rooms = list(FLOORS)
    here = room_of(module_name(path, PACKAGE))
    for line, target in imports(path, PACKAGE):
        room = room_of(target)
        if room.startswith("_") and room not in ("__init__", "_version", "_arguments", here):
            served = next(r for r in rooms[rooms.index(room) :] if not r.startswith("_"))
            assert rooms.index(room) < rooms.index(here) <= rooms.index(served), f"{path}:{line}: {room} is {served}'s"


@pytest.mark.parametrize(
    ("file", "code", "wrong"),
    [
        ("low.py", "from . import high", "low.py:1"),
        ("low.py", "from .high import thing", "low.py:1"),
        ("low.py", "import facekp.high", "low.py:1"),
        ("low.py", "from facekp import high", "low.py:1"),
        ("low.py", "from . import something", "low.py:1"),
        ("low.py", "def f():\n    from . import high", "low.py:2"),
        ("low.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .high import T", "low.py:3"),
        ("low.py", "from .room.inner import x", "low.py:1"),
        ("low.py", "from .nowhere import x", "low.py:1"),
        ("room/inner.py", "from ..high import x", "inner.py:1"),
        ("room/inner.py", "from .. import high", "inner.py:1"),
        ("room/inner.py", "from .. import low\nfrom . import other\nfrom ..low import x", None),
        ("room/__init__.py", "from .inner import x\nfrom ..low import y\nimport os", None),
        ("high.py", "from . import low\nfrom .room import x", None),
        ("new.py", "", "new is not in"),
    ],
)
def test_the_test_sees(tmp_path: Path, file: str, code: str, wrong: str | None) -> None:
    floors = {"low": (0, 0), "room": (0, 1), "high": (1, 2), "__init__": (5, 3)}
    for name in ("__init__.py", "low.py", "high.py", "room/__init__.py", "room/inner.py", file):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(code if name == file else "", "utf-8")
    found = offences(tmp_path / file, tmp_path, floors)
    assert (found == []) if wrong is None else (len(found) == 1 and wrong in found[0])
