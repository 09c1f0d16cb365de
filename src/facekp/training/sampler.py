"""The order of training, repeatable from any step, and the shares of several processes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import distributed
from torch.utils.data import Sampler

__all__ = ["FILLER", "EpochSampler", "ShareSampler"]

FILLER = -1
"""The index of a sample that only keeps the processes in step: it has no labels."""


def share() -> tuple[int, int]:
    """Which process of how many this is."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


class EpochSampler(Sampler[int]):
    """A shuffle that depends on the seed and the epoch alone, so that a resumed run goes on as if left alone.

    Lightning calls :meth:`set_epoch` before each epoch; the data set is told, and seeds its augmentation with it.
    Several processes take every n-th sample each, equally many; of the rest, fewer than n, other ones are left out
    in each epoch.

    Args:
        dataset: has a length and an ``epoch`` attribute.
        seed: of the run.
        shuffle: False keeps the order.
        batch_size: samples of a batch, for :meth:`start`.
    """

    def __init__(self, dataset: Any, seed: int, *, shuffle: bool = True, batch_size: int = 1) -> None:
        self.dataset, self.seed, self.shuffle, self.batch_size = dataset, seed, shuffle, batch_size
        self.epoch = 0
        self._started = (0, 0)

    def set_epoch(self, epoch: int) -> None:
        """The epoch that comes next."""
        self.epoch = self.dataset.epoch = epoch

    def start(self, epoch: int, batches: int) -> None:
        """Go on within an epoch of which so many batches are done."""
        self.set_epoch(epoch)
        self._started = (epoch, batches)

    def __len__(self) -> int:
        """Samples of a whole epoch."""
        return len(self.dataset) // share()[1]

    def __iter__(self) -> Iterator[int]:
        count, (rank, world) = len(self.dataset), share()
        order = list(range(count))
        if self.shuffle:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
            order = torch.randperm(count, generator=generator).tolist()
        epoch, batches = self._started
        done = batches * self.batch_size if epoch == self.epoch else 0
        return iter(order[rank::world][: len(self)][done:])


class ShareSampler(Sampler[int]):
    """Each process its share, in order: every sample once, and :data:`FILLER` where a share is shorter.

    Args:
        dataset: has a length, and answers ``FILLER`` with a sample that counts for nothing.
    """

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return math.ceil(len(self.dataset) / share()[1])

    def __iter__(self) -> Iterator[int]:
        rank, world = share()
        own = list(range(rank, len(self.dataset), world))
        return iter(own + [FILLER] * (len(self) - len(own)))
