"""The finder's network: a small one-class, anchor-free detector.

A narrow residual trunk (He et al., CVPR 2016) gives maps at strides 8, 16 and 32; a top-down path adds the coarse ones
to the fine ones (Lin et al., "Feature Pyramid Networks", CVPR 2017); one head, shared by the three, says for every
point of every map whether a face is centred there, how far its box's four sides are (Tian et al., "FCOS", ICCV 2019)
and, where it was trained to, by how much the face is turned.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import ArgumentError

__all__ = ["DEFAULT_SPEC", "STRIDES", "FinderNetwork", "create"]

#: Input pixels per cell of the three maps.
STRIDES = (8, 16, 32)
#: What :func:`create` builds unless told otherwise.
DEFAULT_SPEC: dict[str, Any] = {
    "type": "pyramid",
    "stem": 24,
    "channels": [32, 80, 160],
    "depths": [2, 4, 4],
    "neck": 48,
    "head": 1,
    "light": True,
    "angle": True,
}
_OPTIONAL = ("light", "angle", "kernel")
_STEP = 4  # of the stem
_KERNELS = (4, 7)
_PRIOR = 0.01  # the share of points that hold a face before anything is learnt: keeps the first steps calm
_LOG_LIMIT = 5.0  # distances up to exp(5) = 148 strides: far beyond any picture, and finite in half precision


class _ConvNorm(nn.Sequential):
    """Convolution, batch normalisation and (unless told otherwise) ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1, act: bool = True):
        padding = kernel // 2 if kernel % 2 else (kernel - stride) // 2
        layers: list[nn.Module] = [
            nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False),
            nn.BatchNorm2d(outputs),
        ]
        if act:
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)


class _Block(nn.Module):
    """A 3 x 3 convolution; with a shortcut where the shapes allow it.

    So narrow, a dense convolution costs a CPU no more time than a depthwise-separable pair, and sees more.
    """

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1) -> None:
        super().__init__()
        self.conv = _ConvNorm(inputs, outputs, 3, stride=stride, act=False)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return F.relu(x + y if self.shortcut else y)


