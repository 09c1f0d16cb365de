"""For hub: a config is read and judged before any weight is, and a network is built without being allocated."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from . import decoders, finder, models, schema
from ._version import __version__
from .errors import FacekpError, HubError
from .models.facts import NEEDED, Facts, missing
from .models.facts import schema_of as told_schema

__all__ = ["FORMAT", "MAX_BYTES", "MAX_NUMBERS", "DamagedError", "blank", "check", "check_fit", "parse", "schema_of"]

#: Of ``config.json``, as this version writes it; a newer one is refused.
FORMAT = 1
MAX_NUMBERS = 500_000_000  # in a network: twenty times the largest of facekp's own
MAX_BYTES = 8 * MAX_NUMBERS  # of its file
_MAX_CONFIG_BYTES = 16 << 20
_MAX_TENSORS = 4_000  # in a network: ten times as many as the deepest has
_MAX_OPTION = 65_536  # widths, counts and sizes in pixels
_SIZED = ("network", "codec", "crop", "preprocessing", "finder")
_KINDS = ("keypoints", "finder")

_MAKERS = frozenset({"arange", "empty", "full", "linspace", "ones", "rand", "randn", "tensor", "zeros"})
_FILLERS = frozenset({"clamp_", "erfinv_", "fill_", "mul_", "add_", "normal_", "uniform_", "zero_"})


class DamagedError(HubError):
    """A file is not what it was when it was written: another copy of it may be."""


class _Budget(TorchFunctionMode):
    """Counts what is made, and fills nothing: a tensor on the device ``meta`` has no values to fill."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = self.tensors = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        filled = args[0] if args else (kwargs or {}).get("tensor")  # torch.nn.init names it
        if name in _FILLERS and isinstance(filled, Tensor) and filled.is_meta:
            return filled
        made = func(*args, **(kwargs or {}))
        if name in _MAKERS:
            self.numbers += made.numel()
            self.tensors += 1
            if self.numbers > MAX_NUMBERS or self.tensors > _MAX_TENSORS:
                raise HubError(
                    f"network: more than {MAX_NUMBERS:,} numbers or {_MAX_TENSORS:,} tensors are asked for, which "
                    "no network of facekp has; nothing was allocated"
                )
        return made


def blank(build: Callable[[], nn.Module]) -> nn.Module:
    """A network on the device ``meta``: shapes without memory.

    Raises:
        HubError: it is absurdly large, or cannot be built.
        FacekpError: what ``build`` raises of facekp's own.
    """
    try:
        with torch.device("meta"), _Budget():
            return build()
    except FacekpError:
        raise
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, ArithmeticError, RuntimeError) as error:
        raise HubError(f"network: cannot be built ({_first_line(error)})") from None


def parse(data: bytes, path: Path) -> dict[str, Any]:
    """What ``config.json`` says, if it is a model's, of a format that this facekp reads.

    Raises:
        HubError: no JSON object, too long, or written by a newer facekp.
    """
    try:
        if len(data) > _MAX_CONFIG_BYTES:
            raise ValueError(f"{len(data):,} bytes are too many")
        config = json.loads(data.decode("utf-8-sig"))  # as some editors of Windows write it
        json.dumps(config, ensure_ascii=False).encode()  # half a surrogate pair is text that no file can hold
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"{path}: not JSON ({error})") from None
    form = config.get("format") if isinstance(config, dict) else None
    if not isinstance(form, int) or isinstance(form, bool) or form < 1:
        raise HubError(f"{path}: not a facekp model's config; expected an object with 'format': {FORMAT}")
    if form > FORMAT:
        raise HubError(
            f"{path}: format {form}, but facekp {__version__} reads up to {FORMAT}; run  pip install --upgrade facekp"
        )
    return dict(config)


