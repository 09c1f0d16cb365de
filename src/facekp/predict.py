"""A model's points for the faces of a data set, in the set's own boxes and formats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from . import geometry
from . import schema as schemas
from .datasets import KaggleTest, SampleSet, write_submission
from .datasets.kaggle_out import read_lookup
from .detector import Detector
from .errors import ArgumentError, DatasetError
from .face import Face
from .sample import PER_POINT, Sample
from .schema import KeypointSchema

__all__ = ["as_schema", "best_face", "found", "keypoints", "predict", "submit"]

Array = npt.NDArray[Any]
Boxes = Literal["labelled", "finder", "moved"]

MOVED = 0.15  # by what share of its size a moved box is at most off, in place and in size


def keypoints(
    detector: Detector, samples: Sequence[Sample], *, boxes: Boxes = "labelled", batch_size: int = 32
) -> tuple[Array, Array]:
    """The points and scores of every face, in order: those of :func:`found`, which has the arguments.

    Returns:
        points ``(N, K, 2)`` in pixels and scores ``(N, K)``, float64; NaN where no face was found.
    """
    k = len(detector.schema)
    points, scores = np.full((len(samples), k, 2), np.nan), np.full((len(samples), k), np.nan)
    for i, face in enumerate(found(detector, samples, boxes=boxes, batch_size=batch_size)):
        if face is not None:
            points[i], scores[i] = face.keypoints, face.scores
    return points, scores


def found(
    detector: Detector, samples: Sequence[Sample], *, boxes: Boxes = "labelled", batch_size: int = 32
) -> Iterator[Face | None]:
    """What a model sees of every labelled face, in order; None where it finds none.

    With ``boxes="finder"`` the finder looks at each whole picture, and of what it finds the face of highest IoU with
    the labelled box counts.  Labelled boxes are taken as they are: no face is cut out a second time.  With
    ``boxes="moved"`` they are off by up to 15 % of their width and height in place, and 15 % in size, each uniformly
    and the same in every run; faces are then cut out again as in use.  A model of whole pictures (``crop.box: full``)
    gets whole pictures, as in training.

    Args:
        detector: the model.
        samples: the faces; their labels are not looked at, but for the box.
        boxes: ``"labelled"`` (:attr:`facekp.sample.Sample.box`), ``"moved"`` or ``"finder"``.
        batch_size: crops that go through the network together.

    Raises:
        ArgumentError: another ``boxes``, or a face without a box.
        ImageError: a picture cannot be read.
    """
    if boxes not in get_args(Boxes):
        raise ArgumentError(f"boxes: expected one of {', '.join(get_args(Boxes))}; got {boxes!r}")
    given: Any = None if boxes == "finder" else map(_box, samples, range(len(samples)))
    if boxes == "moved":
        given = map(_moved, given, range(len(samples)))
    if detector.crop_box == "full":
        given = "full"
    refine = boxes != "labelled"
    results = detector.stream((s.image for s in samples), boxes=given, batch_size=batch_size, refine=refine)
    for sample, faces in zip(samples, results, strict=True):
        yield best_face(faces, sample.box) if isinstance(faces, list) else None


def predict(
    detector: Detector,
    samples: SampleSet,
    *,
    schema: KeypointSchema | str | None = None,
    boxes: Boxes = "labelled",
    batch_size: int = 32,
) -> SampleSet:
    """The same faces with a model's points instead of their labels, to be written in any format.

    Args:
        detector: the model.
        samples: the faces, of any schema: their points are only needed where their box follows from them.
        schema: the result's points, taken from the model's by :func:`as_schema`; the model's own unless told.
        boxes: as of :func:`keypoints`; a face that the finder does not find is looked for in its labelled box.
        batch_size: crops that go through the network together.

    Returns:
        One sample for each, in order: its picture, subject and ``meta``, the predicted points, and as ``source_box``
        the labelled box.

    Raises:
        ArgumentError: no face, one without a box, or the model has no point of ``schema``.
        ImageError: a picture cannot be read.
    """
    if not len(samples):
        raise ArgumentError(f"predict: {samples.name} has no face")
    target = schemas.get(schema) if isinstance(schema, str) else schema or detector.schema
    if target != detector.schema and not _sources(detector.schema, target):
        raise ArgumentError(f"predict: {detector.name} ({detector.schema.name}) has no point of {target.name}")
    points, _ = keypoints(detector, samples, boxes=boxes, batch_size=batch_size)
    missed = np.flatnonzero(np.isnan(points).all((1, 2))).tolist()
    if missed and boxes == "finder":
        points[missed], _ = keypoints(detector, [samples[i] for i in missed], batch_size=batch_size)
    moved = as_schema(points, detector.schema, target)
    found = [_predicted(s, p, target) for s, p in zip(samples, moved, strict=True)]
    return SampleSet(found, target, f"{detector.name} on {samples.name}")


def as_schema(points: Array, source: KeypointSchema, target: KeypointSchema) -> Array:
    """Points of one layout as another's, by their names.

    The same name is the same place.  Where the source does not name ``left_eye_center`` and ``right_eye_center``, they
    are what its normaliser ``inter_pupil`` is measured between: the pupils, or the means of each eye's points.

    Args:
        points: ``(..., K, 2)`` of ``source``.
        source: the layout that they have.
        target: the layout that is wanted.

    Returns:
        ``(..., L, 2)`` float32 of ``target``; NaN where the source has nothing at that place.

    Raises:
        ArgumentError: ``points`` do not fit ``source``.
    """
    points = np.asarray(points, np.float64)
    if points.shape[-2:] != (len(source), 2):
        raise ArgumentError(f"points: schema {source.name} expects (..., {len(source)}, 2), got {points.shape}")
    moved = np.full((*points.shape[:-2], len(target), 2), np.nan, np.float32)
    for i, indices in _sources(source, target).items():
        moved[..., i, :] = points[..., indices, :].mean(-2)
    return moved


def submit(
    detector: Detector,
    test_csv: str | Path,
    lookup_csv: str | Path,
    target: str | Path,
    *,
    boxes: Boxes = "labelled",
    batch_size: int = 32,
) -> int:
    """Write a submission to Kaggle's "Facial Keypoints Detection": only what is asked for, clipped to [0, 96].

    A model of another schema than ``kaggle15`` will do if it has the points that are asked for
    (:func:`as_schema`).

    Args:
        detector: the model.
        test_csv: ``test.csv``.
        lookup_csv: ``IdLookupTable.csv``.
        target: the file to write; one that is there is replaced.
        boxes: ``"labelled"``: the face fills the 96x96 picture, as for a model that was trained on such pictures;
            ``"finder"``: the finder looks for it, as for a model whose crops are cut by the face's extent.
        batch_size: crops that go through the network together.

    Returns:
        The number of rows written.

    Raises:
        ArgumentError: the model lacks a point that is asked for; the message names all such.
        DatasetError: a file is missing or wrong, or one asks for a picture that the other lacks.
    """
    asked = read_lookup(lookup_csv)
    wanted = schemas.get("kaggle15")
    had = {wanted.names[i] for i in _sources(detector.schema, wanted)}
    if lacks := [name for name in wanted.names if name not in had and name in {row[2] for row in asked}]:
        raise ArgumentError(
            f"{lookup_csv} asks for {', '.join(lacks)}, which {detector.name} ({detector.schema.name}) does not have"
        )
    images = {row[1] for row in asked}
    tests = KaggleTest(test_csv).where(lambda s: s.meta["image_id"] in images)
    if absent := sorted(images - {s.meta["image_id"] for s in tests}):
        raise DatasetError(f"{lookup_csv} asks for ImageId {absent[0]}, which {test_csv} does not have")
    found = predict(detector, tests, schema=wanted, boxes=boxes, batch_size=batch_size) if len(tests) else tests
    return write_submission(target, lookup_csv, {s.meta["image_id"]: s.keypoints for s in found})


def _sources(source: KeypointSchema, target: KeypointSchema) -> dict[int, list[int]]:
    """Of each point of the target that the source has: the source's points whose mean it is."""
    place = {name: [i] for i, name in enumerate(source.names)}
    for indices in source.normalizers.get("inter_pupil", ()):
        for side in ("left", "right"):
            if all(source.names[i].startswith(f"{side}_") for i in indices):
                place.setdefault(f"{side}_eye_center", list(indices))
    return {i: place[name] for i, name in enumerate(target.names) if name in place}


