"""A person's own points: pictures, one table, one schema file."""

from __future__ import annotations

import json
import logging
import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from facekp import schema
from facekp.datasets import Folder, write_folder
from facekp.datasets.writing import name_of, place
from facekp.errors import ArgumentError, DatasetError
from facekp.sample import Sample
from facekp.schema import KeypointSchema

PAIR = schema.get("ibug68").subset(["nose_tip", "chin"], name="pair")
HEAD = "file,nose_tip_x,nose_tip_y,chin_x,chin_y"


def make(root: Path, table: str, name: str = "points.csv", layout: KeypointSchema | None = PAIR) -> Path:
    root.mkdir(exist_ok=True)
    for picture in ("a.png", "b.png"):
        cv2.imwrite(str(root / picture), np.full((50, 60, 3), 90, np.uint8))
    if layout is not None:
        (root / "schema.json").write_text(json.dumps(layout.to_dict()))
    (root / name).write_text(table)
    return root


def test_csv_by_hand(tmp_path: Path) -> None:
    table = (
        "\ufefffile,chin_x,chin_y,nose_tip_x,nose_tip_y,subject,box_x0,box_y0,box_x1,box_y1\r\n"
        '"a.png",1,2, 3.5 ,4,Ada,10,20,30,40\r\n\r\nb.png,5,6,,,,,,,\r\n'
    )
    found = Folder(make(tmp_path, table))
    assert found.schema == PAIR
    assert found[0].keypoints.tolist() == [[3.5, 4], [1, 2]]
    assert found[0].keypoints.dtype == np.float32
    assert found[0].subject == "Ada"
    assert found[0].source_box is not None
    assert found[0].source_box.tolist() == [10, 20, 30, 40]
    assert found[0].image.shape == (50, 60, 3)
    assert found[1].mask.tolist() == [False, True]
    assert (found[1].source_box, found[1].subject) == (None, None)
    assert pickle.loads(pickle.dumps(found))[0].meta["name"] == "a.png"


def test_json_by_hand(tmp_path: Path) -> None:
    rows = [
        {"file": "a.png", "points": {"chin": [1, 2], "nose_tip": [3.5, 4]}, "box": [10, 20, 30, 40], "subject": "Ada"},
        {"file": "a.png", "points": {"chin": [5, 6], "nose_tip": None}},
        {"file": "b.png", "points": {}},
    ]
    found = Folder(make(tmp_path, json.dumps(rows), "mine.json"))
    assert found[0].keypoints.tolist() == [[3.5, 4], [1, 2]]
    assert (found[0].subject, found[1].subject) == ("Ada", None)
    assert [s.mask.tolist() for s in found] == [[True, True], [False, True], [False, False]]


def test_the_schema_may_be_told(tmp_path: Path) -> None:
    root = make(tmp_path, "file,nose_tip_x,nose_tip_y\na.png,1,2\n", layout=None)
    assert Folder(root, "nose_tip")[0].keypoints.tolist() == [[1, 2]]
    with pytest.raises(DatasetError, match=r"schema\.json: this file is missing, and no schema= is given; expected"):
        Folder(root)
    (root / "schema.json").write_text('{"name": "x",\n')
    with pytest.raises(DatasetError, match=r"schema\.json:2: damaged JSON"):
        Folder(root)
    for wrong in ("[]", '{"name": "x"}', json.dumps(PAIR.to_dict() | {"mirror": [0]})):
        (root / "schema.json").write_text(wrong)
        with pytest.raises(DatasetError, match="not the JSON of KeypointSchema"):
            Folder(root)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("a.png,1,2,3", r"points\.csv:3: expected 5 cells, found 4"),
        ("a.png,1,2,3,4,5", r"points\.csv:3: expected 5 cells, found 6"),
        ("a.png,1,2,3,four", r"points\.csv:3: chin_y is 'four', not a number"),
        ("a.png,1,2,3,inf", r"points\.csv:3: chin_y is 'inf'"),
        ("a.png,1,2,3,", r"points\.csv:3: point 1 \(from 0\) has x or y, but not both"),
        (",1,2,3,4", r"points\.csv:3: it names no file"),
        ("c.png,1,2,3,4", r"points\.csv:3: its picture .*c\.png is missing"),
        ("a.png,9,9,9,9", r"points\.csv:3: it repeats .*points\.csv:2"),
    ],
)
def test_wrong_rows_are_named_or_left_out(
    tmp_path: Path, row: str, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    root = make(tmp_path, f"{HEAD}\na.png,9,9,9,9\n{row}\nb.png,1,2,3,4\n")
    with pytest.raises(DatasetError, match=says):
        Folder(root)
    with caplog.at_level(logging.WARNING):
        found = Folder(root, on_error="skip")
    assert [s.meta["name"] for s in found] == ["a.png", "b.png"]
    assert len(found.skipped) == 1
    assert "1 left out, 2 read; the first" in caplog.text


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("", r"points\.csv:1: its columns do not fit schema pair \(missing: file, nose_tip_x"),
        (HEAD.removesuffix(",chin_y"), "missing: chin_y"),
        (f"{HEAD},ear_x", "unknown: ear_x"),
        (f"{HEAD},chin_x", "twice: chin_x"),
        (f"{HEAD},box_x0", "missing: box_y0, box_x1, box_y1"),
        (HEAD.replace(",", ";"), "it has semicolons: save it with commas"),
        (HEAD, r"points\.csv: no face"),
        (f'{HEAD}\n"a.png,1', r"points\.csv:2: damaged CSV"),
        (f"{HEAD},box_x0,box_y0,box_x1,box_y1\na.png,1,2,3,4,5,6,7,", "the box is neither whole nor empty"),
        (f"{HEAD},box_x0,box_y0,box_x1,box_y1\na.png,1,2,3,4,5,6,4,9", "is not x0 y0 x1 y1"),
    ],
)
def test_wrong_tables(tmp_path: Path, table: str, says: str) -> None:
    with pytest.raises(DatasetError, match=says):
        Folder(make(tmp_path, table))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[\n{]", r"mine\.json:2: damaged JSON"),
        ({}, "expected a list of"),
        ([1], r"entry 0 \(from 0\): expected"),
        ([{"file": "a.png"}], "entry 0"),
        ([{"file": "a.png", "points": {"ear": [1, 2]}}], "points that schema pair has not: ear"),
        ([{"file": "a.png", "points": {"chin": [1]}}], r"point chin is not \[x, y\] or null"),
        ([{"file": "a.png", "points": {"chin": [1, None]}}], "x or y, but not both"),
        ([{"file": "a.png", "points": {"chin": [1, {}]}}], "chin_y is '{}', not a number"),
        ([{"file": "a.png", "points": {"chin": [1, 10**400]}}], "not a number"),
        ([{"file": "a.png", "points": {}, "box": [1, 2]}], r"box is not \[x0, y0, x1, y1\]"),
        ([{"file": 3, "points": {}}], "it names no file"),
    ],
)
def test_wrong_json(tmp_path: Path, content: Any, says: str) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    with pytest.raises(DatasetError, match=says):
        Folder(make(tmp_path, text, "mine.json"))


