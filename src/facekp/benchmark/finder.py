"""A finder under every hardship, end to end, beside its peers."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import geometry, metrics
from ..detector import Detector
from ..errors import ArgumentError
from ..evaluate.run import environment
from ..face import Face
from ..predict import best_face, keypoints
from ..sample import Frame, Sample
from ..transforms.frames import without_faces
from . import cost
from .conditions import CONDITIONS, Condition, cut_away
from .peers import Peer
from .textures import textures

__all__ = ["finder", "finder_table"]

log = logging.getLogger(__name__)
Array = npt.NDArray[Any]

ALIGNED = 0.08  # faces whose NME is under this with labelled boxes are asked for
BATCH = 16


def finder(
    detector: Detector,
    samples: Sequence[Sample],
    *,
    frames: Sequence[Frame] = (),
    conditions: Mapping[str, Condition] = CONDITIONS,
    pictures: bool = True,
    peers: Sequence[str] = (),
    peer_faces: int | None = None,
    name: str = "samples",
    **options: Any,
) -> dict[str, Any]:
    """Measure a detector's finder, end to end.

    Asked for are the faces whose NME is under 8 % in their labelled boxes.  Under each condition the whole picture
    is given to the detector; of its faces that of highest IoU with the labelled one counts, and it is *found* when its
    NME is under the condition's bound.  *Located*, for peers whose points are others: some face whose box's centre
    lies in the labelled box, and which is between a half and twice as wide.

    Args:
        detector: with its finder.
        samples: labelled faces of the detector's schema.
        frames: the same pictures, or others, with *all* of their faces: whatever is found when these are painted over
            or cut away is a false alarm.
        conditions: by name; the first is what the others are compared with.
        pictures: look for faces in scikit-image's sample pictures without one, too.
        peers: commands that find faces in a folder of pictures, see :class:`facekp.benchmark.Peer`.
        peer_faces: slow peers are given only so many of the pictures, evenly spread; None: all.
        name: of the data, for the report.
        options: of :meth:`facekp.Detector.stream`, for every call.

    Returns:
        Plain data, ready for JSON.

    Raises:
        ArgumentError: no samples, no finder, or no face is found in its labelled box.
        MissingExtraError: ``pictures`` without scikit-image.
    """
    if not len(samples) or detector.finder is None:
        raise ArgumentError("benchmark: at least one labelled face and a detector with a finder are needed")
    clutter = textures() if pictures else {}  # before an hour's work: its package may be missing
    points, _ = keypoints(detector, samples)
    truth = np.stack([s.keypoints for s in samples])
    errors = metrics.nme(points, truth, detector.schema)
    good = np.flatnonzero(errors < ALIGNED).tolist()
    if not good:
        raise ArgumentError("benchmark: no face has an NME under 8 % in its labelled box: is this the right data?")
    asked = [samples[i] for i in good]
    with ExitStack() as stack:
        running = [stack.enter_context(Peer(command)) for command in peers]
        shared = _spread(len(asked), peer_faces)
        rows, whole = _conditions(
            detector, asked, errors[good], conditions=conditions, peers=running, shared=shared, options=options
        )
        costs = cost.measure(detector, _single(detector, asked, options), running)
    return {
        "model": detector.name,
        "data": name,
        "faces": len(samples),
        "asked": len(good),
        "end_to_end": whole,
        "conditions": rows,
        "false_alarms": _false_alarms(detector, frames, clutter, options),
        "cost": costs,
        "options": {key: str(value) for key, value in options.items()},
        "environment": environment(detector),
        "peers": [peer.about for peer in running],
        "peer_faces": len(shared) if running else 0,
    }


def _spread(total: int, count: int | None) -> frozenset[int]:
    """The places of ``count`` of ``total`` things, evenly spread."""
    count = total if count is None else min(count, total)
    return frozenset(i * total // count for i in range(count))


def _conditions(
    detector: Detector,
    samples: Sequence[Sample],
    labelled: Array,
    *,
    conditions: Mapping[str, Condition],
    peers: Sequence[Peer],
    shared: frozenset[int],
    options: dict[str, Any],
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """What becomes of faces under each condition, and what the first of them costs beside labelled boxes."""
    rows: dict[str, dict[str, Any]] = {}
    whole: dict[str, Any] = {}
    for title, condition in conditions.items():
        row, errors = _measure(detector, samples, condition, peers=peers, shared=shared, options=options)
        whole = whole or _end_to_end(errors, labelled)
        rows[title] = row
        row["of_first"] = round(row["found"] / max(next(iter(rows.values()))["found"], 1), 4)
        log.info("%s: %s", title, row)
    return rows, whole


def _measure(
    detector: Detector,
    samples: Sequence[Sample],
    condition: Condition,
    *,
    peers: Sequence[Peer],
    shared: frozenset[int],
    options: dict[str, Any],
) -> tuple[dict[str, Any], Array]:
    """What becomes of faces under a condition, and every face's NME (NaN where none was found)."""
    errors, there = np.full(len(samples), np.nan), np.zeros(len(samples), bool)
    theirs = dict.fromkeys((peer.name for peer in peers), 0)
    for start in range(0, len(samples), BATCH):
        part = [condition.change(s.image, s.keypoints) for s in samples[start : start + BATCH]]
        results = _faces(detector, [image for image, _ in part], options)
        for i, ((image, points), faces) in enumerate(zip(part, results, strict=True), start):
            box = geometry.extent(points)
            there[i] = located([f.box for f in faces], box)
            face = best_face(faces, box)
            if face is not None:
                errors[i] = metrics.nme(face.keypoints[None], points[None], detector.schema)[0]
            for peer in peers if i in shared else ():
                theirs[peer.name] += located(list(peer.find([image])[0]), box)
    hit = errors < condition.error
    row: dict[str, Any] = {
        "found": int(hit.sum()),
        "bound": condition.error,
        "found_15": int((errors < 0.15).sum()),
        "nme_found": round(float(errors[hit].mean()), 5) if hit.any() else None,
        "located": int(there.sum()),
    }
    if peers:
        row["located_by_peers"] = {"facekp": int(there[sorted(shared)].sum()), **theirs}
    return row, errors


