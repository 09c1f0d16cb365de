"""What the README shows is what one gets, with the models inside the package; test_docs_code.py runs its code."""

from __future__ import annotations

import json
import re
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from facekp import Face, cli

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "astronaut.jpg"
README = ROOT.joinpath("README.md").read_text("utf-8")


def test_the_main_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert cli.main(["detect", str(EXAMPLE), "--output", "out/", "--json", "-"]) == 0
    row = json.loads(capfd.readouterr().out)
    (data,) = row["faces"]
    face = Face.from_dict(data, row["schema"])
    eyes = [face.keypoints[list(face.schema.groups[f"{side}_eye"])].mean(0) for side in ("right", "left")]
    # Where her pupils are, read off the enlarged picture.
    np.testing.assert_allclose(eyes, [[203, 101], [246.5, 103.5]], atol=4)
    drawn, shown = cv2.imread("out/astronaut.jpg"), cv2.imread(str(ROOT / "docs" / "assets" / "astronaut.jpg"))
    assert shown is not None
    assert shown.shape == drawn.shape
    changed = np.abs(drawn.astype(int) - cv2.imread(str(EXAMPLE))).max(-1) > 60
    off = np.abs(drawn.astype(int) - shown).max(-1) > 60
    assert changed.sum() > 100
    assert off.sum() < 0.1 * changed.sum(), "docs/assets/astronaut.jpg is not what facekp draws: make it again"


def test_its_links() -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", README)
    assert targets
    assert [t for t in targets if not (ROOT / t).exists()] == []


def test_the_example_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = ROOT / "examples" / "detect_and_draw.py"
    monkeypatch.setattr(sys, "argv", [str(script), str(EXAMPLE), str(tmp_path / "new" / "drawn.png")])
    runpy.run_path(str(script), run_name="__main__")
    assert "1 face(s)" in capsys.readouterr().out
    assert (tmp_path / "new" / "drawn.png").stat().st_size > 10_000
    monkeypatch.setattr(sys, "argv", [str(script), str(tmp_path / "missing.jpg")])
    with pytest.raises(SystemExit, match="no such file"):
        runpy.run_path(str(script), run_name="__main__")
