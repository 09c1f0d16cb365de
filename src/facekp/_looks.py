"""For Detector: faces are cut out, and cut out again where their points say that the crop was off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from . import geometry
from ._refine import Refinement
from ._slots import Crop, Look, Slot
from .decoders import Codec
from .models.verdict import Verdict
from .pose import levelled
from .schema import KeypointSchema

__all__ = ["FIRST", "LAST", "TURNED", "Looker"]

Array = npt.NDArray[Any]

FIRST, TURNED, LAST = range(3)  # what a crop is
_QUARTERS = (90.0, 180.0, 270.0)
_CLEARLY = 0.1  # by how much a turned crop's points must score better: the finder's angle is worth something, too


@dataclass(slots=True)
class Looker:
    """Cuts faces out for one model.

    Attributes:
        size: of the crops, (H, W).
        scale: of a crop, relative to the face's box.
        schema: of the points.
        codec: that gives them.
        verdict: how probable it is that a candidate is a face; None: nothing is known of that.
    """

    size: tuple[int, int]
    scale: float
    schema: KeypointSchema
    codec: Codec
    verdict: Verdict | None

    def crop(
        self, image: Array, index: int, box: Array, angle: float, *, kind: int = FIRST, full: bool = False
    ) -> Crop:
        """A face of a picture; ``full``: the box is all that is to be seen, nothing around it."""
        matrix = geometry.crop_matrix(box, self.size, 1.0 if full else self.scale, angle)
        return Crop(index, geometry.warp(image, matrix, self.size), geometry.invert(matrix), box, angle, kind)

    def settle(self, slot: Slot, crop: Crop, look: Look, rule: Refinement | None) -> Look | None:
        """What a face's points are by its last look; None where it must be looked at again: its crops then wait."""
        if rule is None or slot.image is None or crop.kind == LAST:
            return look
        found = float(slot.scores[crop.index])
        if crop.kind == FIRST and self.codec.rates and look.score < rule.min_score and self._may_lie(slot, found, look):
            slot.looks[crop.index] = [look]
            for quarter in _QUARTERS:
                slot.crops.append(self.crop(slot.image, crop.index, look.box, look.angle + quarter, kind=TURNED))
            return None
        if crop.kind == TURNED:
            looks = slot.looks[crop.index]
            looks.append(look)
            if len(looks) <= len(_QUARTERS):
                return None
            best = max(looks, key=lambda one: one.score)
            look = best if best.score > looks[0].score + _CLEARLY else looks[0]
        seen = levelled(look.keypoints, self.schema)
        if seen is None or not rule.off(look.box, look.angle, *seen):
            return look
        if slot.judged and self.verdict is not None and self.verdict.score(found, look.scores) < self.verdict.again:
            return look
        slot.crops.append(self.crop(slot.image, crop.index, *seen, kind=LAST))
        return None

    def _may_lie(self, slot: Slot, found: float, look: Look) -> bool:
        """Whether a face that is hardly believed may be turned by another angle than was said.

        A finder that tells angles is seldom wrong: only its best candidate is doubted, and only where it is no face.
        """
        if not slot.told:
            return True
        best = found >= float(slot.scores.max())
        return best and (self.verdict is None or self.verdict.score(found, look.scores) < self.verdict.min_score)
