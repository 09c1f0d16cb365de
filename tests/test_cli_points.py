"""``facekp detect --pts`` and ``--csv``, with models of random weights."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from facekp import annotate, cli, schema
from facekp.cli import drawings, inputs
from facekp.cli.points import PointFiles
from facekp.datasets.pts import read_pts
from facekp.errors import ArgumentError
from facekp.face import Face

IBUG = schema.get("ibug68")


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / name for name in ("a.png", "b.jpg", "in/a.png")]
    for i, path in enumerate(paths):
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), np.full((24, 32, 3), 60 * i + 60, np.uint8))
    return paths


@pytest.fixture
def detect(tiny_models: Path, capfd: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    def run(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        model = ["--device", "cpu", "--engine", "torch", "--model", str(tiny_models / "whole")]
        code = cli.main(["detect", *model, *map(str, arguments)])
        return (code, *capfd.readouterr())

    return run


def face(value: float = 1.0) -> Face:
    points = IBUG.mean_shape * 10 + value
    return Face(points, np.full(68, 0.5, np.float32), np.array([0, 0, 9, 9], np.float32), 0.75, IBUG)


# ---------------------------------------------------------------- .pts


def test_pts_are_those_of_the_records(detect, pictures: list[Path], tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = detect(*pictures, "--pts", tmp_path / "out", "--json", "-")
    assert code == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a-2.pts", "a.pts", "b.pts"]
    first = json.loads(out.splitlines()[0])["faces"][0]["keypoints"]
    np.testing.assert_allclose(read_pts(tmp_path / "out" / "a.pts", 68), first, atol=2e-3)
    text = (tmp_path / "out" / "a.pts").read_text("ascii").splitlines()
    assert text[:3] == ["version: 1", "n_points: 68", "{"]
    assert float(text[3].split()[0]) == pytest.approx(first[0][0] + 1, abs=2e-3)  # 300-W counts from 1


def test_labels_are_not_written_over(detect, pictures: list[Path], tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    label = tmp_path / "a.pts"
    label.write_text("by hand")
    code, out, err = detect(pictures[0], "--pts", tmp_path)
    assert (code, out) == (2, "")
    assert "a.pts is there already" in err
    jsonl = tmp_path / "points.jsonl"
    assert detect(pictures[0], "--pts", tmp_path, "--json", jsonl, "--resume")[0] == 2  # the first run of a resumed one
    assert label.read_text() == "by hand"
    jsonl.write_text("")  # nothing is on record: it may have been made by anything
    assert detect(pictures[0], "--pts", tmp_path, "--json", jsonl, "--resume")[0] == 2
    assert label.read_text() == "by hand"
    assert detect(pictures[1], "--json", jsonl)[0] == 0  # as a killed run leaves it
    assert detect(pictures[0], "--pts", tmp_path, "--json", jsonl, "--resume")[0] == 0
    assert label.read_text().startswith("version: 1")


def test_many_faces_get_numbers(tmp_path: Path) -> None:
    found = [inputs.Picture(Path(name), Path(name)) for name in ("a.jpg", "a_2.jpg", "x.y.jpg")]
    files = PointFiles.plan(found, tmp_path / "out", replace=False)
    assert files.write(Path("a.jpg"), [face(), face(2), face(3)]) is None
    assert files.write(Path("a_2.jpg"), [face(), face(2)]) is None
    assert files.write(Path("x.y.jpg"), []) is None
    names = {"a.pts", "a_3.pts", "a_4.pts", "a_2.pts", "a_2_2.pts"}  # a_2 is the other picture's
    assert {p.name for p in (tmp_path / "out").iterdir()} == names
    np.testing.assert_allclose(read_pts(tmp_path / "out" / "a_4.pts"), face(3).keypoints, atol=1e-3)
    (tmp_path / "out" / "a_2.pts").write_text("label")
    assert "a_2.pts: is there already" in str(files.write(Path("a_2.jpg"), [face()]))
    with pytest.raises(ArgumentError, match="a.pts is there already"):
        files.check(found)
    PointFiles.plan(found, tmp_path / "out", replace=True).check(found)
    files.check([inputs.Picture(Path("x.y.jpg"), Path("x.y.jpg"))])  # another shard's files are in nobody's way
    assert PointFiles.plan(found, None, replace=False).write(Path("a.jpg"), [face()]) is None


def test_a_folder_that_cannot_be_made(detect, pictures: list[Path]) -> None:  # type: ignore[no-untyped-def]
    code, _, err = detect(pictures[0], "--pts", pictures[1])
    assert code == 2
    assert "cannot be written" in err


def test_a_long_name_is_cut(tmp_path: Path) -> None:
    name = "n" * 250 + ".jpg"
    files = PointFiles.plan([inputs.Picture(Path(name), Path(name))], tmp_path, replace=False)
    assert files.write(Path(name), [face()] * 12) is None
    assert max(len(p.name) for p in tmp_path.iterdir()) <= drawings.LONGEST


# ---------------------------------------------------------------- CSV


def test_csv(detect, pictures: list[Path], tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = detect(*pictures, "--csv", tmp_path / "new" / "faces.csv")
    assert (code, out) == (0, "")
    text = (tmp_path / "new" / "faces.csv").read_text("utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["path"] for row in rows] == list(map(str, pictures))
    assert {(row["width"], row["height"], row["model"], row["face"]) for row in rows} == {("32", "24", "whole", "1")}
    shown = detect(*pictures, "--csv", "-")
    assert shown == (0, text, "")
    record = json.loads(detect(pictures[0], "--json", "-")[1])["faces"][0]
    names = schema.get("ibug68").names
    points = [[float(rows[0][f"{n}_x"]), float(rows[0][f"{n}_y"])] for n in names]
    assert points == record["keypoints"]
    assert [float(rows[0][f"{n}_score"]) for n in names] == record["scores"]
    assert [float(rows[0][k]) for k in ("x0", "y0", "x1", "y1")] == record["box"]
    assert len(rows[0]) == 10 + 3 * 68


def test_csv_by_hand(tmp_path: Path) -> None:
    few = IBUG.subset(["nose_tip", "chin"], "two")
    points = np.array([[1.25, 2], [np.nan, np.nan]], np.float32)
    one = Face(points, np.array([0.5, 0], np.float32), np.array([0, 0, 4, 4], np.float32), 0.9, few)
    record = {"path": 'a,"b"\udcff.jpg', "width": 8, "height": 6, "model": "m", "faces": [one.to_dict()] * 2}
    with annotate.CsvRows(tmp_path / "a.csv", few) as rows:
        rows.write(record)
        rows.write({**record, "faces": []})
        assert "a.jpg" not in rows
    header, first, second = (tmp_path / "a.csv").read_text("utf-8").splitlines()
    start = "path,width,height,model,face,score,x0,y0,x1,y1"
    names = ",".join(f"{n}_{part}" for n in few.names for part in ("x", "y", "score"))
    assert header == f"{start},{names}"
    assert first == '"a,""b""\\udcff.jpg",8,6,m,1,0.9,0.0,0.0,4.0,4.0,1.25,2.0,0.5,,,0.0'
    assert second == first.replace(",m,1,", ",m,2,")
    with pytest.raises(ArgumentError, match="is closed"):
        rows.write(record)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--csv", "a.csv", "--json", "b.jsonl"], "--json and --csv: give one of them"),
        (["--csv", "-", "--parquet", "b"], "--csv and --parquet: give one of them"),
        (["--csv", "a.csv", "--resume"], "--resume does not go with --csv"),
        (["--pts", "out", "--resume"], "--resume needs --json FILE or --parquet DIR"),
        (["--csv", "a.png"], "is one of the pictures"),
    ],
)
def test_what_does_not_go_together(  # type: ignore[no-untyped-def]
    detect, pictures: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = detect(pictures[0], *options)
    assert (code, out) == (2, "")
    assert says in err
