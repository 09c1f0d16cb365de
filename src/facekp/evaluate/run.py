"""The measuring itself."""

from __future__ import annotations

import logging
import platform
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from .. import metrics, pose
from .._version import __version__
from ..detector import Detector
from ..errors import ArgumentError
from ..predict import found
from ..sample import Sample
from .report import MISSED, Measures, Report, WorstFace, measure

__all__ = ["environment", "evaluate"]

log = logging.getLogger(__name__)
Array = npt.NDArray[Any]

BOXES = ("labelled", "finder", "moved")
YAWS = (*(f"{low:g} to {high:g}" for low, high in pose.YAW_BINS), "unknown")
RIGHT = 0.05  # what a score promises


def evaluate(
    detector: Detector,
    samples: Sequence[Sample],
    *,
    boxes: Literal["labelled", "finder", "moved"] = "labelled",
    norm: str | None = None,
    batch_size: int = 32,
    worst: int = 16,
    name: str | None = None,
) -> Report:
    """Measure a model.

    With ``boxes="finder"`` the finder looks at each whole picture, and of what it
    finds the face of highest IoU with the labelled box counts.

    Args:
        detector: the model.
        samples: labelled faces of the model's schema.
        boxes: where faces are looked for: see :func:`facekp.predict.found`.
        norm: see :func:`facekp.metrics.normalizer`; default by :func:`facekp.metrics.default_normalizer`.  Where
            the points do not span the face, ``"box"`` and ``"diagonal"`` are those of the labelled face's box.
        batch_size: crops that go through the network together.
        worst: how many faces of largest error the report names.
        name: of the data, for the report.

    Raises:
        ArgumentError: no samples, another schema, an unknown normaliser, no face that has it.
        ImageError: a picture cannot be read.
    """
    if boxes not in BOXES:
        raise ArgumentError(f"boxes: expected one of {', '.join(BOXES)}; got {boxes!r}")
    _check(detector, samples)
    norm = norm or metrics.default_normalizer(detector.schema)
    truth = np.stack([s.keypoints for s in samples])
    faces = np.stack([s.box for s in samples])
    # Asked for before the network runs: a normaliser that is unknown should not cost an hour.
    length = metrics.normalizer(truth, detector.schema, norm, boxes=faces)
    if not (length > 0).any():
        raise ArgumentError(f"norm: {norm} cannot be had: no face has the labels that it needs")
    points, scores, expected = _seen(detector, samples, boxes=boxes, batch_size=batch_size)
    by_point = metrics.point_errors(points, truth, detector.schema, norm, boxes=faces)
    by_point = _with_missed(by_point, points, capped=boxes == "finder")
    errors = metrics.per_face(by_point)
    if unmeasured := int(np.isnan(errors).sum()):
        log.warning("%d of %d faces lack the labels for %s, and are left out", unmeasured, len(samples), norm)
    right, known = _right(points, truth, faces, detector)
    plain = metrics.point_errors(points, truth, detector.schema, norm, boxes=faces)
    ranks = metrics.rank_correlation(expected / np.where(length > 0, length, np.nan)[:, None], plain)
    hits = metrics.interval(np.where(np.isnan(errors), np.nan, errors < MISSED))
    return Report(
        model=detector.name,
        data=name or str(getattr(samples, "name", "samples")),
        boxes=boxes,
        normalizer=norm,
        **_fields(measure(errors)),
        found=hits.mean,
        found_interval=hits[1:],
        calibration_error=metrics.expected_calibration_error(scores[known], right[known]),
        rank_correlation=ranks.overall,
        rank_correlation_within=ranks.within,
        sets=_parts(errors, _sets(samples)),
        groups={key: measure(metrics.per_face(by_point[:, list(k)])) for key, k in detector.schema.groups.items()},
        yaw=_parts(errors, _yaws(truth, detector), YAWS),
        worst=_worst(errors, samples, points, worst),
        environment=environment(detector),
        errors=errors,
        points=points,
        scores=scores,
        right=right,
    )


