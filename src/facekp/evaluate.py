"""A model against a data set: the report."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from . import metrics
from ._version import __version__
from .decoders import calibration
from .detector import Detector
from .errors import ArgumentError
from .predict import keypoints
from .sample import Sample

__all__ = ["MISSED", "Report", "evaluate"]

Array = npt.NDArray[Any]

#: The error that a missed face counts, and from which on a found one counts as missed.
MISSED = 0.15


@dataclass(slots=True)
class Report:
    """What an evaluation found.  Errors are fractions: 0.035 is 3.5 %.

    Attributes:
        model: its name.
        data: the data set's name.
        boxes: ``"labelled"`` (the points' own extents) or ``"found"`` (the finder's: end to end).
        normalizer: what errors are divided by.
        faces: how many were measured.
        nme: mean over faces; with found boxes a missed face counts :data:`MISSED`.
        nme_interval: 95 % bootstrap interval of it (2,000 draws of the faces, seed 0).
        median: of the faces' errors.
        failure_rate_8: share of faces over 8 %.
        auc_8: area under the cumulative error curve up to 8 %.
        found: share of faces whose error is under :data:`MISSED`.
        calibration_error: of the points' scores, ten bins of equal count.
        environment: facekp, torch, machine.
    """

    model: str
    data: str
    boxes: str
    normalizer: str
    faces: int
    nme: float
    nme_interval: tuple[float, float]
    median: float
    failure_rate_8: float
    auc_8: float
    found: float
    calibration_error: float
    environment: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, errors rounded to 0.001 %."""
        return {k: round(v, 5) if isinstance(v, float) else v for k, v in asdict(self).items()}

    def __str__(self) -> str:
        low, high = self.nme_interval
        return (
            f"{self.model} on {self.data}, {self.faces} faces, {self.boxes} boxes\n"
            f"  NME ({self.normalizer})  {self.nme:.2%}   95 % interval {low:.2%} to {high:.2%}, "
            f"median {self.median:.2%}\n"
            f"  over 8 %  {self.failure_rate_8:.2%}   AUC@8 % {self.auc_8:.3f}   found {self.found:.2%}\n"
            f"  calibration error of the scores  {self.calibration_error:.3f}"
        )


def evaluate(
    detector: Detector,
    samples: Sequence[Sample],
    *,
    boxes: Literal["labelled", "found"] = "labelled",
    normalizer: str | None = None,
    batch_size: int = 32,
    name: str | None = None,
) -> Report:
    """Measure a model.

    With ``boxes="found"`` the finder looks at each whole picture, and of what it
    finds the face of highest IoU with the labelled box counts.

    Args:
        detector: the model.
        samples: labelled faces of the model's schema.
        boxes: where faces are looked for.
        normalizer: see :func:`facekp.metrics.normalizer`; default by :func:`facekp.metrics.default_normalizer`.
        batch_size: crops that go through the network together.
        name: of the data, for the report.

    Raises:
        ArgumentError: no samples, another schema, an unknown normaliser.
        ImageError: a picture cannot be read.
    """
    schema = detector.schema
    if not len(samples):
        raise ArgumentError("evaluate: there are no samples")
    wrong = next((s for s in samples if s.schema.names != schema.names), None)
    if wrong is not None:
        raise ArgumentError(
            f"evaluate: {detector.name} needs schema {schema.name}; {wrong.path or 'a sample'} has {wrong.schema.name}"
        )
    by = normalizer or metrics.default_normalizer(schema)
    truth = np.stack([s.keypoints for s in samples])
    points, scores = keypoints(detector, samples, boxes=boxes, batch_size=batch_size)
    point_errors = metrics.point_errors(points, truth, schema, by)
    errors = metrics.nme(points, truth, schema, by)
    lost = np.isnan(points).all((1, 2))
    errors[lost] = MISSED
    if boxes == "found":
        errors = np.minimum(errors, MISSED)
    known = np.isfinite(point_errors)
    return Report(
        model=detector.name,
        data=name or str(getattr(samples, "name", "samples")),
        boxes=boxes,
        normalizer=by,
        faces=len(samples),
        nme=float(np.nanmean(errors)),
        nme_interval=_bootstrap(errors[np.isfinite(errors)]),
        median=float(np.nanmedian(errors)),
        failure_rate_8=metrics.failure_rate(errors),
        auc_8=metrics.auc(errors),
        found=float((errors < MISSED).mean()),
        calibration_error=calibration.expected_calibration_error(
            torch.from_numpy(scores[known]), torch.from_numpy(point_errors[known] < 0.05)
        ),
        environment={
            "facekp": __version__,
            "torch": torch.__version__,
            "device": str(detector.device),
            "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        },
    )


def _bootstrap(errors: Array, draws: int = 2000) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    means = errors[rng.integers(0, len(errors), (draws, len(errors)))].mean(1)
    return round(float(np.quantile(means, 0.025)), 5), round(float(np.quantile(means, 0.975)), 5)
