"""Figures: their lines are the numbers."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from facekp import plots
from facekp.errors import ArgumentError, MissingExtraError


def test_ced_draws_the_exact_steps() -> None:
    pytest.importorskip("matplotlib", reason="needs facekp[plots]")
    errors = np.array([0.02, np.nan, 0.04, 0.04, 0.2, np.inf])
    figure = plots.ced({"mine": errors, "other": errors / 2}, at=0.1)
    (axes,) = figure.axes
    line = axes.get_lines()[0]
    np.testing.assert_allclose(line.get_xdata(), [0, 2, 4, 4, 10])
    np.testing.assert_allclose(line.get_ydata(), [0, 20, 60, 60, 60])
    assert line.get_drawstyle() == "steps-post"
    # Areas: (0.8 + 0.6 + 0.6) / 5, and with half the errors (0.9 + 0.8 + 0.8 + 0) / 5.
    texts = [t.get_text() for t in axes.get_legend().get_texts()]
    assert texts == ["mine: AUC 0.400, 60.0 %", "other: AUC 0.500, 80.0 %"]


def test_reliability_draws_the_bins() -> None:
    pytest.importorskip("matplotlib", reason="needs facekp[plots]")
    scores, right = np.array([0.9, 0.1, 0.9, 0.1]), np.array([True, False, True, True])
    (axes,) = plots.reliability(scores, right, bins=2).axes
    np.testing.assert_allclose(axes.get_lines()[1].get_xydata(), [[0.1, 0.5], [0.9, 1]])
    assert "0.250" in axes.get_legend().get_texts()[0].get_text()


def test_a_figure_can_be_saved_without_a_screen_and_pyplot_is_left_alone(tmp_path) -> None:  # type: ignore[no-untyped-def]
    pytest.importorskip("matplotlib", reason="needs facekp[plots]")
    before = "matplotlib.pyplot" in sys.modules
    plots.ced({"a": np.array([0.03])}).savefig(tmp_path / "ced.png")
    assert (tmp_path / "ced.png").stat().st_size > 1000
    assert ("matplotlib.pyplot" in sys.modules) == before


def test_nothing_to_draw() -> None:
    pytest.importorskip("matplotlib", reason="needs facekp[plots]")
    for curves in ({}, {"a": np.array([np.nan])}):
        with pytest.raises(ArgumentError, match="ced"):
            plots.ced(curves)
    with pytest.raises(ArgumentError, match="no scores"):
        plots.reliability(np.zeros(0), np.zeros(0))


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for call in (plots.check, lambda: plots.ced({"a": np.ones(2)}), lambda: plots.reliability(np.ones(2), np.ones(2))):
        with pytest.raises(MissingExtraError, match=r"pip install 'facekp\[plots\]'"):
            call()
