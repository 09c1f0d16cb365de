"""What the page does with a picture; nothing here knows of Gradio."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from .. import decoders, geometry, heatmap, hub, pose
from .. import image as images
from ..decoders.maps import LINKS
from ..detector import Detector
from ..errors import ArgumentError, ImageError, unknown_name
from ..face import Face
from ..preprocessing import equalised, network_input

__all__ = ["MAX_BYTES", "MAX_PIXELS", "WHOLE", "Found", "Heat", "Looker", "read", "told"]

Array = npt.NDArray[Any]

MAX_BYTES = 25 * 2**20
"""The largest file that the page takes."""

MAX_PIXELS = 40_000_000
"""The largest picture that the page takes."""

WHOLE = "none: the picture is one face"
"""The choice of no finder."""


@dataclass(slots=True, eq=False)
class Found:
    """A picture and what was found in it.  The pixels stay in the file: a page keeps one of these for each visitor.

    Attributes:
        name: what the picture's file was called.
        path: where the file is.
        size: ``(H, W)`` of the upright picture.
        faces: best first.
        detector: what found them.
        mappable: whether :meth:`Looker.heat` can show where the model looked.
    """

    name: str
    path: Path
    size: tuple[int, int]
    faces: list[Face]
    detector: Detector = field(repr=False)
    mappable: bool

    @property
    def image(self) -> Array:
        """The picture, ``(H, W, 3)`` RGB uint8, upright; read anew each time.

        Raises:
            ImageError: the file is no longer there.
        """
        return read(self.path, self.name)

    def __deepcopy__(self, memo: object) -> Found:
        return self  # never written to: a page may hand it around


@dataclass(frozen=True, slots=True)
class Heat:
    """The map of one point, as a picture that lies over the photograph.

    Attributes:
        rgba: ``(h, w, 4)`` uint8: dark red to yellow, the more opaque the larger the value.
        matrix: ``(2, 3)``: pixels of the map → pixels of the photograph.
    """

    rgba: Array
    matrix: Array


def read(path: Path, name: str) -> Array:
    """An uploaded picture, within the page's limits.

    Args:
        path: the file.
        name: how messages call it: what it was called where it came from.

    Returns:
        ``(H, W, 3)`` RGB uint8, upright.

    Raises:
        ImageError: it is too large (:data:`MAX_BYTES`, :data:`MAX_PIXELS`), or no picture.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ImageError(f"{name}: {size / 2**20:.1f} MiB is over the page's limit of {MAX_BYTES / 2**20:.0f} MiB")
        height, width = images.size(path)
        if height * width > MAX_PIXELS:
            raise ImageError(
                f"{name}: {width} x {height} is {height * width / 1e6:.0f} megapixels, over the page's limit of "
                f"{MAX_PIXELS / 1e6:.0f}: shrink it first"
            )
        return images.read(path, max_pixels=MAX_PIXELS)
    except ImageError as error:
        # Where the server keeps the file is nobody's business.
        raise ImageError(str(error).replace(images.describe(path), name)) from None
    except OSError as error:
        raise ImageError(f"{name}: cannot be read ({error.strerror or error}): give it once more") from None


