"""For hub: what facekp has on record of the models that it ships and has pushed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from . import _hubcard
from ._hubcheck import schema_of
from ._hubfind import ORGANISATION, WEIGHTS, cached

__all__ = ["Entry", "entry_of", "entry_of_pin", "inside", "read_pushed", "read_shipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A model that facekp knows by name.

    Attributes:
        name: for :meth:`facekp.Detector.from_pretrained`.
        type: ``"keypoints"`` or ``"finder"``.
        schema: the layout of its points, or None.
        points: how many, or None.
        bytes: of its weights, or None.
        nme: the normalised mean error, a fraction, or None.
        nme_on: of which faces, or None.
        licence: of the weights.
        source: where it would come from: ``"package"``, ``"cache"`` or ``"hub"``.
        repo: the same on the Hub, or None.
        revision: the pinned commit on the Hub, or None.
    """

    name: str
    type: str
    schema: str | None = None
    points: int | None = None
    bytes: int | None = None
    nme: float | None = None
    nme_on: str | None = None
    licence: str = "unknown"
    source: str = "package"
    repo: str | None = None
    revision: str | None = None


def inside(name: str) -> Path:
    """A file or folder of the package."""
    return Path(str(resources.files("facekp") / name))


def read_shipped() -> dict[str, dict[str, str]]:
    """``weights.sha256``, as sha256sum writes it: name → file → hexadecimal."""
    sums: dict[str, dict[str, str]] = {}
    for line in inside("weights.sha256").read_text("utf-8").splitlines():
        digest, _, path = line.partition("  ")
        name, _, file = path.partition("/")
        sums.setdefault(name, {})[file] = digest
    return sums


def read_pushed() -> dict[str, dict[str, Any]]:
    """``pushed.json``: name → ``revision``, ``files`` with their SHA-256, and what an :class:`Entry` says."""
    table: dict[str, dict[str, Any]] = json.loads(inside("pushed.json").read_text("utf-8"))
    return table


def entry_of(name: str, config: Mapping[str, Any], folder: Path) -> Entry:
    """Of a model's folder."""
    layout, best = schema_of(config), _hubcard.headline(config)
    weights = folder / WEIGHTS
    return Entry(
        name=name,
        type=str(config.get("type")),
        schema=None if layout is None else layout.name,
        points=None if layout is None else len(layout),
        bytes=weights.stat().st_size if weights.is_file() else None,
        nme=best.get("nme"),
        nme_on=best.get("data"),
        licence=str(config.get("licence", "unknown")),
    )


def entry_of_pin(name: str, pin: Mapping[str, Any]) -> Entry:
    """Of a record of :func:`read_pushed`."""
    said = {key: pin[key] for key in ("type", "schema", "points", "bytes", "nme", "nme_on", "licence") if key in pin}
    repo, revision = f"{ORGANISATION}/{name}", str(pin["revision"])
    source = "hub" if cached(repo, revision) is None else "cache"
    return Entry(name=name, source=source, repo=repo, revision=revision, **said)
