"""A finder's recipe, from frames on disk to a folder that loads."""

from __future__ import annotations

import csv
import multiprocessing
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from facekp import datasets, detector, finder, hub
from facekp.datasets.frames import face_points
from facekp.errors import DatasetError, RecipeError
from facekp.finder.targets import FACE, IGNORE, NOTHING
from facekp.metrics import detection
from facekp.sample import Frame
from facekp.transforms.frames import Mixed

pytest.importorskip("lightning", reason="needs facekp[train]")

from facekp.training import finder_finish, finder_module, recipe, run

SMALL = {"type": "pyramid", "stem": 8, "channels": [8, 8, 8], "depths": [1, 1, 1], "neck": 8, "head": 1}
TINY = {**SMALL, "light": True, "angle": True}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Both data sets in small: six photographs and two video frames, each a grey disc on noise."""
    rng = np.random.default_rng(0)
    points = face_points(np.array([30, 30, 70, 80], np.float32))
    for i in range(6):
        path = tmp_path / f"300w/lfpw/trainset/image_{i:04d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        image = rng.integers(0, 120, (110, 100, 3), np.uint8)
        cv2.circle(image, (50, 55), 25, (200, 200, 200), -1)
        cv2.imwrite(str(path), image)
        datasets.write_pts(path.with_suffix(".pts"), points)
    (tmp_path / "ytf/training").mkdir(parents=True)
    with (tmp_path / "ytf/training_frames_keypoints.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["", *range(136)])
        for name in ("A_B_00.jpg", "C_D_00.jpg"):
            cv2.imwrite(str(tmp_path / "ytf/training" / name), np.full((100, 100, 3), 80, np.uint8))
            rows.writerow([name, *points.round().ravel().tolist()])
    (tmp_path / "held.txt").write_text("lfpw/trainset/image_0004.jpg\nlfpw/trainset/image_0005.jpg\n")
    (tmp_path / "people.txt").write_text("C_D\n")
    return tmp_path


def small_recipe(root: Path, **changes: object) -> recipe.Common:
    values = {
        "name": "tiny",
        "task": "finder",
        "epochs": 1,
        "batch_size": 4,
        "samples": 8,
        "workers": 0,
        "ema": 0.5,
        "data": {
            "root": str(root),
            "validation": str(root / "held.txt"),
            "validation_people": str(root / "people.txt"),
        },
        "network": TINY,
        "mixer": {"size": 96},
        "finder": {"side": 96},
        **changes,
    }
    return recipe.check(values, "tiny")  # type: ignore[no-any-return]


def test_recipe_to_finder(root: Path, tmp_path: Path) -> None:
    folder = run.fit(small_recipe(root), tmp_path / "run")
    bundle = hub.load(folder, kind="finder")
    metrics = bundle.config["metrics"]
    assert set(metrics) >= {"recall", "iou", "ap", "false", "false_without_faces", "turned_recall", "turned_error"}
    assert len(metrics["turned_recall_by_30_degrees"]) == 12
    assert metrics["frames"] == 2
    found = detector.load_finder(folder)([np.zeros((50, 60, 3), np.uint8)], min_score=0.0)
    assert len(found) == 1
    held = (tmp_path / "run/validation.txt").read_text().split("\n")
    assert "lfpw/trainset/image_0004.jpg" in held
    assert "ytf: C_D" in held


def test_a_network_without_angles_trains_too(root: Path, tmp_path: Path) -> None:
    folder = run.fit(small_recipe(root, network=SMALL), tmp_path / "run")
    (found,) = detector.load_finder(folder)([np.zeros((50, 60, 3), np.uint8)], min_score=0.0)
    assert (found.angles == 0).all()


def test_held_out_frames_are_not_trained_on(root: Path) -> None:
    train, weights, checked, _ = finder_module.load_frames(small_recipe(root))  # type: ignore[arg-type]
    assert [f.path.name for f in checked if f.path] == ["image_0004.jpg", "image_0005.jpg"]
    assert len(train) == len(weights) == 4 + 1
    assert not {f.path for f in checked} & {f.path for f in train}
    assert sum(weights) == pytest.approx(1)


@pytest.mark.parametrize("name", ["finder", "finder-light"])
def test_shipped_recipe_is_valid(name: str) -> None:
    shipped = recipe.load(name)
    assert shipped.task == "finder"
    assert finder.create(shipped.network)
    assert finder.FinderConfig.from_dict(shipped.finder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": {"type": "yolo"}}, "choose one of: pyramid"),
        ({"finder": {"sides": 3}}, "unknown keys"),
        ({"network": {**SMALL, "angle": "yes"}}, "angle must be true or false"),
        ({"mixer": {"sizes": 3}}, "mixer: .*sizes"),
        ({"mixer": {"share": [1.0, 0.5]}}, "mixer: .*share"),
        ({"data": {"root": ".", "validation": "no such list"}}, r"data\.validation"),
    ],
)
def test_wrong_recipes(root: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        finder_module.job(small_recipe(root, **changes))  # type: ignore[arg-type]


def test_missing_data(root: Path) -> None:
    gone = {"root": str(root / "gone"), "validation": "300w"}
    with pytest.raises(DatasetError, match="no such folder"):
        finder_module.job(small_recipe(root, data=gone))  # type: ignore[arg-type]


def test_collate_pads() -> None:
    image, none = np.zeros((32, 32, 3), np.uint8), np.zeros((0, 4), np.float32)
    one, two = np.full((1, 4), 1, np.float32), np.full((2, 4), 2, np.float32)
    pair = [Mixed(image, one, np.full(1, 90, np.float32), two), Mixed(image, none, none[:, 0], none)]
    images, boxes, angles, kinds = finder_module.collate(pair)
    assert images.shape == (2, 3, 32, 32)
    assert images.dtype == torch.uint8
    assert boxes[0, :, 0].tolist() == [1, 2, 2]
    assert angles.tolist() == [[90, 0, 0], [0, 0, 0]]
    assert kinds.tolist() == [[FACE, IGNORE, IGNORE], [NOTHING] * 3]


def test_a_worker_starts_after_opencv_used_its_threads() -> None:
    """A forked process has none of its parent's threads: waiting for them to end would never end."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(4)
    try:
        cv2.resize(np.zeros((1500, 1500, 3), np.uint8), None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
        worker = multiprocessing.get_context("fork").Process(target=finder_module._one_thread, args=(0,))
        worker.start()
        worker.join(60)
        stuck = worker.is_alive()
        worker.kill()
        assert not stuck
    finally:
        cv2.setNumThreads(before)


def test_threshold_by_hand() -> None:
    def found(*scores: float) -> detection.Match:
        return detection.Match(np.array(scores), np.ones(len(scores), bool), np.array(scores), np.ones(len(scores)))

    def alarm(*scores: float) -> detection.Match:
        return detection.Match(np.array(scores), np.zeros(len(scores), bool), np.zeros(0), np.zeros(0))

    faces = [found(0.9), found(0.8), found(0.7)]  # one false alarm in ten frames is allowed unless told otherwise
    assert finder_finish.choose_threshold(faces, []) == 0.05
    # One alarm in ten frames is allowed, so the better of two decides no threshold.
    empty = [alarm(0.6), alarm(0.405), *(alarm() for _ in range(8))]
    assert finder_finish.choose_threshold(faces, empty) == 0.41
    assert finder_finish.choose_threshold(faces, [alarm(0.95)]) == 0.8  # never above half of the faces
    numbers = finder_finish.summary(faces, 0.75)
    assert numbers["recall"] == pytest.approx(2 / 3)
    assert numbers["recall_any"] == 1
    assert numbers["iou"] == 1
    assert numbers["false"] == 0
    assert finder_finish.choose_threshold(faces, empty, 0.01) == 0.61


def test_calibrated_scores_are_probabilities() -> None:
    """Where faces come with sigmoid(2 x - 1), that is what a logit x is to become."""
    rng = np.random.default_rng(0)

    def drawn() -> detection.Match:
        logits = rng.normal(0, 2, 40)
        right = rng.random(40) < 1 / (1 + np.exp(1 - 2 * logits))
        return detection.Match(1 / (1 + np.exp(-logits)), right, np.array([0.5, 0.0]), np.array([0.7, 0.0]))

    matches, empty = [drawn() for _ in range(100)], [drawn() for _ in range(100)]
    slope, bias, gap = finder_finish._calibration(matches, empty)
    assert slope == pytest.approx(2, abs=0.15)
    assert bias == pytest.approx(-1, abs=0.15)
    assert gap < 0.02
    (after,) = finder_finish._calibrated(matches[:1], slope, bias)
    assert after.found[0] == pytest.approx(1 / (1 + np.exp(-bias)))
    assert after.found[1] == 0  # found by nothing: still so
    np.testing.assert_array_equal(np.argsort(after.scores), np.argsort(matches[0].scores))


def test_scores_stay_where_nothing_tells_faces_apart() -> None:
    nothing = detection.Match(np.zeros(0), np.zeros(0, bool), np.zeros(1), np.zeros(1))
    slope, bias, gap = finder_finish._calibration([nothing], [nothing])
    assert (slope, bias) == (1, 0)
    assert np.isnan(gap)


class _Told:
    """A finder that always says the same."""

    config = finder.FinderConfig()

    def __init__(self, *rows: tuple[float, float, float, float, float, float]) -> None:
        self.rows = np.array(rows, np.float32).reshape(-1, 6)

    def __call__(self, images: list[np.ndarray], *, min_score: float) -> list[finder.Detections]:
        assert min_score > 0
        return [finder.Detections(self.rows[:, :4], self.rows[:, 4], self.rows[:, 5]) for _ in images]


def test_turned_frames_by_hand() -> None:
    """A face in the lower left of a picture 100 wide and 60 high, turned clockwise by 90 degrees: it is upper left."""
    box = np.array([[9.5, 29.5, 29.5, 49.5]], np.float32)
    frame = Frame(box, pixels=np.zeros((60, 100, 3), np.uint8), angles=np.array([-20.0], np.float32))
    # What lay 19.5 px above the lower edge (59) is now 19.5 px from the left one; its column is now its row.
    there = (9.5, 9.5, 29.5, 29.5)
    (right,) = finder_finish.look_turned(_Told((*there, 0.8, 75), (*there, 0.3, 0)), [frame], [90])  # type: ignore[arg-type]
    assert right.score == pytest.approx(0.8)
    assert right.iou == pytest.approx(1, abs=1e-3)
    assert right.error == pytest.approx(5, abs=1e-3)  # -20 + 90 = 70
    (wrong,) = finder_finish.look_turned(_Told((*there, 0.6, -110)), [frame], [90])  # type: ignore[arg-type]
    assert wrong.error == pytest.approx(180, abs=1e-3)
    (lost,) = finder_finish.look_turned(_Told((60, 60, 80, 80, 0.9, 70)), [frame], [90])  # type: ignore[arg-type]
    assert lost.score == 0
    assert finder_finish.look_turned(_Told(), [Frame(box[:0], pixels=frame.image)], [90]) == []  # type: ignore[arg-type]
    numbers = finder_finish.turned_summary([right, wrong, lost], 0.5)
    assert numbers["turned_recall"] == pytest.approx(2 / 3)
    assert numbers["turned_error"] == pytest.approx(92.5, abs=1e-2)
    assert numbers["turned_wrong"] == 0.5
    assert np.isnan(finder_finish.turned_summary([], 0.5)["turned_recall"])
