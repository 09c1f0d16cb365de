"""ResNet keypoint networks (He et al., "Deep Residual Learning for Image Recognition", CVPR 2016).

Layer names are torchvision's, so that its ImageNet weights load into the trunk;
torchvision itself is imported only for that, because it takes longer to import
than a face takes to find.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ArgumentError, HubError, unknown_name

__all__ = ["HEADS", "BasicBlock", "HeatmapHead", "RegressionHead", "ResNet", "Trunk"]

DEPTHS: dict[int, tuple[int, int, int, int]] = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, inside: int, outside: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or inside != outside:
            self.downsample = nn.Sequential(nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(x)) + shortcut)


class Trunk(nn.Module):
    """The four stages; gives their outputs at strides 4, 8, 16 and 32."""

    channels = (64, 128, 256, 512)

    def __init__(self, depth: int = 18, in_channels: int = 3) -> None:
        super().__init__()
        if depth not in DEPTHS:
            raise unknown_name("ResNet depth", depth, DEPTHS)
        self.conv1 = nn.Conv2d(in_channels, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        inside = 64
        for i, (outside, blocks) in enumerate(zip(self.channels, DEPTHS[depth], strict=True)):
            first = BasicBlock(inside, outside, 1 if i == 0 else 2)
            rest = [BasicBlock(outside, outside) for _ in range(blocks - 1)]
            self.add_module(f"layer{i + 1}", nn.Sequential(first, *rest))
            inside = outside
        _initialise(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        stages = []
        for i in range(4):
            x = self.get_submodule(f"layer{i + 1}")(x)
            stages.append(x)
        return stages

    def load_imagenet(self, depth: int) -> None:
        """Load torchvision's ImageNet weights; a one-channel input gets the sum of the three first filters.

        Raises:
            HubError: they cannot be downloaded.
        """
        from torchvision.models import get_model  # late: 1.6 s

        try:
            state = get_model(f"resnet{depth}", weights="DEFAULT").state_dict()
        except Exception as error:  # urllib, ssl, hash and OS errors: all mean the same to the user
            raise HubError(
                f"ImageNet weights for resnet{depth} could not be downloaded ({error}); "
                "train from scratch with pretrained: false, or run where there is a network"
            ) from error
        state = {k: v for k, v in state.items() if not k.startswith("fc.")}
        if self.conv1.in_channels == 1:
            state["conv1.weight"] = state["conv1.weight"].sum(1, keepdim=True)
        self.load_state_dict(state)


class HeatmapHead(nn.Module):
    """Top-down fusion of the four stages to ``points`` maps at stride 4.

    Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017.
    """

    output = "heatmap"
    stride = 4

    def __init__(self, channels: tuple[int, ...], points: int, width: int = 128) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(nn.Conv2d(c, width, 1, bias=False) for c in channels)
        self.lateral_norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in channels)
        self.fuse = nn.ModuleList(nn.Conv2d(width, width, 3, 1, 1, bias=False) for _ in channels[:-1])
        self.fuse_norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in channels[:-1])
        self.maps = nn.Conv2d(width, points, 1)
        _initialise(self)
        nn.init.normal_(self.maps.weight, std=0.01)

    def forward(self, stages: list[Tensor]) -> Tensor:
        sides = [norm(lateral(x)) for x, lateral, norm in zip(stages, self.laterals, self.lateral_norms, strict=True)]
        top = torch.relu(sides[-1])
        for i in range(len(stages) - 2, -1, -1):
            up = nn.functional.interpolate(top, size=sides[i].shape[-2:], mode="bilinear", align_corners=False)
            top = torch.relu(up + sides[i])
            top = torch.relu(self.fuse_norms[i](self.fuse[i](top)))
        maps: Tensor = self.maps(top)
        return maps


class RegressionHead(nn.Module):
    """Global average, then two fully connected layers: ``2 * points`` normalised coordinates."""

    output = "vector"
    stride = None

    def __init__(self, channels: tuple[int, ...], points: int, width: int = 256) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels[-1], width)
        self.fc2 = nn.Linear(width, 2 * points)
        nn.init.zeros_(self.fc2.weight)
        nn.init.constant_(self.fc2.bias, 0.5)  # start in the middle of the picture

    def forward(self, stages: list[Tensor]) -> Tensor:
        x = stages[-1].mean((-2, -1))
        out: Tensor = self.fc2(torch.relu(self.fc1(x)))
        return out


HEADS: dict[str, type[HeatmapHead] | type[RegressionHead]] = {"heatmap": HeatmapHead, "regression": RegressionHead}


class ResNet(nn.Module):
    """A ResNet trunk and a head.

    Args:
        points: number of keypoints K.
        depth: 18 or 34.
        head: ``"heatmap"``: ``(N, K, H / 4, W / 4)`` logits; ``"regression"``: ``(N, 2 K)``.
        head_width: channels of the head.
        in_channels: 3 for RGB, 1 for grey.
        pretrained: start from torchvision's ImageNet weights (a download).

    Raises:
        ArgumentError: an option out of its choices.
        HubError: the ImageNet weights cannot be had.
    """

    def __init__(
        self,
        points: int,
        *,
        depth: int = 18,
        head: str = "heatmap",
        head_width: int | None = None,
        in_channels: int = 3,
        pretrained: bool = False,
    ) -> None:
        super().__init__()
        if head not in HEADS:
            raise unknown_name("head", head, HEADS)
        if points < 1 or in_channels < 1:
            raise ArgumentError(f"points and in_channels must be positive, got {points} and {in_channels}")
        self.trunk = Trunk(depth, in_channels)
        if pretrained:
            self.trunk.load_imagenet(depth)
        width: dict[str, Any] = {} if head_width is None else {"width": head_width}
        self.head = HEADS[head](Trunk.channels, points, **width)
        self.output = self.head.output
        self.stride = self.head.stride
        self.in_channels = in_channels

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.trunk(x))
        return out


def _initialise(module: nn.Module) -> None:
    for m in module.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
