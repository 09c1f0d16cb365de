"""For engine: a recorded network with integers of eight bits in place of most numbers.

Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018:
a number x stands as ``round(x / scale) + zero``.  What a convolution takes and gives has one scale, from the least and
the largest value that was seen there (section 3); weights have one for each channel.  Written as pairs of
QuantizeLinear and DequantizeLinear around the same nodes, which ONNX Runtime turns into integer arithmetic.

Weights have seven bits: CPUs without VNNI add two products in sixteen bits, which eight would overflow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ._onnxfile import Node

__all__ = ["measured", "named", "quantized"]

Array = npt.NDArray[Any]
Range = Sequence[float]

#: With fewer channels (a picture's three) integers gain nothing: what runs a network is at its best with eight or more.
CHANNELS = 8
#: They give only numbers that they take, so that theirs stand for them as they are.
PASSING = ("Flatten", "Identity", "MaxPool", "Reshape", "Resize", "Transpose")
ACTIVATIONS = ("Clip", "Relu")
_LEVELS = 63  # of a weight, to either side
_LEAST = 1e-12  # of a scale: what is nothing at all has none of its own
_MOST = 2**30  # of a bias in steps: 32 bits hold it and all the products that are added to it


def measured(nodes: Sequence[Node], tensors: Mapping[str, Array]) -> list[str]:
    """Of which of a graph's numbers the range must be known, in the order in which the network computes them."""
    return list(dict.fromkeys(_Plan(nodes, tensors).grid.values()))


def named(nodes: Sequence[Node], tensors: Mapping[str, Array], ranges: Sequence[Range]) -> dict[str, Range]:
    """Ranges by the names of :func:`measured`; what comes after them has none.

    Raises:
        ValueError: there are more than the graph has.
    """
    names = measured(nodes, tensors)
    if len(ranges) > len(names):
        raise ValueError(f"there are {len(ranges)} ranges for {len(names)} maps, so not of this network")
    return dict(zip(names, ranges, strict=False))


def quantized(
    nodes: Sequence[Node], tensors: Mapping[str, Array], ranges: Mapping[str, Range]
) -> tuple[list[Node], dict[str, Array]]:
    """The graph with integers.

    Args:
        nodes: in the order in which they run.
        tensors: the constants, by name.
        ranges: :func:`named`: the least and the largest value of each map; what has none stays real, such as what a
            codec computes of a network's maps.

    Returns:
        Nodes and constants of the new graph.
    """
    plan = _Plan(nodes, tensors, ranges)
    graph = _Writer(plan, dict(tensors), ranges)
    for node in nodes:
        graph.add(node)
    used = {name for node in graph.nodes for name in node.inputs}
    return graph.nodes, {name: values for name, values in graph.tensors.items() if name in used}


class _Plan:
    """What of a graph becomes integers.

    Attributes:
        grid: of what is quantised: the name of that whose range it has.
        whole: the outputs of the nodes that are computed in integers alone.
    """

    def __init__(
        self, nodes: Sequence[Node], tensors: Mapping[str, Array], only: Mapping[str, Range] | None = None
    ) -> None:
        self.tensors, self.only = tensors, only
        self.takers: dict[str, list[Node]] = {}
        for node in nodes:
            for name in node.inputs:
                self.takers.setdefault(name, []).append(node)
        self.grid: dict[str, str] = {}
        self.whole: set[str] = set()
        for node in nodes:
            self._plan(node)
        for node in reversed(nodes):  # what is passed on to real numbers only
            if node.kind in PASSING and not any(map(self._takes, self.takers.get(node.output, []))):
                self.grid.pop(node.output, None)

    def _plan(self, node: Node) -> None:
        if node.kind in PASSING and node.inputs[0] in self.grid:
            self.grid[node.output] = self.grid[node.inputs[0]]
        if not (self._joins(node) or _dense(node, self.tensors)):
            return
        takers = self.takers.get(node.output, [])
        alone = len(takers) == 1 and takers[0].kind in ACTIVATIONS and self._from_zero(takers[0])
        output = takers[0].output if alone else node.output
        names = [name for name in (*node.inputs, output) if name not in self.tensors]
        if self.only is not None and any(self.grid.get(name, name) not in self.only for name in names):
            return
        for name in names:
            self.grid.setdefault(name, name)
        self.whole.add(node.output)

    def _takes(self, node: Node) -> bool:
        """Whether it takes integers."""
        return node.output in self.whole or (node.kind in PASSING and node.output in self.grid)

    def _joins(self, node: Node) -> bool:
        """Whether it adds or joins maps of which one, at least, is quantised."""
        if node.kind not in {"Add", "Concat"} or any(name in self.tensors for name in node.inputs):
            return False
        return any(name in self.grid for name in node.inputs)

    def _from_zero(self, node: Node) -> bool:
        """Whether an activation leaves nothing below zero: integers that begin there say the same."""
        low = self.tensors.get(node.inputs[1]) if node.kind == "Clip" and len(node.inputs) > 1 else None
        return node.kind == "Relu" or (low is not None and float(low) == 0)


