"""Figures: their lines are the numbers."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from facekp import datasets, heatmap, metrics, plots, schema, transforms
from facekp.errors import ArgumentError, MissingExtraError
from facekp.sample import Sample


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


# ---------------------------------------------------------------- faces

IBUG = schema.get("ibug68")


def drawn(count: int = 4, side: int = 80) -> list[Sample]:
    """Mean faces on noise."""
    rng = np.random.default_rng(0)
    made = []
    for _ in range(count):
        points = (IBUG.mean_shape * rng.uniform(0.5, 0.7) * side + side / 2).astype(np.float32)
        made.append(Sample(points, IBUG, pixels=rng.integers(0, 255, (side, side, 3), np.uint8)))
    return made


def points_of(axes: Any) -> list[np.ndarray[Any, Any]]:
    """Where dots were drawn, by call."""
    return [c.get_offsets() for c in axes.collections if len(c.get_offsets()) and c.get_offsets().any()]


@pytest.fixture(autouse=True)
def nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Figures are given, not saved."""
    folder = tmp_path / "cwd"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield
    assert not list(folder.iterdir())


def test_samples_are_spread_over_the_set() -> None:
    pytest.importorskip("matplotlib", reason="needs facekp[plots]")
    given = drawn(9)
    before = [s.keypoints.copy() for s in given]
    figure = plots.samples(given, count=5, columns=3)
    assert type(figure).__name__ == "Figure"
    assert [a.get_title() for a in figure.axes] == ["0", "2", "4", "6", "8"]
    # The face's box is centred, and a dot is where the label is: the extent is 1 / 1.5 of the panel.
    (dots,) = points_of(figure.axes[0])
    extent = dots.max(0) - dots.min(0)
    assert max(extent) == pytest.approx(256 / 1.5, rel=1e-3)
    np.testing.assert_allclose((dots.max(0) + dots.min(0)) / 2, 127.5, atol=0.1)
    assert figure.axes[0].get_xlim() == (-0.5, 255.5)
    assert all(np.array_equal(s.keypoints, b) for s, b in zip(given, before, strict=True))


def test_a_missing_label_is_not_drawn() -> None:
    pytest.importorskip("matplotlib", reason="needs facekp[plots]")
    (one,) = drawn(1)
    one.keypoints[10] = np.nan
    (dots,) = points_of(plots.samples([one]).axes[0])
    assert len(dots) == 67


def test_augmented_faces_are_the_transform_s() -> None:
    pytest.importorskip("matplotlib", reason="needs facekp[plots]")
    pipeline = transforms.Compose([transforms.CropToBox((32, 48), 1.3), transforms.RandomAffine(angle=15)])
    given = drawn(2)
    figure = plots.augmented(given, pipeline, copies=3, seed=5)
    assert len(figure.axes) == 6
    expected = pipeline(given[1], np.random.default_rng((5, 1, 2)))
    np.testing.assert_allclose(points_of(figure.axes[5])[0], expected.keypoints)
    np.testing.assert_array_equal(figure.axes[5].images[0].get_array(), expected.image)
    assert len(plots.augmented(given[0], pipeline, copies=2).axes) == 2


def test_pairs_show_the_best_and_the_worst() -> None:
    pytest.importorskip("matplotlib", reason="needs facekp[plots]")
    given = drawn(5)
    predictions = np.stack([s.keypoints for s in given]) + np.array([3, 0, 1, 4, 2])[:, None, None]
    figure = plots.pairs(given, predictions, errors=np.array([0.3, 0.0, 0.1, np.nan, 0.2]), each=2)
    titles = [a.get_title() for a in figure.axes]
    assert titles == [
        "best, face 1: 0.00 %",
        "best, face 2: 10.00 %",
        "worst, face 3: no prediction",
        "worst, face 0: 30.00 %",
    ]
    truth, guess = points_of(figure.axes[3])
    assert (guess - truth).std(0).max() < 1e-3
    assert (guess - truth).min() > 0
    by = metrics.default_normalizer(IBUG)
    own = metrics.nme(predictions, np.stack([s.keypoints for s in given]), IBUG, by)
    assert plots.pairs(given, predictions, each=1).axes[1].get_title() == f"worst, face 3: {100 * own[3]:.2f} %"
    assert len(plots.pairs(given, predictions, each=9).axes) == 5


