"""Detector: a photograph becomes keypoints."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, overload

import numpy.typing as npt
import torch
from torch import nn

from . import finder as finders
from . import hub
from ._loading import load_finder, network_of, pick_device
from ._looks import Looker
from ._predictor import Predictor, Reading
from ._refine import Refinement
from ._slots import Options, check_several, choice
from ._stream import Stream
from .engine import Engine
from .errors import ArgumentError, HubError, ImageError
from .face import Face
from .finder.views import as_turns
from .models.facts import Facts
from .models.verdict import renewed

__all__ = ["Detector", "Refinement", "pick_device"]

log = logging.getLogger(__name__)
Array = npt.NDArray[Any]


class Detector(Predictor, Stream):
    """Finds the keypoints of every face in a picture.

    Make one with :meth:`from_pretrained`, and call it with anything that
    :func:`facekp.image.read` takes.  It can be pickled and shared by threads.

    Attributes:
        name: which model this is.
        schema: what its points are.
        device: where it runs.
        config: the model's ``config.json``.
        engine: what runs the network, and where it can what reads its output, a :class:`facekp.engine.Engine`; None:
            the network itself, whose weights may then change from call to call.
        mirror: whether each crop is looked at in its mirror image, too.
    """

    def __init__(
        self,
        network: nn.Module,
        config: dict[str, Any],
        *,
        face_finder: finders.Finder | None = None,
        device: str | torch.device = "auto",
        engine: str | None = None,
        compile: bool = False,
        precision: str = "float32",
        mirror: bool = False,
    ) -> None:
        if not isinstance(config, dict):
            raise ArgumentError(f"config: expected what a model's config.json says, got {type(config).__name__}")
        self.config = config
        self.device = pick_device(device, engine)
        try:
            facts = Facts.read(config)
        except HubError as error:
            raise HubError(f"{config.get('name', 'model')}: config.json: {error}") from None
        self.name, self.schema, self.codec = facts.name, facts.schema, facts.codec
        self.crop_size, self.crop_scale, self.crop_box = facts.crop_size, facts.crop_scale, facts.crop_box
        self.mean, self.std, self.clahe = facts.mean, facts.std, facts.clahe
        self.grey = facts.grey or getattr(network, "in_channels", 3) == 1
        self._verdict = facts.verdict
        if mirror and self.schema.mirror is None:
            raise ArgumentError(f"mirror: the points of {self.name} ({self.schema.name}) cannot be mirrored")
        self.mirror = mirror
        self.network = network.to(self.device).to(memory_format=torch.channels_last).eval()
        self.engine: Engine | None = None
        if engine is None and (compile or precision != "float32"):
            raise ArgumentError("compile, precision: these are an engine's, and none is asked for; say engine='auto'")
        if engine is not None:
            whole = Reading(self.network, self.codec) if self.codec.portable else self.network
            known = facts.int8_ranges
            self.engine = Engine(whole, engine, device=self.device, compile=compile, precision=precision, ranges=known)
        self.finder = face_finder.to(self.device) if face_finder is not None else None
        self._looker = Looker(self.crop_size, self.crop_scale, self.schema, self.codec, self._verdict)

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path = "resnet18-ibug",
        *,
        device: str | torch.device = "auto",
        engine: str = "auto",
        finder: str | Path | finders.Finder | Callable[..., Any] | None = "auto",
        network: nn.Module | Callable[..., nn.Module] | None = None,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        token: str | bool | None = None,
        compile: bool = False,
        precision: str = "float32",
        mirror: bool = False,
    ) -> Detector:
        """Load a model.

        Args:
            name: a name of :func:`facekp.list_models`, a folder that training wrote, or ``"org/repo"`` or
                ``"org/repo@revision"`` on the Hub.
            device: ``"auto"`` (CUDA, then MPS, then CPU), or any name that torch knows.
            engine: what runs the network and facekp's own finder: ``"torch"``, ``"onnx"`` (ONNX Runtime),
                ``"opencv"`` (on the CPU), or ``"auto"``: the quickest that is installed; see :mod:`facekp.engine`.
                In given boxes they give the same points to a thousandth of a pixel.
            finder: which face finder: ``"auto"``: the one that the model goes with (``face_finder`` in its config;
                else ``"finder"``); a name or folder; ``"yunet"``, ``"yunet:FILE"`` or an ONNX file for OpenCV's
                YuNet (:class:`facekp.finder.YuNet`); a function of a picture that gives boxes
                (:class:`facekp.finder.FunctionFinder`); None for a model that is only given boxes.
            network: for a model whose network is code of your own: its class, or a network of it.  facekp runs no
                code that a model's config names.
            revision: branch, tag or commit on the Hub.
            cache_dir: the Hub's cache folder.
            token: of the Hub, for private and gated repositories; None: ``HF_TOKEN``, or what was logged in with;
                False: none is sent.  The Detector does not keep it.
            compile: give the keypoint network to ``torch.compile``: for a service that runs for hours.
            precision: of the keypoint network's arithmetic: ``"float32"``; ``"bfloat16"``, which is faster in
                large batches where the hardware has it, and a little less exact: this and ``compile`` are of PyTorch,
                which ``engine="auto"`` then means for that network; or ``"int8"``, which takes a third to a half less
                time on a CPU and is a little less exact, by ONNX Runtime.
            mirror: look at each crop in its mirror image, too, and take the mean of both: errors some 2 % smaller, in
                twice the time.

        Raises:
            HubError: the model cannot be found or is damaged, or its network is not facekp's and was not given; the
                message says what was tried.
            ArgumentError: the device is not there, the engine is unknown or does not run on it, the token cannot be
                one, or the model's points cannot be mirrored.
            MissingExtraError: the engine is not installed.
        """
        chosen = pick_device(device, engine)
        bundle = hub.load(name, kind="keypoints", revision=revision, cache_dir=cache_dir, token=token)
        facts = bundle.facts()  # before its network is built
        built = hub.network_of(lambda: network_of(network, bundle), bundle)
        full = bundle.config["crop"]["box"] == "full"
        which = facts.face_finder if isinstance(finder, str) and finder == "auto" else finder
        face_finder = None if which is None or full else load_finder(which, cache_dir, engine, token)
        return cls(
            built,
            bundle.config,
            face_finder=face_finder,
            device=chosen,
            engine=engine,
            compile=compile,
            precision=precision,
            mirror=mirror,
        )

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the model into a folder, which :meth:`from_pretrained` takes; the finder is a model of its own.

        Args:
            folder: made where it is missing; gets ``config.json``, ``model.safetensors`` and a model card.

        Raises:
            HubError: it cannot be written.
        """
        hub.save(folder, self.network, self.config, half=None)

    def push_to_hub(self, repo: str, **options: Any) -> hub.Pushed:
        """Push the model to the Hub with a model card.

        Args:
            repo: ``"org/name"``; made where it is missing.
            options: ``private``, ``revision``, ``message``, ``token`` and ``dry_run`` of :func:`facekp.hub.push`.

        Returns:
            The commit and the SHA-256 of each file, which together pin the model.

        Raises:
            ArgumentError: the repository's name cannot be one.
            HubError: the Hub refused, or cannot be reached; it says what had been done by then.
        """
        return hub.push_network(self.network, self.config, repo, **options)

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
        refine: bool | Refinement = True,
        finder_side: int | None = None,
        tile: int | None = None,
        turns: Iterable[float] | None = None,
        color: Literal["rgb", "bgr"] = "rgb",
        on_error: Literal["raise", "return"] = "raise",
    ) -> Iterator[list[Face] | ImageError]:
        """Keypoints of any number of pictures, in order, in bounded memory.

        Args:
            images: pictures, or an iterator of them; read as they are needed.
            boxes: None: the finder looks for faces; ``"full"``: each picture is an already cropped
                face; or for each picture its own boxes ``(N, 4)`` xyxy (brows to chin, jaw to jaw).
            batch_size: crops that go through the network together, on a CPU 16 at a time; crops of different pictures
                mix.
            max_faces: keep the first so many faces of a picture.
            min_score: drop faces whose score is below; None takes the model's own, or else the finder's.
            order: ``"score"`` (best first), ``"size"`` (largest first) or ``"left"`` (left to right);
                given boxes keep their order.
            refine: cut a face out and look at it once more where its points show that the box was off or the face
                tilted, and turned by quarters where they are not believed: True, False, or a :class:`Refinement` that
                says when.  Never done with ``boxes="full"``, nor by a model whose points do not span the face.
            finder_side: the long side to which the finder scales pictures; larger finds smaller faces.
            tile: for crowds: the finder also looks at full resolution at overlapping squares of so many pixels.
            turns: the finder also looks at copies turned by so many degrees.  The last three are
                :class:`facekp.finder.FaceFinder`'s, which explains them; other finders have none of them.
            color: channel order of numpy arrays.
            on_error: what an unreadable picture does: ``"raise"``, or ``"return"`` its ImageError in its place.

        Yields:
            ``list[Face]`` for each picture, or its ImageError.
        """
        check_several(images)
        own = {"side": finder_side, "tile": tile, "turns": None if turns is None else as_turns(turns)}
        asked = {key: value for key, value in own.items() if value is not None}
        if asked and not isinstance(self.finder, finders.FaceFinder):
            raise ArgumentError(f"{', '.join(asked)}: only facekp's own finder has this option, and it is not in use")
        finding, least = {"min_score": min_score, **asked}, None
        if self._verdict is not None and isinstance(self.finder, finders.FaceFinder):
            least = self._verdict.min_score if min_score is None else min_score
            finding["min_score"] = self._verdict.least
        options = Options(batch_size, max_faces, order, color, on_error, refine, finding, least)
        if boxes is None and self.finder is None and self.crop_box != "full":
            raise ArgumentError("boxes: this detector has no finder; give boxes, or boxes='full' for cropped faces")
        return self._stream(images, boxes, options)

    @property
    def min_score(self) -> float:
        """Faces whose score is less are left out unless a call says otherwise; 0.5 where the finder is not facekp's."""
        if not isinstance(self.finder, finders.FaceFinder):
            return 0.5
        return self.finder.config.min_score if self._verdict is None else self._verdict.min_score

    def renewed(self, face: Face, scores: Array) -> float:
        """The score of a face that was found before, once its points have been looked for again.

        The finder's part in it stays; that of the points is renewed, by the weight that they have in the model's
        ``face_score``, or else 1.  It falls where the points find nothing to hold on to.

        Args:
            face: as it was found.
            scores: ``(K,)`` of its points now, as :meth:`predict` gives them.
        """
        if self._verdict is None:
            return renewed(face.score, face.scores, scores)
        return self._verdict.renewed(face.score, face.scores, scores)

    def __repr__(self) -> str:
        return f"Detector({self.name!r}, schema {self.schema.name}, device {self.device})"
