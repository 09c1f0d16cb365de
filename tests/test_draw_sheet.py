"""Contact sheets."""

from __future__ import annotations

import numpy as np
import pytest

from facekp import draw
from facekp.errors import ArgumentError, ImageError


def plain(value: int, size: tuple[int, int] = (10, 20)) -> np.ndarray:
    return np.full((*size, 3), value, np.uint8)


def test_tiles_stand_in_rows_of_equal_size() -> None:
    sheet = draw.sheet([plain(v) for v in (200, 150, 100)], columns=2, size=(10, 20), gap=3)
    assert sheet.shape == (2 * 13 + 3, 2 * 23 + 3, 3)
    assert sheet.dtype == np.uint8
    for value, x, y in ((200, 3, 3), (150, 26, 3), (100, 3, 16)):
        assert (sheet[y : y + 10, x : x + 20] == value).all()
    assert len(np.unique(sheet[16:26, 26:46])) == 1  # no fourth picture
    assert draw.sheet([plain(1)], columns=9, size=(10, 20), gap=0).shape == (10, 20, 3)


def test_a_picture_is_fitted_whole_into_the_middle() -> None:
    wide, tall = plain(250, (10, 40)), plain(250, (40, 10))
    sheet = draw.sheet([wide, tall], columns=1, size=(20, 20), gap=0)
    assert np.flatnonzero((sheet[:20] == 250).all((1, 2))).tolist() == [*range(7, 12)]
    assert np.flatnonzero((sheet[20:] == 250).all((0, 2))).tolist() == [*range(7, 12)]


def test_labels_are_written_on_their_own_picture_only() -> None:
    given = [plain(90, (80, 80)), plain(90, (80, 80))]
    sheet = draw.sheet(given, size=(80, 80), labels=["7.1%", ""], gap=0)
    assert (sheet[:40, :80] == 255).any()
    assert (sheet[40:, :80] == 90).all()
    assert (sheet[:, 80:] == 90).all()
    assert (given[0] == 90).all()


def test_wrong_input() -> None:
    with pytest.raises(ArgumentError, match="there are no pictures"):
        draw.sheet([])
    with pytest.raises(ArgumentError, match="expected one for each of 1 pictures, got 2"):
        draw.sheet([plain(1)], labels=["a", "b"])
    for options in ({"columns": 0}, {"size": (0, 5)}, {"gap": -1}):
        with pytest.raises(ArgumentError, match="at least [01]"):
            draw.sheet([plain(1)], **options)  # type: ignore[arg-type]
    with pytest.raises(ImageError):
        draw.sheet(["missing.png"])
