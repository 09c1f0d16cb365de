"""Kaggle's CSV files, from small ones by hand and from files made of real faces."""

from __future__ import annotations

import csv
import importlib.util
import pickle
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facekp import datasets, schema
from facekp.datasets import IBUG300W, KaggleFacialKeypoints, KaggleTest, kaggle_rmse, write_kaggle, write_submission
from facekp.datasets.kaggle import FEW, KAGGLE_COLUMNS
from facekp.datasets.kaggle_out import read_lookup
from facekp.errors import ArgumentError, DatasetError
from facekp.sample import Sample

# As training.csv has them, not derived from the reader's own table.
COLUMNS = [
    *("left_eye_center", "right_eye_center", "left_eye_inner_corner", "left_eye_outer_corner"),
    *("right_eye_inner_corner", "right_eye_outer_corner", "left_eyebrow_inner_end", "left_eyebrow_outer_end"),
    *("right_eyebrow_inner_end", "right_eyebrow_outer_end", "nose_tip", "mouth_left_corner"),
    *("mouth_right_corner", "mouth_center_top_lip", "mouth_center_bottom_lip"),
]
AXES = [f"{column}_{axis}" for column in COLUMNS for axis in "xy"]
GREY = np.random.default_rng(0).integers(0, 256, (96, 96))
IMAGE = " ".join(map(str, GREY.ravel()))
FULL = [f"{10 + i}.25" for i in range(30)]
FOUR = [c if AXES[i][:-2] in (COLUMNS[0], COLUMNS[1], COLUMNS[10], COLUMNS[14]) else "" for i, c in enumerate(FULL)]


def write(path: Path, *rows: list[str], header: list[str] | None = None) -> Path:
    path.write_text("\n".join(",".join(row) for row in [header or [*AXES, "Image"], *rows]) + "\n")
    return path


@pytest.fixture
def training(tmp_path: Path) -> Path:
    holes = ["", "", *FULL[2:]]
    return write(
        tmp_path / "training.csv", [*FULL, IMAGE], [*holes, IMAGE], [*FOUR, IMAGE], [*holes[:2], *FOUR[2:], IMAGE]
    )


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    path = Path(__file__).parents[1] / "examples" / "make_kaggle.py"
    if not path.exists():
        pytest.skip("examples/make_kaggle.py is not in this distribution")
    spec = importlib.util.spec_from_file_location("make_kaggle", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ---------------------------------------------------------------- training.csv


def test_the_columns_are_the_schemas() -> None:
    assert tuple(KAGGLE_COLUMNS) == schema.get("kaggle15").names
    assert list(KAGGLE_COLUMNS.values()) == COLUMNS


def test_rows_by_hand(training: Path) -> None:
    found = KaggleFacialKeypoints(training)
    assert [s.meta["source"] for s in found] == ["15-point", "15-point", "4-point", "4-point"]
    assert found.schema.name == "kaggle15"
    assert found[0].keypoints.dtype == np.float32
    assert found[0].keypoints.ravel().tolist() == [float(v) for v in FULL]
    assert found[0].image.dtype == np.uint8
    np.testing.assert_array_equal(found[0].image, np.repeat(GREY[..., None], 3, -1))
    assert found[0].box.tolist() == [-0.5, -0.5, 95.5, 95.5]
    assert [s.mask.sum() for s in found] == [15, 14, 4, 3]
    assert np.isnan(found[1].keypoints[0]).all()
    assert found[2].meta == {"name": "training.csv:4", "line": 4, "source": "4-point"}
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(again[3].image, found[3].image)


@pytest.mark.parametrize(
    ("missing", "where", "lines"),
    [
        ("keep", "all", [2, 3, 4, 5]),
        ("keep", "15-point", [2, 3]),
        ("keep", "4-point", [4, 5]),
        ("drop", "all", [2]),
        ("drop", "15-point", [2]),
        ("drop", "4-point", [4]),
    ],
)
def test_which_rows(training: Path, missing: str, where: str, lines: list[int]) -> None:
    assert [s.meta["line"] for s in KaggleFacialKeypoints(training, missing, where)] == lines


def test_columns_may_stand_in_any_order(tmp_path: Path) -> None:
    order = np.random.default_rng(1).permutation(31)
    header, cells = [*AXES, "Image"], [*FULL, IMAGE]
    path = write(tmp_path / "t.csv", [cells[i] for i in order] + ["x"], header=[header[i] for i in order] + ["extra"])
    (face,) = KaggleFacialKeypoints(path)
    assert face.keypoints.ravel().tolist() == [float(v) for v in FULL]
    np.testing.assert_array_equal(face.image[..., 0], GREY)


@pytest.mark.parametrize("text", ['"{}"', " {} ", "{}\t"])
def test_pictures_in_quotes_or_with_more_spaces(tmp_path: Path, text: str) -> None:
    for image in (IMAGE, IMAGE.replace(" ", "  ")):
        (face,) = KaggleFacialKeypoints(write(tmp_path / "t.csv", [*FULL, text.format(image)]))
        np.testing.assert_array_equal(face.image[..., 0], GREY)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 255) | st.sampled_from([0, 9, 10, 99, 100, 255]), min_size=96, max_size=96))
