"""What runs a network: PyTorch, ONNX Runtime or OpenCV, behind one call.

Milliseconds of CPU for one picture, one thread of an x86-64 with AVX-512 (``python benchmarks/engines.py``)::

                                 onnx   torch   opencv   plain network
    finder, 288x384               2.7     7.6      7.2             8.6
    resnet18-ibug, 192x192       35.7    51.0     76.9            64.5
    mobile-ibug, 128x128          2.8     5.9      6.0             6.2

So ``"auto"`` is ONNX Runtime where it is installed, and else PyTorch, but for networks of depthwise convolutions, at
which OpenCV is as quick or quicker, and for one picture at a time in a small network: there OpenCV takes up to a
third less time on two cores of an AMD EPYC with AVX2, and as long here.  On a GPU it is PyTorch.
"""

from __future__ import annotations

import functools
import importlib.util
import logging
import threading
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from . import _arguments as check
from ._fusing import close, fused, single
from ._int8ranges import check_weights, ranges
from ._onnxgraph import CannotRecordError, Recording, record
from ._onnxmodel import to_integers
from ._runtimes import OnnxRuntime, OpenCV, Runner, Torch
from .errors import ArgumentError, MissingExtraError, unknown_name

__all__ = ["ENGINES", "PRECISIONS", "Engine", "fused", "ranges", "runs_on", "single", "to_integers"]

#: What may be asked for; ``"auto"`` is the quickest that is installed.
ENGINES = ("auto", "onnx", "opencv", "torch")
#: Of the arithmetic, each with the engine that has it beside ``"float32"``, which all have.
PRECISIONS = {"float32": "", "bfloat16": "torch", "int8": "onnx"}
ROUNDED = 0.25  # of the spread of what is read off a network's maps for noise: what 8 bits may do to it, ...
ROUNDED_MAPS = 0.5  # ... and to the maps themselves; ranges of another network do more
SMALL = 2_000_000  # numbers: in networks up to so many OpenCV is the quicker with one picture, and PyTorch with more
COARSE = 4 / 255  # of the range of its maps: what they may do where the network gives next to nothing for noise

_NO_RANGES = (
    "precision 'int8': the range of each map must be known, and is not: facekp train writes them into the model's "
    "config.json (int8_ranges), and facekp.engine.ranges measures them"
)

_OTHER = "what was recorded of the network does not give what the network gives"
_OTHER_IN_INTEGERS = (
    "in integers the network gives something else: the ranges are another network's, or its numbers differ too little "
    "for eight bits"
)

_MOST = 32  # sizes for which what runs them is kept

log = logging.getLogger(__name__)


