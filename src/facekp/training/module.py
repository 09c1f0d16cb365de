"""The Lightning module of keypoint networks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .. import decoders, metrics
from .. import schema as schemas
from ..errors import ArgumentError, RecipeError
from ..metrics.gathering import Mean
from ..preprocessing import network_input
from ..schema import KeypointSchema
from . import networks
from .averaged import AveragedModule
from .data import check_mirror
from .init import start
from .recipe import KeypointRecipe
from .split import layout

__all__ = ["KeypointModule", "build", "check", "inputs", "network_options"]


def check(recipe: KeypointRecipe) -> None:
    """What can be known of network and codec before any data is read.

    Raises:
        RecipeError: naming the key that does not fit.
    """
    # Where only the sets can tell how many points there are, any layout shows whether the kinds fit.
    known = layout(recipe.data)
    points = known or schemas.get("ibug68")
    _codec(recipe, len(points), points.mean_shape)
    if known is not None:
        check_mirror(recipe, known)


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
    options = network_options(recipe, codec, points)
    given, wanted = networks.sketch(options, recipe.crop.size).shape[0], codec.channels(points)
    if given != wanted:
        raise RecipeError(f"network: {options['name']} gives {given} channels, but codec {codec.name} reads {wanted}")
    return networks.create(options), codec


def network_options(recipe: KeypointRecipe, codec: decoders.Codec, points: int) -> dict[str, Any]:
    """All that :func:`facekp.models.from_config` needs for a network that gives what the codec reads.

    Raises:
        RecipeError: the codec reads another number of points.
    """
    try:
        outputs = codec.channels(points)
    except ArgumentError as error:
        raise RecipeError(f"codec: {error}") from None
    options = networks.described(recipe, points)
    usual = points if codec.output == "heatmap" else 2 * points
    return options if outputs == usual else options | {"outputs": outputs}


def _codec(recipe: KeypointRecipe, points: int, mean_shape: Any) -> decoders.Codec:
    sketch = networks.sketch(networks.described(recipe, points), recipe.crop.size)
    kind = decoders.CODECS.get(str(recipe.codec["name"]))
    if kind is not None and kind.output != sketch.output:
        fits = [name for name, codec in decoders.CODECS.items() if codec.output == sketch.output]
        raise RecipeError(
            f"codec.name: {kind.name} reads a {kind.output}, but the network gives a {sketch.output}; "
            f"choose one of: {', '.join(fits)}"
        )
    follows: dict[str, Any] = {"input_size": recipe.crop.size}
    if sketch.output == "heatmap":
        follows["heatmap_size"] = _map_size(recipe.crop.size, sketch.shape[1:])
    for key, value in follows.items():
        given = recipe.codec.get(key, value)
        if not isinstance(given, (list, tuple)) or tuple(given) != tuple(value):
            raise RecipeError(f"codec.{key}: {given} is not the network's {tuple(value)}; leave it out")
    options: dict[str, Any] = recipe.codec | follows
    if kind is not None and kind.uses_mean_shape and mean_shape is not None:
        options.setdefault("mean_shape", mean_shape)
    try:
        return decoders.from_config(options)
    except ArgumentError as error:
        raise RecipeError(f"codec: {error}") from None


def _map_size(size: tuple[int, int], maps: tuple[int, ...]) -> tuple[int, ...]:
    if size[0] * maps[1] != size[1] * maps[0]:
        stride = -(-size[0] // maps[0])
        raise RecipeError(f"crop.size: {size} gives maps {maps} of another shape; choose multiples of {stride}")
    return maps


def inputs(images: Tensor, recipe: KeypointRecipe) -> Tensor:
    """Crops of a :class:`facekp.training.data.CropDataset` → the float that the network sees, channels last."""
    seen = network_input(images, recipe.pixels.mean, recipe.pixels.std, grey=recipe.grey)
    return seen.contiguous(memory_format=torch.channels_last)


class PointMean(Mean):
    """The mean over labelled points of batches' means; NaN where one of them is."""

    def update(self, mean: Tensor, count: Tensor) -> None:
        """Take a batch's mean, and of how many points it is."""
        self.total = self.total + (mean.float() * count).to(self.total)
        self.count = self.count + count.to(self.count)


class KeypointModule(AveragedModule):
    """Trains a keypoint network; validates by NME, and by the loss that it is trained with."""

    def __init__(self, recipe: KeypointRecipe, schema: KeypointSchema) -> None:
        network, codec = build(recipe, len(schema), schema.mean_shape)
        if recipe.init is not None:
            start(recipe, network, codec, schema)
        super().__init__(recipe, network)
        self.schema, self.codec, self.options = schema, codec, recipe
        self.nme, self.failure = metrics.NME(schema=schema), metrics.FailureRate(schema=schema)
        self.held_loss = PointMean()

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        images, points = batch
        parts = self.codec.loss(self.network(inputs(images, self.options)), self.codec.encode(points))
        loss = _sum(parts)
        self.log_dict({f"train/{k}": v for k, v in parts.items()}, on_epoch=True, on_step=False, sync_dist=True)
        self.log("train/loss", loss, on_epoch=True, on_step=False, sync_dist=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor, Tensor], _: int) -> None:
        images, truth, boxes = batch
        output = self.network(inputs(images, self.options))
        points, _scores = self.codec.decode(output)
        for metric in (self.nme, self.failure):
            metric.update(points.float(), truth, boxes)
        self._measure_loss(output, truth)

    def _measure_loss(self, output: Tensor, truth: Tensor) -> None:
        """Add the loss of a batch, which counts as much as it has labelled points: that of a filler counts nothing."""
        most = self.options.batch_size  # targets are as large as outputs: no more at once than training has
        for some, points in zip(torch.split(output, most), torch.split(truth, most), strict=True):
            target = self.codec.encode(points)
            self.held_loss.update(_sum(self.codec.loss(some, target)), target["mask"].sum())

    def on_validation_epoch_end(self) -> None:
        super().on_validation_epoch_end()
        found = {"nme": self.nme, "failure": self.failure, "loss": self.held_loss}
        self.conclude({key: float(metric.compute()) for key, metric in found.items()})
        for metric in found.values():
            metric.reset()


def _sum(parts: dict[str, Tensor]) -> Tensor:
    return torch.stack(list(parts.values())).sum()