def test_every_value_is_read(tmp_path_factory: pytest.TempPathFactory, line: list[int]) -> None:
    path = tmp_path_factory.getbasetemp() / "values.csv"
    (face,) = KaggleFacialKeypoints(write(path, [*FULL, " ".join(map(str, line * 96))]))
    np.testing.assert_array_equal(face.image[:, :, 1], [line] * 96)


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ([*FULL, IMAGE.rpartition(" ")[0]], r":2: Image has 9,215 values, expected 9,216"),
        ([*FULL, IMAGE + " 0"], r":2: Image has 9,217 values"),
        ([*FULL, ""], r":2: Image has 0 values"),
        ([*FULL, IMAGE.rpartition(" ")[0] + " x7"], r":2: Image holds '.*x7', not only numbers"),
        ([*FULL, IMAGE.rpartition(" ")[0] + " -7"], r":2: Image holds"),
        ([*FULL, IMAGE.rpartition(" ")[0] + " \u00b2"], r":2: Image holds"),
        ([*FULL, IMAGE.rpartition(" ")[0] + " 256"], r":2: Image has a value over 255"),
        ([*FULL, IMAGE.rpartition(" ")[0] + " 1000"], r":2: Image has a value over 255"),
        (["left", *FULL[1:], IMAGE], r":2: expected a coordinate or an empty cell, found 'left'"),
        (["", *FULL[1:], IMAGE], r":2: point 0 .* has x or y, but not both"),
        (["inf", *FULL[1:], IMAGE], r":2: a coordinate is infinite"),
        ([*FULL[:-1], IMAGE], r":2: 30 columns, but the header has 31"),
    ],
)
def test_wrong_rows_are_named_with_their_line(tmp_path: Path, cells: list[str], says: str) -> None:
    path = write(tmp_path / "t.csv", cells, [*FOUR, IMAGE])
    with pytest.raises(DatasetError, match=rf"t\.csv{says}"):
        KaggleFacialKeypoints(path)
    found = KaggleFacialKeypoints(path, on_error="skip")
    assert [s.meta["line"] for s in found] == [3]
    assert len(found.skipped) == 1


def test_wrong_files(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"none\.csv: this file is missing\. The files .* are had with an account"):
        KaggleFacialKeypoints(tmp_path / "none.csv")
    with pytest.raises(DatasetError, match=r"t\.csv:1: no column Image\. The files"):
        KaggleFacialKeypoints(write(tmp_path / "t.csv", FULL, header=AXES))
    with pytest.raises(DatasetError, match=r"t\.csv:1: no column left_eye_center_x, .* and 27 more"):
        KaggleFacialKeypoints(write(tmp_path / "t.csv", ["1", IMAGE], header=["ImageId", "Image"]))
    with pytest.raises(DatasetError, match=r"t\.csv:1: the column Image stands there twice"):
        KaggleFacialKeypoints(write(tmp_path / "t.csv", header=[*AXES, "Image", "Image"]))
    with pytest.raises(DatasetError, match="no row with a picture"):
        KaggleFacialKeypoints(write(tmp_path / "t.csv"))
    (tmp_path / "t.csv").write_text("")
    with pytest.raises(DatasetError, match=r"t\.csv:1: no column"):
        KaggleFacialKeypoints(tmp_path / "t.csv")
    with pytest.raises(ArgumentError, match="unknown missing 'fill'; choose one of: drop, keep"):
        KaggleFacialKeypoints(tmp_path / "t.csv", "fill")
    with pytest.raises(ArgumentError, match="unknown where"):
        KaggleFacialKeypoints(tmp_path / "t.csv", where="5-point")


# ---------------------------------------------------------------- test.csv, submission, score