def _faces(detector: Detector, images: list[Array], options: dict[str, Any]) -> list[list[Face]]:
    return [faces for faces in detector(images, **options) if isinstance(faces, list)]  # arrays can always be read


def _single(detector: Detector, samples: Sequence[Sample], options: dict[str, Any]) -> Array:
    """The first picture in which the detector finds exactly one face; the first of all where there is none."""
    for sample in samples:
        image = sample.image
        if len(_faces(detector, [image], options)[0]) == 1:
            return image
    return samples[0].image


def located(boxes: Sequence[Any], box: Array) -> bool:
    """Whether the centre of some box lies in the labelled one, and it is between a half and twice as wide."""
    for each in boxes:
        x, y = (float(each[0]) + float(each[2])) / 2, (float(each[1]) + float(each[3])) / 2
        ratio = (float(each[2]) - float(each[0])) / float(box[2] - box[0])
        if box[0] <= x <= box[2] and box[1] <= y <= box[3] and 0.5 <= ratio <= 2:
            return True
    return False


def _end_to_end(errors: Array, labelled: Array) -> dict[str, Any]:
    """Faces as they are: how many are lost, and the NME of the others by the finder's and by labelled boxes."""
    found = errors < ALIGNED
    if not found.any():
        return {"lost": len(errors), "nme": None, "nme_labelled": None, "relative": None}
    mine, theirs = float(errors[found].mean()), float(labelled[found].mean())
    return {
        "lost": int((~found).sum()),
        "nme": round(mine, 5),
        "nme_labelled": round(theirs, 5),
        "relative": round(mine / max(theirs, 1e-6) - 1, 4),
    }


def _false_alarms(
    detector: Detector, frames: Sequence[Frame], clutter: Mapping[str, Array], options: dict[str, Any]
) -> dict[str, Any]:
    """Per kind of picture without a face: how many there were, and how many faces were found in them."""
    kinds: dict[str, list[Array]] = {
        "painted over": [without_faces(frame).image for frame in frames],
        "cut away": [part for part in (cut_away(frame) for frame in frames) if part is not None],
        "sample pictures": list(clutter.values()),
    }
    found: dict[str, Any] = {}
    for kind, images in kinds.items():
        counts = [len(faces) for faces in _faces(detector, images, options)]
        if images:
            found[kind] = {"pictures": len(images), "alarms": sum(counts), "pictures_with": sum(c > 0 for c in counts)}
    if clutter:
        named = dict(zip(clutter, counts, strict=True))
        found["sample pictures"]["where"] = {name: count for name, count in named.items() if count}
    return found


def finder_table(result: Mapping[str, Any]) -> str:
    """A table for people of what :func:`finder` gave."""
    whole, names = result["end_to_end"], [peer["name"] for peer in result["peers"]]
    if names and result["peer_faces"] < result["asked"]:
        names.insert(0, "facekp")  # of the pictures that the others were given
    lines = [
        f"{result['model']} on {result['data']}: {result['asked']} of {result['faces']} faces have an NME under 8 % in "
        "their labelled boxes",
        f"end to end: {whole['lost']} lost, NME {whole['nme']:.2%} (labelled boxes: {whole['nme_labelled']:.2%}, "
        f"{whole['relative']:+.1%})",
        f"{'':20} {'found':>6} {'of first':>9} {'< 15 %':>7} {'located':>8}" + "".join(f" {n:>12}" for n in names),
    ]
    for title, row in result["conditions"].items():
        peers = "".join(f" {row['located_by_peers'][n]:>12}" for n in names)
        lines.append(
            f"{title:20} {row['found']:>6} {row['of_first']:>9.1%} {row['found_15']:>7} {row['located']:>8}{peers}"
        )
    if names:
        lines.append(f"located by {', '.join(names)}: in {result['peer_faces']} of the pictures")
    for kind, row in result["false_alarms"].items():
        lines.append(f"false alarms, {kind}: {row['alarms']} in {row['pictures']} pictures")
    costs = ", ".join(f"{key} {value:g}" for key, value in result["cost"].items() if isinstance(value, (int, float)))
    return "\n".join([*lines, f"cost: {costs}"])