def check(config: Mapping[str, Any]) -> None:
    """Judge a config before its weights are read: names, sizes, and the network as a whole.

    What is missing is left to those who need it: a network alone can be saved and loaded, too.

    Raises:
        HubError: it names what facekp does not know, or asks for what no machine should allocate.
    """
    kind = config.get("type")
    if kind not in _KINDS:
        raise HubError(f"unknown type {kind!r}; choose one of: {', '.join(_KINDS)}")
    for section in _SIZED:
        if section in config:
            _check_numbers(_mapping(config, section), section)
    try:
        if kind == "finder":
            finder.FinderConfig.from_dict(config.get("finder", {}))
        layout = schema_of(config)
        facts = None
        if kind == "keypoints" and not missing(config):
            facts = Facts.read(config)
        elif "codec" in config:
            decoders.from_config(_mapping(config, "codec"))
        if "network" in config:
            _check_network(_mapping(config, "network"), str(kind), layout, facts)
    except FacekpError as error:
        raise HubError(str(error)) from None
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, ArithmeticError, RuntimeError) as error:
        raise HubError(f"an entry has the wrong form ({_first_line(error)})") from None


def check_fit(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
    """Judge a model as a whole, as it is before it is pushed: nothing is missing, and the weights fit.

    Somebody's own network cannot be built here, so that its weights are taken on trust.

    Raises:
        HubError: something is missing, or a weight has another name or shape.
    """
    keypoints = config["type"] == "keypoints"
    if lacks := missing(config, (*NEEDED, "network") if keypoints else ("name", "network", "finder")):
        raise HubError(f"config.json: {lacks}")
    options = _mapping(config, "network")
    if ":" in str(options.get("name", "")):
        return
    built = blank(lambda: models.from_config(options) if keypoints else finder.create(options))
    expected = {key: tuple(value.shape) for key, value in built.state_dict().items()}
    given = {key: tuple(value.shape) for key, value in state.items()}
    if wrong := [key for key in {*expected, *given} if expected.get(key) != given.get(key)]:
        raise HubError(f"model.safetensors does not fit config.json: {', '.join(sorted(wrong)[:3])}")


def schema_of(config: Mapping[str, Any]) -> schema.KeypointSchema | None:
    """The points of a model, or None for one that has none."""
    return None if config.get("schema") is None else told_schema(config)


def _mapping(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = config[key]
    if not isinstance(value, Mapping):
        raise HubError(f"{key}: expected an object, got {value!r:.80}")
    return value


def _check_network(
    options: Mapping[str, Any], kind: str, layout: schema.KeypointSchema | None, facts: Facts | None
) -> None:
    if options.get("pretrained"):
        raise HubError("network: pretrained asks for other weights, from elsewhere; a saved model has its own")
    if kind == "finder":
        blank(lambda: finder.create(options))
    elif ":" not in str(options.get("name", "")):  # else it is somebody's own code, which has to be given
        points = options.get("points")
        if layout is not None and isinstance(points, int) and points != len(layout):
            raise HubError(f"network: has {points} points, but schema {layout.name} has {len(layout)}")
        built = blank(lambda: models.from_config(options))
        if facts is not None:
            _check_output(built, facts)


def _check_output(network: nn.Module, facts: Facts) -> None:
    """Whether the network takes the model's crops, and gives what its codec reads: shapes alone."""
    codec, channels = facts.codec, 1 if facts.grey else int(getattr(network, "in_channels", 3))
    crop = torch.empty(1, channels, *facts.crop_size, device="meta")
    try:
        with torch.inference_mode():
            output = network.eval()(crop)
    except (RuntimeError, ValueError, TypeError) as error:
        raise HubError(f"network: does not take crops of {tuple(crop.shape[1:])} ({_first_line(error)})") from None
    wanted: tuple[int, ...] = (codec.channels(len(facts.schema)), *getattr(codec, "heatmap_size", ()))
    given = tuple(output.shape[1:]) if codec.output == "heatmap" else (output[0].numel(),)
    if given != wanted:
        raise HubError(f"network: gives {given} for a crop, but codec {codec.name} reads {wanted}")


def _check_numbers(value: Any, where: str) -> None:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _check_numbers(inner, f"{where}.{key}")
    elif isinstance(value, list):
        for inner in value:
            _check_numbers(inner, where)
    elif isinstance(value, (int, float)) and not (math.isfinite(value) and abs(value) <= _MAX_OPTION):
        raise HubError(f"{where}: {value} is beyond {_MAX_OPTION:,}, the most that facekp takes; nothing was allocated")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
