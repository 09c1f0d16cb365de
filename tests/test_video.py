"""Faces followed through frames: smoothing by hand, ids in made scenes, the shipped model on a moving photograph."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import facekp
from facekp import Face, geometry, metrics, schema, video
from facekp.errors import ArgumentError, ImageError
from facekp.video import OneEuro, Smoother, Smoothing, Tracker, match
from facekp.video.flow import carry

ROOT = Path(__file__).parents[1]
IBUG = schema.get("ibug68")
PROPERTY = settings(max_examples=25, deadline=None)
STEP = 1 / (2 * math.pi)  # s: with a cutoff of 1 Hz alpha is then 1 / (1 + 1) = 1/2


# ---------------------------------------------------------------- the filter


def run(parameters: OneEuro, values: list[float], times: list[float]) -> list[float]:
    one = parameters.filter()
    return [float(one(np.array([v]), t)[0]) for v, t in zip(values, times, strict=True)]


def test_low_pass_by_hand() -> None:
    got = run(OneEuro(1.0, 0.0), [0, 1, 1, 0], [0, STEP, 2 * STEP, 3 * STEP])
    np.testing.assert_allclose(got, [0, 0.5, 0.75, 0.375])


def test_cutoff_rises_with_speed_by_hand() -> None:
    # speed 1 / STEP = 2 pi, smoothed by alpha 1/2: pi; cutoff 1 + pi / pi = 2; tau / Te = 1/2; alpha = 2/3.
    # Then speed 0, smoothed pi / 2: cutoff 1.5, tau / Te = 2/3, alpha = 3/5: 2/3 + 3/5 * 1/3.
    got = run(OneEuro(1.0, 1 / math.pi), [0, 1, 1], [0, STEP, 2 * STEP])
    np.testing.assert_allclose(got, [0, 2 / 3, 2 / 3 + 1 / 5])


def test_speed_is_in_units_and_of_the_whole_vector() -> None:
    one = OneEuro(1.0, 1 / math.pi).filter()
    one(np.array([0.0, 0.0]), 0)
    # (3, 4) in units of 5 has the length 1: as by hand above.
    np.testing.assert_allclose(one(np.array([3.0, 4.0]), STEP, unit=5.0), [2, 8 / 3])


def test_a_longer_step_counts_for_more() -> None:
    # tau / Te = 1/3: alpha = 3/4.
    np.testing.assert_allclose(run(OneEuro(1.0, 0.0), [0, 1], [0, 3 * STEP]), [0, 0.75])


@pytest.mark.parametrize("values", [(0, 1, 1), (-1, 1, 1), (1, -1, 1), (1, 1, 0), (math.nan, 1, 1), (1, math.inf, 1)])
def test_parameters_that_make_no_sense(values: tuple[float, float, float]) -> None:
    with pytest.raises(ArgumentError, match="min_cutoff"):
        OneEuro(*values)


def test_smoothing_that_makes_no_sense() -> None:
    with pytest.raises(ArgumentError, match="jump"):
        Smoothing(jump=0)


def face_points(size: float = 100, x: float = 200, y: float = 150, angle: float = 0.0) -> np.ndarray:
    turn = geometry.rotation_matrix(angle, (0.0, 0.0), size)
    return geometry.apply(turn, IBUG.mean_shape) + np.array([x, y], np.float32)


def path(seed: int, count: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Points of a moving, trembling face, and uneven times."""
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.uniform(0.01, 0.08, count))
    points = [face_points(100 * (1 + 0.3 * t), 200 + 60 * t, 150, 20 * t) + rng.normal(0, 0.5, (68, 2)) for t in times]
    return np.stack(points), times


def smoothed(points: np.ndarray, times: np.ndarray, size: float = 100) -> np.ndarray:
    smoother = Smoother(IBUG, Smoothing())
    return np.stack([smoother(p, float(t), size) for p, t in zip(points, times, strict=True)])


@PROPERTY
@given(st.floats(20, 900), st.floats(-180, 180), st.integers(0, 10))
def test_what_rests_stays(size: float, angle: float, seed: int) -> None:
    _, times = path(seed)
    rest = np.repeat(face_points(size, angle=angle)[None], len(times), 0)
    np.testing.assert_allclose(smoothed(rest, times, size), rest, atol=2e-3)


