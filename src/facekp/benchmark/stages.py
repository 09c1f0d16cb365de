"""Where the time of a call goes: a Detector with a stopwatch at its stages."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt
from torch import Tensor

from .. import image as images
from ..detector import Detector
from ..engine import Engine
from .timing import synchronise

__all__ = ["STAGES", "WatchedDetector"]

Array = npt.NDArray[Any]

#: ``crop``: faces are cut out and made the network's input; ``network``: with the reading of its maps where the engine
#: does that; ``decode``: points and scores, on the CPU; ``rest``: what is left of the call: cutting faces out once
#: more, and the making of results.
STAGES = ("read", "find", "crop", "network", "decode", "rest", "call")


class WatchedDetector(Detector):
    """A Detector that adds up how many seconds its stages take, waiting for a GPU at each stage's end.

    Attributes:
        spent: seconds by stage.
        looks: how many crops went through the network.
        runner: the engine without the stopwatch.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.spent, self.looks = dict.fromkeys(STAGES, 0.0), 0
        self._running = (0.0, 0.0)
        assert self.engine is not None  # from_pretrained always gives one
        self.runner: Engine = self.engine
        self.engine = _Watched(self)  # type: ignore[assignment]

    def now(self) -> float:
        """Seconds, once the device has done its work."""
        synchronise(self.device)
        return time.perf_counter()

    def run(self, inputs: Tensor) -> Tensor:
        """The network, with a look at the clock before and after."""
        start = self.now()
        output = self.runner(inputs)
        self._running = start, self.now()
        return output

    def predict(self, crops: Array) -> tuple[Array, Array]:
        start = self.now()
        result = super().predict(crops)
        before, after = self._running
        self.looks += len(crops)
        self._add(crop=before - start, network=after - before, decode=self.now() - after)
        return result

    def _find(self, *arguments: Any) -> Any:
        start = self.now()
        result = super()._find(*arguments)
        self._add(find=self.now() - start)
        return result

    def _prepare(self, *arguments: Any) -> Any:
        start, found = self.now(), self.spent["find"]
        result = super()._prepare(*arguments)
        self._add(crop=self.now() - start - (self.spent["find"] - found))
        return result

    def _add(self, **seconds: float) -> None:
        for stage, more in seconds.items():
            self.spent[stage] += more

    def stages(self, paths: Sequence[Path]) -> Mapping[str, list[float]]:
        """Milliseconds a picture of each stage and of the whole call, the mean of some pictures one by one.

        The first is looked at once before, to warm up.  Reading is measured on its own, before the call that does it
        again.
        """
        self(paths[0])
        self.spent, self.looks = dict.fromkeys(STAGES, 0.0), 0
        for path in paths:
            start = self.now()
            images.read(path)
            self._add(read=self.now() - start)
            start = self.now()
            self(path)
            self._add(call=self.now() - start)
        parts = sum(self.spent[stage] for stage in STAGES[:-2])
        self.spent["rest"] = self.spent["call"] - parts
        return {stage: [seconds * 1000 / len(paths)] for stage, seconds in self.spent.items()}


class _Watched:
    """Stands for the detector's engine."""

    def __init__(self, detector: WatchedDetector) -> None:
        self.detector = detector

    def by(self, count: int) -> str:
        return self.detector.runner.by(count)

    def __call__(self, inputs: Tensor) -> Tensor:
        return self.detector.run(inputs)
