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
        self.config, self.weights = config, (1.0, recipe.box_weight, recipe.angle_weight)
        self.matches: list[detection.Match] = []
        self.turns: list[finder_finish.Turn] = []

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor, Tensor], _: int) -> Tensor:
        images, boxes, angles, kinds = batch
        inputs = images.float().sub_(self.config.mean).div_(self.config.std)
        output = self.network(inputs.contiguous(memory_format=torch.channels_last))
        points = finder.grid((images.shape[-2], images.shape[-1]), finder.STRIDES, images.device)
        parts = finder.loss(points, output, finder.assign(points, boxes, kinds, angles))
        total = sum(w * part for w, part in zip(self.weights, (parts.score, parts.box, parts.angle), strict=True))
        numbers = {f"train/{key}": value for key, value in parts._asdict().items()}
        self.log_dict({"train/loss": total, **numbers}, on_epoch=True, on_step=False)
        return torch.as_tensor(total)

    def on_validation_epoch_start(self) -> None:
        super().on_validation_epoch_start()
        self.matches, self.turns = [], []
        self._finder = finder.FaceFinder(self.network, self.config)

    def validation_step(self, batch: Sequence[Frame], index: int) -> None:
        """Each frame as it is, and once more turned: the next one by 30 degrees more, so that all bins are seen."""
        self.matches += finder_finish.measure(self._finder, batch, batch=len(batch))
        angles = [30.0 * ((index * len(batch) + i) % 12) for i in range(len(batch))]
        self.turns += finder_finish.look_turned(self._finder, batch, angles)

    def on_validation_epoch_end(self) -> None:
        super().on_validation_epoch_end()
        threshold = self.config.min_score
        numbers = finder_finish.summary(self.matches, threshold)
        self.conclude({**numbers, **finder_finish.turned_summary(self.turns, threshold)})


# ---------------------------------------------------------------- data


class MixedDataset(Dataset[Mixed]):
    """``length`` training pictures; picture i of epoch e is the same whatever the workers."""

    def __init__(self, mixer: FrameMixer, length: int, seed: int) -> None:
        self.mixer, self.length, self.seed, self.epoch = mixer, length, seed, 0

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Mixed:
        return self.mixer(np.random.default_rng((self.seed, self.epoch, index)))


def collate(batch: Sequence[Mixed]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Pictures ``(N, 3, S, S)`` uint8, boxes ``(N, M, 4)``, angles and kinds ``(N, M)``, padded with NOTHING."""
    images = torch.from_numpy(np.stack([m.image for m in batch])).permute(0, 3, 1, 2)
    most = max(1, *(len(m.boxes) + len(m.ignore) for m in batch))
    boxes, angles = np.zeros((len(batch), most, 4), np.float32), np.zeros((len(batch), most), np.float32)
    kinds = np.full((len(batch), most), NOTHING, np.int64)
    for i, m in enumerate(batch):
        n, k = len(m.boxes), len(m.boxes) + len(m.ignore)
        boxes[i, :n], boxes[i, n:k], angles[i, :n] = m.boxes, m.ignore, m.angles
        kinds[i, :n], kinds[i, n:k] = FACE, IGNORE
    return images, torch.from_numpy(boxes), torch.from_numpy(angles), torch.from_numpy(kinds)


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
    checked = framesets.pack(framesets.frames_300w(root / "300w", names=names), data.long_side)
    weights = [(1 - data.ytf) / len(photographs)] * len(photographs)
    weights += [data.ytf / max(1, len(videos))] * len(videos)
    log.info("%s: %d + %d frames to train on, %d to validate", recipe.name, len(photographs), len(videos), len(checked))
    held = [*names, *(f"ytf: {person}" for person in people)]
    return framesets.pack([*photographs, *videos], data.long_side), weights, checked, held


def _one_thread(_: int) -> None:
    cv2.setNumThreads(0)  # 1 would wait for ever for threads that were not forked along
    torch.set_num_threads(1)


def job(
    recipe: FinderRecipe,
) -> tuple[FinderModule, DataLoader[Any], DataLoader[Any], list[str], Callable[[Path], None]]:
    """What :func:`facekp.training.run.fit` needs: module, loaders, names held out, and how to save the result."""
    module = FinderModule(recipe)
    frames, weights, checked, held = load_frames(recipe)
    try:
        mixer = FrameMixer(frames, MixerConfig(**recipe.mixer), weights)
    except (TypeError, ArgumentError) as error:
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
