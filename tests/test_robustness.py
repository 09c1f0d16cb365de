"""Bad input, one row each: docs/robustness.md has the same table for people."""

from __future__ import annotations

import os
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

import facekp
from facekp import cli, datasets, draw, geometry, image
from facekp.errors import ArgumentError, DatasetError, FacekpError, HubError, ImageError

GREY = np.full((24, 32, 3), 90, np.uint8)
Detect = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def detector(tiny_models: Path) -> facekp.Detector:
    return facekp.Detector.from_pretrained(tiny_models / "crops", finder=tiny_models / "finder", device="cpu")


@pytest.fixture
def detect(capfd: pytest.CaptureFixture[str], tiny_models: Path) -> Detect:
    def call(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = cli.main(["detect", "--device", "cpu", "--model", str(tiny_models / "whole"), *map(str, arguments)])
        return code, *capfd.readouterr()

    return call


def picture(path: Path) -> Path:
    done, data = cv2.imencode(".png", GREY)
    assert done
    path.write_bytes(data.tobytes())
    return path


# ---------------------------------------------------------------- boxes


@pytest.mark.parametrize(
    ("boxes", "says"),
    [
        ([[np.nan, 0, 9, 9]], "is not finite"),
        ([[0, 0, np.inf, 9]], "is not finite"),
        ([[0, 0, 1e300, 9]], "is not finite"),
        ([[0, 0, 3e38, 9]], r"is beyond 1e\+37"),  # its area is infinite
        (torch.zeros(1, 4, device="meta"), "expected numbers, got Tensor"),
        ([[0, 0, 10**400, 9]], "expected numbers"),
        ([[5, 5, 5, 9]], "has no area"),
        ([[5, 5, 9, 5]], "has no area"),
        ([[9, 9, 5, 5]], "has no area"),
        ([[0, 0, 9]], r"expected shape \(N, 4\)"),
        ([0, 0, 9, 9], r"expected shape \(N, 4\)"),
        ([[[0, 0, 9, 9]]], r"expected shape \(N, 4\)"),
        ([[0, 0, 9, 9], [0, 0]], "expected numbers"),
        ([["0", "0", "9", "9"]], "expected numbers"),
        (np.array([[0, 0, 9, 9j]]), "expected numbers"),
        ([["a", "b", "c", "d"]], "expected numbers"),
        ([[None, 0, 9, 9]], "is not finite"),
        ({"a": 1}, "expected numbers"),
        (7, "expected"),
    ],
)
def test_boxes_that_are_none(detector: facekp.Detector, boxes: Any, says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        detector(GREY, boxes=boxes)
    with pytest.raises(ArgumentError):
        geometry.as_boxes(boxes)


@pytest.mark.parametrize(
    "box",
    [
        [1000, 1000, 1050, 1050],
        [-1e6, -1e6, 1e6, 1e6],
        [-1e30, -1e30, 1e30, 1e30],
        [-1e37, -1e37, 1e37, 1e37],
        [1e30, 1e30, 1.1e30, 1.1e30],
        [4, 4, 4.001, 4.001],
        [-0.5, 3, 31.5, 3.0001],
    ],
)
def test_boxes_that_are_odd_but_boxes(detector: facekp.Detector, box: list[float]) -> None:
    (face,) = detector(GREY, boxes=[box])
    assert np.isfinite(face.scores).all()
    np.testing.assert_array_equal(face.box, np.array(box, np.float32))


def test_boxes_that_are_a_tensor_with_a_gradient(detector: facekp.Detector) -> None:
    import torch

    (face,) = detector(GREY, boxes=torch.tensor([[2.0, 3.0, 20.0, 22.0]], requires_grad=True))
    assert face.box.tolist() == [2, 3, 20, 22]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"min_score": "high"}, "min_score"),
        ({"min_score": True}, "min_score"),
        ({"min_score": [0.5]}, "min_score"),
        ({"turns": 90}, "turns: expected angles"),
        ({"turns": ["quarter"]}, "turns: expected angles"),
        ({"finder_side": "large"}, "finder_side"),
        ({"finder_side": 640.5}, "finder_side"),
        ({"finder_side": float("nan")}, "finder_side"),
        ({"tile": [640]}, "tile: expected"),
    ],
)
def test_options_that_are_none(detector: facekp.Detector, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        detector(GREY, **options)


@pytest.mark.parametrize("one", ["a.png", Path("a.png"), b"bytes", GREY, GREY[..., 0], None, 3])
def test_one_picture_in_the_place_of_many(detector: facekp.Detector, one: Any) -> None:
    """The letters of a path and the rows of an array are no pictures."""
    with pytest.raises(ArgumentError, match="images: expected a list or an iterator of pictures, got one"):
        detector.stream(one)


@pytest.mark.parametrize("name", ["", "x" * 5000, "x/" * 3000, "a\0b", "a b", "../x"])
def test_names_of_models_that_are_none(name: str) -> None:
    with pytest.raises(HubError):
        facekp.Detector.from_pretrained(name, device="cpu")


@pytest.mark.parametrize("name", [None, 3, b"resnet18-ibug", ["resnet18-ibug"]])
def test_models_that_are_no_name(name: Any) -> None:
    with pytest.raises(ArgumentError, match="name: expected"):
        facekp.Detector.from_pretrained(name, device="cpu")


def test_nothing_at_all(detector: facekp.Detector) -> None:
    assert detector([]) == []
    assert detector(()) == []
    assert detector(GREY, boxes=[]) == []
    assert detector(GREY, boxes=np.zeros((0, 4))) == []
    assert list(detector.stream(iter([]))) == []
    assert draw.faces(GREY, []).shape == GREY.shape


# ---------------------------------------------------------------- pictures


@pytest.mark.parametrize("size", [(1, 1), (1, 100_000), (100_000, 1), (3, 2)])
def test_pictures_of_odd_shapes(detector: facekp.Detector, size: tuple[int, int]) -> None:
    blank = np.full((*size, 3), 128, np.uint8)
    assert isinstance(detector(blank), list)
    (face,) = detector(blank, boxes="full")
    assert np.isfinite(face.keypoints).all()
    assert draw.faces(blank, [face]).shape == blank.shape


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((0, 5, 3), np.uint8),
        np.zeros((5, 5, 2), np.uint8),
        np.zeros((5, 5, 3), np.int32),
        np.full((5, 5, 3), np.nan),
        np.zeros((2, 5, 5, 3), np.uint8),
        np.array(["a"]),
        None,
        3,
        b"",
        b"not a picture",
        "no such file.jpg",
        "",
        "a\0b.jpg",
    ],
    ids=lambda bad: str(getattr(bad, "shape", bad)),
)
def test_what_is_no_picture(detector: facekp.Detector, bad: Any) -> None:
    for boxes in (None, "full", [[0, 0, 4, 4]]):
        with pytest.raises(ImageError):
            detector(bad, boxes=boxes)
    before, error, after = detector([GREY, bad, GREY], on_error="return", boxes="full")
    assert isinstance(error, ImageError)
    assert len(before) == len(after) == 1
    with pytest.raises(ImageError):
        draw.faces(bad, [])


