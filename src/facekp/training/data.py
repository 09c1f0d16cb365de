"""From a recipe's data sets to batches of crops."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from .. import geometry, transforms
from ..datasets.packed import PackedSample, Packing
from ..datasets.packed_crop import reduced
from ..errors import ArgumentError, RecipeError
from ..preprocessing import equalised
from ..sample import Sample
from ..schema import KeypointSchema
from .augmentation import pipeline
from .groups import Crop
from .recipe import KeypointRecipe
from .sampler import FILLER, EpochSampler, ShareSampler
from .split import split, validation_names
from .teacher import taught

__all__ = ["CropDataset", "Held", "check_mirror", "keypoint_loaders", "split", "validation_names"]

log = logging.getLogger(__name__)

SURROUNDINGS = 1.5  # times the crop's own scale: what augmentation reaches but for its rarest turns


class CropDataset(Dataset[tuple[Tensor, Tensor]]):
    """Augmented crops of samples: ``(3, H, W)`` uint8 and ``(K, 2)`` points in crop pixels.

    With ``recipe.pixels.clahe`` they are equalised, as :class:`facekp.Detector` does it in use.

    A reduced copy of each face and its surroundings is kept in memory, so that
    no JPEG is read while training.  Faces of a packed cache are taken as they are
    and stay in their file.

    Args:
        samples: the faces.
        recipe: crop, augmentation and cache.
        augment: a preset of :func:`facekp.transforms.preset`, or a list as in a recipe.
        seed: sample i of epoch e is the same whatever the workers.
        doubled: behind the N samples come their N mirror images, left and right swapped.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        recipe: KeypointRecipe,
        augment: str | list[dict[str, Any]],
        seed: int = 0,
        *,
        doubled: bool = False,
    ) -> None:
        self.samples = [_kept(s, recipe) for s in samples]
        crop = transforms.CropToBox(recipe.crop.size, recipe.crop.scale, recipe.crop.box)
        self.transform = pipeline(augment, crop)
        self.mirrored = transforms.Compose([transforms.Mirror(p=1), self.transform]) if doubled else None
        self.clahe, self.grey = recipe.pixels.clahe, recipe.grey
        self.seed, self.epoch = seed, 0

    def __len__(self) -> int:
        return len(self.samples) * (1 if self.mirrored is None else 2)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return _tensors(self.view(index))

    def view(self, index: int) -> Sample:
        """The crop as a sample."""
        rng, count = np.random.default_rng((self.seed, self.epoch, index)), len(self.samples)
        transform = self.transform if index < count or self.mirrored is None else self.mirrored
        crop = transform(self.samples[index % count], rng)
        return replace(crop, pixels=equalised(crop.image, self.clahe, grey=self.grey)) if self.clahe else crop


def _tensors(view: Sample) -> tuple[Tensor, Tensor]:
    image = np.ascontiguousarray(view.image.transpose(2, 0, 1))
    return torch.from_numpy(image), torch.from_numpy(np.ascontiguousarray(view.keypoints))


class Held(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Crops with the face's box ``(4,)`` in crop pixels, by which errors are divided where nothing else can be.

    Where the face has none, that is the crop's.  :data:`FILLER` is a face without labels.
    """

    def __init__(self, crops: CropDataset) -> None:
        self.crops = crops

    def __len__(self) -> int:
        return len(self.crops)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        view = self.crops.view(max(index, 0))
        image, points = _tensors(view)
        box = view.box if (view.box[2:] > view.box[:2]).any() else geometry.image_box(view.image.shape[:2])
        known = torch.full_like(points, torch.nan) if index == FILLER else points
        return image, known, torch.from_numpy(np.array(box, np.float32))


def _kept(sample: Sample, recipe: KeypointRecipe) -> Sample:
    """The sample with its face's surroundings, shrunk to the cache's size."""
    if isinstance(sample, PackedSample) and sample.packing is not None:
        return sample  # cutting it again could only lose
    if recipe.crop.box == "full":
        return reduced(sample, None, None)[0]
    try:
        return reduced(sample, recipe.data.cache_side, recipe.data.cache_scale)[0]
    except ArgumentError as error:
        raise RecipeError(
            f"crop.box: {recipe.crop.box}: {sample.meta.get('name', sample.path)}: {error}; where points span no box "
            "and the set gives none, take crop.box=full; data.leave_out leaves a picture out"
        ) from None


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
    """Training and validation loaders, and the validation samples themselves.

    Raises:
        RecipeError: the data does not go with the recipe; the message names the key.
        DatasetError: the data is missing or wrong.
    """
    train, validation = split(recipe.data)
    check_mirror(recipe, train[0].schema)
    twice = " and their mirror images" if recipe.data.doubled else ""
    log.info("%s: %d faces%s to train on, %d to validate", recipe.name, len(train), twice, len(validation))
    if recipe.data.teacher is not None:
        train = taught(train, recipe.data.teacher)
    for packing in {s.packing for s in (*train, *validation) if isinstance(s, PackedSample)}:
        _check_packing(packing, recipe.crop)
    training = CropDataset(train, recipe, recipe.augment, recipe.seed, doubled=recipe.data.doubled)
    checking = Held(CropDataset(validation, recipe, "none"))
    sampler = EpochSampler(training, recipe.seed, batch_size=recipe.batch_size)
    loader: DataLoader[Any] = DataLoader(
        training,
        recipe.batch_size,
        sampler=sampler,
        drop_last=len(sampler) > recipe.batch_size,
        num_workers=recipe.workers,
        generator=torch.Generator(),  # of its own: a resumed run draws no other noise from the common one
    )
    held: DataLoader[Any] = DataLoader(
        checking, max(recipe.batch_size, 32), sampler=ShareSampler(checking), generator=torch.Generator()
    )
    return loader, held, validation


def check_mirror(recipe: KeypointRecipe, schema: KeypointSchema) -> None:
    """Whether what is to be mirrored can be.

    Raises:
        RecipeError: the schema has no mirror pairs; the message names the key that wants them.
    """
    if schema.mirror is not None:
        return
    if recipe.data.doubled:
        raise RecipeError(f"data.doubled: {schema.name} has no mirror pairs; leave it out, or choose other points")
    if any(isinstance(step, transforms.Mirror) for step in pipeline(recipe.augment).transforms):
        raise RecipeError(f"augment: {schema.name} has no mirror pairs; choose a list of transforms without Mirror")
