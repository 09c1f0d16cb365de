"""What goes to Kaggle's "Facial Keypoints Detection": its CSV format written back, a submission, and its score."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError, DatasetError
from ..sample import Sample
from .kaggle import KAGGLE_COLUMNS, SIDE, columns_at, identity, rows
from .writing import shortest, write_text

__all__ = ["kaggle_rmse", "read_lookup", "write_kaggle", "write_submission"]

Array = npt.NDArray[Any]

_TEXT = [str(value) for value in range(256)]


def write_kaggle(path: str | Path, samples: Iterable[Sample], *, labels: bool = True) -> int:
    """Write faces as ``training.csv`` holds them, or as ``test.csv`` does.

    Points are found by their names in ``kaggle15``; an empty cell is a missing label.  Colours become grey.

    Args:
        path: the CSV file; whole or not at all.
        samples: faces on pictures of 96x96 pixels.
        labels: False writes ``ImageId,Image``; the ids are ``meta["image_id"]``, or count from 1.

    Returns:
        The number of rows written.

    Raises:
        ArgumentError: a picture is not 96x96, or a face has none of the 15 points in its schema.
        DatasetError: the file cannot be written.
    """
    path, written = Path(path), 0
    head = [f"{column}_{axis}" for column in KAGGLE_COLUMNS.values() for axis in "xy"] if labels else ["ImageId"]
    part = path.with_name(f"{path.name}.part")  # row by row: the full-size file has 250 MB
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8", newline="\n") as stream:
            stream.write(",".join([*head, "Image"]) + "\n")
            for written, sample in enumerate(samples, 1):
                cells = _cells(sample, written) if labels else [str(sample.meta.get("image_id", written))]
                stream.write(",".join([*cells, _grey(sample, written)]) + "\n")
        part.replace(path)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be written ({error.strerror or error})") from None
    finally:
        part.unlink(missing_ok=True)
    return written


def _grey(sample: Sample, number: int) -> str:
    image = sample.image
    if image.shape[:2] != (SIDE, SIDE):
        raise ArgumentError(f"sample {number}: its picture is {image.shape[:2]}; crop it to 96x96 for Kaggle's format")
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    return " ".join([_TEXT[value] for value in grey.ravel().tolist()])


def _cells(sample: Sample, number: int) -> list[str]:
    places = {name: i for i, name in enumerate(sample.schema.names)}
    if not any(name in places for name in KAGGLE_COLUMNS):
        raise ArgumentError(f"sample {number}: schema {sample.schema.name} has none of kaggle15's points")
    points = np.full((len(KAGGLE_COLUMNS), 2), np.nan, np.float32)
    for i, name in enumerate(KAGGLE_COLUMNS):
        if name in places and sample.mask[places[name]]:
            points[i] = sample.keypoints[places[name]]
    return ["" if math.isnan(value) else repr(value) for value in shortest(points)]


def read_lookup(path: str | Path) -> list[tuple[int, int, str, str]]:
    """What ``IdLookupTable.csv`` asks for: ``(RowId, ImageId, point of kaggle15, "x" or "y")``, in the file's order.

    Raises:
        DatasetError: no such file, a missing column, no number, a ``RowId`` that comes twice, an unknown feature.
    """
    path = Path(path)
    features = {f"{column}_{axis}": (name, axis) for name, column in KAGGLE_COLUMNS.items() for axis in "xy"}
    lines = rows(path)
    at = columns_at(next(lines, (1, []))[1], ("RowId", "ImageId", "FeatureName"), path)
    asked, seen = [], dict[int, int]()
    for line, row in lines:
        where = f"{path}:{line}"
        if len(row) <= max(at):
            raise DatasetError(f"{where}: expected RowId,ImageId,FeatureName,Location, found {','.join(row)[:60]!r}")
        number, picture, feature = (row[i].strip() for i in at)
        if feature not in features:
            raise DatasetError(f"{where}: unknown feature {feature[:40]!r}; expected e.g. nose_tip_x")
        image_id = identity("ImageId", picture, {}, line, where)
        asked.append((identity("RowId", number, seen, line, where), image_id, *features[feature]))
    return asked


def write_submission(path: str | Path, lookup_csv: str | Path, predictions: Mapping[int, Array]) -> int:
    """Write the file that Kaggle scores, ``RowId,Location``: only the rows that it asks for, within [0, 96].

    Args:
        path: the file to write; whole or not at all.
        lookup_csv: ``IdLookupTable.csv``.
        predictions: ``ImageId`` → ``(15, 2)`` points of ``kaggle15`` in pixels of the 96x96 picture.

    Returns:
        The number of rows written.

    Raises:
        ArgumentError: a picture that is asked for has no prediction, one of another shape, or NaN at an asked place.
        DatasetError: the lookup table is missing or wrong, or the file cannot be written.
    """
    places = {name: i for i, name in enumerate(KAGGLE_COLUMNS)}
    lines = ["RowId,Location"]
    for row, image_id, name, axis in read_lookup(lookup_csv):
        if image_id not in predictions:
            raise ArgumentError(f"predictions: {lookup_csv} asks for ImageId {image_id}, which has none")
        points = np.asarray(predictions[image_id])
        if points.shape != (len(places), 2):
            raise ArgumentError(f"predictions: ImageId {image_id} has shape {points.shape}, expected (15, 2)")
        value = float(points[places[name], "xy".index(axis)])
        if math.isnan(value):
            raise ArgumentError(f"predictions: {name} of ImageId {image_id} is NaN, but {lookup_csv} asks for it")
        lines.append(f"{row},{min(max(value, 0.0), float(SIDE)):.6f}")
    write_text(Path(path), "\n".join(lines) + "\n")
    return len(lines) - 1


def kaggle_rmse(predicted: Array, truth: Array) -> float:
    """Kaggle's score: the root of the mean squared error over all labelled *coordinates*, in pixels of 96x96.

    x and y count as two values, and every face weighs as much as it has labels.

    Args:
        predicted: ``(..., 15, 2)``; clipped to [0, 96] as :func:`write_submission` does.
        truth: the same shape; NaN where there is no label.

    Raises:
        ArgumentError: shapes differ, nothing is labelled, or a prediction is NaN where there is a label.
    """
    predicted, truth = np.asarray(predicted, np.float64), np.asarray(truth, np.float64)
    if predicted.shape != truth.shape:
        raise ArgumentError(f"predicted has shape {predicted.shape}, truth {truth.shape}")
    gaps = (np.clip(predicted, 0, SIDE) - truth)[np.isfinite(truth)]
    if not gaps.size or np.isnan(gaps).any():
        raise ArgumentError("truth has no label" if not gaps.size else "predicted is NaN where there is a label")
    return float(np.sqrt(np.mean(gaps**2)))
