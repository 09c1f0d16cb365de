"""Make files like those of Kaggle's "Facial Keypoints Detection" (which need an account) from 300-W's faces.

python examples/make_kaggle.py 300W_FOLDER OUTPUT_FOLDER [ROWS] [TEST_ROWS]

As there: 96x96 grey crops; first the rows with 15 points (one in sixteen lacks some), then the larger part, about 70 %,
with four.  ``solution.csv`` is what Kaggle keeps to itself: the looked-up rows with their true ``Location``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from facekp import datasets, geometry, schema
from facekp.datasets.kaggle import FEW, KAGGLE_COLUMNS
from facekp.predict import as_schema
from facekp.sample import Sample

IBUG, KAGGLE = schema.get("ibug68"), schema.get("kaggle15")
SIZE, ROWS, TEST_ROWS = (96, 96), 7049, 1783
FEW_SHARE, FEW_TEST_SHARE = 4765 / 7049, 1191 / 1783  # of which only four points are labelled, or asked for


def crop(sample: Sample, rng: np.random.Generator, mirror: bool = False) -> Sample:
    """The face on 96x96 grey pixels, its place and size a little at random; points that fall outside are NaN."""
    x0, y0, x1, y1 = geometry.extent(sample.keypoints)
    shift = rng.normal(0, 0.03, 2) * (x1 - x0, y1 - y0) - (0, 0.2 * (y1 - y0))  # Kaggle's show the forehead
    box = np.array([x0, y0, x1, y1]) + np.tile(shift, 2)
    matrix = geometry.crop_matrix(box, SIZE, 1.25 * np.exp(rng.normal(0, 0.05)))
    pixels = geometry.warp(sample.image, matrix, SIZE, border=None)
    points = as_schema(geometry.apply(matrix, sample.keypoints), IBUG, KAGGLE)
    if mirror:
        pixels, points = np.ascontiguousarray(pixels[:, ::-1]), KAGGLE.mirrored(points, SIZE[1])
    points[((points < 0) | (points > SIZE)).any(-1)] = np.nan
    return Sample(points, KAGGLE, pixels=pixels)


def faces(samples: Sequence[Sample], rows: int, few_share: float, rng: np.random.Generator) -> Iterator[Sample]:
    """So many rows, as ``training.csv`` has them; every other time a face comes again, it comes mirrored."""
    others = [i for i, name in enumerate(KAGGLE.names) if name not in FEW]
    order = rng.permutation(len(samples)).tolist()
    for row in range(rows):
        turn, index = divmod(row, len(samples))
        face = crop(samples[order[index]], rng, mirror=turn % 2 == 1)
        if row >= rows - round(rows * few_share):
            face.keypoints[others] = np.nan
        elif rng.random() < 1 / 16:
            face.keypoints[rng.choice(others, rng.integers(1, 5), replace=False)] = np.nan
        face.meta = {"image_id": row + 1}
        yield face


def make(
    samples: Sequence[Sample], folder: Path, rows: int = ROWS, test_rows: int = TEST_ROWS, seed: int = 0
) -> dict[int, np.ndarray]:
    """Write the four files; returns ``ImageId`` → the true points ``(15, 2)``, NaN where they are not asked for."""
    rng = np.random.default_rng(seed)
    datasets.write_kaggle(folder / "training.csv", faces(samples, rows, FEW_SHARE, rng))
    test = list(faces(samples, test_rows, FEW_TEST_SHARE, rng))
    datasets.write_kaggle(folder / "test.csv", test, labels=False)
    truth = {face.meta["image_id"]: face.keypoints for face in test}
    columns = list(KAGGLE_COLUMNS.values())
    lookup, solution = ["RowId,ImageId,FeatureName,Location"], ["RowId,Location"]
    for image_id, points in truth.items():
        for point, axis in np.argwhere(np.isfinite(points)).tolist():
            lookup.append(f"{len(lookup)},{image_id},{columns[point]}_{'xy'[axis]},")
            solution.append(f"{len(solution)},{points[point, axis]:.6f}")
    (folder / "IdLookupTable.csv").write_text("\n".join(lookup) + "\n", "utf-8")
    (folder / "solution.csv").write_text("\n".join(solution) + "\n", "utf-8")
    return truth


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    make(datasets.IBUG300W(sys.argv[1], "train"), Path(sys.argv[2]), *map(int, sys.argv[3:5]))
