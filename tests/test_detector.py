"""The Detector: shapes, order, coordinates and errors, on networks whose answer is known."""

from __future__ import annotations

import logging
import math
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from facekp import Detector, Face, FacekpError, geometry, hub, schema
from facekp._refine import upright
from facekp.detector import Refinement
from facekp.errors import ArgumentError, HubError, ImageError
from facekp.finder import Detections, FaceFinder
from facekp.models.facts import FINDERS
from facekp.pose import levelled


class Fixed(nn.Module):
    """Answers every crop with the same normalised places, whatever is in it."""

    output, in_channels = "vector", 3

    def __init__(self, places: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("places", torch.from_numpy(places).float().flatten())
        self.batches: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.batches.append(len(x))
        return self.places.expand(len(x), -1)


class FixedFinder:
    """Finds the same boxes in every picture."""

    def __init__(self, boxes: list[list[float]], scores: list[float], angles: list[float] | None = None) -> None:
        self.found = Detections(
            np.array(boxes, np.float32).reshape(-1, 4),
            np.array(scores, np.float32),
            np.array(angles or [0.0] * len(boxes), np.float32),
        )

    def to(self, device: object) -> FixedFinder:
        return self

    def __call__(self, images: Any, *, min_score: float | None = None) -> list[Detections]:
        keep = self.found.scores >= (min_score or 0)
        return [Detections(self.found.boxes[keep], self.found.scores[keep], self.found.angles[keep]) for _ in images]


# A mean face that fills the box of a crop that is 1.25 times as large: nothing is ever off.
PLACES = 0.5 + schema.get("ibug68").mean_shape.astype(np.float64) / 1.25
BOXES = [[10, 20, 50, 60], [60, 10, 90, 40], [-30, 30, 8, 68]]
IMAGE = np.random.default_rng(0).integers(0, 256, (100, 120, 3), np.uint8)


def make(boxes: list[list[float]] | None = None, scores: list[float] | None = None, box: str = "extent") -> Detector:
    config = {
        "name": "fixed",
        "schema": "ibug68",
        "codec": {"name": "regression", "input_size": [32, 32]},
        "crop": {"size": [32, 32], "scale": 1.25, "box": box},
        "preprocessing": {"mean": 127.5, "std": 64.0},
    }
    found = BOXES if boxes is None else boxes
    stub = FixedFinder(found, [0.9, 0.8, 0.7] if scores is None else scores)
    return Detector(Fixed(PLACES), config, face_finder=stub, device="cpu")  # type: ignore[arg-type]


def expected(box: list[float], scale: float = 1.25) -> np.ndarray:
    """By hand: the crop's edges in the picture, then the place between them."""
    x0, y0, x1, y1 = box
    side = max(x1 - x0, y1 - y0) * scale
    corner = np.array([(x0 + x1) / 2, (y0 + y1) / 2]) - side / 2
    return corner + PLACES * side


def test_one_picture_gives_a_list_of_faces() -> None:
    faces = make()(IMAGE)
    assert [type(f) for f in faces] == [Face] * 3
    face = faces[0]
    assert face.keypoints.shape == (68, 2)
    assert face.keypoints.dtype == np.float32
    assert face.scores.shape == (68,)
    assert ((face.scores >= 0) & (face.scores <= 1)).all()
    assert face.box.tolist() == BOXES[0]
    assert face.score == pytest.approx(0.9)
    assert face.schema.name == "ibug68"


def test_points_come_back_to_the_picture() -> None:
    for face, box in zip(make()(IMAGE), BOXES, strict=True):
        np.testing.assert_allclose(face.keypoints, expected(box), atol=1e-3)


def test_the_expected_error_is_in_pixels_of_the_picture() -> None:
    """A tenth of the crop's 32 px, in crops of 40 * 1.25 and of 30 * 1.25 px of the picture: 5 and 3.75 px."""
    assert make()(IMAGE)[0].uncertainty is None
    detector = make()
    detector.codec.calibration = {"slope": 0.0, "bias": [0.0], "error": {"slope": 1.0, "bias": [np.log(0.1)]}}
    found = detector(IMAGE)
    for face, size in zip(found[:2], (5.0, 3.75), strict=True):
        assert face.uncertainty is not None
        assert face.uncertainty.dtype == np.float32
        np.testing.assert_allclose(face.uncertainty, np.full(68, size), rtol=1e-5)


def test_no_face_is_an_empty_list() -> None:
    detector = make([], [])
    assert detector(IMAGE) == []
    assert detector([IMAGE, IMAGE]) == [[], []]
    assert detector([]) == []


def test_a_list_gives_one_list_per_picture_in_order() -> None:
    detector = make()
    pictures = [np.full((40 + 3 * i, 50, 3), i, np.uint8) for i in range(7)]
    given = [[[i, i, 10 + i, 12 + i]] * (i % 3) for i in range(7)]
    results = detector(pictures, boxes=given, batch_size=3)
    assert [len(r) for r in results] == [i % 3 for i in range(7)]
    for i, faces in enumerate(results):
        for face in faces:
            np.testing.assert_allclose(face.keypoints, expected([i, i, 10 + i, 12 + i]), atol=1e-3)


def test_crops_of_all_pictures_share_batches() -> None:
    detector = make()
    detector([IMAGE] * 10, batch_size=8)
    assert detector.network.batches == [8, 8, 8, 6]


def test_a_cpu_works_on_a_large_batch_in_pieces() -> None:
    detector = make()
    crops = np.random.default_rng(0).integers(0, 256, (35, *detector.crop_size, 3), np.uint8)
    points, scores = detector.predict(crops)
    assert detector.network.batches == [16, 16, 3]
    assert points.shape == (35, 68, 2)
    assert scores.shape == (35, 68)
    assert detector.predict(crops[:0])[0].shape == (0, 68, 2)


@pytest.mark.parametrize("batch_size", [1, 2, 5, 64])
def test_the_batch_size_changes_nothing(batch_size: int) -> None:
    results = make()([IMAGE] * 4, batch_size=batch_size)
    assert [len(r) for r in results] == [3] * 4
    np.testing.assert_allclose(results[3][2].keypoints, expected(BOXES[2]), atol=1e-3)


def test_stream_reads_no_more_than_it_needs() -> None:
    read: list[int] = []

    def pictures() -> Iterator[np.ndarray]:
        for i in range(1000):
            read.append(i)
            yield IMAGE

    stream = make().stream(pictures(), batch_size=4)
    next(stream)
    assert len(read) <= 8


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "a", None])
def test_options_of_a_stream_are_checked_at_once(wrong: Any) -> None:
    with pytest.raises(ArgumentError, match="batch_size must be a whole number of at least 1"):
        make().stream([IMAGE], batch_size=wrong)
    if wrong is not None:  # all faces
        with pytest.raises(ArgumentError, match="max_faces must be a whole number of at least 1, or None"):
            make().stream([IMAGE], max_faces=wrong)


