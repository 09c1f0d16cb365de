"""A model's points for a data set's faces, by models whose points are known."""

from __future__ import annotations

import csv
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facekp import Detector, Face, cli, datasets, geometry, hub, models, schema
from facekp.datasets import SampleSet, write_kaggle
from facekp.errors import ArgumentError, DatasetError
from facekp.predict import _moved, as_schema, keypoints, predict, submit
from facekp.sample import Sample
from facekp.schema import KeypointSchema

IBUG, KAGGLE = schema.get("ibug68"), schema.get("kaggle15")
PICTURE = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)


class Stretched:
    """A detector that stretches the mean shape over each box; ``missed`` pictures have no face for its finder."""

    name, device, crop_box = "stretched", "cpu", "extent"

    def __init__(self, layout: KeypointSchema = IBUG, missed: tuple[int, ...] = ()) -> None:
        self.schema, self.missed, self.calls = layout, missed, []

    def face(self, box: np.ndarray) -> Face:
        points = self.schema.mean_shape * (box[2:] - box[:2]) + (box[:2] + box[2:]) / 2
        return Face(points.astype(np.float32), np.full(len(self.schema), 0.5, np.float32), box, 1.0, self.schema)

    def stream(self, images: Any, *, boxes: Any, batch_size: int, refine: bool) -> Any:
        self.calls.append("finder" if boxes is None else "moved" if refine else "labelled")
        own = np.array([8, 8, 88, 88], np.float32)
        far = np.array([-90, -90, -50, -50], np.float32)
        for i, (image, given) in enumerate(zip(images, boxes or iter(lambda: None, 0), strict=False)):
            assert image.shape == (96, 96, 3)
            yield (
                [self.face(given[0])]
                if given is not None
                else [self.face(far)] * 2 + [self.face(own)] * (i not in self.missed)
            )


def labelled(count: int = 3, layout: KeypointSchema = IBUG) -> SampleSet:
    points = layout.mean_shape * 60 + 48
    faces = [Sample((points + i).astype(np.float32), layout, pixels=PICTURE, subject=f"s{i}") for i in range(count)]
    return SampleSet(faces, layout, "drawn")


def model(*arguments: Any, **options: Any) -> Any:
    return Stretched(*arguments, **options)


# ---------------------------------------------------------------- samples


def test_labels_are_replaced_and_boxes_stay() -> None:
    samples = labelled()
    samples.samples[1] = replace(samples[1], meta={"name": "x", "occluded": (1,) * 68})
    found = predict(model(), samples)
    assert (len(found), found.schema, found.name) == (3, IBUG, "stretched on drawn")
    for old, new in zip(samples, found, strict=True):
        np.testing.assert_array_equal(new.source_box, old.box)
        np.testing.assert_array_equal(new.image, old.image)
        assert new.subject == old.subject
        wide = old.box[2:] - old.box[:2]
        np.testing.assert_allclose(new.keypoints, IBUG.mean_shape * wide + (old.box[:2] + old.box[2:]) / 2, atol=1e-4)
    assert found[1].meta == {"name": "x"}
    np.testing.assert_array_equal(samples[0].keypoints, labelled()[0].keypoints)  # the given ones stay


def test_points_and_scores() -> None:
    points, scores = keypoints(model(missed=(1,)), labelled(), boxes="finder")
    assert points.shape == (3, 68, 2)
    assert scores.shape == (3, 68)
    assert np.isnan(points[1]).all()
    assert np.isnan(scores[1]).all()
    np.testing.assert_allclose(points[0], IBUG.mean_shape * 80 + 48, atol=1e-4)  # not those of the face far off


def test_a_model_of_whole_pictures_gets_whole_pictures() -> None:
    """Its crop is the picture, wherever the labels say that the face is."""
    network = models.from_config(
        {"name": "simple", "points": 68, "input_size": [24, 32], "channels": [4], "hidden": [8]}
    )
    config = {
        "name": "whole",
        "schema": "ibug68",
        "network": {},
        "codec": {"name": "regression", "input_size": [24, 32]},
        "crop": {"size": [24, 32], "scale": 1.0, "box": "full"},
        "preprocessing": {"mean": 127.5, "std": 64.0},
    }
    detector = Detector(network, config)
    found, _ = keypoints(detector, labelled())
    (face,) = detector(PICTURE, boxes="full")
    np.testing.assert_array_equal(found[0], face.keypoints)


