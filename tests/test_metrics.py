"""Measures of error, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facekp import geometry, metrics, schema
from facekp.errors import ArgumentError
from facekp.metrics.lengths import NORMALIZERS

PROPERTY = settings(max_examples=30, deadline=None)
IBUG = schema.get("ibug68")


def two_faces() -> np.ndarray:
    """Eye corners 10 and 20 px apart; everything else at the right eye's outer corner, the chin 5 px below."""
    target = np.zeros((2, 68, 2))
    target[:, 45, 0] = 10, 20
    target[:, 8, 1] = 5
    return target


def test_nme_by_hand() -> None:
    target = two_faces()
    prediction = target.copy()
    prediction[0, 30] += (3, 4)  # 5 px on one of 68 points, eyes 10 px apart
    prediction[1] += (0, 1)  # 1 px on all, eyes 20 px apart
    np.testing.assert_allclose(metrics.nme(prediction, target, IBUG), [5 / 10 / 68, 1 / 20])
    errors = metrics.point_errors(prediction, target, IBUG)
    assert errors.shape == (2, 68)
    assert errors[0, 30] == pytest.approx(0.5)
    assert errors[0].sum() == pytest.approx(0.5)


def test_normalisers_by_hand() -> None:
    target = two_faces()
    np.testing.assert_allclose(metrics.normalizer(target, IBUG), [10, 20])
    np.testing.assert_allclose(metrics.normalizer(target, IBUG, "box"), [50**0.5, 100**0.5])
    np.testing.assert_allclose(metrics.normalizer(target, IBUG, "diagonal"), [125**0.5, 425**0.5])
    # One of the left eye's six points is 10 (20) px away from the right eye, which lies at 0.
    np.testing.assert_allclose(metrics.normalizer(target, IBUG, "inter_pupil"), [10 / 6, 20 / 6])


@pytest.mark.parametrize("name", schema.names())
def test_every_normaliser_of_every_schema_has_a_length(name: str) -> None:
    layout = schema.get(name)
    target = layout.mean_shape[None] * 100
    for by in (*layout.normalizers, *(NORMALIZERS if len(layout) > 1 else ())):
        assert metrics.normalizer(target, layout, by)[0] > 0


@PROPERTY
@given(
    st.floats(0.05, 20),
    st.floats(-180, 180),
    st.floats(-1000, 1000),
    st.sampled_from(["inter_ocular", "inter_pupil"]),
)
def test_nme_ignores_scale_turn_and_place(scale: float, angle: float, shift: float, by: str) -> None:
    rng = np.random.default_rng(0)
    target = (IBUG.mean_shape * 100 + rng.normal(0, 2, (3, 68, 2))).astype(np.float32)
    prediction = target + rng.normal(0, 2, target.shape).astype(np.float32)
    matrix = geometry.rotation_matrix(angle, (50, 50), scale)
    matrix[:, 2] += shift
    moved = metrics.nme(geometry.apply(matrix, prediction), geometry.apply(matrix, target), IBUG, by)
    np.testing.assert_allclose(moved, metrics.nme(prediction, target, IBUG, by), rtol=2e-3)


def test_missing_labels_are_left_out() -> None:
    target = two_faces()
    prediction = target + np.array([0, 1])
    target[0, :8] = np.nan
    np.testing.assert_allclose(metrics.nme(prediction, target, IBUG), [0.1, 0.05])
    prediction[0, 50] += (0, 2)  # one of the sixty points that are left is off by 3
    assert metrics.nme(prediction, target, IBUG)[0] == pytest.approx((59 * 0.1 + 0.3) / 60)
    assert np.isnan(metrics.point_errors(prediction, target, IBUG)[0, :8]).all()


def test_a_face_without_labels_or_eyes_has_no_error() -> None:
    target = np.concatenate([two_faces(), two_faces()])
    prediction = target.copy()
    target[0] = np.nan  # no labels
    target[1, 36] = np.nan  # no eye corner
    target[2, 45] = 0  # eyes on one spot
    values = metrics.nme(prediction, target, IBUG)
    assert np.isnan(values).tolist() == [True, True, True, False]
    assert metrics.nme(np.zeros((0, 68, 2)), np.zeros((0, 68, 2)), IBUG).shape == (0,)


