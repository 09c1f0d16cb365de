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
from ..errors import ArgumentError, RecipeError, unknown_name
from .recipe import KeypointRecipe

__all__ = ["Sketch", "create", "described", "sketch"]


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
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, ValueError, AttributeError) as error:
        raise RecipeError(f"network.name: {name} cannot be had from {here}: {error}") from None
    finally:
        sys.path.remove(here)


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
    try:
        network = kind(name)(**given)
    except (TypeError, ArgumentError) as error:
        raise RecipeError(f"network: {name}: {error}") from None
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
        except (RuntimeError, ArgumentError) as error:
            first = str(error).strip().splitlines()[0]
            raise RecipeError(f"network: {name} does not take a crop.size of {size}: {first}") from None
    output = getattr(network, "output", "heatmap" if answer.ndim == 4 else "vector")
    return Sketch(output, tuple(answer.shape[1:]))
