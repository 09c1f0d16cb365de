"""Which engine is the quickest for which network: CPU time of one call, the least of many.

python benchmarks/engines.py [--threads N] [--tried]

``--tried`` adds what facekp does not have: TorchScript, see docs/experiments.md.  The ranges for int8 are those of
random pictures, as the time does not depend on them.

CPU time on one thread is steadier than the clock where other programs run.  With more threads the clock counts.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

import cv2
import torch
from torch import Tensor, nn

from facekp import Detector, finder, models
from facekp.engine import Engine, fused, ranges


def networks() -> dict[str, tuple[nn.Module, tuple[int, int, int, int]]]:
    """Those of the package, and one of random weights: shape decides the time, not weights."""
    names = ("resnet18-ibug", "mobile-ibug", "mobile-light-ibug")
    shipped, small, light = (Detector.from_pretrained(name, device="cpu") for name in names)
    assert isinstance(shipped.finder, finder.FaceFinder)
    assert isinstance(light.finder, finder.FaceFinder)
    mobile = models.create("mobile", points=68, width=0.75)
    return {
        "finder, 288x384": (shipped.finder.network, (1, 3, 288, 384)),
        "finder-light, 288x384": (light.finder.network, (1, 3, 288, 384)),
        "resnet18-ibug": (shipped.network, (1, 3, *shipped.crop_size)),
        "resnet18-ibug, 16 faces": (shipped.network, (16, 3, *shipped.crop_size)),
        "mobile-ibug": (small.network, (1, 3, *small.crop_size)),
        "mobile-ibug, 16 faces": (small.network, (16, 3, *small.crop_size)),
        "mobile-light-ibug": (light.network, (1, 3, *light.crop_size)),
        "mobile-light-ibug, 16 faces": (light.network, (16, 3, *light.crop_size)),
        "network `mobile`, width 0.75": (mobile, (1, 3, 128, 128)),
    }


def _plain(network: nn.Module) -> Callable[[Tensor], Tensor]:
    @torch.inference_mode()
    def run(inputs: Tensor) -> Tensor:
        output: Tensor = network(inputs)
        return output

    return run


def _traced(network: nn.Module, inputs: Tensor, *, graphs: bool) -> Callable[[Tensor], Tensor]:
    """By TorchScript, and with chains of operations as one of oneDNN's graphs, which hold for one size of input."""
    module = fused(network, inputs).to(memory_format=torch.channels_last)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # torch.jit is deprecated
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        script = torch.jit.freeze(torch.jit.trace(module, inputs, check_trace=False).eval())
        torch.jit.enable_onednn_fusion(graphs)
        for _ in range(3):  # it looks at two calls, and is compiled in the third
            script(inputs)
        torch.jit.enable_onednn_fusion(False)
    return lambda given: script(given.contiguous(memory_format=torch.channels_last))  # type: ignore[no-any-return]


def least(run: Callable[[Tensor], Tensor], inputs: Tensor, clock: Callable[[], float], seconds: float = 2.0) -> float:
    """Milliseconds of the quickest of the calls that fit into some seconds, after one to warm up."""
    run(inputs)
    times, end = [], time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        start = clock()
        run(inputs)
        times.append(clock() - start)
    return min(times) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tried", action="store_true")
    given = parser.parse_args()
    threads, tried = given.threads, {"TorchScript": False, "with oneDNN's graphs": True} if given.tried else {}
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    clock = time.process_time if threads == 1 else time.perf_counter
    kinds: dict[str, dict[str, Any]] = {name: {"name": name} for name in ("onnx", "torch", "opencv")}
    kinds["torch bfloat16"] = {"name": "torch", "precision": "bfloat16"}
    print(f"| ms, {threads} thread(s) | {' | '.join([*kinds, 'onnx int8', 'plain network', *tried])} |")
    print("|---" * (len(kinds) + len(tried) + 3) + "|")
    for title, (network, shape) in networks().items():
        inputs = torch.rand(shape)
        whole = Engine(network, precision="int8", ranges=ranges(network, [inputs]))
        runs = [*(Engine(network, **options) for options in kinds.values()), whole, _plain(network.eval())]
        runs += [_traced(network, inputs, graphs=graphs) for graphs in tried.values()]
        cells = [f"{least(run, inputs, clock):.1f}" for run in runs]
        print(f"| {title} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