@pytest.mark.parametrize("norm", ["inter_ocular", "inter_pupil", "right_eye_outer-left_eye_outer"])
def test_an_infinite_label_is_no_label(norm: str) -> None:
    """Not one of an infinite normaliser, by which every error would be 0."""
    target = two_faces()
    prediction = target + 1
    target[0, 36, 0] = np.inf
    values = metrics.nme(prediction, target, IBUG, norm)
    assert np.isnan(values).tolist() == [True, False]
    target[0, 36] = two_faces()[0, 36]
    target[0, 8] = np.inf  # the chin, of which no normaliser is made: the other points count
    errors = metrics.point_errors(prediction, target, IBUG, norm)
    assert np.isnan(errors[0]).tolist() == [k == 8 for k in range(68)]


def test_failure_rate_and_auc_by_hand() -> None:
    errors = np.array([0.0, 0.04, 0.08, 0.2, np.nan])
    assert metrics.failure_rate(errors) == 0.25  # 0.08 itself is no failure
    assert metrics.auc(errors) == pytest.approx((1 + 0.5 + 0 + 0) / 4)
    assert metrics.failure_rate(errors, 0.03) == 0.75
    assert metrics.auc(errors, 0.4) == pytest.approx((1 + 0.9 + 0.8 + 0.5) / 4)
    assert np.isnan(metrics.auc(np.array([np.nan])))
    assert np.isnan(metrics.failure_rate(np.zeros(0)))


@PROPERTY
@given(st.lists(st.floats(0, 0.3), min_size=1, max_size=30), st.floats(0.01, 0.2))
def test_auc_is_the_trapezoid_of_the_exact_steps(errors: list[float], at: float) -> None:
    # The corners of the curve, drawn by hand: at each error up from the share below it to the share with it.
    x, y = [0.0], [0.0]
    for error in sorted(e for e in errors if e <= at):
        x += [error, error]
        y += [y[-1], y[-1] + 1 / len(errors)]
    x, y = [*x, at], [*y, y[-1]]
    area = sum((b - a) * (u + v) / 2 for a, b, u, v in zip(x, x[1:], y, y[1:]))  # noqa: B905
    assert metrics.auc(np.array(errors), at) == pytest.approx(area / at, abs=1e-12)


def test_pairs_by_hand() -> None:
    target = two_faces()
    # The chin lies 5 px below the right eye's outer corner, the left one 10 (20) px beside it.
    np.testing.assert_allclose(metrics.normalizer(target, IBUG, "chin-left_eye_outer"), [125**0.5, 425**0.5])
    # The mean of the 17 jaw points is a 17th of the chin; the nose's nine points are at 0.
    np.testing.assert_allclose(metrics.normalizer(target, IBUG, "jaw-nose"), [5 / 17, 5 / 17])
    odd = schema.KeypointSchema(
        name="odd", names=("a-b", "c"), mirror=None, edges=(), groups={}, normalizers={}, mean_shape=np.eye(2),
        spans_face=False,
    )  # fmt: skip
    np.testing.assert_allclose(metrics.normalizer(np.array([[[0, 0], [3, 4.0]]]), odd, "a-b-c"), [5])


def test_given_boxes_are_the_normaliser() -> None:
    one = schema.get("nose_tip")
    prediction, target = np.array([[[3.0, 4]], [[1, 0]]]), np.zeros((2, 1, 2))
    boxes = np.array([[0, 0, 10, 40], [0, 0, 30, 40]])
    np.testing.assert_allclose(metrics.nme(prediction, target, one, "box", boxes=boxes), [5 / 20, 1 / 1200**0.5])
    np.testing.assert_allclose(metrics.nme(prediction, target, one, "diagonal", boxes=boxes), [5 / 1700**0.5, 1 / 50])
    assert np.isnan(metrics.nme(prediction, target, one, "diagonal")).all()  # one point has no extent


