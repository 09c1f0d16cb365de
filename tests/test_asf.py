""".asf files and the two sets of IMM that use them."""

from __future__ import annotations

import logging
import pickle
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facekp import datasets, geometry, image, schema
from facekp.datasets import IMM, AsfShape, IMMFrontal, read_asf, write_asf
from facekp.errors import ArgumentError, DatasetError, ImageError

# A closed triangle and an open pair, with what real files hold: comments anywhere, tabs, spaces, user fields or none.
GOOD = (
    "# AAM Shape File\n#\n\n 5\n# format: <path#> <type> ...\n"
    "0 \t0 \t0.25 \t0.50 \t0 \t2 \t1\t0.000000\t0.000000\t0.000000\n"
    "0\t0\t0.5\t0.5\t1\t0\t2\n"
    "0 0 0.375 0.75 2 1 0\n"
    "  # a remark\n"
    "1 4 0 0 3 3 4 0.0\n"
    "1 4 1.0 1e0 4 3 4 0.0 0.0\n"
    "\n# host image\nface one.jpg\n"
)


@pytest.fixture
def asf(tmp_path: Path) -> Path:
    return tmp_path / "face.asf"


# ---------------------------------------------------------------- the parser


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_file_by_hand(asf: Path, ends: str, mark: str) -> None:
    asf.write_bytes((mark + GOOD.replace("\n", ends)).encode())
    shape = read_asf(asf, 5)
    assert shape.points.tolist() == [[0.25, 0.5], [0.5, 0.5], [0.375, 0.75], [0, 0], [1, 1]]
    assert shape.paths == (0, 0, 0, 1, 1)
    assert shape.types == (0, 0, 0, 4, 4)
    assert shape.connections == ((2, 1), (0, 2), (1, 0), (3, 4), (3, 4))
    assert shape.image == "face one.jpg"
    assert shape.contours == [((0, 1, 2), True), ((3, 4), False)]
    assert {frozenset(edge) for edge in shape.edges} == {frozenset(e) for e in [(0, 1), (1, 2), (0, 2), (3, 4)]}


def test_shares_become_pixels(asf: Path) -> None:
    asf.write_text(GOOD)
    points = read_asf(asf).pixels((100, 200))
    assert points.dtype == np.float32
    # The picture's edges lie half a pixel outside the centres of its first and last pixels.
    assert points.tolist() == [[49.5, 49.5], [99.5, 49.5], [74.5, 74.5], [-0.5, -0.5], [199.5, 99.5]]


def test_a_resized_picture_keeps_its_file(asf: Path) -> None:
    asf.write_text(GOOD)
    shape = read_asf(asf)
    moved = geometry.apply(geometry.resize_matrix((100, 200), (37, 311)), shape.pixels((100, 200)))
    np.testing.assert_allclose(shape.pixels((37, 311)), moved, atol=1e-4)