def test_full_takes_the_picture_as_the_crop() -> None:
    face = make()(IMAGE, boxes="full")[0]
    np.testing.assert_allclose(face.keypoints, expected([-0.5, -0.5, 119.5, 99.5], 1.0), atol=1e-3)
    assert face.score == 1
    assert len(make()([IMAGE, IMAGE], boxes="full")) == 2


def test_a_model_of_full_pictures_needs_no_finder() -> None:
    detector = make(box="full")
    detector.finder = None
    assert len(detector(IMAGE)) == 1


def test_order_and_limits() -> None:
    detector = make()
    assert [f.box.tolist() for f in detector(IMAGE, order="left")] == [BOXES[2], BOXES[0], BOXES[1]]
    assert [f.box.tolist() for f in detector(IMAGE, order="size")] == [BOXES[0], BOXES[2], BOXES[1]]
    assert [f.box.tolist() for f in detector(IMAGE, max_faces=1)] == [BOXES[0]]
    assert len(detector(IMAGE, min_score=0.75)) == 2


def test_a_broken_picture_costs_only_itself(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    good = tmp_path / "good.png"
    cv2.imwrite(str(good), IMAGE)
    results = make()([IMAGE, broken, str(good), tmp_path / "missing.png"], on_error="return")
    assert [type(r) for r in results] == [list, ImageError, list, ImageError]
    assert "broken.jpg" in str(results[1])
    assert "missing.png" in str(results[3])
    np.testing.assert_allclose(results[2][0].keypoints, expected(BOXES[0]), atol=1e-3)
    with pytest.raises(ImageError, match=r"broken\.jpg"):
        make()([IMAGE, broken])
    assert isinstance(make()(broken, on_error="return"), ImageError)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_results_before_a_broken_picture_are_given(tmp_path: Path, batch_size: int) -> None:
    stream = make().stream([IMAGE, tmp_path / "missing.png"], batch_size=batch_size)
    assert len(next(stream)) == 3
    with pytest.raises(ImageError):
        next(stream)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"boxes": [1, 2, 3, 4]}, r"boxes\[0\]: expected shape \(N, 4\)"),
        ({"boxes": [[5, 5, 5, 9]]}, "has no area"),
        ({"boxes": [[0, 0, np.nan, 9]]}, "is not finite"),
        ({"boxes": [["a", 0, 1, 9]]}, "expected"),
        ({"boxes": "whole"}, "boxes: expected one of full"),
        ({"batch_size": 0}, "batch_size"),
        ({"max_faces": 0}, "max_faces"),
        ({"min_score": 2}, "min_score"),
        ({"order": "nice"}, "order: expected one of score, size, left"),
        ({"color": "hsv"}, "color"),
        ({"on_error": "ignore"}, "on_error"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()(IMAGE, **options)


def test_boxes_must_be_as_many_as_pictures() -> None:
    with pytest.raises(ArgumentError, match="only 1"):
        make()([IMAGE, IMAGE], boxes=[[[0, 0, 5, 5]]])
    with pytest.raises(ArgumentError, match="more than pictures"):
        make()([IMAGE], boxes=[[[0, 0, 5, 5]], [[0, 0, 5, 5]]])
    assert make()(IMAGE, boxes=[]) == []


def test_without_a_finder_boxes_are_asked_for() -> None:
    detector = make()
    detector.finder = None
    with pytest.raises(ArgumentError, match="has no finder"):
        detector(IMAGE)
    assert len(detector(IMAGE, boxes=BOXES)) == 3


def test_a_box_outside_the_picture_is_no_crash() -> None:
    faces = make()(IMAGE, boxes=[[1e4, 1e4, 1e4 + 50, 1e4 + 50], [-1e6, -1e6, 1e6, 1e6]])
    assert len(faces) == 2
    assert np.isfinite(faces[1].keypoints).all()


def test_predict_checks_its_crops() -> None:
    with pytest.raises(ArgumentError, match="crops: expected"):
        make().predict(np.zeros((1, 16, 16, 3), np.uint8))


def test_it_can_be_pickled() -> None:
    detector = pickle.loads(pickle.dumps(make()))
    np.testing.assert_allclose(detector(IMAGE)[0].keypoints, expected(BOXES[0]), atol=1e-3)


def test_loading_a_folder_and_its_errors(tiny_models: Path) -> None:
    detector = Detector.from_pretrained(tiny_models / "crops", finder=tiny_models / "finder", device="cpu")
    assert all(isinstance(f, Face) for f in detector(IMAGE))
    assert len(Detector.from_pretrained(tiny_models / "whole", device="cpu")(IMAGE)) == 1
    with pytest.raises(ArgumentError, match="device: 'abacus'"):
        Detector.from_pretrained(tiny_models / "whole", device="abacus")
    with pytest.raises(HubError, match="a 'keypoints' model is needed"):
        Detector.from_pretrained(tiny_models / "finder")
    if not torch.cuda.is_available():
        with pytest.raises(ArgumentError, match=r"device: 'cuda' cannot be used here.*try 'auto'"):
            Detector.from_pretrained(tiny_models / "whole", device="cuda")


def test_a_model_brings_the_finder_that_it_goes_with(tmp_path: Path) -> None:
    shipped = Detector.from_pretrained("mobile-ibug", finder=None, device="cpu")
    assert "face_finder" not in shipped.config
    Detector(shipped.network, {**shipped.config, "face_finder": "finder-light"}, device="cpu").save_pretrained(tmp_path)

    def numbers(model: str | Path, **options: Any) -> int:
        finder = Detector.from_pretrained(model, device="cpu", **options).finder
        assert isinstance(finder, FaceFinder)
        return sum(p.numel() for p in finder.network.parameters())

    own, light = numbers("mobile-ibug"), numbers(tmp_path)
    assert own > 1.5 * light
    assert [numbers(tmp_path, finder="finder"), numbers("mobile-ibug", finder="finder-light")] == [own, light]
    assert set(FINDERS) == set(hub.bundled("finder"))


def test_every_missing_key_of_a_config_is_a_hub_error() -> None:
    config = make().config
    for key in config:
        with pytest.raises(HubError, match="config"):
            Detector(Fixed(PLACES), {k: v for k, v in config.items() if k != key}, device="cpu")


def test_errors_share_a_base_and_nothing_is_printed(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(FacekpError):
        make()("no/such/file.jpg")
    make()(IMAGE)
    assert capsys.readouterr().out == ""


def test_a_square_crop_follows_the_training_rule() -> None:
    """The same matrix in training and in use."""
    matrix = geometry.crop_matrix(np.array(BOXES[0]), (32, 32), 1.25)
    back = geometry.apply(geometry.invert(matrix), (PLACES * 32 - 0.5).astype(np.float32))
    np.testing.assert_allclose(back, expected(BOXES[0]), atol=1e-3)


# ---------------------------------------------------------------- turned faces, and a second look


class Seer(nn.Module):
    """Sees the mean face wherever a picture whose colours are its coordinates was cut out.

    Such a picture's red is 2 x, its green 2 y: from four places of the crop its affine map follows, and with it where
    a given face of the picture lies in the crop.
    """

    output, in_channels = "vector", 3

    def __init__(self, face: np.ndarray) -> None:
        super().__init__()
        self.face, self.batches = face, [0]

    def forward(self, x: Tensor) -> Tensor:
        self.batches.append(len(x))
        at = np.array([[10, 10], [21, 10], [10, 21], [21, 21]], np.float64)
        rows = []
        for crop in (x * 64 + 127.5).numpy():
            colours = np.array([crop[:2, int(v), int(u)] for u, v in at]) / 2
            linear = np.linalg.lstsq(np.c_[colours, np.ones(4)], at, rcond=None)[0].T
            rows.append((geometry.apply(linear, self.face) + 0.5) / 32)
        return torch.from_numpy(np.stack(rows)).float().flatten(1)


def seer(face: np.ndarray, boxes: list[list[float]], angles: list[float] | None = None) -> Detector:
    detector = make(boxes, [0.9] * len(boxes))
    detector.network = Seer(face)
    detector.finder = FixedFinder(boxes, [0.9] * len(boxes), angles)  # type: ignore[assignment]
    return detector


YX = np.mgrid[:120, :120]
RAMP = np.stack([2 * YX[1], 2 * YX[0], 0 * YX[0]], -1).astype(np.uint8)


def face_at(angle: float, side: float = 40.0) -> np.ndarray:
    mean = schema.get("ibug68").mean_shape * side + 60
    return geometry.apply(geometry.rotation_matrix(angle, (60.0, 60.0)), mean)


def tight(side: float = 40.0) -> list[float]:
    return [float(v) for v in geometry.extent(face_at(0, side))]


@pytest.mark.parametrize("angle", [0.0, 30.0, -100.0, 180.0])
def test_a_turned_face_is_cut_out_upright(angle: float) -> None:
    detector = seer(face_at(angle), [tight()], [angle])
    crops: list[np.ndarray] = []
    predict = detector.predict
    detector.predict = lambda c: crops.append(c) or predict(c)  # type: ignore[method-assign,func-returns-value]
    (face,) = detector(RAMP)
    np.testing.assert_allclose(face.keypoints, face_at(angle), atol=1.0)  # colours are whole numbers
    assert len(crops) == 1  # nothing was off
    row = crops[0][0, 16, :, :2].astype(float)  # the crop's row: the face's own horizontal
    along = row[26] - row[6]
    seen = np.degrees(np.arctan2(along[1], along[0]))
    assert abs((seen - angle + 180) % 360 - 180) < 1.5


def test_a_crop_that_was_off_is_made_again() -> None:
    """A face turned by 40 degrees in a box that is half too large: the second crop is levelled and tight."""
    large = [60 - 30, 60 - 30, 60 + 30, 60 + 30]
    detector = seer(face_at(40), [large])
    (face,) = detector(RAMP)
    assert detector.network.batches == [0, 1, 1]
    np.testing.assert_allclose(face.box, upright(np.array(tight()), 40.0), atol=0.7)
    (once,) = detector(RAMP, refine=False)
    assert detector.network.batches == [0, 1, 1, 1]
    assert once.box.tolist() == large
    (given,) = detector(RAMP, boxes=[large])
    assert given.box.tolist() == large  # the caller's box stays what it was
    assert detector.network.batches == [0, 1, 1, 1, 1, 1]


def unsure(detector: Detector, angle: float) -> list[float]:
    """Let a detector see the face only in crops turned by less than 50 degrees from ``angle``; returns their angles."""
    seen: list[float] = []
    predict = detector.predict

    def looked(crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        points, scores = predict(crops)
        for i, crop in enumerate(crops.astype(float)):
            along = crop[16, 20, :2] - crop[16, 12, :2]  # the crop's row, in the picture
            seen.append(float(np.degrees(np.arctan2(along[1], along[0]))))
            right = abs((seen[-1] - angle + 180) % 360 - 180) < 50
            scores[i] = 0.8 if right else 0.2
            if not right:  # a face that seems to be level, and as large as the box
                points[i] = schema.get("ibug68").mean_shape * (32 / detector.crop_scale) + 15.5
        return points, scores

    detector.predict = looked  # type: ignore[method-assign]
    detector.codec.rates = True  # type: ignore[misc]  # of this object only
    return seen


@pytest.mark.parametrize("angle", [90.0, 180.0, -90.0, 130.0])
def test_a_face_that_is_not_believed_is_looked_at_turned_by_quarters(angle: float) -> None:
    """The finder takes it for upright; of the four crops that with the best points is taken, and levelled."""
    detector = seer(face_at(angle), [tight(43)])
    seen = unsure(detector, angle)
    (face,) = detector(RAMP)
    np.testing.assert_allclose(face.keypoints, face_at(angle), atol=1.0)
    np.testing.assert_allclose(face.box, upright(np.array(tight()), angle), atol=2)
    assert face.scores.mean() == pytest.approx(0.8)
    assert len(seen) == 4 + (angle == 130)  # 40 degrees are left then
    np.testing.assert_allclose((np.array(seen[:4]) + 1) % 360 // 90, [0, 1, 2, 3])
    seen.clear()
    (face,) = detector(RAMP, refine=Refinement(min_score=0))
    assert len(seen) == 1
    assert face.scores.mean() == pytest.approx(0.2)
    (given,) = detector(RAMP, boxes=[tight(43)])
    np.testing.assert_allclose(given.keypoints, face_at(angle), atol=1.0)
    np.testing.assert_allclose(given.box, tight(43), atol=1e-4)


def test_where_no_quarter_turn_is_better_the_first_look_stays() -> None:
    detector = seer(face_at(0), [tight()] * 3)
    seen = unsure(detector, math.nan)  # in no crop
    pictures = detector([RAMP] * 4, batch_size=3)
    assert len(seen) == 4 * 3 * 4
    for face in (face for faces in pictures for face in faces):
        np.testing.assert_allclose(face.keypoints, face_at(0), atol=0.5)
        np.testing.assert_allclose(face.box, tight(), atol=1e-4)


def test_regression_cannot_doubt() -> None:
    """Its scores are the same whatever it sees: three more looks would tell nothing."""
    detector = seer(face_at(0), [tight()])
    detector.codec.calibration = {"slope": 0.0, "bias": [-5.0]}
    detector(RAMP)
    assert detector.network.batches == [0, 1]


def test_only_the_faces_that_need_it_are_looked_at_again() -> None:
    face = face_at(0)
    good, off = tight(), [60 - 34, 60 - 34, 60 + 34, 60 + 34]
    detector = seer(face, [good, off, good])
    faces = detector([RAMP, RAMP], batch_size=8)
    assert sum(detector.network.batches) == 6 + 2
    assert [len(f) for f in faces] == [3, 3]
    for one in faces[0]:
        np.testing.assert_allclose(one.keypoints, face, atol=1.0)
    loose = Refinement(min_iou=0.1, max_angle=180)
    detector.network.batches.clear()
    detector(RAMP, refine=loose)
    assert sum(detector.network.batches) == 3


@pytest.mark.parametrize("wrong", [{"min_iou": 1.5}, {"max_angle": -1}, {"min_score": 2}])
def test_a_wrong_refinement(wrong: dict[str, float]) -> None:
    with pytest.raises(ArgumentError, match="refine"):
        Refinement(**wrong)


def test_large_pictures_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """With more than so many pixels waiting the network runs, however few its crops."""
    monkeypatch.setattr("facekp._stream.CHUNK_PIXELS", 2 * 120 * 120)
    monkeypatch.setattr("facekp._slots.CHUNK_PIXELS", 2 * 120 * 120)
    detector = seer(face_at(0), [tight()])
    assert len(detector([RAMP] * 7, batch_size=64)) == 7
    assert detector.network.batches == [0, 2, 2, 2, 1]


@pytest.mark.parametrize("angle", [-170.0, -30.0, 0.0, 75.0])
def test_where_a_face_is_by_its_points(angle: float) -> None:
    found = levelled(face_at(angle), schema.get("ibug68"))
    assert found is not None
    np.testing.assert_allclose(found[0], tight(), atol=1e-3)
    assert found[1] == pytest.approx(angle, abs=1e-3)
    assert levelled(np.full((68, 2), 7.0), schema.get("ibug68")) is None
    over = levelled(-schema.get("ibug68").mean_shape, schema.get("ibug68"))
    assert over is not None
    assert over[1] == 180.0
    far = face_at(angle)
    far[3, 0] = np.inf
    near = levelled(far, schema.get("ibug68"))
    assert near is not None
    assert near[1] == pytest.approx(angle, abs=2)


def test_the_upright_box_of_a_turned_one() -> None:
    box = np.array([0.0, 0.0, 20.0, 40.0])
    assert upright(box, 0.0).tolist() == box.tolist()
    np.testing.assert_allclose(upright(box, 90.0), [-10, 10, 30, 30], atol=1e-5)
    np.testing.assert_allclose(upright(np.array([0.0, 0.0, 30.0, 30.0]), 45.0), [0, 0, 30, 30], atol=1e-5)


def test_options_of_facekps_own_finder() -> None:
    with pytest.raises(ArgumentError, match="tile, turns: only facekp's own finder"):
        make()(IMAGE, tile=64, turns=(90,))
    with pytest.raises(ArgumentError, match="refine: expected True, False"):
        make()(IMAGE, refine="always")


def test_without_a_finder_every_picture_needs_boxes() -> None:
    plain = make()
    detector = Detector(plain.network, plain.config, device="cpu")
    with pytest.raises(ArgumentError, match="no finder; give boxes for every picture"):
        detector([IMAGE, IMAGE], boxes=[[[10, 10, 90, 90]], None])
    with pytest.raises(ArgumentError, match="boxes: expected one"):
        list(detector.stream([IMAGE], boxes=5))  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="crops: expected"):
        detector.predict([1])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("crop", {"scale": 0}),
        ("crop", {"scale": -1.2}),
        ("crop", {"scale": "nan"}),
        ("crop", {"size": [65536, 65536]}),
        ("crop", {"size": [64, 64]}),
        ("crop", {"box": "nonsense"}),
        ("preprocessing", {"std": 0}),
        ("preprocessing", {"mean": "inf"}),
    ],
)
def test_a_config_that_makes_no_crops(section: str, values: dict[str, Any]) -> None:
    plain = make()
    wrong = {**plain.config, section: {**plain.config[section], **values}}
    with pytest.raises(HubError, match=rf"{section}\.{next(iter(values))}"):
        Detector(plain.network, wrong, device="cpu")


def test_a_mirror_image_is_looked_at_and_turned_back_by_hand() -> None:
    plain = make()
    both = Detector(plain.network, plain.config, device="cpu", mirror=True)
    crops = np.zeros((2, 32, 32, 3), np.uint8)
    (points, _), (found, scores) = plain.predict(crops), both.predict(crops)
    # The network answers both looks alike: the mean is of point i, and of its partner seen from the other edge.
    eye, partner = points[0, 36], points[0, 45]
    np.testing.assert_allclose(found[0, 36], [(eye[0] + 31 - partner[0]) / 2, (eye[1] + partner[1]) / 2], atol=1e-4)
    assert scores.shape == (2, 68)


def test_with_mirror_a_mirrored_crop_gives_mirrored_points(tiny_models: Path) -> None:
    model = Detector.from_pretrained(tiny_models / "whole", device="cpu")
    torch.manual_seed(0)
    for parameter in model.network.parameters():
        nn.init.normal_(parameter, std=0.1)
    plain = Detector(model.network, model.config, device="cpu")
    both = Detector(model.network, model.config, device="cpu", mirror=True)
    crops = np.random.default_rng(3).integers(0, 256, (3, 32, 32, 3), np.uint8)
    points, scores = both.predict(crops)
    assert np.abs(points - plain.predict(crops)[0]).max() > 0.1
    others, theirs = both.predict(np.ascontiguousarray(crops[:, :, ::-1]))
    np.testing.assert_allclose(both.schema.mirrored(others, 32), points, atol=1e-3)
    np.testing.assert_allclose(theirs[:, list(both.schema.mirror or ())], scores, atol=1e-5)


def test_points_without_pairs_cannot_be_mirrored() -> None:
    plain = make()
    odd = {**plain.config, "schema": {**plain.schema.to_dict(), "name": "odd", "mirror": None}}
    with pytest.raises(ArgumentError, match=r"mirror: the points of fixed \(odd\) cannot be mirrored"):
        Detector(plain.network, odd, device="cpu", mirror=True)