@pytest.mark.parametrize("nothing", [np.nan, np.inf])
def test_no_answer_never_improves_a_number(nothing: float) -> None:
    target = two_faces()
    prediction = target + np.array([0, 1])
    honest = metrics.point_errors(prediction, target, IBUG)
    prediction[0, 30, 0] = nothing
    errors = metrics.point_errors(prediction, target, IBUG)
    assert np.isinf(errors[0, 30])
    np.testing.assert_array_equal(np.delete(errors, 30, 1), np.delete(honest, 30, 1))
    faces = metrics.nme(prediction, target, IBUG)
    assert faces.tolist() == pytest.approx([np.inf, 0.05])
    assert metrics.failure_rate(faces) == 0.5
    assert metrics.auc(faces) == pytest.approx((0 + 1 - 0.05 / 0.08) / 2)
    assert metrics.pck(errors, 0.1) == pytest.approx(135 / 136)
    assert np.isinf(metrics.per_keypoint(errors)).tolist() == [i == 30 for i in range(68)]
    assert metrics.mae(prediction, target) == metrics.rmse(prediction, target) == np.inf
    assert metrics.ced(faces).errors.tolist() == pytest.approx([0.05, np.inf])
    target[0, 30] = np.nan  # without a label it does not matter what is said
    assert metrics.nme(prediction, target, IBUG).tolist() == pytest.approx([0.1, 0.05])


def test_ced_by_hand() -> None:
    curve = metrics.ced(np.array([0.3, np.nan, 0.1, 0.3, 0.2]))
    assert curve.errors.tolist() == [0.1, 0.2, 0.3, 0.3]
    assert curve.share.tolist() == [0.25, 0.5, 1, 1]


def test_per_keypoint_per_face_and_pck_by_hand() -> None:
    errors = np.array([[0.0, 0.2, np.nan], [0.1, 0.05, np.nan]])
    np.testing.assert_allclose(metrics.per_keypoint(errors), [0.05, 0.125, np.nan])
    np.testing.assert_allclose(metrics.per_face(errors), [0.1, 0.075])
    assert metrics.pck(errors) == 0.5  # 0.05 itself is right
    assert metrics.pck(errors, 0.2) == 1


def test_mae_and_rmse_by_hand() -> None:
    target = np.array([[[10.0, 10], [20, 20]], [[np.nan, np.nan], [0, 0]]])
    prediction = np.array([[[13.0, 6], [20, 20]], [[50, 50], [0, 1]]])
    # Six labelled coordinates, off by 3, -4, 0, 0, 0, 1.
    assert metrics.mae(prediction, target) == pytest.approx(8 / 6)
    assert metrics.rmse(prediction, target) == pytest.approx((26 / 6) ** 0.5)


def test_rmse_is_kaggles() -> None:
    from facekp import datasets

    rng = np.random.default_rng(0)
    target = rng.uniform(0, 96, (7, 15, 2))
    target[rng.random((7, 15)) < 0.3] = np.nan
    prediction = np.clip(np.nan_to_num(target) + rng.normal(0, 3, target.shape), 0, 96)
    assert metrics.rmse(prediction, target) == pytest.approx(datasets.kaggle_rmse(prediction, target), rel=1e-12)


def test_calibration_error_by_hand() -> None:
    scores = np.array([0.9, 0.1, 0.9, 0.1])
    right = np.array([True, False, True, True])
    # Two bins: |0.1 - 1/2| and |0.9 - 1|, two faces each.
    assert metrics.expected_calibration_error(scores, right, bins=2) == pytest.approx((0.4 + 0.1) / 2)
    curve = metrics.reliability(scores, right, bins=2)
    np.testing.assert_allclose(curve.scores, [0.1, 0.9])
    np.testing.assert_allclose(curve.shares, [0.5, 1])
    assert curve.counts.tolist() == [2, 2]
    assert metrics.expected_calibration_error(np.ones(5), np.ones(5, bool)) == 0


def test_bins_have_equal_count_and_nan_has_no_place() -> None:
    rng = np.random.default_rng(0)
    scores, right = rng.random(37), rng.random(37) < 0.5
    scores[4] = np.nan
    curve = metrics.reliability(scores, right)
    assert sorted(curve.counts.tolist()) == [3] * 4 + [4] * 6
    assert (np.diff(curve.scores) > 0).all()
    assert (curve.shares * curve.counts).sum() == pytest.approx(right[np.isfinite(scores)].sum())


