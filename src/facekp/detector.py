"""Detector: a photograph becomes keypoints."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, overload

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from . import decoders, finder, geometry, hub, models
from . import image as images
from . import schema as schemas
from ._slots import Options, Picture, Slot, choice, given_slot, ordered, pairs
from .errors import ArgumentError, FacekpError, HubError, ImageError
from .face import Face
from .schema import KeypointSchema

__all__ = ["Detector", "pick_device"]

log = logging.getLogger(__name__)
Array = npt.NDArray[Any]

#: Pictures are held in memory together up to this many pixels (one larger picture is held alone).
CHUNK_PIXELS = 40_000_000


class Detector:
    """Finds the keypoints of every face in a picture.

    Make one with :meth:`from_pretrained`, and call it with anything that
    :func:`facekp.image.read` takes.  It can be pickled and shared by threads.

    Attributes:
        name: which model this is.
        schema: what its points are.
        device: where it runs.
        config: the model's ``config.json``.
    """

    def __init__(
        self,
        network: nn.Module,
        config: dict[str, Any],
        *,
        face_finder: finder.FaceFinder | None = None,
        device: str | torch.device = "auto",
    ) -> None:
        self.config = config
        self.device = pick_device(device)
        try:
            self.name = str(config["name"])
            self.schema = _schema(config["schema"])
            self.codec = decoders.from_config(config["codec"])
            crop, pixels = config["crop"], config["preprocessing"]
            self.crop_size: tuple[int, int] = (int(crop["size"][0]), int(crop["size"][1]))
            self.crop_scale, self.crop_box = float(crop["scale"]), str(crop["box"])
            self.mean, self.std, self.clahe = float(pixels["mean"]), float(pixels["std"]), float(pixels.get("clahe", 0))
            self.grey = pixels.get("color") == "grey" or getattr(network, "in_channels", 3) == 1
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise HubError(f"{config.get('name', 'model')}: config.json is incomplete or wrong: {error!r}") from None
        self.network = network.to(self.device).to(memory_format=torch.channels_last).eval()
        self.finder = face_finder.to(self.device) if face_finder is not None else None

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path = "resnet18-ibug",
        *,
        device: str | torch.device = "auto",
        finder: str | Path | None = "finder",
        network: nn.Module | Callable[..., nn.Module] | None = None,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
    ) -> Detector:
        """Load a model.

        Args:
            name: a name of :func:`facekp.list_models`, a folder that training wrote, or ``"org/repo"`` on the Hub.
            device: ``"auto"`` (CUDA, then MPS, then CPU), or any name that torch knows.
            finder: which face finder, by name or folder; None for a model that is only given boxes.
            network: for a model whose network is code of your own: its class, or a network of it.  facekp runs no
                code that a model's config names.
            revision: branch, tag or commit on the Hub.
            cache_dir: the Hub's cache folder.

        Raises:
            HubError: the model cannot be found or is damaged, or its network is not facekp's and was not given; the
                message says what was tried.
            ArgumentError: the device is not there.
        """
        chosen = pick_device(device)
        bundle = hub.load(name, kind="keypoints", revision=revision, cache_dir=cache_dir)
        built = hub.network_of(lambda: _network(network, bundle), bundle)
        full = bundle.config.get("crop", {}).get("box") == "full"
        face_finder = None if finder is None or full else load_finder(finder, cache_dir)
        return cls(built, bundle.config, face_finder=face_finder, device=chosen)

    @overload
    def __call__(self, images: list[Any] | tuple[Any, ...], **options: Any) -> list[list[Face] | ImageError]: ...
    @overload
    def __call__(self, images: Any, **options: Any) -> list[Face]: ...
    def __call__(self, images: Any, **options: Any) -> Any:
        """Keypoints of every face.

        Args:
            images: one picture (path, bytes, file, PIL, numpy, torch) or a list or tuple of them.
            options: those of :meth:`stream`.  With one picture ``boxes`` is ``(N, 4)``; with a list
                it is a list of such.

        Returns:
            For one picture ``list[Face]``, empty when there is no face; for a list one such list
            for each picture, in order.

        Raises:
            ImageError: a picture cannot be read (with ``on_error="raise"``); its message names the picture.
            ArgumentError: an option is wrong.
        """
        if isinstance(images, (list, tuple)):
            return list(self.stream(images, **options))
        boxes = options.pop("boxes", None)
        given = boxes if boxes is None or isinstance(boxes, str) else [boxes]
        options["on_error"] = choice("on_error", options.get("on_error", "raise"), ("raise", "return"))
        return next(iter(self.stream([images], boxes=given, **options)))

    def stream(
        self,
        images: Iterable[Any],
        *,
        boxes: Iterable[Any] | Literal["full"] | None = None,
        batch_size: int = 64,
        max_faces: int | None = None,
        min_score: float | None = None,
        order: Literal["score", "size", "left"] = "score",
        color: Literal["rgb", "bgr"] = "rgb",
        on_error: Literal["raise", "return"] = "raise",
    ) -> Iterator[list[Face] | ImageError]:
        """Keypoints of any number of pictures, in order, in bounded memory.

        Args:
            images: pictures, or an iterator of them; read as they are needed.
            boxes: None: the finder looks for faces; ``"full"``: each picture is an already cropped
                face; or for each picture its own boxes ``(N, 4)`` xyxy (brows to chin, jaw to jaw).
            batch_size: crops that go through the network together; crops of different pictures mix.
            max_faces: keep the first so many faces of a picture.
            min_score: drop faces below; None takes the finder's own.
            order: ``"score"`` (best first), ``"size"`` (largest first) or ``"left"`` (left to right);
                given boxes keep their order.
            color: channel order of numpy arrays.
            on_error: what an unreadable picture does: ``"raise"``, or ``"return"`` its ImageError in its place.

        Yields:
            ``list[Face]`` for each picture, or its ImageError.
        """
        options = Options(batch_size, max_faces, min_score, order, color, on_error)
        if boxes is None and self.finder is None and self.crop_box != "full":
            raise ArgumentError("boxes: this detector has no finder; give boxes, or boxes='full' for cropped faces")
        return self._stream(images, boxes, options)

    def _stream(self, pictures: Iterable[Any], boxes: Any, options: Options) -> Iterator[list[Face] | ImageError]:
        queue: deque[Slot] = deque()
        for chunk in self._chunks(pictures, boxes, options):
            queue.extend(self._prepare(chunk, options))
            while sum(len(s.crops) for s in queue) >= options.batch_size:
                self._run(queue, options.batch_size)
            while queue and queue[0].done:
                yield queue.popleft().result(options.on_error)
        while any(s.crops for s in queue):
            self._run(queue, options.batch_size)
        for slot in queue:
            yield slot.result(options.on_error)

    def _chunks(self, pictures: Iterable[Any], boxes: Any, options: Options) -> Iterator[list[Picture]]:
        chunk: list[Picture] = []
        pixels = 0
        for source, given in pairs(pictures, boxes):
            try:
                picture = Picture(images.read(source, color=options.color), given)
            except ImageError as error:
                picture = Picture(error, None)
            chunk.append(picture)
            pixels += picture.pixels
            if pixels >= CHUNK_PIXELS or len(chunk) >= options.batch_size:
                yield chunk
                chunk, pixels = [], 0
        if chunk:
            yield chunk

    def _prepare(self, chunk: Sequence[Picture], options: Options) -> list[Slot]:
        """Boxes and crops of a few pictures."""
        searched = [p.image for p in chunk if isinstance(p.image, np.ndarray) and p.boxes is None]
        found = iter(self._find(searched, options))
        slots = []
        for picture in chunk:
            if isinstance(picture.image, ImageError):
                slots.append(Slot(np.zeros((0, 4)), np.zeros(0), error=picture.image))
                continue
            slot = next(found) if picture.boxes is None else given_slot(picture.boxes, picture.image, options)
            whole = isinstance(picture.boxes, str) or self.crop_box == "full"
            for box in slot.boxes:
                matrix = geometry.crop_matrix(box, self.crop_size, 1.0 if whole else self.crop_scale)
                slot.crops.append(geometry.warp(picture.image, matrix, self.crop_size))
                slot.to_picture.append(geometry.invert(matrix))
            slots.append(slot)
        return slots

    def _find(self, pictures: Sequence[Array], options: Options) -> list[Slot]:
        if not pictures:
            return []
        if self.finder is None:
            return [given_slot("full", p, options) for p in pictures]
        slots = []
        for found in self.finder(pictures, min_score=options.min_score):
            keep = ordered(found.boxes, found.scores, options.order)[: options.max_faces]
            slots.append(Slot(found.boxes[keep], found.scores[keep]))
        return slots

    def _run(self, queue: Iterable[Slot], batch_size: int) -> None:
        """Take up to ``batch_size`` crops off the queue's front, and give their slots the faces."""
        taken: list[tuple[Slot, Array]] = []
        for slot in queue:
            free = batch_size - len(taken)
            taken.extend((slot, crop) for crop in slot.crops[:free])
            del slot.crops[:free]
            if len(taken) == batch_size:
                break
        points, scores = self.predict(np.stack([crop for _, crop in taken]))
        for (slot, _), p, s in zip(taken, points, scores, strict=True):
            i = len(slot.faces)
            keypoints = geometry.apply(slot.to_picture[i], p)
            slot.faces.append(Face(keypoints, s, slot.boxes[i].astype(np.float32), float(slot.scores[i]), self.schema))

    @torch.inference_mode()
    def predict(self, crops: Array) -> tuple[Array, Array]:
        """The network and its codec alone.

        Args:
            crops: ``(N, H, W, 3)`` RGB uint8 of the model's crop size.

        Returns:
            points ``(N, K, 2)`` in crop pixels and scores ``(N, K)``, float32.
        """
        expected = (*self.crop_size, 3)
        if crops.ndim != 4 or crops.shape[1:] != expected or crops.dtype != np.uint8:
            raise ArgumentError(f"crops: expected (N, {expected}) uint8, got {crops.shape} {crops.dtype}")
        points, scores = self.codec.decode(self.network(self._input(crops)))
        return points.float().cpu().numpy(), scores.float().cpu().numpy()

    def _input(self, crops: Array) -> Tensor:
        if self.clahe:
            crops = np.stack([equalised(crop, self.clahe, grey=self.grey) for crop in crops])
        batch = torch.from_numpy(crops).to(self.device).permute(0, 3, 1, 2)
        return network_input(batch, self.mean, self.std, grey=self.grey)

    def __repr__(self) -> str:
        return f"Detector({self.name!r}, schema {self.schema.name}, device {self.device})"