def _seen(detector: Detector, samples: Sequence[Sample], **options: Any) -> tuple[Array, Array, Array]:
    """Points ``(N, K, 2)``, scores ``(N, K)`` and expected errors in pixels ``(N, K)``; NaN where there are none."""
    k = len(detector.schema)
    points, scores = np.full((len(samples), k, 2), np.nan), np.full((len(samples), k), np.nan)
    expected = np.full((len(samples), k), np.nan)
    for i, face in enumerate(found(detector, samples, **options)):
        if face is not None:
            points[i], scores[i] = face.keypoints, face.scores
            if face.uncertainty is not None:
                expected[i] = face.uncertainty
    return points, scores, expected


def _check(detector: Detector, samples: Sequence[Sample]) -> None:
    if not len(samples):
        raise ArgumentError("evaluate: there are no samples")
    wrong = next((s for s in samples if s.schema.names != detector.schema.names), None)
    if wrong is not None:
        lacks = [name for name in detector.schema.names if name not in wrong.schema.names]
        more = (
            f", which lacks {lacks[0]}" if lacks else ": facekp.datasets.concat(samples, schema=...) takes its points"
        )
        raise ArgumentError(
            f"evaluate: {detector.name} needs schema {detector.schema.name}; "
            f"{wrong.path or 'a sample'} has {wrong.schema.name}{more}"
        )


def _with_missed(by_point: Array, points: Array, *, capped: bool) -> Array:
    """The errors ``(N, K)`` with :data:`MISSED` at every labelled point of a missed face."""
    missed = np.asarray(np.isnan(points).all((1, 2)))
    if capped:
        missed |= metrics.per_face(by_point) >= MISSED
    return np.where(missed[:, None] & ~np.isnan(by_point), MISSED, by_point)


def _right(points: Array, truth: Array, faces: Array, detector: Detector) -> tuple[Array, Array]:
    """``(N, K)`` whether each point is what its score promises, whatever ``norm`` is; and where that is known."""
    norm = metrics.default_normalizer(detector.schema)
    errors = metrics.point_errors(points, truth, detector.schema, norm, boxes=faces)
    return errors < RIGHT, ~np.isnan(errors)


def _parts(errors: Array, labels: Sequence[str], order: Sequence[str] = ()) -> dict[str, Measures]:
    """Measures of each part of the faces that is there: in the order given, or else of first appearance."""
    names, there = np.array(labels), dict.fromkeys(labels)
    return {name: measure(errors[names == name]) for name in order or there if name in there}


def _sets(samples: Sequence[Sample]) -> list[str]:
    """Which part of its data set each face comes from; nothing where there is but one."""
    names = [_set(s) for s in samples]
    return names if len(set(names)) > 1 else []


def _set(sample: Sample) -> str:
    """What the data set says, or the folder of the picture's name in it."""
    given = sample.meta.get("set")
    folder = PurePath(str(sample.meta.get("name") or sample.path or "")).parent.as_posix()
    return str(given) if given is not None else folder


def _yaws(truth: Array, detector: Detector) -> list[str]:
    """The name of each face's bin of yaw; nothing where the schema's points do not show it."""
    yaw = pose.angles(truth, detector.schema)[:, 0]
    if np.isnan(yaw).all():
        return []
    return [YAWS[i] for i in pose.yaw_bin(yaw)]  # -1 is the last


def _worst(errors: Array, samples: Sequence[Sample], points: Array, count: int) -> list[WorstFace]:
    order = np.argsort(-np.nan_to_num(errors, nan=-1.0), kind="stable")[:count]
    return [
        WorstFace(
            index=int(i),
            name=str(samples[i].meta.get("name") or samples[i].path or f"sample {i}"),
            nme=float(errors[i]),
            found=bool(np.isfinite(points[i]).all()),
        )
        for i in order
        if not np.isnan(errors[i])
    ]


def _fields(measures: Measures) -> Mapping[str, Any]:
    return {name: getattr(measures, name) for name in Measures.__dataclass_fields__}


def environment(detector: Detector) -> dict[str, str]:
    """What a report says of where it was made."""
    return {
        "facekp": __version__,
        "torch": torch.__version__,
        "device": str(detector.device),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
    }
