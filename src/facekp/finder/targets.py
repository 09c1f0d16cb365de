"""What the finder's network is asked to say, and how wrong it is.

A face is learnt at the points near its centre ("centre sampling", Tian et al., FCOS, 2019) on the map whose stride
suits its size; on the border between two maps, on both.  The score learns the IoU of the predicted box (quality focal
loss, Li et al., "Generalized Focal Loss", NeurIPS 2020, eq. 4), so that a high score also means a good box; the sides
learn by the distance IoU (Zheng et al., AAAI 2020).

A box here is a face's rectangle turned back about its own centre, and its angle says by how much it is turned.  So a
face that turns where it is keeps its box, and what the sides mean does not depend on the angle.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["FACE", "IGNORE", "NOTHING", "SIZE_RANGES", "Losses", "Targets", "assign", "box_iou", "grid", "loss"]

NOTHING, FACE, IGNORE = 0, 1, -1
# sqrt(width * height) of the faces that the maps of strides 8, 16 and 32 learn.  They overlap: a face between two is
# found by both.
SIZE_RANGES = ((0.0, 56.0), (44.0, 120.0), (96.0, float("inf")))
_RADIUS = 1.5  # centre sampling, in strides


class Targets(NamedTuple):
    """For every point: the box and angle to predict, whether there is one, and whether the score counts.

    Attributes:
        boxes: ``(N, P, 4)`` xyxy; zeros where there is no face.
        positive: ``(N, P)`` bool.
        counted: ``(N, P)`` bool; False in ignore regions.
        angles: ``(N, P)`` degrees clockwise; zeros where there is no face.
    """

    boxes: Tensor
    positive: Tensor
    counted: Tensor
    angles: Tensor


class Losses(NamedTuple):
    """The parts of the loss, each a scalar tensor, and the mean IoU of the positive points.

    ``angle`` is half the squared distance from (cos, sin) of the angle; 0 where the network tells no angles.
    """

    score: Tensor
    box: Tensor
    angle: Tensor
    iou: Tensor


def grid(size: tuple[int, int], strides: Sequence[int], device: torch.device | str = "cpu") -> Tensor:
    """The points of the maps of a picture of ``size = (H, W)``: ``(P, 3)`` float32 rows ``(x, y, stride)``.

    The point in column i of the map of stride s lies at ``(i + 0.5) s - 0.5``: the pixel-centre rule.
    """
    rows = []
    for stride in strides:
        height, width = size[0] // stride, size[1] // stride
        y = (torch.arange(height, device=device, dtype=torch.float32) + 0.5) * stride - 0.5
        x = (torch.arange(width, device=device, dtype=torch.float32) + 0.5) * stride - 0.5
        yy, xx = torch.meshgrid(y, x, indexing="ij")
        rows.append(torch.stack([xx, yy, torch.full_like(xx, float(stride))], -1).reshape(-1, 3))
    return torch.cat(rows)


def assign(points: Tensor, boxes: Tensor, kinds: Tensor, angles: Tensor | None = None) -> Targets:
    """Which point learns which face.

    Args:
        points: ``(P, 3)`` from :func:`grid`.
        boxes: ``(N, M, 4)`` xyxy in input pixels, padded with anything finite.
        kinds: ``(N, M)``: :data:`FACE`, :data:`IGNORE` or :data:`NOTHING` (padding).
        angles: ``(N, M)`` degrees clockwise; None: no face is turned.
    """
    if angles is None:
        angles = torch.zeros_like(boxes[..., 0])
    if boxes.shape[1] == 0:
        boxes, kinds, angles = (torch.cat([v, v.new_zeros(len(v), 1, *v.shape[2:])], 1) for v in (boxes, kinds, angles))
    x, y, stride = (points[:, i].view(1, -1, 1) for i in range(3))
    b = boxes[:, None]  # (N, 1, M, 4)
    inside = (x >= b[..., 0]) & (x <= b[..., 2]) & (y >= b[..., 1]) & (y <= b[..., 3])
    size = ((b[..., 2] - b[..., 0]) * (b[..., 3] - b[..., 1])).clamp(min=0).sqrt()
    fits = _fits(stride, size)
    far = torch.maximum((x - (b[..., 0] + b[..., 2]) / 2).abs(), (y - (b[..., 1] + b[..., 3]) / 2).abs()) / stride
    face = (kinds == FACE)[:, None]
    positive = face & fits & inside & (far <= _RADIUS)
    # A face so small or narrow that no point lies in it is learnt by its nearest one, if that is under a cell away.
    lonely = face & fits & ~positive.any(1, keepdim=True)
    best = torch.where(fits, far, torch.inf).min(1, keepdim=True).values
    positive = positive | (lonely & (far <= best) & (far <= 1.0))
    # Where faces overlap, the smaller one wins: the larger has other points.
    chosen = torch.where(positive, size.expand_as(far), torch.inf).min(-1)
    any_face = torch.isfinite(chosen.values)
    target = torch.gather(boxes, 1, chosen.indices[..., None].expand(-1, -1, 4))
    turned = torch.where(any_face, torch.gather(angles, 1, chosen.indices), 0.0)
    ignored = (inside & (kinds == IGNORE)[:, None]).any(-1)
    return Targets(torch.where(any_face[..., None], target, 0.0), any_face, any_face | ~ignored, turned)


def _fits(stride: Tensor, size: Tensor) -> Tensor:
    low = torch.zeros_like(stride)
    high = torch.zeros_like(stride)
    for i, (a, b) in enumerate(SIZE_RANGES):
        here = stride == 8 * 2**i
        low, high = torch.where(here, a, low), torch.where(here, b, high)
    return (size >= low) & (size < high)


def predicted_boxes(points: Tensor, output: Tensor) -> Tensor:
    """Boxes ``(N, P, 4)`` xyxy, turned back about their centres, of the network's output ``(N, P, 5 or 7)``."""
    xy = points[:, :2]
    return torch.cat([xy - output[..., 1:3], xy + output[..., 3:5]], -1)


