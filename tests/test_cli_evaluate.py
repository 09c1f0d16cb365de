"""``facekp evaluate``, with models of random weights."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

import facekp
from facekp import cli


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """A data set like 300-W of two faces."""
    shape = facekp.schema.get("ibug68").mean_shape
    pixels = np.full((100, 100, 3), 90, np.uint8)
    pixels[::25] //= 2
    for i, side in enumerate((40, 60)):
        path = tmp_path / "300w" / "lfpw" / "testset" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), pixels)
        facekp.datasets.write_pts(path.with_suffix(".pts"), shape * side + 50)
    return tmp_path / "300w"


class Run:
    """The command, and what it said."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self.capfd = capfd

    def __call__(self, *arguments: object, code: int = 0) -> str:
        self.capfd.readouterr()
        got = cli.main([str(a) for a in ("evaluate", *arguments)])
        out, err = self.capfd.readouterr()
        assert got == code, err
        if code:
            assert (out, len(err.splitlines())) == ("", 1)
            assert err.startswith("facekp: ")
        return err if code else out


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.delenv("FACEKP_DEBUG", raising=False)
    return Run(capfd)


def common(models: Path, faces: Path) -> list[Any]:
    finder = ["--finder", models / "finder"]
    return [models / "crops", "--data", faces, "--split", "lfpw/testset", "--device", "cpu", *finder]


def test_the_report_is_the_librarys(run: Run, tiny_models: Path, faces: Path) -> None:
    target = faces / "new" / "report.json"
    out = run(*common(tiny_models, faces), "--json", target)
    samples = facekp.datasets.create("300w", root=faces, split="lfpw/testset")
    detector = facekp.Detector.from_pretrained(tiny_models / "crops", finder=None, device="cpu")
    report = facekp.evaluate.evaluate(detector, samples)
    assert out == f"{report}\n"
    assert "crops on 300-W lfpw/testset, 2 faces" in out
    assert json.loads(target.read_text("utf-8")) == {"reports": [json.loads(json.dumps(report.to_dict()))]}


def test_a_model_of_few_points_takes_these(run: Run, tmp_path: Path, faces: Path) -> None:
    """A network that always says the middle of the crop: its error is the tip's distance from the box's centre."""
    schema = facekp.schema.get("ibug68").subset(["nose_tip"])
    options = {"name": "simple", "points": 1, "input_size": [32, 32]}
    network = facekp.models.from_config(options)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        parameter.fill_(0.5)  # the last layer's bias
    config = {
        "type": "keypoints",
        "name": "tip",
        "schema": schema.to_dict(),
        "network": options,
        "codec": facekp.decoders.create("regression", input_size=(32, 32)).to_config(),
        "preprocessing": {"mean": 127.5, "std": 64.0},
        "crop": {"size": [32, 32], "scale": 1.2, "box": "source"},
        "licence": "none",
    }
    facekp.hub.save(tmp_path / "tip", network, config)
    out = run(tmp_path / "tip", "--data", faces, "--split", "lfpw/testset", "--device", "cpu", "--json", "-")
    (report,) = json.loads(out)["reports"]
    points = facekp.schema.get("ibug68").mean_shape
    low, high = points.min(0), points.max(0)
    off = np.linalg.norm(points[facekp.schema.get("ibug68").index("nose_tip")] - (low + high) / 2)
    assert report["nme"] == pytest.approx(off / np.linalg.norm(high - low), abs=2e-4)
    assert report["faces"] == 2


def test_both_boxes_stand_side_by_side(run: Run, tiny_models: Path, faces: Path) -> None:
    out = run(*common(tiny_models, faces), "--boxes", "both")
    head = next(line for line in out.splitlines() if "labelled boxes" in line)
    assert head.index("labelled boxes") < head.index("finder boxes")
    both = json.loads(run(*common(tiny_models, faces), "--boxes", "both", "--json", "-"))["reports"]
    assert [r["boxes"] for r in both] == ["labelled", "finder"]
    for kind, report in zip(("labelled", "finder"), both, strict=True):
        alone = json.loads(run(*common(tiny_models, faces), "--boxes", kind, "--json", "-"))["reports"]
        assert alone == [report]


@pytest.mark.parametrize(
    ("boxes", "sheets"), [("labelled", {"worst.png"}), ("both", {"worst-labelled.png", "worst-finder.png"})]
)
def test_out_is_a_folder_with_everything(
    run: Run, tiny_models: Path, faces: Path, tmp_path: Path, boxes: str, sheets: set[str]
) -> None:
    pytest.importorskip("matplotlib", reason="needs facekp[plots]")
    out = tmp_path / "deep" / "out"
    text = run(*common(tiny_models, faces), "--boxes", boxes, "--output", out)
    assert "crops on" in text
    assert {p.name for p in out.iterdir()} == {"report.json", "ced.png", *sheets}
    for name in sheets:
        assert cv2.imread(str(out / name)).shape == (328, 652, 3)  # two faces beside one another
    assert cv2.imread(str(out / "ced.png")).ndim == 3
    assert len(json.loads((out / "report.json").read_text("utf-8"))["reports"]) == (2 if boxes == "both" else 1)


def test_other_norms(run: Run, tiny_models: Path, faces: Path) -> None:
    for norm in ("box", "nose_tip-chin"):
        (report,) = json.loads(run(*common(tiny_models, faces), "--norm", norm, "--json", "-"))["reports"]
        assert report["normalizer"] == norm


def test_what_is_wrong_is_one_line(run: Run, tiny_models: Path, faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, good = tiny_models / "crops", common(tiny_models, faces)
    assert "--data" in run(model, code=2)
    assert "--split" in run(model, "--data", faces, code=2)
    assert "lfpw" in run(model, "--data", faces / "lfpw", "--split", "common", code=2)
    assert "dlib_xml" in run(model, "--data", faces, "--format", "nothing", code=2)
    assert "missing.xml" in run(model, "--data", faces / "missing.xml", code=2)
    assert "split" in run(model, "--data", faces / "missing.xml", "--split", "train", code=2)
    assert "--boxes" in run(model, "--data", faces, "--boxes", "found", code=2)
    assert "normali" in run(*good, "--norm", "nothing", code=2)
    assert "nose_tip" in run(*good, "--norm", "nose-tip", code=2)
    (faces / "file").write_text("")
    assert "--output" in run(*good, "--output", faces / "file" / "x", code=2)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "pip install 'facekp[plots]'" in run(*good, "--output", faces / "out", code=2)
    assert not (faces / "out").exists()


def test_a_place_that_cannot_be_written(run: Run, tiny_models: Path, faces: Path, capfd: Any) -> None:
    assert cli.main([str(a) for a in ("evaluate", *common(tiny_models, faces), "--json", faces)]) == 2
    assert "--json" in capfd.readouterr().err
