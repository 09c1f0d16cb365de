"""For engine: an ONNX file's graph, in integers of eight bits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ._onnxfile import Node
from ._onnxint8 import named, quantized
from .errors import ArgumentError

__all__ = ["to_integers"]


def to_integers(model: Any, ranges: Sequence[Sequence[float]]) -> None:
    """Rewrite a network's ONNX graph, so that integers of eight bits stand for most of its numbers.

    Args:
        model: an ``onnx.ModelProto``, which is changed: of the network, or of it and what comes before and after it.
        ranges: what :func:`facekp.engine.ranges` gave for the network.

    Raises:
        ArgumentError: the ranges are those of another network.
    """
    from onnx import helper, numpy_helper  # late: the extra onnx

    graph = model.graph
    _end_apart(graph)
    given = {node.output[0]: node for node in graph.node}
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            tensors[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    rows = [
        Node(n.op_type, list(n.input), n.output[0], {a.name: helper.get_attribute_value(a) for a in n.attribute})
        for n in graph.node
    ]
    try:
        known = named(rows, tensors, ranges)
    except ValueError as error:
        raise ArgumentError(f"ranges: {error}") from None
    rows, tensors = quantized(rows, tensors, known)
    del graph.node[:]
    for row in rows:
        if row.output in given:
            node = given[row.output]
            node.input[:] = row.inputs
        else:
            node = helper.make_node(row.kind, row.inputs, [row.output], name=row.output, **row.attributes)
        graph.node.append(node)
    made = {node.output[0] for node in graph.node}
    del graph.initializer[:]
    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(values), name) for name, values in tensors.items() if name not in made
    )


def _end_apart(graph: Any) -> None:
    """Put a node of its own before each output: what gives it may have to give integers."""
    from onnx import helper  # late: the extra onnx

    ends = {output.name: f"{output.name}.given" for output in graph.output}
    for node in graph.node:
        node.input[:] = [ends.get(name, name) for name in node.input]
        node.output[:] = [ends.get(name, name) for name in node.output]
    graph.node.extend(helper.make_node("Identity", [name], [end], name=end) for end, name in ends.items())
