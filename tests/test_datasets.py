"""Label files: what is read, and what is said of those that are wrong."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import facekp
from facekp import datasets, geometry, schema
from facekp.datasets import IBUG300W, DlibXML, SampleSet, read_pts, write_pts
from facekp.datasets.dlib_xml import photograph
from facekp.errors import ArgumentError, DatasetError

LISTS = Path(facekp.__file__).parent / "recipes" / "validation"


@pytest.fixture
def pts(tmp_path: Path) -> Path:
    return tmp_path / "face.pts"


# ---------------------------------------------------------------- .pts


@pytest.mark.parametrize(
    "text",
    [
        "version: 1\nn_points: 2\n{\n1 1\n3.5 11\n}\n",
        "version: 1\r\nn_points:  2\r\n{\r\n1.0 1.0\r\n3.5 11.0\r\n}\r\n",
        "n_points:2\nversion:1\nauthor: someone\n{\n1 1\n3.5 11\n}",
        "\n\nversion: 1\n\nN_POINTS : 2\n{\n\n  1\t1\n\n3.5   11  \n\n}\n\n",
        "version: 1\nn_points: 2\n{ 1 1\n3.5 11 }\n",
        "{\n1 1\n3.5 11\n}\n",
        "1 1\n3.5 11\n",
        "\ufeffversion: 1\nn_points: 2\n{\n1, 1\n3.5, 11\n}\n",
        "version: 1\nn_points: 2\n{\n1 1\n3.5 11\n}\nwhatever comes after\n",
    ],
)
def test_every_kind_of_header_is_read_and_counts_from_one(pts: Path, text: str) -> None:
    pts.write_bytes(text.encode())
    points = read_pts(pts)
    assert points.dtype == np.float32
    assert points.tolist() == [[0, 0], [2.5, 10]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("n_points: 3\n{\n1 1\n2 2\n}\n", r"face\.pts: 2 points, but its header says 3$"),
        ("n_points: 1\n{\n1 1\n2 2\n}\n", r"face\.pts: 2 points, but its header says 1$"),
        ("{\n1 1\n2 2\n3 3\n}\n", r"face\.pts: 3 points, but the schema has 2$"),
        ("n_points: 2\n{\n1 1\n2 2\n", r"face\.pts: the closing '}' is missing; .* after 2 points"),
        ("n_points: 2\n{\n1 1\n2 two\n}\n", r"face\.pts:4: expected 2 numbers, found '2 two'"),
        ("n_points: 2\n{\n1 1\n2\n}\n", r"face\.pts:4: expected 2 numbers, found 1"),
        ("n_points: 2\n{\n1 1 1\n2 2\n}\n", r"face\.pts:3: expected 2 numbers, found 3"),
        ("version: 1\nn_points: many\n{\n}\n", r"face\.pts:2: expected 1 numbers, found 'many'"),
        ("{\n1 1\ninf 2\n}\n", r"face\.pts: a coordinate is infinite"),
        ("{\n1 1\nnan 2\n}\n", r"face\.pts: point 1 \(from 0\) has x or y, but not both"),
        ("n_points: nan\n{\n1 1\n2 2\n}\n", "its header says nan"),
        ("n_points: 1e999\n{\n1 1\n2 2\n}\n", "its header says inf"),
        ("n_points: 2.5\n{\n1 1\n2 2\n}\n", "its header says 2.5"),
        ("version: 1\n{\n}\n", "0 points"),
        ("", "0 points"),
        ("\x00\x01\x02 binary", r"face\.pts:1: expected 2 numbers"),
    ],
)
def test_wrong_pts_files_are_named_with_their_line(pts: Path, text: str, says: str) -> None:
    pts.write_text(text)
    with pytest.raises(DatasetError, match=says):
        read_pts(pts, 2)


def test_no_points_and_no_file(pts: Path) -> None:
    with pytest.raises(DatasetError, match=r"face\.pts: cannot read this \.pts file"):
        read_pts(pts)
    pts.write_text("version: 1\n")
    with pytest.raises(DatasetError, match="no points; expected 'n_points: 68'"):
        read_pts(pts)
    with pytest.raises(DatasetError, match="cannot read"):
        read_pts(pts.parent)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(-100, 5000), st.floats(-100, 5000)) | st.just((np.nan, np.nan)), min_size=1))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float, float]]) -> None:
    file = tmp_path_factory.getbasetemp() / "written.pts"
    points = np.array(rows, np.float32)
    write_pts(file, points)
    np.testing.assert_allclose(read_pts(file, len(rows)), points, atol=1e-3, rtol=0)  # three decimals, then float32


# ---------------------------------------------------------------- dlib's XML

HEAD = "<?xml version='1.0' encoding='ISO-8859-1'?>\n<dataset>\n<images>\n"
TAIL = "\n</images>\n</dataset>\n"
BOX = "<box top='10' left='20' width='30' height='40'{}>{}</box>"
PART = "<part name='{}' x='{}' y='{}'/>"


def write(folder: Path, *boxes: str, file: str = " file='a.jpg'") -> Path:
    path = folder / "labels.xml"
    (folder / "a.jpg").touch()
    path.write_text(f"{HEAD}<image{file}>{''.join(boxes)}</image>{TAIL}")
    return path


def test_xml_by_hand(tmp_path: Path) -> None:
    first = BOX.format("", PART.format("00", 3, 4) + PART.format("67", 5, 6))
    second = BOX.format("", PART.format("1", 7, 8))
    skipped = BOX.format(" ignore='1'", PART.format("00", 1, 1))
    bare = BOX.format("", "")
    found = DlibXML(write(tmp_path, first, skipped, bare, second))
    assert len(found) == 2
    points = found[0].keypoints
    assert points[0].tolist() == [3, 4]
    assert points[67].tolist() == [5, 6]
    assert np.isnan(points[1:67]).all()
    assert found[0].mask.sum() == 2
    # 30 whole pixels from the 20th on: the edges lie half a pixel outside their centres.
    assert found[0].source_box.tolist() == [19.5, 9.5, 49.5, 49.5]
    assert found[0].path == tmp_path / "a.jpg"
    assert found[1].keypoints[1].tolist() == [7, 8]
    assert found[0].meta["name"] == "a.jpg"


@pytest.mark.parametrize(
    ("box", "says"),
    [
        (BOX.format("", PART.format("68", 1, 1)), "image a.jpg: part '68' is not one of the 68 of ibug68"),
        (BOX.format("", PART.format("-1", 1, 1)), "part '-1' is not one"),
        (BOX.format("", PART.format("nose", 1, 1)), "part 'nose' is not one"),
        (BOX.format("", PART.format("\u0663", 1, 1)), "is not one of the 68"),
        (BOX.format("", "<part name='1' x='1'/>"), "<part> needs a number in y=, found None"),
        (BOX.format("", PART.format("1", "one", 2)), "<part> needs a number in x=, found 'one'"),
        (BOX.format("", PART.format("1", "nan", 2)), "<part> needs a number in x=, found 'nan'"),
        ("<box top='1' left='1' width='1'><part name='0' x='1' y='1'/></box>", "<box> needs a number in height="),
        (BOX.format("", ""), "no labelled face"),
        (BOX.format(" ignore='1'", PART.format("00", 1, 1)), "no labelled face"),
    ],
)
def test_wrong_xml_is_named(tmp_path: Path, box: str, says: str) -> None:
    with pytest.raises(DatasetError, match=says):
        DlibXML(write(tmp_path, box))


@pytest.mark.parametrize(
    ("declared", "bytes_of"), [("ISO-8859-1", "latin-1"), ("ISO-8859-1", "utf-8"), ("UTF-8", "utf-8"), ("utf-16",) * 2]
)
def test_xml_of_any_encoding(tmp_path: Path, declared: str, bytes_of: str) -> None:
    path = tmp_path / "labels.xml"
    (tmp_path / "Zoë.png").touch()
    box = BOX.format("", PART.format("00", 3, 4))
    text = f"<?xml version='1.0' encoding='{declared}'?><d><image file='Zoë.png'>{box}</image></d>"
    path.write_bytes(text.encode(bytes_of))
    assert DlibXML(path)[0].meta["name"] == "Zoë.png"


def test_xml_of_no_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "labels.xml"
    path.write_bytes("<?xml version='1.0' encoding='none-such'?><d file='Zoë'/>".encode("latin-1"))
    with pytest.raises(DatasetError, match=r"labels\.xml: this XML file is not utf-8-sig or none-such"):
        DlibXML(path)


def test_damaged_xml_is_named_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, BOX.format("", PART.format("00", 1, 1)))
    whole = path.read_text()
    path.write_text(whole[:120])
    with pytest.raises(DatasetError, match=r"labels\.xml:4: damaged XML"):
        DlibXML(path)
    path.write_text("")
    with pytest.raises(DatasetError, match="damaged XML"):
        DlibXML(path)
    with pytest.raises(DatasetError, match="cannot read this XML file"):
        DlibXML(tmp_path / "none.xml")
    with pytest.raises(DatasetError, match="no file attribute"):
        DlibXML(write(tmp_path, file=""))
    with pytest.raises(DatasetError, match=r"image b\.jpg: its picture .*b\.jpg is missing"):
        DlibXML(write(tmp_path, BOX.format("", PART.format("00", 1, 1)), file=" file='b.jpg'"))


def test_entities_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.xml"
    bomb = "<!DOCTYPE d [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;'>]>"
    path.write_text(f"<?xml version='1.0'?>{bomb}<dataset>&b;</dataset>")
    with pytest.raises(DatasetError, match="declares entities"):
        DlibXML(path)


def test_wrong_boxes_are_left_out_when_asked(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    right, wrong = BOX.format("", PART.format("1", 7, 8)), BOX.format("", PART.format("68", 1, 1))
    path = write(tmp_path, wrong, right, wrong)
    with caplog.at_level(logging.WARNING):
        found = DlibXML(path, on_error="skip")
    assert len(found) == 1
    assert ["part '68' is not one" in str(error) for error in found.skipped] == [True, True]
    assert [r.getMessage() for r in caplog.records] == [
        f"labels.xml: 2 left out, 1 read; the first: {found.skipped[0]}"
    ]
    assert found[:].skipped == []
    with pytest.raises(DatasetError, match="no labelled face.*the first of 1: .*part '68'"):
        DlibXML(write(tmp_path, wrong), on_error="skip")
    with pytest.raises(ArgumentError, match="unknown on_error 'ignore'; choose one of: raise, skip"):
        DlibXML(path, on_error="ignore")


# ---------------------------------------------------------------- names and splits


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("afw/111076519_1.jpg", "afw/111076519"),
        ("afw/111076519_2.jpg", "afw/111076519"),
        ("afw/111076519_2_mirror.jpg", "afw/111076519"),
        ("300w/afw/7_12.jpg", "300w/afw/7"),
        ("helen/trainset/100040721_1.jpg", "helen/trainset/100040721"),
        ("helen/trainset/100040721_2.jpg", "helen/trainset/100040721"),
        ("lfpw/trainset/image_0001.jpg", "lfpw/trainset/image_0001"),
        ("lfpw/trainset/image_0001_mirror.jpg", "lfpw/trainset/image_0001"),
        ("my_afw/7_1.jpg", "my_afw/7_1"),
    ],
)
def test_files_of_one_photograph_share_its_name(name: str, expected: str) -> None:
    assert photograph(name) == expected


@pytest.fixture
def small_300w(tmp_path: Path) -> Path:
    points = schema.get("ibug68").mean_shape * 30 + 20
    for name in ("afw/7_1", "afw/7_2", "lfpw/trainset/image_0001"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file.with_suffix(".png")), np.full((40, 40, 3), 128, np.uint8))
        write_pts(file.with_suffix(".pts"), points)
    return tmp_path


def test_a_partial_300w_is_read_with_one_warning(small_300w: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = IBUG300W(small_300w, "train")
    assert len(caplog.records) == 1
    assert "partial, helen/trainset not found" in caplog.text
    assert [s.meta["name"] for s in found] == ["afw/7_1.png", "afw/7_2.png", "lfpw/trainset/image_0001.png"]
    assert [s.subject for s in found] == ["afw/7", "afw/7", "lfpw/trainset/image_0001"]
    assert found[0].image.shape == (40, 40, 3)
    assert len(found[1:]) == 2
    assert len(found.where(lambda s: s.subject == "afw/7")) == 2
    assert "3 faces, schema ibug68" in repr(found)
    assert len(datasets.create("300w", root=small_300w, split="lfpw/trainset")) == 1


def test_a_missing_300w_says_what_to_get(tmp_path: Path, small_300w: Path) -> None:
    with pytest.raises(DatasetError, match=r"none of helen/testset, lfpw/testset is here\. 300-W .* is had from"):
        IBUG300W(tmp_path, "common")
    with pytest.raises(ArgumentError, match="'valid'; choose one of: challenge, common, full, test, train"):
        IBUG300W(tmp_path, "valid")
    (small_300w / "afw/7_2.png").unlink()
    with pytest.raises(DatasetError, match=r"7_2\.pts: its picture 7_2\.jpg .* is missing"):
        IBUG300W(small_300w)
    (tmp_path / "ibug").mkdir()
    with pytest.raises(DatasetError, match=r"no \.pts file in ibug"):
        IBUG300W(tmp_path, "challenge")


def test_wrong_pts_files_are_left_out_when_asked(small_300w: Path) -> None:
    (small_300w / "afw/7_2.pts").write_text("n_points: 68\n{\n1 1\n}\n")
    (small_300w / "lfpw/trainset/image_0001.png").unlink()
    with pytest.raises(DatasetError):
        IBUG300W(small_300w)
    found = IBUG300W(small_300w, on_error="skip")
    assert [s.meta["name"] for s in found] == ["afw/7_1.png"]
    assert [("7_2.pts: 1 points" in str(e), "is missing" in str(e)) for e in found.skipped] == [
        (True, False),
        (False, True),
    ]


def test_unknown_formats_and_options_are_explained() -> None:
    with pytest.raises(ArgumentError, match="'voc'; choose one of: 300w, asf, coco"):
        datasets.create("voc")
    with pytest.raises(ArgumentError, match=r"data set 300w:.*folder"):
        datasets.create("300w", folder=".")


# ---------------------------------------------------------------- the real thing


@pytest.fixture(scope="module")
def train(data_root: Path) -> SampleSet:
    return IBUG300W(data_root / "300w", "train")


def test_300w_is_whole(train: SampleSet) -> None:
    found = train
    counts = Counter(s.meta["name"].rpartition("/")[0] for s in found)
    assert counts == {"afw": 337, "helen/trainset": 870, "lfpw/trainset": 805}
    assert all(s.mask.all() for s in found)
    inside = geometry.iou(found[0].box[None], geometry.image_box(found[0].image.shape[:2])[None])
    assert inside[0, 0] > 0


def test_the_test_set_is_partial_and_says_so(data_root: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert len(IBUG300W(data_root / "300w", "common")) == 224
    assert "helen/testset not found" in caplog.text


@pytest.mark.parametrize(("split", "count"), [("train", 2012), ("test", 224)])
def test_xml_and_pts_agree_within_rounding(data_root: Path, train: SampleSet, split: str, count: int) -> None:
    root = data_root / "300w"
    rounded = DlibXML(root / f"labels_ibug_300W_{split}.xml")
    exact = {s.meta["name"]: s for s in (train if split == "train" else IBUG300W(root, "lfpw/testset"))}
    assert len(rounded) == len(exact) == count
    gaps = np.stack([s.keypoints - exact[s.meta["name"]].keypoints for s in rounded])
    assert np.abs(gaps).max() <= 0.5 + 1e-3
    assert np.abs(gaps.mean((0, 1))).max() < 0.01  # no half or whole pixel between the two
    assert all(s.subject == exact[s.meta["name"]].subject for s in rounded)


def test_the_validation_list_is_part_of_the_package_and_fair(train: SampleSet) -> None:
    names = (LISTS / "300w.txt").read_text("utf-8").split()
    assert len(names) == len(set(names))
    samples = {s.meta["name"]: s for s in train}
    assert set(names) <= set(samples)  # hence none is of the test set
    held = {samples[name].subject for name in names}
    assert {name for name, s in samples.items() if s.subject in held} == set(names)  # whole photographs only
    assert 0.05 < len(names) / len(samples) < 0.2


def test_the_list_of_people_is_part_of_the_package() -> None:
    people = (LISTS / "ytf.txt").read_text("utf-8").splitlines()
    assert len(people) == len(set(people)) > 10
