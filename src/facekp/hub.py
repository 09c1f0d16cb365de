"""Models on disk and on the Hugging Face Hub: a folder with ``config.json`` and ``model.safetensors``.

A name is looked for as a local folder, then among the weights inside the
package, then in the Hugging Face cache and on the Hub.  Nothing is unpickled
and no code is loaded; everything that a model needs travels in its config.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from ._version import __version__
from .errors import FacekpError, HubError

__all__ = ["FORMAT", "Bundle", "bundled", "load", "network_of", "read_config", "save", "write_config"]

FORMAT = 1
CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
ORGANISATION = "facekp"


@dataclass(slots=True)
class Bundle:
    """A model's files, read and checked.

    Attributes:
        config: what ``config.json`` says.
        state: tensors by name, float32.
        origin: where they came from: a folder, or ``org/repo@revision``.
    """

    config: dict[str, Any]
    state: dict[str, Tensor]
    origin: str


def bundled(kind: str | None = None) -> dict[str, Path]:
    """Models inside the package, all or those of one kind: name → folder."""
    folder = Path(str(resources.files("facekp") / "weights"))
    found = sorted(folder.glob(f"*/{CONFIG}"))
    return {p.parent.name: p.parent for p in found if kind is None or read_config(p).get("type") == kind}


def load(
    name: str | Path, *, kind: str | None, revision: str | None = None, cache_dir: str | Path | None = None
) -> Bundle:
    """Find a model, read it, and check it.

    Args:
        name: a folder, a name of :func:`bundled`, or ``"org/repo"`` on the Hub.
        kind: what it must be: ``"keypoints"`` or ``"finder"``; None: either.
        revision: branch, tag or commit on the Hub.
        cache_dir: the Hub's cache; default is Hugging Face's own.

    Raises:
        HubError: not found, damaged, of another kind, or from a newer facekp; it says what was tried.
    """
    folder, origin = _resolve(str(name), revision, cache_dir, list(bundled(kind)))
    config = read_config(folder / CONFIG)
    if kind is not None and config.get("type") != kind:
        raise HubError(f"{origin}: this is a model of type {config.get('type')!r}, a {kind!r} model is needed")
    return Bundle(config, _read_weights(folder / WEIGHTS, config), origin)


def _resolve(name: str, revision: str | None, cache_dir: str | Path | None, choices: Sequence[str]) -> tuple[Path, str]:
    folder, inside = Path(name), bundled()
    if (folder / CONFIG).is_file():
        return folder, str(folder)
    if name in inside and revision is None:
        return inside[name], name
    if folder.is_dir():
        raise HubError(f"{name}: this folder has no {CONFIG}; expected {CONFIG} and {WEIGHTS}, as training writes them")
    repo = name if "/" in name else f"{ORGANISATION}/{name}"
    if repo.count("/") != 1 or name.startswith((".", "/", "~")):
        raise HubError(f"{name}: no such folder; give a folder, org/repo, or one of: {', '.join(choices)}")
    return _download(repo, revision, cache_dir, choices), f"{repo}@{revision or 'main'}"


def _download(repo: str, revision: str | None, cache_dir: str | Path | None, choices: Sequence[str]) -> Path:
    from huggingface_hub import snapshot_download  # late: it is not needed for what the package carries

    try:
        found = snapshot_download(repo, revision=revision, cache_dir=cache_dir, allow_patterns=[CONFIG, WEIGHTS])
    except Exception as error:  # httpx, OS and half a dozen Hub errors: one answer to the user
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise HubError(
            f"{repo}: not in the package ({', '.join(choices) or 'nothing'}), not a folder, "
            f"and the Hub gave: {reason}. "
            "Offline, give a folder with config.json and model.safetensors, or one of the names in the package"
        ) from error
    return Path(found)


def read_config(path: Path) -> dict[str, Any]:
    """A model's ``config.json``, checked for format.

    Raises:
        HubError: missing, no JSON object, or written by a newer facekp.
    """
    try:
        config = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise HubError(f"{path}: cannot be read ({error.strerror or error})") from None
    except ValueError as error:
        raise HubError(f"{path}: not JSON ({error})") from None
    if not isinstance(config, dict) or not isinstance(config.get("format"), int):
        raise HubError(f"{path}: not a facekp model's config; expected an object with 'format': {FORMAT}")
    if config["format"] > FORMAT:
        raise HubError(
            f"{path}: format {config['format']}, but facekp {__version__} reads up to {FORMAT}; "
            "run  pip install --upgrade facekp"
        )
    return config


def _read_weights(path: Path, config: Mapping[str, Any]) -> dict[str, Tensor]:
    try:
        data = path.read_bytes()  # once: what is checked is what is loaded
        state = from_bytes(data)
    except OSError as error:
        raise HubError(f"{path}: cannot be read ({error.strerror or error})") from None
    except SafetensorError as error:
        raise HubError(f"{path}: damaged ({error}); delete it and load again") from None
    digest, expected = hashlib.sha256(data).hexdigest(), config.get("sha256")
    if expected is not None and expected != digest:
        raise HubError(f"{path}: SHA-256 is {digest}, {CONFIG} says {expected}; delete the folder and load again")
    return {k: v.float() if v.is_floating_point() else v for k, v in state.items()}


def network_of(network: Any, bundle: Bundle) -> nn.Module:
    """Build a network without allocating it, give it the bundle's weights, and put it in eval mode.

    Args:
        network: a function without arguments that builds it.
        bundle: whose ``state`` must fit exactly.

    Raises:
        HubError: the config names what facekp does not know, or the weights do not fit.
    """
    try:
        with torch.device("meta"):
            built: nn.Module = network()
        built.load_state_dict(bundle.state, strict=True, assign=True)
    except FacekpError as error:
        raise HubError(f"{bundle.origin}: {CONFIG}: {error}") from None
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()[1:3]]
        raise HubError(f"{bundle.origin}: {WEIGHTS} does not fit {CONFIG}: {' '.join(lines)[:300]}") from None
    return built.eval().requires_grad_(False)


def save(folder: str | Path, network: nn.Module, config: Mapping[str, Any], *, half: bool = True) -> None:
    """Write ``config.json`` and ``model.safetensors``.

    Matrices and filters are stored as float16, vectors (biases, norms and their
    statistics) as float32; the SHA-256 of the weights goes into the config.

    Args:
        folder: made where it is missing.
        network: whose ``state_dict`` is saved.
        config: plain data; ``format`` and ``facekp`` are filled in.
        half: store float16; False keeps float32.

    Raises:
        HubError: a weight is not finite (in float16), or the folder cannot be written.
    """
    folder = Path(folder)
    state = {}
    for key, value in network.state_dict().items():
        tensor = value.detach().cpu().contiguous()
        if half and tensor.is_floating_point() and tensor.ndim > 1:
            tensor = tensor.half()
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise HubError(
                f"{key} is not finite{' in float16' if half else ''}; the network diverged, nothing was saved"
            )
        state[key] = tensor.clone(memory_format=torch.contiguous_format)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        data = to_bytes(state, metadata={"format": "pt"})
        (folder / WEIGHTS).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        write_config(folder, {"format": FORMAT, "facekp": __version__, **config, "sha256": digest})
    except OSError as error:
        raise HubError(f"{folder}: cannot be written ({error.strerror or error})") from None


def write_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Write ``config.json``, and the model card that says the same to people."""
    (folder / CONFIG).write_text(json.dumps(config, indent=1, ensure_ascii=False) + "\n", "utf-8")
    (folder / CARD).write_text(_card(config), "utf-8")


