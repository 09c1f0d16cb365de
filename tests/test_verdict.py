"""Whether a candidate is a face, by the finder and the points."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facekp import finder, geometry, schema
from facekp._slots import Options, Slot
from facekp.detector import Detector, Refinement
from facekp.errors import ArgumentError, HubError
from facekp.face import Face
from facekp.finder import Detections
from facekp.models.verdict import Verdict

VERDICT = {"finder": 0.5, "points": 2.0, "bias": 1.0, "least": 0.1, "likely": 0.2, "min_score": 0.6}


def verdict(**changes: float) -> Verdict:
    return Verdict(**{**VERDICT, **changes})


def test_by_hand() -> None:
    """Scores of one half have a logit of 0; sigmoid(-1) and sigmoid(2) have logits of -1 and 2."""
    half = np.full(68, 0.5)
    assert verdict().score(0.5, half) == pytest.approx(1 / (1 + math.exp(-1)))
    low, high = 1 / (1 + math.e), np.full(4, 1 / (1 + math.exp(-2)))
    assert verdict().score(low, high) == pytest.approx(1 / (1 + math.exp(-(1 - 0.5 + 4))))


@given(st.floats(0, 1), st.floats(0, 1))
def test_any_scores_give_a_probability(found: float, points: float) -> None:
    p = verdict().score(found, np.full(5, points))
    assert 0 <= p <= 1
    assert 0 <= verdict(points=1e6).score(found, np.full(5, points)) <= 1  # nothing overflows


@pytest.mark.parametrize("wrong", [{"least": 2}, {"likely": -0.1}, {"bias": math.nan}, {"min_score": math.inf}])
def test_wrong_numbers(wrong: dict[str, float]) -> None:
    with pytest.raises(ArgumentError, match="face_score"):
        verdict(**wrong)


def test_a_model_may_have_none() -> None:
    assert Verdict.from_config({"name": "any"}) is None
    assert Verdict.from_config({"face_score": VERDICT}) == verdict()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("high", "face_score: expected a table of numbers, got 'high'"),
        ({**VERDICT, "least": 2}, "face_score: expected finite weights"),
        ({"finder": 1}, "face_score: points, bias, least, likely, min_score missing"),
        ({**VERDICT, "bias": "much"}, "face_score.bias: expected a number, got 'much'"),
    ],
)
def test_a_wrong_config_is_named(given: Any, said: str) -> None:
    detector = Detector.from_pretrained("resnet18-ibug", finder=None, engine="torch", device="cpu")
    with pytest.raises(HubError, match=f"resnet18-ibug: config.json: {said}"):
        Detector(detector.network, {**detector.config, "face_score": given})


class Candidates(finder.FaceFinder):
    """Finds three candidates side by side, and keeps what it was asked for."""

    tells_angles = True

    def __init__(self) -> None:
        small = {"type": "pyramid", "stem": 8, "channels": [8, 8, 8], "depths": [1, 1, 1], "neck": 8, "head": 1}
        super().__init__(finder.create(small))
        self.asked: list[float | None] = []

    def __call__(self, images: Any, *, min_score: float | None = None, **_: Any) -> list[Detections]:
        self.asked.append(min_score)
        boxes = np.array([[10, 10, 40, 40], [50, 10, 90, 50], [10, 60, 30, 80]], np.float32)
        return [Detections(boxes, np.array([0.9, 0.8, 0.3], np.float32)) for _ in images]


def detector(believed: tuple[float, float, float] = (0.2, 0.9, 0.9), **changes: Any) -> Detector:
    shipped = Detector.from_pretrained(finder=None, device="cpu", engine="torch")
    config = {**shipped.config, "face_score": VERDICT, **changes}
    model = Detector(shipped.network, config, face_finder=Candidates(), device="cpu")
    score = dict(zip((10, 50, 60), believed, strict=True))  # by a candidate's left edge, or its upper where that is 60

    def predict(crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        side = model.crop_size[0]
        points = np.broadcast_to((model.schema.mean_shape * 0.77 + 0.5) * side - 0.5, (len(crops), 68, 2))
        seen = [score[int(c[side // 2, side // 2, 0])] for c in crops]
        return points.astype(np.float32), np.repeat(np.array(seen, np.float32)[:, None], 68, axis=1)

    model.predict = predict  # type: ignore[method-assign]
    return model


def looks(model: Detector, **options: Any) -> int:
    """How many crops the model looks at."""
    inner, seen = model.predict, []

    def predict(crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen.append(len(crops))
        return inner(crops)

    model.predict = predict  # type: ignore[method-assign]
    model(picture(), **options)
    return sum(seen)


def picture() -> np.ndarray:
    """Red says which candidate is there."""
    image = np.zeros((100, 100, 3), np.uint8)
    image[:, :45, 0], image[:, 45:, 0], image[55:, :45, 0] = 10, 50, 60
    return image


@pytest.mark.parametrize(
    ("found", "kept"),
    [
        ([0.9, 0.3, 0.2, 0.15], [True, True, True, False]),  # sure of one: the rest must be likely
        ([0.95, 0.1], [True, False]),
        ([0.89, 0.15, 0.1, 0.05], [True, True, True, False]),  # sure of none
        ([], []),
    ],
)
def test_worth_a_look(found: list[float], kept: list[bool]) -> None:
    assert verdict().worth(np.array(found)).tolist() == kept


def test_what_is_no_face_at_the_first_look_gets_no_second() -> None:
    """All crops are off, as the points fill 0.77 of them: of three candidates the two that are believed are cut out
    again."""
    for again, expected in ((0.1, 6), (0.4, 5), (1.0, 3)):
        model = detector(face_score={**VERDICT, "again": again})
        assert looks(model, refine=Refinement(min_iou=1.0, min_score=0.0)) == expected


@pytest.mark.parametrize(
    ("tells", "believed", "expected"),
    [
        (True, (0.2, 0.9, 0.2), 3 + 3),  # the best one's three turns
        (False, (0.2, 0.9, 0.2), 3 + 6),  # those of each that is not believed
        (True, (0.9, 0.2, 0.2), 3),  # the best is believed
        (True, (0.4, 0.2, 0.2), 3),  # hardly believed, but a face: sigmoid(1 + 1.1 - 0.8) = 0.79
    ],
)
def test_quarter_turns(tells: bool, believed: tuple[float, float, float], expected: int) -> None:
    model = detector(believed, face_score={**VERDICT, "again": 1.0})
    model.finder.tells_angles = tells  # type: ignore[union-attr]
    assert looks(model) == expected
    assert looks(model, refine=Refinement(min_score=0.0)) == 3


def test_points_have_the_last_word() -> None:
    """The best candidate's points are not believed: sigmoid(1 + 1.1 - 2.8) = 0.34; the others' are."""
    model = detector()
    faces = model(picture())
    assert model.finder.asked == [0.1]  # type: ignore[union-attr]
    assert [round(float(f.box[0])) for f in faces] == [50, 10]
    assert [f.score for f in faces] == sorted((f.score for f in faces), reverse=True)
    everything = model(picture(), min_score=0)
    assert [round(f.score, 2) for f in everything] == [1.0, 0.99, 0.34]
    assert len(model(picture(), max_faces=1)) == 1
    assert [round(float(f.box[0])) for f in model(picture(), order="left")] == [10, 50]
    (given,) = model(picture(), boxes=[[10, 10, 40, 40]])
    assert given.score == 1


def test_a_face_that_is_believed_has_the_box_of_its_points() -> None:
    face = detector()(picture())[0]
    np.testing.assert_array_equal(face.box, geometry.extent(face.keypoints))
    unjudged = detector(face_score=None)(picture(), refine=False)
    assert [f.box.tolist() for f in unjudged] == Candidates()([0])[0].boxes.tolist()
    model = detector()
    model.predict = lambda crops: (np.full((len(crops), 68, 2), 9, np.float32), np.full((len(crops), 68), 0.9))  # type: ignore[method-assign]
    boxes = [f.box.tolist() for f in model(picture())]  # of points without extent: where they were looked for
    assert [10, 10, 40, 40] in boxes
    assert [50, 10, 90, 50] in boxes


def test_candidates_whose_points_are_the_same_were_one_face() -> None:
    mean = schema.get("ibug68").mean_shape

    def face(x: float, score: float, wide: float = 100, turned: int = 1) -> Face:
        """So far to the right; upside down."""
        points = turned * mean * (wide, 100) + (x, 0)
        return Face(points, np.ones(68), geometry.extent(points), score, schema.get("ibug68"))

    def left(*faces: Face) -> list[float]:
        slot = Slot(np.zeros((4, 4)), np.zeros(4), np.zeros(4), judged=True)
        slot.faces = list(faces)
        found = slot.result(Options(1, None, "left", "rgb", "raise", True, {}, least=0.5))
        assert isinstance(found, list)
        return [f.score for f in found]

    assert left(face(0, 0.7), face(5, 0.9), face(10, 0.8), face(0, 0.4)) == [0.9]
    assert left(face(0, 0.7), face(0, 0.9, wide=60)) == [0.9]  # squashed: an IoU of 0.6, and near
    assert left(face(0, 0.9), face(3, 0.7, turned=-1)) == [0.9]  # far from each other, but of one box
    assert left(face(0, 0.7), face(30, 0.8)) == [0.7, 0.8]
    assert left(face(0, 0.9), face(0, 0.3)) == [0.9]
    assert left(face(0, 0.4)) == []