@pytest.mark.parametrize("shape", [(4, 4), (1, 32, 32), (1, 32, 32, 1), (1, 3, 32, 32)])
def test_crops_of_other_shapes(detector: facekp.Detector, shape: tuple[int, ...]) -> None:
    with pytest.raises(ArgumentError, match="crops: expected"):
        detector.predict(np.zeros(shape, np.uint8))


# ---------------------------------------------------------------- files and names


def test_names_as_long_as_names_can_be(detect: Detect, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "more").mkdir()
    name = "x" * 251 + ".png"
    paths = [picture(tmp_path / folder / name) for folder in ("in", "more")]
    out = tmp_path / "out"
    code, _, errors = detect(*paths, "--output", out, "--json", tmp_path / "a.jsonl")
    assert (code, errors) == (0, "")
    assert sorted(len(p.name) for p in out.iterdir()) == [255, 255]
    code, said, errors = detect(paths[0], "y" * 256 + ".png", "z" * 5000)
    assert (code, len(said.splitlines()), len(errors.splitlines())) == (1, 1, 2)


def test_links_that_lead_nowhere_or_round(detect: Detect, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    good = picture(folder / "good.png")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    (folder / "gone.png").symlink_to(folder / "nothing.png")
    (folder / "round").symlink_to(folder)
    code, said, errors = detect(folder, "--recursive")
    assert (code, said) == (1, f"{good}: 1 face\n")
    assert [line.split(": ")[1] for line in errors.splitlines()] == [str(folder / f"{n}.png") for n in ("gone", "loop")]
    for name, says in (("loop.png", "round in a circle"), ("gone.png", "leads nowhere, to .*nothing.png")):
        with pytest.raises(ImageError, match=rf"{name}: is a link that .*{says}"):
            image.read(folder / name)


def test_directories_where_files_belong(detect: Detect, tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    code, said, errors = detect(tmp_path / "a.png")
    assert (code, said) == (2, "")
    assert "no picture in this directory" in errors
    for read in (datasets.DlibXML, datasets.KaggleFacialKeypoints, datasets.CocoKeypoints, datasets.read_pts):
        with pytest.raises(DatasetError, match=r"a\.png"):
            read(tmp_path / "a.png")
    with pytest.raises(FacekpError, match="file"):
        facekp.Detector.from_pretrained(picture(tmp_path / "file"))


def test_a_folder_that_may_not_be_written(detect: Detect, tmp_path: Path) -> None:
    if os.name != "posix" or os.geteuid() == 0:
        pytest.skip("whoever runs this test may write everywhere")
    path = picture(tmp_path / "a.png")
    tmp_path.chmod(0o500)
    try:
        for option in ("--output", "--json"):
            code, said, errors = detect(path, option, tmp_path / "out")
            assert (code, said, len(errors.splitlines())) == (2, "", 1)
    finally:
        tmp_path.chmod(0o700)


# ---------------------------------------------------------------- labels


@pytest.mark.parametrize("value", ["1e39", "-1e39", "1e300", "1e400", "inf", "10000002"])
def test_points_beyond_everything(tmp_path: Path, value: str) -> None:
    path = tmp_path / "a.pts"
    path.write_text(f"n_points: 1\n{{\n{value} 5\n}}\n")
    with pytest.raises(DatasetError, match="a coordinate is infinite, or beyond"):
        datasets.read_pts(path)


def xml(tmp_path: Path, file: str = "a.png", part: str = "00", left: str = "1") -> Path:
    box = f"<box top='1' left='{left}' width='9' height='9'><part name='{part}' x='3' y='4'/></box>"
    path = tmp_path / "a.xml"
    path.write_text(f"<dataset><images><image file='{file}'>{box}</image></images></dataset>")
    return path


def test_names_and_numbers_of_a_thousand_letters(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    assert len(datasets.DlibXML(xml(tmp_path))) == 1
    for wrong in ({"file": "a" * 300}, {"part": "9" * 5000}, {"part": "٣"}, {"left": "1e300"}):
        with pytest.raises(DatasetError):
            datasets.DlibXML(xml(tmp_path, **wrong))
    (tmp_path / "1_1.asf").write_text(f"1\n0 0 0.5 0.5 0 0 0\n{'b' * 300}.jpg\n")
    with pytest.raises(DatasetError):
        datasets.AsfFolder(tmp_path, "ibug68")


# ---------------------------------------------------------------- the command


def test_the_package_is_the_command_and_h_is_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["facekp", "--version"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("facekp", run_name="__main__")
    assert ended.value.code == 0
    assert facekp.__version__ in capsys.readouterr().out
    assert cli.main(["detect", "-h"]) == 0
    assert "--output" in capsys.readouterr().out