@PROPERTY
@given(st.integers(0, 99), st.floats(0, 1e4))
def test_only_differences_of_time_count(seed: int, later: float) -> None:
    points, times = path(seed)
    np.testing.assert_allclose(smoothed(points, times + later), smoothed(points, times), atol=0.01)


@PROPERTY
@given(st.integers(0, 99), st.floats(0.1, 10), st.floats(-170, 170), st.floats(-500, 500))
def test_near_and_far_and_turned_faces_are_smoothed_alike(seed: int, zoom: float, angle: float, x: float) -> None:
    points, times = path(seed)
    turn = geometry.rotation_matrix(angle, (0.0, 0.0), zoom)
    turn[:, 2] += x
    moved = geometry.apply(turn, smoothed(points, times))
    got = smoothed(geometry.apply(turn, points), times, 100 * zoom)
    np.testing.assert_allclose(got, moved, atol=0.01 * max(zoom, 1))


def test_the_same_time_changes_nothing() -> None:
    points, times = path(0)
    twice = smoothed(np.repeat(points, 2, 0), np.repeat(times, 2))
    np.testing.assert_array_equal(twice[::2], twice[1::2])
    np.testing.assert_allclose(twice[::2], smoothed(points, times), atol=1e-4)


def test_still_points_tremble_less_and_even_motion_hardly_lags() -> None:
    rng, times = np.random.default_rng(0), np.arange(90) / 30
    noise = rng.normal(0, 0.4, (90, 68, 2))
    still = np.repeat(face_points()[None], 90, 0)
    before, after = ((p - still)[20:].std(0).mean() for p in (still + noise, smoothed(still + noise, times)))
    assert after < before / 3
    moving = np.stack([face_points(x=200 + 100 * t, angle=40 * t) for t in times])  # a face a second
    behind = (moving - smoothed(moving + noise, times))[20:, :, 0].mean()
    assert 0 < behind < 100 / 30  # less than it moves in a frame


def test_an_angle_may_go_round() -> None:
    times = np.arange(60) / 30
    turning = np.stack([face_points(angle=360 * t) for t in times])
    off = np.linalg.norm(smoothed(turning, times) - turning, axis=-1).mean(1)
    assert off.max() < 5  # no frame stands out, where the angle jumps from 180 to -180


@pytest.mark.parametrize(("x", "size", "later"), [(500, 100, 0.03), (200, 200, 0.03), (210, 100, 3.0)])
def test_a_jump_or_a_gap_begins_anew(x: float, size: float, later: float) -> None:
    points, times = path(0)
    there = face_points(size, x=x)
    got = smoothed(np.concatenate([points, there[None]]), np.append(times, times[-1] + later))
    np.testing.assert_allclose(got[-1], there, atol=2e-3)


def test_a_single_point() -> None:
    tip = IBUG.subset(["nose_tip"])
    smoother = Smoother(tip, Smoothing())
    got = [smoother(np.array([[10.0 + x, 5.0]], np.float32), t, 50)[0, 0] for x, t in ((0, 0), (1, 0.03), (1, 0.06))]
    assert got[0] == 10
    assert 10 < got[1] < got[2] < 11


# ---------------------------------------------------------------- which face is which


def test_pairs_are_the_cheapest_first() -> None:
    costs = np.array([[1, 0.5, 9], [0.6, 0.1, 9], [9, 9, 3.0]])
    assert match.pairs(costs, 2.0) == [(1, 1), (0, 0)]
    assert match.pairs(np.zeros((0, 3)), 1.0) == []


def test_two_of_one_face() -> None:
    points = [face_points(x=x) for x in (200, 215, 290)]
    boxes = [geometry.extent(p) for p in points]
    assert match.same(points, boxes) == [(0, 1)]


