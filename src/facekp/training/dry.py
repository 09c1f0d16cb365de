"""A rehearsal: two batches of a recipe, and what they cost."""

from __future__ import annotations

import sys
from typing import Any

import lightning
import torch
from torch import Tensor, nn

from .. import models
from .recipe import Common
from .run import job, quiet, trainer

__all__ = ["dry_run"]


def dry_run(recipe: Common) -> dict[str, Any]:
    """Train and validate on two batches, and write nothing.

    Args:
        recipe: from :func:`facekp.training.recipe.load`.

    Returns:
        What was seen: ``input`` and ``output`` shapes, ``parameters``, ``macs`` (multiply-accumulates for one picture),
        ``batches`` of an epoch, ``train`` and ``validation`` samples, ``device``, and ``memory``: the peak in bytes, of
        the GPU's memory or else of the whole process (None where the system does not tell).

    Raises:
        RecipeError: the recipe's parts do not fit each other or the data.
        DatasetError: the data is missing or wrong.
        TrainingError: the loss is not finite.
    """
    lightning.seed_everything(recipe.seed, workers=True, verbose=False)
    work = job(recipe)
    seen: dict[str, Any] = {}

    def look(_: nn.Module, given: tuple[Tensor, ...], answer: Any) -> None:
        seen.setdefault("input", _shape(given[0]))
        seen.setdefault("output", _shape(answer))

    hook = work.module.network.register_forward_hook(look)
    loop = trainer(recipe, fast_dev_run=2, logger=False)
    device = loop.strategy.root_device
    with quiet():
        loop.fit(work.module, work.train, work.validation)
    hook.remove()
    size = (seen["input"][-2], seen["input"][-1])
    price = models.cost(work.module.network, size)
    return {
        **seen,
        "parameters": price.parameters,
        "macs": price.macs,
        "batches": len(work.train),
        "train": len(work.train.dataset),  # type: ignore[arg-type]
        "validation": len(work.validation.dataset),  # type: ignore[arg-type]
        "device": str(device),
        "memory": _peak(device),
    }


def _shape(value: Any) -> Any:
    if isinstance(value, Tensor):
        return tuple(value.shape)
    return tuple(_shape(part) for part in value)


def _peak(device: torch.device) -> int | None:
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    try:
        import resource  # not on Windows
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