def test_points_are_put_in_the_order_of_their_numbers(asf: Path) -> None:
    asf.write_text("2\n0 4 0.1 0.2 1 0 1\n0 4 0.3 0.4 0 0 1\nx.jpg\n")
    assert read_asf(asf).points.tolist() == [[0.3, 0.4], [0.1, 0.2]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", r"face\.asf: no points; expected their number"),
        ("# only\n#a comment\n", "no points"),
        ("two\n", r"face\.asf:1: expected 1 numbers, found 'two'"),
        ("\n2.5\n", r"face\.asf:2: expected the number of points, found '2.5'"),
        ("0\nx.jpg\n", "expected the number of points, found '0'"),
        ("-2\nx.jpg\n", "expected the number of points, found '-2'"),
        ("inf\nx.jpg\n", "expected the number of points, found 'inf'"),
        ("nan\nx.jpg\n", "expected the number of points, found 'nan'"),
        ("3\n", r"face\.asf:1: 3 points, but the schema has 2"),
        ("2\n0 0 0.1 0.1 0 0 1\n", r"face\.asf: cut off after 1 of 2 points"),
        ("2\n0 0 0.1 0.1 0 0 1\nx.jpg\n", r"face\.asf:3: expected one of 2 points, <path#> .*, found 'x.jpg'"),
        ("2\n0 0 0.1 0.1 0 0 1\n0 0 0.1 0.1 1 0 1\n", r"face\.asf: expected the picture's name .*, found the end"),
        (
            "2\n0 0 0.1 0.1 0 0 1\n0 0 0.1 0.1 1 0 1\n0 0 0.1 0.1 2 0 1\nx.jpg\n",
            r"face\.asf:4: expected the picture's name after 2 points, found more lines: '0 0 0.1",
        ),
        ("2\n0 0 0.1 oops 0 0 1\n0 0 0.1 0.1 1 0 1\nx.jpg\n", r"face\.asf:2: expected 7 numbers, found '0 0 0.1 oops"),
        ("2\n0 0 0.1 0.1 0 0\n0 0 0.1 0.1 1 0 1\nx.jpg\n", r"face\.asf:2: expected one of 2 points"),
        ("2\n0 0 0.1 0.1 0 0 7\n0 0 0.1 0.1 1 0 1\nx.jpg\n", r"face\.asf:2: the point or a connection is not one of"),
        (
            "2\n0 0 0.1 0.1 0 0 1\n0 0 0.1 0.1 0 0 1\nx.jpg\n",
            r"face\.asf: the points' numbers .* not 0 to 1, each once",
        ),
        ("2\n0 0.5 0.1 0.1 0 0 1\n0 0 0.1 0.1 1 0 1\nx.jpg\n", r"face\.asf:2: path, type, .* must be whole"),
        ("2\n0 0 inf 0.1 0 0 1\n0 0 0.1 0.1 1 0 1\nx.jpg\n", "a coordinate is infinite"),
        ("2\n0 0 nan 0.1 0 0 1\n0 0 0.1 0.1 1 0 1\nx.jpg\n", "x or y, but not both"),
        ("\x00\x01\x02binary", r"face\.asf:1: expected 1 numbers"),
    ],
)
def test_wrong_files_are_named_with_their_line(asf: Path, text: str, says: str) -> None:
    asf.write_text(text)
    with pytest.raises(DatasetError, match=says):
        read_asf(asf, 2)


def test_a_file_that_is_not_there(asf: Path) -> None:
    with pytest.raises(DatasetError, match=r"face\.asf: cannot read this \.asf file"):
        read_asf(asf)


# ---------------------------------------------------------------- the writer


@pytest.mark.parametrize("name", [n for n in schema.names() if n != "nose_tip"])
def test_every_schema_can_be_written_and_read(asf: Path, name: str) -> None:
    layout = schema.get(name)
    points = (layout.mean_shape * 200 + 150).astype(np.float32)
    points[1] = np.nan
    write_asf(asf, AsfShape.of(points, (300, 400), "a b.png", layout))
    shape = read_asf(asf, len(layout))
    np.testing.assert_allclose(shape.pixels((300, 400)), points, atol=1e-4)
    assert shape.image == "a b.png"
    assert {frozenset(e) for e in shape.edges} <= {frozenset(e) for e in layout.edges}
    for members, closed in shape.contours:
        ends = sum(i in shape.connections[i] for i in members)
        assert (ends == 0) == closed


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-50, 4000), st.floats(-50, 4000)) | st.just((np.nan, np.nan)), min_size=73, max_size=73
    )
)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float, float]]) -> None:
    file = tmp_path_factory.getbasetemp() / "written.asf"
    points = np.array(rows, np.float32)
    write_asf(file, AsfShape.of(points, (3000, 4000), "x.jpg", schema.get("imm73")))
    np.testing.assert_allclose(read_asf(file).pixels((3000, 4000)), points, atol=5e-4)


def test_what_cannot_be_written(asf: Path) -> None:
    layout = schema.get("imm73")
    with pytest.raises(ArgumentError, match=r"expected \(73, 2\) points of imm73"):
        AsfShape.of(np.zeros((72, 2)), (10, 10), "x.jpg", layout)
    for name in ("", " ", "#1.jpg", "a\nb.jpg"):
        with pytest.raises(ArgumentError, match="cannot hold the picture's name"):
            write_asf(asf, AsfShape.of(np.zeros((73, 2)), (10, 10), name, layout))
    assert not asf.exists()


