"""``CITATION.cff`` says what the package says, in the form that CFF 1.2 asks for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from facekp import __version__

ROOT = Path(__file__).parents[1]
# The schema of CFF 1.2.0: what must be there, and what may be at the top.
REQUIRED = {"authors", "cff-version", "message", "title"}
ALLOWED = REQUIRED | {
    *("abstract", "commit", "contact", "date-released", "doi", "identifiers", "keywords", "license", "license-url"),
    *("preferred-citation", "references", "repository", "repository-artifact", "repository-code", "type", "url"),
    "version",
}


def test_citation() -> None:
    yaml = pytest.importorskip("yaml")
    found = yaml.safe_load(ROOT.joinpath("CITATION.cff").read_text("utf-8"))
    assert set(found) >= REQUIRED
    assert set(found) <= ALLOWED
    assert found["cff-version"] == "1.2.0"
    assert found["type"] == "software"
    project = ROOT.joinpath("pyproject.toml").read_text("utf-8").partition("[build-system]")[2]

    def said(key: str) -> str:
        line = re.search(rf"^{key} = (.*)$", project, re.M)
        assert line is not None
        return line[1]

    assert found["version"] == __version__
    assert found["title"] == f"{said('name')}: {said('description')}".replace('"', "").removesuffix(".")
    assert found["license"] == said("license").strip('"')
    assert found["keywords"] == re.findall(r'"([^"]+)"', said("keywords"))
    assert [a["name"] for a in found["authors"]] == re.findall(r'name = "([^"]+)"', said("authors"))
