"""Training pictures for a finder: frames cut, turned, scaled and put side by side.

Every picture is a grid of one to many cells and every cell is ONE warp of one frame, so that faces of all sizes and
angles meet backgrounds of all kinds (mosaics: Bochkovskiy et al., "YOLOv4", 2020).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .. import geometry
from ..errors import ArgumentError
from ..sample import Frame
from . import turned as faces
from .clutter import clutter
from .occlusion import Occlude
from .photometric import Blur, Colour, Grey, Jpeg, Noise, Photometric, Shade, Tone
from .pyramid import Pyramid

__all__ = ["FrameMixer", "Mixed", "MixerConfig", "without_faces"]

Array = npt.NDArray[Any]
Size = tuple[int, int]

# What a cover hides, in shares of the face's box: its lower part (a mask, a hand, a scarf), the eyes, a side.
_COVERS = (
    (0.55, lambda u: (-0.1, 0.42 + 0.23 * u, 1.1, 1.15)),
    (0.15, lambda u: (-0.1, -0.1, 1.1, 0.25 + 0.2 * u)),
    (0.15, lambda u: (-0.1, -0.1, 0.25 + 0.2 * u, 1.1)),
    (0.15, lambda u: (0.55 + 0.2 * u, -0.1, 1.1, 1.1)),
)


@dataclass(slots=True)
class Mixed:
    """A training picture.

    Attributes:
        image: ``(S, S, 3)`` RGB uint8.
        boxes: ``(N, 4)`` faces to be found, turned back about their centres; those cut by an edge go beyond it.
        angles: ``(N,)`` by how many degrees each is turned clockwise.
        ignore: ``(M, 4)`` regions that teach nothing: uncertain, too small or mostly hidden faces.
    """

    image: Array
    boxes: Array
    angles: Array
    ignore: Array


@dataclass(slots=True)
class MixerConfig:
    """How training pictures are made.

    Attributes:
        size: side of the square picture.
        grids: probability of a grid of 1x1, 2x2, 3x3, ... cells.
        smallest: faces are at least this many pixels large (sqrt of the box's area) ...
        share: ... and at least ``share[0]``, at most ``share[1]`` of their cell: log-uniform between.
        filled: share of cells whose face is large enough for its frame to cover a good part of the cell.
        turn: standard deviation of the turn in degrees (cut off at 30); ``wild`` of all turns are up to ``wild_turn``.
        negative: share of cells that show no face at all.
        covered: share of faces of which a half, a third or a side is covered.
        patched: share of faces with patches on them.
        dark: share of pictures in a dark room.
        fill: grey beyond the frame's edge (what the finder pads with), unless black or the repeated edge is drawn.
        countable: smaller faces than this are ignored.
        visible: faces of which less of the box is seen are ignored.
    """

    size: int = 256
    grids: tuple[float, ...] = (0.58, 0.2, 0.11, 0.08, 0.03)
    smallest: float = 10.0
    share: tuple[float, float] = (0.08, 1.2)
    filled: float = 0.7
    turn: float = 14.0
    wild: float = 0.5
    wild_turn: float = 180.0
    negative: float = 0.15
    covered: float = 0.12
    patched: float = 0.12
    dark: float = 0.1
    fill: int = 114
    countable: float = 8.0
    visible: float = 0.5

    def __post_init__(self) -> None:
        if self.size < 32 or not self.grids or sum(self.grids) <= 0 or min(self.grids) < 0:
            raise ArgumentError(f"mixer: size must be at least 32 and grids be probabilities: {self}")
        low, high = self.share
        if not 0 < low <= high or self.smallest <= 0:
            raise ArgumentError(f"mixer: share must be two growing positive numbers, smallest positive: {self}")


class FrameMixer:
    """Draws training pictures from frames in memory.

    Args:
        frames: with :attr:`~facekp.sample.Frame.pixels`; at least one.
        config: see :class:`MixerConfig`.
        weights: how often each frame is drawn, any scale; None: all alike.
    """

    def __init__(
        self, frames: Sequence[Frame], config: MixerConfig | None = None, weights: Sequence[float] | None = None
    ) -> None:
        if not frames:
            raise ArgumentError("frames: at least one is needed, got none")
        if any(frame.pixels is None for frame in frames):
            raise ArgumentError("frames: their pixels must be in memory: call facekp.datasets.frames.pack first")
        if weights is not None and len(weights) != len(frames):
            raise ArgumentError(f"weights: one per frame is needed: {len(frames)}, got {len(weights)}")
        self.config = config or MixerConfig()
        self._sources = [(frame, Pyramid(frame.pixels)) for frame in frames if frame.pixels is not None]
        share = np.ones(len(frames)) if weights is None else np.asarray(weights, np.float64)
        self._cumulative = np.cumsum(share / share.sum())
        self._light = (Tone(p=0.7), Colour(p=0.5), Shade(p=0.15), Grey(p=0.15))
        self._sensor = (Blur(0.008, p=0.2), Noise(p=0.12), Jpeg(p=0.2))
        self._occlude = Occlude(0.55)

    def __call__(self, rng: np.random.Generator) -> Mixed:
        """One training picture; all randomness comes from ``rng``."""
        size = self.config.size
        n = 1 + int(rng.choice(len(self.config.grids), p=np.asarray(self.config.grids) / sum(self.config.grids)))
        canvas = np.full((size, size, 3), self.config.fill, np.uint8)
        cells = []
        ys, xs = _cuts(size, n, rng), _cuts(size, n, rng)
        for y0, y1 in pairwise(ys):
            for x0, x1 in pairwise(xs):
                cell = self._cell((y1 - y0, x1 - x0), rng)
                canvas[y0:y1, x0:x1] = cell.image
                offset = np.array([x0, y0, x0, y0], np.float32)
                cells.append((cell.boxes + offset, cell.angles, cell.ignore + offset))
        return Mixed(self._photometric(canvas, rng), *(np.concatenate(column) for column in zip(*cells, strict=True)))

    # ------------------------------------------------------------ cells

    def _draw(self, rng: np.random.Generator) -> tuple[Frame, Pyramid]:
        return self._sources[min(int(np.searchsorted(self._cumulative, rng.random())), len(self._sources) - 1)]

    def _cell(self, size: Size, rng: np.random.Generator) -> Mixed:
        if rng.random() < self.config.negative:
            image = self._empty(size, rng)
            return Mixed(image, *(np.zeros(shape, np.float32) for shape in ((0, 4), (0,), (0, 4))))
        frame, picture = self._draw(rng)
        matrix = self._placement(frame, picture.size, size, rng)
        image = picture.warp(matrix, size, border=self._border(rng))
        boxes, angles, ignore = _labels(frame, matrix, size, self.config)
        for box, angle in zip(boxes, angles, strict=True):
            if rng.random() < self.config.patched:
                faces.inside(image, faces.part(box, angle), lambda part: self._occlude.change(part, rng))
            if rng.random() < self.config.covered:
                self._cover(image, box, float(angle), rng)
        return Mixed(image, boxes, angles, ignore)

    def _cover(self, image: Array, box: Array, angle: float, rng: np.random.Generator) -> None:
        regions = [region for _, region in _COVERS]
        region = regions[int(rng.choice(len(regions), p=[chance for chance, _ in _COVERS]))](rng.random())
        faces.inside(image, faces.part(box, angle, region), lambda part: self._paint(part, rng))

    def _placement(self, frame: Frame, whole: Size, size: Size, rng: np.random.Generator) -> Array:
        """The map that brings one of the frame's faces to a random size, turn and place of the cell."""
        height, width = size
        if not len(frame.boxes):
            return self._anywhere(whole, size, rng)
        box = frame.boxes[int(rng.integers(len(frame.boxes)))]
        own = math.sqrt(float((box[2] - box[0]) * (box[3] - box[1])))
        side, (low, high) = min(size), self.config.share
        low = max(self.config.smallest, low * side)
        target = math.exp(rng.uniform(math.log(low), math.log(max(high * side, low))))
        if rng.random() < self.config.filled:  # blank space teaches little
            target = max(target, 0.7 * own * side / min(whole))
        target = min(target, 4.0 * own)  # more would be a blur that no camera makes
        place = [rng.uniform(min(0.35 * target, s / 2), max(s - 0.35 * target, s / 2)) for s in (width, height)]
        centre = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        return self._turned(centre, (place[0], place[1]), target / own, rng)

    def _turned(
        self, centre: tuple[float, float], place: tuple[float, float], zoom: float, rng: np.random.Generator
    ) -> Array:
        config = self.config
        if rng.random() < config.wild:
            angle = rng.uniform(-config.wild_turn, config.wild_turn)
        else:
            angle = float(np.clip(rng.normal(0, config.turn), -30, 30))
        turn = geometry.rotation_matrix(angle, (0.0, 0.0), zoom)
        if rng.random() < 0.5:  # mirrored
            turn[:, 0] *= -1
        turn[:, 2] = np.asarray(place) - turn[:, :2] @ np.asarray(centre, np.float64)
        return turn

    def _border(self, rng: np.random.Generator) -> int | None:
        kind = rng.random()
        return self.config.fill if kind < 0.6 else 0 if kind < 0.75 else None

    # ------------------------------------------------------------ no faces

    def _anywhere(self, whole: Size, size: Size, rng: np.random.Generator) -> Array:
        height, width = whole
        zoom = math.exp(rng.uniform(-0.7, 1.0)) * min(size) / min(height, width)
        centre = (rng.uniform(0.1, 0.9) * width, rng.uniform(0.1, 0.9) * height)
        return self._turned(centre, ((size[1] - 1) / 2, (size[0] - 1) / 2), zoom, rng)

    def _empty(self, size: Size, rng: np.random.Generator) -> Array:
        kind = rng.random()
        if kind < 0.25:
            return clutter(size, rng)
        return self._background(size, rng) if kind < 0.6 else self._painted(size, rng)

    def _background(self, size: Size, rng: np.random.Generator) -> Array:
        """A part of some frame that shows no face, or else clutter."""
        for _ in range(8):
            frame, picture = self._draw(rng)
            height, width = picture.size
            side = max(8.0, rng.uniform(0.15, 0.5) * min(height, width))
            x0, y0 = rng.uniform(0, max(1.0, width - side)), rng.uniform(0, max(1.0, height - side))
            window = np.array([[x0, y0, x0 + side, y0 + side]], np.float32)
            around = faces.corners(frame.boxes, frame.angles, 1.3)
            seen = np.concatenate([around.min(1), around.max(1)], 1)
            seen = np.concatenate([seen, frame.ignore])
            if not len(seen) or geometry.iou(window, seen).max() <= 0:
                matrix = geometry.crop_matrix(window[0], size)
                return picture.warp(matrix, size, border=None)
        return clutter(size, rng)

    def _painted(self, size: Size, rng: np.random.Generator) -> Array:
        """A frame whose faces are painted over: bodies, hair and hands without a face teach what is none."""
        frame, picture = self._draw(rng)
        matrix = self._placement(frame, picture.size, size, rng)
        image = picture.warp(matrix, size, border=self._border(rng))
        for polygon in _known(frame, 1.15, matrix):
            faces.inside(image, polygon, lambda part: self._paint(part, rng))
        return image

    def _paint(self, part: Array, rng: np.random.Generator) -> Array:
        kind = rng.random()
        if kind < 0.5:
            return self._background(part.shape[:2], rng)
        if kind < 0.8:
            return _smeared(part)
        return np.broadcast_to(rng.integers(0, 256, 3, np.uint8), part.shape)

    def _photometric(self, image: Array, rng: np.random.Generator) -> Array:
        image = _steps(self._light, image, rng)
        if rng.random() < self.config.dark:  # a dark room
            table = np.arange(256) * rng.uniform(0.12, 0.6)
            image = cv2.LUT(image, table.astype(np.uint8))
        return _steps(self._sensor, image, rng)


def _steps(steps: Sequence[Photometric], image: Array, rng: np.random.Generator) -> Array:
    for step in steps:
        if rng.random() < step.p:
            image = step.change(image, rng)
    return image


def without_faces(frame: Frame) -> Frame:
    """The frame with every face, sure or not, smeared over: a fair negative, with its bodies, hair and hands.

    Args:
        frame: its picture is read if it is not in memory.
    """
    image = frame.image.copy()
    for polygon in _known(frame, 1.3, np.eye(3)[:2]):
        faces.inside(image, polygon, _smeared)
    return Frame(np.zeros((0, 4), np.float32), path=frame.path, pixels=image, subject=frame.subject)


def _smeared(part: Array) -> Array:
    """The colours that were there, without what they showed."""
    small = cv2.resize(part, (2, 2), interpolation=cv2.INTER_AREA)
    out: Array = cv2.resize(small, part.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return out


def _cuts(size: int, n: int, rng: np.random.Generator) -> list[int]:
    """Where n cells begin and end along one side; each is at least a third of its even share."""
    share = rng.uniform(0.5, 1.5, n)
    return [0, *(round(float(v)) for v in np.cumsum(share / share.sum())[:-1] * size), size]


def _known(frame: Frame, grow: float, matrix: Array) -> Array:
    """Corners ``(N, 4, 2)`` of the faces, grown, and of the regions to be ignored, after the map."""
    regions = faces.corners(frame.ignore, np.zeros(len(frame.ignore), np.float32), 1.1)
    return geometry.apply(matrix, np.concatenate([faces.corners(frame.boxes, frame.angles, grow), regions]))


def _labels(frame: Frame, matrix: Array, size: Size, config: MixerConfig) -> tuple[Array, Array, Array]:
    """Faces to be found (boxes, angles) and regions to be ignored, in the cell's pixels."""
    boxes, angles = faces.moved_faces(frame.boxes, frame.angles, matrix)
    share = faces.seen(boxes, angles, size)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    good = (share >= config.visible) & (np.sqrt(area) >= config.countable)
    poor = ~good & (share > 0.1)
    four = faces.corners(boxes[poor], angles[poor])
    regions = [np.concatenate([four.min(1), four.max(1)], 1), faces.moved_regions(frame.ignore, matrix)]
    whole, region = geometry.image_box(size), np.concatenate(regions)
    region = np.concatenate([np.maximum(region[:, :2], whole[:2]), np.minimum(region[:, 2:], whole[2:])], 1)
    return boxes[good], angles[good], region[(region[:, 2:] > region[:, :2]).all(1)]
