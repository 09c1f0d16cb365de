"""Schemas: what a wrong one says, the shapes, left and right, subsets and mirroring."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facekp import geometry, schema
from facekp.errors import ArgumentError
from facekp.schema import KeypointSchema

Array = npt.NDArray[Any]
ALL = schema.names()
WHOLE = [name for name in ALL if name != "nose_tip"]
SIZES = {"ibug68": 68, "imm58": 58, "imm73": 73, "kaggle15": 15, "wflw98": 98, "cofw29": 29, "nose_tip": 1}
PARTS = {"jaw", "left_brow", "right_brow", "nose", "left_eye", "right_eye", "mouth"}


def tiny(**changes: Any) -> KeypointSchema:
    """Three points: two eyes and a nose."""
    fields: dict[str, Any] = {
        "name": "tiny",
        "names": ("right_eye_outer", "left_eye_outer", "nose_tip"),
        "mirror": (1, 0, 2),
        "edges": ((0, 2), (1, 2)),
        "groups": {"right_eye": (0,), "left_eye": (1,), "nose": (2,)},
        "normalizers": {"inter_ocular": ((0,), (1,))},
        "mean_shape": [[-0.5, -0.2], [0.5, -0.2], [0.0, 0.2]],
        "spans_face": True,
    }
    return KeypointSchema(**(fields | changes))


def measure(layout: KeypointSchema, name: str, points: Array) -> float:
    """A normaliser's length, as a metric would take it."""
    a, b = layout.normalizers[name]
    return float(np.linalg.norm(points[list(a)].mean(0) - points[list(b)].mean(0)))


# ---------------------------------------------------------------- wrong input


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": ("a", "a", "b")}, "unique"),
        ({"names": ()}, "at least one"),
        ({"names": ("a", "b", "nose")}, "both a point and a group"),
        ({"mirror": (1, 0)}, "mirror"),
        ({"mirror": (1, 2, 0)}, "own inverse"),
        ({"mirror": (1, 0, 3)}, "mirror has"),
        ({"mirror": (1.5, 0, 2)}, "wrong form"),
        ({"edges": ((0, 3),)}, "edges has"),
        ({"edges": ((0, 1, 2),)}, "wrong form"),
        ({"groups": {"nose": (-1,)}}, "groups"),
        ({"normalizers": {"inter_ocular": ((0,), (7,))}}, "normalizers"),
        ({"normalizers": {"inter_ocular": ((0,), ())}}, "both sides"),
        ({"mean_shape": np.zeros((2, 2))}, "mean_shape"),
        ({"mean_shape": [[0, 0], [0, np.nan], [0, 0]]}, "finite"),
        ({"mean_shape": "no"}, "wrong form"),
    ],
)
def test_a_contradiction_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        tiny(**changes)


@pytest.mark.parametrize("name", ["ibug", "", None, ["ibug68"]])
def test_unknown_schema_lists_the_choices(name: Any) -> None:
    with pytest.raises(ArgumentError, match=r"cofw29.*ibug68.*wflw98"):
        schema.get(name)


def test_unknown_point_lists_the_choices() -> None:
    with pytest.raises(ArgumentError, match="left_eye_outer"):
        tiny().index("left_eye")
    with pytest.raises(ArgumentError, match=r"left_eye.*nose_tip"):
        tiny().subset(["ear"])
    with pytest.raises(ArgumentError, match="at least one"):
        tiny().subset([])


def test_mirrored_refuses_what_it_cannot_do() -> None:
    with pytest.raises(ArgumentError, match="no mirror pairs"):
        tiny(mirror=None).mirrored(np.zeros((3, 2)), 10)
    with pytest.raises(ArgumentError, match=r"\(\.\.\., 3, 2\)"):
        tiny().mirrored(np.zeros((4, 2)), 10)


def test_from_dict_names_the_missing_key() -> None:
    data = tiny().to_dict()
    del data["edges"]
    with pytest.raises(ArgumentError, match="edges"):
        KeypointSchema.from_dict(data)


# ---------------------------------------------------------------- every schema