def test_a_face_that_is_not_found_is_looked_for_in_its_own_box() -> None:
    detector = model(missed=(1,))
    found = predict(detector, labelled(), boxes="finder")
    assert detector.calls == ["finder", "labelled"]
    np.testing.assert_allclose(geometry.extent(found[1].keypoints)[0], labelled()[1].box[0], atol=0.1)
    np.testing.assert_allclose(geometry.extent(found[0].keypoints)[0], 8, atol=0.1)


def test_moved_boxes_are_off_by_so_much_and_always_the_same() -> None:
    box = np.array([[10.0, 20.0, 50.0, 100.0]])
    off = np.concatenate([_moved(box, i) for i in range(200)])
    np.testing.assert_array_equal(off[7:8], _moved(box, 7))
    sides, centres = off[:, 2:] - off[:, :2], (off[:, :2] + off[:, 2:]) / 2
    np.testing.assert_allclose(sides[:, 1] / sides[:, 0], 2)  # the shape stays
    for shares, middle in ((sides[:, 0] / 40, 1), (centres[:, 0] / 40, 0.75), (centres[:, 1] / 80, 0.75)):
        assert np.abs(shares - middle).max() <= 0.15 < np.ptp(shares)
        assert abs(shares.mean() - middle) < 0.02


def test_a_face_in_a_moved_box_is_looked_at_again() -> None:
    detector = model()
    keypoints(detector, labelled(), boxes="moved")
    assert detector.calls == ["moved"]


def test_a_set_of_other_points_gives_its_boxes() -> None:
    unlabelled = np.full((15, 2), np.nan, np.float32)
    whole = geometry.image_box((96, 96))
    faces = SampleSet([Sample(unlabelled, KAGGLE, None, whole, pixels=PICTURE)] * 2, KAGGLE, "k")
    found = predict(model(), faces, schema="kaggle15")
    assert found.schema == KAGGLE
    assert np.isfinite(found[0].keypoints).all()
    np.testing.assert_allclose(found[0].keypoints[10], IBUG.mean_shape[30] * 96 + 47.5, atol=1e-4)


def test_wrong_input() -> None:
    with pytest.raises(ArgumentError, match="drawn has no face"):
        predict(model(), labelled(0))
    with pytest.raises(ArgumentError, match="expected one of labelled, finder, moved; got 'full'"):
        predict(model(), labelled(), boxes="full")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="unknown schema"):
        predict(model(), labelled(), schema="none")
    with pytest.raises(ArgumentError, match=r"stretched \(nose_tip\) has no point of"):
        predict(model(schema.get("nose_tip")), labelled(), schema=IBUG.subset(["jaw"]))
    blank = labelled()
    blank[1].keypoints[:] = np.nan
    with pytest.raises(ArgumentError, match="sample 1 .* no box .* boxes='finder'"):
        predict(model(), blank)


# ---------------------------------------------------------------- other points


@pytest.mark.parametrize("name", ["ibug68", "wflw98", "imm73"])
def test_eye_centres_of_layouts_that_lack_them(name: str) -> None:
    source = schema.get(name)
    moved = as_schema(source.mean_shape[None], source, KAGGLE)
    assert moved.shape == (1, 15, 2)
    assert moved.dtype == np.float32
    left, right = moved[0, :2]
    assert left[0] > right[0]  # left is the subject's
    np.testing.assert_allclose(left * (-1, 1), right, atol=1e-5)
    if name == "ibug68":
        np.testing.assert_allclose(left, source.mean_shape[42:48].mean(0), atol=1e-6)
        # The schema's own mean shape is the same, in another frame.
        matrix = geometry.similarity(moved[0], KAGGLE.mean_shape)
        np.testing.assert_allclose(geometry.apply(matrix, moved[0]), KAGGLE.mean_shape, atol=2e-4)


def test_what_the_source_lacks_is_missing() -> None:
    corners = IBUG.subset(["left_eye_inner", "left_eye_outer", "nose_tip"])
    moved = as_schema(corners.mean_shape, corners, KAGGLE)
    assert [KAGGLE.names[i] for i in np.flatnonzero(np.isfinite(moved[:, 0]))] == [
        *("left_eye_inner", "left_eye_outer", "nose_tip")
    ]
    np.testing.assert_array_equal(as_schema(IBUG.mean_shape, IBUG, IBUG), IBUG.mean_shape)
    with pytest.raises(ArgumentError, match=r"expects \(\.\.\., 68, 2\), got \(67, 2\)"):
        as_schema(np.zeros((67, 2)), IBUG, KAGGLE)


# ---------------------------------------------------------------- Kaggle


@pytest.fixture
def test_csv(tmp_path: Path) -> Path:
    write_kaggle(tmp_path / "test.csv", labelled(3), labels=False)
    return tmp_path / "test.csv"


