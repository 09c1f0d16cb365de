"""What is in a data set, and what looks wrong with it, before a model is trained on it.

samples = facekp.datasets.IBUG300W("300w")
print(inspection.inspect(samples))
sheet = inspection.contact_sheet(samples, count=16, seed=0)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import geometry
from .. import image as images
from ..errors import ArgumentError, ImageError
from ..sample import Sample
from . import copies, suspects
from .base import SampleSet
from .contact_sheet import contact_sheet
from .suspects import KINDS, Suspect
from .writing import name_of

__all__ = ["Inspection", "contact_sheet", "inspect"]

Array = npt.NDArray[Any]
Spread = Mapping[str, float]

TINY = 24.0
SHOWN = 5  # of each kind of warning, and of the folders and points, in the text
_QUANTILES = {"min": 0.0, "5%": 0.05, "median": 0.5, "95%": 0.95, "max": 1.0}


@dataclass(frozen=True, slots=True)
class Inspection:
    """What :func:`inspect` found.

    Attributes:
        data: the set's name.
        schema: its points' layout.
        faces: how many.
        complete: of these, with all points labelled.
        pictures: how many different ones.
        subjects: how many different people (or photographs, where the set knows no people); None where it says neither.
        folders: faces by the folder of their pictures, below the set's own; empty where there is but one.
        widths, heights: of the pictures, in pixels, as ``{"min", "5%", "median", "95%", "max"}``; empty where no size
            is known.
        face_sizes: the longer side of the extent of each face's labelled points, in pixels, in the same way.
        box_sizes: the same of the faces' boxes; empty where these are the extents.
        missing: points that some faces lack → how many.
        warnings: faces to be looked at; ``index`` counts from 0.
        names: of the faces that the warnings are about, by their index.
        unreadable: pictures of which not even the size can be read, or that were decoded in vain; with the reason.
        skipped: labels that the reader left out, with the reason.
        unchecked: checks that this set does not allow, with the reason.
    """

    data: str
    schema: str
    faces: int
    complete: int
    pictures: int
    subjects: int | None
    folders: Mapping[str, int]
    widths: Spread
    heights: Spread
    face_sizes: Spread
    box_sizes: Spread
    missing: Mapping[str, int]
    warnings: Sequence[Suspect]
    names: Mapping[int, str]
    unreadable: Sequence[str]
    skipped: Sequence[str]
    unchecked: Sequence[str]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; a warning becomes ``{"kind", "index", "name", "text", "other", "other_name"}``."""
        values = asdict(self)
        del values["names"]
        values["warnings"] = [
            {**asdict(w), "name": self.names[w.index], "other_name": None if w.other is None else self.names[w.other]}
            for w in self.warnings
        ]
        return values

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def inspect(samples: SampleSet, *, tiny: float = TINY, thorough: bool = False) -> Inspection:
    """Count, measure and check the faces of a set.

    Pictures are not decoded: their sizes come from their headers.  Only faces whose points are alike are looked at, to
    tell whether one is a copy of the other; ``thorough`` looks at all.

    Args:
        samples: the set.  Read it with ``on_error="skip"`` to have wrong labels counted instead of raised.
        tiny: faces whose box's longer side is under so many pixels are warned of.
        thorough: decode every picture: this also finds copies that were labelled anew, and pictures that are damaged
            behind their header.

    Returns:
        The report; ``print`` shows it as a table.

    Raises:
        ArgumentError: the set is empty.
    """
    if not len(samples):
        raise ArgumentError(f"inspect: {samples.name} has no face")
    sizes, unreadable = _sizes(samples)
    whole = {s.path or i: size for i, (s, size) in enumerate(zip(samples, sizes, strict=True))}
    found, unchecked, problems = _check(samples, sizes, tiny, thorough)
    masks = np.stack([s.mask for s in samples])
    lacking = (~masks).sum(0)
    extents = geometry.extent(np.stack([s.keypoints for s in samples]))
    own = np.stack([s.box for s in samples])
    told_of = {i for w in found for i in (w.index, w.other) if i is not None}
    subjects = {s.subject for s in samples} - {None}
    known = [size for size in whole.values() if size is not None]
    return Inspection(
        data=samples.name,
        schema=samples.schema.name,
        faces=len(samples),
        complete=int(masks.all(1).sum()),
        pictures=len(whole),
        subjects=len(subjects) or None,
        folders=_folders(samples),
        widths=_spread([float(w) for _, w in known]),
        heights=_spread([float(h) for h, _ in known]),
        face_sizes=_spread(_sides(extents)),
        box_sizes={} if np.array_equal(own, extents, equal_nan=True) else _spread(_sides(own)),
        missing={n: int(c) for n, c in zip(samples.schema.names, lacking, strict=True) if c},
        warnings=found,
        names={i: face_name(samples[i], i) for i in sorted(told_of)},
        unreadable=list((problems | unreadable).values()),
        skipped=[str(error) for error in samples.skipped],
        unchecked=unchecked,
    )


def face_name(sample: Sample, index: int) -> str:
    """What a face is called: its picture below the set's folder, its line, or its number."""
    return name_of(sample) or str(sample.meta.get("name", f"face {index}"))


