"""COFW's MATLAB v7.3 files: cell arrays of pictures behind references, everything transposed."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facekp import schema
from facekp.datasets import COFW
from facekp.errors import ArgumentError, DatasetError, MissingExtraError


def make(path: Path, *, count: int = 3, names: tuple[str, str, str] = ("IsTr", "phisTr", "bboxesTr")) -> Path:
    """A file as MATLAB writes it: the first picture is grey, the others are in colour; 40 high, 30 wide."""
    h5py: Any = pytest.importorskip("h5py", reason="h5py (the extra 'data') is not installed")
    pictures, points, boxes = names
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        cells = np.empty((1, count), h5py.ref_dtype)
        for i in range(count):
            image = np.zeros((40, 30) if i == 0 else (40, 30, 3), np.uint8)
            image[7, 4] = 200 + i
            cells[0, i] = file.create_dataset(f"#refs#/{i}", data=image.T).ref
        file.create_dataset(pictures, data=cells, dtype=h5py.ref_dtype)
        phis = np.concatenate([rng.uniform(1, 30, (count, 58)), np.zeros((count, 29))], 1)
        phis[:, 0], phis[:, 29], phis[:, 58] = 5, 8, 1  # the first point is at column 5, row 8 from 1, and hidden
        file.create_dataset(points, data=phis.T)
        file.create_dataset(boxes, data=np.tile([2.0, 3.0, 20.0, 25.0], (count, 1)).T)
    return path


def test_by_hand(tmp_path: Path) -> None:
    make(tmp_path / "COFW_train_color.mat")
    found = COFW(tmp_path)
    assert len(found) == 3
    assert found.schema is schema.get("cofw29")
    for i, face in enumerate(found):
        assert face.keypoints.shape == (29, 2)
        assert face.keypoints.dtype == np.float32
        assert face.keypoints[0].tolist() == [4, 7]  # from 0
        assert face.image.shape == (40, 30, 3)
        assert face.image[7, 4].max() == 200 + i  # the pixel under the point
        assert face.source_box is not None
        assert face.source_box.tolist() == [1, 2, 21, 27]
        assert face.meta["occluded"] == (True,) + (False,) * 28
    assert found[0].image[7, 4].tolist() == [200] * 3
    assert (pickle.loads(pickle.dumps(found))[1].image == found[1].image).all()


def test_a_file_and_the_test_set(tmp_path: Path) -> None:
    path = make(tmp_path / "other.mat", names=("IsT", "phisT", "bboxesT"))
    assert len(COFW(path, "test")) == 3
    with pytest.raises(DatasetError, match="it has no IsTr, phisTr, bboxesTr"):
        COFW(path, "train")


def test_what_is_wrong_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    h5py: Any = pytest.importorskip("h5py", reason="h5py (the extra 'data') is not installed")
    path = make(tmp_path / "COFW_train_color.mat")
    with h5py.File(path, "r+") as file:
        file["phisTr"][3, 1] = np.inf
    with pytest.raises(DatasetError, match=r"face 1 \(from 0\): a coordinate is infinite"):
        COFW(path)
    assert len(COFW(path, on_error="skip")) == 2
    assert "1 left out" in caplog.text
    with h5py.File(path, "r+") as file:
        del file["bboxesTr"]
        file["bboxesTr"] = np.zeros((4, 2))
    with pytest.raises(DatasetError, match=r"3 pictures, points \(3, 87\) and boxes \(2, 4\) do not fit"):
        COFW(path)
    path.write_bytes(b"MATLAB 5.0 MAT-file")
    with pytest.raises(DatasetError, match=r"not a MATLAB v7\.3"):
        COFW(path)


def test_a_missing_set_says_what_to_get(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"COFW_test_color\.mat: this file is missing\. COFW .*CaltechDATA"):
        COFW(tmp_path, "test")
    with pytest.raises(ArgumentError, match="'valid'; choose one of: test, train"):
        COFW(tmp_path, "valid")


def test_without_h5py_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "COFW_train_color.mat").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingExtraError, match=r"facekp\[data\]"):
        COFW(tmp_path)