def test_unlabelled_faces(tmp_path: Path) -> None:
    path = tmp_path / "test.csv"
    found = KaggleTest(write(path, ["1", IMAGE], ["7", IMAGE], header=["ImageId", "Image"]))
    assert [s.meta["image_id"] for s in found] == [1, 7]
    assert not found[0].mask.any()
    assert found[0].box.tolist() == [-0.5, -0.5, 95.5, 95.5]
    with pytest.raises(DatasetError, match=r"test\.csv:3: ImageId 1 stands in line 2 already"):
        KaggleTest(write(path, ["1", IMAGE], ["1", IMAGE], header=["ImageId", "Image"]))
    with pytest.raises(DatasetError, match=r"test\.csv:2: ImageId must be a whole number, found 'one'"):
        KaggleTest(write(path, ["one", IMAGE], header=["ImageId", "Image"]))


LOOKUP = ["RowId", "ImageId", "FeatureName", "Location"]


def test_only_asked_rows_are_written_and_clipped(tmp_path: Path) -> None:
    rows = [
        ["1", "3", "left_eye_center_x", ""],
        ["2", "3", "mouth_center_bottom_lip_y", ""],
        ["4", "9", "nose_tip_x", ""],
    ]
    lookup = write(tmp_path / "lookup.csv", *rows, header=LOOKUP)
    points = np.full((15, 2), np.nan)
    points[0, 0], points[14, 1], points[10, 0] = 33.5, 97.25, -2
    assert write_submission(tmp_path / "out" / "s.csv", lookup, {3: points, 9: points, 5: points}) == 3
    text = (tmp_path / "out" / "s.csv").read_text()
    assert text == "RowId,Location\n1,33.500000\n2,96.000000\n4,0.000000\n"
    assert read_lookup(lookup)[1] == (2, 3, "lower_lip_bottom_mid", "y")


@pytest.mark.parametrize(
    ("predictions", "says"),
    [
        ({}, "asks for ImageId 3, which has none"),
        ({3: np.zeros((14, 2))}, r"ImageId 3 has shape \(14, 2\), expected \(15, 2\)"),
        ({3: np.full((15, 2), np.nan)}, "nose_tip of ImageId 3 is NaN"),
    ],
)
def test_predictions_that_do_not_do(tmp_path: Path, predictions: dict[int, np.ndarray], says: str) -> None:
    lookup = write(tmp_path / "lookup.csv", ["1", "3", "nose_tip_x", ""], header=LOOKUP)
    with pytest.raises(ArgumentError, match=says):
        write_submission(tmp_path / "s.csv", lookup, predictions)
    assert [p.name for p in tmp_path.iterdir()] == ["lookup.csv"]  # nothing half-written


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (["1", "3", "nose_tip", ""], r":3: unknown feature 'nose_tip'; expected e\.g\. nose_tip_x"),
        (["1", "3", "nose_tip_x", ""], r":3: RowId 1 stands in line 2 already"),
        (["x", "3", "nose_tip_x", ""], r":3: RowId must be a whole number"),
        (["2", "x", "nose_tip_x", ""], r":3: ImageId must be a whole number"),
        (["2", "3"], r":3: expected RowId,ImageId,FeatureName,Location, found '2,3'"),
    ],
)
def test_wrong_lookup_tables(tmp_path: Path, row: list[str], says: str) -> None:
    lookup = write(tmp_path / "lookup.csv", ["1", "1", "nose_tip_y", ""], row, header=LOOKUP)
    with pytest.raises(DatasetError, match=rf"lookup\.csv{says}"):
        read_lookup(lookup)
    with pytest.raises(DatasetError, match=r"lookup\.csv:1: no column FeatureName"):
        read_lookup(write(tmp_path / "lookup.csv", header=["RowId", "ImageId"]))


def test_kaggles_score() -> None:
    truth = np.full((2, 15, 2), np.nan)
    truth[0, 0], truth[1, 3, 1] = (10, 20), 94
    predicted = np.zeros((2, 15, 2))
    predicted[0, 0], predicted[1, 3, 1] = (13, 24), 200  # 200 is clipped to 96
    assert kaggle_rmse(predicted, truth) == pytest.approx(np.sqrt((9 + 16 + 4) / 3))
    with pytest.raises(ArgumentError, match="truth has no label"):
        kaggle_rmse(predicted, np.full((2, 15, 2), np.nan))
    with pytest.raises(ArgumentError, match="predicted is NaN"):
        kaggle_rmse(truth * np.nan, truth)
    with pytest.raises(ArgumentError, match="shape"):
        kaggle_rmse(predicted[:1], truth)


