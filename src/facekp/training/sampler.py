"""The order of training, repeatable from any epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import Sampler

__all__ = ["EpochSampler"]


class EpochSampler(Sampler[int]):
    """A shuffle that depends on the seed and the epoch alone, so that a resumed run goes on as if left alone.

    Lightning calls :meth:`set_epoch` before each epoch; the data set is told, and seeds its augmentation with it.

    Args:
        dataset: has a length and an ``epoch`` attribute.
        seed: of the run.
        shuffle: False keeps the order.
    """

    def __init__(self, dataset: Any, seed: int, *, shuffle: bool = True) -> None:
        self.dataset, self.seed, self.shuffle, self.epoch = dataset, seed, shuffle, 0

    def set_epoch(self, epoch: int) -> None:
        """The epoch that comes next."""
        self.epoch = self.dataset.epoch = epoch

    def __len__(self) -> int:
        return len(self.dataset)

    def __iter__(self) -> Iterator[int]:
        if not self.shuffle:
            return iter(range(len(self)))
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        return iter(torch.randperm(len(self), generator=generator).tolist())