def test_progress_has_a_panel_for_each_epoch() -> None:
    pytest.importorskip("matplotlib", reason="needs facekp[plots]")
    (one,) = drawn(1)
    figure = plots.progress(one.image, {10: one.keypoints, 1: one.keypoints + 5}, IBUG, truth=one.keypoints, columns=2)
    assert figure.axes[1].get_title() == "epoch 10: 0.00 %"
    assert figure.axes[0].get_title().startswith("epoch 1: ")
    ring, dots = points_of(figure.axes[0])
    np.testing.assert_allclose(dots - ring, 5, atol=1e-4)
    assert plots.progress(one.image, {3: one.keypoints}, IBUG).axes[0].get_title() == "epoch 3"


def test_wrong_faces() -> None:
    pytest.importorskip("matplotlib", reason="needs facekp[plots]")
    given = drawn(2)
    crop = transforms.CropToBox((32, 32))
    for call, said in (
        (lambda: plots.samples([]), "samples: there are none"),
        (lambda: plots.samples(given, count=0), "count: expected a whole number of at least 1"),
        (lambda: plots.augmented([], crop), "augmented"),
        (lambda: plots.augmented(given, crop, copies=0), "augmented"),
        (lambda: plots.pairs([], np.zeros((0, 68, 2))), "pairs: there are none"),
        (lambda: plots.pairs(given, np.zeros((2, 5, 2))), r"expected predictions \(2, 68, 2\), got \(2, 5, 2\)"),
        (lambda: plots.pairs(given, np.zeros((2, 68, 2)), errors=np.zeros(3)), r"expected errors \(2,\)"),
        (lambda: plots.progress(given[0].image, {}, IBUG), "there are no predictions"),
        (
            lambda: plots.progress(given[0].image, {4: np.zeros((5, 2))}, IBUG),
            r"progress: 4: expected points \(68, 2\)",
        ),
    ):
        with pytest.raises(ArgumentError, match=said):
            call()


def test_real_faces(data_root: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs facekp[plots]")
    faces = datasets.create("300w", root=data_root / "300w", split="lfpw/testset")
    figure = plots.samples(faces, count=2)
    figure.canvas.draw()
    crop = transforms.CropToBox((64, 64), 1.3)
    plots.augmented(faces[0], transforms.preset("strong", crop), copies=2).canvas.draw()


# ---------------------------------------------------------------- heatmaps and networks


def test_heatmaps_lie_on_the_picture() -> None:
    pytest.importorskip("matplotlib", reason="needs facekp[plots]")
    points = torch.tensor(IBUG.mean_shape * 40 + 32)
    maps, _ = heatmap.gaussian(points, (16, 16), 1.0, stride=4)
    image = np.zeros((64, 64, 3), np.uint8)
    given = maps.clone()
    (axes,) = plots.heatmaps(image, 3 * maps, IBUG).axes
    assert axes.get_title() == "all 68 points"
    overlay = axes.images[1]
    assert list(overlay.get_extent()) == [-0.5, 63.5, 63.5, -0.5]
    expected = (maps / maps.amax((-2, -1), keepdim=True)).amax(0)
    np.testing.assert_allclose(overlay.get_array(), expected, atol=1e-6)
    assert torch.equal(maps, given)


def test_heatmaps_of_points_and_groups() -> None:
    pytest.importorskip("matplotlib", reason="needs facekp[plots]")
    maps = np.zeros((68, 8, 8))
    maps[30, 2, 3] = 5
    maps[31, 4, 4] = np.nan
    image = np.zeros((32, 32, 3), np.uint8)

    def titles(show: Any) -> list[str]:
        return [a.get_title() for a in plots.heatmaps(image, maps, IBUG, show=show).axes]

    assert titles("groups") == list(IBUG.groups)
    assert titles(30) == [f"30: {IBUG.names[30]}"]
    assert titles([IBUG.names[30], "mouth"]) == [IBUG.names[30], "mouth"]
    shown = plots.heatmaps(image, maps, IBUG, show=30).axes[0].images[1].get_array()
    assert np.argwhere(shown > 0).tolist() == [[2, 3]]
    for wrong, said in (("ear", "unknown point or group 'ear'"), (68, "points 0 to 67"), ([], "names no point")):
        with pytest.raises(ArgumentError, match=said):
            plots.heatmaps(image, maps, IBUG, show=wrong)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"expected maps \(68, h, w\), got \(5, 8, 8\)"):
        plots.heatmaps(image, maps[:5], IBUG)
    with pytest.raises(ArgumentError, match="no groups"):
        plots.heatmaps(image, maps[:1], replace(schema.get("nose_tip"), groups={}), show="groups")


