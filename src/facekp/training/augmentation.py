"""A recipe's ``augment``: the name of a preset, or a list of transforms."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from .. import transforms
from .._arguments import options_of
from ..errors import ArgumentError, unknown_name

__all__ = ["choices", "pipeline"]

_NOT_TO_CHOOSE = ("Compose", "CropToBox")  # the crop has keys of its own


def choices() -> dict[str, type[transforms.Transform]]:
    """The transforms that a recipe may name."""
    found = {}
    for name in transforms.__all__:
        kind = getattr(transforms, name)
        if isinstance(kind, type) and issubclass(kind, transforms.Transform) and not inspect.isabstract(kind):
            found[name] = kind
    return {name: kind for name, kind in found.items() if name not in _NOT_TO_CHOOSE}


def pipeline(
    augment: str | Sequence[Mapping[str, Any]], crop: transforms.Transform | None = None
) -> transforms.Compose:
    """The crop, and what follows it.

    Args:
        augment: a name of :func:`facekp.transforms.preset`, or ``[{"name": "RandomAffine", "angle": 15}, ...]``.
        crop: what comes first; None only checks the rest.

    Raises:
        ArgumentError: an unknown name (the choices are listed), or an option that a transform does not have.
    """
    first = transforms.Compose([]) if crop is None else crop
    if isinstance(augment, str):
        return transforms.preset(augment, first)
    return transforms.Compose([first, *(_transform(i, spec) for i, spec in enumerate(augment))])


def _transform(index: int, spec: Mapping[str, Any]) -> transforms.Transform:
    options = dict(spec)
    name, known = options.pop("name", None), choices()
    if name not in known:
        raise unknown_name("transform", name, known)
    try:
        return known[name](**options)
    except (TypeError, ArgumentError) as error:
        raise ArgumentError(f"transform number {index}, {name}: {options_of(known[name], error)}") from None
