"""For hub: tokens, one file by its checksum, and what the errors of the Hub mean."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from ._hubargs import as_cache, as_repo, as_sha256, as_text
from ._version import __version__
from .errors import ArgumentError, HubError

__all__ = ["asked", "cache_of", "checked_token", "download", "hub_address", "local_reason", "reason", "status_of"]


def checked_token(token: str | bool | None) -> str | bool | None:
    """A token as huggingface_hub takes it: None: its own lookup (``HF_TOKEN``, or a login); False: none.

    A line's end goes, as files have one; the HTTP client would refuse it in a message that quotes the token.

    Raises:
        ArgumentError: it is neither text of visible ASCII letters, nor a bool, nor None; the message does not quote it.
    """
    if token is None or isinstance(token, bool):
        return token
    if not isinstance(token, str):
        raise ArgumentError(f"token: expected text, False or None, got {type(token).__name__}")
    token = token.strip()
    if not re.fullmatch(r"[!-~]+", token):
        wrong = "an empty text" if not token else "a text with blanks, or with letters other than ASCII"
        raise ArgumentError(f"token: expected the Hub's, which begins with hf_, got {wrong}")
    return token


def download(
    repo: str, file: str, sha256: str, *, cache_dir: str | Path | None, token: str | bool | None, instead: str
) -> Path:
    """One file of a repository, from the cache or the Hub, of which the checksum is known.

    Args:
        repo: ``org/name``.
        file: its name there.
        sha256: of the file, hexadecimal: it pins the file, whatever the repository's branch becomes.
        cache_dir: the Hub's cache.
        token: see :func:`checked_token`.
        instead: for errors: what to do without it.

    Raises:
        ArgumentError: an argument cannot be what it is to be.
        HubError: it cannot be had, or is another file.
    """
    # Late: it is not needed for what the package carries.
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    token, cache_dir = checked_token(token), as_cache(cache_dir)
    repo, file, sha256 = as_repo(repo), as_text(file, "file"), as_sha256(sha256)
    try:
        known = try_to_load_from_cache(repo, file, cache_dir=cache_dir)
        if isinstance(known, str) and _digest(Path(known)) == sha256:
            return Path(known)
        path = Path(
            hf_hub_download(
                repo, file, cache_dir=cache_dir, token=token, library_name="facekp", library_version=__version__
            )
        )
        digest = _digest(path)
    except Exception as error:  # http clients, OS and half a dozen Hub errors: one answer to the user
        raise HubError(f"{repo}: {file}: not loaded. {asked(error, cache_dir)}. {instead}") from error
    if digest != sha256:
        raise HubError(
            f"{repo}: {file} is not the one that facekp has on record: its SHA-256 is {digest}, {sha256} is expected; "
            f"if it is damaged, delete {path.parents[2]}, and load again. {instead}"
        )
    return path


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def status_of(error: BaseException | None) -> int | None:
    """The HTTP status that an error, or one of its causes, carries."""
    while error is not None:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if isinstance(status, int):
            return status
        error = error.__cause__
    return None


def hub_address() -> str:
    """The Hub that huggingface_hub asks: ``HF_ENDPOINT``, or its own."""
    from huggingface_hub import constants

    return str(constants.ENDPOINT)


def asked(error: Exception, cache_dir: str | Path | None) -> str:
    """Who failed, and how: the cache, where a file of this machine could not be written, or else the Hub."""
    if why := local_reason(error):
        return f"The cache {cache_of(cache_dir)}: {why}"
    return f"The Hub {hub_address()}: {reason(error)}"


def cache_of(cache_dir: str | Path | None) -> str:
    """The Hub's cache: what was given, or Hugging Face's own."""
    from huggingface_hub import constants

    return str(cache_dir or constants.HF_HUB_CACHE)


def local_reason(error: BaseException) -> str:
    """What an error of a file or folder of this machine says; nothing where it is another.

    The HTTP clients' own errors, and the cache's that a file is not in it, are OSErrors as well, of other modules.
    """
    net = isinstance(error, (ConnectionError, TimeoutError))
    if not isinstance(error, OSError) or net or type(error).__module__ != "builtins" or error.errno is None:
        return ""
    return f"{error.filename or 'a file'} cannot be written ({error.strerror})"


_SAID = {
    400: "it refused the request",
    401: "401: the token is missing or not accepted; set HF_TOKEN, or run  hf auth login",
    403: "403: the token does not allow this; set HF_TOKEN to one that does",
    404: "404: there is no such thing",
    429: "429: too many requests; wait a little",
}


def reason(error: BaseException) -> str:
    """What went wrong with the Hub, in one line, whatever the http client's errors are called."""
    from huggingface_hub import errors

    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    kinds = {t.__name__ for e in chain for t in type(e).__mro__}
    status = next((s for e in chain if (s := status_of(e)) is not None), None)
    if any(isinstance(e, errors.OfflineModeIsEnabled) for e in chain):
        return "HF_HUB_OFFLINE is set, so it was not asked"
    if any(isinstance(e, errors.GatedRepoError) for e in chain):
        return f"{status}: it is gated: accept its conditions on its page, and set HF_TOKEN"
    if any(isinstance(e, errors.RepositoryNotFoundError) for e in chain):
        return f"{status}: there is no such repository, or it is private and wants another HF_TOKEN"
    if any(isinstance(e, errors.RevisionNotFoundError) for e in chain):
        return "404: it has no such revision"
    local = errors.LocalEntryNotFoundError  # the cache's, of the same family
    if any(isinstance(e, errors.EntryNotFoundError) and not isinstance(e, local) for e in chain):
        return "404: it has no such file"
    if status is not None:
        return _SAID.get(status) or f"{status}: it is out of order; try again later"
    # urllib3 derives the last one from its timeouts.
    refused = kinds & {"ConnectionRefusedError", "gaierror", "NewConnectionError"}
    if any("Timeout" in kind for kind in kinds) and not refused:
        return "it did not answer in time"
    if kinds & {"ChunkedEncodingError", "ProtocolError", "ReadError", "RemoteProtocolError"}:
        return "the connection broke; try again"
    if refused or kinds & {"ConnectError", "ConnectionError", "NetworkError"}:
        return "it cannot be reached"
    first = (str(chain[0]).strip().splitlines() or [""])[0]
    return first or type(chain[0]).__name__
