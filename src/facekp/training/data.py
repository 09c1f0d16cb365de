"""From a recipe's data sets to batches of crops."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from .. import datasets, geometry, transforms
from ..errors import DatasetError, RecipeError
from ..sample import Sample
from .recipe import Data, KeypointRecipe
from .sampler import EpochSampler

__all__ = ["CropDataset", "keypoint_loaders", "split", "validation_names"]

log = logging.getLogger(__name__)
Array = npt.NDArray[Any]


def validation_names(value: str, key: str = "validation") -> list[str]:
    """The names on a validation list: a file of one's own, or a list inside the package.

    Raises:
        RecipeError: it is neither; the message names the recipe's key.
    """
    own = Path(value)
    shipped = resources.files("facekp") / "recipes" / "validation" / f"{value}.txt"
    if own.is_file():
        text = own.read_text("utf-8")
    elif shipped.is_file():
        text = shipped.read_text("utf-8")
    else:
        raise RecipeError(f"data.{key}: {value!r} is neither a file nor a list inside facekp")
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def split(data: Data) -> tuple[list[Sample], list[Sample]]:
    """Training and validation samples; a photograph with one face in validation is there with all."""
    held = set(validation_names(data.validation))
    samples: list[Sample] = []
    for spec in data.sets:
        options = dict(spec)
        name = str(options.pop("name", ""))
        for key in ("root", "path"):
            if key in options:
                options[key] = str(Path(data.root) / str(options[key]))
        samples.extend(datasets.create(name, **options))
    subjects = {s.subject for s in samples if s.meta.get("name") in held}
    validation = [s for s in samples if s.meta.get("name") in held or (s.subject and s.subject in subjects)]
    chosen = {id(s) for s in validation}
    train = [s for s in samples if id(s) not in chosen]
    if not train or not validation:
        raise DatasetError(
            f"data.validation {data.validation!r} leaves {len(train)} faces to train on and {len(validation)} to "
            "validate; its names must be those of the sets' pictures"
        )
    return train, validation


class CropDataset(Dataset[tuple[Tensor, Tensor]]):
    """Augmented crops of samples: ``(3, H, W)`` uint8 and ``(K, 2)`` points in crop pixels.

    A reduced copy of each face and its surroundings is kept in memory, so that
    no JPEG is read while training.

    Args:
        samples: the faces.
        recipe: crop, augmentation and cache.
        augment: the name of a preset of :func:`facekp.transforms.preset`.
        seed: sample i of epoch e is the same whatever the workers.
    """

    def __init__(self, samples: Sequence[Sample], recipe: KeypointRecipe, augment: str, seed: int = 0) -> None:
        self.samples = [_reduced(s, recipe) for s in samples]
        crop = transforms.CropToBox(recipe.crop.size, recipe.crop.scale, recipe.crop.box)
        self.transform = transforms.preset(augment, crop)
        self.seed, self.epoch = seed, 0

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng((self.seed, self.epoch, index))
        view = self.transform(self.samples[index], rng)
        image = np.ascontiguousarray(view.image.transpose(2, 0, 1))
        return torch.from_numpy(image), torch.from_numpy(np.ascontiguousarray(view.keypoints))


def _reduced(sample: Sample, recipe: KeypointRecipe) -> Sample:
    """The sample cut to the face's surroundings and shrunk (never enlarged) to the cache's size."""
    image = sample.image
    if recipe.crop.box == "full":
        return replace(sample, pixels=image)
    x0, y0, x1, y1 = (float(v) for v in sample.box)
    wanted = max(x1 - x0, y1 - y0) * recipe.data.cache_scale
    side = max(16, min(recipe.data.cache_side, round(wanted)))
    matrix = geometry.crop_matrix(sample.box, (side, side), recipe.data.cache_scale)
    source = sample.source_box
    if source is not None:
        source = geometry.apply(matrix, source.reshape(2, 2)).reshape(4)
    pixels = geometry.warp(image, matrix, (side, side))
    return replace(sample, pixels=pixels, keypoints=geometry.apply(matrix, sample.keypoints), source_box=source)


def keypoint_loaders(recipe: KeypointRecipe) -> tuple[DataLoader[Any], DataLoader[Any], list[Sample]]:
    """Training and validation loaders, and the validation samples themselves."""
    train, validation = split(recipe.data)
    log.info("%s: %d faces to train on, %d to validate", recipe.name, len(train), len(validation))
    training = CropDataset(train, recipe, recipe.augment, recipe.seed)
    checking = CropDataset(validation, recipe, "none")
    loader: DataLoader[Any] = DataLoader(
        training,
        recipe.batch_size,
        sampler=EpochSampler(training, recipe.seed),
        drop_last=len(training) > recipe.batch_size,
        num_workers=recipe.workers,
    )
    return loader, DataLoader(checking, max(recipe.batch_size, 32)), validation
