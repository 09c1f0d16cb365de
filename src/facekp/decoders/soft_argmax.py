"""Soft-argmax: the expectation of a spatial softmax."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from .. import _arguments as check
from .. import heatmap
from ..errors import ArgumentError
from .base import POINT_LOSSES, Size
from .maps import LINKS, GridCodec

__all__ = ["SoftArgmax"]

OF_LOGITS = tuple(name for name, link in LINKS.items() if link == "softmax")
SUREST, LEAST_SURE = -6.0, 4.0  # of the logarithm of an error's scale in heatmap pixels
OF_PROBABILITY = ("dsnt_regulariser", "star")  # these draw no map: they compare with the point


class SoftArgmax(GridCodec):
    """Heatmap logits, read by the expectation of their spatial softmax.

    Sun et al., "Integral Human Pose Regression", ECCV 2018.  The loss is the
    cross-entropy to a Gaussian of the same sum (which gives every cell a
    gradient and keeps the map narrow, cf. Nibali et al., "Numerical Coordinate
    Regression with Convolutional Neural Networks", 2018) plus the L1 distance of
    the expectation in heatmap pixels (which makes it sub-pixel).  The spread of a
    point is the standard deviation of its softmax.

    With ``rated`` the network says itself how far off it expects to be: behind the K maps come K more, whose
    expectation under a point's softmax is ``u``, the logarithm of the scale ``b`` (heatmap pixels) of its error e.
    They learn by ``2 u + |e| / b``, the negative log-likelihood of the planar ``p(e) = exp(-|e| / b) / (2 pi b^2)``
    (a Laplace distribution of two dimensions, cf. Kendall and Gal, "What Uncertainties Do We Need in Bayesian Deep
    Learning for Computer Vision?", NeurIPS 2017, eq. 5), which changes no point: neither places nor softmax have a
    gradient of it.  The spread is then ``b``.

    Args:
        input_size: ``(H, W)`` of the input.
        heatmap_size: ``(H, W)`` of the network's maps.
        sigma: of the target Gaussian, in heatmap pixels.
        point_weight: weight of the points' part of the loss.
        temperature: divides the logits before the softmax.
        loss: of the map: ``heatmap_cross_entropy``, ``heatmap_kl``, ``heatmap_js``,
            ``dsnt_regulariser`` or ``star``.
        heatmap_weight: weight of that part; 0 learns by the points alone.
        point_loss: of the points, in heatmap pixels: ``l1``, ``smooth_l1``, ``wing``, ...
        loss_options: the map's loss's own arguments.
        point_loss_options: the points' loss's own arguments.
        rated: whether the network has 2 K maps, the second half of which say how far off a point may be.
        rating_weight: weight of that part of the loss.
        calibration: see :class:`Codec`.

    Raises:
        ArgumentError: an option is out of its range or choices.
    """

    name = "soft_argmax"

    def __init__(
        self,
        input_size: Size,
        heatmap_size: Size,
        sigma: float = 1.0,
        point_weight: float = 1.0,
        calibration: dict[str, Any] | None = None,
        *,
        temperature: float = 1.0,
        loss: str = "heatmap_cross_entropy",
        heatmap_weight: float = 1.0,
        point_loss: str = "l1",
        loss_options: dict[str, Any] | None = None,
        point_loss_options: dict[str, Any] | None = None,
        rated: bool = False,
        rating_weight: float = 0.1,
    ) -> None:
        super().__init__(input_size, heatmap_size, calibration)
        self.sigma = check.number(sigma, "sigma", above=0)
        self.temperature = check.number(temperature, "temperature", above=0)
        self.point_weight = check.number(point_weight, "point_weight", low=0)
        self.heatmap_weight = check.number(heatmap_weight, "heatmap_weight", low=0)
        check.number(rating_weight, "rating_weight", low=0)
        if not isinstance(rated, bool):
            raise ArgumentError(f"rated must be true or false, got {rated!r}")
        self.rated, self.rating_weight = rated, float(rating_weight)
        self.loss_name, self.loss_options = loss, dict(loss_options or {})
        self.point_loss_name, self.point_loss_options = point_loss, dict(point_loss_options or {})
        bound = ({"sigma": self.sigma} if loss == "dsnt_regulariser" else {}) | self.loss_options
        self._heatmap_loss = self.loss_function(loss, bound, (*OF_LOGITS, *OF_PROBABILITY))
        self._point_loss = self.loss_function(point_loss, self.point_loss_options, POINT_LOSSES)

    def to_config(self) -> dict[str, Any]:
        return super().to_config() | {
            "sigma": self.sigma,
            "point_weight": self.point_weight,
            "temperature": self.temperature,
            "loss": self.loss_name,
            "heatmap_weight": self.heatmap_weight,
            "point_loss": self.point_loss_name,
            "loss_options": self.loss_options,
            "point_loss_options": self.point_loss_options,
            "rated": self.rated,
            "rating_weight": self.rating_weight,
        }

    def channels(self, points: int) -> int:
        return 2 * points if self.rated else points

    def encode(self, points: Tensor, mask: Tensor | None = None) -> dict[str, Tensor]:
        """→ ``heatmap`` ``(N, K, h, w)`` summing to 1 (empty where masked), ``points``, ``mask``."""
        centre, known = self._centres(points, mask)
        maps, _ = heatmap.gaussian(centre, self.heatmap_size, self.sigma, normalize="sum")
        return {"heatmap": maps, "points": points, "mask": known}

    @property
    def portable(self) -> bool:
        return self.rated

    def decode(self, output: Tensor) -> tuple[Tensor, Tensor]:
        mean, spread = self._read(output)
        return self.to_input(mean), self.score(spread)

    def read(self, output: Tensor) -> Tensor:
        mean, spread = self._read(output)
        return torch.cat([self.to_input(mean), spread.unsqueeze(-1)], -1)

    def log_spread(self, output: Tensor) -> Tensor:
        return self._read(output)[1]

    def _parts(self, output: Tensor) -> tuple[Tensor, Tensor | None]:
        """The maps' logits, and the ratings where there are some."""
        output = self._check(output, 2 if self.rated else 1)
        if not self.rated:
            return output, None
        points = output.shape[1] // 2
        return output.narrow(1, 0, points), output.narrow(1, points, points)

    def _read(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """Places in heatmap pixels, and the log of the spread as a share of the maps' longer side."""
        logits, ratings = self._parts(output)
        if ratings is None:
            mean, spread = heatmap.soft_argmax(logits, self.temperature)
            return mean, torch.log(spread / max(self.heatmap_size) + 1e-4)
        probability = heatmap.spatial_softmax(logits, self.temperature)
        return heatmap.expectation(probability), _rating(probability, ratings) - math.log(max(self.heatmap_size))

    def ideal_output(self, target: dict[str, Tensor]) -> Tensor:
        """The logarithm of the target maps, times the temperature: their softmax is the target; the best rating."""
        logits = torch.log(target["heatmap"].clamp_min(1e-30)) * self.temperature
        return torch.cat([logits, torch.full_like(logits, SUREST)], 1) if self.rated else logits

    def loss(self, output: Tensor, target: dict[str, Tensor]) -> dict[str, Tensor]:
        logits, ratings = self._parts(output)
        logits, mask = logits / self.temperature, target["mask"]
        probability = heatmap.spatial_softmax(logits)
        mean, goal = heatmap.expectation(probability), self.to_map(target["points"])
        pair = (logits, target["heatmap"]) if self.loss_name in OF_LOGITS else (probability, goal)
        found = {
            "heatmap": self.heatmap_weight * self._heatmap_loss(*pair, mask=mask),
            "points": self.point_weight * self._point_loss(mean, goal, mask=mask),
        }
        if ratings is None:
            return found
        scale = _rating(probability.detach(), ratings)
        off = torch.where(mask[..., None], mean.detach() - goal, 0).square().sum(-1).sqrt()
        likelihood = torch.where(mask, 2 * scale + off * torch.exp(-scale), 0)
        return found | {"rating": self.rating_weight * likelihood.sum() / mask.sum().clamp_min(1)}


def _rating(probability: Tensor, ratings: Tensor) -> Tensor:
    """The ratings' expectation ``(N, K)``."""
    return (probability * ratings.clamp(SUREST, LEAST_SURE)).sum((-2, -1))
