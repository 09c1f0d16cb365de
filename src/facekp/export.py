"""A model as an ONNX file, for programs without PyTorch.

The file takes RGB pictures ``(N, 3, H, W)`` as float32 from 0 to 255; mean and standard deviation are applied inside.
What else a program must know (the crop, the points' names, the licence) stands in the file's metadata.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from . import _arguments as check
from . import geometry, hub
from . import image as images
from ._version import __version__
from .detector import Detector
from .engine import Engine, fused, to_integers
from .errors import ArgumentError, FacekpError, MissingExtraError, unknown_name
from .finder import STRIDES, FaceFinder, create, grid
from .finder.targets import predicted_angles, predicted_boxes
from .preprocessing import equalised, network_input

__all__ = ["PIXELS", "ExportError", "Exported", "export"]

Array = npt.NDArray[Any]
INPUT = "images"
PIXELS = 1e-3  # by how much a point of the file may differ from PyTorch's
SHARE = 1e-4  # a score, or another number as a share of the largest
BOX_PIXELS = 1e-2
STEP = STRIDES[-1]


class ExportError(FacekpError):
    """A model cannot be written as ONNX, or the file does not give what the model gives."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A file that was written and checked.

    Attributes:
        path: the file.
        inputs: the size of its input: ``("N", 3, 128, 128)``; a word where it may be any.
        outputs: the names of its outputs.
        difference: by how much each output differs from PyTorch's at most: keypoints and boxes in pixels.
    """

    path: Path
    inputs: tuple[int | str, ...]
    outputs: tuple[str, ...]
    difference: dict[str, float]


def export(
    model: Detector | FaceFinder | str | Path,
    path: str | Path,
    *,
    decoder: bool | None = None,
    size: tuple[int, int] | None = None,
    batch: int | None = None,
    pictures: Iterable[Any] = (),
    precision: str = "float32",
) -> Exported:
    """Write a keypoint model or a face finder as ONNX, and check that the file gives what PyTorch gives.

    ==========  =======================  ==================================================================
    model       outputs                  of what
    ==========  =======================  ==================================================================
    keypoints   ``keypoints``            ``(N, K, 2)`` x and y in pixels of the crop
    keypoints   ``scores``               ``(N, K)``
    keypoints   ``output``               without decoder: what the network gives, for its codec to read
    finder      ``rows``                 ``(N, P, 5 or 7)`` :meth:`facekp.finder.FinderNetwork.forward`'s;
                                         :func:`facekp.finder.grid` has the places of the P points
    finder      ``boxes``, ``scores``    with decoder: ``(N, P, 4)`` xyxy in pixels of the input and ``(N, P)``,
                                         before non-maximum suppression; and ``angles`` ``(N, P)`` in
                                         degrees, of a finder that tells them
    ==========  =======================  ==================================================================

    Args:
        model: a :class:`facekp.Detector`, a :class:`facekp.finder.FaceFinder`, or what either is loaded from: a name
            of the package, a folder, or ``"org/repo"`` on the Hub.
        path: the file to write.
        decoder: whether the file gives points (boxes) rather than what the network gives.  None: it does; but for a
            finder of any size, whose places depend on it.
        size: ``(H, W)``, multiples of 32, of a finder's input; None: any.  Keypoint models have the size of their crop.
        batch: pictures per call; None: any number.
        pictures: real ones (anything that :func:`facekp.image.read` takes), to be checked besides random ones.
        precision: ``"float32"``, or ``"int8"``: a keypoint network in integers of eight bits, which ONNX Runtime runs
            in half the time or so on a CPU.

    Raises:
        ArgumentError: an option does not go with the model.
        ExportError: the model cannot be exported, or the file differs from PyTorch (in integers: from
            ``Detector(precision="int8")``) by more than a thousandth of a pixel (boxes: a hundredth); it is then
            removed.
        MissingExtraError: the extra ``onnx`` is not installed.
        HubError: there is no such model.
    """
    _extra()
    if batch is not None and (not isinstance(batch, int) or batch < 1):
        raise ArgumentError(f"batch: expected a positive number, or None for any; got {batch!r}")
    loaded, config = _loaded(model) if isinstance(model, str | Path) else (model, {})
    if isinstance(loaded, Detector):
        work = _keypoints(loaded, decoder, size)
    elif isinstance(loaded, FaceFinder):
        work = _finder(loaded, decoder, size, config)
    else:
        raise ArgumentError(f"model: expected a Detector, a FaceFinder or a name, got {type(model).__name__}")
    examples = np.stack([*_noise(work.size), *(work.prepare(images.read(p)) for p in pictures)])
    if precision != "float32":
        _in_integers(work, getattr(loaded, "config", {}), precision)
    path = Path(path)
    program = _program(work, batch)
    program.model.metadata_props.update({k: v if isinstance(v, str) else json.dumps(v) for k, v in work.facts.items()})
    written = program.model_proto
    if work.ranges is not None:
        to_integers(written, work.ranges)
    try:
        path.write_bytes(written.SerializeToString())
    except OSError as error:
        raise ArgumentError(f"{path}: cannot be written ({error.strerror or error})") from None
    difference = _compare(work, path, examples, batch)
    wide = ("height", "width") if work.any_size else work.size
    return Exported(path, ("N" if batch is None else batch, 3, *wide), tuple(work.outputs), difference)


@dataclass(slots=True)
class _Work:
    """What is exported.

    Attributes:
        module: takes ``(N, 3, H, W)`` float32 from 0 to 255, and gives the outputs.
        outputs: their names, each with by how much it may be off; None: a share of the largest.
        size: of the input.
        any_size: the size is an example only.
        prepare: a picture → ``(H, W, 3)`` uint8 as the module takes it.
        facts: the metadata.
        ranges: of the network's maps, where it is to be in integers.
        reference: what gives what the file must give, of the module's input; None: the module.
    """

    module: nn.Module
    outputs: dict[str, float | None]
    size: tuple[int, int]
    any_size: bool
    prepare: Callable[[Array], Array]
    facts: dict[str, Any]
    ranges: Sequence[Sequence[float]] | None = None
    reference: Callable[[Tensor], Any] | None = None


def _loaded(name: str | Path) -> tuple[Any, dict[str, Any]]:
    bundle = hub.load(name, kind=None)
    config = bundle.config
    if config.get("type") == "finder":
        network = hub.network_of(lambda: create(config.get("network", {})), bundle)
        return FaceFinder(network, config.get("finder", {})), config
    return Detector.from_pretrained(name, finder=None, device="cpu", engine="torch"), config


class _Keypoints(nn.Module):
    def __init__(self, detector: Detector, decoder: bool) -> None:
        super().__init__()
        self.mean, self.std, self.grey = detector.mean, detector.std, detector.grey
        example = torch.zeros(1, 1 if self.grey else 3, *detector.crop_size, device=detector.device)
        self.network = fused(detector.network, example).cpu()
        self.codec = detector.codec if decoder else None

    def forward(self, images: Tensor) -> Any:
        return self.read(images, self.network)

    def read(self, images: Tensor, network: Callable[[Tensor], Tensor]) -> Any:
        # The copy is for PyTorch: network_input works in place.
        output = network(network_input(images.clone(), self.mean, self.std, grey=self.grey))
        return output if self.codec is None else self.codec.decode(output)


def _keypoints(detector: Detector, decoder: bool | None, size: tuple[int, int] | None) -> _Work:
    if size is not None and tuple(size) != detector.crop_size:
        raise ArgumentError(f"size: {detector.name} works on crops of {detector.crop_size}; leave it out")
    decoded = decoder is not False

    def prepare(picture: Array) -> Array:
        box = geometry.image_box((picture.shape[0], picture.shape[1]))
        crop = geometry.warp(picture, geometry.crop_matrix(box, detector.crop_size), detector.crop_size)
        return equalised(crop, detector.clahe, grey=detector.grey) if detector.clahe else crop

    config, schema = detector.config, detector.schema
    facts = _facts(config) | {
        "schema": schema.name,
        "points": list(schema.names),
        "crop_size": list(detector.crop_size),
        "crop_scale": detector.crop_scale,
        "crop_box": detector.crop_box,
        "mean": detector.mean,
        "std": detector.std,
        "color": "grey" if detector.grey else "rgb",
        "clahe": detector.clahe,
        "codec": config["codec"],
    }
    names: dict[str, float | None] = {"keypoints": PIXELS, "scores": SHARE} if decoded else {"output": None}
    return _Work(_Keypoints(detector, decoded), names, detector.crop_size, False, prepare, facts)


def _in_integers(work: _Work, config: dict[str, Any], precision: str) -> None:
    if precision != "int8":
        raise unknown_name("precision", precision, ("float32", "int8"))
    module = work.module
    if not isinstance(module, _Keypoints):
        raise ArgumentError("precision: a finder's file is in float32, as integers make it no faster")
    work.ranges = config.get("int8_ranges")
    whole = Engine(module.network, precision=precision, ranges=work.ranges)
    work.reference = lambda images: module.read(images, whole)
    work.facts["precision"] = precision


class _Finder(nn.Module):
    def __init__(self, finder: FaceFinder, size: tuple[int, int], decoder: bool, angles: bool) -> None:
        super().__init__()
        self.mean, self.std = finder.config.mean, finder.config.std
        self.network = fused(finder.network, torch.zeros(1, 3, *size, device=finder.device)).cpu()
        self.decoder, self.angles = decoder, angles
        self.slope, self.bias = finder.config.slope, finder.config.bias
        self.points: Tensor
        self.register_buffer("points", grid(size, STRIDES))

    def forward(self, images: Tensor) -> Any:
        rows = self.network((images - self.mean) / self.std)
        if not self.decoder:
            return rows
        boxes, scores = predicted_boxes(self.points, rows), (rows[..., 0] * self.slope + self.bias).sigmoid()
        return (boxes, scores, predicted_angles(rows)) if self.angles else (boxes, scores)


def _finder(finder: FaceFinder, decoder: bool | None, size: tuple[int, int] | None, config: dict[str, Any]) -> _Work:
    decoded = size is not None if decoder is None else decoder
    if decoded and size is None:
        raise ArgumentError("decoder: a finder's boxes can be in the file for one size only; give size=(H, W)")
    if size is not None and (min(check.size(size)) < STEP or any(side % STEP for side in size)):
        raise ArgumentError(f"size: expected (H, W), multiples of {STEP}, got {size!r}")
    height, width = size or (3 * STEP, 4 * STEP)
    angles = getattr(finder.network, "turn", None) is not None

    def prepare(picture: Array) -> Array:
        whole = geometry.image_box((picture.shape[0], picture.shape[1]))
        return geometry.warp(picture, geometry.crop_matrix(whole, (height, width)), (height, width))

    facts = _facts({"type": "finder", "name": "finder"} | config) | {
        "strides": list(STRIDES),
        "finder": finder.config.to_dict(),
        "mean": finder.config.mean,
        "std": finder.config.std,
    }
    names: dict[str, float | None] = {"boxes": BOX_PIXELS, "scores": SHARE} if decoded else {"rows": None}
    if decoded and angles:
        names["angles"] = BOX_PIXELS
    module = _Finder(finder, (height, width), decoded, angles)
    return _Work(module, names, (height, width), size is None, prepare, facts)


def _facts(config: dict[str, Any]) -> dict[str, Any]:
    rest: dict[str, Any] = {key: config[key] for key in ("licence", "training_data") if key in config}
    return {"facekp": __version__, "type": config.get("type", "keypoints"), "name": str(config["name"]), **rest}


def _noise(size: tuple[int, int], count: int = 4) -> Iterator[Array]:
    """Smooth random pictures, always the same ones: what is as rough as noise has peaks everywhere."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        coarse = rng.integers(0, 256, (6, 6, 3), np.uint8)
        yield cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)


