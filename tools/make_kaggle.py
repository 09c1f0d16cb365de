"""Make files in the format of Kaggle's "Facial Keypoints Detection" from 300-W faces.

    PYTHONPATH=src python tools/make_kaggle.py --data ../shared/data/300w --output kaggle

The originals need an account.  These look like them: 96x96 grey crops; first the rows with 15 points (one in sixteen
lacks some), then the larger part, about 70 %, with the four points that Kaggle's second source has; ``test.csv``
without labels and ``IdLookupTable.csv`` in the same proportions.  ``solution.csv`` is what Kaggle keeps to itself: the
looked-up rows with their true ``Location``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from facekp import geometry, schema
from facekp.datasets import IBUG300W
from facekp.datasets.kaggle import FEW, KAGGLE_COLUMNS, SIDE
from facekp.datasets.kaggle_out import write_kaggle
from facekp.sample import Sample

Array = npt.NDArray[Any]

ROWS, TEST_ROWS = 7049, 1783
FEW_SHARE = 4765 / 7049  # of the training rows
FEW_TEST_SHARE = 1191 / 1783  # of the test rows: the lookup table asks for only their four points
SCALE = 1.25  # how much of the surroundings of the 68 points' extent is cut out with them
RISE = 0.2  # and by how much of its height the crop's centre is higher, as in Kaggle's pictures


def kaggle15(points: Array) -> Array:
    """The 15 points ``(15, 2)`` of 68 points of ``ibug68``: an eye's centre is the mean of its six."""
    ibug = schema.get("ibug68")
    found = []
    for name in KAGGLE_COLUMNS:
        indices = ibug.groups[name.removesuffix("_center")] if name.endswith("_center") else (ibug.index(name),)
        found.append(points[list(indices)].mean(0))
    return np.array(found, np.float32)


def crop(sample: Sample, rng: np.random.Generator) -> Sample:
    """The face on 96x96 grey pixels, its place and size a little at random; points that fall outside are NaN."""
    x0, y0, x1, y1 = geometry.extent(sample.keypoints)
    shift = rng.normal(0, 0.03, 2) * (x1 - x0, y1 - y0) - (0, RISE * (y1 - y0))
    box = np.array([x0, y0, x1, y1]) + np.tile(shift, 2)
    matrix = geometry.crop_matrix(box, (SIDE, SIDE), SCALE * np.exp(rng.normal(0, 0.05)))
    pixels = geometry.warp(sample.image, matrix, (SIDE, SIDE), border=None)
    points = geometry.apply(matrix, kaggle15(sample.keypoints))
    points[((points < 0) | (points > SIDE)).any(-1)] = np.nan
    return Sample(points, schema.get("kaggle15"), pixels=pixels)


def faces(samples: Sequence[Sample], rows: int, few_share: float, rng: np.random.Generator) -> Iterator[Sample]:
    """So many rows, as ``training.csv`` has them; a face comes again, cut otherwise, when there are too few."""
    names = list(KAGGLE_COLUMNS)
    others = [i for i, name in enumerate(names) if name not in FEW]
    full = rows - round(rows * few_share)
    order = np.concatenate([rng.permutation(len(samples)) for _ in range(-(-rows // len(samples)))])[:rows]
    for row, index in enumerate(order.tolist()):
        face = crop(samples[index], rng)
        points = face.keypoints.copy()
        if row >= full:
            points[others] = np.nan
        elif rng.random() < 1 / 16:
            points[rng.choice(others, rng.integers(1, 5), replace=False)] = np.nan
        yield replace(face, keypoints=points, meta={"image_id": row + 1})


def make(
    samples: Sequence[Sample], folder: Path, rows: int = ROWS, test_rows: int = TEST_ROWS, seed: int = 0
) -> dict[int, Array]:
    """Write ``training.csv``, ``test.csv``, ``IdLookupTable.csv`` and ``solution.csv``.

    Args:
        samples: faces of ``ibug68``.
        folder: where to; made where it is missing.
        rows, test_rows: how many faces.
        seed: the same seed writes the same files.

    Returns:
        ``ImageId`` → the true points ``(15, 2)`` of ``test.csv``; NaN is what the lookup table does not ask for.
    """
    rng = np.random.default_rng(seed)
    write_kaggle(folder / "training.csv", faces(samples, rows, FEW_SHARE, rng))
    test = list(faces(samples, test_rows, FEW_TEST_SHARE, rng))
    write_kaggle(folder / "test.csv", test, labels=False)
    truth = {face.meta["image_id"]: face.keypoints for face in test}
    lookup, solution = ["RowId,ImageId,FeatureName,Location"], ["RowId,Location"]
    for image_id, points in truth.items():
        for column, point in zip(KAGGLE_COLUMNS.values(), points, strict=True):
            for axis, value in zip("xy", point, strict=True):
                if np.isfinite(value):
                    lookup.append(f"{len(lookup)},{image_id},{column}_{axis},")
                    solution.append(f"{len(solution)},{value:.6f}")
    (folder / "IdLookupTable.csv").write_text("\n".join(lookup) + "\n", "utf-8")
    (folder / "solution.csv").write_text("\n".join(solution) + "\n", "utf-8")
    return truth


def main() -> None:
    """Write full-size files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data" / "300w")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--test-rows", type=int, default=TEST_ROWS)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    make(IBUG300W(given.data, "train"), given.output, given.rows, given.test_rows, given.seed)


if __name__ == "__main__":
    main()
