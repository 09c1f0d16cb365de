"""WFLW's text: what is read, what is written back, and what is said of lines that are wrong."""

from __future__ import annotations

import logging
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest

from facekp import datasets, schema
from facekp.datasets import WFLW, write_wflw
from facekp.errors import ArgumentError, DatasetError
from facekp.sample import Sample

LIST = "list_98pt_rect_attr_train_test/list_98pt_rect_attr_train.txt"
PICTURE = "0--Parade/0_Parade_marching band_1.jpg"


def line(first: str = "1.5 2.25", box: str = "10 20 30 40", flags: str = "0 1 0 0 1 0", name: str = PICTURE) -> str:
    return f"{first} {'7 8 ' * 97}{box} {flags} {name}\n"


def make(root: Path, *lines: str, under: str = "WFLW_annotations") -> Path:
    picture = root / "WFLW_images" / PICTURE
    picture.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(picture), np.full((50, 60, 3), 90, np.uint8))
    labels = root / under / LIST
    labels.parent.mkdir(parents=True, exist_ok=True)
    labels.write_text("".join(lines))
    return root


@pytest.mark.parametrize("under", ["", "WFLW_annotations"])
def test_a_line_by_hand(tmp_path: Path, under: str) -> None:
    found = WFLW(make(tmp_path, line(), "\n", line("3 4", flags="1 0 0 0 0 0"), under=under))
    assert len(found) == 2
    face = found[0]
    assert face.schema is schema.get("wflw98")
    assert face.keypoints.shape == (98, 2)
    assert face.keypoints.dtype == np.float32
    assert face.keypoints[:2].tolist() == [[1.5, 2.25], [7, 8]]
    assert face.source_box is not None
    assert face.source_box.tolist() == [10, 20, 30, 40]
    assert face.meta["name"] == face.subject == PICTURE
    assert [
        key for key in ("pose", "expression", "illumination", "make-up", "occlusion", "blur") if face.meta[key]
    ] == [
        "expression",
        "occlusion",
    ]
    assert face.image.shape == (50, 60, 3)
    assert pickle.loads(pickle.dumps(found))[1].keypoints[0].tolist() == [3, 4]


def test_one_attribute(tmp_path: Path) -> None:
    root = make(tmp_path, line(), line("3 4", flags="1 0 0 0 0 0"))
    assert [s.keypoints[0, 0] for s in WFLW(root, attribute="pose")] == [3]
    assert len(WFLW(root, attribute="blur")) == 0
    with pytest.raises(ArgumentError, match="'makeup'; choose one of: blur"):
        WFLW(root, attribute="makeup")
    with pytest.raises(ArgumentError, match="'valid'; choose one of: test, train"):
        datasets.create("wflw", root=root, split="valid")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("1 2 3\n", r"train\.txt:2: expected 206 numbers and a picture's name, found 3 words"),
        (line("1 two"), r"train\.txt:2: expected 206 numbers"),
        (line("1 nan"), r"train\.txt:2: point 0 \(from 0\) has x or y, but not both"),
        (line("1 inf"), r"train\.txt:2: a coordinate is infinite"),
        (line(box="30 20 10 40"), r"train\.txt:2: the box .* is not x0 y0 x1 y1"),
        (line(box="nan 20 10 40"), r"train\.txt:2: the box"),
        (line(flags="0 0 0 0 0 2"), r"train\.txt:2: the six attributes must be 0 or 1"),
        (line(name="none.jpg"), r"train\.txt:2: its picture .*none\.jpg is missing"),
    ],
)
def test_wrong_lines_are_named_or_left_out(
    tmp_path: Path, wrong: str, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    root = make(tmp_path, line(), wrong, line("3 4"))
    with pytest.raises(DatasetError, match=says):
        WFLW(root)
    with caplog.at_level(logging.WARNING):
        found = WFLW(root, on_error="skip")
    assert [s.keypoints[0, 0] for s in found] == [1.5, 3]
    assert len(found.skipped) == 1
    assert len(caplog.records) == 1
    assert "WFLW train: 1 left out, 2 read; the first: " in caplog.text
    with pytest.raises(DatasetError, match=f"no face.*the first of 1: .*{says}"):
        WFLW(make(tmp_path, "\n", wrong), on_error="skip")
    with pytest.raises(ArgumentError, match="'ignore'; choose one of: raise, skip"):
        WFLW(root, on_error="ignore")


def test_a_missing_set_says_what_to_get(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"list_98pt_rect_attr_test\.txt is not here\. WFLW \(research.*had from"):
        WFLW(make(tmp_path, line()), "test")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    source = WFLW(make(tmp_path / "a", line(), line("3 4")))
    faces = [
        Sample(
            rng.uniform(0, 60, (98, 2)).astype(np.float32),
            s.schema,
            s.path,
            np.array([1.4, 2, 30, 40.6], np.float32),
            meta=s.meta,
        )
        for s in source
    ]
    faces[1].keypoints[5] = np.nan
    faces[1].source_box = None
    write_wflw(faces, tmp_path / "b")
    again = WFLW(tmp_path / "b")
    for old, new in zip(faces, again, strict=True):
        np.testing.assert_array_equal(new.keypoints, old.keypoints)
        assert new.meta == old.meta
    assert again[0].source_box is not None
    assert again[0].source_box.tolist() == [1, 2, 30, 41]
    assert again[1].source_box is not None
    assert (again[1].source_box[:2] <= faces[1].box[:2]).all()
    assert (again[1].source_box[2:] >= faces[1].box[2:]).all()
    assert sum(p.is_file() for p in (tmp_path / "b" / "WFLW_images").rglob("*")) == 1  # one picture, two faces


def test_other_points_are_not_written(tmp_path: Path) -> None:
    face = Sample(np.zeros((68, 2), np.float32), schema.get("ibug68"), pixels=np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(ArgumentError, match="sample 0 has schema ibug68"):
        write_wflw([face], tmp_path)
    empty = Sample(np.full((98, 2), np.nan, np.float32), schema.get("wflw98"), pixels=np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(ArgumentError, match="neither a box nor a point"):
        write_wflw([empty], tmp_path)
    assert not any(tmp_path.iterdir())