def _check(
    samples: SampleSet, sizes: suspects.Sizes, tiny: float, thorough: bool
) -> tuple[list[Suspect], list[str], dict[Any, str]]:
    """Warnings, checks that were not done, and pictures that cannot be read."""
    schema = samples.schema
    found = [*suspects.boxes(samples, tiny), *suspects.outside(samples, sizes)]
    unchecked = []
    if reason := suspects.why_not_swapped(schema):
        unchecked.append(f"left and right exchanged: {reason}")
    else:
        found += suspects.swapped(samples, schema)
    if (reason := copies.why_not(schema)) and not thorough:
        unchecked.append(f"the same face in several pictures: {reason}")
    elif schema.mirror is None:
        unchecked.append(f"mirror images: {schema.name} has no mirror pairs")
    pictures = copies.Pictures(samples)
    found += copies.copies(samples, schema, pictures, thorough)
    order = list(KINDS)
    return sorted(found, key=lambda w: (order.index(w.kind), w.index)), unchecked, pictures.problems


def _sizes(samples: Sequence[Sample]) -> tuple[list[tuple[int, int] | None], dict[Any, str]]:
    """``(H, W)`` of each face's picture, None where it cannot be read; and why, by its path."""
    known: dict[Any, tuple[int, int] | None] = {}
    problems: dict[Any, str] = {}
    sizes: list[tuple[int, int] | None] = []
    for sample in samples:
        if sample.path is None or sample.pixels is not None:
            height, width = sample.image.shape[:2]  # in memory
            sizes.append((height, width))
            continue
        if sample.path not in known:
            try:
                known[sample.path] = images.size(sample.path)
            except ImageError as error:
                known[sample.path] = None
                problems[sample.path] = str(error)
        sizes.append(known[sample.path])
    return sizes, problems


def _folders(samples: Sequence[Sample]) -> dict[str, int]:
    names = (name_of(s) for s in samples)
    counts = Counter(PurePosixPath(n).parent.as_posix() for n in names if n is not None)
    return dict(sorted(counts.items())) if len(counts) > 1 else {}


def _sides(boxes: Array) -> Array:
    sides: Array = (boxes[:, 2:] - boxes[:, :2]).max(1)
    return sides


def _spread(values: Any) -> dict[str, float]:
    array = np.asarray(values, np.float64)
    array = array[np.isfinite(array)]
    if not array.size:
        return {}
    return {key: round(float(np.quantile(array, q)), 1) for key, q in _QUANTILES.items()}


# ---------------------------------------------------------------- text


def _lines(report: Inspection) -> Iterator[str]:
    yield f"{report.data}: {_count(report.faces, 'face')} of {report.schema}"
    who = "not said" if report.subjects is None else f"{report.subjects:,}"
    yield f"  pictures {report.pictures:,}   subjects {who}   completely labelled {report.complete:,}"
    if report.folders:
        yield f"  folders  {_first([f'{name} {count:,}' for name, count in report.folders.items()], 8)}"
    yield f"\n  {'pixels':<16}{''.join(f'{key:>9}' for key in _QUANTILES)}"
    rows = {"picture width": report.widths, "picture height": report.heights, "face, long side": report.face_sizes}
    rows |= {"box, long side": report.box_sizes} if report.box_sizes else {}
    for name, spread in rows.items():
        yield f"  {name:<16}{''.join(f'{spread[key]:>9,.0f}' for key in _QUANTILES) if spread else '  unknown'}"
    yield ""
    yield from _missing(report)
    for title, texts in (("pictures that cannot be read", report.unreadable), ("labels left out", report.skipped)):
        if texts:
            yield f"  {title}: {len(texts):,}"
            yield from _listed(texts)
    if not report.warnings:
        yield "  warnings: none"
    for kind, says in KINDS.items():
        found = [w for w in report.warnings if w.kind == kind]
        if found:
            yield f"  warning: {says}: {_count(len(found), 'face')}"
            yield from _listed([_told(w, report.names) for w in found])
    for text in report.unchecked:
        yield f"  not checked: {text}"


def _missing(report: Inspection) -> Iterator[str]:
    if not report.missing:
        yield "  missing labels: none"
        return
    yield f"  missing labels: {_count(sum(report.missing.values()), 'point')} of {len(report.missing)} names"
    ranked = sorted(report.missing.items(), key=lambda item: -item[1])
    yield from (f"    {name:<26}{count:>7,}  {count / report.faces:6.1%}" for name, count in ranked[:SHOWN])
    if len(ranked) > SHOWN:
        yield f"    and {len(ranked) - SHOWN} more names with at most {ranked[SHOWN][1]:,} each"


def _told(warning: Suspect, names: Mapping[int, str]) -> str:
    of = "" if warning.other is None else f" of {names[warning.other]} (#{warning.other})"
    return f"{names[warning.index]} (#{warning.index}){of}: {warning.text}"


def _listed(texts: Sequence[str]) -> Iterator[str]:
    yield from (f"    {text}" for text in texts[:SHOWN])
    if len(texts) > SHOWN:
        yield f"    and {len(texts) - SHOWN:,} more"


def _first(texts: Sequence[str], count: int) -> str:
    more = f" and {len(texts) - count:,} more" if len(texts) > count else ""
    return ", ".join(texts[:count]) + more


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
