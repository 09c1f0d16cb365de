"""The measures as torchmetrics objects: they gather over batches and processes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from .. import _arguments as check
from .. import schema as schemas
from ..errors import ArgumentError
from ..schema import KeypointSchema
from . import functional, honesty, motion
from .gathering import Kept, Mean, Normalized, as_array

__all__ = ["AUC", "CED", "MAE", "NME", "PCK", "RMSE", "CalibrationError", "FailureRate", "Jitter", "PerKeypointError"]

Array = npt.NDArray[Any]


class NME(Mean):
    """Mean over faces of :func:`facekp.metrics.nme`.

    Args:
        norm: see :func:`facekp.metrics.normalizer`; by :func:`facekp.metrics.default_normalizer` unless told.
        schema: what the points are.
        options: those of ``torchmetrics.Metric``.

    Raises:
        ArgumentError: the schema does not have this normaliser; the choices are listed.
    """

    def __init__(self, norm: str | None = None, schema: KeypointSchema | str = "ibug68", **options: Any) -> None:
        super().__init__(**options)
        self._errors = Normalized(norm, schema)
        self.norm = self._errors.norm

    def update(self, prediction: Tensor | Array, target: Tensor | Array, boxes: Tensor | Array | None = None) -> None:
        """Take a batch.

        Args:
            prediction: ``(N, K, 2)``.
            target: ``(N, K, 2)``, NaN where missing.
            boxes: ``(N, 4)`` for the normalisers ``"box"`` and ``"diagonal"``, if they are not the points' extents.
        """
        self._add(self._values(self._errors.faces(prediction, target, boxes)))

    def _values(self, errors: Array) -> Array:
        return errors


class FailureRate(NME):
    """Share of faces whose NME is above ``at``: :func:`facekp.metrics.failure_rate` over all batches.

    Args:
        at: the largest error that is no failure.
        norm: see :class:`NME`.
        schema: what the points are.
        options: those of ``torchmetrics.Metric``.
    """

    def __init__(
        self, at: float = 0.08, norm: str | None = None, schema: KeypointSchema | str = "ibug68", **options: Any
    ) -> None:
        super().__init__(norm, schema, **options)
        self.at = check.number(at, "at", above=0)

    def _values(self, errors: Array) -> Array:
        return np.where(np.isnan(errors), np.nan, errors > self.at)


class AUC(FailureRate):
    """Area under the cumulative error curve up to ``at``: :func:`facekp.metrics.auc` over all batches.

    A sum over faces, and exact: see there.

    Args:
        at: where the curve ends.
        norm: see :class:`NME`.
        schema: what the points are.
        options: those of ``torchmetrics.Metric``.

    Raises:
        ArgumentError: ``at`` is not positive.
    """

    higher_is_better = True

    def __init__(
        self, at: float = 0.08, norm: str | None = None, schema: KeypointSchema | str = "ibug68", **options: Any
    ) -> None:
        super().__init__(at, norm, schema, **options)

    def _values(self, errors: Array) -> Array:
        return np.clip(1 - errors / self.at, 0, None)


class PerKeypointError(Mean):
    """Mean error of each point, ``(K,)``: :func:`facekp.metrics.per_keypoint` over all batches.

    Args:
        norm: see :class:`NME`.
        schema: what the points are.
        options: those of ``torchmetrics.Metric``.
    """

    def __init__(self, norm: str | None = None, schema: KeypointSchema | str = "ibug68", **options: Any) -> None:
        errors = Normalized(norm, schema)
        super().__init__((len(errors.schema),), **options)
        self._errors, self.norm = errors, errors.norm

    def update(self, prediction: Tensor | Array, target: Tensor | Array, boxes: Tensor | Array | None = None) -> None:
        """Take a batch; see :meth:`NME.update`."""
        self._add(self._errors.points(prediction, target, boxes))


class PCK(NME):
    """Share of points whose error is at most ``at``: :func:`facekp.metrics.pck` over all batches.

    Args:
        at: the largest error that is right.
        norm: see :class:`NME`.
        schema: what the points are.
        options: those of ``torchmetrics.Metric``.
    """

    higher_is_better = True

    def __init__(
        self, at: float = 0.05, norm: str | None = None, schema: KeypointSchema | str = "ibug68", **options: Any
    ) -> None:
        super().__init__(norm, schema, **options)
        self.at = check.number(at, "at", above=0)

    def update(self, prediction: Tensor | Array, target: Tensor | Array, boxes: Tensor | Array | None = None) -> None:
        """Take a batch; see :meth:`NME.update`."""
        errors = self._errors.points(prediction, target, boxes).ravel()
        self._add(np.where(np.isnan(errors), np.nan, errors <= self.at))


class MAE(Mean):
    """Mean absolute error over labelled coordinates, in pixels: :func:`facekp.metrics.mae` over all batches."""

    def update(self, prediction: Tensor | Array, target: Tensor | Array) -> None:
        """Take a batch of ``(..., 2)`` points; NaN labels are left out."""
        self._add(self._values(functional.gaps(as_array(prediction), as_array(target))))

    def _values(self, gaps: Array) -> Array:
        return np.abs(gaps)


class RMSE(MAE):
    """Kaggle's root mean squared error over labelled coordinates, in pixels: :func:`facekp.metrics.rmse`."""

    def _values(self, gaps: Array) -> Array:
        return gaps**2

    def compute(self) -> Tensor:
        """The root of the mean; NaN without labels."""
        return super().compute().sqrt()


