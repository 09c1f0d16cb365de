"""Models on disk and on the Hugging Face Hub: a folder with ``config.json`` and ``model.safetensors``.

A name is looked for as a local folder, then among the weights inside the
package, then in the Hugging Face cache, then on the Hub, as ``facekp/NAME`` or
``org/repo[@revision]``.  huggingface_hub downloads, so its settings hold:
``HF_HOME``, ``HF_HUB_OFFLINE``, ``HF_ENDPOINT``, ``HF_TOKEN``.  Nothing is
unpickled and no code is loaded; everything that a model needs travels in its
config, which is judged before its weights are asked for.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from . import _hubcard, _hubcheck, _hubfind, _hublist, _hubpush, _hubtalk
from ._hubargs import as_cache, as_folder, as_json, as_repo, as_revision
from ._hubcheck import FORMAT
from ._hubfind import CONFIG, WEIGHTS, Source
from ._hublist import Entry
from ._hubpush import Pushed
from ._version import __version__
from .errors import ArgumentError, FacekpError, HubError
from .models.facts import Facts

__all__ = [
    "FORMAT",
    "Bundle",
    "Entry",
    "Pushed",
    "available",
    "bundled",
    "fetch",
    "load",
    "network_of",
    "push",
    "push_network",
    "pushed",
    "read_config",
    "save",
    "shipped",
    "write_config",
]


@dataclass(slots=True)
class Bundle:
    """A model's files, read and checked.

    Attributes:
        config: what ``config.json`` says.
        state: tensors by name, float32.
        origin: where they came from: a folder, a name of the package, or ``org/repo@commit``.
        whence: for errors: the Hub that it is on, and what to do offline; empty for what is on this machine.
    """

    config: dict[str, Any]
    state: dict[str, Tensor]
    origin: str
    whence: str = ""

    def refused(self, why: object) -> HubError:
        """The error for files that are whole but wrong."""
        return HubError(f"{self.origin}: {why}{self.whence}")

    def facts(self) -> Facts:
        """What the config of a keypoint model says, of which nothing may be missing.

        Raises:
            HubError: it is, or is wrong; the message says whence it came.
        """
        try:
            return Facts.read(self.config)
        except HubError as error:
            raise self.refused(f"{CONFIG}: {error}") from None


def bundled(kind: str | None = None) -> dict[str, Path]:
    """Models inside the package, all or those of one kind: name → folder."""
    folder = _hublist.inside("weights")
    found = sorted(folder.glob(f"*/{CONFIG}"))
    return {p.parent.name: p.parent for p in found if kind is None or read_config(p).get("type") == kind}


def shipped() -> dict[str, dict[str, str]]:
    """The SHA-256 of every file of every model inside the package, as recorded: name → file → hexadecimal."""
    return _hublist.read_shipped()


def pushed() -> dict[str, dict[str, Any]]:
    """What facekp has pushed to the Hub: name → ``revision`` (a commit), ``files`` (their SHA-256), and its entry."""
    return _hublist.read_pushed()


def available() -> list[Entry]:
    """The models that facekp knows by name, and where each would come from."""
    inside = bundled()
    entries = [_hublist.entry_of(name, read_config(folder / CONFIG), folder) for name, folder in inside.items()]
    return entries + [_hublist.entry_of_pin(name, pin) for name, pin in pushed().items() if name not in inside]


def load(
    name: str | Path,
    *,
    kind: str | None,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    token: str | bool | None = None,
) -> Bundle:
    """Find a model, read it, and check it.

    Args:
        name: a folder, a name of :func:`available`, or ``"org/repo"`` or ``"org/repo@revision"`` on the Hub.
        kind: what it must be: ``"keypoints"`` or ``"finder"``; None: either.
        revision: branch, tag or commit on the Hub.  A branch or tag is asked for anew; without a revision, what
            the cache has is taken as it is, so that a model does not change by itself.
        cache_dir: the Hub's cache; default is Hugging Face's own.
        token: of the Hub, for private and gated repositories; None: ``HF_TOKEN``, or what was logged in with; False:
            none is sent.  It is not kept.

    Raises:
        ArgumentError: the name is no text or path, or the revision, the cache's folder or the token cannot be one.
        HubError: not found, damaged, changed, of another kind, from a newer facekp, or asking for what facekp does not
            have; it says what was tried, from where, and what to do offline.
    """
    if not isinstance(name, (str, Path)):
        raise ArgumentError(f"name: expected a model's name, folder or org/repo, got {type(name).__name__}")
    revision, cache_dir = as_revision(revision), as_cache(cache_dir)
    inside = bundled()
    if str(name) not in inside:
        inside = bundled(kind)  # for errors, which offer only what would do
    source = _hubfind.find(
        str(name), revision, cache_dir, inside=inside, shipped=shipped(), pushed=pushed(), token=token
    )
    with _explained(source):
        data = _bytes(source.file(CONFIG), source)
        config = _hubcheck.parse(data, source.file(CONFIG))
        if kind is not None and config.get("type") != kind:
            raise HubError(
                f"{source.origin}: this is a model of type {config.get('type')!r:.80}, a {kind!r} model is needed"
            )
        try:
            _hubcheck.check(config)
        except HubError as error:
            raise HubError(f"{source.origin}: {CONFIG}: {error}") from None
        return Bundle(config, _read_weights(source, config), source.origin, source.whence)


def fetch(
    repo: str,
    file: str,
    sha256: str,
    *,
    cache_dir: str | Path | None = None,
    token: str | bool | None = None,
    instead: str = "Offline, copy the file here, and give its path",
) -> Path:
    """One file of a repository on the Hub, of which the checksum is known; the cache is used as in :func:`load`.

    Args:
        repo: ``"org/name"``.
        file: its name in the repository.
        sha256: of the file, hexadecimal: it pins the file, whatever the repository's branch becomes.
        cache_dir: see :func:`load`.
        token: see :func:`load`.
        instead: for errors: what to do without it.

    Raises:
        ArgumentError: an argument cannot be what it is to be.
        HubError: it cannot be had, or is another file than the checksum says.
    """
    return _hubtalk.download(repo, file, sha256, cache_dir=cache_dir, token=token, instead=instead)


@contextmanager
def _explained(source: Source) -> Iterator[None]:
    """Say what to do about files that are wrong, which depends on whence they came."""
    try:
        yield
    except HubError as error:
        if error.__cause__ is not None:  # the Hub's, which says all of that
            raise
        cure = source.cure if isinstance(error, _hubcheck.DamagedError) else ""
        raise HubError(f"{error}{cure}{source.whence}") from None


def read_config(path: str | Path) -> dict[str, Any]:
    """A model's ``config.json``, checked for format.

    Raises:
        ArgumentError: no path.
        HubError: missing, no JSON object, or written by a newer facekp.
    """
    path = as_folder(path, "path")
    return _hubcheck.parse(_bytes(path), path)


def _bytes(path: Path, source: Source | None = None) -> bytes:
    """A file, read once so that what is checked is what is loaded; its SHA-256 is the recorded one."""
    try:
        if path.stat().st_size > _hubcheck.MAX_BYTES:
            raise HubError(f"{path}: {path.stat().st_size:,} bytes are more than any model of facekp has")
        data = path.read_bytes()
    except OSError as error:
        raise HubError(f"{path}: cannot be read ({error.strerror or error})") from None
    expected = source.sums.get(path.name) if source is not None else None
    if source is not None and expected is not None:
        digest = hashlib.sha256(data).hexdigest()
        if digest != expected:
            raise _hubcheck.DamagedError(
                f"{source.origin}: {path.name} is not the one that facekp has on record: its SHA-256 is {digest}, "
                f"{expected} is expected"
            )
    return data


def _read_weights(source: Source, config: Mapping[str, Any]) -> dict[str, Tensor]:
    path = source.file(WEIGHTS)
    data = _bytes(path, source)
    digest, expected = hashlib.sha256(data).hexdigest(), config.get("sha256")
    if expected is None and source.kind in ("cache", "hub"):
        raise HubError(f"{source.origin}: {CONFIG} has no sha256 of {WEIGHTS}, which facekp writes when it saves")
    try:
        state = from_bytes(data)
    except SafetensorError as error:
        raise _hubcheck.DamagedError(f"{path}: damaged ({error})") from None
    if expected is not None and expected != digest:
        raise _hubcheck.DamagedError(f"{path}: SHA-256 is {digest}, {CONFIG} says {expected!r:.80}")
    if not source.sums:  # else they are those on record
        _check_weights(state, source)
    return {k: v.float() if v.is_floating_point() else v for k, v in state.items()}


def _check_weights(state: Mapping[str, Tensor], source: Source) -> None:
    """Refuse numbers that no network has, and of which only its points would show that they are wrong."""
    for key, value in state.items():
        if value.is_complex():
            raise HubError(f"{source.origin}: {WEIGHTS}: {key} is made of complex numbers")
        if value.is_floating_point() and not torch.isfinite(value.float()).all():
            raise HubError(f"{source.origin}: {WEIGHTS}: {key} has NaN or infinity in it: the network diverged")


def network_of(network: Any, bundle: Bundle) -> nn.Module:
    """Build a network without allocating it, give it the bundle's weights, and put it in eval mode.

    Args:
        network: a function without arguments that builds it.
        bundle: whose ``state`` must fit exactly.

    Raises:
        HubError: the config names what facekp does not know, or the weights do not fit.
    """
    try:
        built = _hubcheck.blank(network)
        built.load_state_dict(bundle.state, strict=True, assign=True)
    except FacekpError as error:
        raise bundle.refused(f"{CONFIG}: {error}") from None
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()[1:3]]
        raise bundle.refused(f"{WEIGHTS} does not fit {CONFIG}: {' '.join(lines)[:300].rstrip('. ')}") from None
    return built.eval().requires_grad_(False)


def save(folder: str | Path, network: nn.Module, config: Mapping[str, Any], *, half: bool | None = True) -> None:
    """Write ``config.json``, ``model.safetensors``, a model card and a picture of the points.

    Matrices and filters are stored as float16, vectors (biases, norms and their
    statistics) as float32; the SHA-256 of the weights goes into the config.

    Args:
        folder: made where it is missing.
        network: whose ``state_dict`` is saved.
        config: plain data; ``format`` and ``facekp`` are filled in.
        half: store float16; False keeps float32; None takes float16 where that changes nothing.

    Raises:
        ArgumentError: the folder is no path, or the config is no plain data.
        HubError: a weight is not finite (in float16), or the folder cannot be written.
    """
    folder = as_folder(folder)
    if not isinstance(network, nn.Module):
        raise ArgumentError(f"network: expected a torch.nn.Module, got {type(network).__name__}")
    as_json(config)
    state = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    wide = {key: v for key, v in state.items() if v.is_floating_point() and v.ndim > 1}
    if half is None:
        half = all(torch.equal(v.half().to(v.dtype), v) for v in wide.values())
    for key, value in state.items():
        tensor = value.half() if half and key in wide else value
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


def write_config(folder: str | Path, config: Mapping[str, Any]) -> None:
    """Write ``config.json``, and the model card with its picture, which says the same to people.

    Raises:
        ArgumentError: the folder is no path, or the config is no plain data.
        HubError: the folder cannot be written, or the config's schema is wrong.
    """
    folder, text = as_folder(folder), as_json(config)
    name = str(config.get("name", ""))
    try:
        (folder / CONFIG).write_text(text, "utf-8")
        _hubcard.write(folder, config, name if name in bundled() else "path/to/this/folder")
    except OSError as error:
        raise HubError(f"{folder}: cannot be written ({error.strerror or error})") from None


def push(
    folder: str | Path,
    repo: str,
    *,
    private: bool | None = None,
    revision: str | None = None,
    message: str | None = None,
    token: str | None = None,
    dry_run: bool = False,
) -> Pushed:
    """Load a model's folder to see that it is whole, and push it to the Hub with a full model card.

    The repository is made where there is none.  Only ``config.json``, ``model.safetensors``, the card and its picture
    go there, whatever else the folder holds.

    Args:
        folder: a model's folder, or that of a run, which has one named ``model``.
        repo: ``"org/name"``.
        private: whether a new repository is; True also refuses one that is there and public.
        revision: the branch; made where it is missing.
        message: of the commit.
        token: of the Hub; by default ``HF_TOKEN``, or what was logged in with.
        dry_run: do all but send.

    Returns:
        The commit and the SHA-256 of each file, which together pin the model.

    Raises:
        ArgumentError: an argument cannot be what it is to be, such as the repository's name.
        HubError: the folder is no whole model, or the Hub refused; it says what had been done by then.
    """
    # Not by huggingface_hub's ModelHubMixin: it knows neither packages, pins nor checksums, wants to be Detector's
    # base class, and would load huggingface_hub with every import of it.
    place = as_folder(folder)
    as_repo(repo)
    if not (place / CONFIG).is_file() and (place / "model" / CONFIG).is_file():
        place = place / "model"
    if not (place / CONFIG).is_file():
        raise HubError(f"{folder}: neither a model's folder nor a run's: no {CONFIG} in it, nor in {place / 'model'}")
    bundle = load(place.resolve(), kind=str(read_config(place / CONFIG).get("type")))
    _hubcheck.check_fit(bundle.config, bundle.state)
    options: dict[str, Any] = {"private": private, "revision": revision, "message": message, "token": token}
    with _hubpush.staged(place, bundle.config, repo) as ready:
        return _hubpush.send(ready, repo, dry_run=dry_run, **options)


def push_network(network: nn.Module, config: Mapping[str, Any], repo: str, **options: Any) -> Pushed:
    """:func:`save` a network, and :func:`push` it; the arguments and errors are theirs."""
    as_repo(repo)
    with tempfile.TemporaryDirectory(prefix="facekp-save-") as folder:
        save(folder, network, config, half=None)
        return push(folder, repo, **options)
