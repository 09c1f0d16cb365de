"""Udacity's CSV of YouTube Faces frames."""

from __future__ import annotations

import csv
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest

from facekp import datasets, schema
from facekp.datasets import UdacityKeypoints
from facekp.errors import ArgumentError, DatasetError

NAMES = ("A_B_00.jpg", "A_B_10.jpg", "C_D_00.jpg")
POINTS = (schema.get("ibug68").mean_shape * 40 + 30).astype(np.float32)


def write(root: Path, rows: list[list[object]], split: str = "training") -> Path:
    table = root / f"{split}_frames_keypoints.csv"
    with table.open("w", newline="") as stream:
        csv.writer(stream).writerows([["", *range(136)], *rows])
    return table


def row(name: str) -> list[object]:
    return [name, *POINTS.ravel().tolist()]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "training").mkdir()
    for name in NAMES:
        cv2.imwrite(str(tmp_path / "training" / name), np.zeros((60, 60, 3), np.uint8))
    write(tmp_path, [row(name) for name in NAMES])
    return tmp_path


def test_frames_by_hand(root: Path) -> None:
    found = UdacityKeypoints(root)
    assert len(found) == 3
    np.testing.assert_array_equal(found[0].keypoints, POINTS)  # from 0, as here: nothing moves
    assert [s.subject for s in found] == ["A_B", "A_B", "C_D"]
    assert found[2].meta == {"name": "training/C_D_00.jpg", "line": 4}
    assert found[0].image.shape == (60, 60, 3)
    assert len(pickle.loads(pickle.dumps(found))) == 3
    assert [s.meta["line"] for s in UdacityKeypoints(root, people=["A_B"])] == [2, 3]
    assert [s.meta["line"] for s in UdacityKeypoints(root, skip=["A_B"])] == [4]
    assert len(UdacityKeypoints(root, people=[])) == 0


def test_empty_cells_are_missing_points(root: Path) -> None:
    cells = row(NAMES[0])
    cells[1:3] = "", " "
    write(root, [cells])
    (face,) = UdacityKeypoints(root)
    assert np.isnan(face.keypoints[0]).all()
    assert face.mask.sum() == 67


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        (row("gone_00.jpg"), r"line 2: its picture .*gone_00\.jpg is missing"),
        (row("../A_B_00.jpg"), r"line 2: '\.\./A_B_00\.jpg' is not the name of a picture in training/"),
        (row(""), "line 2: '' is not the name of a picture"),
        (row(NAMES[0])[:-1], "line 2: expected a name and 136 numbers, got 136 columns"),
        ([NAMES[0], *["one"] * 136], r"line 2: expected a name and 136 numbers \(.*'one'"),
        ([NAMES[0], *["inf"] * 136], "line 2: a coordinate is infinite"),
        ([NAMES[0], "", *[1.0] * 135], "line 2: point 0 .* x or y, but not both"),
    ],
)
def test_wrong_rows_are_named_with_their_line(root: Path, cells: list[object], says: str) -> None:
    write(root, [cells, row(NAMES[1])])
    with pytest.raises(DatasetError, match=rf"training_frames_keypoints\.csv, {says}"):
        UdacityKeypoints(root)
    found = UdacityKeypoints(root, on_error="skip")
    assert [s.meta["line"] for s in found] == [3]
    assert len(found.skipped) == 1


def test_a_frame_that_comes_twice(root: Path) -> None:
    write(root, [row(NAMES[0]), row(NAMES[1]), row(NAMES[0])])
    with pytest.raises(DatasetError, match=r"line 4: A_B_00\.jpg stands in line 2 already"):
        UdacityKeypoints(root)


def test_wrong_folders(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"test_frames_keypoints\.csv: this file is missing\. The frames .* are had"):
        UdacityKeypoints(root, "test")
    with pytest.raises(ArgumentError, match="'train'; choose one of: test, training"):
        UdacityKeypoints(root, "train")
    table = write(root, [])
    with pytest.raises(DatasetError, match="no labelled frame"):
        UdacityKeypoints(root)
    table.write_text("")
    with pytest.raises(DatasetError, match="line 1: expected a header of 137 columns, found 0"):
        UdacityKeypoints(root)


@pytest.mark.parametrize(("split", "count"), [("training", 3462), ("test", 770)])
def test_the_real_frames(data_root: Path, split: str, count: int) -> None:
    found = datasets.create("udacity", root=data_root / "ytf", split=split)
    assert len(found) == count
    assert all(s.mask.all() for s in found)
    assert found[0].image.ndim == 3
    if split == "training":
        assert len({s.subject for s in found} | {s.subject for s in UdacityKeypoints(data_root / "ytf", "test")}) == 347