def _tensor(examples: Array) -> Tensor:
    return torch.from_numpy(examples).permute(0, 3, 1, 2).float().contiguous()


def _program(work: _Work, batch: int | None) -> Any:
    """PyTorch's exported program: by its current exporter, which has rules for all that the codecs do."""
    example = torch.full((2 if batch is None else batch, 3, *work.size), 100.0)
    dims: dict[int, Any] = {} if batch is not None else {0: torch.export.Dim("batch")}
    if work.any_size:
        dims |= {2: STEP * torch.export.Dim("rows"), 3: STEP * torch.export.Dim("columns")}
    with _quiet(), torch.no_grad():
        try:
            return torch.onnx.export(
                work.module.eval(),
                (example,),
                dynamo=True,
                verbose=False,
                input_names=[INPUT],
                output_names=list(work.outputs),
                dynamic_shapes={INPUT: dims or None},
            )
        except torch.onnx.OnnxExporterError as error:
            cause = error.__cause__ or error
            reason = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
            raise ExportError(f"PyTorch cannot export this model as ONNX: {reason}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter warns and logs of its own affairs."""
    logs = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [log.level for log in logs]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for log in logs:
            log.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for log, level in zip(logs, levels, strict=True):
                log.setLevel(level)


def _compare(work: _Work, path: Path, examples: Array, batch: int | None) -> dict[str, float]:
    """Largest differences of the file's outputs in ONNX Runtime from the module's."""
    import onnxruntime  # late: the extra onnx

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    step = len(examples) if batch is None else batch
    found = dict.fromkeys(work.outputs, 0.0)
    for start in range(0, len(examples), step):
        part = examples[start : start + step]
        inputs = _tensor(part if batch is None else np.resize(part, (batch, *part.shape[1:])))
        with torch.inference_mode():
            given = (work.reference or work.module)(inputs)
        expected: Sequence[Tensor] = [given] if isinstance(given, Tensor) else given
        for name, ours, theirs in zip(found, expected, session.run(None, {INPUT: inputs.numpy()}), strict=True):
            apart = np.abs(ours.numpy() - theirs)
            off = float((np.minimum(apart, 360 - apart) if name == "angles" else apart).max())
            if work.outputs[name] is None:
                off /= max(float(ours.abs().max()), 1e-6)
            found[name] = max(found[name], off) if off == off else off  # noqa: PLR0124  (NaN)
    for name, off in found.items():
        limit = work.outputs[name]
        if not off <= (SHARE if limit is None else limit):
            path.unlink(missing_ok=True)
            raise ExportError(
                f"{path}: its {name} differ from what they must be by up to {off:.2g} (at most {limit or SHARE} would "
                "do); it was removed. Please report which model this is"
            )
    return found


def _extra() -> None:
    from importlib.util import find_spec

    for package in ("onnx", "onnxscript", "onnxruntime"):
        if find_spec(package) is None:
            raise MissingExtraError(package, "onnx")
