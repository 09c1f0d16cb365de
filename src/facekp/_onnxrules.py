"""For engine: which ONNX nodes say the same as a call of a torch function.

Each rule has the arguments of its torch function after the graph that it writes to and what the function gave.
"""

# ruff: noqa: PLR0917  (the arguments are those of torch's functions)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from . import _onnxshapes as shapes
from ._onnxshapes import Writer

__all__ = ["RULES", "Writer"]


def _pair(value: Any) -> list[int]:
    return [int(v) for v in value] if isinstance(value, list | tuple) else [int(value)] * 2


def _binary(kind: str) -> Callable[..., None]:
    def rule(g: Writer, y: Tensor, a: Any, b: Any, *, alpha: float = 1) -> None:
        if alpha != 1:
            raise TypeError(f"alpha={alpha}")
        g.emit(y, kind, [a, b])

    return rule


def _reversed(kind: str) -> Callable[..., None]:
    def rule(g: Writer, y: Tensor, a: Any, b: Any) -> None:
        g.emit(y, kind, [b, a])

    return rule


def _unary(kind: str) -> Callable[..., None]:
    def rule(g: Writer, y: Tensor, x: Tensor, inplace: bool = False) -> None:
        g.emit(y, kind, [x])

    return rule


def _same(g: Writer, y: Tensor, x: Tensor, *args: Any, **kwargs: Any) -> None:
    g.emit(y, "Identity", [x])


def _window(weight: Tensor, stride: Any, padding: Any, dilation: Any, groups: int) -> dict[str, Any]:
    """The attributes that convolutions and their transposes share."""
    if isinstance(padding, str):
        raise TypeError(f"padding={padding!r}")
    window = {"kernel_shape": list(weight.shape[2:]), "strides": _pair(stride), "pads": _pair(padding) * 2}
    return window | {"dilations": _pair(dilation), "group": int(groups)}


