"""For engine: the rules of :mod:`facekp._onnxrules` that move, join and resample numbers."""

# ruff: noqa: PLR0917  (the arguments are those of torch's functions)

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

__all__ = [
    "Writer",
    "cat",
    "flatten",
    "interpolate",
    "mean",
    "narrow",
    "pad",
    "permute",
    "reshape",
    "total",
    "transpose",
    "unsqueeze",
]


class Writer(Protocol):
    """What the rules write to."""

    fixed: bool

    def emit(self, result: Tensor | None, kind: str, inputs: Sequence[Any], **attributes: Any) -> str:
        """Add a node; its output is ``result``, or a name for nodes to come."""

    def whole(self, values: Sequence[int]) -> str:
        """A constant of whole numbers."""

    def constant(self, values: npt.NDArray[Any]) -> str:
        """A constant of float32."""


def mean(g: Writer, y: Tensor, x: Tensor, dim: Any = None, keepdim: bool = False) -> None:
    axes = _axes(x, dim)
    if axes == [2, 3] and x.ndim == 4:  # every runtime is quick at this one
        pooled = g.emit(y if keepdim else None, "GlobalAveragePool", [x])
        if not keepdim:
            g.emit(y, "Flatten", [pooled], axis=1)
        return
    g.emit(y, "ReduceMean", [x], axes=axes, keepdims=int(keepdim))


def total(g: Writer, y: Tensor, x: Tensor, dim: Any = None, keepdim: bool = False) -> None:
    g.emit(y, "ReduceSum", [x, g.whole(_axes(x, dim))], keepdims=int(keepdim))


def _axes(x: Tensor, dim: Any) -> list[int]:
    if dim is None:
        raise TypeError("everything at once")
    return sorted(int(d) % x.ndim for d in (dim if isinstance(dim, list | tuple) else [dim]))


def narrow(g: Writer, y: Tensor, x: Tensor, dim: int, start: int, length: int) -> None:
    axis = int(dim) % x.ndim
    if axis == 0:
        raise TypeError("a part of the batch")
    first = int(start) % x.shape[axis]
    g.emit(y, "Slice", [x, g.whole([first]), g.whole([first + int(length)]), g.whole([axis])])


def unsqueeze(g: Writer, y: Tensor, x: Tensor, dim: int) -> None:
    g.emit(y, "Unsqueeze", [x, g.whole([int(dim) % y.ndim])])


def cat(g: Writer, y: Tensor, tensors: Sequence[Tensor], dim: int = 0) -> None:
    g.emit(y, "Concat", list(tensors), axis=int(dim) % y.ndim)


def flatten(g: Writer, y: Tensor, x: Tensor, start_dim: int = 0, end_dim: int = -1) -> None:
    start, end = start_dim % x.ndim, end_dim % x.ndim
    if start < 1:
        raise TypeError("a flatten of the batch")
    if end != x.ndim - 1:
        g.fixed = True
    rest = [0] * start + [-1] + list(x.shape[end + 1 :])
    g.emit(y, "Reshape", [x, g.whole(rest)])


def reshape(g: Writer, y: Tensor, x: Tensor, *shape: Any) -> None:
    if not x.ndim or not y.ndim or x.shape[0] != y.shape[0]:
        raise TypeError("a reshape of the batch")
    if y.ndim > 2:
        g.fixed = True
    g.emit(y, "Reshape", [x, g.whole([0, *y.shape[1:]] if y.ndim > 2 else [0, -1][: y.ndim])])


def transpose(g: Writer, y: Tensor, x: Tensor, a: int, b: int) -> None:
    order = list(range(x.ndim))
    order[a], order[b] = order[b], order[a]
    g.emit(y, "Transpose", [x], perm=order)


def permute(g: Writer, y: Tensor, x: Tensor, *dims: Any) -> None:
    order = dims[0] if isinstance(dims[0], list | tuple) else dims
    g.emit(y, "Transpose", [x], perm=[int(d) % x.ndim for d in order])


def pad(g: Writer, y: Tensor, x: Tensor, pad: Sequence[int], mode: str = "constant", value: Any = None) -> None:
    if mode != "constant":
        raise TypeError(f"mode={mode!r}")
    before, after = [0] * x.ndim, [0] * x.ndim
    for i in range(len(pad) // 2):  # torch counts from the last dimension
        before[-1 - i], after[-1 - i] = int(pad[2 * i]), int(pad[2 * i + 1])
    g.emit(y, "Pad", [x, g.whole([*before, *after]), float(value or 0)], mode="constant")


def interpolate(
    g: Writer,
    y: Tensor,
    x: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    **others: Any,
) -> None:
    if x.ndim != 4 or mode not in ("nearest", "bilinear") or others.get("antialias"):
        raise TypeError(f"mode={mode!r}, antialias={others.get('antialias')}")
    scales = [b / a for a, b in zip(x.shape, y.shape, strict=True)]
    if size is not None and any(s != int(s) for s in scales):  # whole ratios hold for every size
        g.fixed = True
        scales = [
            s if s == int(s) else s * (1 + 1e-6) for s in scales
        ]  # rounded down, a side must not lose its last pixel
    how = "align_corners" if align_corners else "half_pixel" if mode == "bilinear" else "asymmetric"
    extra = {"nearest_mode": "floor"} if mode == "nearest" else {}
    ratios = g.constant(np.asarray(scales, np.float32))
    kind = "linear" if mode == "bilinear" else "nearest"
    g.emit(y, "Resize", [x, "", ratios], mode=kind, coordinate_transformation_mode=how, **extra)
