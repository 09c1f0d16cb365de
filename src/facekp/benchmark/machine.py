"""Where numbers were measured: a time without its machine says nothing."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from .._version import __version__

__all__ = ["installed", "machine", "machine_line"]

#: Those that decide how fast convolutions are.
FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimd")


def machine(device: torch.device) -> dict[str, Any]:
    """The processor, what it had to do besides, the versions of what computes, and the GPU where it is one.

    Returns:
        ``cpu`` and ``flags`` (as far as the system tells), ``cores`` that this process may use, ``load`` (runnable
        programs, the mean of the last minute), ``device``, ``gpu``, ``date``, ``system``, ``versions``.
    """
    info = _cpuinfo()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    known = set(info.get("flags", info.get("Features", "")).split())
    return {
        "cpu": info.get("model name") or platform.processor() or platform.machine(),
        "flags": [flag for flag in FLAGS if flag in known],
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": None if load is None else round(load, 2),
        "device": str(device),
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "system": f"{platform.system()} {platform.machine()}",
        "date": datetime.now(timezone.utc).date().isoformat(),
        "versions": {
            "facekp": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "onnxruntime": installed("onnxruntime", "onnxruntime-gpu"),
            "opencv": cv2.__version__,
            "numpy": np.__version__,
        },
    }


def _cpuinfo() -> dict[str, str]:
    """What Linux says of its first processor; empty elsewhere."""
    try:
        first = Path("/proc/cpuinfo").read_text("utf-8", "replace").partition("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def installed(*names: str) -> str | None:
    """The version of the first of these distributions that is installed."""
    for name in names:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def machine_line(about: dict[str, Any]) -> str:
    """All of :func:`machine` in one line for people."""
    flags = f" ({', '.join(about['flags'])})" if about["flags"] else ""
    gpu = f"; {about['gpu']}" if about["gpu"] else ""
    load = "" if about["load"] is None else f"; load {about['load']:g}"
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items() if version)
    return (
        f"{about['cpu']}{flags}, {about['cores']} core(s), {about['system']}; device {about['device']}{gpu}{load}; "
        f"{versions}; {about['date']}"
    )
