"""The built site in a real browser: nothing scrolls sideways, no picture is missing, the search works."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
QUIET = {"NO_MKDOCS_2_WARNING": "1"}


def site(folder: Path) -> Path:
    """Build the site there; its own command, as mkdocs may be of another environment."""
    command = ["mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, **QUIET})
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_every_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("playwright", reason="needs playwright: pip install playwright")
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None or shutil.which("mkdocs") is None:
        pytest.skip("needs a Chromium and mkdocs: pip install 'facekp[docs]', and the system's chromium")
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    look = pytest.importorskip("look_at_site").look
    assert look(site(tmp_path / "site"), browser, None) == []


def test_pages_are_found_and_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import urllib.request

    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    tool = pytest.importorskip("look_at_site")
    for name in ("index.html", "a/b/index.html", "a/picture.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name, "utf-8")
    assert tool.pages(tmp_path) == ["", "a/b/"]
    with tool.served(tmp_path) as base:
        assert urllib.request.urlopen(f"{base}a/b/").read() == b"a/b/index.html"
