"""For engine: a network, recorded as an ONNX graph while it runs once.

Every call of a torch function that touches the input is written down as ONNX nodes.  ``torch.onnx.export`` does more
and needs more: the package ``onnx``, which the base install lacks, and seconds, where this takes some hundredths of
one.  :mod:`facekp.export` uses it for files that leave the house.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from . import _onnxfile, _onnxint8
from ._onnxfile import Node
from ._onnxrules import RULES
from .errors import FacekpError

__all__ = ["CannotRecordError", "Recording", "ranges_of", "record"]

INPUT, OUTPUT = "input", "output"


class CannotRecordError(FacekpError):
    """A network uses a torch function that has no rule here."""


@dataclass(slots=True)
class Recording:
    """A recorded network.

    Attributes:
        data: an ONNX file: float32 ``input`` ``(N, C, H, W)``, any N, to float32 ``output``.
        fixed: it holds for the height and width of the recorded input only.
        example: ``(1, C, H, W)`` ...
        answer: ... and what the network gives for it, so that whoever runs the file can tell whether it does the same.
        extent: of the range of an output in integers, from its least to its largest value; 0 for one that is real.
    """

    data: bytes
    fixed: bool
    example: Tensor
    answer: Tensor
    extent: float = 0.0


def record(
    network: nn.Module, size: tuple[int, int, int], ranges: Sequence[Sequence[float]] | None = None
) -> Recording:
    """Run a network, in evaluation mode, on a picture of noise ``(C, H, W)``, and write down what it does.

    Args:
        network: of which the first part, where ``ranges`` are given, is the one that they were measured on.
        size: of the picture.
        ranges: what :func:`ranges_of` gives, for a graph in integers of eight bits.

    Raises:
        CannotRecordError: it does what has no rule here; the message names it.  Or the ranges are those of another
            network.
    """
    first = next(network.parameters(), None)
    device = torch.device("cpu") if first is None else first.device
    example = torch.rand(2, *size, generator=torch.Generator().manual_seed(0)).to(device)
    given = example.clone()  # into which a network may write
    recorder = _Recorder(given)
    with torch.no_grad(), recorder:
        output = network(given)
    recorder.end(output)
    data = recorder.finish(output, size, ranges)
    # One, where two were recorded: what a network makes of the number itself comes to light.
    with torch.no_grad():
        answer = network(example[:1].clone())
    return Recording(data, recorder.fixed, example[:1].cpu(), answer.cpu(), recorder.extent)


def ranges_of(network: nn.Module, batches: Iterable[Tensor]) -> list[tuple[float, float]]:
    """The least and the largest value of what would be integers in :func:`record`'s graph, with zero between them.

    Args:
        network: in evaluation mode.
        batches: inputs ``(N, C, H, W)`` as in use, on the network's device.

    Raises:
        CannotRecordError: the network does what has no rule here.
    """
    seen: dict[str, tuple[float, float]] = {}
    names: list[str] = []
    for batch in batches:
        recorder = _Recorder(batch, seen)
        with torch.no_grad(), recorder:
            recorder.end(network(batch))
        names = names or _onnxint8.measured(recorder.nodes, dict(recorder.tensors))
    return [seen[name] for name in names]


class _Recorder(TorchFunctionMode):
    """Runs every torch function, and writes down those that depend on the input.

    Args:
        example: the input.
        seen: gets, or has, the range of all that is computed, by name.
    """

    def __init__(self, example: Tensor, seen: dict[str, tuple[float, float]] | None = None) -> None:
        super().__init__()
        self.seen = seen
        self.nodes: list[Node] = []
        self.tensors: list[tuple[str, npt.NDArray[Any]]] = []
        self.names: dict[int, str] = {id(example): INPUT}
        self.alive: list[Tensor] = [example]  # an id is a tensor's own only as long as the tensor lives
        self.fixed = False
        self.extent = 0.0
        self._see(INPUT, example)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = [*args, *kwargs.values()]
        touched = any(self.known(v) or (isinstance(v, list | tuple) and any(map(self.known, v))) for v in given)
        result = func(*args, **kwargs)
        if not touched or not isinstance(result, Tensor):
            return result  # of constants alone, or a size, a device, ...
        if any(result is v for v in given) and not func.__name__.endswith("_") and not kwargs.get("inplace"):
            return result  # nothing was done
        name = func.__name__.strip("_")
        rule = RULES.get(name)
        if rule is None or result.dtype != torch.float32:
            raise CannotRecordError(f"the network calls {getattr(func, '__module__', 'torch')}.{func.__name__}")
        try:
            rule(self, result, *args, **kwargs)
        except TypeError as error:  # arguments that the rule does not foresee
            raise CannotRecordError(
                f"the network calls {func.__name__} in a way that cannot be recorded: {error}"
            ) from None
        return result

    def known(self, value: Any) -> bool:
        return isinstance(value, Tensor) and id(value) in self.names

    def name(self, value: Any) -> str:
        """Of a tensor that was computed, or of a constant, which is written into the graph."""
        if self.known(value):
            return self.names[id(value)]
        if isinstance(value, Tensor):
            self.alive.append(value)
            self.names[id(value)] = name = self.constant(value.detach().cpu().numpy())
            return name
        return self.constant(np.asarray(value, np.float32))

    def constant(self, values: npt.NDArray[Any]) -> str:
        name = f"c{len(self.tensors)}"
        whole = np.issubdtype(values.dtype, np.integer)
        self.tensors.append((name, values.astype(np.int64 if whole else np.float32, copy=False)))
        return name

    def whole(self, values: Sequence[int]) -> str:
        return self.constant(np.asarray(values, np.int64))

    def emit(self, result: Tensor | None, kind: str, inputs: Sequence[Any], **attributes: Any) -> str:
        """Add a node; its output is ``result``, or a name for nodes to come."""
        names = [v if isinstance(v, str) else self.name(v) for v in inputs]
        output = f"n{len(self.nodes)}"
        self.nodes.append(Node(kind, names, output, attributes))
        if result is not None:
            self.alive.append(result)
            self.names[id(result)] = output
            self._see(output, result)
        return output

    def _see(self, name: str, values: Tensor) -> None:
        if self.seen is not None:
            low, high = self.seen.get(name, (0.0, 0.0))
            least, most = values.min().item(), values.max().item()
            self.seen[name] = float(np.minimum(low, least)), float(np.maximum(high, most))  # of which NaN stays

    def end(self, output: Any) -> None:
        if not self.known(output):
            raise CannotRecordError(f"the network gives {type(output).__name__}, not one tensor of its input")
        self.nodes.append(Node("Identity", [self.name(output)], OUTPUT))

    def finish(self, output: Tensor, size: tuple[int, int, int], ranges: Sequence[Sequence[float]] | None) -> bytes:
        sides = size[1:] if self.fixed else ("height", "width")
        shape = ["batch", *(f"d{i}" for i in range(1, output.ndim))]
        nodes, tensors = self.nodes, dict(self.tensors)
        if ranges is not None:
            try:
                known = _onnxint8.named(nodes, tensors, ranges)
            except ValueError as error:
                raise CannotRecordError(str(error)) from None
            low, high = known.get(self.name(output), (0.0, 0.0))
            self.extent = high - low
            nodes, tensors = _onnxint8.quantized(nodes, tensors, known)
        return _onnxfile.model(
            nodes,
            tensors.items(),
            [_onnxfile.value(INPUT, ("batch", size[0], *sides))],
            [_onnxfile.value(OUTPUT, shape)],
        )