def _conv(
    g: Writer,
    y: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> None:
    given = [x, weight] if bias is None else [x, weight, bias]
    g.emit(y, "Conv", given, **_window(weight, stride, padding, dilation, groups))


def _conv_transpose(
    g: Writer,
    y: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> None:
    given = [x, weight] if bias is None else [x, weight, bias]
    more = _pair(output_padding) if any(_pair(output_padding)) else None
    g.emit(y, "ConvTranspose", given, output_padding=more, **_window(weight, stride, padding, dilation, groups))


def _batch_norm(
    g: Writer,
    y: Tensor,
    x: Tensor,
    mean: Tensor | None,
    var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> None:
    if mean is None or var is None or training:
        raise TypeError("a batch norm by the statistics of each batch")
    scale = torch.ones_like(mean) if weight is None else weight
    shift = torch.zeros_like(mean) if bias is None else bias
    g.emit(y, "BatchNormalization", [x, scale, shift, mean, var], epsilon=float(eps))


def _linear(g: Writer, y: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> None:
    if x.ndim == 2 and bias is not None:
        g.emit(y, "Gemm", [x, weight, bias], transB=1)
        return
    table = g.constant(weight.detach().cpu().numpy().T)
    if bias is None:
        g.emit(y, "MatMul", [x, table])
    else:
        g.emit(y, "Add", [g.emit(None, "MatMul", [x, table]), bias])


def _leaky_relu(g: Writer, y: Tensor, x: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> None:
    g.emit(y, "LeakyRelu", [x], alpha=float(negative_slope))


def _elu(g: Writer, y: Tensor, x: Tensor, alpha: float = 1.0, inplace: bool = False) -> None:
    g.emit(y, "Elu", [x], alpha=float(alpha))


def _prelu(g: Writer, y: Tensor, x: Tensor, weight: Tensor) -> None:
    slopes = weight.detach().cpu().numpy()
    g.emit(y, "PRelu", [x, g.constant(slopes.reshape(-1, *(1,) * (x.ndim - 2)))])


def _clamp(g: Writer, y: Tensor, x: Tensor, min: Any = None, max: Any = None) -> None:
    if min is None or max is None or isinstance(min, Tensor) or isinstance(max, Tensor):
        raise TypeError("a clamp without two numbers")
    g.emit(y, "Clip", [x, min, max])


def _hardtanh(
    g: Writer, y: Tensor, x: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> None:
    g.emit(y, "Clip", [x, min_val, max_val])


def _relu6(g: Writer, y: Tensor, x: Tensor, inplace: bool = False) -> None:
    g.emit(y, "Clip", [x, 0.0, 6.0])


def _silu(g: Writer, y: Tensor, x: Tensor, inplace: bool = False) -> None:
    g.emit(y, "Mul", [x, g.emit(None, "Sigmoid", [x])])


def _hardsigmoid(g: Writer, y: Tensor, x: Tensor, inplace: bool = False) -> None:
    g.emit(y, "HardSigmoid", [x], alpha=1 / 6, beta=0.5)


def _hardswish(g: Writer, y: Tensor, x: Tensor, inplace: bool = False) -> None:
    g.emit(y, "Mul", [x, g.emit(None, "HardSigmoid", [x], alpha=1 / 6, beta=0.5)])


def _softmax(g: Writer, y: Tensor, x: Tensor, dim: int | None = None, **kwargs: Any) -> None:
    g.emit(y, "Softmax", [x], axis=x.ndim - 1 if dim is None else int(dim) % x.ndim)


def _pool(kind: str) -> Callable[..., None]:
    def rule(
        g: Writer,
        y: Tensor,
        x: Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        *rest: Any,
        ceil_mode: bool = False,
        **others: Any,
    ) -> None:
        usual = {"dilation": 1, "return_indices": False, "count_include_pad": True, "divisor_override": None}
        odd = {k: v for k, v in others.items() if v != usual.get(k)}
        if ceil_mode or odd or any(v not in (1, True, False, None) for v in rest):
            raise TypeError(f"pooling with {odd or rest or 'ceil_mode'}")
        steps = _pair(kernel_size if stride is None or stride == [] else stride)
        more = {"count_include_pad": 1} if kind == "AveragePool" else {}
        g.emit(y, kind, [x], kernel_shape=_pair(kernel_size), strides=steps, pads=_pair(padding) * 2, **more)

    return rule


def _adaptive_average(g: Writer, y: Tensor, x: Tensor, output_size: Any) -> None:
    if _pair(output_size) != [1, 1]:
        raise TypeError(f"output_size={output_size}")
    g.emit(y, "GlobalAveragePool", [x])


RULES: dict[str, Callable[..., None]] = {
    "adaptive_avg_pool2d": _adaptive_average,
    "add": _binary("Add"),
    "avg_pool2d": _pool("AveragePool"),
    "batch_norm": _batch_norm,
    "cat": shapes.cat,
    "clamp": _clamp,
    "clip": _clamp,
    "clone": _same,
    "concat": shapes.cat,
    "contiguous": _same,
    "conv2d": _conv,
    "conv_transpose2d": _conv_transpose,
    "detach": _same,
    "div": _binary("Div"),
    "dropout": _same,
    "elu": _elu,
    "exp": _unary("Exp"),
    "feature_dropout": _same,
    "flatten": shapes.flatten,
    "float": _same,
    "hardsigmoid": _hardsigmoid,
    "hardswish": _hardswish,
    "hardtanh": _hardtanh,
    "iadd": _binary("Add"),
    "imul": _binary("Mul"),
    "interpolate": shapes.interpolate,
    "isub": _binary("Sub"),
    "leaky_relu": _leaky_relu,
    "linear": _linear,
    "matmul": _binary("MatMul"),
    "max_pool2d": _pool("MaxPool"),
    "mean": shapes.mean,
    "mul": _binary("Mul"),
    "narrow": shapes.narrow,
    "neg": _unary("Neg"),
    "pad": shapes.pad,
    "permute": shapes.permute,
    "prelu": _prelu,
    "radd": _binary("Add"),
    "relu": _unary("Relu"),
    "relu6": _relu6,
    "reshape": shapes.reshape,
    "rmul": _binary("Mul"),
    "rsub": _reversed("Sub"),
    "sigmoid": _unary("Sigmoid"),
    "silu": _silu,
    "softmax": _softmax,
    "sqrt": _unary("Sqrt"),
    "sub": _binary("Sub"),
    "sum": shapes.total,
    "swapaxes": shapes.transpose,
    "tanh": _unary("Tanh"),
    "to": _same,
    "transpose": shapes.transpose,
    "truediv": _binary("Div"),
    "unsqueeze": shapes.unsqueeze,
    "view": shapes.reshape,
}