def lookup(folder: Path, *rows: str) -> Path:
    path = folder / "lookup.csv"
    path.write_text("\n".join(["RowId,ImageId,FeatureName,Location", *rows]) + "\n")
    return path


def test_a_submission_by_hand(test_csv: Path, tmp_path: Path) -> None:
    asked = lookup(
        tmp_path, "1,3,nose_tip_x,", "2,3,nose_tip_y,", "5,1,left_eye_center_x,", "6,1,mouth_center_bottom_lip_y,"
    )
    large = Stretched()
    large.face = lambda box: Stretched.face(large, box * 3)  # type: ignore[method-assign]
    assert submit(model(), test_csv, asked, tmp_path / "s.csv") == 4
    tip, eye = IBUG.mean_shape[30] * 96 + 47.5, IBUG.mean_shape[42:48].mean(0) * 96 + 47.5
    with (tmp_path / "s.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["RowId"] for row in rows] == ["1", "2", "5", "6"]
    np.testing.assert_allclose([float(row["Location"]) for row in rows[:3]], [*tip, eye[0]], atol=1e-4)
    submit(large, test_csv, asked, tmp_path / "s.csv")  # type: ignore[arg-type]
    assert (tmp_path / "s.csv").read_text().splitlines()[-1] == "6,96.000000"


def test_only_asked_pictures_are_looked_at(test_csv: Path, tmp_path: Path) -> None:
    found = []
    detector = model()
    detector.face = lambda box: found.append(box) or Stretched.face(detector, box)
    submit(detector, test_csv, lookup(tmp_path, "1,2,nose_tip_x,"), tmp_path / "s.csv")
    assert len(found) == 1


def test_points_that_the_model_lacks_are_named(test_csv: Path, tmp_path: Path) -> None:
    asked = lookup(tmp_path, "1,1,nose_tip_x,", "2,1,left_eye_center_x,", "3,1,mouth_left_corner_x,")
    with pytest.raises(
        ArgumentError, match=r"asks for left_eye_center, left_mouth_corner, which stretched \(nose_tip\)"
    ):
        submit(model(schema.get("nose_tip")), test_csv, asked, tmp_path / "s.csv")
    # What is not asked for may be missing.
    assert submit(model(schema.get("nose_tip")), test_csv, lookup(tmp_path, "1,1,nose_tip_x,"), tmp_path / "s.csv") == 1


def test_tables_that_do_not_belong_together(test_csv: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"asks for ImageId 9, which .*test\.csv does not have"):
        submit(model(), test_csv, lookup(tmp_path, "1,9,nose_tip_x,"), tmp_path / "s.csv")
    with pytest.raises(DatasetError, match=r"none\.csv: this file is missing"):
        submit(model(), tmp_path / "none.csv", lookup(tmp_path, "1,1,nose_tip_x,"), tmp_path / "s.csv")
    assert not (tmp_path / "s.csv").exists()


# ---------------------------------------------------------------- the command


def one_line(capfd: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert cli.main([str(a) for a in ("predict", *arguments)]) == 2
    out, error = capfd.readouterr()
    assert out == ""
    assert len(error.splitlines()) == 1
    return error


@pytest.mark.parametrize(("name", "format_"), [("new.xml", None), ("new.json", None), ("new", "folder"), ("p", "pts")])
def test_predict_command(
    tiny_models: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, format_: str | None
) -> None:
    datasets.write_folder(labelled(2), tmp_path / "set")
    to = [] if format_ is None else ["--to", format_]
    target = tmp_path / "out" / name
    target.parent.mkdir()
    arguments = ["predict", tiny_models / "crops", tmp_path / "set", "--output", target, "--device", "cpu", *to]
    assert cli.main([str(a) for a in arguments]) == 0
    assert capfd.readouterr().out == f"{target}: 2 faces of ibug68 by crops\n"
    from facekp import Detector

    detector = Detector.from_pretrained(tiny_models / "crops", finder=None, device="cpu")
    expected = predict(detector, datasets.Folder(tmp_path / "set"))
    reader = {"new.xml": "dlib_xml", "new.json": "coco", "new": "folder", "p": "pts"}[name]
    found = datasets.DATASETS[reader](target)
    for a, b, old in zip(found, expected, labelled(2), strict=True):
        np.testing.assert_allclose(a.keypoints, b.keypoints, atol=0.51 if reader == "dlib_xml" else 1e-3)
        if reader in ("coco", "folder"):
            np.testing.assert_array_equal(a.source_box, old.box)


def test_predict_command_for_kaggle(
    tiny_models: Path, test_csv: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = lookup(tmp_path, "1,1,nose_tip_x,", "2,2,left_eye_center_y,")
    options = ["--kaggle", test_csv, "--lookup", asked, "--output", tmp_path / "s.csv", "--device", "cpu"]
    for boxes in (["--boxes", "labelled"], ["--boxes", "finder", "--finder", tiny_models / "finder"]):
        assert cli.main([str(a) for a in ("predict", tiny_models / "crops", *options, *boxes)]) == 0
        assert capfd.readouterr().out == f"{tmp_path / 's.csv'}: 2 rows by crops\n"
    lines = (tmp_path / "s.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["RowId", "1", "2"]
    # Two points of a set of others: what the model lacks is missing.
    datasets.write_folder(labelled(1), tmp_path / "set")
    done = ["predict", tiny_models / "crops", tmp_path / "set", "--output", tmp_path / "k.csv", "--device", "cpu"]
    assert cli.main([str(a) for a in done]) == 0
    assert len(datasets.KaggleFacialKeypoints(tmp_path / "k.csv")) == 1


def test_predict_command_says_what_is_wrong(
    tiny_models: Path, test_csv: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    crops, new = tiny_models / "crops", tmp_path / "new.xml"
    datasets.write_folder(labelled(1), tmp_path / "set")
    asked = lookup(tmp_path, "1,1,nose_tip_x,")
    assert "which faces? Name the data set DATA, or --kaggle" in one_line(capfd, crops, "--output", new)
    both = [crops, tmp_path / "set", "--kaggle", test_csv, "--lookup", asked, "--output", new]
    assert "which faces?" in one_line(capfd, *both)
    assert "go together" in one_line(capfd, crops, "--kaggle", test_csv, "--output", new)
    assert "--lookup CSV go together" in one_line(capfd, crops, tmp_path / "set", "--lookup", asked, "--output", new)
    kaggle = [crops, "--kaggle", test_csv, "--lookup", asked, "--output", new]
    assert "--split does not go with --kaggle" in one_line(capfd, *kaggle, "--split", "train")
    assert "--output" in one_line(capfd, crops, tmp_path / "set")
    assert "it is there already" in one_line(capfd, crops, tmp_path / "set", "--output", test_csv)
    assert "say which" in one_line(capfd, crops, tmp_path / "set", "--output", tmp_path / "new")
    assert "unknown schema" in one_line(capfd, crops, tmp_path / "set", "--output", new, "--to-schema", "x")
    assert "no such file or folder" in one_line(capfd, crops, tmp_path / "none", "--output", new)
    assert "none" in one_line(capfd, tmp_path / "none", tmp_path / "set", "--output", new)
    (tmp_path / "300w" / "ibug").mkdir(parents=True)
    assert "--split" in one_line(capfd, crops, tmp_path / "300w", "--output", new)
    assert not new.exists()


def test_boxes_that_a_format_cannot_hold_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from facekp.datasets.convert import planned, write

    target = tmp_path / "new"
    with caplog.at_level(logging.WARNING):
        write(predict(model(), labelled(1)), target, planned(target, "pts"))
    assert "the boxes of stretched on drawn are lost" in caplog.text
    with pytest.raises(ArgumentError, match=r"other: its ending tells no format; say which \(--to\)"):
        planned(tmp_path / "other")


def test_the_model_in_the_package_sends_kaggle_good_points(data_root: Path, tmp_path: Path) -> None:
    if "resnet18-ibug" not in hub.bundled():
        pytest.skip("the package has no weights: install it from a full checkout")
    import importlib.util

    from facekp import Detector

    path = Path(__file__).parents[1] / "examples" / "make_kaggle.py"
    spec = importlib.util.spec_from_file_location("make_kaggle", path)
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    faces = datasets.IBUG300W(data_root / "300w", "afw")[:12]
    example.make(faces, tmp_path, rows=1, test_rows=12)
    detector = Detector.from_pretrained("resnet18-ibug", device="cpu")
    scores = {}
    for boxes in ("labelled", "finder"):
        submit(detector, tmp_path / "test.csv", tmp_path / "IdLookupTable.csv", tmp_path / "s.csv", boxes=boxes)
        with (tmp_path / "s.csv").open() as mine, (tmp_path / "solution.csv").open() as solution:
            pairs = zip(csv.DictReader(mine), csv.DictReader(solution), strict=True)
            gaps = [float(a["Location"]) - float(b["Location"]) for a, b in pairs]
        scores[boxes] = float(np.sqrt(np.mean(np.square(gaps))))
    assert scores["labelled"] < 3
    assert scores["finder"] < 3
