"""Whether facekp is well on this machine: packages, device, engines, cache, the models' files, and a face to find.

Behind ``facekp doctor``.  Nothing here needs the network, and nothing that is broken stops the rest.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import numpy as np

from . import _packages
from ._version import __version__
from .errors import HubError

__all__ = ["EXTRAS", "Check", "examine"]

#: What each extra of facekp gives.
EXTRAS = {
    "all": "all of the others",
    "bench": "photographs without faces, for facekp benchmark finder",
    "data": "COFW's MATLAB files",
    "demo": "facekp demo: a page to play with",
    "dev": "what changes to facekp are tested with",
    "docs": "the documentation's site",
    "onnx": "the quickest engine, and ONNX files of your own networks",
    "parquet": "facekp detect --parquet",
    "plots": "figures: curves, heatmaps, worst faces",
    "search": "facekp search",
    "train": "facekp train, recipes, torchmetrics objects",
}

REINSTALL = "pip install --force-reinstall --no-deps facekp"
MODULES = {"opencv-python-headless": "cv2"}
FAR = 0.05  # of the inter-ocular distance: no engine, and no model worth its name, is so far off on a frontal face
USUAL = "resnet18-ibug"  # what Detector.from_pretrained takes unless told
APART = 0.01  # the same between two engines that run one model


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        group: ``"facekp"``, ``"packages"``, ``"extras"``, ``"device"``, ``"engines"``, ``"cache"``, ``"weights"`` or
            ``"self-test"``.
        name: what it is.
        status: ``"ok"``; ``"note"``: missing or unusual, and no harm; or ``"wrong"``.
        says: what was found.
        cure: what to do about it, or ``""``.
    """

    group: str
    name: str
    status: str
    says: str
    cure: str = ""


def examine() -> list[Check]:
    """Look at everything; takes some seconds, as the networks run.

    Returns:
        What was found, in order.  All is well where no status is ``"wrong"``.
    """
    groups: dict[str, Callable[[], Iterator[Check]]] = {
        "facekp": _facekp,
        "packages": _required,
        "extras": _extras,
        "device": _device,
        "engines": _engines,
        "cache": _cache,
        "weights": _weights,
        "self-test": _selftest,
    }
    found = []
    for name, look in groups.items():
        try:
            found += list(look())
        except Exception as error:  # noqa: BLE001  (a broken installation may raise anything)
            found.append(Check(name, name, "wrong", _reason(error), f"mend what is wrong above, or {REINSTALL}"))
    return found


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"


def _facekp() -> Iterator[Check]:
    where = Path(__file__).parent
    python = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    yield Check("facekp", "facekp", "ok", f"{__version__} in {where}; {python}")
    try:
        installed = metadata.version("facekp")
    except metadata.PackageNotFoundError:
        yield Check("facekp", "installed", "note", "run from its source: what it needs is not known", "pip install .")
        return
    if installed != __version__:
        says = f"pip knows version {installed}, {__version__} is imported: two copies, or an old editable install"
        yield Check("facekp", "installed", "note", says, "pip install --force-reinstall facekp")


def _required() -> Iterator[Check]:
    for package in _needed(None):
        name, module = package.name, MODULES.get(package.name, package.name.replace("-", "_"))
        try:
            version = package.found or getattr(importlib.import_module(module), "__version__", "of unknown version")
            importlib.import_module(module)
        except Exception as error:  # noqa: BLE001  (an import may raise anything)
            cure = f"pip install --force-reinstall '{name}>={package.oldest}'"
            yield Check("packages", name, "wrong", _reason(error), cure)
            continue
        if package.old:
            says, cure = f"{version}, older than {package.oldest}", f"pip install -U '{name}>={package.oldest}'"
            yield Check("packages", name, "wrong", says, cure)
        else:
            yield Check("packages", name, "ok", str(version))
    both = [n for n in ("opencv-python-headless", *_packages.TWINS["opencv-python-headless"]) if _alone(n)]
    if len(both) > 1:
        says = f"{' and '.join(both)} overwrite each other's files"
        yield Check("packages", "cv2", "note", says, f"pip uninstall {' '.join(both)}, then install one of them")


def _alone(name: str) -> bool:
    try:
        return bool(metadata.version(name))
    except metadata.PackageNotFoundError:
        return False


def _needed(extra: str | None) -> list[_packages.Needed]:
    try:
        return _packages.needed(extra)
    except metadata.PackageNotFoundError:  # from source, which _facekp tells
        return []


def _extras() -> Iterator[Check]:
    try:
        names = _packages.extras()
    except metadata.PackageNotFoundError:
        names = []
    for extra in names:
        packages, gives = _needed(extra), EXTRAS.get(extra, "")
        missing = [p.name for p in packages if p.found is None]
        if old := [p for p in packages if p.old]:
            says = ", ".join(f"{p.name} {p.found}, older than {p.oldest}" for p in old)
            yield Check("extras", extra, "wrong", f"{gives}; {says}", f"pip install -U 'facekp[{extra}]'")
        elif missing:
            says = f"{gives}; missing: {', '.join(missing)}"
            yield Check("extras", extra, "note", says, f"pip install 'facekp[{extra}]'")
        else:
            yield Check("extras", extra, "ok", gives)


