"""Faces and their points: samples, what augmentation makes of them, predictions beside the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _arguments as arguments
from .. import geometry, metrics
from .. import image as images
from ..errors import ArgumentError
from ..sample import Sample
from ..schema import KeypointSchema
from ..transforms import Transform
from .base import Array, chosen, cut, face, grid, picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["augmented", "pairs", "progress", "samples"]

TRUTH = (60, 220, 90)
PREDICTION = (255, 70, 70)


def samples(
    samples: Sequence[Sample], *, count: int = 12, columns: int = 6, scale: float = 1.5, side: float = 1.8
) -> Figure:
    """Labelled faces, evenly spread over a data set, with their points.

    Args:
        samples: a data set, or some of its faces.
        count: how many are shown.
        columns: faces in a row.
        scale: how much of a picture is shown, over the face's box.
        side: of each face, in inches.

    Raises:
        ArgumentError: there are no samples.
        ImageError: a picture cannot be read.
        MissingExtraError: matplotlib is not installed.
    """
    if not hasattr(samples, "__len__"):
        raise ArgumentError(f"samples: expected a list of facekp Samples, got {type(samples).__name__}")
    picked = chosen(len(samples), count, "samples")
    figure, panels = grid(len(picked), columns, side)
    for axes, index in zip(panels, picked, strict=True):
        sample = samples[index]
        if not isinstance(sample, Sample):
            raise ArgumentError(f"samples[{index}]: expected a facekp Sample, got {type(sample).__name__}")
        crop, (points,) = cut(sample, [sample.keypoints], scale)
        picture(axes, crop, str(index))
        face(axes, points, sample.schema, inches=side)
    return figure


def augmented(
    samples: Sample | Sequence[Sample], transform: Transform, *, copies: int = 8, seed: int = 0, side: float = 1.6
) -> Figure:
    """What a transform makes of faces: each sample in a row, several times over.

    Args:
        samples: one face, or up to a dozen.
        transform: a pipeline such as ``transforms.preset("strong", transforms.CropToBox((128, 128), 1.3))``.
        copies: how often each is drawn.
        seed: copy i of face j is the same for the same seed.
        side: of each picture, in inches.

    Raises:
        ArgumentError: there are no samples, or no copies are wanted.
        ImageError: a picture cannot be read.
        MissingExtraError: matplotlib is not installed.
    """
    given = [samples] if isinstance(samples, Sample) else list(samples)
    if not given:
        raise ArgumentError("augmented: there are no samples")
    if not isinstance(transform, Transform):
        raise ArgumentError(f"transform: expected a facekp Transform, got {type(transform).__name__}")
    arguments.whole(copies, "augmented: copies", 1)
    arguments.whole(seed, "augmented: seed", 0)
    views = [
        transform(sample, np.random.default_rng((seed, row, copy)))
        for row, sample in enumerate(given)
        for copy in range(copies)
    ]
    height, width = views[0].image.shape[:2]
    figure, panels = grid(len(views), copies, side, shape=height / width, titles=False)
    for axes, view in zip(panels, views, strict=True):
        picture(axes, view.image)
        face(axes, view.keypoints, view.schema, inches=side)
    return figure


def pairs(
    samples: Sequence[Sample],
    predictions: Array,
    *,
    errors: Array | None = None,
    each: int = 5,
    scale: float = 1.5,
    side: float = 2.0,
) -> Figure:
    """The faces with the smallest errors above those with the largest: truth green, prediction red.

    Args:
        samples: N labelled faces of one schema.
        predictions: ``(N, K, 2)`` in pixels of the samples' pictures; a face without any has NaN, and counts as worst.
        errors: ``(N,)`` fractions; by default the normalised mean error of :func:`facekp.metrics.nme`.
        each: how many good and how many bad ones.
        scale: how much of a picture is shown, over the face's box.
        side: of each face, in inches.

    Raises:
        ArgumentError: there are no samples, or the numbers of faces or points differ.
        ImageError: a picture cannot be read.
        MissingExtraError: matplotlib is not installed.
    """
    errors = _errors(samples, predictions, errors)
    chosen(len(samples), each, "pairs", "each")
    order = np.argsort(np.where(np.isnan(errors), np.inf, errors), kind="stable")
    each = min(each, (len(order) + 1) // 2)
    rows = [("best", order[:each]), ("worst", order[each:][::-1][:each])]
    figure, panels = grid(sum(len(which) for _, which in rows), each, side)
    for axes, (name, index) in zip(panels, [(name, i) for name, which in rows for i in which], strict=True):
        sample = samples[int(index)]
        crop, (truth, guess) = cut(sample, [sample.keypoints, predictions[int(index)]], scale)
        said = "no prediction" if np.isnan(errors[index]) else f"{100 * errors[index]:.2f} %"
        picture(axes, crop, f"{name}, face {index}: {said}")
        face(axes, truth, sample.schema, inches=side, color=TRUTH)
        face(axes, guess, sample.schema, inches=side, color=PREDICTION)
    return figure


def _errors(samples: Sequence[Sample], predictions: Array, errors: Array | None) -> Array:
    if not len(samples):
        raise ArgumentError("pairs: there are none")
    schema = samples[0].schema
    if np.shape(predictions) != (len(samples), len(schema), 2):
        raise ArgumentError(
            f"pairs: expected predictions ({len(samples)}, {len(schema)}, 2), got {np.shape(predictions)}"
        )
    if errors is None:
        truth = np.stack([sample.keypoints for sample in samples])
        return metrics.nme(np.asarray(predictions), truth, schema, metrics.default_normalizer(schema))
    if np.shape(errors) != (len(samples),):
        raise ArgumentError(f"pairs: expected errors ({len(samples)},), got {np.shape(errors)}")
    return np.asarray(errors, float)


def progress(
    image: Any,
    predictions: Mapping[int, Array],
    schema: KeypointSchema,
    *,
    truth: Array | None = None,
    columns: int = 6,
    side: float = 2.0,
) -> Figure:
    """One face's predicted points as training goes on, a panel for each epoch.

    Args:
        image: anything that :func:`facekp.image.read` takes, e.g. the crop that a network sees.
        predictions: epoch → ``(K, 2)`` in the picture's pixels.
        schema: of the K points.
        truth: ``(K, 2)``: drawn as green rings, and each panel says its normalised mean error.
        columns: panels in a row.
        side: of each panel, in inches.

    Raises:
        ArgumentError: there are no predictions, or not K points.
        ImageError: the picture cannot be read.
        MissingExtraError: matplotlib is not installed.
    """
    if not isinstance(predictions, Mapping) or not predictions:
        raise ArgumentError(f"progress: there are no predictions by epoch, got {arguments.shown(predictions)}")
    arguments.layout(schema)
    for key, points in (*predictions.items(), *([] if truth is None else [("truth", truth)])):
        if np.shape(points) != (len(schema), 2):
            raise ArgumentError(f"progress: {key}: expected points ({len(schema)}, 2), got {np.shape(points)}")
    pixels = images.read(image)
    figure, panels = grid(len(predictions), columns, side, shape=pixels.shape[0] / pixels.shape[1])
    by = metrics.default_normalizer(schema)
    for axes, epoch in zip(panels, sorted(predictions), strict=True):
        points, title = np.asarray(predictions[epoch], np.float32), f"epoch {epoch}"
        if truth is not None:
            expected = np.asarray(truth, np.float32)
            title += f": {100 * float(metrics.nme(points[None], expected[None], schema, by)[0]):.2f} %"
        picture(axes, pixels, title)
        inches = side * _share(points if truth is None else expected, pixels)
        if truth is not None:
            face(axes, expected, schema, inches=inches, color=TRUTH, hollow=True)
        face(axes, points, schema, inches=inches, color=None if truth is None else PREDICTION)
    return figure


def _share(points: Array, pixels: Array) -> float:
    """How large the face is in the picture, times the margin that a cut face has."""
    known = points[np.isfinite(points).all(1)]
    if len(known) < 2:
        return 1.0
    box = geometry.extent(known)
    return float(np.clip(1.5 * max(box[2:] - box[:2]) / max(pixels.shape[:2]), 0.3, 1.0))