class Engine:
    """A network, made ready to be run very often, by the quickest means.

    It is made at the first call, of the weights that the network has then, and may be made again for another size of
    input: who changes weights makes another engine.  The network itself stays as it is.
    It can be pickled (what was made is made again) and shared by threads.

    Args:
        network: takes and gives one float tensor; it is put into evaluation mode.
        name: ``"torch"``: PyTorch, with batch norms folded into the convolutions, channels last; ``"onnx"``: ONNX
            Runtime; ``"opencv"``: ``cv2.dnn``, on the CPU; ``"auto"``: see :mod:`facekp.engine`.
        device: where the network is and the inputs will be.
        compile: give the network to ``torch.compile``, which needs a C++ compiler and a minute: for services that run
            for hours.  Only with ``"torch"``, which ``"auto"`` then means.
        precision: ``"float32"``; ``"bfloat16"``: faster in large batches on GPUs and on CPUs with AMX, and a little
            less exact; many times slower on CPUs that lack it, which a warning says, and only with ``"torch"``;
            ``"int8"``: on CPUs, a third to a half less time, and a little less exact: only with ``"onnx"``.
            ``"auto"`` then means that engine.
        ranges: what :func:`ranges` gave for the network, for ``"int8"``.

    ONNX Runtime runs on as many threads as PyTorch is set to at the first call; OpenCV on its own number, see
    ``cv2.setNumThreads``.

    Raises:
        ArgumentError: an unknown name, or an engine that does not run on this device or does not have the option.
        MissingExtraError: ONNX Runtime is not installed.
    """

    def __init__(
        self,
        network: nn.Module,
        name: str = "auto",
        *,
        device: torch.device | str = "cpu",
        compile: bool = False,
        precision: str = "float32",
        ranges: Sequence[Sequence[float]] | None = None,
    ) -> None:
        if name not in ENGINES:
            raise unknown_name("engine", name, ENGINES)
        if precision not in PRECISIONS:
            raise unknown_name("precision", precision, PRECISIONS)
        needs = "torch" if compile else PRECISIONS[precision]
        name = needs if needs and name == "auto" else name
        for option, has in (
            ("compile", "torch" if compile else ""),
            (f"precision {precision!r}", PRECISIONS[precision]),
        ):
            if has not in ("", name):
                raise ArgumentError(f"engine {name!r} has no {option}: that is of engine {has!r}")
        if precision == "int8":
            if ranges is None:
                raise ArgumentError(_NO_RANGES)
            if not check.are_ranges(ranges):
                raise ArgumentError(
                    f"ranges: expected what facekp.engine.ranges gives, {check.RANGES}, got {ranges!r:.80}"
                )
        self.network = network.eval()
        self.asked, self.compile, self.precision = name, bool(compile), precision
        self.ranges = ranges if precision == "int8" else None
        self._reset(torch.device(device))
        if precision == "bfloat16" and self.device.type == "cpu" and not _has_bfloat16():
            log.warning("precision 'bfloat16': this CPU does not have it, and is many times slower than with 'float32'")

    @property
    def name(self) -> str:
        """``"torch"``, ``"onnx"`` or ``"opencv"``: what runs the network here; see :meth:`by` for one picture."""
        return self._name

    def by(self, count: int) -> str:
        """What runs so many pictures at once."""
        return self._alone if count == 1 and self._alone else self._name

    def to(self, device: torch.device | str) -> Engine:
        """Move the network; returns this engine.

        Raises:
            ArgumentError: the engine does not run there.
        """
        device = torch.device(device)
        if device != self.device:
            self._reset(device)
        self.network.to(device)
        return self

    def __call__(self, inputs: Tensor) -> Tensor:
        """Run the network, without gradients.

        Args:
            inputs: ``(N, C, H, W)`` float32 on the engine's device, any N.

        Returns:
            What the network gives, float32 on that device.
        """
        with torch.inference_mode():
            if not len(inputs):  # OpenCV takes no empty batch
                return self.network(inputs).float()  # type: ignore[no-any-return]
            return self._runner(inputs)(inputs)

    def _reset(self, device: torch.device) -> None:
        if self.ranges is not None and device.type != "cpu":
            raise ArgumentError(f"precision 'int8' is of CPUs, not of {device}; say device='cpu'")
        self._name = _checked(self.asked, self.network, device)
        splits = self.asked == "auto" and self._name == "torch" and device.type == "cpu"
        small = sum(p.numel() for p in self.network.parameters()) <= SMALL
        self._alone = "opencv" if splits and small else ""
        self.device = device
        self._runners: dict[tuple[str, tuple[int, ...]], Runner] = {}
        self._any_size: dict[str, tuple[Runner, float]] = {}
        self._lock = threading.Lock()

    def _runner(self, inputs: Tensor) -> Runner:
        size = tuple(inputs.shape[1:])
        runner = self._runners.get((self.by(len(inputs)), size))
        if runner is not None:
            return runner
        with self._lock:  # one thread makes it, the others wait
            name = self.by(len(inputs))
            return self._runners.get((name, size)) or self._made(inputs, name, size)

    def _made(self, inputs: Tensor, name: str, size: tuple[int, ...]) -> Runner:
        try:
            runner = self._another(name, size)
            if runner is None and name == self._alone and any(made == name for made, _ in self._runners):
                runner = self._another("torch", size) or self._new("torch", inputs)  # one recording is enough
            runner = runner or self._new(name, inputs)
        except CannotRecordError as error:
            if self.asked != "auto":
                instead = "engine='torch'" if self.ranges is None else "precision='float32'"
                raise ArgumentError(f"engine {name!r}: {error}; use {instead}") from None
            self._name, self._alone = "torch", ""
            return self._made(inputs, "torch", size)
        if len(self._runners) >= _MOST:
            self._runners.pop(next(iter(self._runners)))
        self._runners[name, size] = runner
        return runner

    def _another(self, name: str, size: tuple[int, ...]) -> Runner | None:
        """The runner of another size, where it does for this one: not where a map's side was rounded on the way."""
        runner, extent = self._any_size.get(name, (None, 0.0))
        if runner is None or name == "torch":
            return runner
        example = _noise(size).to(self.device)
        answer = single(self.network(example.clone())).cpu()  # into which a network may write
        try:
            self._check(runner, example, answer, extent)
        except CannotRecordError:
            return None
        return runner

    def _new(self, name: str, inputs: Tensor) -> Runner:
        if name == "torch":
            single(self.network(inputs[:1]))
            made = Torch(self.network, inputs[:1], self.compile, self.precision == "bfloat16")
            self._any_size[name] = made, 0.0
            return made
        recording = self._recorded((inputs.shape[1], inputs.shape[2], inputs.shape[3]))
        runner = self._session(recording, name)
        if not recording.fixed:
            self._any_size.setdefault(name, (runner, recording.extent))
        return runner

    def _recorded(self, size: tuple[int, int, int]) -> Recording:
        check_weights(self.network)
        if self.ranges is None:
            return record(self.network, size)
        return record(fused(self.network, _noise(size)), size, self.ranges)

    def _session(self, recording: Recording, name: str) -> Runner:
        kind = OpenCV if name == "opencv" else OnnxRuntime
        try:
            runner = kind(recording.data, self.device)
        except Exception as error:  # each runtime has its own kinds
            raise _does_not_run(error) from error
        self._check(runner, recording.example.to(self.device), recording.answer, recording.extent)
        return runner

    def _check(self, runner: Runner, example: Tensor, answer: Tensor, extent: float) -> None:
        """A runtime may refuse a graph when it runs, or give something else without a word."""
        try:  # three, too: OpenCV 4.12 is right about one, and wrong about more
            answers = [runner(example).cpu(), runner(example.repeat(3, 1, 1, 1)).cpu()]
        except Exception as error:
            raise _does_not_run(error) from error
        alike = close if self.ranges is None else functools.partial(_alike, extent=extent)
        wanted = [answer.expand(len(given), *answer.shape[1:]) for given in answers]
        if not all(map(alike, answers, wanted)):
            raise CannotRecordError(_OTHER if self.ranges is None else _OTHER_IN_INTEGERS)

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_runners", "_any_size", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset(self.device)

    def __repr__(self) -> str:
        alone = f", {self._alone!r} for one picture" if self._alone else ""
        return f"Engine({self.name!r}{alone}, device {self.device})"


