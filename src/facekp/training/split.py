"""A recipe's data sets as one, and which of its faces are held out."""

from __future__ import annotations

import logging
import re
from importlib import resources
from pathlib import Path
from typing import Any

from .. import datasets
from .. import schema as schemas
from ..datasets import SampleSet
from ..errors import ArgumentError, DatasetError, RecipeError
from ..sample import Sample
from ..schema import KeypointSchema
from .groups import Data, SplitBy, Subjects

__all__ = ["layout", "read", "split", "validation_names"]

log = logging.getLogger(__name__)


def validation_names(value: str, key: str = "validation") -> list[str]:
    """The names on a validation list: a file of one's own, or a list inside the package.

    Raises:
        RecipeError: it is neither; the message names the recipe's key.
    """
    own = Path(value)
    folder = resources.files("facekp") / "recipes" / "validation"
    shipped = folder / f"{value}.txt"
    if own.is_file():
        text = own.read_text("utf-8")
    elif shipped.is_file():
        text = shipped.read_text("utf-8")
    else:
        names = ", ".join(sorted(f.name.removesuffix(".txt") for f in folder.iterdir() if f.name.endswith(".txt")))
        raise RecipeError(f"data.{key}: {value!r} is neither a file nor a list inside facekp ({names})")
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def layout(data: Data, own: KeypointSchema | None = None) -> KeypointSchema | None:
    """The points to train on.

    Args:
        data: with ``schema`` and ``points``.
        own: the sets' own layout, where it is known already.

    Returns:
        None where only the sets can tell.

    Raises:
        RecipeError: an unknown schema, or points that it does not have.
    """
    key = "schema"
    try:
        whole = own if data.layout is None else schemas.get(data.layout)
        key = "points"
        return whole if whole is None or data.points is None else whole.subset(data.points)
    except ArgumentError as error:
        raise RecipeError(f"data.{key}: {error}") from None


def read(data: Data) -> SampleSet:
    """All sets as one, with the recipe's points.

    Raises:
        RecipeError: a set that a reader does not know, or that has none of the points.
        DatasetError: the files are missing or wrong.
    """
    sets = []
    for i, spec in enumerate(data.sets):
        options = dict(spec)
        name = str(options.pop("name", ""))
        for key in ("root", "path"):
            if key in options:
                options[key] = str(Path(data.root) / str(options[key]))
        try:
            sets.append(datasets.create(name, **options))
        except ArgumentError as error:
            raise RecipeError(f"data.sets.{i}: {error}") from None
    joined = sets[0] if len(sets) == 1 else datasets.concat(*sets)
    wanted = layout(data, joined.schema)
    try:
        if wanted != joined.schema:
            joined = datasets.concat(*sets, schema=wanted)
        # A packed cache makes its faces anew each time: from here on each is one object.
        samples, left_out = list(joined), {_plain(name) for name in data.leave_out}
        kept = [s for s in samples if _plain(s.meta.get("name")) not in left_out]
        if len(samples) - len(kept) < len(left_out):
            log.warning("data.leave_out: the sets have %d of %d pictures", len(samples) - len(kept), len(left_out))
        return SampleSet(kept, joined.schema, joined.name)
    except ArgumentError as error:
        raise RecipeError(f"data.{'schema' if data.points is None else 'points'}: {error}") from None


def split(data: Data) -> tuple[list[Sample], list[Sample]]:
    """Training and validation samples; a photograph with one face in validation is there with all.

    Raises:
        RecipeError: see :func:`read`; or the validation cannot be had of these sets.
        DatasetError: the files are missing or wrong, or one of the two parts is empty.
    """
    if isinstance(data.validation, str):
        names = {_plain(name) for name in validation_names(data.validation)}  # a wrong name should not cost the reading
    samples = read(data)
    if isinstance(data.validation, SplitBy):
        spec = data.validation
        try:
            parts = datasets.split_by(samples, spec.by, spec.fraction, spec.seed)
        except ArgumentError as error:
            raise RecipeError(f"data.validation: {error}") from None
        return list(parts[0]), list(parts[1])
    if isinstance(data.validation, Subjects):
        return _people(samples, data.validation.subjects)
    held = {s.subject for s in samples if _plain(s.meta.get("name")) in names}
    validation = [s for s in samples if _plain(s.meta.get("name")) in names or (s.subject and s.subject in held)]
    train = _others(samples, validation)
    if not train or not validation:
        raise DatasetError(
            f"data.validation {data.validation!r} leaves {len(train)} faces to train on and {len(validation)} to "
            "validate; its names must be those of the sets' pictures"
        )
    return train, validation


def _plain(name: Any) -> str:
    """A picture's name without its format: the same set comes as PNG and as JPEG."""
    return re.sub(r"\.(jpe?g|png)$", "", str(name), flags=re.IGNORECASE)


def _people(samples: SampleSet, subjects: list[str]) -> tuple[list[Sample], list[Sample]]:
    known = sorted({s.subject for s in samples if s.subject is not None})
    wrong = [name for name in subjects if name not in known]
    if wrong:
        some = ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")
        raise RecipeError(f"data.validation.subjects: nobody is called {wrong[0]!r}; the sets have {some or 'none'}")
    validation = [s for s in samples if s.subject in subjects]
    train = _others(samples, validation)
    if not train:
        raise RecipeError("data.validation.subjects: nobody is left to train on")
    return train, validation


def _others(samples: SampleSet, validation: list[Sample]) -> list[Sample]:
    chosen = {id(s) for s in validation}
    return [s for s in samples if id(s) not in chosen]