def tiny() -> nn.Sequential:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 5), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.Flatten())
    with torch.no_grad():
        network[0].bias[2] = -100.0
    return network


def test_filters_and_their_dead() -> None:
    pytest.importorskip("matplotlib", reason="needs facekp[plots]")
    network = tiny()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    (axes,) = plots.filters(network, images=torch.rand(2, 3, 12, 12)).axes
    assert axes.get_title() == "0: 4 filters 5x5 over 3 channels, 1 of 4 dead"
    assert len(axes.images) == 4
    red = [i for i, patch in enumerate(axes.patches) if patch.get_edgecolor()[0] > 0.8]
    assert red == [2]
    # Colours around grey: the largest weight of a filter is black or white in its channel.
    weight = network[0].weight.detach().numpy()[0]
    tile = np.asarray(axes.images[0].get_array())
    np.testing.assert_allclose(tile, 0.5 + (weight / np.abs(weight).max()).transpose(1, 2, 0) / 2, atol=1e-6)
    (axes,) = plots.filters(network, "2", most=5, inputs=2).axes
    assert axes.get_title() == "2: 6 filters 3x3 over 4 channels, the first 5 shown, of 2 channels each"
    assert len(axes.images) == 10
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert network.training
    assert len(plots.filters(nn.Conv2d(1, 3, 3)).axes[0].images) == 3


def test_feature_maps_of_a_picture() -> None:
    pytest.importorskip("matplotlib", reason="needs facekp[plots]")
    network, image = tiny(), torch.rand(3, 12, 12)
    (axes,) = plots.feature_maps(network, "1", image, most=3, columns=2).axes
    assert axes.get_title() == "1: 4 maps 8x8, the first 3 shown, 1 the same everywhere"
    assert len(axes.images) == 4  # with the picture
    assert plots.feature_maps(network, "1", image[None]).axes
    with pytest.raises(ArgumentError, match=r"expected one image \(C, H, W\).*\(2, 3, 12, 12\)"):
        plots.feature_maps(network, "1", torch.rand(2, 3, 12, 12))
    with pytest.raises(ArgumentError, match="unknown layer 'x'"):
        plots.feature_maps(network, "x", image)
    with pytest.raises(ArgumentError, match="unknown convolution '1'; choose one of: 0, 2"):
        plots.filters(network, "1")
    with pytest.raises(ArgumentError, match="there is none"):
        plots.filters(nn.ReLU())
    with pytest.raises(ArgumentError, match="at least 1"):
        plots.filters(network, most=0)


# ---------------------------------------------------------------- curves and searches


def test_metrics_of_a_run_in_parts(tmp_path: Path) -> None:
    (tmp_path / "metrics.0.csv").write_text("epoch,step,train/loss,val/nme\n0,9,4,\n0,9,,0.5\n1,19,3,\n", "utf-8")
    (tmp_path / "metrics.csv").write_text("epoch,step,train/loss,val/nme\n1,19,2,0.25\n", "utf-8")
    assert plots.read_metrics(tmp_path) == [
        {"epoch": 0, "step": 9, "train/loss": 4, "val/nme": 0.5},
        {"epoch": 1, "step": 19, "train/loss": 2, "val/nme": 0.25},
    ]
    figure = plots.curves(tmp_path)
    assert [a.get_ylabel() for a in figure.axes] == ["loss", "normalised mean error, %"]
    np.testing.assert_allclose(figure.axes[1].get_lines()[0].get_xydata(), [[0, 50], [1, 25]])
    (tmp_path / "metrics.csv").rename(tmp_path / "metrics.10.csv")
    assert len(plots.read_metrics(tmp_path)) == 2


