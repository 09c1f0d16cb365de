"""Plain convolutional networks: convolutions one after another, then fully connected layers.

LeNet (LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998), AlexNet- and VGG-style
networks (Simonyan and Zisserman, ICLR 2015) and those of every course on keypoints are of this kind.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from ..errors import ArgumentError, unknown_name
from .sizes import checked_counts, checked_size, per_layer

__all__ = ["SimpleCNN"]

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "elu": nn.ELU,
    "leaky_relu": lambda: nn.LeakyReLU(0.1),
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
}
POOLS: dict[str, Callable[[int], nn.Module]] = {"average": nn.AvgPool2d, "max": nn.MaxPool2d}
PLACES = ("features", "hidden", "output")


class SimpleCNN(nn.Module):
    """Convolutions with activations and pooling, and fully connected layers, from a specification.

    What is said per layer is one value for all convolutions, or a list with one for each.  The order in a layer is
    convolution, batch norm (where asked for), activation, pooling.

    The answer is ``(N, 2 K)``: x and y of each point in turn, as :class:`facekp.decoders.Regression` reads it.

    Args:
        points: number of keypoints K.
        input_size: ``(H, W)`` of the input: the fully connected layers need it.
        channels: of each convolution.
        kernels: side of the filters, per layer.
        strides: of the convolutions, per layer.
        padding: per layer: ``"valid"`` or 0: none; ``"same"``: the size stays (is divided by the stride,
            rounded up); or pixels on each side.
        pool: side and stride of the pooling, per layer; 0 is none.
        pool_kind: ``"max"`` or ``"average"``.
        hidden: numbers of the fully connected layers before the last one.
        dropout: share of numbers that training sets to 0.
        dropout_at: where: ``"features"``: after the pooling of every convolution; ``"hidden"``: after the activation
            of every hidden layer; ``"output"``: after the last layer, on the coordinates themselves (as some have
            published it; it makes training noisier and learns nothing more); or a list of these.
        activation: ``"relu"``, ``"leaky_relu"`` (slope 0.1), ``"elu"``, ``"tanh"`` or ``"sigmoid"``.
        batch_norm: normalise after every convolution.
        in_channels: 3 for RGB, 1 for grey.
        outputs: how many numbers, where a codec wants others than ``2 K`` (:meth:`facekp.decoders.Codec.channels`).

    Raises:
        ArgumentError: an option out of its choices, a list of the wrong length, or layers that leave nothing of an
            input of this size.
    """

    output = "vector"
    stride = None

    def __init__(
        self,
        points: int,
        *,
        input_size: tuple[int, int],
        channels: Sequence[int] = (16, 32, 64),
        kernels: int | Sequence[int] = 3,
        strides: int | Sequence[int] = 1,
        padding: str | int | Sequence[str | int] = "valid",
        pool: int | Sequence[int] = 2,
        pool_kind: str = "max",
        hidden: Sequence[int] = (128,),
        dropout: float = 0.0,
        dropout_at: str | Sequence[str] = "hidden",
        activation: str = "relu",
        batch_norm: bool = False,
        in_channels: int = 3,
        outputs: int | None = None,
    ) -> None:
        super().__init__()
        checked_counts(points=points, in_channels=in_channels)
        if not channels or min(channels) < 1 or min(hidden, default=1) < 1:
            raise ArgumentError(f"channels and hidden must be lists of positive numbers, got {channels!r}, {hidden!r}")
        self.input_size, self.in_channels = checked_size(input_size), in_channels
        style = _Style.checked(activation, pool_kind, batch_norm, dropout, dropout_at)
        specs = _specs(channels, kernels, strides, padding, pool)
        self.features, size = _features(specs, self.input_size, in_channels, style)
        numbers = [channels[-1] * size[0] * size[1], *hidden, outputs or 2 * points]
        self.classifier = _classifier(numbers, style)
        self._initialise()

    def forward(self, x: Tensor) -> Tensor:
        if tuple(x.shape[-2:]) != self.input_size:
            raise ArgumentError(
                f"this network's input_size is {self.input_size}, got a batch of pictures of {tuple(x.shape[-2:])}"
            )
        out: Tensor = self.classifier(torch.flatten(self.features(x), 1))
        return out

    def _initialise(self) -> None:
        for m in self.modules():
            if isinstance(m, nn.Conv2d | nn.Linear) and m.bias is not None:
                nn.init.kaiming_normal_(m.weight, nonlinearity="relu")
                nn.init.zeros_(m.bias)
        last = [m for m in self.classifier if isinstance(m, nn.Linear)][-1]
        nn.init.zeros_(last.weight)
        nn.init.constant_(last.bias, 0.5)  # coordinates start in the middle of the picture


@dataclass(frozen=True, slots=True)
class _Style:
    """What all layers share."""

    activation: Callable[[], nn.Module]
    pool: Callable[[int], nn.Module]
    batch_norm: bool
    dropout: dict[str, float]

    @classmethod
    def checked(
        cls, activation: str, pool_kind: str, batch_norm: bool, dropout: float, dropout_at: str | Sequence[str]
    ) -> _Style:
        if activation not in ACTIVATIONS:
            raise unknown_name("activation", activation, ACTIVATIONS)
        if pool_kind not in POOLS:
            raise unknown_name("pool_kind", pool_kind, POOLS)
        places = [dropout_at] if isinstance(dropout_at, str) else list(dropout_at)
        if wrong := [place for place in places if place not in PLACES]:
            raise unknown_name("dropout_at", wrong[0], PLACES)
        if not 0 <= dropout < 1:
            raise ArgumentError(f"dropout: expected a share of at least 0 and under 1, got {dropout!r}")
        rates = {place: dropout if place in places else 0.0 for place in PLACES}
        return cls(ACTIVATIONS[activation], POOLS[pool_kind], batch_norm, rates)


class _Layer:
    """One convolution's own numbers."""

    def __init__(self, channels: int, kernel: int, stride: int, padding: str | int, pool: int) -> None:
        known = padding in ("valid", "same") if isinstance(padding, str) else padding >= 0
        if min(kernel, stride) < 1 or pool < 0 or not known:
            raise ArgumentError(
                "kernels and strides must be positive, pool 0 (none) or more, padding 'valid', 'same' or pixels; "
                f"got kernel {kernel!r}, stride {stride!r}, pool {pool!r}, padding {padding!r}"
            )
        self.channels, self.kernel, self.stride, self.pool = channels, kernel, stride, pool
        around = kernel - 1 if padding == "same" else 0 if padding == "valid" else 2 * int(padding)
        self.before, self.after = around // 2, around - around // 2  # an even kernel's padding is lopsided

    def side(self, side: int) -> int:
        """A picture's side after this layer."""
        left = (side + self.before + self.after - self.kernel) // self.stride + 1
        return left // self.pool if self.pool > 1 else left

    def __str__(self) -> str:
        return f"kernel {self.kernel}, pool {self.pool}"


