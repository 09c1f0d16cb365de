"""For Detector: pictures on their way, a few at a time, whose crops share batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from . import finder as finders
from . import geometry
from ._looks import Looker
from ._refine import upright
from ._slots import CHUNK_PIXELS, Crop, Look, Options, Picture, Slot, chunks, given_slot, ordered
from .decoders import Codec
from .errors import ArgumentError, ImageError
from .face import Face
from .models.verdict import Verdict
from .schema import KeypointSchema

__all__ = ["Stream"]

Array = npt.NDArray[Any]


class Stream:
    """Pictures in, faces out; what finds and names the points is its subclass's."""

    schema: KeypointSchema
    codec: Codec
    finder: finders.Finder | None
    crop_box: str
    _looker: Looker
    _verdict: Verdict | None

    def predict(self, crops: Array) -> tuple[Array, Array]:
        raise NotImplementedError

    def _stream(self, pictures: Iterable[Any], boxes: Any, options: Options) -> Iterator[list[Face] | ImageError]:
        queue: deque[Slot] = deque()
        for chunk in chunks(pictures, boxes, options):
            queue.extend(self._prepare(chunk, options))
            while (waiting := sum(len(s.crops) for s in queue)) >= options.batch_size or (
                waiting and sum(s.pixels for s in queue) >= CHUNK_PIXELS
            ):
                self._run(queue, options)
            while queue and queue[0].done:
                yield queue.popleft().result(options)
        while any(s.crops for s in queue):
            self._run(queue, options)
        for slot in queue:
            yield slot.result(options)

    def _prepare(self, chunk: Sequence[Picture], options: Options) -> list[Slot]:
        """Boxes and crops of a few pictures."""
        searched = [p.image for p in chunk if isinstance(p.image, np.ndarray) and p.boxes is None]
        found = iter(self._find(searched, options))
        slots = []
        for picture in chunk:
            if isinstance(picture.image, ImageError):
                slots.append(Slot(np.zeros((0, 4)), np.zeros(0), np.zeros(0), error=picture.image))
                continue
            slot = next(found) if picture.boxes is None else given_slot(picture.boxes, picture.image, options)
            whole = isinstance(picture.boxes, str) or self.crop_box == "full"
            for i, (box, angle) in enumerate(zip(slot.boxes, slot.angles, strict=True)):
                slot.crops.append(self._looker.crop(picture.image, i, box, float(angle), full=whole))
            if not whole and self.schema.spans_face and options.refinement and slot.crops:
                slot.image = picture.image
            slots.append(slot)
        return slots

    def _find(self, pictures: Sequence[Array], options: Options) -> list[Slot]:
        if not pictures:
            return []
        if self.finder is None:
            if self.crop_box != "full":
                raise ArgumentError("boxes: this detector has no finder; give boxes for every picture, not None")
            return [given_slot("full", p, options) for p in pictures]
        slots = []
        for found in self.finder(pictures, **options.finding):
            keep = ordered(found.boxes, found.scores, options.order)
            if self._verdict is None or options.least is None:
                keep, judged = keep[: options.max_faces], False
            else:  # which are faces is not known yet
                keep, judged = keep[self._verdict.worth(found.scores[keep])], True
            told = isinstance(self.finder, finders.FaceFinder) and self.finder.tells_angles
            slots.append(Slot(found.boxes[keep], found.scores[keep], found.angles[keep], judged=judged, told=told))
        return slots

    def _box(self, slot: Slot, index: int, look: Look) -> Array:
        """A face's box: as given; else the extent of points that say what a face is; else where it was cut out."""
        if slot.given:
            box: Array = slot.boxes[index]
            return box
        if slot.judged and self.schema.spans_face:
            extent = geometry.extent(look.keypoints)
            if (extent[2:] > extent[:2]).all():  # a bad network's points may have none
                return extent
        return upright(look.box, look.angle)

    def _run(self, queue: Iterable[Slot], options: Options) -> None:
        """Take up to a batch of crops off the queue's front, and give their slots the faces."""
        taken: list[tuple[Slot, Crop]] = []
        for slot in queue:
            while slot.crops and len(taken) < options.batch_size:
                taken.append((slot, slot.crops.popleft()))
        points, scores = self.predict(np.stack([crop.pixels for _, crop in taken]))
        errors = self.codec.expected_error(torch.from_numpy(scores))
        for n, (slot, crop) in enumerate(taken):
            off = None if errors is None else errors[n].numpy() * np.float32(geometry.zoom(crop.to_picture))
            seen = Look(crop.box, crop.angle, geometry.apply(crop.to_picture, points[n]), scores[n], off)
            look = self._looker.settle(slot, crop, seen, options.refinement)
            if look is not None:
                i = crop.index
                score = float(slot.scores[i])
                if self._verdict is not None and slot.judged:
                    score = self._verdict.score(score, look.scores)
                box = self._box(slot, i, look)
                slot.faces[i] = Face(look.keypoints, look.scores, box, score, self.schema, look.uncertainty)
            if slot.done:
                slot.image = None
