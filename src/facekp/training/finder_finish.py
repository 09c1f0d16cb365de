"""A trained finder is measured, given its threshold, and saved."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from .. import hub
from ..finder import FaceFinder, FinderConfig, create
from ..metrics import detection
from ..sample import Frame
from ..transforms.frames import without_faces
from .finder_recipe import FinderRecipe

__all__ = ["choose_threshold", "measure", "save", "summary"]

log = logging.getLogger(__name__)

_LOWEST = 0.05  # detections that score less are never looked at
# Per validation frame whose known faces are painted over.  On 300-W more than half of what is then found with a good
# score is a real face that nobody labelled, so this is stricter than it looks.
_FALSE_ALARMS = 0.1


def summary(matches: Sequence[detection.Match], threshold: float) -> dict[str, float]:
    """What a validation says.

    ``recall``: labelled faces (the first of each frame) found at IoU 0.5 by a score of at least ``threshold``;
    ``recall_any``: by any score; ``iou``: the mean IoU of the found ones; ``ap``: average precision over all faces;
    ``false``: false alarms per frame (a face that nobody labelled counts as one).
    """
    first = np.array([(m.found[0], m.iou[0]) for m in matches if len(m.found)]).reshape(-1, 2)
    hit = first[:, 0] >= threshold
    wrong = [float((~m.correct & (m.scores >= threshold)).sum()) for m in matches]
    return {
        "recall": float(hit.mean()) if len(hit) else float("nan"),
        "recall_any": float((first[:, 0] > 0).mean()) if len(hit) else float("nan"),
        "iou": float(first[hit, 1].mean()) if hit.any() else float("nan"),
        "ap": detection.average_precision(matches),
        "false": float(np.mean(wrong)) if wrong else float("nan"),
    }


def measure(finder: FaceFinder, frames: Sequence[Frame], batch: int = 16) -> list[detection.Match]:
    """Match what a finder sees in whole frames with what is there, at the lowest threshold."""
    matches = []
    for start in range(0, len(frames), batch):
        part = frames[start : start + batch]
        for one, frame in zip(finder([f.image for f in part], min_score=_LOWEST), part, strict=True):
            matches.append(detection.match(one.boxes, one.scores, frame.boxes, frame.ignore))
    return matches


def choose_threshold(matches: Sequence[detection.Match], empty: Sequence[detection.Match]) -> float:
    """The lowest threshold, in steps of 0.01, with at most one false alarm in ten frames whose faces are painted over.

    It is never above the score that half of the labelled faces reach.
    """
    alarms = np.concatenate([m.scores for m in empty]) if empty else np.zeros(0)
    faces = [float(m.found[0]) for m in matches if len(m.found)]
    highest = float(np.median(faces)) if faces else 1.0
    for step in range(5, 100):
        threshold = step / 100
        if (alarms >= threshold).sum() <= _FALSE_ALARMS * len(empty):
            return min(threshold, round(highest, 2))
    return round(highest, 2)


def save(
    network: nn.Module, config: FinderConfig, recipe: FinderRecipe, frames: Sequence[Frame], folder: Path
) -> dict[str, Any]:
    """Measure the network as it ships (filters in half precision), choose its threshold, write both files.

    Returns:
        What ``config.json`` says.
    """
    finder = FaceFinder(create(recipe.network), config)
    finder.network.load_state_dict(_rounded(network))
    matches = measure(finder, frames)
    empty = measure(finder, [without_faces(frame) for frame in frames])
    threshold = choose_threshold(matches, empty)
    numbers = {k: round(v, 4) for k, v in summary(matches, threshold).items()}
    alarms = sum(int((m.scores >= threshold).sum()) for m in empty) / max(1, len(empty))
    shipped = {
        "type": "finder",
        "name": recipe.name,
        "licence": recipe.licence,
        "training_data": _training_data(recipe),
        "box": "the tight extent of the 68 points",
        "network": dict(recipe.network),
        "finder": {**config.to_dict(), "min_score": threshold},
        "metrics": {"frames": len(frames), **numbers, "false_without_faces": round(alarms, 4)},
    }
    log.info("%s: threshold %.2f, %s", recipe.name, threshold, shipped["metrics"])
    hub.save(folder, finder.network, shipped)
    return shipped


def _training_data(recipe: FinderRecipe) -> list[str]:
    names = ["300-W train (AFW, HELEN, LFPW) without the validation list"]
    return [*names, "YouTube Faces training frames without the validation people"] if recipe.data.ytf else names


def _rounded(network: nn.Module) -> dict[str, torch.Tensor]:
    """The weights as :func:`facekp.hub.save` keeps them: filters in half precision, vectors as they are."""
    state = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    return {k: v.half().float() if v.is_floating_point() and v.ndim > 1 else v for k, v in state.items()}