def _device() -> Iterator[Check]:
    import torch

    if torch.cuda.is_available():
        says = f"cuda: {torch.cuda.get_device_name(0)}, CUDA {torch.version.cuda}"
    elif torch.backends.mps.is_available():
        says = "mps: no CUDA here, but Apple's MPS"
    elif torch.version.cuda is None and getattr(torch.version, "hip", None) is None:
        says = "cpu: this torch is built for the CPU alone"
    else:
        says = "cpu: torch is built for GPUs, but sees none that it can use"
    yield Check("device", "auto", "ok", says)
    yield Check("device", "threads", "ok", f"{torch.get_num_threads()}; this machine has {os.cpu_count()} CPU cores")


def _engines() -> Iterator[Check]:
    import cv2
    import torch

    yield Check("engines", "torch", "ok", torch.__version__)
    yield Check("engines", "opencv", "ok", str(cv2.__version__))
    if _packages.version("onnxruntime") is None:
        says, cure = "not installed; the quickest engine on a CPU", "pip install 'facekp[onnx]'"
        yield Check("engines", "onnx", "note", says, cure)
        return
    try:
        import onnxruntime

        providers = onnxruntime.get_available_providers()
    except Exception as error:  # noqa: BLE001  (an import may raise anything)
        cure = "pip install --force-reinstall onnxruntime, or say --engine torch"
        yield Check("engines", "onnx", "wrong", _reason(error), cure)
    else:
        names = ", ".join(name.removesuffix("ExecutionProvider") for name in providers)
        yield Check("engines", "onnx", "ok", f"{onnxruntime.__version__}, runs on {names}")


def _cache() -> Iterator[Check]:
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE)
    there = next((p for p in (folder, *folder.parents) if p.exists()), folder)
    offline = "; HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else ""
    if there.is_dir() and os.access(there, os.W_OK):
        made = "" if there == folder else " (made when it is needed)"
        yield Check("cache", "cache", "ok", f"{folder}{made}{offline}")
    else:
        says, cure = f"{folder} cannot be written{offline}", "set HF_HOME to a folder of yours, for models of the Hub"
        yield Check("cache", "cache", "note", says, cure)


def _weights() -> Iterator[Check]:
    from . import hub

    root = Path(str(resources.files("facekp"))) / "weights"
    for name, sums in hub.shipped().items():
        bad = []
        for file, expected in sums.items():
            path = root / name / file
            if not path.is_file():
                bad.append(f"{file} is missing")
            elif hashlib.sha256(path.read_bytes()).hexdigest() != expected:
                bad.append(f"{file} is not the one on record")
        if bad:
            yield Check("weights", name, "wrong", "; ".join(bad), REINSTALL)
        else:
            yield Check("weights", name, "ok", f"{len(sums)} files, SHA-256 as on record")


def _selftest() -> Iterator[Check]:
    """Find the face of the picture in the package: by every model as it is used, by the usual one on every engine."""
    from . import hub

    picture, expected, schema = _expected()
    names = [name for name, folder in hub.bundled("keypoints").items() if _layout(folder) == schema]
    names.sort(key=lambda name: name != USUAL)
    if not names:
        yield Check("self-test", "models", "wrong", f"no model of {schema} in the package", REINSTALL)
    runs = [(name, "auto", "auto") for name in names] + [(name, "cpu", "torch") for name in names[:1]]
    runs += [(name, "cpu", "opencv") for name in names[:1]]
    if _packages.version("onnxruntime") is not None:
        runs += [(name, "cpu", "onnx") for name in names[:1]]
    first: dict[str, Any] = {}
    seen: set[str] = set()
    for name, device, engine in runs:
        try:
            title, points = _try(picture, name, device, engine, seen)
            if points is None:
                continue
            off = _error(points, expected, schema)
            apart = _error(points, first.setdefault(name, points), schema)
            says = f"one face, its points {100 * off:.1f} % of the eyes' distance off"
            good = off < FAR and apart < APART
            if not good:
                says += f", and {100 * apart:.1f} % from what another engine gives"
        except Exception as error:  # noqa: BLE001  (an engine may raise anything)
            title, good, says = f"{name}, {engine} on {device}", False, _reason(error)
        cure = "" if good else f"say --engine torch --device cpu; if that is wrong, too: {REINSTALL}"
        yield Check("self-test", title, "ok" if good else "wrong", says, cure)


def _try(picture: Any, name: str, device: str, engine: str, seen: set[str]) -> tuple[str, Any]:
    """What ran, and the points that it found; None where the same ran before."""
    from .detector import Detector

    detector = Detector.from_pretrained(name, device=device, engine=engine)
    used = engine if detector.engine is None else detector.engine.by(1)
    title = f"{name}, {used} on {detector.device}"
    if title in seen:
        return title, None
    seen.add(title)
    faces = detector(picture)
    if len(faces) != 1:
        raise HubError(f"{len(faces)} faces found where there is one")
    return title, faces[0].keypoints


def _error(points: Any, expected: Any, schema: str) -> float:
    """The mean distance of points as a share of the outer eye corners' distance."""
    from . import metrics
    from . import schema as schemas

    return float(metrics.nme(points[None], expected[None], schemas.get(schema), "inter_ocular")[0])


def _expected() -> tuple[Any, Any, str]:
    """The picture in the package, the points of its face, and their layout's name."""
    from . import image

    folder = resources.files("facekp") / "_selftest"
    record = json.loads((folder / "face.json").read_text("utf-8"))
    picture = image.read((folder / "face.jpg").read_bytes())
    return picture, np.array(record["keypoints"], np.float32), str(record["schema"])


def _layout(folder: Path) -> str:
    return str(json.loads((folder / "config.json").read_text("utf-8")).get("schema"))