def test_scenes() -> None:
    rng = np.random.default_rng(0)
    a, b = (cv2.resize(rng.integers(0, 255, (6, 8, 3), np.uint8), (320, 240)) for _ in range(2))
    grey = np.full_like(a, 90)
    seen = [match.thumbnail(image) for image in (a, b, a // 2 + 60, np.roll(a, 10, 1), grey)]
    assert [match.scene_changed(seen[0], other) for other in seen] == [False, True, False, False, False]


# ---------------------------------------------------------------- points carried on by optical flow


PHOTOGRAPH = ROOT / "examples" / "astronaut.jpg"
STILL = np.zeros(2)


@pytest.fixture(scope="module")
def photograph() -> tuple[np.ndarray, np.ndarray]:
    """A picture and points on its face."""
    return facekp.image.read(PHOTOGRAPH), face_points(80, 225, 115)


def test_points_go_with_the_picture_by_hand(photograph: tuple[np.ndarray, np.ndarray]) -> None:
    image, points = photograph
    moved = carry(image, np.roll(image, (2, -3), (0, 1)), points, STILL)
    np.testing.assert_allclose(moved - points, np.broadcast_to([-3, 2], (68, 2)), atol=0.4)
    assert moved.dtype == np.float32


@PROPERTY
@given(st.floats(-8, 8), st.floats(0.93, 1.07), st.floats(-6, 6), st.floats(-6, 6), st.floats(-20, 20))
def test_points_go_where_a_similarity_takes_the_picture(
    photograph: tuple[np.ndarray, np.ndarray], angle: float, zoom: float, x: float, y: float, foreseen: float
) -> None:
    image, points = photograph
    turn = geometry.rotation_matrix(angle, (225.0, 115.0), zoom)
    turn[:, 2] += (x + foreseen, y)
    now = geometry.warp(image, turn, image.shape[:2])
    moved = carry(image, now, points, np.array([foreseen, 0.0]))
    assert moved is not None
    off = np.linalg.norm(moved - geometry.apply(turn, points), axis=-1)
    assert np.median(off) < 0.6
    assert off.max() < 3


def test_points_that_are_hidden_go_along_with_the_rest(photograph: tuple[np.ndarray, np.ndarray]) -> None:
    image, points = photograph
    now = np.roll(image, 4, 1)
    eye = points[list(IBUG.groups["left_eye"])].astype(int)
    low, high = eye.min(0) - 4, eye.max(0) + 4
    now[low[1] : high[1], low[0] + 4 : high[0] + 4] = 128
    moved = carry(image, now, points, STILL)
    np.testing.assert_allclose(moved - points, np.broadcast_to([4, 0], (68, 2)), atol=1)


def test_where_flow_cannot_tell_there_are_no_points(photograph: tuple[np.ndarray, np.ndarray]) -> None:
    image, points = photograph
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, image.shape, np.uint8)
    covered = image.copy()
    covered[100:, :, :] = noise[100:]
    for before, now, known in (
        (image, noise, points),
        (image, covered, points),
        (image, image, points + 600),  # beyond the picture
        (image, image, points - np.float32([points[:, 0].mean(), 0])),  # half of them are
        (image, image, np.full((68, 2), 50, np.float32)),
        (image, image, np.full((68, 2), np.nan, np.float32)),
    ):
        assert carry(before, now, known, STILL) is None


# ---------------------------------------------------------------- the tracker, in scenes of discs


SIDE = 60.0  # of a disc's face, pixels


class Discs:
    """A detector for grey discs: it sees the one that fills most of the crop's middle, and none that is half hidden."""

    name, schema, crop_size, crop_scale, min_score = "discs", IBUG, (64, 64), 1.3, 0.5
    codec = type("NoErrors", (), {"expected_error": staticmethod(lambda scores: None)})()

    def __init__(self) -> None:
        self.finder = self
        self.looks = self.crops = 0

    def stream(self, images: Any, **options: Any) -> Any:
        return iter(())

    def face(self, centre: Any, size: float, score: float) -> Face:
        points = (IBUG.mean_shape * size + np.asarray(centre)).astype(np.float32)
        return Face(points, np.full(68, score, np.float32), geometry.extent(points), score, IBUG)

    def __call__(self, image: np.ndarray, **options: Any) -> list[Face]:
        self.looks += 1
        return [self.face(*disc, 0.9) for disc in discs(image)]

    def predict(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.crops += len(crops)
        points, scores = [], []
        for crop in crops:
            middle = crop[16:48, 16:48, 0]
            levels = [level for level in range(100, 250, 50) if (np.abs(middle.astype(int) - level) < 5).sum() > 100]
            best = max(levels, key=lambda v: int((np.abs(middle.astype(int) - v) < 5).sum()), default=None)
            mask = np.zeros((64, 64), bool) if best is None else np.abs(crop[..., 0].astype(int) - best) < 5
            ys, xs = np.nonzero(mask)
            centre, size = (xs.mean(), ys.mean()) if len(xs) else (32.0, 32.0), 64 / 1.3
            points.append((IBUG.mean_shape * size + np.asarray(centre)).astype(np.float32))
            scores.append(np.full(68, 0.9 if len(xs) else 0.01, np.float32))
        return np.stack(points), np.stack(scores)

    def renewed(self, face: Face, scores: np.ndarray) -> float:
        return float(scores.mean())


def discs(image: np.ndarray) -> list[tuple[tuple[float, float], float]]:
    """Centre and size of the discs of which most is to be seen."""
    found = []
    for level in range(100, 250, 50):
        ys, xs = np.nonzero(np.abs(image[..., 0].astype(int) - level) < 5)
        if len(xs) > 0.7 * math.pi * (SIDE / 2) ** 2:
            found.append(((float(xs.mean()), float(ys.mean())), SIDE))
    return found


def scene(*centres: tuple[float, float] | None, seed: int | None = 0) -> np.ndarray:
    """Discs of levels 100, 150, 200, the first in front; None is not there."""
    image = np.zeros((240, 320, 3), np.uint8)
    if seed is not None:
        rng = np.random.default_rng(seed)
        image[:] = cv2.resize(rng.integers(0, 60, (6, 8, 1), np.uint8), (320, 240), interpolation=0)[..., None]
    for i, centre in reversed(list(enumerate(centres))):
        if centre is not None:
            x, y = round(centre[0] * 16), round(centre[1] * 16)
            cv2.circle(image, (x, y), round(SIDE / 2 * 16), (100 + 50 * i,) * 3, -1, shift=4)
    return image


def ids_by_place(tracked: list[video.TrackedFace]) -> dict[int, float]:
    return {one.id: float(one.face.keypoints[:, 0].mean()) for one in tracked}


@pytest.fixture
def detector() -> Discs:
    return Discs()


def tracker(detector: Discs, **options: Any) -> Tracker:
    return Tracker(detector, **options)  # type: ignore[arg-type]


def test_a_moving_face_is_found_once_and_followed(detector: Discs) -> None:
    track = tracker(detector, every=10.0, smooth=False)
    for i in range(30):
        (one,) = track(scene((60 + 6 * i, 100)), i / 30)
        assert one.id == 1
        assert one.found == (i == 0)
        expected = 60 + 6 * i + SIDE * IBUG.mean_shape[:, 0].mean()
        assert one.face.keypoints[:, 0].mean() == pytest.approx(expected, abs=2)
    assert detector.looks == 1
    assert detector.crops < 35  # one a frame: the motion is foreseen


def test_how_often_the_finder_looks(detector: Discs) -> None:
    track = tracker(detector, every=0.5)
    found = [track(scene((60 + i, 100)), i / 30)[0].found for i in range(60)]
    assert [i for i, yes in enumerate(found) if yes] == [0, 15, 30, 45]


def test_where_there_is_no_face_the_finder_looks_more_often(detector: Discs) -> None:
    track = tracker(detector, every=0.5)
    for i in range(30):
        assert track(scene() + np.uint8(i), i / 30) == []
    assert detector.looks == 10


def test_every_0_finds_at_every_frame(detector: Discs) -> None:
    track = tracker(detector, every=0)
    assert all(track(scene((60 + i, 100)), i / 30)[0].found for i in range(5))


def test_a_new_face_is_found_and_gets_the_next_id(detector: Discs) -> None:
    track = tracker(detector, every=0.2)
    for i in range(12):
        seen = track(scene((60 + i, 100), (250, 100) if i > 2 else None), i / 30)
        assert [one.id for one in seen] == ([1] if i < 6 else [1, 2])


def test_crossing_faces_keep_their_ids(detector: Discs) -> None:
    track = tracker(detector)
    for i in range(41):
        left, right = 50 + 5.5 * i, 270 - 5.5 * i
        seen = ids_by_place(track(scene((left, 110), (right, 120)), i / 30))
        if i == 0:
            ids = {"left": min(seen, key=seen.__getitem__), "right": max(seen, key=seen.__getitem__)}
        assert len(set(seen)) == len(seen)
        if len(seen) == 2:
            assert abs(seen[1] - seen[2]) > 5
    shift = SIDE * IBUG.mean_shape[:, 0].mean()
    assert seen[ids["left"]] == pytest.approx(left + shift, abs=4)
    assert seen[ids["right"]] == pytest.approx(right + shift, abs=4)
    assert set(seen) == {1, 2}


@pytest.mark.parametrize(("away", "id_after"), [(0.4, 1), (2.0, 2)])
def test_a_face_that_comes_back(detector: Discs, away: float, id_after: int) -> None:
    track, time = tracker(detector), 0.0
    for i in range(5):
        assert [one.id for one in track(scene((100, 100 + i)), time)] == [1]
        time += 1 / 30
    end = time + away
    while time < end:
        assert track(scene(seed=0) + np.uint8(time * 30 % 7), time) == []
        time += 1 / 30
    seen = [track(scene((110, 100 + i)), time + i / 30) for i in range(10)]
    assert {one.id for faces in seen for one in faces} == {id_after}
    assert seen[-1]


def test_another_place_is_another_face(detector: Discs) -> None:
    track = tracker(detector)
    track(scene((60, 100)), 0.0)
    (one,) = track(scene((260, 100)), 0.03)
    assert (one.id, one.found) == (2, True)


def test_after_a_cut_all_faces_are_others(detector: Discs) -> None:
    track = tracker(detector)
    track(scene((100, 100), seed=0), 0.0)
    bright = 255 - scene((100, 100), seed=5) // 4
    cv2.circle(bright, (100, 100), round(SIDE / 2), (100,) * 3, -1)
    (one,) = track(bright, 0.03)
    assert (one.id, one.found) == (2, True)
    (one,) = track(bright[:200], 0.06)  # another size
    assert one.id == 3


def test_duplicated_frames_change_nothing(detector: Discs) -> None:
    rng = np.random.default_rng(0)
    centres = [(60 + 3 * i + rng.normal(), 100 + rng.normal()) for i in range(10)]
    plain, twice, again = (tracker(detector) for _ in range(3))
    for i, centre in enumerate(centres):
        image, t = scene(centre), i / 15
        (a,) = plain(image, t)
        for copies in (
            (twice(image, t), twice(image[::-1].copy(), t)),
            (again(image, t), again(image.copy(), t + 0.03)),
        ):
            for (b,) in copies:
                np.testing.assert_array_equal(a.face.keypoints, b.face.keypoints)
                assert (a.id, a.found) == (b.id, b.found)


def test_skipped_frames_and_uneven_times(detector: Discs) -> None:
    rng, track = np.random.default_rng(0), tracker(detector)
    for t in np.cumsum(rng.choice([1, 1, 1, 2, 4], 40)) / 30:
        (one,) = track(scene((50 + 60 * t, 100)), float(t))
        assert one.id == 1
        assert one.face.keypoints[:, 0].mean() == pytest.approx(
            50 + 60 * t + SIDE * IBUG.mean_shape[:, 0].mean(), abs=2
        )


def test_a_frame_that_is_written_into(detector: Discs) -> None:
    track, image = tracker(detector), scene((60, 100))
    for i in range(5):
        image[:] = scene((60 + 4 * i, 100))
        (one,) = track(image, i / 30)
    assert one.face.keypoints[:, 0].mean() > 70


def test_reset_and_max_faces(detector: Discs) -> None:
    track = tracker(detector, max_faces=1)
    assert [one.id for one in track(scene((60, 100), (200, 100)), 5.0)] == [1]
    track.reset()
    assert [one.id for one in track(scene((60, 100), (200, 100)), 0.0)] == [2]


def test_max_faces_holds_when_a_face_comes_back(detector: Discs) -> None:
    track = tracker(detector, max_faces=1, every=0.0)
    a, b = (60.0, 100.0), (220.0, 100.0)
    seen = [(a, None), (a, None), (None, b), (None, b), (a, b), (a, b), (a, b)]
    assert all(len(track(scene(*discs), i / 30)) == 1 for i, discs in enumerate(seen))


def test_wrong_calls(detector: Discs) -> None:
    track = tracker(detector)
    track(scene((60, 100)), 1.0)
    for time in (0.5, math.nan, math.inf, "1"):
        with pytest.raises(ArgumentError, match="time"):
            track(scene(), time)  # type: ignore[arg-type]
    with pytest.raises(ImageError):
        track(np.zeros(5), 2.0)
    for options, says in (
        ({"every": -1}, "every"),
        ({"every": "x"}, "every"),
        ({"carry": -0.1}, "carry"),
        ({"carry": math.inf}, "carry"),
        ({"memory": math.nan}, "memory"),
        ({"smooth": 3}, "smooth"),
    ):
        with pytest.raises(ArgumentError, match=says):
            tracker(detector, **options)
    detector.finder = None  # type: ignore[assignment]
    with pytest.raises(ArgumentError, match="finder"):
        tracker(detector)


def test_the_detector_s_options_are_checked_at_once(tiny_models: Path) -> None:
    found = facekp.Detector.from_pretrained(tiny_models / "crops", finder=tiny_models / "finder", device="cpu")
    with pytest.raises(ArgumentError, match="min_score"):
        Tracker(found, min_score=2)
    with pytest.raises(ArgumentError, match="max_faces"):
        Tracker(found, max_faces=0)


# ---------------------------------------------------------------- the shipped model


@pytest.fixture(scope="module")
def moving() -> Callable[[float, float], tuple[np.ndarray, np.ndarray]]:
    """A photograph, moved and noisy: the frame, and the matrix from the photograph."""
    photograph, rng = facekp.image.read(ROOT / "examples" / "astronaut.jpg"), np.random.default_rng(0)

    def frame(t: float, speed: float) -> tuple[np.ndarray, np.ndarray]:
        turn = geometry.rotation_matrix(speed * 20 * t, (225.0, 110.0))
        turn[:, 2] += (speed * 150 * t - 60, 40)
        clean = geometry.warp(photograph, turn, (320, 320), border=None)
        return np.clip(clean + rng.normal(0, 5, clean.shape), 0, 255).astype(np.uint8), turn

    return frame


def test_a_real_face(moving: Callable[[float, float], tuple[np.ndarray, np.ndarray]]) -> None:
    detector = facekp.Detector.from_pretrained("resnet18-ibug", device="cpu")
    still, plain, alone = Tracker(detector), Tracker(detector), []
    shown = []
    for i in range(14):
        image, _ = moving(0.0, 0.0)
        shown.append(still(image, i / 30)[0].face.keypoints)
        alone.append(detector(image)[0].keypoints)
    assert metrics.jitter(np.stack(shown[4:])) < metrics.jitter(np.stack(alone[4:])) / 3
    for i in range(10):
        image, turn = moving(i / 30, 1.0)
        (one,) = plain(image, i / 30)
        there = geometry.apply(geometry.invert(turn), one.face.keypoints)
        eyes = [there[list(IBUG.groups[f"{side}_eye"])].mean(0) for side in ("right", "left")]
        np.testing.assert_allclose(eyes, [[203, 101], [246.5, 103.5]], atol=5)
        assert one.id == 1
        assert one.face.score > 0.5


@pytest.mark.parametrize(("rate", "longest", "carried"), [(30, 0.045, 5), (60, 0.045, 6), (20, 0.045, 0), (30, 0.0, 0)])
def test_how_often_the_network_looks(
    moving: Callable[[float, float], tuple[np.ndarray, np.ndarray]], rate: int, longest: float, carried: int
) -> None:
    track = Tracker(
        facekp.Detector.from_pretrained("mobile-ibug", device="cpu"), carry=longest, every=10.0, smooth=False
    )
    seen, turns = [], []
    for i in range(10):
        image, turn = moving(i / rate, 0.5)
        seen += track(image, i / rate)
        turns.append(turn)
    assert sum(one.carried for one in seen) == carried
    there = np.stack([geometry.apply(geometry.invert(t), o.face.keypoints) for t, o in zip(turns, seen, strict=True)])
    assert np.abs(there - np.median(there, 0)).mean() < 1  # in the photograph the points rest