def _dense(node: Node, tensors: Mapping[str, Array]) -> bool:
    """Whether it is a convolution that is worth it."""
    if node.kind != "Conv" or any(name not in tensors for name in node.inputs[1:]):  # such as weights of the input
        return False
    return bool(tensors[node.inputs[1]].shape[1] * node.attributes.get("group", 1) >= CHANNELS)


@dataclass(slots=True)
class _Scale:
    step: float
    names: tuple[str, str]  # of the scale and of the zero, as constants


class _Writer:
    def __init__(self, plan: _Plan, tensors: dict[str, Array], ranges: Mapping[str, Range]) -> None:
        self.plan, self.tensors, self.ranges = plan, tensors, ranges
        self.nodes: list[Node] = []
        self.real: dict[str, str] = {}  # what stands for a number that was quantised
        self.scales: dict[str, _Scale] = {}

    def add(self, node: Node) -> None:
        for name in node.inputs:  # the picture, which no node gives
            if name in self.plan.grid and name not in self.real:
                self._round(name, name)
        inputs = [self.real.get(name, name) for name in node.inputs]
        if node.kind == "Conv" and node.output in self.plan.whole:
            inputs = self._weights(node, inputs[0])
        self.nodes.append(Node(node.kind, inputs, node.output, node.attributes))
        if node.output in self.plan.grid:
            real = node.kind in PASSING and not any(name in self.plan.grid for name in node.inputs)
            self._round(node.output, self._kept(node.output) if real else node.output)

    def _kept(self, name: str) -> str:
        """Numbers as they are, from the end of their range on.

        Without it ONNX Runtime would pool what it has rounded before, for which it has no quick way.
        """
        low = self._constant(f"{name}.low", np.float32(min(self.ranges[name][0], 0.0)))
        self.nodes.append(Node("Max", [name, low], f"{name}.kept"))
        return f"{name}.kept"

    def _round(self, name: str, given: str) -> None:
        names = self._scale(name).names
        self.nodes.append(Node("QuantizeLinear", [given, *names], f"{name}.q"))
        self.nodes.append(Node("DequantizeLinear", [f"{name}.q", *names], f"{name}.r"))
        self.real[name] = f"{name}.r"

    def _scale(self, name: str) -> _Scale:
        name = self.plan.grid[name]
        if name not in self.scales:
            low, high = self.ranges[name]
            low, high = min(low, 0.0), max(high, 0.0)
            step = max((high - low) / 255, _LEAST)
            scale, zero = self._constant(f"{name}.scale", np.float32(step)), round(-low / step)
            self.scales[name] = _Scale(step, (scale, self._constant(f"{name}.zero", np.uint8(zero))))
        return self.scales[name]

    def _weights(self, node: Node, given: str) -> list[str]:
        weight, *rest = (self.tensors[name].astype(np.float64) for name in node.inputs[1:])
        largest = np.abs(weight).max(axis=(1, 2, 3))
        steps = np.maximum(largest, max(float(largest.max()) * 1e-6, _LEAST)) / _LEVELS
        step = self._scale(node.inputs[0]).step
        for bias in rest:  # which is in steps of both, and large where a channel hardly looks at its input
            steps = np.maximum(steps, np.abs(bias) / (step * _MOST))
        whole = np.rint(weight / steps[:, None, None, None]).astype(np.int8)
        inputs = [given, self._stored(f"{node.output}.weight", whole, steps)]
        for bias in rest:
            steps = steps * step
            inputs.append(self._stored(f"{node.output}.bias", np.rint(bias / steps).astype(np.int32), steps))
        return inputs

    def _stored(self, name: str, whole: Array, steps: Array) -> str:
        """Integers with what makes real numbers of them, by channel."""
        scale = self._constant(f"{name}.scale", steps.astype(np.float32))
        names = [self._constant(name, whole), scale, self._constant(f"{name}.zero", np.zeros(len(steps), whole.dtype))]
        self.nodes.append(Node("DequantizeLinear", names, f"{name}.r", {"axis": 0}))
        return f"{name}.r"

    def _constant(self, name: str, values: Any) -> str:
        self.tensors[name] = np.asarray(values)
        return name