@PROPERTY
@given(st.lists(st.tuples(st.sampled_from([0.2, 0.5, 0.9]), st.booleans()), min_size=1, max_size=40), st.randoms())
def test_calibration_does_not_depend_on_the_order(rows: list[tuple[float, bool]], random: object) -> None:
    def error(pairs: list[tuple[float, bool]]) -> float:
        return metrics.expected_calibration_error(*(np.array(column) for column in zip(*pairs, strict=True)))

    mixed = list(rows)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert error(mixed) == pytest.approx(error(rows), abs=1e-12)


def test_interval_against_the_normal_approximation() -> None:
    values = np.random.default_rng(5).exponential(0.03, 4000)
    got = metrics.interval(values)
    half = 1.96 * values.std() / len(values) ** 0.5
    assert got.mean == values.mean()
    assert got.low == pytest.approx(values.mean() - half, rel=0.005)
    assert got.high == pytest.approx(values.mean() + half, rel=0.005)
    narrow = metrics.interval(values, level=0.5)
    assert got.low < narrow.low < narrow.high < got.high
    assert metrics.interval(values) == got  # the seed is fixed
    assert metrics.interval(values, seed=1) != got


def test_interval_at_its_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    assert metrics.interval(np.array([0.3, np.nan])) == (0.3, 0.3, 0.3)
    assert np.isnan(metrics.interval(np.zeros(0))).all()
    assert metrics.interval(np.array([np.inf, 0.1])).mean == np.inf
    values = np.arange(50.0)
    whole = metrics.interval(values, draws=500)
    monkeypatch.setattr("facekp.metrics.honesty._BLOCK", 333)  # the draws are the same, however many at a time
    assert metrics.interval(values, draws=500) == whole


def test_jitter_by_hand() -> None:
    points = np.zeros((5, 2, 2))
    points[:, 0, 0] = [0, 1, 2, 3, 4]  # even motion
    points[:, 1, 1] = [0, 0, 3, 0, 0]  # one jump: second differences of 3, -6, 3
    assert metrics.jitter(points) == pytest.approx((3 + 6 + 3) / 6)
    assert metrics.jitter(points, points) == 0  # as the truth, so it is none
    assert metrics.jitter(np.zeros_like(points), points) == pytest.approx(2)
    points[0, 1] = np.nan
    assert metrics.jitter(points) == pytest.approx((6 + 3) / 5)
    assert np.isnan(metrics.jitter(points[:2]))
    assert np.isnan(metrics.jitter(np.zeros((0, 2, 2))))


def test_jitter_by_the_normaliser_and_of_noise() -> None:
    rest = np.repeat(two_faces()[:1], 2000, axis=0)
    noisy = rest + np.random.default_rng(0).normal(0, 0.5, rest.shape)
    assert metrics.jitter(noisy) == pytest.approx(0.5 * (3 * np.pi) ** 0.5, rel=0.01)
    eyes = metrics.jitter(noisy, rest, schema=IBUG, norm="inter_ocular")
    assert eyes == pytest.approx(metrics.jitter(noisy) / 10)


def test_an_empty_batch_and_inputs_that_stay() -> None:
    empty, rng = np.zeros((0, 68, 2)), np.random.default_rng(0)
    errors = metrics.point_errors(empty, empty, IBUG)
    assert errors.shape == (0, 68)
    assert metrics.nme(empty, empty, IBUG).shape == (0,)
    assert metrics.per_keypoint(errors).shape == (68,)
    values = [metrics.pck(errors), metrics.failure_rate(errors), metrics.auc(errors), metrics.mae(empty, empty)]
    values += [metrics.rmse(empty, empty), metrics.expected_calibration_error(np.zeros(0), np.zeros(0))]
    assert np.isnan(values).all()
    assert len(metrics.ced(np.zeros(0)).errors) == 0

    target = rng.normal(0, 50, (3, 68, 2)).astype(np.float32)
    target[0, 0] = np.nan
    prediction = target + 1
    scores, right = rng.random(9), rng.random(9) < 0.5
    given = (prediction, target, scores, right)
    before = [a.copy() for a in given]
    for array in given:
        array.flags.writeable = False
    errors = metrics.nme(prediction, target, IBUG, "box")
    errors.flags.writeable = False
    metrics.ced(errors), metrics.auc(errors), metrics.interval(errors), metrics.jitter(prediction, target)
    metrics.mae(prediction, target), metrics.rmse(prediction, target), metrics.reliability(scores, right)
    for array, old in zip(given, before, strict=True):
        np.testing.assert_array_equal(array, old)


