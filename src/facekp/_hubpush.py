"""For hub: a model's folder goes to the Hub."""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import _hubcard
from ._hubargs import as_revision
from ._hubfind import CARD, CONFIG, PICTURE, WEIGHTS
from ._hubtalk import checked_token, hub_address, reason
from ._version import __version__
from .errors import ArgumentError, HubError

__all__ = ["Pushed", "send", "staged"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What went to the Hub, or would go there.

    Attributes:
        repo: ``org/name``.
        commit: the commit that holds the files, or None after a dry run.
        url: of the commit, or of the repository after a dry run.
        files: their SHA-256, by name.
        sizes: their bytes, by name.
        card: the model card.
    """

    repo: str
    commit: str | None
    url: str
    files: dict[str, str]
    sizes: dict[str, int]
    card: str


@contextmanager
def staged(folder: Path, config: Mapping[str, Any], repo: str) -> Iterator[Path]:
    """A folder with what is pushed and nothing else: config, weights, a card that names the repository, its picture.

    Raises:
        HubError: it cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="facekp-push-") as name:
        place = Path(name)
        try:
            for file in (CONFIG, WEIGHTS):
                shutil.copyfile(folder / file, place / file)
            _hubcard.write(place, config, repo)
        except OSError as error:
            raise HubError(f"{error.filename or folder}: {error.strerror or error}; nothing was pushed") from None
        yield place


def send(
    folder: Path,
    repo: str,
    *,
    private: bool | None,
    revision: str | None,
    message: str | None,
    token: str | None,
    dry_run: bool,
) -> Pushed:
    """Make the repository where there is none, and commit the files of a folder to it.

    Raises:
        ArgumentError: an option cannot be what it is to be.
        HubError: the Hub refused, or cannot be reached; it says what had been done by then.
    """
    check_options(private, revision, message)
    checked = checked_token(token)
    present = [name for name in (CARD, CONFIG, WEIGHTS, PICTURE) if (folder / name).is_file()]
    data = {name: (folder / name).read_bytes() for name in present}
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in data.items()}
    sizes = {name: len(content) for name, content in data.items()}
    commit, url = (
        (None, f"{hub_address()}/{repo}")
        if dry_run
        else _commit(folder, present, repo, private=private, revision=revision, message=message, token=checked)
    )
    return Pushed(repo=repo, commit=commit, url=url, files=sums, sizes=sizes, card=data[CARD].decode("utf-8"))


def check_options(private: bool | None, revision: str | None, message: str | None) -> None:
    """Raises ArgumentError where one of them cannot be what it is to be."""
    if private is not None and not isinstance(private, bool):
        raise ArgumentError(f"private: expected True, False or None, got {private!r:.80}")
    as_revision(revision)
    if message is not None and not isinstance(message, str):
        raise ArgumentError(f"message: expected text, got {type(message).__name__}")


def _commit(
    folder: Path,
    files: list[str],
    repo: str,
    *,
    private: bool | None,
    revision: str | None,
    message: str | None,
    token: str | bool | None,
) -> tuple[str, str]:
    from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi(token=token, library_name="facekp", library_version=__version__)
    with _explained(repo, "the repository could not be made, and nothing was pushed"):
        api.create_repo(repo, private=private, exist_ok=True)
    if private:
        with _explained(repo, "whether it is private could not be asked, and nothing was pushed"):
            about = api.model_info(repo, timeout=60)
        if not about.private:  # the Hub leaves a repository that is there as it is
            raise HubError(f"{repo}: is there already, and public; nothing was pushed. Make it private on its page")
    if revision is not None and revision != "main":
        with _explained(repo, f"the branch {revision!r} could not be made, and nothing was pushed"):
            api.create_branch(repo, branch=revision, exist_ok=True)
    with _explained(repo, "the files were not committed; the repository may now be there, and empty"):
        done = api.create_commit(
            repo,
            [CommitOperationAdd(name, str(folder / name)) for name in files],
            commit_message=message or f"Model of facekp {__version__}",
            revision=revision,
        )
    log.info("%s: pushed as %s", repo, done.oid)
    return str(done.oid), str(done.commit_url)


@contextmanager
def _explained(repo: str, failed: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # http clients, OS and half a dozen Hub errors: one answer to the user
        raise HubError(
            f"{repo}: {failed}. The Hub {hub_address()}: {reason(error)}. Try the same command again when that is "
            "mended; offline, the model's folder is all that anybody needs: copy it, and give its path as the name"
        ) from error