def runs_on(engine: str | None, device: torch.device) -> bool:
    """Whether an engine, by its name, can run on a device."""
    if engine == "onnx":
        return device.type == "cpu" or _on_gpu(device)
    return engine != "opencv" or device.type == "cpu"


def _checked(name: str, network: nn.Module, device: torch.device) -> str:
    """The engine that a name means on a device."""
    installed = _installed()
    if name == "auto":
        if device.type != "cpu":
            return "torch"
        if installed:
            return "onnx"
        depthwise = any(isinstance(m, nn.Conv2d) and m.groups > 1 for m in network.modules())
        return "opencv" if depthwise else "torch"
    if name == "onnx" and not installed:
        raise MissingExtraError("onnxruntime", "onnx")
    if not runs_on(name, device):
        more = "install onnxruntime-gpu, or " if name == "onnx" and device.type == "cuda" else ""
        raise ArgumentError(f"engine {name!r} does not run on {device}; {more}say device='cpu' or engine='torch'")
    return name


def _installed() -> bool:
    return importlib.util.find_spec("onnxruntime") is not None


def _has_bfloat16() -> bool:
    """Whether the CPU has instructions for it; True where PyTorch cannot tell."""
    try:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except (AttributeError, RuntimeError):  # a build without oneDNN
        return True


def _on_gpu(device: torch.device) -> bool:
    if device.type != "cuda" or not _installed():
        return False
    import onnxruntime  # late: the extra onnx

    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def _does_not_run(error: Exception) -> CannotRecordError:
    reason = (str(error).strip().splitlines() or [repr(error)])[0]
    return CannotRecordError(f"the network's graph does not run there ({reason})")


def _noise(size: tuple[int, ...]) -> Tensor:
    return torch.rand(1, *size, generator=torch.Generator().manual_seed(0))


def _alike(given: Tensor, expected: Tensor, extent: float) -> bool:
    """Whether it is the same but for what eight bits round; the extent is :class:`Recording`'s."""
    if given.numel() != expected.numel():
        return False
    off = given.reshape(expected.shape) - expected
    spread = float(expected.std(correction=0)) * (ROUNDED_MAPS if extent else ROUNDED)
    size = float(expected.abs().max()) / 50  # one number has no spread
    return bool(off.square().mean().sqrt() <= max(spread, size, COARSE * extent, 1e-6))
