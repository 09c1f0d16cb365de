"""Schemas against real labelled faces and against the script that measured them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from facekp import geometry, schema

Array = npt.NDArray[Any]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    """The script that wrote the mean shapes."""
    path = Path(__file__).parents[1] / "tools" / "mean_shapes.py"
    if not path.exists():
        pytest.skip("tools/mean_shapes.py is not in this distribution")
    spec = importlib.util.spec_from_file_location("mean_shapes", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def faces(tool: ModuleType, data_root: Path) -> dict[str, Array]:
    found: dict[str, Array] = tool.measured_faces(data_root)
    return found


@pytest.mark.parametrize(("name", "count"), [("ibug68", 2012), ("imm73", 120)])
def test_real_faces_agree(faces: dict[str, Array], name: str, count: int) -> None:
    layout = schema.get(name)
    assert len(faces[name]) == count
    assert layout.mirror is not None
    mean = layout.mean_shape
    aligned = [geometry.apply(geometry.similarity(face, mean), face) for face in faces[name]]
    average = np.mean(aligned, 0)
    # In units of the face's longest side; the two nearest points of ibug68 are 0.03 apart.
    np.testing.assert_allclose(average[list(layout.mirror)] * [-1, 1], average, atol=0.01)
    # The fit to the mean shrinks a turned face a little, hence the wider tolerance.
    np.testing.assert_allclose(average, mean, atol=0.02)
    left = [i for i, point in enumerate(layout.names) if point.startswith("left_")]
    assert (average[left, 0] > 0).all()


@pytest.mark.parametrize("name", ["ibug68", "imm73"])
def test_the_committed_mean_is_the_measured_one(tool: ModuleType, faces: dict[str, Array], name: str) -> None:
    mirror = np.array(schema.get(name).mirror)
    fresh = tool.framed(tool.procrustes_mean(faces[name], mirror), mirror)
    np.testing.assert_allclose(schema.get(name).mean_shape, fresh, atol=2e-5)


def test_derived_means_are_what_the_script_makes(tool: ModuleType) -> None:
    measured = [schema.get(name) for name in ("ibug68", "imm73")]
    means = {m.name: dict(zip(m.names, m.mean_shape.astype(float), strict=True)) for m in measured}
    for name in tool.DERIVED:
        layout = schema.get(name)
        fresh = tool.framed(tool.derived(list(layout.names), means), np.array(layout.mirror))
        np.testing.assert_allclose(layout.mean_shape, fresh, atol=3e-5)


def test_imm73_edges_are_the_files_own(data_root: Path) -> None:
    text = (data_root / "imm_frontal" / "06_02.asf").read_text("latin-1")
    rows = [line.split() for line in text.splitlines() if not line.startswith("#")]
    joins = {(int(row[4]), int(row[6])) for row in rows if len(row) > 4}
    assert {frozenset(pair) for pair in joins if len(set(pair)) == 2} == set(map(frozenset, schema.get("imm73").edges))
