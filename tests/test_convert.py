"""From every format into every format and back."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

from facekp import cli, datasets, schema
from facekp.datasets import TARGETS, SampleSet, convert
from facekp.datasets.convert import guess
from facekp.errors import ArgumentError, DatasetError
from facekp.sample import Sample

# How far a format moves a point, in px of the 96x96 pictures of these tests.
STEP = {"pts": 6e-4, "asf": 1e-5, "dlib_xml": 0.5, "coco": 0.0, "folder": 0.0, "wflw": 0.0, "kaggle": 0.0}
FILES = {"dlib_xml": "labels.xml", "coco": "labels.json", "kaggle": "training.csv"}
BOXES = {"dlib_xml": 0.5, "coco": 1e-5, "folder": 0.0, "wflw": 0.5}
POINTS = {"wflw": "wflw98", "kaggle": "kaggle15"}


def make(root: Path, layout: str = "ibug68", count: int = 3) -> SampleSet:
    """Faces with holes: two share a picture, one has no box, subjects are told."""
    own, rng = schema.get(layout), np.random.default_rng(0)
    root.mkdir(exist_ok=True)
    faces = []
    for i in range(count):
        path = root / f"{min(i, count - 2)}.png"
        cv2.imwrite(str(path), np.repeat(rng.integers(0, 255, (96, 96, 1), np.uint8), 3, -1))
        points = (own.mean_shape * 60 + 45 + rng.uniform(-3, 3, (len(own), 2))).astype(np.float32)
        points[[i, -1]] = np.nan
        box = None if i == 0 else np.array([10.3, 11, 80.8, 90], np.float32)
        faces.append(Sample(points, own, path, box, f"person {i}"))
    return SampleSet(faces, own, "made")


def target(folder: Path, form: str) -> Path:
    return folder / form / FILES[form] if form in FILES else folder / form


def read(path: Path, form: str, layout: str) -> SampleSet:
    options = {"dlib_xml": {"schema": layout}, "wflw": {"split": "train"}}.get(form, {})
    return datasets.create(form, **{"path" if form in FILES else "root": path}, **options)


@pytest.mark.parametrize("form", sorted(TARGETS))
def test_there_and_back(tmp_path: Path, form: str) -> None:
    layout = POINTS.get(form, "ibug68")
    faces = make(tmp_path / "made", layout)
    datasets.write_folder(faces, tmp_path / "start")
    there, back = target(tmp_path, form), tmp_path / "back"
    assert len(convert(tmp_path / "start", there, target_format=form)) == 3
    split = "train" if form == "wflw" else None
    told = layout if form == "dlib_xml" else None
    convert(there, back, source_format=form, target_format="folder", split=split, schema=told)
    again = datasets.Folder(back)
    assert again.schema == faces.schema
    by_order = sorted(range(3), key=lambda i: faces[i].keypoints[5, 0])  # formats with one file a face sort them
    for i, new in zip(by_order, sorted(again, key=lambda s: s.keypoints[5, 0]), strict=True):
        old = faces[i]
        np.testing.assert_array_equal(new.mask, old.mask)
        np.testing.assert_allclose(new.keypoints, old.keypoints, rtol=0, atol=STEP[form] + 1e-5 * (STEP[form] > 0))
        np.testing.assert_array_equal(new.image, old.image)
        if form in BOXES and old.source_box is not None:
            np.testing.assert_allclose(new.source_box, old.source_box, rtol=0, atol=BOXES[form])
        if form in ("pts", "asf", "coco", "folder"):
            assert old.source_box is not None or new.source_box is None
        elif form != "kaggle" and old.source_box is None:
            np.testing.assert_allclose(new.source_box, old.box, rtol=0, atol=1)  # its extent, rounded outwards
        if form in ("coco", "folder"):
            assert new.subject == old.subject


def test_faces_of_one_picture_keep_it(tmp_path: Path) -> None:
    datasets.write_folder(make(tmp_path / "made"), tmp_path / "start")
    convert(tmp_path / "start", tmp_path / "x" / "labels.xml", target_schema="ibug68")
    assert sorted(p.name for p in (tmp_path / "x").iterdir()) == ["0.png", "1.png", "labels.xml"]
    convert(tmp_path / "start", tmp_path / "pts", target_format="pts")
    assert {p.name for p in (tmp_path / "pts").iterdir()} == {
        f"{n}.{e}" for n in ("0", "1", "1-2") for e in ("png", "pts")
    }


def test_labels_beside_their_own_pictures(tmp_path: Path) -> None:
    datasets.write_folder(make(tmp_path / "made"), tmp_path / "start")
    before = {p.name: p.read_bytes() for p in (tmp_path / "start").iterdir()}
    convert(tmp_path / "start", tmp_path / "start" / "labels.xml")
    after = {p.name: p.read_bytes() for p in (tmp_path / "start").iterdir()}
    assert after.pop("labels.xml")
    assert after == before


def test_pictures_in_memory_become_files(tmp_path: Path) -> None:
    datasets.write_kaggle(tmp_path / "training.csv", make(tmp_path / "made", "kaggle15"))
    convert(tmp_path / "training.csv", tmp_path / "new", target_format="folder")
    again = datasets.Folder(tmp_path / "new")
    assert [s.meta["name"] for s in again] == ["00001.png", "00002.png", "00003.png"]
    np.testing.assert_array_equal(again[1].image, make(tmp_path / "made", "kaggle15")[1].image)


def test_other_points_by_their_names(tmp_path: Path) -> None:
    faces = make(tmp_path / "made")
    datasets.write_folder(faces, tmp_path / "start")
    with pytest.raises(ArgumentError, match="wflw has the points of wflw98, .* those of ibug68, and 68 are in both"):
        convert(tmp_path / "start", tmp_path / "w", target_format="wflw")
    assert not (tmp_path / "w").exists()
    convert(tmp_path / "start", tmp_path / "w", target_format="wflw", target_schema="wflw98")
    again = datasets.WFLW(tmp_path / "w")
    tip = schema.get("ibug68").index("nose_tip"), schema.get("wflw98").index("nose_tip")
    np.testing.assert_array_equal(again[1].keypoints[tip[1]], faces[1].keypoints[tip[0]])
    assert not again[1].mask[schema.get("wflw98").index("left_pupil")]


def test_a_schema_file(tmp_path: Path) -> None:
    layout = schema.get("imm58").subset(["nose"], name="mine")
    (tmp_path / "mine.json").write_text(json.dumps(layout.to_dict()))
    faces = make(tmp_path / "made", "imm58")
    datasets.write_folder(faces, tmp_path / "start")
    convert(tmp_path / "start", tmp_path / "x.xml", target_schema=str(tmp_path / "mine.json"))
    convert(tmp_path / "x.xml", tmp_path / "c.json", schema=str(tmp_path / "mine.json"))
    assert datasets.CocoKeypoints(tmp_path / "c.json").schema == layout


def test_what_is_lost_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    datasets.write_folder(make(tmp_path / "made"), tmp_path / "start")
    with caplog.at_level(logging.WARNING):
        convert(tmp_path / "start", tmp_path / "pts", target_format="pts")
    assert "the boxes of" in caplog.text
    (tmp_path / "pts" / "0.pts").write_text("{\n1 1\n}\n")
    with pytest.raises(DatasetError, match=r"0\.pts: 1 points"):
        convert(tmp_path / "pts", tmp_path / "a.json")
    assert len(convert(tmp_path / "pts", tmp_path / "a.json", on_error="skip")) == 2
    assert "1 left out" in caplog.text


def test_nothing_half_written_and_nothing_overwritten(tmp_path: Path) -> None:
    datasets.write_folder(make(tmp_path / "made"), tmp_path / "start")
    for there in (tmp_path / "start", tmp_path / "start" / "points.csv"):
        with pytest.raises(ArgumentError, match="it is there already"):
            convert(tmp_path / "start", there, target_format="folder")
    empty = tmp_path / "empty"
    empty.mkdir()
    convert(tmp_path / "start", empty, target_format="folder")
    assert len(datasets.Folder(empty)) == 3
    bad = make(tmp_path / "bad")
    datasets.write_pts_folder(bad, tmp_path / "bad pts")
    (tmp_path / "bad pts" / "1.png").write_bytes(b"no picture")
    with pytest.raises(Exception, match=r"1\.png"):
        convert(tmp_path / "bad pts", tmp_path / "asf", target_format="asf")
    assert [p.name for p in tmp_path.iterdir() if "asf" in p.name] == []


def test_wrong_arguments(tmp_path: Path) -> None:
    datasets.write_folder(make(tmp_path / "made"), tmp_path / "start")
    with pytest.raises(ArgumentError, match="choose one of: asf, coco, dlib_xml, folder, kaggle, pts, wflw"):
        convert(tmp_path / "start", tmp_path / "new")
    with pytest.raises(ArgumentError, match="'voc'; choose one of: 300w"):
        convert(tmp_path / "start", tmp_path / "a.xml", source_format="voc")
    with pytest.raises(ArgumentError, match="the format folder takes no split"):
        convert(tmp_path / "start", tmp_path / "a.xml", split="train")
    with pytest.raises(ArgumentError, match="which split of this wflw set"):
        convert(tmp_path / "start", tmp_path / "a.xml", source_format="wflw")
    with pytest.raises(ArgumentError, match="none: no such file or folder"):
        convert(tmp_path / "none", tmp_path / "a.xml")
    with pytest.raises(ArgumentError, match="made: looks like no format"):
        convert(tmp_path / "made", tmp_path / "a.xml")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    datasets.write_folder(make(tmp_path / "made"), tmp_path / "start")
    there = tmp_path / "a.json"
    assert cli.main(["convert", str(tmp_path / "start"), str(there), "--to-schema", "nose_tip"]) == 0
    assert capsys.readouterr().out == f"{there}: 3 faces of nose_tip\n"
    assert cli.main(["convert", str(tmp_path / "start"), str(there)]) == 2
    assert "it is there already" in capsys.readouterr().err


# ---------------------------------------------------------------- the real thing


def test_formats_are_known_by_their_content(data_root: Path, tmp_path: Path) -> None:
    assert guess(data_root / "300w") == "pts"
    assert guess(data_root / "300w" / "labels_ibug_300W_test.xml") == "dlib_xml"
    assert guess(data_root / "imm_frontal") == "imm_frontal"
    assert guess(data_root / "ytf") == "udacity"
    faces = make(tmp_path / "made", "wflw98")
    datasets.write_wflw(faces, tmp_path / "w")
    assert guess(tmp_path / "w") == "wflw"


def test_real_faces_go_round(data_root: Path, tmp_path: Path) -> None:
    faces = datasets.create("imm_frontal", root=data_root / "imm_frontal")[:12]
    datasets.write_coco(faces, tmp_path / "1" / "c.json")
    convert(tmp_path / "1" / "c.json", tmp_path / "2", target_format="folder")
    convert(tmp_path / "2", tmp_path / "3", target_format="asf")
    convert(tmp_path / "3", tmp_path / "4", target_format="pts")
    again = datasets.PtsFolder(tmp_path / "4")
    assert again.schema.to_dict() == faces.schema.to_dict()
    for old, new in zip(faces, again, strict=True):
        np.testing.assert_allclose(new.keypoints, old.keypoints, rtol=0, atol=7e-4)
        assert new.path is not None
        assert old.path is not None
        assert new.path.read_bytes() == old.path.read_bytes()
