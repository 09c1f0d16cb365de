"""Measures of error, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facekp import geometry, metrics, schema
from facekp.errors import ArgumentError
from facekp.metrics.functional import NORMALIZERS

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
def test_auc_is_the_area_under_the_cumulative_curve(errors: list[float], threshold: float) -> None:
    places = (np.arange(20000) + 0.5) / 20000 * threshold
    curve = (np.array(errors)[:, None] <= places).mean(0)
    assert metrics.auc(np.array(errors), threshold) == pytest.approx(curve.mean(), abs=1e-4)


def test_an_unknown_normaliser_lists_the_choices() -> None:
    with pytest.raises(ArgumentError, match=r"ibug68 'iod'; choose one of: box, diagonal, inter_ocular, inter_pupil"):
        metrics.nme(two_faces(), two_faces(), IBUG, "iod")
    with pytest.raises(ArgumentError, match="choose one of: box, diagonal"):
        metrics.normalizer(np.zeros((1, 1, 2)), schema.get("nose_tip"))


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"expected two arrays \(N, 68, 2\), got \(68, 2\)"):
        metrics.nme(np.zeros((68, 2)), np.zeros((68, 2)), IBUG)
    with pytest.raises(ArgumentError, match=r"\(1, 5, 2\)"):
        metrics.nme(np.zeros((1, 5, 2)), np.zeros((1, 5, 2)), IBUG)
