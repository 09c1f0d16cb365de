"""For engine: the few messages of ONNX's protocol buffers that a recorded network needs, as bytes.

The names and numbers are those of ``onnx.proto3`` (https://github.com/onnx/onnx); written here because the package
``onnx`` is not part of the base install, and takes longer to import than these take to write.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Node", "model", "value"]

Array = npt.NDArray[Any]
IR_VERSION, OPSET = 7, 13  # what OpenCV 4.10 and ONNX Runtime 1.20 both read
TYPES = {np.dtype(kind): i for kind, i in ((np.float32, 1), (np.uint8, 2), (np.int8, 3), (np.int32, 6), (np.int64, 7))}


@dataclass(frozen=True, slots=True)
class Node:
    """One operation of a graph.

    Attributes:
        kind: ONNX's name of it.
        inputs: names; an empty one is an optional input that is not given.
        output: name of what it gives.
        attributes: texts, numbers or whole numbers; None for one that is not given.
    """

    kind: str
    inputs: Sequence[str]
    output: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


def model(
    nodes: Iterable[Node], tensors: Iterable[tuple[str, Array]], inputs: Iterable[bytes], outputs: Iterable[bytes]
) -> bytes:
    """ModelProto; the tensors, which are large, are copied once."""
    pieces = [_text(2, "network"), *(_block(1, _node(row)) for row in nodes)]
    for name, values in tensors:
        pieces += _tensor(name, values)
    pieces += [_block(11, row) for row in inputs] + [_block(12, row) for row in outputs]
    head = _number(1, IR_VERSION) + _text(2, "facekp") + _block(8, _text(1, "") + _number(2, OPSET))
    return b"".join([head, _key(7, 2), _varint(sum(map(len, pieces))), *pieces])


def _node(row: Node) -> bytes:
    """NodeProto."""
    names = b"".join(_text(1, name) for name in row.inputs) + _text(2, row.output)
    given = b"".join(_block(5, _attribute(k, v)) for k, v in row.attributes.items() if v is not None)
    return names + _text(3, row.output) + _text(4, row.kind) + given


def _attribute(name: str, given: str | float | Sequence[int]) -> bytes:
    """AttributeProto of a text, a number, or whole numbers."""
    start = _text(1, name)
    if isinstance(given, str):
        return start + _text(4, given) + _number(20, 3)
    if isinstance(given, float):
        return start + _key(2, 5) + struct.pack("<f", given) + _number(20, 1)
    if isinstance(given, int):
        return start + _number(3, given) + _number(20, 2)
    return start + b"".join(_number(8, int(v)) for v in given) + _number(20, 7)


def value(name: str, dims: Sequence[int | str]) -> bytes:
    """ValueInfoProto of a float32 tensor; a dimension that is a word may be any."""
    rows = (_block(1, _text(2, d) if isinstance(d, str) else _number(1, d)) for d in dims)
    kind = _number(1, 1) + _block(2, b"".join(rows))
    return _text(1, name) + _block(2, _block(1, kind))


def _tensor(name: str, values: Array) -> list[bytes]:
    """TensorProto of values of one of the types, as a field of its graph."""
    raw = values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
    head = b"".join(_number(1, side) for side in values.shape) + _number(2, TYPES[values.dtype]) + _text(8, name)
    head += _key(9, 2) + _varint(len(raw))
    return [_key(5, 2) + _varint(len(head) + len(raw)) + head, raw]


def _varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _key(field: int, wire: int) -> bytes:
    return _varint(field << 3 | wire)


def _number(field: int, number: int) -> bytes:
    return _key(field, 0) + _varint(number)


def _block(field: int, data: bytes) -> bytes:
    return _key(field, 2) + _varint(len(data)) + data


def _text(field: int, text: str) -> bytes:
    return _block(field, text.encode())