@pytest.mark.parametrize("name", ALL)
def test_shapes(name: str) -> None:
    layout = schema.get(name)
    assert layout is schema.get(name)
    assert layout.name == name
    assert len(layout) == SIZES[name] == len(layout.names)
    assert layout.mean_shape.shape == (len(layout), 2)
    assert layout.mean_shape.dtype == np.float32
    assert all(part == part.lower() and part.isidentifier() for part in layout.names)
    assert len(set(map(frozenset, layout.edges))) == len(layout.edges)
    assert [layout.index(point) for point in layout.names] == list(range(len(layout)))


@pytest.mark.parametrize("name", WHOLE)
def test_frame_groups_and_normalizers(name: str) -> None:
    layout = schema.get(name)
    low, high = layout.mean_shape.min(0), layout.mean_shape.max(0)
    np.testing.assert_allclose(low, -high, atol=2e-5)
    assert (high - low).max() == pytest.approx(1, abs=2e-5)
    assert set(layout.groups) == (PARTS - {"jaw"} if name == "kaggle15" else PARTS)
    assert sorted(i for part in layout.groups.values() for i in part) == list(range(len(layout)))
    ocular, pupil = (measure(layout, key, layout.mean_shape) for key in ("inter_ocular", "inter_pupil"))
    assert 0.6 < pupil / ocular < 0.8
    corners = {layout.index("left_eye_outer"), layout.index("right_eye_outer")}
    assert {i for side in layout.normalizers["inter_ocular"] for i in side} == corners


@pytest.mark.parametrize("name", ALL)
def test_mirror_pairs_are_left_and_right(name: str) -> None:
    layout = schema.get(name)
    assert layout.mirror is not None
    mean = layout.mean_shape
    np.testing.assert_array_equal(mean[list(layout.mirror)] * [-1, 1], mean)
    for i, j in enumerate(layout.mirror):
        side, _, place = layout.names[i].partition("_")
        if side in ("left", "right"):
            assert layout.names[j] == f"{'right' if side == 'left' else 'left'}_{place}"
            assert (mean[i, 0] > 0) == (side == "left")  # the subject's left is the picture's right
        else:
            assert i == j
            assert mean[i, 0] == 0
    edges = set(map(frozenset, layout.edges))
    assert {frozenset(layout.mirror[i] for i in edge) for edge in edges} == edges


@pytest.mark.parametrize("name", WHOLE)
def test_faces_are_upright(name: str) -> None:
    layout = schema.get(name)
    order = ("left_brow_inner", "left_eye_inner", "nose_tip", "nose_base", "left_mouth_corner", "chin")
    heights = [layout.mean_shape[layout.index(point), 1] for point in order if point in layout.names]
    assert heights == sorted(heights)


@pytest.mark.parametrize("name", WHOLE)
def test_a_shared_name_is_the_same_place(name: str) -> None:
    a, b = schema.get("ibug68"), schema.get(name)
    shared = [point for point in a.names if point in b.names]
    assert len(shared) >= 12
    left, right = (layout.mean_shape[[layout.index(point) for point in shared]] for layout in (a, b))
    moved = geometry.apply(geometry.similarity(right, left), right)
    far = np.linalg.norm(moved - left, axis=-1) / measure(a, "inter_ocular", a.mean_shape)
    assert far.max() < 0.075, shared[int(far.argmax())]


def test_ibug_points_of_the_paper() -> None:
    layout = schema.get("ibug68")
    known = {"right_eye_outer": 36, "left_eye_outer": 45, "nose_tip": 30, "chin": 8, "right_mouth_corner": 48}
    assert {point: layout.index(point) for point in known} == known
    assert layout.mirror is not None
    assert (layout.mirror[36], layout.mirror[37], layout.mirror[31], layout.mirror[60]) == (45, 44, 35, 64)
    assert schema.get("imm73").index("nose_tip") == 45


def test_normalizers_by_hand() -> None:
    points = np.zeros((68, 2))
    points[36], points[45] = (10, 20), (40, 60)
    assert measure(schema.get("ibug68"), "inter_ocular", points) == 50
    points[36:42], points[42:48] = (0, 0), (6, 8)
    points[42] = (12, 8)  # moves the mean of six by one
    assert measure(schema.get("ibug68"), "inter_pupil", points) == pytest.approx(np.hypot(7, 8))


# ---------------------------------------------------------------- an object to rely on


