"""Training pictures for a finder: frames cut, turned, scaled and put side by side.

Every picture is a grid of one to sixteen cells and every cell is ONE warp of one frame, so that faces of all sizes meet
backgrounds of all kinds (mosaics: Bochkovskiy et al., "YOLOv4", 2020).  A face's box is the extent of its
turned points.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .. import geometry
from ..errors import ArgumentError
from ..sample import Frame
from .occlusion import Occlude
from .photometric import Blur, Colour, Grey, Jpeg, Noise, Photometric, Shade, Tone

__all__ = ["FrameMixer", "Mixed", "MixerConfig", "without_faces"]

Array = npt.NDArray[Any]


@dataclass(slots=True)
class Mixed:
    """A training picture.

    Attributes:
        image: ``(S, S, 3)`` RGB uint8.
        boxes: ``(N, 4)`` faces to be found; those cut by an edge go beyond it.
        ignore: ``(M, 4)`` regions that teach nothing: uncertain, too small or mostly hidden faces.
    """

    image: Array
    boxes: Array
    ignore: Array


@dataclass(slots=True)
class MixerConfig:
    """How training pictures are made.

    Attributes:
        size: side of the square picture.
        grids: probability of a grid of 1x1, 2x2, 3x3, ... cells.
        smallest: faces are at least this many pixels large (sqrt of the box's area) ...
        share: ... and at least ``share[0]``, at most ``share[1]`` of their cell: log-uniform between.
        turn: standard deviation of the turn in degrees (cut off at 45); ``wild`` of all turns are up to ``wild_turn``.
        negative: share of cells that show no face at all.
        fill: grey beyond the frame's edge (what the finder pads with), unless black or the repeated edge is drawn.
        countable: smaller faces than this are ignored.
        visible: faces of which less of the box is seen are ignored.
    """

    size: int = 256
    grids: tuple[float, ...] = (0.55, 0.27, 0.13, 0.05)
    smallest: float = 12.0
    share: tuple[float, float] = (0.12, 1.15)
    turn: float = 14.0
    wild: float = 0.1
    wild_turn: float = 90.0
    negative: float = 0.1
    fill: int = 114
    countable: float = 10.0
    visible: float = 0.5


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
        self.frames, self.config = list(frames), config or MixerConfig()
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
        boxes, ignore = [np.zeros((0, 4), np.float32)], [np.zeros((0, 4), np.float32)]
        ys, xs = _cuts(size, n, rng), _cuts(size, n, rng)
        for y0, y1 in pairwise(ys):
            for x0, x1 in pairwise(xs):
                cell = self._cell((y1 - y0, x1 - x0), rng)
                canvas[y0:y1, x0:x1] = cell.image
                offset = np.array([x0, y0, x0, y0], np.float32)
                boxes.append(cell.boxes + offset)
                ignore.append(cell.ignore + offset)
        return Mixed(self._photometric(canvas, rng), np.concatenate(boxes), np.concatenate(ignore))

    # ------------------------------------------------------------ cells

    def _draw(self, rng: np.random.Generator) -> Frame:
        return self.frames[min(int(np.searchsorted(self._cumulative, rng.random())), len(self.frames) - 1)]

    def _cell(self, size: tuple[int, int], rng: np.random.Generator) -> Mixed:
        if rng.random() < self.config.negative:
            nothing = np.zeros((0, 4), np.float32)
            image = self._background(size, rng) if rng.random() < 0.5 else self._painted(size, rng)
            return Mixed(image, nothing, nothing)
        frame = self._draw(rng)
        matrix = self._placement(frame, size, rng)
        image = geometry.warp(_pixels(frame), matrix, size, border=self._border(rng))
        boxes, ignore = _labels(frame, matrix, size, self.config)
        for box in boxes:
            if rng.random() < 0.15:
                _inside(image, box, lambda part: self._occlude.change(part, rng))
        return Mixed(image, boxes, ignore)

    def _placement(self, frame: Frame, size: tuple[int, int], rng: np.random.Generator) -> Array:
        """The map that brings one of the frame's faces to a random size, turn and place of the cell."""
        height, width = size
        if not len(frame.boxes):
            return self._anywhere(frame, size, rng)
        box = frame.boxes[int(rng.integers(len(frame.boxes)))]
        own = math.sqrt(float((box[2] - box[0]) * (box[3] - box[1])))
        side, (low, high) = min(size), self.config.share
        low = max(self.config.smallest, low * side)
        target = math.exp(rng.uniform(math.log(low), math.log(max(high * side, low))))
        if rng.random() < 0.75:  # mostly, let the frame cover a good part of the cell: blank space teaches little
            target = max(target, 0.7 * own * side / min(_pixels(frame).shape[:2]))
        target = min(target, 4.0 * own)  # more would be a blur that no camera makes
        place = [rng.uniform(min(0.35 * target, s / 2), max(s - 0.35 * target, s / 2)) for s in (width, height)]
        centre = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        return self._turned(centre, (place[0], place[1]), target / own, rng)

    def _turned(
        self, centre: tuple[float, float], place: tuple[float, float], zoom: float, rng: np.random.Generator
    ) -> Array:
        config = self.config
        wild = rng.random() < config.wild
        most = config.wild_turn if wild else 45.0
        angle = rng.uniform(-most, most) if wild else np.clip(rng.normal(0, config.turn), -most, most)
        stretch = math.exp(rng.normal(0, 0.05))
        flip = -1.0 if rng.random() < 0.5 else 1.0
        turn = geometry.rotation_matrix(float(angle), (0.0, 0.0), zoom)
        turn[:, 0] *= flip * stretch
        turn[:, 1] /= stretch
        turn[:, 2] = np.asarray(place) - turn[:, :2] @ np.asarray(centre, np.float64)
        return turn

    def _border(self, rng: np.random.Generator) -> int | None:
        kind = rng.random()
        return self.config.fill if kind < 0.6 else 0 if kind < 0.75 else None

    # ------------------------------------------------------------ no faces

    def _anywhere(self, frame: Frame, size: tuple[int, int], rng: np.random.Generator) -> Array:
        height, width = _pixels(frame).shape[:2]
        zoom = math.exp(rng.uniform(-0.7, 1.0)) * min(size) / min(height, width)
        centre = (rng.uniform(0.1, 0.9) * width, rng.uniform(0.1, 0.9) * height)
        return self._turned(centre, ((size[1] - 1) / 2, (size[0] - 1) / 2), zoom, rng)

    def _background(self, size: tuple[int, int], rng: np.random.Generator) -> Array:
        """A part of some frame that shows no face, or else coloured clouds."""
        for _ in range(8):
            frame = self._draw(rng)
            height, width = _pixels(frame).shape[:2]
            side = max(8.0, rng.uniform(0.15, 0.5) * min(height, width))
            x0, y0 = rng.uniform(0, max(1.0, width - side)), rng.uniform(0, max(1.0, height - side))
            window = np.array([[x0, y0, x0 + side, y0 + side]], np.float32)
            seen = np.concatenate([_grown(frame.boxes, 1.3), frame.ignore])
            if not len(seen) or geometry.iou(window, seen).max() <= 0:
                matrix = geometry.crop_matrix(window[0], size)
                return geometry.warp(_pixels(frame), matrix, size, border=None)
        small = rng.integers(0, 256, (int(rng.integers(2, 12)), int(rng.integers(2, 12)), 3), np.uint8)
        out: Array = cv2.resize(small, size[::-1], interpolation=cv2.INTER_CUBIC)
        return out

    def _painted(self, size: tuple[int, int], rng: np.random.Generator) -> Array:
        """A frame whose faces are painted over: bodies, hair and hands without a face teach what is none."""
        frame = self._draw(rng)
        matrix = self._placement(frame, size, rng)
        image = geometry.warp(_pixels(frame), matrix, size, border=self._border(rng))
        turned = _boxes(frame, matrix)
        for box in np.concatenate([_grown(turned, 1.15), _moved(frame.ignore, matrix)]):
            _inside(image, box, lambda part: self._paint(part, rng))
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
        if rng.random() < 0.08:  # a dark room
            table = np.arange(256) * rng.uniform(0.15, 0.6)
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
    for box in np.concatenate([_grown(frame.boxes, 1.3), _grown(frame.ignore, 1.1)]):
        _inside(image, box, _smeared)
    return Frame(np.zeros((0, 4), np.float32), path=frame.path, pixels=image, subject=frame.subject)


def _smeared(part: Array) -> Array:
    """The colours that were there, without what they showed."""
    small = cv2.resize(part, (2, 2), interpolation=cv2.INTER_AREA)
    out: Array = cv2.resize(small, part.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return out


def _pixels(frame: Frame) -> Array:
    if frame.pixels is None:
        raise ArgumentError("this Frame has no pixels in memory: call facekp.datasets.frames.pack first")
    return frame.pixels


def _cuts(size: int, n: int, rng: np.random.Generator) -> list[int]:
    """Where n cells begin and end along one side; each is at least a third of its even share."""
    share = rng.uniform(0.5, 1.5, n)
    return [0, *(round(float(v)) for v in np.cumsum(share / share.sum())[:-1] * size), size]


def _grown(boxes: Array, factor: float) -> Array:
    half = (boxes[:, 2:] - boxes[:, :2]) * (factor - 1) / 2
    out: Array = np.concatenate([boxes[:, :2] - half, boxes[:, 2:] + half], 1)
    return out


def _moved(boxes: Array, matrix: Array) -> Array:
    """Extents ``(N, 4)`` of the moved corners of ``(N, 4)`` boxes."""
    corners = geometry.apply(matrix, boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2))
    return np.concatenate([corners.min(1), corners.max(1)], 1)


def _boxes(frame: Frame, matrix: Array) -> Array:
    """The faces' boxes after the map: the extent of the points where they are known."""
    if frame.points is None:
        return _moved(frame.boxes, matrix)
    points = geometry.apply(matrix, frame.points)
    if np.isnan(points).any():
        return geometry.extent(points)
    return np.concatenate([points.min(1), points.max(1)], 1)  # several times faster, and this runs very often


def _labels(frame: Frame, matrix: Array, size: tuple[int, int], config: MixerConfig) -> tuple[Array, Array]:
    """Faces to be found and regions to be ignored, in the cell's pixels."""
    boxes = _boxes(frame, matrix)
    whole = geometry.image_box(size)
    seen = np.concatenate([np.maximum(boxes[:, :2], whole[:2]), np.minimum(boxes[:, 2:], whole[2:])], 1)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    share = np.clip(seen[:, 2:] - seen[:, :2], 0, None).prod(1) / np.maximum(area, 1e-6)
    good = (share >= config.visible) & (np.sqrt(area) >= config.countable)
    regions = np.concatenate([seen[~good & (share > 0.1)], _moved(frame.ignore, matrix)])
    regions = np.concatenate([np.maximum(regions[:, :2], whole[:2]), np.minimum(regions[:, 2:], whole[2:])], 1)
    return boxes[good], regions[(regions[:, 2:] > regions[:, :2]).all(1)]


def _inside(image: Array, box: Array, change: Callable[[Array], Array]) -> None:
    """Replace the part of the picture inside a box, in place, by ``change`` of it."""
    height, width = image.shape[:2]
    x0, y0 = (max(0, round(float(v))) for v in box[:2])
    x1, y1 = min(width, round(float(box[2]))), min(height, round(float(box[3])))
    if x1 - x0 >= 4 and y1 - y0 >= 4:
        image[y0:y1, x0:x1] = change(image[y0:y1, x0:x1])