class _Separable(nn.Module):
    """Depthwise 3 x 3, then 1 x 1, with a shortcut: few parameters, and half the time of a 3 x 3 in ONNX Runtime."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = _ConvNorm(channels, channels, 3, groups=channels)
        self.pointwise = _ConvNorm(channels, channels, 1, act=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.pointwise(self.depthwise(x)))


def _same(channels: int, *, light: bool) -> nn.Module:
    return _Separable(channels) if light else _Block(channels, channels)


def _stage(inputs: int, outputs: int, depth: int, *, light: bool) -> nn.Sequential:
    rest = (_same(outputs, light=light) for _ in range(depth - 1))
    return nn.Sequential(_Block(inputs, outputs, stride=2), *rest)


class FinderNetwork(nn.Module):
    """Pictures in, one row per point of the three maps out.

    Args:
        stem: channels at stride 4.
        channels: channels of the three stages, strides 8, 16 and 32.
        depths: blocks in each of the three stages.
        neck: channels of the top-down path and of the head.
        head: blocks in the shared head.
        light: all blocks but those that halve the map are depthwise-separable, not only those of the last stage.
        angle: also tell by how much each face is turned.
        kernel: of the stem, 4 or 7: with 7 its cells overlap, with 4 they take half the time.
    """

    def __init__(
        self,
        stem: int,
        channels: Sequence[int],
        depths: Sequence[int],
        neck: int,
        head: int,
        *,
        light: bool = False,
        angle: bool = False,
        kernel: int = 7,
    ) -> None:
        super().__init__()
        self.strides = STRIDES
        # One large step: maps at full and half resolution would cost more than all the rest.
        self.stem = _ConvNorm(3, stem, kernel, stride=_STEP)
        widths = [stem, *channels]
        last = len(STRIDES) - 1
        self.stages = nn.ModuleList(
            _stage(widths[i], widths[i + 1], depths[i], light=light or i == last) for i in range(len(STRIDES))
        )
        self.lateral = nn.ModuleList(_ConvNorm(c, neck, 1, act=False) for c in channels)
        self.smooth = nn.ModuleList(_same(neck, light=light) for _ in channels)
        self.head = nn.Sequential(*(_same(neck, light=light) for _ in range(head)))
        self.score = nn.Conv2d(neck, 1, 1)
        self.sides = nn.Conv2d(neck, 4, 1)
        self.turn = nn.Conv2d(neck, 2, 1) if angle else None
        self.scales = nn.Parameter(torch.ones(len(STRIDES)))
        nn.init.constant_(self.score.bias, -math.log(1 / _PRIOR - 1))  # type: ignore[arg-type]
        nn.init.normal_(self.score.weight, std=0.01)
        nn.init.normal_(self.sides.weight, std=0.01)
        nn.init.constant_(self.sides.bias, math.log(2))  # type: ignore[arg-type]
        if self.turn is not None:
            nn.init.normal_(self.turn.weight, std=0.01)
            nn.init.zeros_(self.turn.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        """Score and box of every point.

        Args:
            images: ``(N, 3, H, W)`` normalised RGB, H and W multiples of 32.

        Returns:
            ``(N, P, 5)`` float32: a score logit, then the distances (left, top, right, bottom), all positive, in input
            pixels, from the point to the sides of the face's box, turned back about its centre; with ``angle``
            ``(N, P, 7)``: then a vector that points towards (cos, sin) of the angle by which the face is turned
            clockwise.  The P points are those of the stride-8 map row by row, then of the stride-16, then of the
            stride-32 map: see :func:`facekp.finder.targets.grid`.
        """
        maps = []
        x = self.stem(images)
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        top: Tensor | None = None
        rows: list[Tensor] = []
        for level in reversed(range(len(maps))):
            y = self.lateral[level](maps[level])
            if top is not None:
                y = y + F.interpolate(top, scale_factor=2.0, mode="nearest")
            top = self.smooth[level](y)
            rows.append(self._rows(top, level))
        return torch.cat(rows[::-1], 1)

    def _rows(self, feature: Tensor, level: int) -> Tensor:
        y = self.head(feature)
        # Scores and distances in float32 also under autocast: half of a pixel's precision would be lost.
        logit = self.score(y).float()
        raw = self.sides(y).float() * self.scales[level]
        parts = [logit, torch.exp(raw.clamp(-_LOG_LIMIT, _LOG_LIMIT)) * self.strides[level]]
        if self.turn is not None:
            parts.append(self.turn(y).float())
        return torch.cat(parts, 1).flatten(2).transpose(1, 2)


def create(spec: Mapping[str, Any] | None = None) -> FinderNetwork:
    """Build the network from its spec, the ``network`` part of a finder's ``config.json``.

    Raises:
        ArgumentError: an unknown type, or a wrong or missing key.
    """
    spec = dict(DEFAULT_SPEC if spec is None else spec)
    kind = spec.pop("type", "pyramid")
    if kind != "pyramid":
        raise ArgumentError(f"unknown finder network {kind!r}; choose one of: pyramid")
    expected = set(DEFAULT_SPEC) - {"type", *_OPTIONAL}
    if set(spec) - set(_OPTIONAL) != expected:
        optional = ", ".join(sorted(_OPTIONAL))
        raise ArgumentError(
            f"finder network: expected the keys {sorted(expected)}, and perhaps {optional}; got {sorted(spec)}"
        )
    for key in ("light", "angle"):
        if not isinstance(spec.get(key, False), bool):
            raise ArgumentError(f"finder network: {key} must be true or false, got {spec[key]!r}")
    kernel = spec.get("kernel", 7)
    if not isinstance(kernel, int) or kernel not in _KERNELS:
        raise ArgumentError(f"finder network: kernel must be 4 or 7, got {kernel!r}")
    for key in ("channels", "depths"):
        count = len(STRIDES)
        if not isinstance(spec[key], list | tuple) or len(spec[key]) != count or min(spec[key]) < 1:
            raise ArgumentError(
                f"finder network: {key} must be a list of {count} positive whole numbers, got {spec[key]!r}"
            )
    return FinderNetwork(**spec)
