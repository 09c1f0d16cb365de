"""What a packed cache keeps of a face in words: subject, path and meta, as JSON that gives back what went in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..sample import Sample

__all__ = ["from_text", "to_text"]


def to_text(sample: Sample) -> bytes:
    """Subject, path and meta as JSON.

    Raises:
        ArgumentError: meta holds something else than None, bool, numbers, text, paths, arrays of numbers, and
            lists, tuples and dicts of those.
    """
    path = None if sample.path is None else str(sample.path)
    meta = {str(key): _plain(value, f"meta[{key!r}]") for key, value in sample.meta.items()}
    # ASCII: a byte of a file's name that is no UTF-8 arrives as "\udcXX", which JSON keeps.
    return json.dumps([sample.subject, path, meta], separators=(",", ":")).encode("ascii")


def from_text(text: bytes) -> tuple[str | None, Path | None, dict[str, Any]]:
    """Subject, path and meta of :func:`to_text`."""
    subject, path, meta = json.loads(text)
    return subject, None if path is None else Path(path), {key: _back(value) for key, value in meta.items()}


def _plain(value: Any, where: str) -> Any:
    """JSON of a value; what JSON has no type for becomes an object of one key, its kind."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic) and value.dtype.kind in "biufU":
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return {"array": [value.dtype.str, list(value.shape), value.reshape(-1).tolist()]}
    if isinstance(value, (list, tuple)):
        items = [_plain(item, where) for item in value]
        return {"tuple": items} if isinstance(value, tuple) else items
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {"dict": {key: _plain(item, where) for key, item in value.items()}}
    if isinstance(value, PurePath):
        return {"path": str(value)}
    raise ArgumentError(f"{where} is a {type(value).__name__}, which a packed cache cannot hold: leave it out")


def _back(value: Any) -> Any:
    if isinstance(value, list):
        return [_back(item) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, held),) = value.items()
    if kind == "array":
        return np.array(held[2], held[0]).reshape(held[1])
    if kind == "tuple":
        return tuple(_back(item) for item in held)
    return Path(held) if kind == "path" else {key: _back(item) for key, item in held.items()}
