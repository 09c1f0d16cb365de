"""For engine: a network, or what was recorded of one, in each runtime, behind one call."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ._fusing import fused
from ._onnxgraph import INPUT

__all__ = ["OnnxRuntime", "OpenCV", "Runner", "Torch"]

Runner = Callable[[Tensor], Tensor]


class Torch:
    """PyTorch, with batch norms folded into the convolutions, channels last."""

    def __init__(self, network: nn.Module, example: Tensor, compiled: bool, half: bool) -> None:
        dtype = torch.bfloat16 if half else torch.float32
        module = fused(network, example).to(dtype).to(memory_format=torch.channels_last)
        self.run: Callable[[Tensor], Tensor] = torch.compile(module) if compiled else module
        self.dtype = dtype

    def __call__(self, inputs: Tensor) -> Tensor:
        return self.run(inputs.to(self.dtype, memory_format=torch.channels_last)).float()


class OnnxRuntime:
    """ONNX Runtime, on as many threads as PyTorch is set to now."""

    def __init__(self, data: bytes, device: torch.device) -> None:
        import onnxruntime  # late: the extra onnx

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 4  # an error is raised, too
        # Its threads wait for each other's parts of a layer without sleeping, but only while a network runs: else they
        # would be in the way of OpenCV's and of other programs'.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        providers: list[Any] = ["CPUExecutionProvider"]
        if device.type == "cuda":
            providers.insert(0, ("CUDAExecutionProvider", {"device_id": device.index or 0}))
        self.session = onnxruntime.InferenceSession(data, options, providers=providers)

    def __call__(self, inputs: Tensor) -> Tensor:
        array = inputs.cpu().contiguous().numpy()
        return torch.from_numpy(self.session.run(None, {INPUT: array})[0]).to(inputs.device)


class OpenCV:
    """``cv2.dnn``."""

    def __init__(self, data: bytes, device: torch.device) -> None:
        import cv2  # late, as it is in all modules that may do without

        self.net = cv2.dnn.readNetFromONNX(np.frombuffer(data, np.uint8))
        self.lock = threading.Lock()  # a cv2.dnn.Net keeps its input and all maps

    def __call__(self, inputs: Tensor) -> Tensor:
        array = inputs.contiguous().numpy()
        with self.lock:
            self.net.setInput(array)
            return torch.from_numpy(self.net.forward().copy())  # the next call writes into what it gave
