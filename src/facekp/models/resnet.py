"""ResNet keypoint networks (He et al., "Deep Residual Learning for Image Recognition", CVPR 2016).

Layer names are torchvision's, so that its ImageNet weights load into the trunk;
torchvision itself is imported only for that, because it takes longer to import
than a face takes to find.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..errors import ArgumentError, HubError, unknown_name
from . import heads
from .sizes import checked_counts

__all__ = ["BasicBlock", "Bottleneck", "ResNet", "Trunk"]

IMAGENET = (18, 34, 50)  # the depths of which torchvision has weights
WIDTHS = (64, 128, 256, 512)
FIRST_STRIDES = (1, 2, 4)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    expansion = 1

    def __init__(self, inside: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _downsample(inside, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(x)) + shortcut)


class Bottleneck(nn.Module):
    """1x1, 3x3 (which has the stride, as torchvision's) and 1x1 convolution, and a shortcut."""

    expansion = 4

    def __init__(self, inside: int, width: int, stride: int = 1) -> None:
        super().__init__()
        outside = width * self.expansion
        self.conv1 = nn.Conv2d(inside, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outside, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outside)
        self.downsample = _downsample(inside, outside, stride)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(self.bn2(self.conv2(x)))
        return torch.relu(self.bn3(self.conv3(x)) + shortcut)


def _downsample(inside: int, outside: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and inside == outside:
        return None
    return nn.Sequential(nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside))


DEPTHS: dict[int, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, int, int, int]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    26: (BasicBlock, (2, 3, 4, 3)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
}


class Trunk(nn.Module):
    """The first convolution and the four stages.

    Args:
        depth: 18, 26 (basic blocks 2-3-4-3), 34 or 50.
        in_channels: 3 for RGB, 1 for grey.
        first_kernel: side of the first convolution's filters, odd.
        first_stride: of the first convolution.
        first_pool: whether a 3x3 max-pool of stride 2 follows it.
        widths: of the four stages' 3x3 convolutions; the first convolution has as many channels as the first.

    Attributes:
        channels: of the four stages.
        strides: of the four stages: 4, 8, 16 and 32 unless the first layers are told otherwise.
    """

    def __init__(
        self,
        depth: int = 18,
        in_channels: int = 3,
        *,
        first_kernel: int = 7,
        first_stride: int = 2,
        first_pool: bool = True,
        widths: Sequence[int] = WIDTHS,
    ) -> None:
        super().__init__()
        if depth not in DEPTHS:
            raise unknown_name("ResNet depth", depth, DEPTHS)
        strided = type(first_stride) is int and first_stride in FIRST_STRIDES
        if first_kernel < 1 or first_kernel % 2 == 0 or not strided:
            raise ArgumentError(
                f"first_kernel must be odd and first_stride 1, 2 or 4, got {first_kernel} and {first_stride}"
            )
        if len(widths) != 4 or min(widths) < 1:
            raise ArgumentError(f"widths: expected four positive numbers, one for each stage; got {widths!r}")
        block, counts = DEPTHS[depth]
        self.depth, self.widths = depth, tuple(widths)
        self.channels = tuple(block.expansion * width for width in self.widths)
        self.strides = tuple(first_stride * (2 if first_pool else 1) * 2**i for i in range(4))
        inside = self.widths[0]
        self.conv1 = nn.Conv2d(in_channels, inside, first_kernel, first_stride, first_kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(inside)
        self.maxpool = nn.MaxPool2d(3, 2, 1) if first_pool else nn.Identity()
        for i, (count, width) in enumerate(zip(counts, self.widths, strict=True)):
            stride = 1 if i == 0 else 2
            first = block(inside, width, stride)
            inside = block.expansion * width
            self.add_module(f"layer{i + 1}", nn.Sequential(first, *(block(inside, width) for _ in range(count - 1))))
        heads.initialise(self)

    def stem(self, x: Tensor) -> Tensor:
        """The first convolution's answer, before the pooling."""
        return torch.relu(self.bn1(self.conv1(x)))

    def stages(self, stem: Tensor) -> list[Tensor]:
        """The four stages' outputs, from the stem's."""
        x = self.maxpool(stem)
        stages = []
        for i in range(4):
            x = self.get_submodule(f"layer{i + 1}")(x)
            stages.append(x)
        return stages

    def forward(self, x: Tensor) -> list[Tensor]:
        return self.stages(self.stem(x))

    def load_imagenet(self) -> None:
        """Load torchvision's ImageNet weights; a one-channel input gets the sum of the three first filters.

        A first convolution of another kernel or number of channels keeps its random weights.

        Raises:
            ArgumentError: there are none for this depth.
            HubError: they cannot be downloaded.
        """
        if self.widths != WIDTHS:
            raise ArgumentError(f"pretrained: there are ImageNet weights for widths {WIDTHS}, not for {self.widths}")
        if self.depth not in IMAGENET:
            choices = ", ".join(map(str, IMAGENET))
            raise ArgumentError(f"pretrained: there are ImageNet weights for depth {choices}, not for {self.depth}")
        from torchvision.models import get_model  # late: 1.6 s

        try:
            state = get_model(f"resnet{self.depth}", weights="DEFAULT").state_dict()
        except Exception as error:  # urllib, ssl, hash and OS errors: all mean the same to the user
            raise HubError(
                f"ImageNet weights for resnet{self.depth} could not be downloaded ({error}); "
                "train from scratch with pretrained: false, or run where there is a network"
            ) from error
        state = {k: v for k, v in state.items() if not k.startswith("fc.")}
        if self.conv1.in_channels == 1:
            state["conv1.weight"] = state["conv1.weight"].sum(1, keepdim=True)
        if state["conv1.weight"].shape != self.conv1.weight.shape:
            state["conv1.weight"] = self.conv1.weight.detach()
        self.load_state_dict(state)


class ResNet(nn.Module):
    """A ResNet trunk and a head.

    Args:
        points: number of keypoints K.
        depth: 18, 26 (basic blocks 2-3-4-3), 34 or 50 (bottlenecks).
        head: ``"heatmap"``: maps ``(N, K, H / stride, W / stride)``; ``"regression"``: ``(N, 2 K)`` by two
            fully connected layers; ``"linear"``: ``(N, 2 K)`` by one; ``"simcc"``: ``(N, K L)``, L bins of
            columns and rows.
        head_width: channels of the head (``linear`` has none).
        outputs: how many maps or numbers, where a codec wants others than those
            (:meth:`facekp.decoders.Codec.channels`).
        stride: of the head's maps, one of the trunk's strides; by default the finest, 4 (``heatmap`` and ``simcc``).
        input_size: ``(H, W)`` of the input; ``simcc`` needs it.
        in_channels: 3 for RGB, 1 for grey.
        first_kernel: side of the first convolution's filters, odd.
        first_stride: of the first convolution, 1, 2 or 4; with 1 the trunk's strides are half as large, and with 4
            and no pooling they are what they are with 2.
        first_pool: whether a 3x3 max-pool of stride 2 follows it; without, the strides are half as large.
        widths: of the four stages' 3x3 convolutions: narrow ones make a network for small machines.
        pretrained: start from torchvision's ImageNet weights (a download; depth 18, 34 and 50).

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
        first_kernel: int = 7,
        first_stride: int = 2,
        first_pool: bool = True,
        widths: Sequence[int] = WIDTHS,
        pretrained: bool = False,
    ) -> None:
        super().__init__()
        checked_counts(points=points, in_channels=in_channels)
        self.trunk = Trunk(
            depth,
            in_channels,
            first_kernel=first_kernel,
            first_stride=first_stride,
            first_pool=first_pool,
            widths=widths,
        )
        if pretrained:
            self.trunk.load_imagenet()
        self.head = heads.build(
            head,
            self.trunk.channels,
            points,
            strides=self.trunk.strides,
            input_size=input_size,
            width=head_width,
            outputs=outputs,
            stride=stride,
        )
        self.output = self.head.output
        self.stride = self.head.stride
        self.in_channels = in_channels

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.trunk(x))
        return out
