"""U-Net keypoint networks.

Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..errors import ArgumentError
from .resnet import Trunk
from .sizes import checked_counts, checked_multiple

__all__ = ["ResNetUNet", "UNet"]


class Stage(nn.Sequential):
    """``convs`` times a 3x3 convolution, batch norm and ReLU."""

    def __init__(self, inside: int, outside: int, convs: int, stride: int = 1) -> None:
        layers: list[nn.Module] = []
        for i in range(convs):
            conv = nn.Conv2d(inside if i == 0 else outside, outside, 3, stride if i == 0 else 1, 1, bias=False)
            nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
            layers += [conv, nn.BatchNorm2d(outside), nn.ReLU(inplace=True)]
        super().__init__(*layers)


class UNet(nn.Module):
    """A plain U-Net: an encoder that halves the size at every level, a decoder that doubles it again, and shortcuts.

    As in the paper, but with padded convolutions and batch norm; and the first
    convolutions may already reduce the picture, so that maps at stride 2 or 4 need no full-size layers.

    Args:
        points: number of keypoints K; the network gives as many maps.
        outputs: how many maps, where a codec wants others than K (:meth:`facekp.decoders.Codec.channels`).
        channels: of each level, from the finest to the coarsest.
        convs: convolutions per level and direction.
        stride: input pixels per map pixel: 1, 2 or 4.
        in_channels: 3 for RGB, 1 for grey.
        input_size: ``(H, W)`` of the input, only to be checked here rather than at the first batch: the sides must be
            multiples of ``stride * 2 ** (len(channels) - 1)``.

    Raises:
        ArgumentError: an option out of its choices, or a size that does not fit.
    """

    output = "heatmap"

    def __init__(
        self,
        points: int,
        *,
        channels: Sequence[int] = (32, 64, 128, 256, 512),
        convs: int = 2,
        stride: int = 1,
        in_channels: int = 3,
        outputs: int | None = None,
        input_size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        widths = tuple(int(c) for c in channels)
        if len(widths) < 2 or min(widths) < 1:
            raise ArgumentError(f"channels: expected two or more positive numbers, got {channels!r}")
        if stride not in (1, 2, 4):
            raise ArgumentError(f"stride: choose 1, 2 or 4, got {stride!r}")
        checked_counts(points=points, in_channels=in_channels, convs=convs)
        self.stride, self.in_channels = stride, in_channels
        self.step = stride * 2 ** (len(widths) - 1)
        if input_size is not None:
            checked_multiple(input_size, self.step, "this U-Net")
        stem = [Stage(in_channels if i == 0 else widths[0], widths[0], 1, 2) for i in range(stride.bit_length() - 1)]
        self.stem = nn.Sequential(*stem)
        first = widths[0] if stem else in_channels
        self.down = nn.ModuleList(Stage(a, b, convs) for a, b in zip((first, *widths[:-1]), widths, strict=True))
        finer = widths[-2::-1]
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, 2) for a, b in zip(widths[:0:-1], finer, strict=True))
        self.fuse = nn.ModuleList(Stage(2 * b, b, convs) for b in finer)
        self.maps = nn.Conv2d(widths[0], outputs or points, 1)
        nn.init.normal_(self.maps.weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        checked_multiple(x.shape[-2:], self.step, "this U-Net")
        x = self.stem(x)
        sides: list[Tensor] = []
        for i, stage in enumerate(self.down):
            x = stage(x if i == 0 else nn.functional.max_pool2d(x, 2))
            sides.append(x)
        for up, fuse, side in zip(self.up, self.fuse, sides[-2::-1], strict=True):
            x = fuse(torch.cat([side, up(x)], 1))
        maps: Tensor = self.maps(x)
        return maps


class ResNetUNet(nn.Module):
    """A U-Net whose encoder is a ResNet.

    The decoder doubles the size step by step, joins what the encoder had at that size, and applies two 3x3
    convolutions; any input size will do.

    Args:
        points: number of keypoints K; the network gives as many maps.
        depth: of the ResNet: 18, 26, 34 or 50.
        outputs: how many maps, where a codec wants others than K (:meth:`facekp.decoders.Codec.channels`).
        channels: of the decoder at strides 16, 8, 4, 2 and 1; those finer than ``stride`` are not used.
        convs: convolutions per step of the decoder.
        stride: input pixels per map pixel: 1, 2 or 4.
        in_channels: 3 for RGB, 1 for grey.
        input_size: ``(H, W)``; taken as other networks take it, and not needed.
        pretrained: start the encoder from torchvision's ImageNet weights (a download; depth 18, 34 and 50).

    Raises:
        ArgumentError: an option out of its choices.
        HubError: the ImageNet weights cannot be had.
    """

    output = "heatmap"

    def __init__(
        self,
        points: int,
        *,
        depth: int = 18,
        outputs: int | None = None,
        channels: Sequence[int] = (256, 128, 64, 32, 16),
        convs: int = 2,
        stride: int = 1,
        in_channels: int = 3,
        input_size: tuple[int, int] | None = None,
        pretrained: bool = False,
    ) -> None:
        super().__init__()
        if stride not in (1, 2, 4):
            raise ArgumentError(f"stride: choose 1, 2 or 4, got {stride!r}")
        if len(channels) != 5 or min(channels) < 1:
            raise ArgumentError(f"channels: expected five positive numbers, for strides 16 to 1; got {channels!r}")
        checked_counts(points=points, in_channels=in_channels, convs=convs)
        self.stride, self.in_channels = stride, in_channels
        self.trunk = Trunk(depth, in_channels)
        if pretrained:
            self.trunk.load_imagenet()
        widths = list(channels[: 6 - stride.bit_length()])
        insides = [self.trunk.channels[-1], *widths[:-1]]
        sides = [*self.trunk.channels[-2::-1], 64, 0]  # the picture itself is not joined
        self.up = nn.ModuleList(Stage(a + s, b, convs) for a, s, b in zip(insides, sides, widths, strict=False))
        self.maps = nn.Conv2d(widths[-1], outputs or points, 1)
        nn.init.normal_(self.maps.weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        stem: Tensor = self.trunk.stem(x)
        stages = self.trunk.stages(stem)
        out = stages[-1]
        for up, side in zip(self.up, (*stages[-2::-1], stem, x), strict=False):
            out = nn.functional.interpolate(out, size=side.shape[-2:], mode="bilinear", align_corners=False)
            out = up(out if side is x else torch.cat([side, out], 1))
        maps: Tensor = self.maps(out)
        return maps
