"""Heads: what turns a trunk's stages into maps or numbers.

A trunk gives its four stages, finest first, each at twice the stride of the one before.
"""

from __future__ import annotations

from inspect import signature
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..errors import ArgumentError, unknown_name

__all__ = ["HEADS", "HeatmapHead", "LinearHead", "RegressionHead", "SimCCHead", "build"]

STRIDES = (4, 8, 16, 32)


class HeatmapHead(nn.Module):
    """Top-down fusion of the stages to maps; at the coarsest stride there is nothing to fuse, only the last stage.

    Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017.

    Args:
        channels: of the four stages.
        points: number of keypoints K.
        width: channels inside the head.
        outputs: number of maps; None is K.
        stride: input pixels per map pixel, one of ``strides``; None is the finest.
        strides: of the four stages.
    """

    output = "heatmap"

    def __init__(
        self,
        channels: tuple[int, ...],
        points: int,
        *,
        width: int = 128,
        outputs: int | None = None,
        stride: int | None = None,
        strides: tuple[int, ...] = STRIDES,
    ) -> None:
        super().__init__()
        stride = strides[0] if stride is None else stride
        if stride not in strides:
            raise unknown_name("stride", stride, strides)
        self.stride, self.first = stride, strides.index(stride)
        used = channels[self.first :]
        self.laterals = nn.ModuleList(nn.Conv2d(c, width, 1, bias=False) for c in used)
        self.lateral_norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in used)
        self.fuse = nn.ModuleList(nn.Conv2d(width, width, 3, 1, 1, bias=False) for _ in used[:-1])
        self.fuse_norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in used[:-1])
        self.maps = nn.Conv2d(width, outputs or points, 1)
        initialise(self)
        nn.init.normal_(self.maps.weight, std=0.01)

    def forward(self, stages: list[Tensor]) -> Tensor:
        pairs = zip(self.laterals, self.lateral_norms, stages[self.first :], strict=True)
        sides = [norm(lateral(x)) for lateral, norm, x in pairs]
        top = torch.relu(sides[-1])
        for i in range(len(sides) - 2, -1, -1):
            up = nn.functional.interpolate(top, size=sides[i].shape[-2:], mode="bilinear", align_corners=False)
            top = torch.relu(up + sides[i])
            top = torch.relu(self.fuse_norms[i](self.fuse[i](top)))
        maps: Tensor = self.maps(top)
        return maps


class RegressionHead(nn.Module):
    """Global average, then two fully connected layers.

    Args:
        channels: of the four stages.
        points: number of keypoints K.
        width: numbers between the two layers.
        outputs: how many numbers; None is the ``2 K`` normalised coordinates.
    """

    output = "vector"
    stride = None

    def __init__(self, channels: tuple[int, ...], points: int, *, width: int = 256, outputs: int | None = None) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels[-1], width)
        self.fc2 = nn.Linear(width, outputs or 2 * points)
        nn.init.zeros_(self.fc2.weight)
        nn.init.constant_(self.fc2.bias, 0.5)  # coordinates start in the middle of the picture

    def forward(self, stages: list[Tensor]) -> Tensor:
        x = stages[-1].mean((-2, -1))
        out: Tensor = self.fc2(torch.relu(self.fc1(x)))
        return out


class LinearHead(nn.Module):
    """Global average, then one fully connected layer.

    Args:
        channels: of the four stages.
        points: number of keypoints K.
        outputs: how many numbers; None is the ``2 K`` normalised coordinates.
    """

    output = "vector"
    stride = None

    def __init__(self, channels: tuple[int, ...], points: int, *, outputs: int | None = None) -> None:
        super().__init__()
        self.fc = nn.Linear(channels[-1], outputs or 2 * points)
        nn.init.zeros_(self.fc.weight)
        nn.init.constant_(self.fc.bias, 0.5)  # as the other head's

    def forward(self, stages: list[Tensor]) -> Tensor:
        out: Tensor = self.fc(stages[-1].mean((-2, -1)))
        return out


class SimCCHead(nn.Module):
    """One map per point, and one linear layer from its pixels to the bins, shared by all points.

    Li et al., "SimCC", ECCV 2022, figure 2.

    Args:
        channels: of the four stages.
        points: number of keypoints K.
        input_size: ``(H, W)`` of the input: the linear layer needs it.
        width: channels inside the head.
        outputs: ``K L``, L bins of columns and rows; None is two bins per pixel.
        stride: of the maps, one of ``strides``; None is the finest.
        strides: of the four stages.

    Raises:
        ArgumentError: there is no input_size, or outputs is no multiple of K.
    """

    output = "vector"
    stride = None

    def __init__(
        self,
        channels: tuple[int, ...],
        points: int,
        *,
        input_size: tuple[int, int] | None = None,
        width: int = 128,
        outputs: int | None = None,
        stride: int | None = None,
        strides: tuple[int, ...] = STRIDES,
    ) -> None:
        super().__init__()
        if input_size is None:
            raise ArgumentError("head simcc: input_size (H, W) is missing")
        height, width_of_input = (int(side) for side in input_size)
        bins, rest = divmod(outputs, points) if outputs else (2 * (height + width_of_input), 0)
        if rest:
            raise ArgumentError(f"head simcc: outputs must be a multiple of {points} points, got {outputs}")
        self.maps = HeatmapHead(channels, points, width=width, stride=stride, strides=strides)
        cells = -(-height // self.maps.stride) * -(-width_of_input // self.maps.stride)
        self.bins = nn.Linear(cells, bins)

    def forward(self, stages: list[Tensor]) -> Tensor:
        out: Tensor = self.bins(self.maps(stages).flatten(2))
        return out.flatten(1)


HEADS: dict[str, Any] = {
    "heatmap": HeatmapHead,
    "linear": LinearHead,
    "regression": RegressionHead,
    "simcc": SimCCHead,
}


def build(
    name: str,
    channels: tuple[int, ...],
    points: int,
    *,
    strides: tuple[int, ...] = STRIDES,
    input_size: tuple[int, int] | None = None,
    width: int | None = None,
    outputs: int | None = None,
    stride: int | None = None,
) -> Any:
    """A head by name, for a trunk's stages.

    Args:
        name: one of :data:`HEADS`.
        channels: of the trunk's stages.
        points: number of keypoints K.
        strides: of the trunk's stages.
        input_size: ``(H, W)``, for the heads that need it.
        width: channels of the head; None leaves it to the head, as of the next two.
        outputs: how many maps or numbers.
        stride: of the maps.

    Raises:
        ArgumentError: unknown name (the choices are listed), or an option out of its choices.
    """
    if name not in HEADS:
        raise unknown_name("head", name, HEADS)
    has = signature(HEADS[name]).parameters
    offered = {"strides": strides, "input_size": input_size}
    asked = {"width": width, "outputs": outputs, "stride": stride}
    given = {k: v for k, v in offered.items() if k in has} | {k: v for k, v in asked.items() if v is not None}
    return HEADS[name](channels, points, **given)


def initialise(module: nn.Module) -> None:
    """He's normal initialisation of all convolutions."""
    for m in module.modules():
        if isinstance(m, nn.Conv2d):
            # torch counts the fan-out of grouped filters as if each reached all outputs; their fan-in is right.
            mode: Literal["fan_in", "fan_out"] = "fan_out" if m.groups == 1 else "fan_in"
            nn.init.kaiming_normal_(m.weight, mode=mode, nonlinearity="relu")
