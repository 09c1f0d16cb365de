"""Whether a run that is there can go on: by the same recipe, from checkpoints that can be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from ..errors import RecipeError, TrainingError
from . import recipe as recipes
from .checkpoint import BEST, LAST
from .recipe import Common

__all__ = ["check"]

# What may be another in a run's later part: how long, where, and what is kept, but not what is learned.
FREE = (
    *("name", "title", "licence", "data.root", "epochs", "early_stopping", "validate_every", "keep"),
    *("checkpoint_every", "workers", "devices", "num_nodes", "strategy"),
)


def check(recipe: Common, folder: Path) -> None:
    """Whether the recipe is that of the folder's run, and its checkpoints are whole.

    Raises:
        RecipeError: a key that says what is learned has changed: a checkpoint's optimiser, schedule and weights would
            overrule it, and what was measured before would not compare with what comes.
        TrainingError: a checkpoint cannot be read.
    """
    file = folder / "recipe.json"
    if file.is_file():
        try:
            written = json.loads(file.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise RecipeError(f"{file}: cannot be read ({error})") from None
        before = recipes.check(written, str(file)) if isinstance(written, dict) else recipe
        if found := _changed(_plain(before), _plain(recipe)):
            raise RecipeError(
                f"{folder} holds a run with another {found}; resume it with its own recipe, or start another folder, "
                f"perhaps from its weights (init: {folder / 'model'})"
            )
    for name in (LAST, BEST):
        _check_checkpoint(folder / name)


def _check_checkpoint(path: Path) -> None:
    if not path.exists():
        return
    try:
        whole = "state_dict" in torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001  (of a damaged file, pickle's, zip's or torch's own kinds)
        raise TrainingError(f"{path}: cannot be read ({type(error).__name__}): it is damaged; {_WAY_OUT}") from None
    if not whole:
        raise TrainingError(f"{path}: this is no checkpoint of a run; {_WAY_OUT}")


_WAY_OUT = f"take a copy of it, or delete {LAST} and {BEST} to start anew"


def _plain(recipe: Common) -> dict[str, Any]:
    return dict(json.loads(json.dumps(recipe.model_dump(mode="json", by_alias=True))))


def _changed(before: Any, now: Any, key: str = "") -> str | None:
    """The first key that is another, and both its values."""
    if key in FREE:
        return None
    if not isinstance(before, dict) or not isinstance(now, dict):
        return None if before == now else f"{key}: {before}, now {now}"
    found = (_changed(before.get(k), now.get(k), f"{key}.{k}".lstrip(".")) for k in {**before, **now})
    return next((one for one in found if one), None)
