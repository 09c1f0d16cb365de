"""For hub: where a model's files are: a folder, the package, the Hugging Face cache, or the Hub."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ._hubargs import as_revision, rules
from ._hubtalk import cache_of, checked_token, hub_address, local_reason, reason, status_of
from ._version import __version__
from .errors import FacekpError, HubError

__all__ = ["CARD", "CONFIG", "ORGANISATION", "PICTURE", "WEIGHTS", "Source", "cached", "find"]

log = logging.getLogger(__name__)

CONFIG, WEIGHTS, CARD, PICTURE = "config.json", "model.safetensors", "README.md", "schema.png"
ORGANISATION = "facekp"

_COMMIT = re.compile(r"[0-9a-f]{40}")
_REPO = re.compile(r"(?=.{1,96}$)[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model's files come from.

    Attributes:
        kind: ``"folder"``, ``"package"``, ``"cache"`` or ``"hub"``.
        origin: the same for people.
        file: the path of a file by its name; one on the Hub is then downloaded.
        whence: for errors: where that is, and what to do offline.
        cure: for errors: what to do when a file is damaged.
        sums: the SHA-256 that facekp has on record, by file.
    """

    kind: str
    origin: str
    file: Callable[[str], Path]
    whence: str = ""
    cure: str = ""
    sums: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A repository on the Hub, and what to say when it cannot be had."""

    name: str
    repo: str
    revision: str | None
    cache_dir: str | Path | None
    inside: Mapping[str, Path]
    token: str | bool | None = field(default=None, repr=False)

    @property
    def place(self) -> str:
        return f"{self.repo}@{self.revision or 'main'}"

    @property
    def offline(self) -> str:
        names = ", ".join(self.inside) or "none"
        return f"Offline, give a folder with {CONFIG} and {WEIGHTS}, or a name in the package ({names})"

    def failed(self, why: str, cache: str = "") -> HubError:
        """One message: what was tried, from where, and what to do."""
        tried = [f"a folder {self.name!r} (there is none)", "the package (not in it)"]
        tried.append(f"the cache {cache_of(self.cache_dir)} ({cache or _in_cache(self)})")
        tried.append(f"the Hub {hub_address()} ({why})")
        return HubError(f"{self.place}: not loaded. Tried {'; '.join(tried)}. {self.offline}")


def find(
    name: str,
    revision: str | None,
    cache_dir: str | Path | None,
    *,
    inside: Mapping[str, Path],
    shipped: Mapping[str, Mapping[str, str]],
    pushed: Mapping[str, Mapping[str, Any]],
    token: str | bool | None = None,
) -> Source:
    """A name becomes a source: a folder, then the package, then the cache, then the Hub.

    Args:
        name: a folder, a name of ``inside`` or ``pushed``, or ``org/repo[@revision]``.
        revision: on the Hub; None takes the pinned one, or any that is in the cache, or the newest.
        cache_dir: the Hub's cache.
        inside: the folders in the package, by name.
        shipped: their files' SHA-256, by name and file.
        pushed: what facekp has pushed, by name: ``revision``, and ``files`` with their SHA-256.
        token: of the Hub; see :func:`checked_token`.

    Raises:
        ArgumentError: the token cannot be one.
        HubError: it is nowhere; the message says what was tried.
    """
    token = checked_token(token)
    folder = Path(name)
    try:
        there = bool(name) and (folder / CONFIG).is_file()
    except OSError as error:  # of thousands of letters, or in a folder that may not be entered
        raise HubError(f"{name[:200]}: cannot be looked for ({error.strerror or error})") from None
    if there:
        return Source("folder", str(folder), folder.joinpath, cure="; the file is damaged: get or train it again")
    if name in inside and revision is None:
        cure = "; the package is damaged: reinstall facekp"
        return Source("package", name, inside[name].joinpath, cure=cure, sums=shipped.get(name, {}))
    if name and folder.is_dir():
        raise HubError(f"{name}: this folder has no {CONFIG}; expected {CONFIG} and {WEIGHTS}, as training writes them")
    if name and folder.is_file():
        raise HubError(f"{name}: is a file; give the folder with {CONFIG} and {WEIGHTS}")
    repo, at, said = name.partition("@")
    if at and revision not in (None, said):
        raise HubError(f"{name!r:.200}: names a revision, and revision={revision!r} names another; give one of them")
    repo, revision = repo if "/" in repo else f"{ORGANISATION}/{repo}", said if at else revision
    if not _REPO.fullmatch(repo) or (at and not said):
        choices = ", ".join(inside)
        raise HubError(f"{name!r}: no such folder; give a folder, org/repo[@revision], or one of: {choices}")
    as_revision(revision, "the model's name: its revision")
    _check_repo(repo, name, inside)
    pin = pushed.get(repo.removeprefix(f"{ORGANISATION}/"), {}) if repo.startswith(f"{ORGANISATION}/") else {}
    if revision is None or revision == pin.get("revision"):
        revision = pin.get("revision", revision)
    else:
        pin = {}
    return _on_hub(_Wanted(name, repo, revision, cache_dir, inside, token), pin.get("files", {}))


def _check_repo(repo: str, name: str, inside: Iterable[str]) -> None:
    """Refuse what the Hub's own rules refuse: two dots, the ending .git, more than 96 letters."""
    invalid, validate = rules()
    try:
        validate(repo)
    except invalid as error:
        why = str(error).splitlines()[0].rstrip(".")
        choices = ", ".join(inside)
        raise HubError(f"{name[:200]!r}: {why}; give a folder, org/repo[@revision], or one of: {choices}") from None


