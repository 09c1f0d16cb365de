"""The worst faces, to be looked at: a large error is as often a wrong label as a wrong prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import draw, geometry
from ..errors import ArgumentError
from ..sample import Sample
from .report import Report, WorstFace

__all__ = ["worst_sheet"]

Array = npt.NDArray[Any]

TRUTH = (60, 220, 90)
PREDICTION = (255, 70, 70)
MARGIN = 1.6  # how much of a picture is shown, over the larger of the true face's box and the predicted one


def worst_sheet(report: Report, samples: Sequence[Sample], *, columns: int = 4, side: int = 320) -> Array:
    """A contact sheet of a report's worst faces: the truth green, the prediction red, the error above.

    Args:
        report: of these samples.
        samples: what :func:`evaluate` measured.
        columns: faces in a row.
        side: of each face's square, in pixels.

    Returns:
        ``(H, W, 3)`` RGB uint8.

    Raises:
        ArgumentError: the report is of other samples.
        ImageError: a picture cannot be read.
    """
    if len(report.errors) != len(samples):
        raise ArgumentError(f"worst_sheet: the report is of {len(report.errors)} faces, there are {len(samples)}")
    tiles = [_tile(samples[face.index], report.points[face.index], side) for face in report.worst]
    return draw.sheet(tiles, columns=columns, size=(side, side), labels=[_label(face) for face in report.worst])


def _tile(sample: Sample, prediction: Array, side: int) -> Array:
    box = sample.box
    if np.isfinite(prediction).all():
        seen = geometry.extent(prediction)
        both = np.concatenate([np.minimum(box[:2], seen[:2]), np.maximum(box[2:], seen[2:])])
        # A prediction far off would make the face a dot.
        wide = np.max(box[2:] - box[:2])
        box = np.clip(both, np.tile(box[:2] - wide, 2), np.tile(box[2:] + wide, 2))
    matrix = geometry.crop_matrix(box, (side, side), MARGIN)
    picture = geometry.warp(sample.image, matrix, (side, side))
    truth = draw.points(picture, geometry.apply(matrix, sample.keypoints), sample.schema, colors=TRUTH)
    return draw.points(truth, geometry.apply(matrix, prediction), sample.schema, colors=PREDICTION)


def _label(face: WorstFace) -> str:
    return f"{face.nme:.1%}" if face.found else "missed"
