"""Writing a packed cache, face by face."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from .. import geometry
from .._version import __version__
from ..errors import ArgumentError, DatasetError, FacekpError, unknown_name
from ..sample import Sample
from ..schema import KeypointSchema
from .base import SampleSet, Skipping
from .packed import Packed, PackedSample
from .packed_crop import SMALLEST, reduced
from .packed_file import PackWriter
from .packed_text import to_text

__all__ = ["pack"]

Array = npt.NDArray[Any]
log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Labels:
    """What is known of the faces so far; their pixels are in the file already."""

    writer: PackWriter
    side: int
    scale: float | None
    start: list[int] = field(default_factory=list)
    size: list[tuple[int, int]] = field(default_factory=list)
    crc: list[int] = field(default_factory=list)
    keypoints: list[Array] = field(default_factory=list)
    source_box: list[Array] = field(default_factory=list)
    matrix: list[Array] = field(default_factory=list)
    text: list[bytes] = field(default_factory=list)

    def add(self, sample: Sample, number: int) -> None:
        """Write a face's pixels, and remember the rest."""
        where = f"face {number} (from 0), {sample.meta.get('name', sample.path)}"
        if sample.keypoints.shape != (len(sample.schema), 2):
            raise ArgumentError(f"pack: {where}: {sample.schema.name} has other points than {sample.keypoints.shape}")
        try:
            text = to_text(sample)
        except ArgumentError as error:
            raise ArgumentError(f"pack: {where}: {error}") from None
        try:
            crop, matrix = reduced(sample, self.side, self.scale)
        except (FacekpError, OSError, ValueError) as error:
            raise DatasetError(f"{where}: cannot be packed ({error})") from error
        back = geometry.invert(matrix)
        if isinstance(sample, PackedSample) and sample.packing is not None:
            back = geometry.compose(back, sample.to_picture)  # to the picture itself, not to the cache's crop of it
        start, crc = self.writer.append(crop.image)
        height, width = crop.image.shape[:2]
        self.start.append(start)
        self.size.append((height, width))
        self.crc.append(crc)
        self.keypoints.append(crop.keypoints)
        self.source_box.append(np.full(4, np.nan) if crop.source_box is None else crop.source_box)
        self.matrix.append(back)
        self.text.append(text)

    def arrays(self) -> dict[str, Array]:
        return {
            "start": np.array(self.start, np.uint64),
            "size": np.array(self.size, np.uint32),
            "crc": np.array(self.crc, np.uint32),
            "keypoints": np.stack(self.keypoints).astype(np.float32),
            "source_box": np.stack(self.source_box).astype(np.float32),
            "matrix": np.stack(self.matrix),
            "text_end": np.cumsum([len(text) for text in self.text], dtype=np.uint64),
            "text": np.frombuffer(b"".join(self.text), np.uint8),
        }


def pack(
    samples: Iterable[Sample],
    out: str | Path,
    *,
    side: int = 256,
    scale: float = 2.0,
    box: Literal["face", "full"] = "face",
    on_error: str = "raise",
    progress: Callable[[], object] | None = None,
) -> Packed:
    """Write the faces of a set into one file, which :class:`Packed` opens at once and without decoding.

    Each face is cut out with its surroundings, as training does it, and shrunk to ``side`` if it is larger; it is
    never enlarged, so that a small face takes little space.  A crop is at most ``3 * side ** 2`` bytes.  One picture
    at a time is in memory.  The file is made under another name (``.part``) and renamed when it is whole; a cache
    that was there is replaced.

    Args:
        samples: the faces, of one schema.
        out: the file, by custom ``.fkp``.
        side: the longest side of a crop in pixels.
        scale: how much of the surroundings: the crop's side over the box's (``Sample.box``) longer one.
        box: ``"full"`` keeps whole pictures, one for each face, instead of the faces' surroundings.
        on_error: ``"skip"`` leaves out faces whose picture cannot be read or that have neither box nor points, and
            lists them in the result's ``skipped``.
        progress: called after every face.

    Returns:
        The set as it was packed; its ``skipped`` holds the source's, too.

    Raises:
        ArgumentError: a wrong argument, several schemas, a ``meta`` value that has no place, or something else
            than a packed cache in the place of ``out``.
        DatasetError: a face cannot be read, there is none, or the file cannot be written.
    """
    if side < SMALLEST or not 1 <= scale < math.inf:
        raise ArgumentError(f"pack: side must be at least {SMALLEST} and scale at least 1, got {side} and {scale}")
    if box not in ("face", "full"):
        raise unknown_name("pack box=", box, ("face", "full"))
    out, grown = Path(out), scale if box == "face" else None
    schema: KeypointSchema | None = None
    skipping = Skipping(on_error)
    with PackWriter(out) as writer:
        labels = _Labels(writer, side, grown)
        for number, sample in enumerate(samples):
            schema = _one_schema(schema, sample, number)
            with skipping.one():
                labels.add(sample, number)
            if progress is not None:
                progress()
        if schema is None or not labels.start:
            raise skipping.nothing(f"{out}: there is no face to pack")
        name = samples.name if isinstance(samples, SampleSet) else out.name
        about = {"name": name, "schema": schema.to_dict(), "side": side, "scale": grown or 0, "facekp": __version__}
        writer.finish(labels.arrays(), about)
    if errors := skipping.errors:
        log.warning("%s: %d faces left out, %d packed; the first: %s", out, len(errors), len(labels.start), errors[0])
    packed = Packed(out)
    packed.skipped = [*(samples.skipped if isinstance(samples, SampleSet) else ()), *errors]
    return packed


def _one_schema(schema: KeypointSchema | None, sample: Sample, number: int) -> KeypointSchema:
    own = sample.schema
    if schema is not None and (own != schema or own.spans_face != schema.spans_face):
        raise ArgumentError(
            f"pack: sample {number} has schema {own.name}, those before {schema.name}; join the sets by concat first"
        )
    return own if schema is None else schema
