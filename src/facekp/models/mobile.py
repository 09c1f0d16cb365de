"""A small network for small machines: MobileNetV2's inverted residuals.

Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018.
"""

from __future__ import annotations

from torch import Tensor, nn

from ..errors import ArgumentError
from . import heads
from .sizes import checked_counts

__all__ = ["InvertedResidual", "MobileNet"]

STAGES = (  # each: rows of (expansion, channels, blocks, stride of the first), at strides 4, 8, 16 and 32
    ((1, 16, 1, 1), (6, 24, 2, 2)),
    ((6, 32, 3, 2),),
    ((6, 64, 4, 2), (6, 96, 2, 1)),
    ((6, 160, 2, 2),),
)
STEM = 32


def _layer(inside: int, outside: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(inside, outside, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(outside)]


class InvertedResidual(nn.Module):
    """Widen by 1x1, filter each channel on its own by 3x3, narrow by 1x1 without an activation; and a shortcut."""

    def __init__(self, inside: int, outside: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inside * expansion
        widen = [] if expansion == 1 else [*_layer(inside, wide), nn.ReLU6(inplace=True)]
        filters = [*_layer(wide, wide, 3, stride, groups=wide), nn.ReLU6(inplace=True)]
        self.conv = nn.Sequential(*widen, *filters, *_layer(wide, outside))
        self.shortcut = stride == 1 and inside == outside

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return x + out if self.shortcut else out


class MobileNet(nn.Module):
    """MobileNetV2's stages, with one block of 96 and one of 160 channels fewer and no 1280-channel layer, and a head.

    Args:
        points: number of keypoints K.
        width: multiplies all channels; they are rounded to multiples of 8.
        head: ``"heatmap"``, ``"regression"``, ``"linear"`` or ``"simcc"``, as :class:`facekp.models.ResNet`'s.
        head_width: channels of the head; by default 64 for ``heatmap`` and ``simcc``, and 256 for ``regression``.
        outputs: how many maps or numbers, where a codec wants others than K or ``2 K``
            (:meth:`facekp.decoders.Codec.channels`).
        stride: of the head's maps: 4, 8, 16 or 32; by default 4 (``heatmap`` and ``simcc``).
        input_size: ``(H, W)`` of the input; ``simcc`` needs it.
        in_channels: 3 for RGB, 1 for grey.

    Raises:
        ArgumentError: an option out of its choices.
    """

    def __init__(
        self,
        points: int,
        *,
        width: float = 1.0,
        head: str = "heatmap",
        head_width: int | None = None,
        outputs: int | None = None,
        stride: int | None = None,
        input_size: tuple[int, int] | None = None,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        checked_counts(points=points, in_channels=in_channels)
        if not width > 0:
            raise ArgumentError(f"width must be positive, got {width}")
        inside = _rounded(STEM * width)
        self.stem = nn.Sequential(*_layer(in_channels, inside, 3, 2), nn.ReLU6(inplace=True))
        self.stages = nn.ModuleList()
        channels = []
        for rows in STAGES:
            blocks: list[nn.Module] = []
            for expansion, usual, count, first in rows:
                outside = _rounded(usual * width)
                for i in range(count):
                    blocks.append(InvertedResidual(inside, outside, first if i == 0 else 1, expansion))
                    inside = outside
            self.stages.append(nn.Sequential(*blocks))
            channels.append(inside)
        heads.initialise(self)
        if head_width is None and head in ("heatmap", "simcc"):
            head_width = 64
        self.head = heads.build(
            head, tuple(channels), points, input_size=input_size, width=head_width, outputs=outputs, stride=stride
        )
        self.output, self.stride, self.in_channels = self.head.output, self.head.stride, in_channels

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        stages = []
        for stage in self.stages:
            x = stage(x)
            stages.append(x)
        out: Tensor = self.head(stages)
        return out


def _rounded(channels: float) -> int:
    """To the nearest multiple of 8, but no more than a tenth lower (MobileNet's own rule)."""
    near = max(8, int(channels + 4) // 8 * 8)
    return near if near >= 0.9 * channels else near + 8