def predicted_angles(output: Tensor) -> Tensor:
    """Angles ``(N, P)`` in degrees, (-180, 180], of the network's output; zeros where it has five channels."""
    if output.shape[-1] < 7:
        return torch.zeros_like(output[..., 0])
    angles = torch.rad2deg(torch.atan2(output[..., 6], output[..., 5]))
    return torch.where(angles <= -180, angles + 360, angles)


def box_iou(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and distance IoU of boxes ``(..., 4)``, pair by pair (Zheng et al., 2020, eq. 7)."""
    wh = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0)
    both = wh.prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - both
    iou = both / union.clamp(min=1e-6)
    hull = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    apart = (a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2
    return iou, iou - apart.square().sum(-1) / hull.square().sum(-1).clamp(min=1e-6)


def loss(points: Tensor, output: Tensor, targets: Targets) -> Losses:
    """Quality focal loss of the scores, distance-IoU loss of the boxes and squared distance of the angles' vectors.

    The angle does not move the score: a network that does not know yet how faces are turned can learn where they are.

    Args:
        points: ``(P, 3)``.
        output: ``(N, P, 5 or 7)`` of the network.
        targets: of :func:`assign`.

    Returns:
        Each part's sum over the points, divided by the number of positive ones.
    """
    positive = targets.positive
    iou, diou = box_iou(predicted_boxes(points, output)[positive], targets.boxes[positive])
    quality = torch.zeros_like(output[..., 0])
    quality[positive] = iou.detach().clamp(0, 1).to(quality.dtype)
    logit = output[..., 0]
    focal = (quality - logit.sigmoid()).square() * F.binary_cross_entropy_with_logits(logit, quality, reduction="none")
    count = positive.sum().clamp(min=1)
    score = (focal * targets.counted).sum() / count
    angle = _apart(output[positive], targets.angles[positive]).sum() / count
    return Losses(score, (1 - diou).sum() / count, angle, iou.detach().sum() / count)


def _apart(output: Tensor, angles: Tensor) -> Tensor:
    """Half the squared distance of the rows' vectors from (cos, sin); 0 where they have none.

    Of vectors of length 1 that is 1 - cos of the angle between them.  Their length is left to the network: a loss of
    the direction alone has the smaller a gradient, the longer the vector has grown.
    """
    if output.shape[-1] < 7:
        return torch.zeros_like(angles)
    wanted = torch.deg2rad(angles)
    return ((output[..., 5] - wanted.cos()).square() + (output[..., 6] - wanted.sin()).square()) / 2