def _box(sample: Sample, index: int) -> Array:
    box = sample.box
    if not np.isfinite(box).all() or (box[2:] <= box[:2]).any():
        name = sample.path or sample.meta.get("name", "")
        raise ArgumentError(f"sample {index} {name}: it has no box and no labels to take one from; try boxes='finder'")
    return box[None]


def _moved(box: Array, index: int) -> Array:
    """A box ``(1, 4)`` that is off, always in the same way for the face of this index."""
    x, y, size = np.random.default_rng(index).uniform(-MOVED, MOVED, 3)
    sides = box[:, 2:] - box[:, :2]
    centre = (box[:, :2] + box[:, 2:]) / 2 + sides * (x, y)
    return np.concatenate([centre - sides * (1 + size) / 2, centre + sides * (1 + size) / 2], axis=1)


def best_face(faces: Sequence[Face], box: Array) -> Face | None:
    """Which of the faces that were found is the labelled one.

    Args:
        faces: of one picture.
        box: ``(4,)`` xyxy, the labelled face's.

    Returns:
        The face whose box has the highest IoU with it; None when none touches it.
    """
    if not faces:
        return None
    overlap = geometry.iou(np.stack([f.box for f in faces]), box[None])[:, 0]
    return faces[int(np.argmax(overlap))] if overlap.max() > 0 else None


def _predicted(sample: Sample, points: Array, schema: KeypointSchema) -> Sample:
    meta = {key: value for key, value in sample.meta.items() if key not in PER_POINT}
    return replace(sample, keypoints=points, schema=schema, source_box=sample.box, meta=meta)
