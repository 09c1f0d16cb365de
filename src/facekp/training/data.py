"""From a recipe's data sets to batches of crops."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from .. import datasets, transforms
from ..datasets.packed import PackedSample, Packing
from ..datasets.packed_crop import reduced
from ..errors import DatasetError, RecipeError
from ..sample import Sample
from .recipe import Crop, Data, KeypointRecipe
from .sampler import EpochSampler

__all__ = ["CropDataset", "keypoint_loaders", "split", "validation_names"]

log = logging.getLogger(__name__)

SURROUNDINGS = 1.5  # times the crop's own scale: what augmentation reaches but for its rarest turns
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
    no JPEG is read while training.  Faces of a packed cache are taken as they are
    and stay in their file.

    Args:
        samples: the faces.
        recipe: crop, augmentation and cache.
        augment: the name of a preset of :func:`facekp.transforms.preset`.
        seed: sample i of epoch e is the same whatever the workers.
    """

    def __init__(self, samples: Sequence[Sample], recipe: KeypointRecipe, augment: str, seed: int = 0) -> None:
        self.samples = [_kept(s, recipe) for s in samples]
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


def _kept(sample: Sample, recipe: KeypointRecipe) -> Sample:
    """The sample with its face's surroundings, shrunk to the cache's size."""
    if isinstance(sample, PackedSample) and sample.packing is not None:
        return sample  # cutting it again could only lose
    if recipe.crop.box == "full":
        return reduced(sample, None, None)[0]
    return reduced(sample, recipe.data.cache_side, recipe.data.cache_scale)[0]


def _check_packing(packing: Packing | None, crop: Crop) -> None:
    """Whether faces that were packed so have what the crop takes."""
    if packing is None or not packing.scale:  # whole pictures have all there is
        return
    again = "run  facekp pack  again with"
    if crop.box == "full":
        raise RecipeError(f"crop.box: full needs whole pictures, and this cache holds faces: {again} --box full")
    if packing.scale < crop.scale:
        raise RecipeError(
            f"crop.scale: {crop.scale:g} takes more than the cache holds, {packing.scale:g} times the face's box: "
            f"{again} --scale {2 * crop.scale:g}"
        )
    if packing.scale < SURROUNDINGS * crop.scale:
        log.warning(
            "the cache holds %g times the face's box: turned and shrunk crops (crop.scale %g) get black edges; "
            "%s --scale %g",
            packing.scale,
            crop.scale,
            again,
            2 * crop.scale,
        )
    largest = packing.side * crop.scale / packing.scale
    if largest < max(crop.size):
        log.warning(
            "the cache's faces are enlarged from %.0f to the crop's %d pixels: %s a larger --side",
            largest,
            max(crop.size),
            again,
        )


def keypoint_loaders(recipe: KeypointRecipe) -> tuple[DataLoader[Any], DataLoader[Any], list[Sample]]:
    """Training and validation loaders, and the validation samples themselves."""
    train, validation = split(recipe.data)
    log.info("%s: %d faces to train on, %d to validate", recipe.name, len(train), len(validation))
    for packing in {s.packing for s in (*train, *validation) if isinstance(s, PackedSample)}:
        _check_packing(packing, recipe.crop)
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