def test_immutable() -> None:
    layout = schema.get("ibug68")
    with pytest.raises(ValueError, match="read-only"):
        layout.mean_shape[0] = 0
    with pytest.raises(TypeError):
        layout.groups["nose"] = ()  # type: ignore[index]
    with pytest.raises(AttributeError):
        layout.name = "other"  # type: ignore[misc]
    given_shape = np.array([[-0.5, -0.2], [0.5, -0.2], [0.0, 0.2]], np.float32)
    mine = tiny(mean_shape=given_shape)
    given_shape[:] = 7
    assert mine.mean_shape.max() == 0.5


@pytest.mark.parametrize("name", ALL)
def test_copies_are_equal_and_complete(name: str) -> None:
    layout = schema.get(name)
    through_json = KeypointSchema.from_dict(json.loads(json.dumps(layout.to_dict())))
    for other in (pickle.loads(pickle.dumps(layout)), copy.deepcopy(layout), through_json):
        assert other == layout
        assert hash(other) == hash(layout)
        assert other.to_dict() == layout.to_dict()
        np.testing.assert_array_equal(other.mean_shape, layout.mean_shape)
        assert not other.mean_shape.flags.writeable


def test_equality_is_by_name_and_names() -> None:
    assert tiny() == tiny(edges=())
    assert tiny() != tiny(name="other")
    assert tiny() != "tiny"


# ---------------------------------------------------------------- subsets


def test_subset_keeps_what_survives() -> None:
    layout = schema.get("ibug68")
    eyes = layout.subset(["left_eye", "right_eye"], name="eyes")
    assert eyes.name == "eyes"
    assert eyes.names[:2] == ("left_eye_inner", "left_eye_upper_inner")
    assert eyes.mirror == (9, 8, 7, 6, 11, 10, 3, 2, 1, 0, 5, 4)
    assert set(eyes.groups) == {"left_eye", "right_eye"}
    assert eyes.normalizers["inter_ocular"] == ((6,), (3,))
    assert len(eyes.edges) == 12
    assert not eyes.spans_face
    np.testing.assert_array_equal(eyes.mean_shape, layout.mean_shape[[*range(42, 48), *range(36, 42)]])


def test_subset_drops_what_does_not() -> None:
    one = schema.get("ibug68").subset(["left_eye", "left_eye_outer", "nose_tip"])
    assert one.name == "ibug68:left_eye+left_eye_outer+nose_tip"
    assert len(one) == 7
    assert one.mirror is None
    assert not one.normalizers
    assert one.groups == {"left_eye": (0, 1, 2, 3, 4, 5), "nose": (6,)}
    assert schema.get("ibug68").subset("nose_tip").names == ("nose_tip",)
    assert schema.get("nose_tip").mirror == (0,)


def test_subset_of_all_points_spans_the_face() -> None:
    layout = schema.get("ibug68")
    assert layout.subset(layout.names[::-1]).spans_face
    assert not layout.subset(layout.names[1:]).spans_face
    assert not schema.get("kaggle15").subset(schema.get("kaggle15").names).spans_face


# ---------------------------------------------------------------- mirroring


def test_missing_points_move_with_their_place() -> None:
    points = np.zeros((2, 68, 2))
    points[0, 36], points[1, 30] = np.nan, (3, 4)
    before = points.copy()
    flipped = schema.get("ibug68").mirrored(points, 100)
    np.testing.assert_array_equal(points, before)
    assert flipped.dtype == np.float32
    assert np.isnan(flipped[0, 45]).all()
    assert np.isfinite(flipped[0]).all(-1).sum() == 67
    assert flipped[1, 30].tolist() == [96, 4]
    assert flipped[1, 0].tolist() == [99, 0]


@given(st.sampled_from(ALL), st.integers(1, 4000), st.integers(0, 2**32 - 1))
def test_mirrored_twice_is_the_same(name: str, width: int, seed: int) -> None:
    layout = schema.get(name)
    random = np.random.default_rng(seed)
    points = random.uniform(-50, width + 50, (3, len(layout), 2)).astype(np.float32)
    points[random.random((3, len(layout))) < 0.3] = np.nan
    twice = layout.mirrored(layout.mirrored(points, width), width)
    np.testing.assert_allclose(twice, points, rtol=0, atol=1e-3)
