"""What data sets yield and what detectors give."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facekp import schema
from facekp.errors import ArgumentError
from facekp.face import Face
from facekp.sample import Frame, Sample

IBUG = schema.get("ibug68")
KAGGLE = schema.get("kaggle15")


def face(count: int = 68, seed: int = 0) -> Face:
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 4000, (count, 2)).astype(np.float32)
    scores, box = rng.random(count).astype(np.float32), np.array([1.25, 2.5, 300.125, 400.0625], np.float32)
    return Face(points, scores, box, 0.98765, IBUG if count == 68 else KAGGLE)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([1, 3, 5]))
def test_a_face_survives_json(seed: int, digits: int) -> None:
    mine = face(seed=seed)
    its = Face.from_dict(json.loads(json.dumps(mine.to_dict(digits=digits))))
    tolerance = 0.5 * 10**-digits + 2.5e-4  # rounding, and a float32 step at 4000 px
    np.testing.assert_allclose(its.keypoints, mine.keypoints, rtol=0, atol=tolerance)
    np.testing.assert_allclose(its.scores, mine.scores, rtol=0, atol=tolerance)
    np.testing.assert_allclose(its.box, mine.box, rtol=0, atol=tolerance)
    assert its.score == pytest.approx(mine.score, abs=1e-4)
    assert its.schema is IBUG
    assert its.keypoints.dtype == its.scores.dtype == its.box.dtype == np.float32
    again = its.to_dict(digits=digits)
    assert Face.from_dict(again).to_dict(digits=digits) == again


def test_missing_points_are_null_and_come_back_missing() -> None:
    mine = face(15)
    mine.keypoints[3], mine.scores[3] = np.nan, np.nan
    text = json.dumps(mine.to_dict(), allow_nan=False)  # NaN is not JSON
    assert "[null, null]" in text
    its = Face.from_dict(json.loads(text), KAGGLE)
    assert np.isnan(its.keypoints[3]).all()
    assert np.isnan(its.scores[3])
    np.testing.assert_allclose(its.keypoints, mine.keypoints, atol=1e-3)
    assert Face.from_dict(json.loads(text), "kaggle15").schema is KAGGLE


def test_uncertainty_goes_with_the_face() -> None:
    plain = Face(np.zeros((68, 2), np.float32), np.ones(68, np.float32), np.array([0, 0, 9, 9], np.float32), 1.0, IBUG)
    assert plain.uncertainty is None
    assert "uncertainty" not in plain.to_dict()
    told = Face(*(getattr(plain, n) for n in ("keypoints", "scores", "box", "score", "schema")), np.full(68, 1.25))
    again = Face.from_dict(told.to_dict())
    assert again.uncertainty is not None
    np.testing.assert_array_equal(again.uncertainty, told.uncertainty)
    with pytest.raises(ArgumentError, match=r"uncertainty \(68,\); got \(1,\)"):
        Face.from_dict({**plain.to_dict(), "uncertainty": [2.0]})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"keypoints": [[1, 2]]}, r"ibug68 expects keypoints \(68, 2\).*got \(1, 2\)"),
        ({"scores": [0.5]}, r"got \(68, 2\), \(1,\), \(4,\)"),
        ({"box": [1, 2, 3]}, r"\(3,\)"),
        ({"box": ["a", 2, 3, 4]}, "face: could not convert"),
        ({"score": None}, "face: "),
    ],
)
def test_wrong_faces_are_explained(change: dict[str, object], says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        Face.from_dict({**face().to_dict(), **change})


@pytest.mark.parametrize("key", ["keypoints", "scores", "box", "score"])
def test_a_missing_key_is_named(key: str) -> None:
    data = face().to_dict()
    del data[key]
    with pytest.raises(ArgumentError, match=f"the key '{key}' is missing"):
        Face.from_dict(data)


def test_a_face_says_little_of_itself_and_can_be_pickled() -> None:
    assert len(repr(face())) < 200
    its = pickle.loads(pickle.dumps(face()))
    assert its.schema == IBUG
    np.testing.assert_array_equal(its.keypoints, face().keypoints)


# ---------------------------------------------------------------- samples


def test_the_box_is_the_extent_where_the_schema_spans_the_face() -> None:
    source = np.array([0, 0, 50, 60], np.float32)
    points = face().keypoints
    points[4] = np.nan
    low, high = np.nanmin(points, 0), np.nanmax(points, 0)
    np.testing.assert_array_equal(Sample(points, IBUG, source_box=source).box, [*low, *high])
    np.testing.assert_array_equal(Sample(points, IBUG).box, [*low, *high])


def test_the_box_is_the_set_own_where_the_points_do_not_span_the_face() -> None:
    source = np.array([0, 0, 50, 60], np.float32)
    points = face(15).keypoints
    assert not KAGGLE.spans_face
    np.testing.assert_array_equal(Sample(points, KAGGLE, source_box=source).box, source)
    np.testing.assert_array_equal(Sample(points, KAGGLE).box, [*points.min(0), *points.max(0)])


def test_the_mask_says_which_points_are_labelled() -> None:
    points = np.ones((15, 2), np.float32)
    points[2, 1], points[5] = np.nan, np.nan
    mask = Sample(points, KAGGLE).mask
    assert mask.dtype == bool
    assert np.flatnonzero(~mask).tolist() == [2, 5]


@pytest.mark.parametrize("kind", ["Sample", "Frame"])
def test_the_picture_is_the_one_in_memory_or_the_file(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    cv2.imwrite(str(path), np.full((4, 6, 3), (0, 0, 255), np.uint8))

    def make(**where: object) -> Sample | Frame:
        if kind == "Sample":
            return Sample(np.zeros((15, 2), np.float32), KAGGLE, **where)
        return Frame(np.zeros((0, 4), np.float32), **where)

    assert make(path=path).image[0, 0].tolist() == [255, 0, 0]
    assert make(path=path).image.shape == (4, 6, 3)
    pixels = np.zeros((2, 2, 3), np.uint8)
    assert make(path=path, pixels=pixels).image is pixels
    with pytest.raises(ValueError, match=f"this {kind} has neither pixels nor a path"):
        _ = make().image
