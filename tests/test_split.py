"""Sets in two parts that share nobody, and sets with different points in one."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facekp import datasets, schema
from facekp.datasets import SampleSet, concat, split_by
from facekp.datasets.layout import mirror_of, union
from facekp.errors import ArgumentError
from facekp.sample import Sample

NOSE = schema.get("nose_tip")


def face(subject: str | None = None, name: str | None = None, where: str = "/data") -> Sample:
    path = None if name is None else Path(where) / name
    return Sample(
        np.zeros((1, 2), np.float32), NOSE, path, subject=subject, meta={} if name is None else {"name": name}
    )


def made(*faces: Sample) -> SampleSet:
    return SampleSet(faces, NOSE, "set")


def people(count: int, each: int = 3, where: str = "/data") -> SampleSet:
    return made(*(face(f"p{i}", f"p{i}/{k}.jpg", where) for i in range(count) for k in range(each)))


@pytest.mark.parametrize("by", ["subject", "fraction"])
def test_nobody_is_in_both_parts(by: str) -> None:
    train, valid = split_by(people(50), by, 0.2, seed=3)
    assert (len(train), len(valid)) == (120, 30)
    assert not {s.subject for s in train} & {s.subject for s in valid}
    assert [s.path for s in train] == [s.path for s in people(50) if s.path in {t.path for t in train}]


def test_the_cut_follows_from_the_seed_alone() -> None:
    first = {s.subject for s in split_by(people(50))[1]}
    assert first == {s.subject for s in split_by(people(50, where="/elsewhere"))[1]}
    assert first == {s.subject for s in split_by(made(*reversed(people(50))))[1]}
    assert first != {s.subject for s in split_by(people(50), seed=1)[1]}
    more = {s.subject for s in split_by(people(60))[1]}
    assert len(first & more) >= len(first) - 3  # others change little


def test_a_photograph_and_its_mirror_image_stay_together() -> None:
    names = ["afw/7_1.jpg", "afw/7_2.jpg", "afw/7_1_mirror.jpg", "lfpw/a.jpg", "lfpw/a_mirror.jpg", "x.jpg"]
    for seed in range(8):
        held = {s.meta["name"] for s in split_by(made(*(face(None, n) for n in names)), valid=0.4, seed=seed)[1]}
        assert held in ({*names[:3]}, {*names[3:5]}, {*names[3:]})


def test_marks_form_chains() -> None:
    # a-b share a person, b-c a picture: all three stay together.
    chain = made(face("ann", "1.jpg"), face("ann", "2.jpg"), face("bob", "2.jpg"), face("cid", "3.jpg"))
    for seed in range(8):
        parts = split_by(chain, "subject", 0.5, seed)
        assert sorted(len(p) for p in parts) == [1, 3]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), min_size=2, max_size=40),
    st.floats(0.05, 0.95),
    st.integers(0, 3),
)
def test_any_cut_is_a_cut(rows: list[tuple[int, int]], valid: float, seed: int) -> None:
    whole = made(*(face(f"p{a}", f"{b}.jpg") for a, b in rows))
    try:
        train, held = split_by(whole, "fraction", valid, seed)
    except ArgumentError as error:
        assert "two are needed" in str(error)  # noqa: PT017  (a property of either outcome)
        return
    assert len(train) + len(held) == len(whole)
    assert min(len(train), len(held)) > 0
    for mark in ("subject", "path"):
        assert not {getattr(s, mark) for s in train} & {getattr(s, mark) for s in held}


def test_what_cannot_be_cut() -> None:
    with pytest.raises(ArgumentError, match="'person'; choose one of: fraction, subject"):
        split_by(people(3), "person")
    for valid in (0, 1, -1, float("nan")):
        with pytest.raises(ArgumentError, match="valid must lie between 0 and 1"):
            split_by(people(3), valid=valid)
    with pytest.raises(ArgumentError, match="sample 1 has no subject"):
        split_by(made(face("a", "1.jpg"), face(None, "2.jpg")), "subject")
    with pytest.raises(ArgumentError, match="two are needed"):
        split_by(people(1))
    assert [len(p) for p in split_by(made(face(), face(), face()), valid=0.34)] == [2, 1]  # nameless: each for itself


# ---------------------------------------------------------------- concat


def of(layout: str, seed: int = 0, box: bool = False) -> SampleSet:
    own = schema.get(layout)
    points = np.random.default_rng(seed).uniform(0, 99, (len(own), 2)).astype(np.float32)
    source = np.array([1, 2, 3, 4], np.float32) if box else None
    return SampleSet(
        [Sample(points, own, Path(f"{layout}.jpg"), source, meta={"occluded": (True,) * len(own)})], own, layout
    )


def test_points_meet_by_name() -> None:
    a, b = of("ibug68"), of("kaggle15", 1, box=True)
    both = concat(a, b)
    names = both.schema.names
    assert names[:68] == a.schema.names
    assert set(names) == {*a.schema.names, *b.schema.names}
    first, second = both
    assert np.isnan(first.keypoints[68:]).all()
    np.testing.assert_array_equal(first.keypoints[:68], a[0].keypoints)
    for i, name in enumerate(names):
        if name in b.schema.names:
            np.testing.assert_array_equal(second.keypoints[i], b[0].keypoints[b.schema.index(name)])
        else:
            assert np.isnan(second.keypoints[i]).all()
    assert second.mask.sum() == 15
    assert len(first.meta["occluded"]) == len(names)
    assert pickle.loads(pickle.dumps(both))[1].schema == both.schema


@pytest.mark.parametrize("others", [("wflw98",), ("cofw29", "kaggle15"), ("imm58", "imm73", "nose_tip")])
def test_the_union_can_be_mirrored_as_its_members_can(others: tuple[str, ...]) -> None:
    members = [schema.get(n) for n in ("ibug68", *others)]
    joined = union(members)
    assert joined.mirror is not None
    for member in members:
        assert member.mirror is not None
        for i, name in enumerate(member.names):
            assert joined.names[joined.mirror[joined.index(name)]] == member.names[member.mirror[i]]
        edges = {frozenset((member.names[a], member.names[b])) for a, b in member.edges}
        assert edges <= {frozenset((joined.names[a], joined.names[b])) for a, b in joined.edges}
    flipped = joined.mean_shape[list(joined.mirror)] * (-1, 1)
    assert np.abs(flipped - joined.mean_shape).max() < 0.05  # one face, not two beside each other
    assert np.ptp(joined.mean_shape, axis=0).max() == pytest.approx(1)
    assert set(joined.normalizers) >= set(members[0].normalizers)


def test_one_schema_stays_itself() -> None:
    both = concat(of("ibug68"), of("ibug68", 1))
    assert both.schema is schema.get("ibug68")
    assert len(both) == 2
    assert both[0].source_box is None


def test_a_given_schema_takes_what_it_names() -> None:
    both = concat(of("ibug68"), of("cofw29", box=True), schema="nose_tip")
    assert both.schema == NOSE
    assert [s.keypoints.shape for s in both] == [(1, 2), (1, 2)]
    assert all(s.mask.all() for s in both)
    with pytest.raises(ArgumentError, match="have no point in common"):
        concat(of("imm58"), schema=schema.get("wflw98").subset(["left_pupil"]))
    with pytest.raises(ArgumentError, match="at least one set"):
        concat()


def test_a_face_s_box_stays_its_box() -> None:
    whole, part = of("ibug68", box=True), of("cofw29", box=True)
    for target in (None, "nose_tip", "ibug68"):
        both = concat(whole, part, schema=target)
        assert not both.schema.spans_face
        for old, new in zip([*whole, *part], both, strict=True):
            np.testing.assert_array_equal(new.box, old.box)
    assert concat(whole, part)[0].meta["source_box"].tolist() == [1, 2, 3, 4]
    assert whole[0].source_box is not None  # the originals stay as they are
    assert concat(of("ibug68"), of("wflw98")).schema.spans_face


def test_real_sets_meet(data_root: Path) -> None:
    both = concat(
        datasets.IBUG300W(data_root / "300w", "lfpw/testset"),
        datasets.create("imm_frontal", root=data_root / "imm_frontal"),
    )
    assert len(both) == 224 + 120
    tip = both.schema.index("nose_tip")
    assert all(s.mask[tip] for s in both)
    train, valid = split_by(both, "subject", 0.25)
    assert not {s.subject for s in train} & {s.subject for s in valid}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["nose", "left_eye", "right_eye"], (0, 2, 1)),
        (["Eye-Left", "eye-right", "left_to_right"], None),
        (["leftovers", "bright"], (0, 1)),
        (["mouth_left_corner", "mouth_right_corner"], (1, 0)),
        (["left_eye"], None),
    ],
)
def test_mirror_pairs_from_names(names: list[str], expected: tuple[int, ...] | None) -> None:
    assert mirror_of(names) == expected