# ---------------------------------------------------------------- IMM, 240 faces


@pytest.fixture
def small_imm(tmp_path: Path) -> Path:
    layout = schema.get("imm58")
    for stem in ("01-1m", "01-2m", "32-1f", "33-1m", "40-6f"):
        write_asf(
            tmp_path / f"{stem}.asf", AsfShape.of(layout.mean_shape * 30 + 20, (40, 60), f"C:\\imm\\{stem}.jpg", layout)
        )
        cv2.imwrite(str(tmp_path / f"{stem}.jpg"), np.full((40, 60, 3), 128, np.uint8))
    (tmp_path / "readme.asf").write_text("not a face")
    return tmp_path


def test_imm_by_hand(small_imm: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = IMM(small_imm)
    assert caplog.text.count("partial, 3 of 192 faces are here") == 1
    assert [s.subject for s in found] == ["01", "01", "32"]
    assert [s.subject for s in IMM(small_imm, "valid")] == ["33", "40"]
    assert len(IMM(small_imm, "all")) == 5
    face = found[2]
    np.testing.assert_allclose(face.keypoints, schema.get("imm58").mean_shape * 30 + 20, atol=1e-4)
    assert face.meta == {"name": "32-1f.jpg", "person": "32", "shot": "1", "sex": "f"}
    assert face.image.shape == (40, 60, 3)
    assert pickle.loads(pickle.dumps(found)).samples[0].path == found[0].path


def test_the_nose_tip_exercise(small_imm: Path) -> None:
    tip = IMM(small_imm, keypoints=["nose_tip"])
    everything = IMM(small_imm)
    assert tip.schema.name == "imm58:nose_tip"
    assert tip.schema.names == ("nose_base",)  # the set labels no tip, and says so
    np.testing.assert_array_equal(tip[0].keypoints, everything[0].keypoints[52:53])
    np.testing.assert_allclose(tip[0].box, everything[0].box)  # a crop of the face is still there
    eyes = IMM(small_imm, keypoints=["left_eye", "right_eye"])
    assert len(eyes.schema) == 16
    assert eyes.schema.mirror is not None
    np.testing.assert_array_equal(eyes[0].keypoints, everything[0].keypoints[13:29])


def test_wrong_imm_folders(small_imm: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no such folder\. The IMM Face Database .* is had from DTU"):
        IMM(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="no .asf file of people 1 to 32 is here"):
        IMM(tmp_path / "empty")
    with pytest.raises(ArgumentError, match="'test'; choose one of: all, train, valid"):
        IMM(small_imm, "test")
    with pytest.raises(ArgumentError, match="'nose_top'"):
        IMM(small_imm, keypoints=["nose_top"])
    (small_imm / "01-1m.jpg").unlink()
    with pytest.raises(DatasetError, match=r"01-1m\.asf: its picture 01-1m\.jpg is missing"):
        IMM(small_imm)
    (small_imm / "01-1m.jpg").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"01-1m\.asf: its picture gives no size \(.*is not a picture"):
        IMM(small_imm)


def test_wrong_faces_are_left_out_and_listed(small_imm: Path) -> None:
    (small_imm / "01-1m.asf").write_text("58\n")
    found = IMM(small_imm, on_error="skip")
    assert len(found) == 2
    assert [str(e) for e in found.skipped] == [f"{small_imm / '01-1m.asf'}: cut off after 0 of 58 points"]
    for path in small_imm.glob("[03]*.asf"):
        path.write_text("")
    with pytest.raises(DatasetError, match="no face that is right; the first of 3"):
        IMM(small_imm, on_error="skip")


# ---------------------------------------------------------------- sizes from headers


def test_a_size_is_that_of_the_read_picture(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    cv2.imwrite(str(file), np.zeros((30, 40, 3), np.uint8))
    assert image.size(file) == (30, 40) == image.read(file).shape[:2]
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(ImageError, match="is cut short"):
        image.size(file)
    with pytest.raises(ImageError, match="no such file"):
        image.size(tmp_path / "b.png")


def test_a_turned_picture_has_its_turned_size(tmp_path: Path) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (40, 30)).save(tmp_path / "a.jpg", exif=exif)
    assert image.size(tmp_path / "a.jpg") == (40, 30) == image.read(tmp_path / "a.jpg").shape[:2]


# ---------------------------------------------------------------- the real thing


def test_imm_frontal_is_whole(data_root: Path) -> None:
    found = datasets.create("imm_frontal", root=data_root / "imm_frontal")
    assert len(found) == 120
    people = [s.subject for s in found]
    assert {p: people.count(p) for p in set(people)} == {f"{i:02}": 10 for i in range(1, 13)}
    assert all(s.mask.all() for s in found)
    assert found[0].meta == {"name": "01_01.jpg", "person": "01", "shot": "01"}
    tip = IMMFrontal(data_root / "imm_frontal", keypoints=["nose_tip"])
    assert tip.schema.names == ("nose_tip",)
    np.testing.assert_array_equal(tip[7].keypoints[0], found[7].keypoints[45])


def test_the_schema_has_the_files_paths_and_edges(data_root: Path, tmp_path: Path) -> None:
    file = data_root / "imm_frontal" / "01_01.asf"
    shape, layout = read_asf(file), schema.get("imm73")
    assert {frozenset(e) for e in shape.edges} == {frozenset(e) for e in layout.edges}
    assert len(shape.contours) == 12
    again = AsfShape.of(shape.pixels((600, 800)), (600, 800), shape.image, layout)
    assert (again.paths, again.types, again.connections) == (shape.paths, shape.types, shape.connections)
    write_asf(tmp_path / "again.asf", again)
    np.testing.assert_allclose(read_asf(tmp_path / "again.asf").points, shape.points, atol=1e-7)


def edge_offset(grey: np.ndarray, point: np.ndarray, axis: np.ndarray) -> float:
    """How far along ``axis`` the strongest edge near ``point`` is, in pixels; NaN where there is none."""
    steps = np.arange(-8, 8.01, 0.25)
    at = (point + steps[:, None] * axis).astype(np.float32)
    values = cv2.remap(grey, at[None, :, 0], at[None, :, 1], cv2.INTER_CUBIC)[0]
    slope = np.abs(np.gradient(values)) * np.exp(-(steps**2) / 36)
    best = slope[4:-4].argmax() + 4
    return float(steps[best]) if slope[best] > 2 and 4 < best < len(steps) - 5 else np.nan


def test_the_drawn_points_lie_where_the_pictures_edges_are(data_root: Path) -> None:
    """``r W - 0.5`` fits better than ``r W`` and ``r W - 1``: see :mod:`facekp.datasets.asf`."""
    by_person: dict[str, list[float]] = {}
    for face in IMMFrontal(data_root / "imm_frontal"):
        grey = cv2.GaussianBlur(cv2.cvtColor(face.image, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), 1.2)
        points = face.keypoints
        axis = (points[24] - points[16]) / np.linalg.norm(points[24] - points[16])
        # Jaw and nose wings: clicking too far out at both sides cancels in the mean.
        for left, right in ((62, 72), (63, 71), (64, 70), (65, 69), (42, 36), (41, 37), (43, 35)):
            shift = (edge_offset(grey, points[left], axis) + edge_offset(grey, points[right], axis)) / 2
            by_person.setdefault(str(face.subject), []).append(shift)
    medians = [np.nanmedian(v) for v in by_person.values() if np.isfinite(v).sum() >= 5]
    assert len(medians) >= 10
    left_over = float(np.mean(medians))
    # Nearer to this frame than to either neighbour half a pixel away.
    assert abs(left_over) < 0.25, f"{left_over:+.2f} px between the points and the edges"


def test_contours_follow_the_face(data_root: Path) -> None:
    points = IMMFrontal(data_root / "imm_frontal")[0].keypoints
    jaw = [np.linalg.norm(points[b] - points[a]) for a, b in pairwise(range(62, 73))]
    assert max(jaw) < 3 * min(jaw)