def _card(config: Mapping[str, Any]) -> str:
    """A model card: what it is, what it was trained on, under what licence, and how well it does."""
    schema = config.get("schema")
    layout = schema.get("name") if isinstance(schema, Mapping) else schema
    name, finds = config["name"], "face boxes" if config["type"] == "finder" else f"`{layout}` keypoints"
    metrics = config.get("metrics", [])
    rows = [f"- {_sentence(m)}" for m in (metrics if isinstance(metrics, list) else [metrics])]
    option = "finder=" if config["type"] == "finder" else ""
    return "\n".join(
        [
            "---",
            "library_name: facekp",
            "license: other",
            f"license_name: {json.dumps(config.get('licence', 'unknown'))}",
            "pipeline_tag: keypoint-detection",
            "---",
            f"# {name}",
            "",
            f"Finds {finds}; made with facekp {config['facekp']}.",
            "",
            f"**Licence of the weights:** {config.get('licence', 'unknown')}",
            "",
            f"**Trained on:** {'; '.join(config.get('training_data', [])) or 'unknown'}",
            "",
            "**Measured:**",
            "",
            *(rows or ["- nothing yet"]),
            "",
            "```python",
            "import facekp",
            "",
            f'detector = facekp.Detector.from_pretrained({option}"{name}")',
            'faces = detector("photo.jpg")',
            "```",
            "",
        ]
    )


def _sentence(numbers: Mapping[str, Any]) -> str:
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in numbers.items() if key != "sha256")
