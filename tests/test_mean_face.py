"""The spread of predictions against that of the truth, by hand; and the benchmark and the page's section of it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facekp import metrics, schema
from facekp.errors import ArgumentError

ROOT = Path(__file__).parents[1]
IBUG = schema.get("ibug68")
PROPERTY = settings(max_examples=30, deadline=None)


def faces(count: int, seed: int = 0) -> np.ndarray:
    """Mean faces of 100 px, with noise, at other places and sizes."""
    rng = np.random.default_rng(seed)
    shapes = IBUG.mean_shape[None] + rng.normal(0, 0.05, (count, 68, 2))
    return shapes * rng.uniform(50, 200, (count, 1, 1)) + rng.uniform(0, 500, (count, 1, 2))


def four_faces() -> tuple[np.ndarray, np.ndarray]:
    """One point at (v + h, 0) with v and h = ±1, in boxes of 10x10 px, each at another place."""
    v, h = np.array([1.0, 1, -1, -1]), np.array([1.0, -1, 1, -1])
    centres = np.array([[0, 0], [100, 0], [0, 50], [70, 70.0]])
    points = centres + np.stack([v + h, np.zeros(4)], 1)
    return points[:, None], np.concatenate([centres - 5, centres + 5], 1)


# ---------------------------------------------------------------- facekp.metrics.spread


def test_a_model_that_sees_half_of_what_varies() -> None:
    target, boxes = four_faces()
    centres = (boxes[:, 2:] + boxes[:, :2]) / 2
    seen = (centres + np.array([[1, 0], [1, 0], [-1, 0], [-1, 0.0]]))[:, None]  # (v, 0): the mean of v + h given v
    found = metrics.spread(seen, target, boxes=boxes)
    # sum t.t = 4 + 0 + 0 + 4, sum p.p = 4, sum p.t = 2 + 0 + 0 + 2 (each over 10^2, which cancels)
    assert found.slope == pytest.approx(0.5)
    assert found.ratio == pytest.approx(0.5**0.5)
    np.testing.assert_allclose([*found.slopes, *found.ratios], [0.5, 0.5**0.5])


def test_some_faces_about_the_means_of_all() -> None:
    target, boxes = four_faces()
    double = (boxes[:, 2:] + boxes[:, :2])[:, None] / 2
    found = metrics.spread(target + (target - double), target, boxes=boxes, faces=np.array([True, False, False, False]))
    assert found.slope == pytest.approx(2)  # alone, this face would not vary
    assert found.ratio == pytest.approx(2)


def test_the_mean_face_has_no_spread_and_the_truth_all_of_it() -> None:
    target = faces(20)
    box = np.stack([target.min(1), target.max(1)], 1).reshape(-1, 4)
    side = (box[:, 2:] - box[:, :2]).max(1)
    mean = IBUG.mean_shape * side[:, None, None] + ((box[:, :2] + box[:, 2:]) / 2)[:, None]
    np.testing.assert_allclose(metrics.spread(mean, target)[:2], [0, 0], atol=1e-5)
    truth = metrics.spread(target, target)
    np.testing.assert_allclose([*truth[:2], *truth.ratios, *truth.slopes], 1)


@PROPERTY
@given(st.floats(0, 2), st.floats(0.1, 10), st.floats(-300, 300))
def test_a_model_that_goes_a_share_of_the_way(share: float, zoom: float, shift: float) -> None:
    target = faces(12)
    boxes = np.concatenate([target.min(1), target.max(1)], 1)
    inside = metrics.in_boxes(target, boxes)
    side, centre = (boxes[:, 2:] - boxes[:, :2]).max(1)[:, None, None], ((boxes[:, 2:] + boxes[:, :2]) / 2)[:, None]
    # An offset that all faces share is an error, but no lack of spread.
    answer = (inside.mean(0) + share * (inside - inside.mean(0)) + 0.1) * side + centre
    moved = [zoom * given + shift for given in (answer, target, boxes)]
    np.testing.assert_allclose(metrics.spread(*moved[:2], boxes=moved[2])[:2], [share, share], atol=1e-6)


def test_labels_that_are_missing_and_predictions_that_are() -> None:
    target = faces(10)
    target[3, 5] = np.nan
    target[4] = np.nan
    answer = np.nan_to_num(target)
    assert metrics.spread(answer, target)[:2] == pytest.approx((1, 1))
    answer[0, 7] = np.inf
    found = metrics.spread(answer, target)
    assert np.isnan([*found[:2], found.slopes[7], found.ratios[7]]).all()
    assert found.slopes[6] == pytest.approx(1)


def test_what_does_not_vary_has_no_spread() -> None:
    target = np.repeat(faces(1), 3, axis=0)
    assert np.isnan(metrics.spread(target, target)[:2]).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"prediction": np.zeros((3, 68, 2))}, "expected two arrays"),
        ({"boxes": np.zeros((3, 4))}, "in_boxes"),
        ({"boxes": np.zeros((4, 4))}, "without a size"),
        ({"faces": np.ones(4)}, "bool"),
        ({"faces": np.ones(3, bool)}, "faces"),
    ],
)
def test_wrong_input_is_refused(change: dict[str, np.ndarray], said: str) -> None:
    given = {"prediction": faces(4), "target": faces(4), **change}
    with pytest.raises(ArgumentError, match=said):
        metrics.spread(**given)


def test_points_relative_to_their_box() -> None:
    points = np.array([[[10, 30], [20, 40], [np.nan, 0]]])
    inside = metrics.in_boxes(points, np.array([[10, 20, 30, 60]]))  # centre (20, 40), longer side 40
    np.testing.assert_allclose(inside, [[[-0.25, -0.25], [0, 0], [np.nan, -1]]])


# ---------------------------------------------------------------- benchmarks/mean_face.py, docs/mean_face_section.py


def module(folder: str, name: str) -> ModuleType:
    path = ROOT / folder / f"{name}.py"
    if not path.exists():
        pytest.skip(f"{folder}/{name}.py is not in this distribution")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded  # dataclasses look there
    spec.loader.exec_module(loaded)
    return loaded


def turned(count: int) -> np.ndarray:
    """Faces like the mean one whose inner points move to the side: a yaw, roughly."""
    shapes = np.repeat(IBUG.mean_shape[None].astype(np.float64) * 100, count, axis=0)
    shapes[:, 27:36, 0] += np.linspace(-30, 30, count)[:, None]
    return shapes + np.random.default_rng(1).normal(0, 0.5, shapes.shape)


def test_the_benchmark_measures_what_the_library_does_and_the_section_says_it() -> None:
    bench, page = module("benchmarks", "mean_face"), module("docs", "mean_face_section")
    truth = turned(60)
    group = bench.Faces(
        title="some faces",
        unit="people",
        samples=(),
        schema=IBUG,
        truth=truth,
        boxes=np.concatenate([truth.min(1), truth.max(1)], 1),
        yaw=np.linspace(-44, 44, 60),
        groups=[np.array([i, i + 1]) for i in range(0, 60, 2)],
    )
    mean = metrics.in_boxes(truth, group.boxes).mean(0)
    half = (truth + bench.placed(mean, group.boxes)) / 2
    answers = {"mean face": {"x": bench.placed(mean, group.boxes)}, "half": {"x": half}, "truth": {"x": truth}}
    found = bench.record({"x": group}, answers, [("half", "truth")], 50)
    for part, chosen in zip(bench.PARTS, group.parts, strict=True):
        if part == "45 to 90":
            continue
        numbers = found["models"]["half"]["sets"]["x"]["parts"][part]
        library = metrics.spread(half, truth, boxes=group.boxes, faces=chosen)
        nme = metrics.nme(half, truth, IBUG, "box", boxes=group.boxes)[chosen].mean()
        assert [numbers[m][0] for m in ("ratio", "slope")] == pytest.approx(library[:2], abs=1e-5)
        assert numbers["slope"][0] == pytest.approx(0.5, abs=1e-5)
        assert numbers["nme_box"][0] == pytest.approx(nme, abs=1e-5)
        assert numbers["nme_box"][1] < numbers["nme_box"][0] < numbers["nme_box"][2]
        assert found["models"]["mean face"]["sets"]["x"]["parts"][part]["slope"][0] == 0
        assert found["changes"][0]["sets"]["x"][part]["slope"][0] == pytest.approx(0.5, abs=1e-5)
    assert "45 to 90" not in found["models"]["half"]["sets"]["x"]["parts"]
    about = {"network": {"name": "resnet", "depth": 18}, "codec": "regression", "loss": None, "size": [80, 80]}
    about |= {"training_data": ["300w"], "augment": "none", "epochs": 3}
    for name, model in found["models"].items():
        model["about"] = None if name == "mean face" else about
    text = page.section({"command": "c", "environment": {"facekp": "", "torch": "", "machine": ""}, **found})
    assert "ResNet-18, coordinates, 80x80 px, no augmentation, 3 epochs" in text
    assert "0.50 of the way (`half`" in text
    assert "| `half` to `truth`: share of the way | +0.50 | +0.50 |" in text
    assert "nan" not in text


def test_a_drawn_face_brings_its_group() -> None:
    bench = module("benchmarks", "mean_face")
    truth = turned(6)
    samples = (truth, truth[:, 0].repeat(2, 1), np.zeros(6))
    group = bench.Faces("", "", (), IBUG, *samples, [np.array([0, 5]), np.array([1, 2, 3]), np.array([4])])
    weights = bench.drawn_weights(group, 40)
    assert weights.shape == (40, 6)
    assert (weights[:, 0] == weights[:, 5]).all()
    np.testing.assert_array_equal(weights[:, [0, 1, 4]].sum(1), 3)