def test_an_unknown_normaliser_lists_the_choices() -> None:
    with pytest.raises(ArgumentError, match=r"ibug68 'iod'; choose one of: box, diagonal, inter_ocular, inter_pupil"):
        metrics.nme(two_faces(), two_faces(), IBUG, "iod")
    with pytest.raises(ArgumentError, match="choose one of: box, diagonal; or two of its points or groups"):
        metrics.normalizer(np.zeros((1, 1, 2)), schema.get("nose_tip"))
    with pytest.raises(ArgumentError, match=r"'nosetip'; choose one of: chin, jaw.*nose_tip"):
        metrics.normalizer(two_faces(), IBUG, "nosetip-chin")
    with pytest.raises(ArgumentError, match="same points"):
        metrics.normalizer(two_faces(), IBUG, "chin-chin")


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"expected two arrays \(N, 68, 2\), got \(68, 2\)"):
        metrics.nme(np.zeros((68, 2)), np.zeros((68, 2)), IBUG)
    with pytest.raises(ArgumentError, match=r"\(1, 5, 2\)"):
        metrics.nme(np.zeros((1, 5, 2)), np.zeros((1, 5, 2)), IBUG)
    with pytest.raises(ArgumentError, match=r"boxes: expected \(2, 4\)"):
        metrics.nme(two_faces(), two_faces(), IBUG, "box", boxes=np.zeros((1, 4)))
    with pytest.raises(ArgumentError, match=r"prediction has shape \(1, 2\), target \(2, 2\)"):
        metrics.mae(np.zeros((1, 2)), np.zeros((2, 2)))
    with pytest.raises(ArgumentError, match="at: expected a positive"):
        metrics.auc(np.zeros(3), 0)
    with pytest.raises(ArgumentError, match="bin"):
        metrics.reliability(np.zeros(3), np.zeros(3), 0)
    with pytest.raises(ArgumentError, match="level"):
        metrics.interval(np.zeros(3), level=95)
    for points, target in ((np.zeros((5, 2)), None), (np.zeros((5, 1, 2)), np.zeros((4, 1, 2)))):
        with pytest.raises(ArgumentError, match="jitter"):
            metrics.jitter(points, target)
    with pytest.raises(ArgumentError, match="needs a schema"):
        metrics.jitter(np.zeros((5, 68, 2)), norm="box")


# ---------------------------------------------------------------- whether a model knows which points are off


def test_rank_correlation_by_hand() -> None:
    """Ranks 1 2 3 4 against 1 2 4 3: 1 - 6 * 2 / (4 * 15) = 0.8; within points 1 and -1."""
    expected = np.array([[1.0, 4.0], [2.0, 3.0]])
    errors = np.array([[0.1, 0.3], [0.2, 0.4]])
    found = metrics.rank_correlation(expected, errors)
    assert found.overall == pytest.approx(0.8)
    assert found.within == pytest.approx(0)


def test_a_constant_for_each_point_earns_nothing_within() -> None:
    rng = np.random.default_rng(0)
    scale = np.array([1.0, 2.0, 8.0])
    errors = rng.exponential(scale, (500, 3))
    found = metrics.rank_correlation(np.broadcast_to(scale, errors.shape), errors)
    assert found.overall > 0.4
    assert np.isnan(found.within)


@given(st.integers(0, 1000))
def test_only_the_order_of_expected_errors_counts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    expected, errors = rng.random((20, 3)), rng.random((20, 3))
    expected[3, 1], errors[4, 2] = np.nan, np.nan
    found = metrics.rank_correlation(expected, errors)
    assert metrics.rank_correlation(np.exp(3 * expected), errors) == pytest.approx(found)
    assert metrics.rank_correlation(errors, errors) == pytest.approx((1, 1))
    assert metrics.rank_correlation(-errors, errors) == pytest.approx((-1, -1))


def test_nothing_to_order() -> None:
    assert all(np.isnan(v) for v in metrics.rank_correlation(np.full((3, 2), np.nan), np.ones((3, 2))))
    with pytest.raises(ArgumentError, match=r"rank_correlation: expected two arrays \(N, K\), got \(3,\)"):
        metrics.rank_correlation(np.zeros(3), np.zeros(3))
