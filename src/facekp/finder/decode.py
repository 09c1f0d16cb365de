"""From the network's output to boxes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .. import geometry
from .targets import predicted_boxes

__all__ = ["Detections", "decode"]

Array = npt.NDArray[Any]


@dataclass(slots=True)
class Detections:
    """The faces found in one picture, best first.

    Attributes:
        boxes: ``(N, 4)`` float32 xyxy, picture pixels: the expected extent of the 68 points; may leave the picture.
        scores: ``(N,)`` float32 in [0, 1].
    """

    boxes: Array = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    scores: Array = field(default_factory=lambda: np.zeros((0,), np.float32))

    def __len__(self) -> int:
        return len(self.scores)


def decode(
    output: Tensor, points: Tensor, *, min_score: float, nms_iou: float = 0.4, candidates: int = 400, limit: int = 300
) -> list[Detections]:
    """Boxes in input pixels, best first, after non-maximum suppression.

    Args:
        output: ``(N, P, 5)`` of the network: score logit and ltrb distances in pixels.
        points: ``(P, 3)`` from :func:`facekp.finder.targets.grid`.
        min_score: points that score less are dropped.
        nms_iou: a box that overlaps a better one by more than this IoU is dropped.
        candidates: at most this many points per picture enter the suppression.
        limit: at most this many boxes per picture come out.
    """
    output = output.detach().float()
    scores = output[..., 0].sigmoid()
    boxes = predicted_boxes(points, output)
    top = scores.topk(min(candidates, scores.shape[1]), dim=1)
    chosen = torch.gather(boxes, 1, top.indices[..., None].expand(-1, -1, 4)).cpu().numpy()
    best = top.values.cpu().numpy()
    found = []
    for all_boxes, all_scores in zip(chosen, best, strict=True):
        good = (all_scores >= min_score) & np.isfinite(all_boxes).all(-1)
        box, score = all_boxes[good], all_scores[good]
        keep = geometry.nms(box, score, nms_iou)[:limit]
        found.append(Detections(box[keep].astype(np.float32), score[keep].astype(np.float32)))
    return found