def test_no_table_or_several(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"none: no such folder; expected pictures, one table"):
        Folder(tmp_path / "none")
    with pytest.raises(DatasetError, match="0 tables"):
        Folder(tmp_path)
    (make(tmp_path, HEAD) / "more.json").write_text("[]")
    with pytest.raises(DatasetError, match=r"2 tables \(more\.json, points\.csv\)"):
        Folder(tmp_path)


def faces(root: Path) -> list[Sample]:
    points = np.array([[1 / 3, 2e-5], [np.nan, np.nan]], np.float32)
    box = np.array([-0.5, 1.25, 30.1, 40], np.float32)
    cv2.imwrite(str(root / "a.png"), np.full((50, 60, 3), 90, np.uint8))
    inside = np.zeros((20, 30, 3), np.uint8)
    inside[3, 4] = 255, 128, 0
    return [
        Sample(points, PAIR, root / "a.png", box, 'Ada, "the first"', meta={"name": "sub/a.png"}),
        Sample(points + 1, PAIR, root / "a.png", meta={"name": "sub/a.png"}),
        Sample(points, PAIR, pixels=inside),
    ]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    source = faces(tmp_path)
    write_folder(source, tmp_path / "new")
    again = Folder(tmp_path / "new")
    assert again.schema.to_dict() == PAIR.to_dict()
    for old, new in zip(source, again, strict=True):
        np.testing.assert_array_equal(new.keypoints, old.keypoints)
        np.testing.assert_array_equal(new.image, old.image)
        assert new.subject == old.subject
        assert (new.source_box is None) == (old.source_box is None)
    np.testing.assert_array_equal(again[0].source_box, source[0].source_box)
    assert [s.meta["name"] for s in again] == ["sub/a.png", "sub/a.png", "00003.png"]
    with pytest.raises(ArgumentError, match="one schema is needed, got"):
        write_folder([], tmp_path / "none")


# ---------------------------------------------------------------- pictures


def test_pictures_are_never_mixed_up(tmp_path: Path) -> None:
    one, two = tmp_path / "1", tmp_path / "2"
    for value, folder in enumerate((one, two)):
        folder.mkdir()
        cv2.imwrite(str(folder / "A.png"), np.full((9, 9, 3), value, np.uint8))
    points = np.zeros((2, 2), np.float32)
    source = [Sample(points, PAIR, folder / "A.png") for folder in (one, two, one)]
    assert place(source, tmp_path / "new") == ["A.png", "A-2.png", "A.png"]
    assert place(source, tmp_path / "each", one_each=True) == ["A.png", "A-2.png", "A-3.png"]
    assert place(source[:1], one) == ["A.png"]  # it is there already
    with pytest.raises(DatasetError, match=r"2.A\.png: another picture has this name already"):
        place(source[:1], two)
    (one / "A.png").unlink()
    with pytest.raises(DatasetError, match="cannot be written"):
        place(source[:1], tmp_path / "gone")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/b.png", "a/b.png"),
        ("../../b.png", "b.png"),
        ("/etc/b.png", "b.png"),
        ("c:\\x\\b.png", "b.png"),
        ("..", "a.png"),
    ],
)
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str, expected: str) -> None:
    assert name_of(Sample(np.zeros((2, 2)), PAIR, tmp_path / "a.png", meta={"name": name})) == expected
