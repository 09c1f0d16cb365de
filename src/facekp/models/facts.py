"""What a keypoint model's config says, judged field by field: for hub, before weights are read, and for Detector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from .. import decoders
from .. import schema as schemas
from .._arguments import RANGES, are_ranges
from ..decoders import Codec
from ..errors import HubError
from ..schema import KeypointSchema
from .verdict import Verdict

__all__ = ["NEEDED", "Facts", "missing", "schema_of"]

#: Without these a keypoint model cannot be used, nor without its network, which may be given.
NEEDED = ("name", "schema", "codec", "crop", "preprocessing")
MOST_PIXELS = 4096  # of a crop's side: a hundred megabytes as floats
CROP_BOXES = ("extent", "source", "full")
COLORS = ("rgb", "grey")
FINDERS = ("finder", "finder-light")  # of the package: a model from elsewhere must not bring in another
_FAR = 1e6  # beyond what any grey level is


@dataclass(frozen=True, slots=True)
class Facts:
    """What a Detector needs to know beside the weights; the fields are those of ``config.json``.

    Attributes:
        name: of the model.
        schema: of its points.
        codec: that reads its network's output.
        crop_size: ``(H, W)`` of the crops.
        crop_scale: of a crop, relative to the face's box.
        crop_box: which box that is.
        mean: taken from each pixel before ...
        std: ... dividing by this.
        clahe: clip limit of the histogram equalisation; 0 is none.
        grey: whether the config says that the network sees one channel.
        face_finder: the finder that it goes with, one of the package's.
        verdict: how it judges faces, or None.
        int8_ranges: what :func:`facekp.engine.ranges` gave for the network, or None.
    """

    name: str
    schema: KeypointSchema
    codec: Codec
    crop_size: tuple[int, int]
    crop_scale: float
    crop_box: str
    mean: float
    std: float
    clahe: float
    grey: bool
    face_finder: str
    verdict: Verdict | None
    int8_ranges: tuple[tuple[float, float], ...] | None

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> Facts:
        """Read and judge a config.

        Raises:
            HubError: something is missing or wrong; the message names the field.
        """
        if lacks := missing(config):
            raise HubError(lacks)
        name = config["name"]
        if not isinstance(name, str) or not name.isprintable():
            raise HubError(f"name must be text of one line, not {_shown(name)}")
        crop, pixels = _table(config, "crop"), _table(config, "preprocessing")
        try:
            layout = schema_of(config)
            codec = decoders.from_config(_table(config, "codec"))
            codec.check_points(len(layout))
            verdict = Verdict.from_config(config)
        except ValueError as error:  # ArgumentError, too
            raise HubError(str(error)) from None
        finder = FINDERS[0] if config.get("face_finder") is None else config["face_finder"]
        return cls(
            name=name,
            schema=layout,
            codec=codec,
            crop_size=_crop_size(crop, codec.input_size),
            crop_scale=_number("crop.scale", crop, 0.01, 100),
            crop_box=_choice("crop.box", crop.get("box"), CROP_BOXES),
            mean=_number("preprocessing.mean", pixels, -_FAR, _FAR),
            std=_number("preprocessing.std", pixels, 1e-6, _FAR),
            clahe=_number("preprocessing.clahe", {"clahe": 0, **pixels}, 0, _FAR),
            grey=_choice("preprocessing.color", pixels.get("color", "rgb"), COLORS) == "grey",
            face_finder=_choice("face_finder", finder, FINDERS),
            verdict=verdict,
            int8_ranges=_ranges(config.get("int8_ranges")),
        )


def missing(config: Mapping[str, Any], needed: tuple[str, ...] = NEEDED) -> str:
    """Which of these a config lacks, in words; nothing where it has them all."""
    lacks = [key for key in needed if config.get(key) is None]
    return f"there is no {', '.join(lacks)}, without which the model cannot be used" if lacks else ""


def schema_of(config: Mapping[str, Any]) -> KeypointSchema:
    """The points of a model: a schema's name, or all that there is to say of it.

    Raises:
        ArgumentError: there is no such schema, or it contradicts itself.
        HubError: it is neither text nor an object.
    """
    said = config["schema"]
    return schemas.get(said) if isinstance(said, str) else KeypointSchema.from_dict(_table(config, "schema"))


def _table(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = config[key]
    if not isinstance(value, Mapping):
        raise HubError(f"{key}: expected an object, got {_shown(value)}")
    return value


def _crop_size(crop: Mapping[str, Any], input_size: tuple[int, int]) -> tuple[int, int]:
    size = crop.get("size")
    if not isinstance(size, (list, tuple)) or not all(_is_number(v, Integral) for v in size):
        raise HubError(f"crop.size must be two whole numbers, height and width, not {_shown(size)}")
    if tuple(size) != tuple(input_size) or not all(1 <= side <= MOST_PIXELS for side in size):
        expected = f"{list(input_size)}, the codec's input_size, and at most {MOST_PIXELS} a side"
        raise HubError(f"crop.size must be {expected}, not {_shown(size)}")
    return int(size[0]), int(size[1])


def _ranges(given: Any) -> tuple[tuple[float, float], ...] | None:
    if given is None:
        return None
    if not are_ranges(given):
        raise HubError(f"int8_ranges must be {RANGES}, not {_shown(given)}")
    return tuple((float(low), float(high)) for low, high in given)


def _number(where: str, table: Mapping[str, Any], low: float, high: float) -> float:
    value: Any = table.get(where.rpartition(".")[2])
    if not _is_number(value, Real) or not low <= value <= high:  # NaN is nowhere
        raise HubError(f"{where} must be a number from {low:g} to {high:g}, not {_shown(value)}")
    return float(value)


def _is_number(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _choice(where: str, value: Any, choices: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in choices:
        raise HubError(f"{where} must be one of {', '.join(choices)}, not {_shown(value)}")
    return value


def _shown(value: Any) -> str:
    """A value of a config, cut to a part of a line."""
    return "missing" if value is None else f"{value!r:.80}"