def cached(repo: str, revision: str | None, cache_dir: str | Path | None = None) -> Path | None:
    """The folder of the Hugging Face cache that holds both files of a model, or None."""
    found = [_cached_file(repo, name, revision, cache_dir) for name in (CONFIG, WEIGHTS)]
    folders = {path.parent for path in found if path is not None}
    return folders.pop() if len(folders) == 1 and None not in found else None


def _on_hub(wanted: _Wanted, sums: Mapping[str, str]) -> Source:
    # A branch that is named is asked for anew; a commit cannot change, and without a revision any version will do.
    asks = wanted.revision is not None and not _COMMIT.fullmatch(wanted.revision)
    folder = cached(wanted.repo, wanted.revision, wanted.cache_dir)
    if folder is not None and not asks:
        return _source("cache", wanted, folder, folder.joinpath, sums)
    try:
        config = _contact(wanted)
    except HubError as error:
        if folder is None or not _is_silence(error):
            raise
        why = reason(error.__cause__ or error)
        log.warning("%s: taken from the cache, as it was on the last call; the Hub: %s", wanted.place, why)
        return _source("cache", wanted, folder, folder.joinpath, sums)

    def file(name: str) -> Path:
        return config if name == CONFIG else _download(wanted, name, config.parent.name)

    return _source("hub", wanted, config.parent, file, sums)


def _source(kind: str, wanted: _Wanted, folder: Path, file: Callable[[str], Path], sums: Mapping[str, str]) -> Source:
    whence = f"; it came from {hub_address()}. {wanted.offline}"
    # All of the repository: a revision holds only links to the files, of which the damaged one would stay.
    cure = f"; delete {folder.parents[1]}, and load again"
    return Source(kind, f"{wanted.repo}@{folder.name}", file, whence, cure, sums)


def _contact(wanted: _Wanted) -> Path:
    """Ask the Hub what there is, and get ``config.json``."""
    from huggingface_hub import HfApi, constants

    try:
        # A client of huggingface_hub waits for ever unless it is told otherwise.
        about = HfApi(token=wanted.token, library_name="facekp", library_version=__version__).model_info(
            wanted.repo, revision=wanted.revision, timeout=constants.HF_HUB_ETAG_TIMEOUT
        )
    except Exception as error:  # http clients, OS and half a dozen Hub errors: one answer to the user
        raise wanted.failed(reason(error)) from error
    names = {file.rfilename for file in about.siblings or ()}
    if missing := [name for name in (CONFIG, WEIGHTS) if names and name not in names]:
        others = ", ".join(sorted(names)[:5])
        raise wanted.failed(f"it has no {' and no '.join(missing)}, only {others}; facekp loads nothing else")
    return _download(wanted, CONFIG, wanted.revision)


def _download(wanted: _Wanted, name: str, revision: str | None) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        return Path(
            hf_hub_download(
                wanted.repo,
                name,
                revision=revision,
                cache_dir=wanted.cache_dir,
                token=wanted.token,
                library_name="facekp",
                library_version=__version__,
            )
        )
    except Exception as error:  # as above
        if why := local_reason(error):
            raise wanted.failed(f"it has {name}", why) from error
        raise wanted.failed(f"{name}: {reason(error)}") from error


def _cached_file(repo: str, name: str, revision: str | None, cache_dir: str | Path | None) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    try:
        found = try_to_load_from_cache(repo, name, revision=revision, cache_dir=cache_dir)
    except (OSError, UnicodeDecodeError) as error:  # it reads the name of a commit from a file
        folder = Path(cache_of(cache_dir)) / f"models--{repo.replace('/', '--')}"
        raise HubError(f"{repo}: the cache {folder} cannot be read ({error}); delete it, and load again") from None
    return Path(found) if isinstance(found, str) and Path(found).is_file() else None


def _in_cache(wanted: _Wanted) -> str:
    known = [n for n in (CONFIG, WEIGHTS) if _cached_file(wanted.repo, n, wanted.revision, wanted.cache_dir)]
    return f"only {known[0]} is there" if len(known) == 1 else "it is there" if known else "not in it"


def _is_silence(error: HubError) -> bool:
    """Whether nobody answered, or only to say that the Hub is out of order."""
    cause = error.__cause__
    status = status_of(cause)
    return isinstance(cause, Exception) and not isinstance(cause, FacekpError) and (status is None or status >= 500)
