"""The names that users may rely on: of the modules with a page in docs/reference, written down in public_names.txt.

After a change that is meant:  python tests/test_public_names.py --write
"""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIST = ROOT / "tests" / "public_names.txt"


def documented() -> list[str]:
    """The objects that the reference's pages are about."""
    pages = sorted(ROOT.joinpath("docs", "reference").glob("*.md"))
    return [name for page in pages for name in re.findall(r"^::: (\S+)$", page.read_text("utf-8"), re.MULTILINE)]


def public_modules() -> list[str]:
    return ["facekp", *sorted(name for name in documented() if _is_module(name))]


def _is_module(name: str) -> bool:
    """Some pages show single functions, too: those that have the name of a module."""
    path = ROOT.joinpath("src", *name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def public_names() -> list[str]:
    names = {f"{module}.{name}" for module in public_modules() for name in import_module(module).__all__}
    return sorted(names)


def test_public_names_are_those_on_the_list() -> None:
    listed, there = LIST.read_text("utf-8").split(), public_names()
    gone, new = sorted(set(listed) - set(there)), sorted(set(there) - set(listed))
    assert not gone, (
        f"{gone} are gone, on which users rely; if that is meant: python tests/test_public_names.py --write"
    )
    assert not new, f"{new} are new; if they are to stay: python tests/test_public_names.py --write"
    assert listed == there


def test_every_public_name_is_there() -> None:
    missing = [n for n in public_names() if not hasattr(import_module(n.rpartition(".")[0]), n.rpartition(".")[2])]
    assert not missing


def test_every_namespace_of_the_package_has_a_page() -> None:
    modules = public_modules()
    package = ROOT / "src" / "facekp"
    rooms = {p.stem for p in package.glob("*.py")} | {p.parent.name for p in package.glob("*/__init__.py")}
    without = {r for r in rooms if not r.startswith("_")} - {m.split(".")[1] for m in modules if "." in m} - {"cli"}
    assert not without, f"{sorted(without)}: give each a page in docs/reference, or a name with an underscore"


def test_every_namespace_that_needs_no_extra_is_reached_from_the_package() -> None:
    import facekp

    modules = {name.split(".")[1] for name in public_modules() if "." in name}
    classes = {"detector", "face"}  # which have their class there
    assert modules - {"training", "cli"} - classes <= set(facekp.__all__)  # training asks for its extra


def test_dir_shows_the_public_names_and_no_other_is_found() -> None:
    import facekp

    assert dir(facekp) == sorted(facekp.__all__)
    assert not hasattr(facekp, "no_such_name")


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit(__doc__)
    LIST.write_text("".join(f"{name}\n" for name in public_names()), "utf-8")