class CED(Kept):
    """The cumulative error distribution of all faces: :func:`facekp.metrics.ced`.

    It keeps every face's error: ``compute()[0]`` is also what :func:`facekp.metrics.interval` takes.

    Args:
        norm: see :class:`NME`.
        schema: what the points are.
        options: those of ``torchmetrics.Metric``.
    """

    def __init__(self, norm: str | None = None, schema: KeypointSchema | str = "ibug68", **options: Any) -> None:
        super().__init__(**options)
        self._errors = Normalized(norm, schema)
        self.norm = self._errors.norm
        self._states("errors")

    def update(self, prediction: Tensor | Array, target: Tensor | Array, boxes: Tensor | Array | None = None) -> None:
        """Take a batch; see :meth:`NME.update`."""
        values = self._errors.faces(prediction, target, boxes)
        self._keep("errors", values[~np.isnan(values)])

    def compute(self) -> tuple[Tensor, Tensor]:
        """Errors ``(N,)`` in rising order, and the share ``(N,)`` of faces up to each."""
        errors, share = functional.ced(self._all("errors"))
        return self._float(errors), self._float(share)


class CalibrationError(Kept):
    """Expected calibration error of points' scores: :func:`facekp.metrics.expected_calibration_error`.

    A point is right if its error is under ``at``.  Every score is kept, as bins of equal count need them.

    Args:
        at: what a score promises.
        bins: how many.
        norm: see :class:`NME`.
        schema: what the points are.
        options: those of ``torchmetrics.Metric``.
    """

    higher_is_better = False

    def __init__(
        self,
        at: float = 0.05,
        bins: int = 10,
        norm: str | None = None,
        schema: KeypointSchema | str = "ibug68",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._errors = Normalized(norm, schema)
        self.at, self.bins = check.number(at, "at", above=0), check.whole(bins, "bins", 1)
        self.norm = self._errors.norm
        self._states("scores", "right")

    def update(
        self,
        prediction: Tensor | Array,
        target: Tensor | Array,
        scores: Tensor | Array,
        boxes: Tensor | Array | None = None,
    ) -> None:
        """Take a batch; ``scores`` ``(N, K)`` in [0, 1], for the rest see :meth:`NME.update`."""
        errors, certain = self._errors.points(prediction, target, boxes), as_array(scores)
        if certain.shape != errors.shape:
            raise ArgumentError(f"scores: expected shape {errors.shape}, as the points have, got {certain.shape}")
        check.unit(certain, "scores")
        known = ~np.isnan(errors)
        self._keep("scores", certain[known])
        self._keep("right", errors[known] < self.at)

    def compute(self) -> Tensor:
        """The mean gap between score and share of right points; NaN without points."""
        return self._float(honesty.expected_calibration_error(self._all("scores"), self._all("right"), self.bins))


class Jitter(Mean):
    """Mean :func:`facekp.metrics.jitter` over films: one ``update`` for each film (or unbroken part of it).

    Args:
        norm: None for pixels per frame squared, else see :func:`facekp.metrics.normalizer`.
        schema: what the points are; used with ``norm`` only.
        options: those of ``torchmetrics.Metric``.
    """

    def __init__(self, norm: str | None = None, schema: KeypointSchema | str = "ibug68", **options: Any) -> None:
        super().__init__(**options)
        self.norm, self.schema = norm, schemas.get(schema) if isinstance(schema, str) else check.layout(schema)
        if norm is not None:
            Normalized(norm, self.schema)

    def update(self, points: Tensor | Array, target: Tensor | Array | None = None) -> None:
        """Take the frames ``(T, K, 2)`` of one film, in order, and perhaps their truth."""
        truth = None if target is None else as_array(target)
        values = motion.jitters(as_array(points), truth, schema=self.schema, norm=self.norm).ravel()
        self._add(np.where(np.isfinite(values), values, np.nan))
