"""ResNet keypoint networks (He et al., "Deep Residual Learning for Image Recognition", CVPR 2016).

Layer names are torchvision's, so that its ImageNet weights load into the trunk;
torchvision itself is imported only for that, because it takes longer to import
than a face takes to find.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import ArgumentError, HubError, unknown_name
from .heads import HEADS, initialise

__all__ = ["BasicBlock", "ResNet", "Trunk"]

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
        initialise(self)

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


class ResNet(nn.Module):
    """A ResNet trunk and a head.

    Args:
        points: number of keypoints K.
        depth: 18 or 34.
        head: ``"heatmap"``: maps ``(N, K, H / stride, W / stride)``; ``"regression"``: ``(N, 2 K)``;
            ``"simcc"``: ``(N, K L)``, L bins of columns and rows.
        head_width: channels of the head.
        outputs: how many maps or numbers, where a codec wants others than those
            (:meth:`facekp.decoders.Codec.channels`).
        stride: of the head's maps: 4, 8, 16 or 32; by default 4 (``heatmap`` and ``simcc``).
        input_size: ``(H, W)`` of the input (``simcc`` only, which needs it).
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
        outputs: int | None = None,
        stride: int | None = None,
        input_size: tuple[int, int] | None = None,
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
        given = {"width": head_width, "outputs": outputs, "stride": stride, "input_size": input_size}
        self.head = HEADS[head](Trunk.channels, points, **{k: v for k, v in given.items() if v is not None})
        self.output = self.head.output
        self.stride = self.head.stride
        self.in_channels = in_channels

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.trunk(x))
        return out
