"""PIP: a coarse grid says which cell, the cell says where in it, and where its neighbours are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import _arguments as check
from .. import heatmap, losses
from ..errors import ArgumentError
from .base import Size
from .maps import LINKS, GridCodec

__all__ = ["PIP", "nearest"]


class PIP(GridCodec):
    """Pixel-in-pixel: classification on a coarse grid and regression inside its cell.

    Jin, Liao and Shao, "Pixel-in-Pixel Net: Towards Efficient Facial Landmark Detection in the
    Wild", IJCV 2021.  For each point the grid's highest cell is found; in that cell stand the
    point's place and those of its neighbours, counted from the cell's top left corner in cells.
    A point is the mean of its own reading and of those by the points that it is a neighbour of.

    Output: ``(N, K (3 + 2 n), h, w)``, usually at stride 32: K scores, x then y of all points, then x of all
    points' n neighbours, then y.

    A point's spread joins the score s of its cell (were the cell wrong, the error would be
    about a cell) with the variance v of the readings, per axis: ``sqrt(1 - s + v)`` cells.

    Args:
        input_size: ``(H, W)`` of the input.
        heatmap_size: ``(h, w)`` of the grid.
        neighbors: K lists of n indices each; or n, for the nearest points of ``mean_shape``.
        mean_shape: ``(K, 2)`` of any scale; training gives the schema's.
        loss: of the scores: ``heatmap_mse`` as published, or another of :class:`HeatmapCodec`'s whose map is
            the output itself or its sigmoid.
        score_weight: weight of the scores' part of the loss: 10 as published; those of the other parts are 1.
        loss_options: the scores' loss's own arguments.
        calibration: see :class:`Codec`.

    Raises:
        ArgumentError: an option is out of its range, or neighbours are counted and there is no mean shape.
    """

    name = "pip"
    uses_mean_shape = True

    def __init__(
        self,
        input_size: Size,
        heatmap_size: Size,
        neighbors: int | Sequence[Sequence[int]] = 10,
        *,
        mean_shape: Any = None,
        loss: str = "heatmap_mse",
        score_weight: float = 10.0,
        loss_options: dict[str, Any] | None = None,
        calibration: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(input_size, heatmap_size, calibration)
        self.neighbors = _table(neighbors, mean_shape)
        self.loss_name, self.loss_options, self.score_weight = (
            loss,
            dict(loss_options or {}),
            check.number(score_weight, "score_weight", low=0),
        )
        choices = [name for name, link in LINKS.items() if link != "softmax"]
        self._loss = self.loss_function(loss, self.loss_options, choices)

    def channels(self, points: int) -> int:
        """``K (3 + 2 n)``.

        Raises:
            ArgumentError: the neighbours are those of another number of points.
        """
        if points != len(self.neighbors):
            raise ArgumentError(f"neighbors: expected one list for each of {points} points, got {len(self.neighbors)}")
        return points * (3 + 2 * len(self.neighbors[0]))

    def to_config(self) -> dict[str, Any]:
        return super().to_config() | {
            "neighbors": self.neighbors,
            "loss": self.loss_name,
            "score_weight": self.score_weight,
            "loss_options": self.loss_options,
        }

    def encode(self, points: Tensor, mask: Tensor | None = None) -> dict[str, Tensor]:
        """Points → target tensors.

        Returns:
            ``heatmap`` ``(N, K, h, w)``, 1 in the point's cell; ``cell`` ``(N, K, 2)`` int64; ``place``
            ``(N, K, 1 + n, 2)``: the point and its neighbours from the cell's top left corner in cells
            (NaN where missing; a neighbour may be off the map); ``points`` and ``mask``.
        """
        if points.shape[-2] != len(self.neighbors):
            raise ArgumentError(f"pip: expected points (N, {len(self.neighbors)}, 2), got {tuple(points.shape)}")
        centre, known = self._centres(points, mask)
        height, width = self.heatmap_size
        last = torch.tensor([width - 1, height - 1], device=points.device)
        cell = torch.minimum((torch.nan_to_num(centre) + 0.5).floor().long().clamp_min(0), last)
        labelled = self.known(points, mask)
        corner = torch.where(labelled[..., None], self.to_map(heatmap.wide(points)) + 0.5, torch.nan)
        around = corner[..., self._index(points), :]
        index = cell[..., 1] * width + cell[..., 0]
        scores = torch.zeros(*known.shape, height * width, dtype=centre.dtype, device=points.device)
        scores = scores.scatter(-1, index[..., None], known[..., None].to(scores.dtype))
        return {
            "heatmap": scores.view(*known.shape, height, width),
            "cell": cell,
            "place": torch.cat([corner[..., None, :], around], -2) - cell[..., None, :],
            "points": points,
            "mask": known,
        }

    def decode(self, output: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_spread = self._read(output)
        return self.to_input(mean), self.score(log_spread)

    def log_spread(self, output: Tensor) -> Tensor:
        return self._read(output)[1]

    def ideal_output(self, target: dict[str, Tensor]) -> Tensor:
        scores = target["heatmap"]
        if LINKS[self.loss_name] == "sigmoid":
            scores = torch.logit(scores.clamp(1e-6, 1 - 1e-6))
        own, others = torch.split(torch.nan_to_num(target["place"]), [1, len(self.neighbors[0])], -2)
        place = torch.cat([v.flatten(1, -2).mT.flatten(1) for v in (own, others)], 1)
        return torch.cat([scores, place[..., None, None].expand(*place.shape, *self.heatmap_size)], 1)

    def loss(self, output: Tensor, target: dict[str, Tensor]) -> dict[str, Tensor]:
        scores, maps = self._parts(output)
        place, goal = self._at(maps, target["cell"]), target["place"]
        known = target["mask"][..., None] & goal.isfinite().all(-1)
        parts = {
            "heatmap": self.score_weight * self._loss(scores, target["heatmap"], mask=target["mask"]),
            "points": losses.l1(place[..., 0, :], goal[..., 0, :], mask=known[..., 0]),
        }
        if goal.shape[-2] > 1:
            parts["neighbors"] = losses.l1(place[..., 1:, :], goal[..., 1:, :], mask=known[..., 1:])
        return parts

    def _read(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """Places ``(N, K, 2)`` in cells of the grid, and the log spread ``(N, K)``."""
        scores, maps = self._parts(output)
        cell, value = heatmap.peak(torch.sigmoid(scores) if LINKS[self.loss_name] == "sigmoid" else scores)
        readings = self._at(maps, cell) + cell[..., None, :] - 0.5
        own, others = readings[..., 0, :], readings[..., 1:, :].flatten(-3, -2)
        index = self._index(output).flatten()
        to_point = torch.nn.functional.one_hot(index, len(self.neighbors)).to(own.dtype).mT  # (K, K n)
        count = 1 + to_point.sum(-1, keepdim=True)
        mean = (own + to_point @ others) / count
        squares = (own - mean) ** 2 + to_point @ (others - mean[..., index, :]) ** 2
        variance = (squares / count).mean(-1)
        spread = (1 - value.clamp(0, 1) + variance).sqrt()
        return mean, torch.log(spread / max(self.heatmap_size) + 1e-4)

    def _parts(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """Scores ``(N, K, h, w)`` and places ``(N, K, 1 + n, 2, h, w)``."""
        points, n = len(self.neighbors), len(self.neighbors[0])
        if output.ndim != 4 or output.shape[1] != points * (3 + 2 * n):
            raise ArgumentError(
                f"pip: expected output (N, {points * (3 + 2 * n)}, {self.heatmap_size}), got {tuple(output.shape)}"
            )
        scores, own, others = torch.split(self._check(output), [points, 2 * points, 2 * n * points], 1)
        own, others = torch.unflatten(own, 1, (2, points, 1)), torch.unflatten(others, 1, (2, points, n))
        return scores, torch.cat([own, others], 3).permute(0, 2, 3, 1, 4, 5)

    def _at(self, maps: Tensor, cell: Tensor) -> Tensor:
        """``(N, K, 1 + n, 2, h, w)`` at cells ``(N, K, 2)`` → ``(N, K, 1 + n, 2)``."""
        index = (cell[..., 1] * self.heatmap_size[1] + cell[..., 0])[..., None, None, None]
        return maps.flatten(-2).gather(-1, index.expand(*maps.shape[:-2], 1))[..., 0]

    def _index(self, like: Tensor) -> Tensor:
        return torch.tensor(self.neighbors, dtype=torch.long, device=like.device).view(len(self.neighbors), -1)


def nearest(mean_shape: Any, count: int) -> list[list[int]]:
    """The ``count`` nearest other points of each point, nearest first; all others where there are fewer.

    Args:
        mean_shape: ``(K, 2)``.
        count: at least 0.
    """
    shape = mean_shape.double() if isinstance(mean_shape, Tensor) else torch.tensor(np.array(mean_shape, np.float64))
    distance = torch.cdist(shape, shape).fill_diagonal_(torch.inf)
    order = distance.argsort(dim=1, stable=True)[:, : min(count, len(shape) - 1)]
    table: list[list[int]] = order.tolist()
    return table


def _table(neighbors: int | Sequence[Sequence[int]], mean_shape: Any) -> list[list[int]]:
    """The neighbours of each point, checked."""
    if isinstance(neighbors, int):
        if neighbors < 0:
            raise ArgumentError(f"neighbors must be at least 0, got {neighbors}")
        if mean_shape is None:
            raise ArgumentError("pip: give mean_shape (K, 2), or neighbors as K lists of indices")
        return nearest(mean_shape, neighbors)
    table = [[int(i) for i in row] for row in neighbors]
    if not table or len({len(row) for row in table}) > 1 or any(not 0 <= i < len(table) for row in table for i in row):
        raise ArgumentError(f"neighbors: expected K lists of as many indices under K, got {len(table)} lists")
    return table
