"""UDP: maps in the frame of unit lengths, read by a Taylor refinement."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..errors import ArgumentError
from .base import Size
from .dark import Dark

__all__ = ["UDP"]


class UDP(Dark):
    """Maps whose corner cells lie on the input's corner pixels.

    Huang et al., "The Devil is in the Details: Delving into Unbiased Data Processing for
    Human Pose Estimation", CVPR 2020: sizes are measured from pixel centre to pixel centre, so
    that the stride is ``(W - 1) / (w - 1)`` (eq. 8) and input pixel 0 is heatmap pixel 0.
    The map is a Gaussian, read as :class:`Dark` reads it, with second derivatives over
    neighbouring cells, as in the authors' code.  (Their other form, a disc with offsets, is
    the codec ``offset`` with ``target="disc"``.)

    Args:
        input_size, heatmap_size, sigma, options: those of :class:`Dark`; sigma is in cells.

    Raises:
        ArgumentError: an option is out of its range.
    """

    name = "udp"
    step = 1

    def __init__(self, input_size: Size, heatmap_size: Size, sigma: float = 2.0, **options: Any) -> None:
        super().__init__(input_size, heatmap_size, sigma, **options)
        if min(self.input_size) <= 1:
            raise ArgumentError(f"udp: input_size must be at least 2 a side, got {input_size}")
        self._pixels = tuple((a - 1) / (b - 1) for a, b in zip(self.input_size, self.heatmap_size, strict=True))[::-1]

    def to_map(self, points: Tensor) -> Tensor:
        return points / points.new_tensor(self._pixels)

    def to_input(self, points: Tensor) -> Tensor:
        return points * points.new_tensor(self._pixels)
