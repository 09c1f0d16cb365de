"""What the torchmetrics objects share: sums, kept values, normalised errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torchmetrics import Metric

from .. import _arguments as check
from .. import schema as schemas
from ..schema import KeypointSchema
from . import functional
from .lengths import NORMALIZERS, default_normalizer, normalizer

__all__ = ["Kept", "Mean", "Normalized", "as_array"]

Array = npt.NDArray[Any]


class Mean(Metric):
    """The mean of values: their sum and their count, so that batches and processes add up.

    The sum is float32, which every device has; the count is int64, which does not stop at 2^24 points.
    """

    is_differentiable = False
    full_state_update = False
    higher_is_better: bool | None = False
    total: Tensor
    count: Tensor

    def __init__(self, shape: tuple[int, ...] = (), **options: Any) -> None:
        super().__init__(**options)
        self.add_state("total", torch.zeros(shape), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(shape, dtype=torch.int64), dist_reduce_fx="sum")

    def _add(self, values: Array) -> None:
        """Values, of which each column has a mean; NaN is left out."""
        known = ~np.isnan(values)
        total, count = np.where(known, values, 0.0).sum(0), known.sum(0)
        self.total = self.total + torch.as_tensor(total, dtype=self.total.dtype, device=self.total.device)
        self.count = self.count + torch.as_tensor(count, dtype=torch.int64, device=self.count.device)

    def compute(self) -> Tensor:
        """The mean; NaN without values."""
        return self.total / self.count  # 0 / 0 is NaN


class Kept(Metric):
    """Keeps all values, for what is no mean of them: lists, as processes may hold different numbers of them."""

    is_differentiable = False
    full_state_update = False
    higher_is_better: bool | None = None

    def _states(self, *names: str) -> None:
        for name in names:
            self.add_state(name, [], dist_reduce_fx="cat")

    def _keep(self, name: str, values: Array) -> None:
        getattr(self, name).append(torch.as_tensor(values, dtype=torch.float32, device=self.device))

    def _all(self, name: str) -> Array:
        kept = getattr(self, name)  # a list of batches, or after a synchronisation one tensor
        parts = [kept] if isinstance(kept, Tensor) else kept
        return np.concatenate([np.zeros(0), *(as_array(part) for part in parts)])

    def _float(self, values: Any) -> Tensor:
        return torch.as_tensor(values, dtype=torch.float32, device=self.device)


class Normalized:
    """What the errors are divided by."""

    def __init__(self, norm: str | None, schema: KeypointSchema | str) -> None:
        self.schema = schemas.get(schema) if isinstance(schema, str) else check.layout(schema)
        self.norm = norm or default_normalizer(self.schema)
        normalizer(np.zeros((0, len(self.schema), 2)), self.schema, self.norm)  # an unknown one is refused at once

    def points(self, prediction: Any, target: Any, boxes: Any) -> Array:
        """``(N, K)``."""
        given = None if boxes is None or self.norm not in NORMALIZERS else as_array(boxes)
        return functional.point_errors(as_array(prediction), as_array(target), self.schema, self.norm, boxes=given)

    def faces(self, prediction: Any, target: Any, boxes: Any) -> Array:
        """``(N,)``."""
        given = None if boxes is None or self.norm not in NORMALIZERS else as_array(boxes)
        return functional.nme(as_array(prediction), as_array(target), self.schema, self.norm, boxes=given)


def as_array(values: Tensor | Array | Sequence[Any]) -> Array:
    """Float64 numpy, wherever the values are."""
    if isinstance(values, Tensor):
        values = values.detach().cpu().double().numpy()
    return check.numbers(values, "update")
