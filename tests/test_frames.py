"""Frames: reading 300-W and YouTube Faces, packing, mixing into training pictures."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facekp import datasets, geometry, schema
from facekp.datasets import frames as framesets
from facekp.errors import ArgumentError, DatasetError, RecipeError
from facekp.sample import Frame
from facekp.training.data import validation_names
from facekp.transforms import turned
from facekp.transforms.clutter import clutter
from facekp.transforms.frames import FrameMixer, MixerConfig, without_faces
from facekp.transforms.pyramid import Pyramid


def face(box: tuple[float, float, float, float]) -> np.ndarray:
    return framesets.face_points(np.array(box, np.float32))


@pytest.fixture
def small_300w(tmp_path: Path) -> Path:
    """A folder in 300-W's layout: two AFW faces of one photograph and one LFPW picture."""
    for name in ("afw/7_1", "afw/7_2", "lfpw/trainset/image_0001"):
        path = tmp_path / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((120, 160, 3), 90, np.uint8))
        datasets.write_pts(path.with_suffix(".pts"), face((40, 30, 90, 80)))
    (tmp_path / "helen/trainset").mkdir(parents=True)
    rows = ["file,x0,y0,x1,y1,score,labelled"]
    rows += ["afw/7_1.jpg,40,30,90,80,1.0,1", "afw/7_1.jpg,100,20,150,70,0.9,0", "afw/7_1.jpg,0,80,20,110,0.5,0"]
    (tmp_path / "faces.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


@pytest.fixture
def small_ytf(tmp_path: Path) -> Path:
    (tmp_path / "training").mkdir()
    with (tmp_path / "training_frames_keypoints.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["", *range(136)])
        for name in ("A_B_00.jpg", "A_B_10.jpg", "C_D_00.jpg"):
            cv2.imwrite(str(tmp_path / "training" / name), np.zeros((100, 100, 3), np.uint8))
            rows.writerow([name, *face((30, 30, 70, 80)).round().ravel().tolist()])
    return tmp_path


# ---------------------------------------------------------------- reading


def test_300w_frames(small_300w: Path) -> None:
    first, second, third = framesets.frames_300w(small_300w)
    np.testing.assert_allclose(first.boxes[0], [40, 30, 90, 80], atol=2e-3)  # three decimals in the file
    np.testing.assert_allclose(first.angles, 0, atol=1e-2)
    assert len(first.boxes) == 2
    # The other detector's box shrinks to the extent that its face's points would have.
    np.testing.assert_allclose(first.boxes[1], [101, 24.5, 149, 70.6], atol=0.01)
    assert first.ignore.tolist() == [[0, 80, 20, 110]]
    assert first.points is not None
    assert first.points.shape == (2, 68, 2)
    assert first.subject == second.subject != third.subject
    assert second.ignore.shape == (0, 4)
    assert first.image.shape == (120, 160, 3)


def test_300w_keeps_a_photograph_on_one_side(small_300w: Path) -> None:
    train = framesets.frames_300w(small_300w, skip=["afw/7_2.jpg"])
    assert [f.path.name for f in train if f.path] == ["image_0001.jpg"]
    held = framesets.frames_300w(small_300w, names=["afw/7_2.jpg"])
    assert len(held) == 1


def test_300w_errors(small_300w: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="ibug"):
        framesets.frames_300w(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="no pictures"):
        framesets.frames_300w(tmp_path / "helen")
    with pytest.raises(DatasetError, match=r"9_1\.jpg"):
        framesets.frames_300w(small_300w, names=["afw/9_1.jpg"])
    (small_300w / "faces.csv").write_text("file,x0,y0,x1,y1,score,labelled\nafw/7_1.jpg,1,2,x,4,0.9,0\n")
    with pytest.raises(DatasetError, match=r"faces\.csv, line 2"):
        framesets.frames_300w(small_300w)
    (small_300w / "faces.csv").unlink()
    (small_300w / "afw/7_1.pts").unlink()
    with pytest.raises(DatasetError, match=r"7_1\.pts"):
        framesets.frames_300w(small_300w)


def test_ytf_frames(small_ytf: Path) -> None:
    everyone = framesets.frames_ytf(small_ytf)
    assert [f.subject for f in everyone] == ["A_B", "A_B", "C_D"]
    np.testing.assert_allclose(everyone[0].boxes, [[30, 30, 70, 80]], atol=0.5)  # whole pixels in the file
    assert [f.subject for f in framesets.frames_ytf(small_ytf, skip=["A_B"])] == ["C_D"]
    assert len(framesets.frames_ytf(small_ytf, people=["A_B"])) == 2


def test_ytf_errors(small_ytf: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="training_frames_keypoints"):
        framesets.frames_ytf(tmp_path / "nowhere")
    (small_ytf / "training/C_D_00.jpg").unlink()
    with pytest.raises(DatasetError, match=r"line 4: .*C_D_00"):
        framesets.frames_ytf(small_ytf)
    table = small_ytf / "training_frames_keypoints.csv"
    table.write_text("\n".join([*table.read_text().splitlines()[:2], "A_B_10.jpg,1,2,3"]) + "\n")
    with pytest.raises(DatasetError, match="line 3: expected a name and 136 numbers"):
        framesets.frames_ytf(small_ytf)


def test_face_points_fill_the_box() -> None:
    points = face((10, 20, 50, 80))
    assert points.shape == (68, 2)
    np.testing.assert_allclose(geometry.extent(points), [10, 20, 50, 80], atol=1e-4)


def test_validation_lists_are_fixed_and_fair() -> None:
    names = validation_names("300w")
    assert 180 <= len(names) == len(set(names)) <= 220
    assert not any("testset" in name for name in names)
    people = validation_names("ytf")
    assert 30 <= len(people) == len(set(people)) <= 40
    with pytest.raises(RecipeError, match=r"data\.validation: 'none' is neither a file"):
        validation_names("none")


# ---------------------------------------------------------------- packing


def test_pack_shrinks_and_moves_labels(small_300w: Path) -> None:
    frame = framesets.frames_300w(small_300w, names=["afw/7_1.jpg"])[0]
    (packed,) = framesets.pack([frame], long_side=80)
    assert packed.pixels is not None
    assert packed.pixels.shape == (60, 80, 3)
    np.testing.assert_allclose(packed.boxes, (frame.boxes + 0.5) / 2 - 0.5, atol=1e-4)
    np.testing.assert_allclose(packed.ignore, (frame.ignore + 0.5) / 2 - 0.5, atol=1e-4)
    assert packed.points is not None
    np.testing.assert_allclose(geometry.extent(packed.points), packed.boxes, atol=1e-4)
    (same,) = framesets.pack([frame], long_side=640)
    np.testing.assert_allclose(same.boxes, frame.boxes, atol=1e-4)


def test_pack_names_the_broken_picture(small_300w: Path) -> None:
    (small_300w / "afw/7_2.jpg").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"7_2\.jpg"):
        framesets.pack(framesets.frames_300w(small_300w))


# ---------------------------------------------------------------- mixing


def spotted(box: tuple[float, float, float, float] = (60, 50, 110, 100)) -> Frame:
    """A dark frame in which the face's points are white dots: where they land can be seen."""
    points = face(box)
    pixels = np.zeros((160, 200, 3), np.uint8)
    for x, y in points:
        cv2.circle(pixels, (round(float(x)), round(float(y))), 2, (255, 255, 255), -1)
    return Frame(geometry.extent(points)[None], pixels=pixels, points=points[None])


PLAIN = MixerConfig(size=128, grids=(1.0,), negative=0.0, fill=0, wild=1.0, covered=0.0, patched=0.0)


class Bare(FrameMixer):
    """Without light and noise, so that pixels can be compared."""

    def _photometric(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return image

    def _border(self, rng: np.random.Generator) -> int | None:
        return 0


def test_boxes_and_angles_follow_the_pixels() -> None:
    """Levelled by its angle, the extent of what is white in the picture is the box, and its chin is at the bottom."""
    frame = spotted()
    assert frame.points is not None
    assert frame.pixels is not None
    x, y = (round(float(v)) for v in frame.points[0, 8])
    cv2.circle(frame.pixels, (x, y), 3, (255, 0, 0), -1)  # red: the chin
    mixer = Bare([frame], PLAIN)
    compared = []
    for seed in range(120):
        mixed = mixer(np.random.default_rng(seed))
        reach = np.abs(turned.corners(mixed.boxes, mixed.angles) - 63.5).max(initial=0)
        if len(mixed.boxes) != 1 or reach > 58:
            continue
        box, angle = mixed.boxes[0], float(mixed.angles[0])
        level = geometry.rotation_matrix(-angle, tuple((box[:2] + box[2:]) / 2))
        zoom = max(1.0, (box[2] - box[0]) / 40)
        white = np.argwhere(mixed.image[..., 0] > 90)[:, ::-1]
        np.testing.assert_allclose(geometry.extent(geometry.apply(level, white)), box, atol=4 * zoom)
        red = (mixed.image[..., 0] > 120) & (mixed.image[..., 1] < 60)
        chin = geometry.apply(level, np.argwhere(red)[:, ::-1]).mean(0)
        np.testing.assert_allclose(chin, [(box[0] + box[2]) / 2, box[3]], atol=4 * zoom)
        compared.append(angle)
    assert len(compared) > 15
    assert min(compared) < -90 < 90 < max(compared)


def test_a_turn_by_90_degrees_by_hand() -> None:
    """A picture 40 wide and 20 high, turned clockwise: (x, y) goes to (19 - y, x)."""
    frame = Frame(
        np.array([[4, 6, 12, 18]], np.float32),
        ignore=np.array([[30, 0, 36, 4]], np.float32),
        pixels=np.zeros((20, 40, 3), np.uint8),
        points=np.array([[[4, 6], [12, 18]]], np.float32),
        angles=np.array([10], np.float32),
    )
    assert frame.pixels is not None
    frame.pixels[12, 8] = 255
    after = turned.turned(frame, 90)
    assert after.image.shape == (40, 20, 3)
    assert after.image[8, 7].tolist() == [255, 255, 255]
    np.testing.assert_allclose(after.angles, [100])
    np.testing.assert_allclose(after.boxes, [[3, 2, 11, 14]], atol=1e-4)  # centre (8, 12) goes to (7, 8)
    np.testing.assert_allclose(after.ignore, [[15, 30, 19, 36]], atol=1e-4)
    assert after.points is not None
    np.testing.assert_allclose(after.points, [[[13, 4], [1, 12]]], atol=1e-4)
    np.testing.assert_allclose(geometry.extent(turned.corners(after.boxes, np.array([90.0]))[0]), [1, 4, 13, 12])


@settings(max_examples=40, deadline=None)
@given(angle=st.floats(-400, 400), own=st.floats(-179, 180), zoom=st.floats(0.2, 4), flip=st.booleans())
def test_moved_faces_are_moved_rectangles(angle: float, own: float, zoom: float, flip: bool) -> None:
    """The corners of a moved face are its moved corners; a mirror swaps left and right."""
    matrix = geometry.rotation_matrix(angle, (3.0, -7.0), zoom)
    if flip:
        matrix[:, 0] *= -1
    boxes, angles = np.array([[10, 20, 50, 80]], np.float32), np.array([own], np.float32)
    expected = geometry.apply(matrix, turned.corners(boxes, angles))
    if flip:
        expected = expected[:, [1, 0, 3, 2]]
    after, turn = turned.moved_faces(boxes, angles, matrix)
    np.testing.assert_allclose(turned.corners(after, turn), expected, atol=2e-3 * zoom + 1e-3)
    assert -180 < turn[0] <= 180


def test_a_turned_face_is_levelled_as_it_was() -> None:
    """The points of a turned frame give the box and angle to which its own were moved."""
    points = face((40, 30, 90, 90))
    pixels = np.zeros((120, 160, 3), np.uint8)
    frame = framesets._frame(None, [points], [], None)
    frame.pixels = pixels
    after = turned.turned(frame, 130)
    assert after.points is not None
    again = framesets._frame(None, list(after.points), [], None)
    np.testing.assert_allclose(again.boxes, after.boxes, atol=1e-2)
    np.testing.assert_allclose(again.angles, after.angles, atol=1e-2)


def test_how_much_of_a_face_is_seen() -> None:
    boxes = np.array([[-10, 0, 10, 20], [2, 2, 8, 8], [90, 0, 99, 5], [-5.5, 4, 4.5, 24]], np.float32)
    share = turned.seen(boxes, np.zeros(4, np.float32), (30, 30))
    np.testing.assert_allclose(share, [0.5, 1, 0, 0.5])
    # Half of the last one's width lies outside; turned by 90 degrees, it reaches from -10.5 to 9.5.
    np.testing.assert_allclose(turned.seen(boxes[3:], np.array([90.0]), (30, 30)), [0.5])
    assert turned.seen(boxes[:0], np.zeros(0), (30, 30)).shape == (0,)


def test_covers_hide_the_lower_half() -> None:
    """A cover is painted in the face's own frame: of an upside-down face the part above."""
    image = np.full((100, 100, 3), 200, np.uint8)
    lower = turned.part(np.array([30, 30, 70, 70], np.float32), 180.0, (0.0, 0.5, 1.0, 1.0))
    np.testing.assert_allclose(geometry.extent(lower), [30, 30, 70, 50], atol=1e-4)
    turned.inside(image, lower, np.zeros_like)
    assert (image[31:49, 31:69] == 0).all()
    assert (image[53:] == 200).all()
    turned.inside(image, lower + 1000, np.zeros_like)  # outside the picture: nothing happens
    assert (image[53:] == 200).all()
    hidden = MixerConfig(size=64, grids=(1.0,), negative=0.0, covered=1.0)
    mixed = FrameMixer([spotted()], hidden)(np.random.default_rng(1))
    assert len(mixed.boxes) == len(mixed.angles)


def test_small_views_come_from_small_levels() -> None:
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(rng.integers(0, 256, (203, 301, 3), np.uint8), (0, 0), 4)
    levels = Pyramid(picture)
    assert [level.shape[:2] for level in levels.levels] == [(203, 301), (101, 150), (50, 75)]
    for zoom in (1.3, 0.6, 0.4, 0.2, 0.1):
        matrix = geometry.rotation_matrix(33, (150.0, 100.0), zoom)
        matrix[:, 2] += (20 - 150, 20 - 100)
        expected = geometry.warp(picture, matrix, (40, 40), border=None).astype(float)
        found = levels.warp(matrix, (40, 40), border=None)
        np.testing.assert_allclose(found, expected, atol=14)
        assert np.abs(found - expected).mean() < 2


def test_same_seed_same_picture() -> None:
    mixer = FrameMixer([spotted(), spotted((20, 20, 60, 70))])
    a, b = (mixer(np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(a.image, b.image)
    np.testing.assert_array_equal(a.boxes, b.boxes)
    c = mixer(np.random.default_rng(6))
    assert (a.image != c.image).any()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), grid=st.integers(1, 4), negative=st.floats(0, 1))
def test_mixed_pictures_are_well_formed(seed: int, grid: int, negative: float) -> None:
    config = MixerConfig(size=96, grids=(*([0.0] * (grid - 1)), 1.0), negative=negative)
    frame = spotted()
    frame.ignore = np.array([[0, 0, 30, 30]], np.float32)
    before = frame.pixels.copy() if frame.pixels is not None else None
    mixed = FrameMixer([frame], config)(np.random.default_rng(seed))
    assert mixed.image.shape == (96, 96, 3)
    assert mixed.image.dtype == np.uint8
    for boxes in (mixed.boxes, mixed.ignore):
        assert boxes.dtype == np.float32
        assert np.isfinite(boxes).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()
    inside = geometry.image_box((96, 96))
    assert (mixed.ignore[:, :2] >= inside[:2] - 1e-3).all()
    assert (mixed.ignore[:, 2:] <= inside[2:] + 1e-3).all()
    assert mixed.angles.shape == (len(mixed.boxes),)
    assert mixed.angles.dtype == np.float32
    assert (np.abs(mixed.angles) <= 180).all()
    centres = (mixed.boxes[:, :2] + mixed.boxes[:, 2:]) / 2
    assert ((centres >= -1) & (centres <= 97)).all()  # at least half of a face to be found is seen
    np.testing.assert_array_equal(frame.pixels, before)  # the frames in memory are never painted on


def test_negatives_have_no_faces() -> None:
    mixer = FrameMixer([spotted()], MixerConfig(size=64, negative=1.0))
    for seed in range(10):
        assert len(mixer(np.random.default_rng(seed)).boxes) == 0


def test_clutter_is_many_different_pictures() -> None:
    pictures = [clutter((40, 56), np.random.default_rng(seed)) for seed in range(60)]
    assert all(p.shape == (40, 56, 3) and p.dtype == np.uint8 for p in pictures)
    assert len({p.tobytes() for p in pictures}) == 60
    np.testing.assert_array_equal(pictures[7], clutter((40, 56), np.random.default_rng(7)))
    assert sum(bool((np.ptp(p.astype(int), axis=-1) == 0).all()) for p in pictures) > 10  # grey ones
    assert clutter((4, 300), np.random.default_rng(0)).shape == (4, 300, 3)


def test_without_faces_paints_them_over() -> None:
    frame = spotted()
    empty = without_faces(frame)
    assert len(empty.boxes) == 0
    assert empty.image.max() < 200  # no dot is left
    assert frame.image.max() == 255


def test_wrong_mixers() -> None:
    with pytest.raises(ArgumentError, match="at least one"):
        FrameMixer([])
    with pytest.raises(ArgumentError, match="pack"):
        FrameMixer([Frame(np.zeros((0, 4), np.float32))])
    with pytest.raises(ArgumentError, match="weights"):
        FrameMixer([spotted()], weights=[1, 2])
    for wrong in ({"size": 4}, {"grids": ()}, {"share": (0.5, 0.1)}, {"smallest": 0.0}):
        with pytest.raises(ArgumentError, match="mixer"):
            MixerConfig(**wrong)  # type: ignore[arg-type]


# ---------------------------------------------------------------- real data


def test_real_frames(data_root: Path) -> None:
    names = validation_names("300w")
    held = framesets.frames_300w(data_root / "300w", names=names)
    train = framesets.frames_300w(data_root / "300w", skip=names)
    assert len(held) == len(names)
    assert not {f.subject for f in held} & {f.subject for f in train}
    for frame in held[::20]:
        height, width = frame.image.shape[:2]
        assert (frame.boxes[0] > -0.1 * width).all()
        assert (frame.boxes[0, 2:] < (1.1 * width, 1.1 * height)).all()
    people = validation_names("ytf")
    videos = framesets.frames_ytf(data_root / "ytf", skip=people)
    assert len(videos) > 2500
    assert not {f.subject for f in videos} & set(people)


def test_the_mean_face_stands_in_for_unknown_points(data_root: Path) -> None:
    """The extent of turned mean points is close to that of the face's own turned points."""
    frames = framesets.frames_300w(data_root / "300w", names=validation_names("300w")[:40])
    turn = geometry.rotation_matrix(30, (0, 0))
    worst = []
    for frame in frames:
        assert frame.points is not None
        own = geometry.extent(geometry.apply(turn, frame.points[:1]))
        stand_in = geometry.extent(geometry.apply(turn, framesets.face_points(frame.boxes[0])[None]))
        worst.append(geometry.iou(own, stand_in)[0, 0])
    assert len(schema.get("ibug68")) == 68
    assert np.median(worst) > 0.85