class Looker:
    """Models and finders by name, loaded when they are first used, and what they make of pictures.

    Args:
        model: the first choice; a name, a folder or ``org/repo`` as :meth:`facekp.Detector.from_pretrained` takes it.
        finder: the first choice, in the same way.
        device: where the models run.
        engine: what runs them.

    Attributes:
        models: the choices of a model: those in the package, and ``model``.
        finders: the choices of a finder.
    """

    def __init__(
        self, model: str = "resnet18-ibug", finder: str = "auto", *, device: str = "auto", engine: str = "auto"
    ) -> None:
        self.models = list(dict.fromkeys([model, *hub.bundled("keypoints")]))
        self.finders = list(dict.fromkeys([finder, "auto", *hub.bundled("finder"), "yunet", WHOLE]))
        self._device, self._engine = device, engine
        self._loaded: dict[tuple[str, str], Detector] = {}
        self._lock = threading.Lock()

    def detector(self, model: str, finder: str) -> Detector:
        """The detector of two of the choices.

        Raises:
            ArgumentError: one of the two is not among the choices.
            HubError: it cannot be found or is damaged.
        """
        if model not in self.models:
            raise unknown_name("model", model, self.models)
        if finder not in self.finders:
            raise unknown_name("finder", finder, self.finders)
        with self._lock:
            if (model, finder) not in self._loaded:
                self._loaded[model, finder] = Detector.from_pretrained(
                    model, finder=None if finder == WHOLE else finder, device=self._device, engine=self._engine
                )
            return self._loaded[model, finder]

    def look(self, path: Path, name: str, model: str, finder: str) -> Found:
        """Read a picture and find its faces.

        Args:
            path: the file.
            name: what it was called where it came from.
            model: one of :attr:`models`.
            finder: one of :attr:`finders`.

        Raises:
            ImageError: the picture is too large or none.
            ArgumentError: a choice that there is not.
            HubError: the model or finder cannot be loaded.
        """
        image = read(path, name)
        detector = self.detector(model, finder)
        faces = detector(image, boxes="full") if finder == WHOLE else detector(image)
        mappable = isinstance(detector.codec, decoders.GridCodec)
        return Found(name, path, (image.shape[0], image.shape[1]), faces, detector, mappable)

    def heat(self, found: Found, face: int, point: int) -> Heat:
        """Where the model sees a point: its map, on the crop of the face that its points give.

        Args:
            found: of :meth:`look`.
            face: an index of ``found.faces``.
            point: an index of its points.

        Raises:
            ArgumentError: there is no such face or point, or the model gives no maps.
        """
        if not (0 <= face < len(found.faces) and 0 <= point < len(found.detector.schema)):
            raise ArgumentError(f"heatmap: there is no point {point} of face {face}")
        detector = found.detector
        codec = detector.codec
        if not isinstance(codec, decoders.GridCodec):
            raise ArgumentError(f"heatmap: {detector.name} gives points directly, not by way of maps")
        to_crop = _crop_matrix(found, found.faces[face])
        crop = geometry.warp(found.image, to_crop, detector.crop_size)
        values = _values(detector, crop, point)
        (x0, y0), (x1, y1) = codec.to_input(torch.tensor([[0.0, 0.0], [1.0, 1.0]])).tolist()
        to_map = np.array([[x1 - x0, 0, x0], [0, y1 - y0, y0]])  # of the map's pixels in the crop: affine in all codecs
        return Heat(_coloured(values), geometry.compose(to_map, geometry.invert(to_crop)))


def _crop_matrix(found: Found, face: Face) -> Array:
    """The crop that a last look at a face would take: levelled, about its own points."""
    detector = found.detector
    if detector.crop_box == "full":
        return geometry.crop_matrix(geometry.image_box(found.size), detector.crop_size)
    box, angle = face.box, 0.0
    seen = pose.levelled(face.keypoints, face.schema) if face.schema.spans_face else None
    if seen is not None:
        box, angle = seen
    return geometry.crop_matrix(box, detector.crop_size, detector.crop_scale, angle)


@torch.inference_mode()
def _values(detector: Detector, crop: Array, point: int) -> Array:
    """``(h, w)`` in [0, 1]: the map of a point, its largest value scaled to 1."""
    codec = detector.codec
    pixels = equalised(crop, detector.clahe, grey=detector.grey) if detector.clahe else crop
    batch = torch.from_numpy(pixels[None]).to(detector.device).permute(0, 3, 1, 2)
    inputs = network_input(batch, detector.mean, detector.std, grey=detector.grey)
    output = detector.network(inputs)[:, point]  # in every grid codec the first K maps say where the points are
    link = "softmax" if isinstance(codec, decoders.SoftArgmax) else LINKS[getattr(codec, "loss_name", "heatmap_mse")]
    if link == "softmax":
        output = heatmap.spatial_softmax(output, getattr(codec, "temperature", 1.0))
    elif link == "sigmoid":
        output = torch.sigmoid(output)
    values: Array = output[0].float().clamp_min(0).cpu().numpy()
    return values / max(float(values.max()), 1e-12)


def _coloured(values: Array) -> Array:
    colours = cv2.applyColorMap(np.round(values * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    alpha = np.round(255 * 0.85 * np.sqrt(values)).astype(np.uint8)
    return np.ascontiguousarray(np.dstack([colours, alpha]))


def told(found: Found) -> str:
    """One sentence about what was found."""
    height, width = found.size
    picture = f"{found.name} ({width} x {height})"
    if not found.faces:
        return (
            f"No face was found in {picture}. Try a picture in which a face is larger; "
            f'if it is one cropped face, choose the finder "{WHOLE}".'
        )
    count = len(found.faces)
    return f"{count} face{'' if count == 1 else 's'} in {picture}."