# ---------------------------------------------------------------- writing


def test_what_is_written_is_read(training: Path, tmp_path: Path) -> None:
    found = KaggleFacialKeypoints(training)
    assert write_kaggle(tmp_path / "again.csv", found) == 4
    for old, new in zip(found, KaggleFacialKeypoints(tmp_path / "again.csv"), strict=True):
        np.testing.assert_array_equal(old.keypoints, new.keypoints)
        np.testing.assert_array_equal(old.image, new.image)
    write_kaggle(tmp_path / "test.csv", found, labels=False)
    assert [s.meta["image_id"] for s in KaggleTest(tmp_path / "test.csv")] == [1, 2, 3, 4]


def test_what_cannot_be_written(tmp_path: Path) -> None:
    points = np.zeros((15, 2), np.float32)
    large = Sample(points, schema.get("kaggle15"), pixels=np.zeros((97, 96, 3), np.uint8))
    with pytest.raises(ArgumentError, match=r"sample 1: its picture is \(97, 96\); crop it"):
        write_kaggle(tmp_path / "x.csv", [large])
    other = Sample(
        np.zeros((17, 2), np.float32), schema.get("ibug68").subset(["jaw"]), pixels=np.zeros((96, 96, 3), np.uint8)
    )
    with pytest.raises(ArgumentError, match="has none of kaggle15's points"):
        write_kaggle(tmp_path / "x.csv", [other])
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------- files made of real faces


def test_files_made_of_faces_look_like_kaggles(tool: ModuleType, data_root: Path, tmp_path: Path) -> None:
    faces = IBUG300W(data_root / "300w", "lfpw/testset")[:30]
    truth = tool.make(faces, tmp_path, rows=60, test_rows=12)
    found = datasets.create("kaggle", path=tmp_path / "training.csv")
    assert len(found) == 60
    few = [s for s in found if s.meta["source"] == "4-point"]
    assert 0.6 < len(few) / len(found) < 0.75
    wanted = {schema.get("kaggle15").index(name) for name in FEW}
    assert all(set(np.flatnonzero(s.mask)) <= wanted for s in few)
    points = np.stack([s.keypoints for s in found])
    assert np.nanmin(points) >= 0
    assert np.nanmax(points) <= 96
    # Where Kaggle's pictures have the eyes: about (66, 37) and (30, 37).
    np.testing.assert_allclose(np.nanmean(points[:, :2], 0), [[66, 37], [30, 37]], atol=6)
    assert all(s.image.std() > 5 for s in found)
    tests = KaggleTest(tmp_path / "test.csv")
    asked = read_lookup(tmp_path / "IdLookupTable.csv")
    assert len(asked) == sum(np.isfinite(p).sum() for p in truth.values())
    predictions = {s.meta["image_id"]: np.nan_to_num(truth[s.meta["image_id"]]) + 1 for s in tests}
    write_submission(tmp_path / "mine.csv", tmp_path / "IdLookupTable.csv", predictions)
    with (tmp_path / "mine.csv").open() as mine, (tmp_path / "solution.csv").open() as solution:
        pairs = zip(csv.DictReader(mine), csv.DictReader(solution), strict=True)
        gaps = [float(a["Location"]) - float(b["Location"]) for a, b in pairs]
    ids = list(truth)
    score = kaggle_rmse(np.stack([predictions[i] for i in ids]), np.stack([truth[i] for i in ids]))
    assert score == pytest.approx(np.sqrt(np.mean(np.square(gaps))), abs=1e-4)


def test_a_point_is_where_it_was_on_the_face(tool: ModuleType, tmp_path: Path) -> None:
    picture = np.zeros((300, 400, 3), np.uint8)
    points = (schema.get("ibug68").mean_shape * 150 + [200, 160]).astype(np.float32)
    tip = points[schema.get("ibug68").index("nose_tip")]
    cv2.circle(picture, tuple(int(v) for v in tip.round()), 4, (255, 255, 255), -1, cv2.LINE_AA)
    face = tool.crop(Sample(points, schema.get("ibug68"), pixels=picture), np.random.default_rng(0))
    y, x = np.indices((96, 96))
    weight = face.image[..., 0].astype(float)
    seen = np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()
    assert np.abs(seen - face.keypoints[10]).max() < 0.6  # the dot was drawn on a whole pixel
