"""The finder in use: pictures of any size in, boxes in their own pixels out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from numbers import Integral, Real
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from .. import geometry
from ..engine import Engine
from ..errors import ArgumentError
from ..preprocessing import planes
from .decode import Detections, decode
from .network import STRIDES
from .targets import grid
from .views import View, as_turns, check, is_share, merge, seen, views

__all__ = ["FaceFinder", "FinderConfig"]

Array = npt.NDArray[Any]

MOST_SIDE, MOST_ZOOM, MOST_PICTURES, MOST_TURNS = 8192, 64, 4096, 360  # what a config from anywhere may ask for
# What each number must be: a whole one, and from where to where.
_RANGES: dict[str, tuple[type, float, float]] = {
    "side": (Integral, 32, MOST_SIDE),
    "max_zoom": (Real, 1 / MOST_ZOOM, MOST_ZOOM),
    "margin": (Integral, 0, MOST_SIDE),
    "fill": (Integral, 0, 255),
    "mean": (Real, -1e6, 1e6),
    "std": (Real, 1e-6, 1e6),
    "min_score": (Real, 0, 1),
    "nms_iou": (Real, 1e-6, 1),
    "batch_size": (Integral, 1, MOST_PICTURES),
    "slope": (Real, 1e-6, 1e6),
    "bias": (Real, -1e6, 1e6),
}


@dataclass(slots=True)
class FinderConfig:
    """Everything beside the weights; travels in ``config.json``.

    Attributes:
        side: pictures are scaled so that their long side, with the margins, is this many pixels ...
        max_zoom: ... but never grown more than this.
        margin: pixels of ``fill`` around the picture, so that a face that fills it or is cut off has surroundings.
        fill: grey level around the picture.
        mean: grey levels taken from each channel before ...
        std: ... dividing by this.
        min_score: detections below are dropped, unless the call says otherwise.
        nms_iou: of two boxes that overlap by more than this IoU the better one stays.
        batch_size: pictures per pass of the network.
        turns: the finder also looks at copies turned clockwise by so many degrees, and merges what it finds; for
            weights that know only upright faces.  Each copy costs as much as the picture.
        slope: a score is ``sigmoid(bias + slope * logit)`` of the network's logit: the probability that there is a face
            (Platt, 1999), fitted to validation pictures by training.
        bias: see ``slope``.
    """

    side: int = 384
    max_zoom: float = 2.0
    margin: int = 16
    fill: int = 114
    mean: float = 127.5
    std: float = 64.0
    min_score: float = 0.5
    nms_iou: float = 0.4
    batch_size: int = 16
    turns: tuple[float, ...] = ()
    slope: float = 1.0
    bias: float = 0.0

    def __post_init__(self) -> None:
        for key, (kind, low, high) in _RANGES.items():
            value: Any = getattr(self, key)
            # NaN is in no range.
            if not _is_number(value, kind) or not low <= value <= high:
                what = "whole number" if kind is Integral else "number"
                raise ArgumentError(f"finder: {key}: expected a {what} from {low:g} to {high:g}, got {value!r:.80}")
        if not self.margin < self.side / 2:
            raise ArgumentError(f"finder: margin: must be under half the side of {self.side}, got {self.margin}")
        try:
            self.turns = as_turns(self.turns)
        except ArgumentError as error:
            raise ArgumentError(f"finder: {error}") from None
        if len(self.turns) > MOST_TURNS:
            raise ArgumentError(f"finder: turns: expected at most {MOST_TURNS} angles, got {len(self.turns)}")

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FinderConfig:
        """The inverse of :meth:`to_dict`.

        Raises:
            ArgumentError: no mapping, an unknown key, or a value of another type or out of range.
        """
        if not isinstance(values, Mapping):
            raise ArgumentError(f"finder: expected an object, got {values!r:.80}")
        known = [f.name for f in fields(cls)]
        if unknown := sorted(str(key) for key in values if key not in known):
            raise ArgumentError(f"finder: unknown keys {', '.join(unknown)}; known are {', '.join(sorted(known))}")
        return cls(**values)


def _is_number(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


class FaceFinder:
    """Finds the faces of pictures.

    Args:
        network: from :func:`facekp.finder.create`, with its weights; it is put into evaluation mode.
        config: a :class:`FinderConfig` or its dict.
        engine: what runs the network, by :class:`facekp.engine.Engine`'s names; None: the network itself, whose
            weights may change from call to call.

    Raises:
        ArgumentError: the config or the engine makes no sense.
        MissingExtraError: the engine is not installed.
    """

    def __init__(
        self,
        network: nn.Module,
        config: FinderConfig | Mapping[str, Any] | None = None,
        *,
        engine: str | None = None,
    ) -> None:
        self.network = network.eval()
        if config is None:
            config = FinderConfig()
        self.config = config if isinstance(config, FinderConfig) else FinderConfig.from_dict(config)
        self.device = next((p.device for p in network.parameters()), torch.device("cpu"))
        self.engine = None if engine is None else Engine(self.network, engine, device=self.device)

    def to(self, device: torch.device | str) -> FaceFinder:
        """Move the network; returns this finder.

        Raises:
            ArgumentError: its engine does not run there.
        """
        self.device = torch.device(device)
        if self.engine is not None:
            self.engine.to(self.device)
        self.network.to(self.device)
        return self

    @property
    def tells_angles(self) -> bool:
        """Whether it tells by how much faces are turned; if not, it takes all for upright."""
        return getattr(self.network, "turn", None) is not None

    def matrix(self, size: tuple[int, int]) -> tuple[Array, tuple[int, int]]:
        """The map from a picture of ``size = (H, W)`` to the network's input, and that input's size.

        Both sides of the input are multiples of 32.
        """
        view = self._views(size, None, None, ())[0]
        return view.matrix, view.size

    def __call__(
        self,
        images: Sequence[Array],
        *,
        min_score: float | None = None,
        side: int | None = None,
        tile: int | None = None,
        turns: Iterable[float] | None = None,
    ) -> list[Detections]:
        """Find the faces of each picture.

        Args:
            images: ``(H, W, 3)`` RGB uint8 each; sizes may differ.
            min_score: the lowest score that counts; None: the config's.
            side: the long side to which pictures are scaled; None: the config's.  A face should be some 16 pixels
                wide then: twice the side finds faces half as large, and takes four times as long.
            tile: for crowds in large pictures: besides the whole picture, look at full resolution at overlapping
                squares of this many pixels.  A face up to a quarter of it lies whole in one of them.
            turns: degrees by which turned copies are looked at, too; None: the config's.

        Returns:
            One :class:`Detections` per picture, in order; an empty one where there is no face.

        Raises:
            ArgumentError: an image is not ``(H, W, 3)`` uint8, or an option is out of range.
        """
        threshold = self.config.min_score if min_score is None else min_score
        if not is_share(threshold):
            raise ArgumentError(f"min_score: expected a number in [0, 1], got {min_score!r}")
        angles = self.config.turns if turns is None else as_turns(turns)
        check(side, tile, angles, margin=self.config.margin)
        buckets: dict[tuple[int, int], list[tuple[int, View]]] = defaultdict(list)
        for i, image in enumerate(images):
            _check(image, i)
            for view in self._views(image.shape[:2], side, tile, angles):
                buckets[view.size].append((i, view))
        found: list[list[Detections]] = [[] for _ in images]
        for jobs in buckets.values():
            for start in range(0, len(jobs), self.config.batch_size):
                part = jobs[start : start + self.config.batch_size]
                results = self._batch([(images[i], view) for i, view in part], float(threshold))
                for (i, view), detections in zip(part, results, strict=True):
                    found[i].append(seen(detections, view))
        return [merge(parts, self.config.nms_iou) for parts in found]

    def _views(
        self, size: tuple[int, int], side: int | None, tile: int | None, turns: Sequence[float]
    ) -> tuple[View, ...]:
        config = self.config
        return views(
            size,
            side=config.side if side is None else side,
            margin=config.margin,
            max_zoom=config.max_zoom,
            step=STRIDES[-1],
            tile=tile,
            turns=tuple(turns),
        )

    @torch.inference_mode()
    def _batch(self, jobs: Sequence[tuple[Array, View]], threshold: float) -> list[Detections]:
        """What each view, all of one size, shows: in the view's own pixels."""
        size = jobs[0][1].size
        warped = [geometry.warp(image, view.matrix, size, border=self.config.fill, halves=True) for image, view in jobs]
        config, inputs = self.config, self._inputs(warped)
        output = self.network(inputs) if self.engine is None else self.engine(inputs)
        return decode(
            output,
            _points(size),
            min_score=threshold,
            nms_iou=config.nms_iou,
            slope=config.slope,
            bias=config.bias,
        )

    def _inputs(self, images: Sequence[Array]) -> Tensor:
        """uint8 ``(H, W, 3)`` RGB → the float ``(N, 3, H, W)`` that the network sees, as who runs it likes it best."""
        if self.engine is not None and self.engine.by(len(images)) != "torch":
            return planes(images, self.config.mean, self.config.std).to(self.device)
        pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).to(self.device)  # channels last already
        return pixels.float().sub_(self.config.mean).div_(self.config.std)


@lru_cache(maxsize=16)
def _points(size: tuple[int, int]) -> Tensor:
    """The grid of an input's size: pictures of a few sizes come over and over."""
    return grid(size, STRIDES)


def _check(image: Any, index: int) -> None:
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        what = f"{image.shape} {image.dtype}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ArgumentError(f"images[{index}]: expected (H, W, 3) RGB uint8, got {what}; facekp.image.read makes that")
    if not image.size:
        raise ArgumentError(f"images[{index}]: has no pixels: shape {image.shape}")
