"""COCO-keypoints JSON with any skeleton."""

from __future__ import annotations

import json
import logging
import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from facekp import schema
from facekp.datasets import CocoKeypoints, write_coco
from facekp.errors import ArgumentError, DatasetError
from facekp.sample import Sample

NAMES = ["nose", "left_eye", "right_eye"]


def data(**changes: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "images": [{"id": 7, "file_name": "a.png", "width": 60, "height": 50}],
        "annotations": [
            {
                "id": 1,
                "image_id": 7,
                "category_id": 1,
                "keypoints": [5, 6, 2, 9.5, 3, 1, 0, 0, 0],
                "bbox": [10, 20, 30, 15],
            },
            {"id": 2, "image_id": 7, "category_id": 1, "keypoints": [0] * 9},
            {"id": 3, "image_id": 7, "category_id": 1, "keypoints": [1, 1, 2] * 3, "iscrowd": 1},
            {"id": 4, "image_id": 7, "category_id": 2, "bbox": [1, 1, 2, 2]},
            {"id": 5, "image_id": 7, "category_id": 1, "keypoints": [1, 2, 2, 3, 4, 2, 5, 6, 2], "subject": "Ada"},
        ],
        "categories": [
            {"id": 1, "name": "face", "keypoints": NAMES, "skeleton": [[1, 2], [1, 3]]},
            {"id": 2, "name": "hat"},
        ],
    }
    return whole | changes


def make(root: Path, content: Any) -> Path:
    cv2.imwrite(str(root / "a.png"), np.full((50, 60, 3), 90, np.uint8))
    path = root / "labels.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_by_hand(tmp_path: Path) -> None:
    found = CocoKeypoints(make(tmp_path, data()))
    assert [s.meta["id"] for s in found] == [1, 5]
    face = found[0]
    np.testing.assert_array_equal(face.keypoints, np.array([[5, 6], [9.5, 3], [np.nan] * 2], np.float32))
    assert face.meta["visibility"] == (2, 1, 0)
    # COCO's boxes count from the picture's edge, which is at -0.5 here.
    assert face.source_box is not None
    assert face.source_box.tolist() == [9.5, 19.5, 39.5, 34.5]
    assert found[1].source_box is None
    assert found[1].subject == "Ada"
    assert face.image.shape == (50, 60, 3)
    assert pickle.loads(pickle.dumps(found))[1].schema == found.schema


def test_the_schema_is_the_category_s(tmp_path: Path) -> None:
    layout = CocoKeypoints(make(tmp_path, data())).schema
    assert (layout.name, layout.names) == ("face", tuple(NAMES))
    assert layout.mirror == (0, 2, 1)
    assert layout.edges == ((0, 1), (0, 2))
    assert layout.normalizers == {"inter_pupil": ((1,), (2,))}
    assert not layout.spans_face
    halved = data(categories=[{"id": 1, "name": "face", "keypoints": ["nose", "left_eye", "ear"]}])
    assert CocoKeypoints(make(tmp_path, halved)).schema.mirror is None
    ours = schema.get("cofw29")
    row = {"id": 1, "image_id": 7, "category_id": 1, "keypoints": [1, 2, 2] * 29}
    named = data(annotations=[row], categories=[{"id": 1, "name": "x", "keypoints": list(ours.names)}])
    assert CocoKeypoints(make(tmp_path, named)).schema is ours


