"""The Lightning module of the face finder, and its data."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from .. import finder
from ..datasets import frames as framesets
from ..errors import ArgumentError, RecipeError
from ..finder.targets import FACE, IGNORE, NOTHING
from ..metrics import detection
from ..sample import Frame
from ..transforms.frames import FrameMixer, Mixed, MixerConfig
from . import finder_finish
from .averaged import AveragedModule
from .finder_recipe import FinderRecipe
from .sampler import EpochSampler
from .split import validation_names

__all__ = ["FinderModule", "MixedDataset", "collate", "job", "load_frames"]

log = logging.getLogger(__name__)


class FinderModule(AveragedModule):
    """Trains a finder; validates on whole frames."""

    monitor, rises = "val/ap", True

    def __init__(self, recipe: FinderRecipe) -> None:
        try:
            network = finder.create(recipe.network)
            config = finder.FinderConfig.from_dict(recipe.finder)
        except ArgumentError as error:
            raise RecipeError(f"{recipe.name}: {error}") from error
        super().__init__(recipe, network)
        self.config, self.box_weight = config, recipe.box_weight
        self.matches: list[detection.Match] = []

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], _: int) -> Tensor:
        images, boxes, kinds = batch
        inputs = images.float().sub_(self.config.mean).div_(self.config.std)
        output = self.network(inputs.contiguous(memory_format=torch.channels_last))
        points = finder.grid((images.shape[-2], images.shape[-1]), finder.STRIDES, images.device)
        parts = finder.loss(points, output, finder.assign(points, boxes, kinds))
        total = parts.score + self.box_weight * parts.box
        self.log_dict(
            {"train/loss": total, "train/score": parts.score, "train/box": parts.box, "train/iou": parts.iou},
            on_epoch=True,
            on_step=False,
        )
        return total

    def on_validation_epoch_start(self) -> None:
        super().on_validation_epoch_start()
        self.matches = []
        self._finder = finder.FaceFinder(self.network, self.config)

    def validation_step(self, batch: Sequence[Frame], _: int) -> None:
        found = self._finder([frame.image for frame in batch], min_score=0.05)
        for one, frame in zip(found, batch, strict=True):
            self.matches.append(detection.match(one.boxes, one.scores, frame.boxes, frame.ignore))

    def on_validation_epoch_end(self) -> None:
        super().on_validation_epoch_end()
        self.conclude(finder_finish.summary(self.matches, self.config.min_score))


# ---------------------------------------------------------------- data


class MixedDataset(Dataset[Mixed]):
    """``length`` training pictures; picture i of epoch e is the same whatever the workers."""

    def __init__(self, mixer: FrameMixer, length: int, seed: int) -> None:
        self.mixer, self.length, self.seed, self.epoch = mixer, length, seed, 0

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Mixed:
        return self.mixer(np.random.default_rng((self.seed, self.epoch, index)))


def collate(batch: Sequence[Mixed]) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures ``(N, 3, S, S)`` uint8, boxes ``(N, M, 4)`` and kinds ``(N, M)``, padded with NOTHING."""
    images = torch.from_numpy(np.stack([m.image for m in batch])).permute(0, 3, 1, 2)
    most = max(1, *(len(m.boxes) + len(m.ignore) for m in batch))
    boxes = np.zeros((len(batch), most, 4), np.float32)
    kinds = np.full((len(batch), most), NOTHING, np.int64)
    for i, m in enumerate(batch):
        n, k = len(m.boxes), len(m.boxes) + len(m.ignore)
        boxes[i, :n], boxes[i, n:k] = m.boxes, m.ignore
        kinds[i, :n], kinds[i, n:k] = FACE, IGNORE
    return images, torch.from_numpy(boxes), torch.from_numpy(kinds)


def load_frames(recipe: FinderRecipe) -> tuple[list[Frame], list[float], list[Frame], list[str]]:
    """Training frames in memory, how often each is drawn, validation frames, and the names held out.

    Raises:
        DatasetError: the data is missing or damaged.
        RecipeError: a validation list is neither a file nor a name in the package.
    """
    data, root = recipe.data, Path(recipe.data.root)
    names = validation_names(data.validation)
    people = validation_names(data.validation_people, "validation_people") if data.ytf else []
    photographs = framesets.frames_300w(root / "300w", skip=names)
    videos = framesets.frames_ytf(root / "ytf", skip=people) if data.ytf else []
    checked = framesets.frames_300w(root / "300w", names=names)
    weights = [(1 - data.ytf) / len(photographs)] * len(photographs)
    weights += [data.ytf / max(1, len(videos))] * len(videos)
    log.info("%s: %d + %d frames to train on, %d to validate", recipe.name, len(photographs), len(videos), len(checked))
    held = [*names, *(f"ytf: {person}" for person in people)]
    return framesets.pack([*photographs, *videos], data.long_side), weights, checked, held


def _one_thread(_: int) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def job(
    recipe: FinderRecipe,
) -> tuple[FinderModule, DataLoader[Any], DataLoader[Any], list[str], Callable[[Path], None]]:
    """What :func:`facekp.training.run.fit` needs: module, loaders, names held out, and how to save the result."""
    module = FinderModule(recipe)
    frames, weights, checked, held = load_frames(recipe)
    try:
        mixer = FrameMixer(frames, MixerConfig(**recipe.mixer), weights)
    except TypeError as error:
        raise RecipeError(f"mixer: {error}") from None
    pictures = MixedDataset(mixer, recipe.samples, recipe.seed)
    loader: DataLoader[Any] = DataLoader(
        pictures,
        recipe.batch_size,
        sampler=EpochSampler(pictures, recipe.seed, shuffle=False, batch_size=recipe.batch_size),
        collate_fn=collate,
        num_workers=recipe.workers,
        worker_init_fn=_one_thread,
        drop_last=recipe.samples > recipe.batch_size,
        generator=torch.Generator(),
    )
    validation: DataLoader[Any] = DataLoader(checked, 16, collate_fn=list)  # type: ignore[arg-type]

    def save(folder: Path) -> None:
        finder_finish.save(module.shipped(), module.config, recipe, checked, folder)

    return module, loader, validation, held, save
