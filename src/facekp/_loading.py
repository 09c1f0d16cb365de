"""What a Detector is made of: its device, its network, its finder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from . import finder, hub, models
from .engine import runs_on
from .errors import ArgumentError, FacekpError, HubError

__all__ = ["load_finder", "network_of", "pick_device"]

YUNET = ("opencv/face_detection_yunet", "face_detection_yunet_2023mar.onnx")


def load_finder(
    name: str | Path | finder.Finder | Callable[..., Any] = "finder",
    cache_dir: str | Path | None = None,
    engine: str = "auto",
) -> finder.Finder:
    """The face finder of a name, file or function.

    Args:
        name: a name of the package, a folder, or ``"org/repo"`` on the Hub, of a finder that facekp trained;
            ``"yunet"``, whose ONNX file then comes from the Hub, ``"yunet:FILE"`` or the path of an ONNX file for
            OpenCV's YuNet; a :class:`facekp.finder.Finder`; or a function of a picture.
        cache_dir: the Hub's cache folder.
        engine: what runs the network of a finder that facekp trained: see :class:`facekp.engine.Engine`.

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
        return finder.YuNet(_download(cache_dir))
    if text.startswith("yunet:") or text.endswith(".onnx"):
        return finder.YuNet(text.removeprefix("yunet:"))
    bundle = hub.load(name, kind="finder", cache_dir=cache_dir)
    network = hub.network_of(lambda: finder.create(bundle.config.get("network", {})), bundle)
    try:
        config = finder.FinderConfig.from_dict(bundle.config.get("finder", {}))
    except FacekpError as error:
        raise HubError(f"{bundle.origin}: config.json: {error}") from None
    return finder.FaceFinder(network, config, engine=engine)


def _download(cache_dir: str | Path | None) -> Path:
    from huggingface_hub import hf_hub_download  # late: it is not needed for what the package carries

    repo, file = YUNET
    try:
        return Path(hf_hub_download(repo, file, cache_dir=cache_dir))
    except Exception as error:  # httpx, OS and half a dozen Hub errors: one answer to the user
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise HubError(
            f"yunet: the Hub gave for {repo}: {reason}. Offline, get {file} and say finder='yunet:PATH'"
        ) from error


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
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ArgumentError(f"device: {device!r} cannot be used here ({reason}); try 'auto' or 'cpu'") from None
    return chosen