def _specs(channels: Sequence[int], *options: object) -> list[_Layer]:
    names = ("kernels", "strides", "padding", "pool")
    columns = [per_layer(value, len(channels), name) for name, value in zip(names, options, strict=True)]
    return [_Layer(*row) for row in zip(channels, *columns, strict=True)]


def _features(
    specs: Sequence[_Layer], size: tuple[int, int], inside: int, style: _Style
) -> tuple[nn.Sequential, tuple[int, int]]:
    """The convolutions, and the size that they leave."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    whole = size
    for i, spec in enumerate(specs, 1):
        even = spec.before == spec.after
        if not even:
            layers[f"pad{i}"] = nn.ZeroPad2d((spec.before, spec.after) * 2)
        layers[f"conv{i}"] = nn.Conv2d(inside, spec.channels, spec.kernel, spec.stride, spec.before if even else 0)
        if style.batch_norm:
            layers[f"norm{i}"] = nn.BatchNorm2d(spec.channels)
        layers[f"act{i}"] = style.activation()
        if spec.pool > 1:
            layers[f"pool{i}"] = style.pool(spec.pool)
        if rate := style.dropout["features"]:
            layers[f"drop{i}"] = nn.Dropout(rate)
        inside, size = spec.channels, (spec.side(size[0]), spec.side(size[1]))
        if min(size) < 1:
            raise ArgumentError(
                f"input_size {whole}: nothing is left of it after convolution {i} ({spec}); take fewer or smaller "
                "kernels, less pooling, padding: same, or a larger input"
            )
    return nn.Sequential(layers), size


def _classifier(numbers: Sequence[int], style: _Style) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for i, (inside, outside) in enumerate(pairwise(numbers), 1):
        layers[f"fc{i}"] = nn.Linear(inside, outside)
        last = i == len(numbers) - 1
        if not last:
            layers[f"act{i}"] = style.activation()
        if rate := style.dropout["output" if last else "hidden"]:
            layers[f"drop{i}"] = nn.Dropout(rate)
    return nn.Sequential(layers)
