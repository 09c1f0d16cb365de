"""Measures as torchmetrics objects: batches, processes, devices, against the values of an independent reference."""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from facekp import metrics, schema
from facekp.errors import ArgumentError, MissingExtraError

pytest.importorskip("torchmetrics", reason="needs facekp[train]")
import torch

IBUG = schema.get("ibug68")

MAKE: dict[str, Callable[..., Any]] = {
    "nme": metrics.NME,
    "nme box": lambda **o: metrics.NME(norm="box", **o),
    "failure": lambda **o: metrics.FailureRate(at=0.05, **o),
    "auc": lambda **o: metrics.AUC(at=0.08, **o),
    "pck": lambda **o: metrics.PCK(at=0.05, **o),
    "points": metrics.PerKeypointError,
    "mae": metrics.MAE,
    "rmse": metrics.RMSE,
    "ced": metrics.CED,
    "calibration": lambda **o: metrics.CalibrationError(bins=4, **o),
    "jitter": metrics.Jitter,
}
EVERY = pytest.mark.parametrize("name", MAKE)
# Of a film, frames of two batches are not in a row.
BUT_FILMS = pytest.mark.parametrize("name", [name for name in MAKE if name != "jitter"])


def batch(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Predictions, labels of which some are missing, scores."""
    rng = np.random.default_rng(seed)
    target = IBUG.mean_shape * 100 + rng.normal(0, 2, (count, 68, 2)).astype(np.float32)
    prediction = target + rng.normal(0, 2, target.shape) * rng.uniform(0.3, 3, (count, 1, 1))
    missing = rng.random((count, 68)) < 0.2
    missing[:, [36, 45]] = False
    target[missing] = np.nan
    return (torch.tensor(prediction, dtype=torch.float32), torch.tensor(target), torch.tensor(rng.random((count, 68))))


def update(metric: Any, data: tuple[torch.Tensor, ...]) -> None:
    prediction, target, scores = data
    if isinstance(metric, metrics.CalibrationError):
        metric.update(prediction, target, scores)
    else:
        metric.update(prediction, target)


def part(data: tuple[torch.Tensor, ...], where: slice) -> tuple[torch.Tensor, ...]:
    return tuple(tensor[where] for tensor in data)


def reference(name: str, data: tuple[torch.Tensor, ...]) -> Any:
    """In plain float64 loops over faces and points, apart from the code under test."""
    prediction, target, scores = (tensor.double().numpy() for tensor in data)
    faces: list[float] = []
    points: list[list[float]] = [[] for _ in range(68)]
    coordinates, certain = [], []
    for p, t, s in zip(prediction, target, scores, strict=True):
        known = [k for k in range(68) if not np.isnan(t[k, 0])]
        seen = t[known]
        eyes = ((t[36] - t[45]) ** 2).sum() ** 0.5
        box = ((seen[:, 0].max() - seen[:, 0].min()) * (seen[:, 1].max() - seen[:, 1].min())) ** 0.5
        errors = [((p[k] - t[k]) ** 2).sum() ** 0.5 / (box if name == "nme box" else eyes) for k in known]
        faces.append(sum(errors) / len(errors))
        for k, error in zip(known, errors, strict=True):
            points[k].append(error)
            certain.append((s[k], error < 0.05))
        coordinates += [float(v) for k in known for v in p[k] - t[k]]
    flat = [e for each in points for e in each]
    if name == "calibration":
        rows = np.array(sorted(certain), np.float64)
        parts = np.array_split(rows, 4)
        return sum(abs(r[:, 0].mean() - r[:, 1].mean()) * len(r) for r in parts) / len(rows)
    values = {
        "failure": [e > 0.05 for e in faces],
        "auc": [max(0, 1 - e / 0.08) for e in faces],
        "pck": [e <= 0.05 for e in flat],
        "mae": [abs(c) for c in coordinates],
        "rmse": [c * c for c in coordinates],
    }
    if name == "points":
        return [np.mean(each) if each else np.nan for each in points]
    if name == "ced":
        return sorted(faces), [(i + 1) / len(faces) for i in range(len(faces))]
    if name == "jitter":
        path = prediction - target
        steps = [path[t - 1, k] - 2 * path[t, k] + path[t + 1, k] for t in range(1, len(path) - 1) for k in range(68)]
        return np.mean([(s @ s) ** 0.5 for s in steps if not np.isnan(s).any()])
    mean = np.mean(values.get(name, faces))
    return mean**0.5 if name == "rmse" else mean


def close(got: Any, expected: Any) -> None:
    got = got if isinstance(got, tuple) else (got,)
    expected = expected if isinstance(expected, tuple) else (expected,)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=2e-6, atol=1e-7)


@EVERY
def test_the_value_is_the_references(name: str) -> None:
    data = batch(30)
    metric = MAKE[name]()
    update(metric, data)
    close(metric.compute(), reference(name, data))


@BUT_FILMS
def test_batches_add_up(name: str) -> None:
    data = batch(30)
    metric = MAKE[name]()
    for where in (slice(0, 7), slice(7, 7), slice(7, 30)):
        update(metric, part(data, where))
    close(metric.compute(), reference(name, data))
    metric.reset()
    update(metric, part(data, slice(0, 5)))
    close(metric.compute(), reference(name, part(data, slice(0, 5))))


@EVERY
def test_two_objects_merge(name: str) -> None:
    data = batch(30)
    halves = [part(data, slice(0, 11)), part(data, slice(11, 30))]
    first, second, empty = (MAKE[name]() for _ in range(3))
    update(first, halves[0])
    update(second, halves[1])
    first.merge_state(second)
    first.merge_state(empty)
    if name == "jitter":  # the mean over two films, weighed by their frames and points
        counts = [int(np.isfinite((h[1][:-2] + h[1][1:-1] + h[1][2:]).numpy()).all(-1).sum()) for h in halves]
        expected: Any = np.average([reference(name, half) for half in halves], weights=counts)
    else:
        expected = reference(name, data)
    close(first.compute(), expected)


@BUT_FILMS
def test_processes_are_synchronised(name: str) -> None:
    """torchmetrics' own way, with a second process whose tensors are handed over here; it may hold other counts."""
    data = batch(30)
    there = MAKE[name]()
    update(there, part(data, slice(11, 30)))
    states = [getattr(there, state) for state in there._defaults]
    rest = iter([torch.cat(value) if isinstance(value, list) else value for value in states])
    both = {"dist_sync_fn": lambda value, group=None: [value, next(rest)], "distributed_available_fn": lambda: True}
    here = MAKE[name](**both)
    update(here, part(data, slice(0, 4)))
    update(here, part(data, slice(4, 11)))
    close(here.compute(), reference(name, data))


@EVERY
def test_nothing_gives_nan_and_inputs_stay(name: str) -> None:
    metric = MAKE[name]()
    update(metric, batch(0))
    value = metric.compute()
    assert value[0].numel() == 0 if name == "ced" else torch.isnan(value).all()
    data = batch(5)
    before = [tensor.clone() for tensor in data]
    update(metric, data)
    for tensor, old in zip(data, before, strict=True):
        torch.testing.assert_close(tensor, old, equal_nan=True, rtol=0, atol=0)


@EVERY
def test_objects_are_copied_and_pickled(name: str) -> None:
    data = batch(6)
    metric = MAKE[name]()
    update(metric, data)
    for other in (copy.deepcopy(metric), pickle.loads(pickle.dumps(metric))):
        close(other.compute(), reference(name, data))


def test_numpy_double_and_forward() -> None:
    data = batch(6)
    metric = metrics.NME()
    first = metric(*(tensor.double().numpy() for tensor in part(data, slice(0, 2))[:2]))
    close(first, reference("nme", part(data, slice(0, 2))))
    metric(*(tensor.double() for tensor in part(data, slice(2, 6))[:2]))
    close(metric.compute(), reference("nme", data))


def test_a_missing_answer_is_a_failure() -> None:
    prediction, target, _ = batch(4)
    prediction[1, 36] = torch.nan
    prediction[2] = torch.nan
    failures, area, mean = metrics.FailureRate(at=1.0), metrics.AUC(at=1.0), metrics.NME()
    for metric in (failures, area, mean):
        metric.update(prediction, target)
    assert failures.compute() == 0.5
    assert mean.compute() == torch.inf
    whole = reference("nme", part((prediction, target, prediction[..., 0]), slice(0, 1)))
    last = reference("nme", part((prediction, target, prediction[..., 0]), slice(3, 4)))
    close(area.compute(), (1 - whole + 1 - last) / 4)


def test_counts_go_beyond_what_float32_can_count() -> None:
    metric = metrics.PCK()
    metric.count = metric.count + 2**24
    update(metric, batch(1))
    assert metric.count > 2**24
    assert (metric.count - 2**24) == int(torch.isfinite(batch(1)[1]).all(-1).sum())


def test_boxes_and_other_schemas() -> None:
    metric = metrics.NME(norm="diagonal", schema="nose_tip")
    metric.update(np.array([[[3.0, 4.0]]]), np.zeros((1, 1, 2)), boxes=torch.tensor([[0.0, 0, 30, 40]]))
    assert metric.compute() == pytest.approx(0.1)
    assert metrics.NME(schema="nose_tip").norm == "diagonal"
    assert metrics.NME().norm == "inter_ocular"


def test_jitter_of_several_films() -> None:
    metric = metrics.Jitter()
    metric.update(np.array([0, 0, 3, 0, 0.0])[:, None, None] * [0, 1])  # 3, 6, 3
    metric.update(np.array([5, 6, 7, 8.0])[:, None, None] * [1, 0])  # 0, 0
    assert metric.compute() == pytest.approx(12 / 5)
    metric.update(np.zeros((2, 1, 2)))  # too short to say anything
    assert metric.compute() == pytest.approx(12 / 5)


def test_wrong_input() -> None:
    for make in (metrics.NME, metrics.PerKeypointError, metrics.CED, metrics.CalibrationError, metrics.Jitter):
        with pytest.raises(ArgumentError, match="choose one of: box, diagonal, inter_ocular"):
            make(norm="iod")
    with pytest.raises(ArgumentError, match="unknown schema"):
        metrics.NME(schema="ibug67")
    with pytest.raises(ArgumentError, match="positive"):
        metrics.AUC(at=0)
    with pytest.raises(ArgumentError, match=r"\(N, 68, 2\)"):
        metrics.NME().update(torch.zeros(1, 5, 2), torch.zeros(1, 5, 2))
    with pytest.raises(ArgumentError, match="scores"):
        metrics.CalibrationError().update(torch.zeros(2, 68, 2), torch.zeros(2, 68, 2), torch.zeros(2, 5))


def test_without_torchmetrics_the_functions_work_and_the_objects_name_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    monkeypatch.delitem(sys.modules, "facekp.metrics.modules", raising=False)
    monkeypatch.delattr(metrics, "modules", raising=False)
    assert metrics.failure_rate(np.array([0.1])) == 1
    with pytest.raises(MissingExtraError, match=r"pip install 'facekp\[train\]'"):
        _ = metrics.NME
    with pytest.raises(AttributeError, match="no attribute 'NMEE'"):
        _ = metrics.NMEE
