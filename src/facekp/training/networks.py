"""A recipe's network: of facekp, or a class of the user's own."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .. import models
from .._arguments import options_of
from ..errors import ArgumentError, RecipeError, unknown_name
from .recipe import KeypointRecipe

__all__ = ["Sketch", "check_alone", "create", "described", "sketch"]


@dataclass(frozen=True, slots=True)
class Sketch:
    """What a network gives for an input of the recipe's size.

    Attributes:
        output: ``"heatmap"`` or ``"vector"``.
        shape: of the answer to one picture: ``(C, h, w)`` or ``(C,)``.
    """

    output: str
    shape: tuple[int, ...]


def kind(name: Any) -> Any:
    """The network's class.

    Raises:
        RecipeError: there is none of this name; the choices are listed.
    """
    if not isinstance(name, str) or ":" not in name:
        if name not in models.NETWORKS:
            raise RecipeError(f"network.name: {unknown_name('network', name, models.NETWORKS)}, or module:Class")
        return models.NETWORKS[name]
    module, _, attribute = name.partition(":")
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        found = getattr(importlib.import_module(module), attribute)
    except Exception as error:
        raise RecipeError(f"network.name: {name} cannot be had from {here}: {_first(error)}") from error
    finally:
        sys.path.remove(here)
    if not callable(found):
        raise RecipeError(f"network.name: {name} is a {type(found).__name__}, expected a class")
    return found


def _first(error: Exception) -> str:
    """The first line of an error, and its kind where that says more."""
    said = (str(error).strip().splitlines() or [""])[0]
    known = isinstance(error, (ImportError, AttributeError, RuntimeError, ArgumentError))
    return said if known else f"{type(error).__name__}: {said}"


def described(recipe: KeypointRecipe, points: int) -> dict[str, Any]:
    """The recipe's options, with those that follow from its other keys where the network takes them."""
    options: dict[str, Any] = {"points": points, **recipe.network}
    takes = signature(kind(options["name"])).parameters
    if "input_size" in takes:
        options.setdefault("input_size", list(recipe.crop.size))
    if recipe.grey:
        options.setdefault("in_channels", 1)
    return options


def create(options: Mapping[str, Any]) -> nn.Module:
    """The network of :func:`described`.

    Raises:
        RecipeError: an option that the network does not have or take.
    """
    given = dict(options)
    name = given.pop("name")
    made = kind(name)
    try:
        network = made(**given)
    except (TypeError, ArgumentError) as error:
        raise RecipeError(f"network: {name}: {options_of(made, error)}") from error
    if not isinstance(network, nn.Module):
        raise RecipeError(f"network.name: {name} gives a {type(network).__name__}, expected a torch.nn.Module")
    return network


def sketch(options: Mapping[str, Any], size: tuple[int, int]) -> Sketch:
    """What the network gives, without allocating it.

    Raises:
        RecipeError: it cannot be built, or does not take this size.
    """
    name = options["name"]
    with torch.device("meta"), torch.no_grad():
        network = create({k: v for k, v in options.items() if k != "pretrained"}).eval()
        try:
            answer = network(torch.zeros(1, int(options.get("in_channels", 3)), *size))
        except Exception as error:
            raise RecipeError(f"network: {name} does not take a crop.size of {size}: {_first(error)}") from error
    if not isinstance(answer, torch.Tensor) or answer.ndim not in (2, 4):
        gives = f"a tensor {tuple(answer.shape)}" if isinstance(answer, torch.Tensor) else type(answer).__name__
        raise RecipeError(f"network: {name} gives {gives}; expected maps (N, C, h, w) or numbers (N, C)")
    output = getattr(network, "output", "heatmap" if answer.ndim == 4 else "vector")
    return Sketch(output, tuple(answer.shape[1:]))


def check_alone(options: Mapping[str, Any], size: tuple[int, int]) -> None:
    """Whether the network can learn from one picture at a time.

    Raises:
        RecipeError: a batch norm would have a single value for each channel.
    """
    with torch.device("meta"), torch.no_grad():
        network = create({k: v for k, v in options.items() if k != "pretrained"}).train()
        try:
            network(torch.zeros(1, int(options.get("in_channels", 3)), *size))
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise RecipeError(
                f"batch_size: {options['name']} cannot learn from batches of one face: what it normalises (batch norm) "
                "is a single number then; take a larger batch_size, more training faces or a larger crop.size"
            ) from None
