"""The Lightning module of keypoint networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import decoders, metrics, models
from ..errors import ArgumentError, RecipeError
from ..schema import KeypointSchema
from .averaged import AveragedModule
from .recipe import KeypointRecipe

__all__ = ["KeypointModule", "build", "network_options"]

MEAN, STD = 127.5, 64.0  # pixels → about [-2, 2]; travels in config.json


def build(recipe: KeypointRecipe, points: int, mean_shape: Any = None) -> tuple[torch.nn.Module, decoders.Codec]:
    """The recipe's network and codec, checked to fit each other.

    Args:
        recipe: whose ``network`` and ``codec`` are built.
        points: number of keypoints K.
        mean_shape: ``(K, 2)``, for codecs that want it.

    Raises:
        RecipeError: naming the key that does not fit.
    """
    codec = _codec(recipe, points, mean_shape)
    return models.from_config(network_options(recipe, codec, points)), codec


def network_options(recipe: KeypointRecipe, codec: decoders.Codec, points: int) -> dict[str, Any]:
    """All that :func:`facekp.models.from_config` needs for a network that gives what the codec reads.

    Raises:
        RecipeError: the codec reads another number of points.
    """
    try:
        outputs = codec.channels(points)
    except ArgumentError as error:
        raise RecipeError(f"codec: {error}") from None
    options = _described(recipe, points)
    usual = points if codec.output == "heatmap" else 2 * points
    return options if outputs == usual else options | {"outputs": outputs}


def _described(recipe: KeypointRecipe, points: int) -> dict[str, Any]:
    options: dict[str, Any] = {"points": points, **recipe.network}
    if options.get("head") == "simcc":
        options.setdefault("input_size", list(recipe.crop.size))
    return options


def _codec(recipe: KeypointRecipe, points: int, mean_shape: Any) -> decoders.Codec:
    described = _described(recipe, points)
    with torch.device("meta"):  # only to ask what it gives, and at which stride
        sketch = models.from_config({k: v for k, v in described.items() if k != "pretrained"})
    gives, stride = getattr(sketch, "output", None), getattr(sketch, "stride", None)
    kind = decoders.CODECS.get(str(recipe.codec["name"]))
    if kind is not None and gives is not None and kind.output != gives:
        fits = [name for name, codec in decoders.CODECS.items() if codec.output == gives]
        raise RecipeError(
            f"codec.name: {kind.name} reads a {kind.output}, but the network gives a {gives}; "
            f"choose one of: {', '.join(fits)}"
        )
    options: dict[str, Any] = {"input_size": recipe.crop.size, **recipe.codec}
    if kind is not None and kind.uses_mean_shape and mean_shape is not None:
        options.setdefault("mean_shape", mean_shape)
    if stride is not None:
        height, width = recipe.crop.size
        if height % 32 or width % 32:
            raise RecipeError(f"crop.size: {recipe.crop.size} must be multiples of 32 for a heatmap head")
        options.setdefault("heatmap_size", (height // stride, width // stride))
    try:
        return decoders.from_config(options)
    except ArgumentError as error:
        raise RecipeError(f"codec: {error}") from None


def normalize(images: Tensor) -> Tensor:
    """uint8 ``(N, 3, H, W)`` → the float that networks see, channels last."""
    return images.float().sub_(MEAN).div_(STD).contiguous(memory_format=torch.channels_last)


class KeypointModule(AveragedModule):
    """Trains a keypoint network; validates by NME."""

    def __init__(self, recipe: KeypointRecipe, schema: KeypointSchema) -> None:
        network, codec = build(recipe, len(schema), schema.mean_shape)
        super().__init__(recipe, network)
        self.schema, self.codec = schema, codec
        self.errors: list[np.ndarray[Any, Any]] = []

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        images, points = batch
        parts = self.codec.loss(self.network(normalize(images)), self.codec.encode(points))
        loss = torch.stack(list(parts.values())).sum()
        self.log_dict({f"train/{k}": v for k, v in parts.items()}, on_epoch=True, on_step=False)
        self.log("train/loss", loss, on_epoch=True, on_step=False)
        return loss

    def on_validation_epoch_start(self) -> None:
        super().on_validation_epoch_start()
        self.errors = []

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        images, truth = batch
        points, _scores = self.codec.decode(self.network(normalize(images)))
        by = metrics.default_normalizer(self.schema)
        self.errors.append(metrics.nme(points.float().cpu().numpy(), truth.cpu().numpy(), self.schema, by))

    def on_validation_epoch_end(self) -> None:
        super().on_validation_epoch_end()
        errors = np.concatenate(self.errors)
        self.log("val/nme", float(np.nanmean(errors)), prog_bar=True)
        self.log("val/failure", metrics.failure_rate(errors))
