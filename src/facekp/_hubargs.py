"""For hub: arguments that cannot be meant are refused before anything is asked or written."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .errors import ArgumentError, HubError

__all__ = ["as_cache", "as_folder", "as_json", "as_repo", "as_revision", "as_sha256", "as_text", "rules"]


def as_folder(value: Any, argument: str = "folder") -> Path:
    """A path on this machine; raises ArgumentError unless it can be one."""
    if not isinstance(value, (str, os.PathLike)):
        raise ArgumentError(f"{argument}: expected a path, got {type(value).__name__}")
    text = os.fspath(value)
    if not isinstance(text, str) or not text or "\0" in text:
        what = "an empty text; '.' is this folder" if not text else f"{text!r:.80}"
        raise ArgumentError(f"{argument}: expected a path, got {what}")
    return Path(text)


def as_cache(value: Any) -> Path | None:
    """The Hub's cache; raises ArgumentError where it is no path, or one of a file."""
    if value is None:
        return None
    path = as_folder(value, "cache_dir")
    try:
        wrong = path.exists() and not path.is_dir()
    except OSError as error:  # of thousands of letters, or in a folder that may not be entered
        raise ArgumentError(f"cache_dir: {path!s:.200}: {error.strerror or error}") from None
    if wrong:
        raise ArgumentError(f"cache_dir: expected a folder, {path} is a file")
    return path


def as_revision(value: Any, argument: str = "revision") -> str | None:
    """A branch, tag or commit; raises ArgumentError unless it can be the name of one."""
    if value is not None and (not isinstance(value, str) or not re.fullmatch(r"[^\W]([^\s\0-\x1f\x7f]{0,254})", value)):
        got = f"{value!r:.80}" if isinstance(value, str) else type(value).__name__
        raise ArgumentError(f"{argument}: expected the name of a branch, tag or commit, got {got}")
    return value


def as_text(value: Any, argument: str) -> str:
    """Some text; raises ArgumentError for anything else."""
    if not isinstance(value, str) or not value:
        got = "an empty text" if isinstance(value, str) else type(value).__name__
        raise ArgumentError(f"{argument}: expected text, got {got}")
    return value


def as_sha256(value: Any) -> str:
    """A SHA-256 in small letters; raises ArgumentError unless it is one."""
    if not isinstance(value, str) or not re.fullmatch(r"[0-9a-fA-F]{64}", value):
        raise ArgumentError(f"sha256: expected 64 hexadecimal digits, got {value!r:.80}")
    return value.lower()


def rules() -> tuple[type[Exception], Callable[[str], None]]:
    """Huggingface_hub's error for the name of a repository, and what raises it.

    Raises:
        HubError: ``HF_ENDPOINT`` is no address: huggingface_hub takes it apart when it is imported.
    """
    try:
        from huggingface_hub import hf_hub_download  # noqa: F401  (its module takes the address apart)
        from huggingface_hub.errors import HFValidationError
        from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]
    except ValueError as error:
        address = os.environ.get("HF_ENDPOINT", "")
        raise HubError(f"HF_ENDPOINT: {address!r:.80} is no address ({error}); correct it, or unset it") from None
    return HFValidationError, validate_repo_id


def as_repo(repo: Any) -> str:
    """``org/name`` as the Hub takes it; raises ArgumentError for anything else."""
    invalid, validate = rules()
    if not isinstance(repo, str):
        raise ArgumentError(f"repository: expected ORG/NAME, such as me/my-model, got {type(repo).__name__}")
    try:
        validate(repo)
    except invalid as error:
        raise ArgumentError(f"repository {repo!r}: {str(error).splitlines()[0]}") from None
    if repo.count("/") != 1:
        raise ArgumentError(f"repository {repo!r}: expected ORG/NAME, such as me/my-model")
    return repo


def as_json(config: Any) -> str:
    """A config as the text of ``config.json``; raises ArgumentError unless it is plain data by name."""
    if not isinstance(config, Mapping):
        raise ArgumentError(f"config: expected a mapping, got {type(config).__name__}")
    for key, value in config.items():
        try:
            json.dumps({key: value}, ensure_ascii=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise ArgumentError(f"config: {key!r:.80} is no plain data, as JSON has it ({error})") from None
    return json.dumps(dict(config), indent=1, ensure_ascii=False) + "\n"
