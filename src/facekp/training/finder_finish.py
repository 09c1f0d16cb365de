"""A trained finder is measured, given its threshold, and saved."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from .. import geometry, hub
from ..decoders import calibration
from ..finder import Detections, FaceFinder, FinderConfig, create
from ..metrics import detection, expected_calibration_error
from ..sample import Frame
from ..transforms.frames import without_faces
from ..transforms.turned import turned
from .finder_recipe import FinderRecipe

__all__ = ["TURNS", "Turn", "choose_threshold", "look_turned", "measure", "save", "summary", "turned_summary"]

log = logging.getLogger(__name__)
Array = npt.NDArray[Any]

TURNS = tuple(30.0 * i for i in range(12))  #: degrees clockwise by which validation frames are turned
_LOWEST = 0.05  # detections that score less are never looked at
_FLAT = 0.05  # the least slope: scores must not fall where the network's rise
_IOU, _OFF = 0.5, 15.0  # a face is found at this IoU (boxes turned back); degrees from which an angle is called wrong


class Turn(NamedTuple):
    """What became of a turned frame's first labelled face: the best detection that overlaps it enough.

    Attributes:
        score: 0 where there is none.
        iou: of the boxes, both turned back about their centres.
        error: degrees by which its angle is wrong, without sign.
    """

    score: float
    iou: float
    error: float


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


def look_turned(finder: FaceFinder, frames: Sequence[Frame], angles: Sequence[float]) -> list[Turn]:
    """Turn each frame clockwise by its angle, nothing cut off, and look for its first labelled face.

    Frames without a face are left out.
    """
    pairs = zip(frames, angles, strict=True)
    part = [turned(frame, angle, border=finder.config.fill) for frame, angle in pairs if len(frame.boxes)]
    found = finder([frame.image for frame in part], min_score=_LOWEST)
    return [_first(one, frame) for one, frame in zip(found, part, strict=True)]


def _first(found: Detections, frame: Frame) -> Turn:
    overlap = geometry.iou(found.boxes, frame.boxes[:1])[:, 0]
    if not (overlap >= _IOU).any():
        return Turn(0.0, 0.0, float("nan"))
    best = int(np.argmax(np.where(overlap >= _IOU, found.scores, -1.0)))
    error = abs((float(found.angles[best]) - float(frame.angles[0]) + 180) % 360 - 180)
    return Turn(float(found.scores[best]), float(overlap[best]), error)


def turned_summary(turns: Sequence[Turn], threshold: float) -> dict[str, float]:
    """What turned frames say.

    ``turned_recall``: first labelled faces found at IoU 0.5 by a score of at least ``threshold``; ``turned_iou``: the
    mean IoU of the found ones; ``turned_error``: the median error of their angles, in degrees; ``turned_wrong``: the
    share of them whose angle is wrong by more than 15 degrees.
    """
    rows = np.array(turns, np.float64).reshape(-1, 3)
    hit = rows[rows[:, 0] >= threshold] if len(rows) else rows
    nothing = float("nan")
    return {
        "turned_recall": len(hit) / len(rows) if len(rows) else nothing,
        "turned_iou": float(hit[:, 1].mean()) if len(hit) else nothing,
        "turned_error": float(np.median(hit[:, 2])) if len(hit) else nothing,
        "turned_wrong": float((hit[:, 2] > _OFF).mean()) if len(hit) else nothing,
    }


def choose_threshold(
    matches: Sequence[detection.Match], empty: Sequence[detection.Match], false_alarms: float = 0.1
) -> float:
    """The lowest threshold, in steps of 0.01, with few false alarms in frames whose faces are painted over.

    It is never above the score that half of the labelled faces reach.

    Args:
        matches: of the frames.
        empty: of the frames whose known faces are painted over.  (On 300-W more than half of what is found there with
            a good score is a real face that nobody labelled: the count is stricter than it looks.)
        false_alarms: how many per frame are allowed.
    """
    alarms = np.concatenate([m.scores for m in empty]) if empty else np.zeros(0)
    scores = [float(m.found[0]) for m in matches if len(m.found)]
    highest = float(np.median(scores)) if scores else 1.0
    for step in range(5, 100):
        threshold = step / 100
        if (alarms >= threshold).sum() <= false_alarms * len(empty):
            return min(threshold, round(highest, 2))
    return round(highest, 2)


def save(
    network: nn.Module, config: FinderConfig, recipe: FinderRecipe, frames: Sequence[Frame], folder: Path
) -> dict[str, Any]:
    """Calibrate and measure the network as it ships (filters in half precision), choose its threshold, write files.

    Returns:
        What ``config.json`` says.
    """
    finder = FaceFinder(create(recipe.network), config)
    finder.network.load_state_dict(_rounded(network))
    matches = measure(finder, frames)
    empty = measure(finder, [without_faces(frame) for frame in frames])
    turns = [_turned_frames(finder, frames, angle) for angle in TURNS]
    slope, bias, gap = _calibration(matches, empty)
    matches, empty = (_calibrated(part, slope, bias) for part in (matches, empty))
    turns = [[t._replace(score=float(_probability(t.score, slope, bias))) for t in bin_] for bin_ in turns]
    threshold = choose_threshold(matches, empty, recipe.false_alarms)
    total = {**summary(matches, threshold), **turned_summary([t for bin_ in turns for t in bin_], threshold)}
    numbers: dict[str, Any] = {k: round(v, 4) for k, v in total.items()}
    bins = [turned_summary(one, threshold)["turned_recall"] for one in turns]
    numbers["turned_recall_by_30_degrees"] = [round(v, 4) for v in bins]
    alarms = sum(int((m.scores >= threshold).sum()) for m in empty) / max(1, len(empty))
    used = replace(config, slope=slope, bias=bias, min_score=threshold)
    shipped = {
        "type": "finder",
        "name": recipe.name,
        "licence": recipe.licence,
        "training_data": _training_data(recipe),
        "box": "the tight extent of the 68 points in the frame in which the face is level",
        "network": dict(recipe.network),
        "finder": used.to_dict(),
        "metrics": {
            "frames": len(frames),
            **numbers,
            "false_without_faces": round(alarms, 4),
            "calibration_error": round(gap, 4),
        },
    }
    log.info("%s: threshold %.2f, %s", recipe.name, threshold, shipped["metrics"])
    hub.save(folder, finder.network, shipped)
    return shipped


def _calibration(matches: Sequence[detection.Match], empty: Sequence[detection.Match]) -> tuple[float, float, float]:
    """Slope and bias that make scores probabilities, and how wrong those are on frames that did not fit them.

    Half of the pairs of a frame and the same frame without its faces are fitted for each check of the other half.
    Where there is nothing to tell apart, scores stay as they are, and the error is NaN.
    """
    pairs = list(zip(matches, empty, strict=True))
    everything = _scored(pairs)
    if not 0 < everything[1].sum() < len(everything[1]):
        return 1.0, 0.0, float("nan")
    gaps = []
    for part, other in ((pairs[::2], pairs[1::2]), (pairs[1::2], pairs[::2])):
        (scores, right), (fitted, true) = _scored(other), _scored(part)
        if 0 < true.sum() < len(true) and len(right):
            gaps.append(expected_calibration_error(_probability(scores, *_fit(fitted, true)), right))
    slope, bias = _fit(*everything)
    return slope, bias, float(np.mean(gaps)) if gaps else float("nan")


def _scored(pairs: Sequence[tuple[detection.Match, detection.Match]]) -> tuple[Array, Array]:
    matches = [m for pair in pairs for m in pair]
    nothing: Array = np.zeros(0)
    return (
        np.concatenate([nothing, *(m.scores for m in matches)]),
        np.concatenate([nothing.astype(bool), *(m.correct for m in matches)]),
    )


def _fit(scores: Array, right: Array) -> tuple[float, float]:
    found = calibration.fit(torch.from_numpy(calibration.logit(scores))[:, None], torch.from_numpy(right)[:, None])
    return max(float(found["slope"]), _FLAT), float(found["bias"][0])


def _probability(scores: Array | float, slope: float, bias: float) -> Array:
    """Calibrated scores; 0, which says that nothing was found, stays 0."""
    raw = np.asarray(scores, np.float64)
    return np.where(raw > 0, 1 / (1 + np.exp(-(slope * calibration.logit(raw) + bias))), 0.0)


def _calibrated(matches: Sequence[detection.Match], slope: float, bias: float) -> list[detection.Match]:
    return [
        m._replace(scores=_probability(m.scores, slope, bias), found=_probability(m.found, slope, bias))
        for m in matches
    ]


def _turned_frames(finder: FaceFinder, frames: Sequence[Frame], angle: float, batch: int = 16) -> list[Turn]:
    found: list[Turn] = []
    for start in range(0, len(frames), batch):
        part = frames[start : start + batch]
        found += look_turned(finder, part, [angle] * len(part))
    return found


def _training_data(recipe: FinderRecipe) -> list[str]:
    names = ["300-W train (AFW, HELEN, LFPW) without the validation list"]
    return [*names, "YouTube Faces training frames without the validation people"] if recipe.data.ytf else names


def _rounded(network: nn.Module) -> dict[str, torch.Tensor]:
    """The weights as :func:`facekp.hub.save` keeps them: filters in half precision, vectors as they are."""
    state = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    return {k: v.half().float() if v.is_floating_point() and v.ndim > 1 else v for k, v in state.items()}
