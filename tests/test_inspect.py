"""What an inspection finds, on faces of which it is known."""

from __future__ import annotations

import json
import runpy
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facekp import cli, datasets, geometry, schema
from facekp.datasets import inspection, opening
from facekp.datasets.base import SampleSet
from facekp.errors import ArgumentError, DatasetError
from facekp.sample import Sample
from facekp.schema import KeypointSchema

IBUG, KAGGLE = schema.get("ibug68"), schema.get("kaggle15")
SIZE = (200, 240)


def texture(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A picture unlike any other, smooth enough to be resized."""
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 14, 3), np.uint8)
    return cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)


def face(seed: int, side: float = 100.0, layout: KeypointSchema = IBUG) -> Sample:
    rng = np.random.default_rng(seed)
    points = layout.mean_shape * side + (120, 100) + rng.normal(0, 0.02 * side, layout.mean_shape.shape)
    return Sample(points.astype(np.float32), layout, pixels=texture(seed), meta={"name": f"{seed}"})


def of(*faces: Sample, name: str = "drawn") -> SampleSet:
    return SampleSet(faces, faces[0].schema, name)


def kinds(report: inspection.Inspection) -> list[tuple[str, int, int | None]]:
    return [(w.kind, w.index, w.other) for w in report.warnings]


# ---------------------------------------------------------------- counts


def test_counts_and_sizes_by_hand() -> None:
    first, second, third = (face(i, 100) for i in range(3))
    second = replace(second, pixels=texture(9, (100, 300)), subject="a")
    third = replace(third, subject="a")
    second.keypoints[:] = IBUG.mean_shape * 80 + 50
    third.keypoints[[3, 4]] = np.nan
    report = inspection.inspect(of(first, second, third))
    assert (report.faces, report.pictures, report.subjects, report.complete) == (3, 3, 1, 2)
    assert report.widths == {"min": 240, "5%": 240, "median": 240, "95%": 294, "max": 300}
    assert report.heights["min"] == 100
    assert report.face_sizes["min"] == 80
    assert report.box_sizes == {}
    assert report.missing == {IBUG.names[3]: 1, IBUG.names[4]: 1}
    assert report.folders == {}
    assert report.warnings == []
    assert report.unchecked == []


def test_a_box_of_its_own_is_measured_too() -> None:
    sample = replace(face(0, layout=KAGGLE), source_box=np.array([10, 10, 70, 90], np.float32))
    report = inspection.inspect(of(sample))
    assert report.box_sizes["max"] == 80
    assert report.face_sizes["max"] != 80


def test_pictures_in_files_are_measured_by_their_headers(tmp_path: Path) -> None:
    samples = []
    for i, folder in enumerate(("a", "a", "b")):
        path = tmp_path / folder / f"{i}.webp"
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), texture(i), [cv2.IMWRITE_WEBP_QUALITY, 101])
        samples.append(replace(face(i), pixels=None, path=path, meta={"name": f"{folder}/{i}.webp"}))
    # Damaged behind the header: only decoding can tell.
    data = (tmp_path / "a" / "1.webp").read_bytes()
    (tmp_path / "a" / "1.webp").write_bytes(data[:100] + bytes(len(data) - 100))
    report = inspection.inspect(of(*samples))
    assert report.folders == {"a": 2, "b": 1}
    assert report.widths["max"] == 240
    assert report.unreadable == []
    (thorough,) = inspection.inspect(of(*samples), thorough=True).unreadable
    assert "1.webp" in thorough
    (tmp_path / "a" / "0.webp").write_bytes(b"no picture")
    (gone,) = inspection.inspect(of(*samples)).unreadable
    assert "0.webp" in gone


def test_an_empty_set_is_refused() -> None:
    with pytest.raises(ArgumentError, match="nobody has no face"):
        inspection.inspect(SampleSet([], IBUG, "nobody"))


# ---------------------------------------------------------------- warnings


def test_points_outside() -> None:
    sample = face(0)
    sample.keypoints[8] = (120, 203.5)  # the edge is at 199.5
    sample.keypoints[0] = (-0.5, 100)  # on the edge
    report = inspection.inspect(of(sample, face(1)))
    assert kinds(report) == [("outside", 0, None)]
    assert report.warnings[0].text == f"1 by up to 4.0 px: {IBUG.names[8]}"


def test_boxes_and_small_faces() -> None:
    nothing, point, small = face(0), face(1, layout=KAGGLE), face(2, 20)
    nothing.keypoints[:] = np.nan
    point.keypoints[:] = (5, 5)
    report = inspection.inspect(of(nothing, small, face(3)))
    assert kinds(report) == [("no_box", 0, None), ("tiny", 1, None)]
    assert report.warnings[0].text == "no box and no labelled point"
    assert kinds(inspection.inspect(of(point))) == [("no_box", 0, None)]
    assert kinds(inspection.inspect(of(small), tiny=10)) == []


@settings(max_examples=25, deadline=None)
@given(
    angle=st.floats(-180, 180),
    side=st.floats(40, 150),
    name=st.sampled_from(["ibug68", "imm73", "imm58", "wflw98", "cofw29", "kaggle15"]),
    hidden=st.integers(0, 10),
)
def test_exchanged_sides_are_seen_however_the_face_is_turned(angle: float, side: float, name: str, hidden: int) -> None:
    layout = schema.get(name)
    assert layout.mirror is not None
    rng = np.random.default_rng(0)
    shape = layout.mean_shape + rng.normal(0, 0.01, layout.mean_shape.shape)
    right = geometry.apply(geometry.rotation_matrix(angle, (0, 0), side), shape) + 100
    right[rng.permutation(len(layout))[:hidden]] = np.nan
    wrong = right[list(layout.mirror)]
    found = inspection.suspects.swapped([Sample(right, layout), Sample(wrong, layout)], layout)
    assert [s.index for s in found] == [1]


def test_what_cannot_be_checked_is_said() -> None:
    tip = schema.get("nose_tip")
    box = np.array([0, 0, 50, 50], np.float32)
    one = Sample(np.array([[20, 20]], np.float32), tip, source_box=box, pixels=texture(0))
    report = inspection.inspect(of(one, one))
    assert [text.split(":")[0] for text in report.unchecked] == [
        "left and right exchanged",
        "the same face in several pictures",
    ]
    assert report.warnings == []
    assert kinds(inspection.inspect(of(one, one), thorough=True)) == [("duplicate", 1, 0)]
    plain = replace(IBUG, mirror=None, name="plain")
    report = inspection.inspect(of(replace(face(0), schema=plain)))
    assert [text.split(":")[0] for text in report.unchecked] == ["left and right exchanged", "mirror images"]


# ---------------------------------------------------------------- copies


def resized(sample: Sample, factor: float, **other: object) -> Sample:
    """Smaller, compressed again, its labels rounded: as a copy that somebody else has made."""
    size = sample.image.shape[:2]
    to = (round(size[0] * factor), round(size[1] * factor))
    small = cv2.resize(sample.image, to[::-1], interpolation=cv2.INTER_AREA)
    pixels = cv2.imdecode(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_COLOR)
    points = np.round(geometry.apply(geometry.resize_matrix(size, to), sample.keypoints))
    return replace(sample, pixels=pixels, keypoints=points, **other)


def mirrored(sample: Sample) -> Sample:
    width = sample.image.shape[1]
    return replace(sample, pixels=sample.image[:, ::-1], keypoints=sample.schema.mirrored(sample.keypoints, width))


@pytest.mark.parametrize("layout", [IBUG, KAGGLE])
@pytest.mark.parametrize("thorough", [False, True])
def test_copies_and_mirror_images(layout: KeypointSchema, thorough: bool) -> None:
    one, two, three = (face(i, layout=layout) for i in range(3))
    few = face(4, layout=layout)
    few.keypoints[[0, 1]] = np.nan
    faces = [one, two, mirrored(one), resized(two, 0.7), three, resized(two, 0.9), few, mirrored(few)]
    report = inspection.inspect(of(*faces), thorough=thorough)
    assert kinds(report) == [("duplicate", 3, 1), ("duplicate", 5, 1), ("mirrored", 2, 0), ("mirrored", 7, 6)]
    assert "correlate by 0.9" in report.warnings[0].text


def test_the_same_points_on_another_picture_are_no_copy() -> None:
    one = face(0)
    assert inspection.inspect(of(one, replace(one, pixels=texture(1)))).warnings == []


def test_a_copy_that_was_labelled_anew_takes_a_thorough_look() -> None:
    one = face(0)
    other = resized(one, 0.8)
    other.keypoints[30] += 6
    assert inspection.inspect(of(one, other)).warnings == []
    report = inspection.inspect(of(one, other), thorough=True)
    assert kinds(report) == [("duplicate", 1, 0)]
    assert 5 < float(report.warnings[0].text.split("up to ")[1].split()[0]) < 8


def test_two_files_with_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), texture(0))
    cv2.imwrite(str(tmp_path / "c.png"), texture(1))
    names = ("a.png", "b.png", "c.png")
    faces = [replace(face(0), pixels=None, path=tmp_path / n, meta={"name": n}) for n in names]
    faces[1].keypoints[20:25] += 3  # not the same labels
    far = replace(faces[0], keypoints=(faces[3 - 3].keypoints * 0.3).astype(np.float32))  # another face there
    report = inspection.inspect(of(*faces, far))
    assert kinds(report) == [("duplicate", 1, 0)]
    assert report.warnings[0].text.startswith("the same picture")


# ---------------------------------------------------------------- text, JSON, sheet


def test_the_report_reads_well_and_is_plain_data() -> None:
    one = face(0)
    missing = face(1)
    missing.keypoints[:20] = np.nan
    report = inspection.inspect(of(one, missing, *[mirrored(one)] * 7))
    text = str(report)
    assert text.startswith("drawn: 9 faces of ibug68\n")
    assert "missing labels: 20 points of 20 names" in text
    assert "and 15 more names with at most 1 each" in text
    assert (
        "warning: the mirror image of another: 7 faces\n    0 (#2) of 0 (#0): the pictures correlate by 1.000" in text
    )
    assert "warning: the same face again: 6 faces" in text
    assert "and 2 more" in text
    plain = json.loads(json.dumps(report.to_dict()))
    assert plain["warnings"][-1]["kind"] == "mirrored"
    assert plain["warnings"][-1]["other_name"] == "0"
    assert plain["faces"] == 9
    assert "warnings: none" in str(inspection.inspect(of(one)))


def test_contact_sheet(tmp_path: Path) -> None:
    faces = of(*(face(i) for i in range(7)))
    sheet = inspection.contact_sheet(faces, 5, side=64)
    assert sheet.shape == (128, 192, 3)
    assert sheet.dtype == np.uint8
    np.testing.assert_array_equal(sheet, inspection.contact_sheet(faces, 5, side=64))
    assert (sheet != inspection.contact_sheet(faces, 5, seed=1, side=64)).any()
    assert inspection.contact_sheet(faces, 100, side=64).shape == (192, 192, 3)
    first = inspection.contact_sheet(faces, 2, first=[6, 3, 6], side=64)
    np.testing.assert_array_equal(first[:, :64], inspection.contact_sheet(faces, 1, first=[6], side=64))
    np.testing.assert_array_equal(first[:, 64:], inspection.contact_sheet(faces, 1, first=[3], side=64))
    unlabelled = face(0)
    unlabelled.keypoints[:] = np.nan
    gone = replace(face(1), pixels=None, path=tmp_path / "gone.png")
    tiles = inspection.contact_sheet(of(unlabelled, gone), 2, side=64)
    assert tiles[:, :64].std() > 20  # the whole picture
    assert tiles[:48, 65:].std() < 20  # none


@pytest.mark.parametrize("options", [{"count": 0}, {"side": 8}, {"first": [7]}, {"first": [-1]}])
def test_contact_sheets_that_cannot_be(options: dict[str, object]) -> None:
    with pytest.raises(ArgumentError, match="contact_sheet"):
        inspection.contact_sheet(of(face(0)), **options)  # type: ignore[arg-type]


# ---------------------------------------------------------------- which set is meant


def test_the_format_is_guessed_where_that_is_certain(tmp_path: Path) -> None:
    (tmp_path / "300w" / "ibug").mkdir(parents=True)
    assert opening.guess(tmp_path / "300w", parts=True) == "300w"
    (tmp_path / "k.csv").write_text('"left_eye_center_x", "Image"\n')
    assert opening.guess(tmp_path / "k.csv") == "kaggle"
    (tmp_path / "o.csv").write_text("file,x,y\n")
    with pytest.raises(ArgumentError, match=r"o\.csv: looks like no format"):
        opening.guess(tmp_path / "o.csv")
    assert opening.guess(tmp_path / "missing.xml") == "dlib_xml"  # whose reader says what is missing
    with pytest.raises(ArgumentError, match="no such file or folder"):
        opening.guess(tmp_path / "missing")


def test_a_part_is_told_or_taken_by_default(tmp_path: Path) -> None:
    path = tmp_path / "afw" / "1.png"
    path.parent.mkdir()
    cv2.imwrite(str(path), texture(0))
    datasets.write_pts(path.with_suffix(".pts"), face(0).keypoints)
    found = opening.open_set(tmp_path, "300w", default_split=True)
    assert (len(found.samples), found.format, found.split) == (1, "300w", "train")
    assert opening.open_set(tmp_path, "pts").split is None
    with pytest.raises(ArgumentError, match="which split of this 300w set"):
        opening.open_set(tmp_path, "300w")
    with pytest.raises(ArgumentError, match="pts takes no split"):
        opening.open_set(tmp_path, "pts", split="train")
    with pytest.raises(ArgumentError, match="300w takes no schema"):
        opening.open_set(tmp_path, "300w", split="train", schema="imm58")
    with pytest.raises(ArgumentError, match="unknown data set format"):
        opening.open_set(tmp_path, "nothing")
    with pytest.raises(DatasetError, match="none of helen/testset"):
        opening.open_set(tmp_path, "300w", split="common")


# ---------------------------------------------------------------- the command


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    faces = [face(i) for i in range(3)]
    datasets.write_pts_folder([*faces, mirrored(faces[0])], tmp_path / "set" / "afw")
    return tmp_path / "set"


def test_inspect_command(folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    target, sheet = tmp_path / "new" / "r.json", tmp_path / "new" / "sheet.png"
    arguments = ["inspect", str(folder), "--json", str(target), "--sheet", str(sheet), "--suspects", "--faces", "4"]
    assert cli.main(arguments) == 0
    text = capfd.readouterr().out
    assert text.startswith(
        "format 300w, split train, the reader's default (--split names another)\n300-W train: 4 faces"
    )
    report = json.loads(target.read_text())
    assert (report["format"], report["split"], report["faces"]) == ("300w", "train", 4)
    assert [w["kind"] for w in report["warnings"]] == ["mirrored"]
    assert cv2.imread(str(sheet)).shape == (512, 512, 3)
    next((folder / "afw").glob("*.pts")).write_text("{\n1 1\n}\n")
    assert cli.main(["inspect", str(folder), "--split", "afw", "--json", "-"]) == 1
    out = capfd.readouterr().out
    assert len(json.loads(out)["skipped"]) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["missing"], "missing: no such file or folder"),
        (["missing.xml"], "missing.xml"),
        (["set", "--format", "nothing"], "unknown data set format 'nothing'"),
        (["set", "--split", "nothing"], "nothing"),
        (["set", "--sheet", "sheet.txt"], "--sheet sheet.txt: name a .png"),
        (["set", "--sheet", "folder.png"], "--sheet folder.png: is a folder"),
        (["set", "--faces", "0"], "--faces"),
        (["set", "--json", "folder.png"], "--json folder.png: cannot be written"),
    ],
)
def test_inspect_command_says_what_is_wrong(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    monkeypatch.chdir(folder.parent)
    Path("folder.png").mkdir()
    assert cli.main(["inspect", *arguments]) == 2
    out, error = capfd.readouterr()
    assert out == ""
    assert says in error.splitlines()[-1]


def test_the_drawings_of_the_schemas_are_up_to_date() -> None:
    path = Path(__file__).parents[1] / "docs" / "draw_mean_shapes.py"
    if not path.exists():
        pytest.skip("docs/draw_mean_shapes.py is not in this distribution")
    script = runpy.run_path(str(path))
    for name in ("ibug68", "wflw98", "kaggle15", "imm73", "imm58", "cofw29"):
        drawn = script["ASSETS"].joinpath(f"schema-{name}.svg").read_text("utf-8")
        assert drawn == script["drawing"](schema.get(name)), "python docs/draw_mean_shapes.py"


def test_real_faces(data_root: Path) -> None:
    report = inspection.inspect(datasets.IBUG300W(data_root / "300w", "lfpw/testset"))
    assert report.faces == 224
    assert report.warnings == []
    # These are the same photograph, found twice on the web and labelled twice.
    train = datasets.IBUG300W(data_root / "300w", "lfpw/trainset")
    pair = train.where(lambda s: str(s.meta["name"]).endswith(("image_0003.jpg", "image_0052.jpg")))
    assert kinds(inspection.inspect(pair, thorough=True)) == [("duplicate", 1, 0)]