def test_losses_share_a_panel_and_runs_a_legend() -> None:
    pytest.importorskip("matplotlib", reason="needs facekp[plots]")
    rows = [{"epoch": 0.0, "train/loss": 3.0, "val/loss": 4.0}, {"epoch": 1.0, "train/loss": 2.0}]
    (axes,) = plots.curves({"a": rows, "b": rows[:1]}, log=True).axes
    assert [t.get_text() for t in axes.get_legend().get_texts()] == [
        "a train/loss",
        "a val/loss",
        "b train/loss",
        "b val/loss",
    ]
    assert axes.get_yscale() == "log"
    assert rows[1] == {"epoch": 1.0, "train/loss": 2.0}


@pytest.mark.parametrize(
    ("losses", "log", "scale"),
    [
        ((2.0, 1.0), None, "linear"),
        ((2.0, 0.001), None, "log"),  # the end of the line can be told from zero
        ((2.0, 0.001), False, "linear"),
        ((2.0, 1.0), True, "log"),
        ((2.0, 0.0), None, "linear"),
        ((2.0, -4.0), None, "linear"),
        ((math.nan, math.nan), None, "linear"),
    ],
)
def test_losses_over_decades_have_a_logarithmic_axis(losses: tuple[float, float], log: bool | None, scale: str) -> None:
    pytest.importorskip("matplotlib", reason="needs facekp[plots]")
    (axes,) = plots.curves([{"epoch": float(i), "train/loss": loss} for i, loss in enumerate(losses)], log=log).axes
    assert axes.get_yscale() == scale


def test_wrong_metrics(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs facekp[plots]")
    with pytest.raises(ArgumentError, match=r"no metrics\.csv"):
        plots.read_metrics(tmp_path)
    with pytest.raises(ArgumentError, match="cannot be read"):
        plots.read_metrics(tmp_path / "none.csv")
    wrong = tmp_path / "wrong.csv"
    for text, said in (
        ("epoch,a\n0,x\n", "expected numbers"),
        ("a\n1\n", "no epoch"),
        ("epoch,a\n0,1,2\n", "expected"),
    ):
        wrong.write_text(text, "utf-8")
        with pytest.raises(ArgumentError, match=rf"wrong\.csv:2: .*{said}"):
            plots.read_metrics(wrong)
    with pytest.raises(ArgumentError, match="no run has 'val/nme'; there are: train/loss"):
        plots.curves([{"epoch": 0, "train/loss": 1}], ["val/nme"])
    for nothing in ([], {}, [{"epoch": 0}]):
        with pytest.raises(ArgumentError, match="there are no values"):
            plots.curves(nothing)


def test_the_history_of_a_search() -> None:
    pytest.importorskip("matplotlib", reason="needs facekp[plots]")
    (axes,) = plots.history([3.0, None, 4.0, 1.0, float("nan")], label="error").axes
    best, trials = axes.get_lines()
    assert best.get_ydata().tolist() == [3, 3, 1, 1]
    assert trials.get_xdata().tolist() == [0, 2, 3]
    assert plots.history([1.0, 3.0, 2.0], maximize=True).axes[0].get_lines()[0].get_ydata().tolist() == [1, 3, 3, 3]
    with pytest.raises(ArgumentError, match="no trial has a value"):
        plots.history([None])


def test_slices_of_a_search() -> None:
    pytest.importorskip("matplotlib", reason="needs facekp[plots]")
    parameters = [{"lr": 0.1, "head": "b"}, {"lr": 0.01, "head": "a"}, {"lr": 0.5}]
    left, right = plots.slices(parameters, [1.0, 2.0, None], log=["lr"], label="error").axes
    assert (left.get_xscale(), left.get_xlabel(), left.get_ylabel()) == ("log", "lr", "error")
    np.testing.assert_allclose(left.collections[0].get_offsets(), [[0.1, 1], [0.01, 2]])
    assert [t.get_text() for t in right.get_xticklabels()] == ["a", "b"]
    with pytest.raises(ArgumentError, match="3 trials have parameters and 1 have values"):
        plots.slices(parameters, [1.0])
    with pytest.raises(ArgumentError, match="no parameters"):
        plots.slices([{}], [1.0])
