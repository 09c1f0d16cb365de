"""What a Detector is made of: its device, its network, its finder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from . import finder, hub, models
from .engine import runs_on
from .errors import ArgumentError

__all__ = ["load_finder", "network_of", "pick_device"]

# The SHA-256 is that of the file in OpenCV's opencv_zoo, which has not changed since 2023 (commit f12e12798e); it pins
# the file, as the Hub's commit is not on record here.
YUNET = (
    "opencv/face_detection_yunet",
    "face_detection_yunet_2023mar.onnx",
    "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
)
YUNET_INSTEAD = "Offline, get the file from OpenCV's model zoo (opencv_zoo), and say finder='yunet:PATH'"


def load_finder(
    name: str | Path | finder.Finder | Callable[..., Any] = "finder",
    cache_dir: str | Path | None = None,
    engine: str = "auto",
    token: str | bool | None = None,
) -> finder.Finder:
    """The face finder of a name, file or function.

    Args:
        name: a name of the package, a folder, or ``"org/repo"`` on the Hub, of a finder that facekp trained;
            ``"yunet"``, whose ONNX file then comes from the Hub and must be the one on record, ``"yunet:FILE"`` or
            the path of an ONNX file for OpenCV's YuNet; a :class:`facekp.finder.Finder`; or a function of a picture.
        cache_dir: the Hub's cache folder.
        engine: what runs the network of a finder that facekp trained: see :class:`facekp.engine.Engine`.
        token: of the Hub; see :func:`facekp.hub.load`.

    Raises:
        HubError: it cannot be found or is damaged.
        ArgumentError: it is nothing of these, or the engine is unknown.
        MissingExtraError: the engine is not installed.
    """
    if not isinstance(name, (str, Path)):
        if isinstance(name, type) or not callable(name):
            raise ArgumentError(f"finder: expected a name, a path or a function of a picture, got {name!r}")
        return name if hasattr(name, "to") else finder.FunctionFinder(name)
    text = str(name)
    if text == "yunet":
        repo, file, digest = YUNET
        return finder.YuNet(hub.fetch(repo, file, digest, cache_dir=cache_dir, token=token, instead=YUNET_INSTEAD))
    if text.startswith("yunet:") or text.endswith(".onnx"):
        return finder.YuNet(text.removeprefix("yunet:"))
    bundle = hub.load(name, kind="finder", cache_dir=cache_dir, token=token)
    network = hub.network_of(lambda: finder.create(bundle.config.get("network", {})), bundle)
    return finder.FaceFinder(network, bundle.config.get("finder", {}), engine=engine)


def network_of(given: nn.Module | Callable[..., nn.Module] | None, bundle: hub.Bundle) -> nn.Module:
    """The network that a model's config describes, or what was given in its place: a network, or its class."""
    options = dict(bundle.config.get("network", {}))
    if isinstance(given, nn.Module):
        return given
    name = str(options.pop("name", ""))
    if given is not None:
        return given(**options)
    if ":" in name:
        kind = name.rpartition(":")[2]
        raise ArgumentError(
            f"network: its code, {name}, is not part of facekp, which runs no code that a config names; "
            f"import it and give it: Detector.from_pretrained(..., network={kind})"
        )
    return models.from_config(bundle.config.get("network", {}))


def pick_device(device: str | torch.device, engine: str | None = None) -> torch.device:
    """``"auto"`` → CUDA, then MPS, then CPU, of those on which the engine runs; anything else must be there.

    Raises:
        ArgumentError: torch does not know the device, or it is not on this machine.
    """
    if str(device) == "auto":
        there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
        return next(d for d in map(torch.device, there) if there[d.type] and runs_on(engine, d))
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen).item()  # "meta" makes tensors, but none with a value
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ArgumentError(f"device: {device!r} cannot be used here ({reason}); try 'auto' or 'cpu'") from None
    return chosen