def test_several_categories(tmp_path: Path) -> None:
    both = data(categories=[{"id": i, "name": n, "keypoints": NAMES} for i, n in ((1, "face"), (2, "cat"))])
    path = make(tmp_path, both)
    with pytest.raises(DatasetError, match="say category=, one of: face, cat"):
        CocoKeypoints(path)
    assert len(CocoKeypoints(path, category="face")) == 2
    with pytest.raises(ArgumentError, match="'dog'; choose one of: cat, face"):
        CocoKeypoints(path, category="dog")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"images": [],\n', r"labels\.json:2: damaged JSON"),
        ("[1]", "expected a COCO object with a list of objects in 'images'"),
        (data(images=[1]), "a list of objects in 'images'"),
        (data(categories=[{"id": 1}]), "no category has keypoints"),
        (data(categories=[{"id": 1, "name": "f", "keypoints": ["a", "a", "b"]}]), "category 'f': .*unique"),
        (data(categories=[{"id": 1, "name": "f", "keypoints": NAMES, "skeleton": [[1, 9]]}]), "edges has"),
        (data(categories=[{"id": 1, "name": "f", "keypoints": NAMES, "skeleton": [1]}]), "category 'f'"),
        (data(images=[{"id": 7, "file_name": "a.png"}] * 2), r"images\[1\] repeats id 7"),
        (data(images=[{"file_name": "a.png"}]), r"images\[0\] has no id"),
        ("[" * 100_000, "damaged JSON"),
        (data(annotations=[]), "no instance of 'face'"),
    ],
)
def test_wrong_files_are_refused_in_both_modes(tmp_path: Path, content: Any, says: str) -> None:
    path = make(tmp_path, content)
    for mode in ("raise", "skip"):
        with pytest.raises(DatasetError, match=says):
            CocoKeypoints(path, on_error=mode)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"keypoints": [1, 2, 2]}, "annotation 1: keypoints .* must be 9 numbers, found 3"),
        ({"keypoints": [1, "x", 2] * 3}, "is no number"),
        ({"keypoints": [1, float("nan"), 2] * 3}, "is no number, or is not finite"),
        ({"keypoints": [1, 10**400, 2] * 3}, "is no number, or is not finite"),
        ({"keypoints": [1, 2, 3] * 3}, "visibility is none of 0, 1, 2"),
        ({"keypoints": "abc"}, "must be 9 numbers, found 'abc'"),
        ({"image_id": 8}, "image_id 8 is none of the images"),
        ({"image_id": [8]}, r"image_id \[8\] is none of the images"),
        ({"bbox": [1, 2, 3]}, "bbox must be 4 numbers, found 3"),
        ({"bbox": [1, 2, 3, -4]}, "negative size"),
    ],
)
def test_wrong_instances_are_named_or_left_out(
    tmp_path: Path, change: dict[str, Any], says: str, caplog: pytest.LogCaptureFixture
) -> None:
    rows = data()["annotations"]
    path = make(tmp_path, data(annotations=[rows[0] | change, rows[4]]))
    with pytest.raises(DatasetError, match=says):
        CocoKeypoints(path)
    with caplog.at_level(logging.WARNING):
        found = CocoKeypoints(path, on_error="skip")
    assert [s.meta["id"] for s in found] == [5]
    assert len(found.skipped) == 1
    assert "1 left out, 1 read" in caplog.text


def test_missing_pictures_and_files(tmp_path: Path) -> None:
    path = make(tmp_path, data())
    with pytest.raises(DatasetError, match=r"annotation 1: its picture .*other.a\.png is missing"):
        CocoKeypoints(path, images=tmp_path / "other")
    with pytest.raises(DatasetError, match="cannot read this COCO JSON"):
        CocoKeypoints(tmp_path / "none.json")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    source = CocoKeypoints(make(tmp_path, data()))
    rng = np.random.default_rng(0)
    faces = [
        Sample(rng.uniform(0, 60, (3, 2)).astype(np.float32), s.schema, s.path, s.source_box, s.subject) for s in source
    ]
    faces[0].keypoints[1] = np.nan
    write_coco(faces, tmp_path / "new" / "labels.json")
    again = CocoKeypoints(tmp_path / "new" / "labels.json")
    assert again.schema.to_dict() == source.schema.to_dict()
    for old, new in zip(faces, again, strict=True):
        np.testing.assert_array_equal(new.keypoints, old.keypoints)
        assert new.subject == old.subject
        if old.source_box is None:
            assert new.source_box is None
        else:
            np.testing.assert_allclose(new.source_box, old.source_box, atol=1e-5)
    written = json.loads((tmp_path / "new" / "labels.json").read_text())
    assert written["images"] == [{"id": 1, "file_name": "a.png", "width": 60, "height": 50}]
    assert all(len(row["bbox"]) == 4 for row in written["annotations"])  # which COCO's tools ask of every instance
    with pytest.raises(ArgumentError, match="one schema is needed"):
        write_coco([], tmp_path / "x.json")