def _network(given: nn.Module | Callable[..., nn.Module] | None, bundle: hub.Bundle) -> nn.Module:
    options = dict(bundle.config.get("network", {}))
    if isinstance(given, nn.Module):
        return given
    name = str(options.pop("name", ""))
    if given is not None:
        return given(**options)
    if ":" in name:
        kind = name.rpartition(":")[2]
        raise ArgumentError(
            f"network: its code, {name}, is not part of facekp, which runs no code that a config names; "
            f"import it and give it: Detector.from_pretrained(..., network={kind})"
        )
    return models.from_config(bundle.config.get("network", {}))


def equalised(crop: Array, clip_limit: float, *, grey: bool = False) -> Array:
    """A crop after contrast-limited adaptive histogram equalisation of its luma, in training and in use alike.

    Zuiderveld, "Contrast limited adaptive histogram equalization", Graphics Gems IV, 1994, as OpenCV has it, in 8x8
    tiles.

    Args:
        crop: ``(H, W, 3)`` RGB uint8.
        clip_limit: the highest bar of a tile's histogram, as a multiple of an even one.
        grey: give the equalised luma in all three channels, instead of the crop's colours with another luma.

    Returns:
        ``(H, W, 3)`` RGB uint8.
    """
    equaliser = cv2.createCLAHE(clip_limit, (8, 8))
    if grey:
        luma = equaliser.apply(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY))
        return np.repeat(luma[..., None], 3, axis=2)
    parts = cv2.cvtColor(crop, cv2.COLOR_RGB2YCrCb)
    parts[..., 0] = equaliser.apply(np.ascontiguousarray(parts[..., 0]))
    out: Array = cv2.cvtColor(parts, cv2.COLOR_YCrCb2RGB)
    return out


def network_input(images: Tensor, mean: float, std: float, *, grey: bool = False) -> Tensor:
    """What networks see of pictures, in training and in use alike.

    Args:
        images: ``(N, 3, H, W)`` RGB, 0 to 255; :func:`equalised` where the model asks for that.
        mean: subtracted from each pixel.
        std: by which the rest is divided.
        grey: one channel, the luma ``0.299 R + 0.587 G + 0.114 B`` (ITU-R BT.601).

    Returns:
        ``(N, 3 or 1, H, W)`` float32.
    """
    values = images.float()
    if grey:
        values = (values * values.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    return values.sub_(mean).div_(std)


def _schema(value: Any) -> KeypointSchema:
    return schemas.get(value) if isinstance(value, str) else KeypointSchema.from_dict(value)


def load_finder(name: str | Path = "finder", cache_dir: str | Path | None = None) -> finder.FaceFinder:
    """The face finder of a name or folder.

    Raises:
        HubError: it cannot be found or is damaged.
    """
    bundle = hub.load(name, kind="finder", cache_dir=cache_dir)
    network = hub.network_of(lambda: finder.create(bundle.config.get("network", {})), bundle)
    try:
        return finder.FaceFinder(network, bundle.config.get("finder", {}))
    except FacekpError as error:
        raise HubError(f"{bundle.origin}: config.json: {error}") from None


def pick_device(device: str | torch.device) -> torch.device:
    """``"auto"`` → CUDA, then MPS, then CPU; anything else must be there.

    Raises:
        ArgumentError: torch does not know the device, or it is not on this machine.
    """
    if str(device) == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ArgumentError(f"device: {device!r} cannot be used here ({reason}); try 'auto' or 'cpu'") from None
    return chosen
