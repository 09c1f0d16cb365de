"""Drawing heatmaps and reading points off them."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facekp import heatmap
from facekp.errors import ArgumentError

PROPERTY = settings(max_examples=40, deadline=None)


def test_the_frame_by_hand() -> None:
    # At stride 4 the first cell's centre lies at input pixel 1.5, and input pixel 0 a little left of it.
    assert heatmap.to_heatmap(torch.tensor([0.0, 1.5, 5.5]), 4).tolist() == [-0.375, 0, 1]
    assert heatmap.to_input(torch.tensor([-0.375, 0, 1]), 4).tolist() == [0, 1.5, 5.5]


@PROPERTY
@given(st.floats(-100, 5000), st.floats(0.5, 32))
def test_the_frames_are_inverses(x: float, stride: float) -> None:
    point = torch.tensor(x, dtype=torch.float64)
    assert heatmap.to_input(heatmap.to_heatmap(point, stride), stride).item() == pytest.approx(x, abs=1e-9)


def test_a_gaussian_by_hand() -> None:
    maps, mask = heatmap.gaussian(torch.tensor([[1.0, 0.0]]), (2, 3), sigma=1)
    side, corner = math.exp(-0.5), math.exp(-1)
    expected = torch.tensor([[[side, 1, side], [corner, side, corner]]])
    torch.testing.assert_close(maps, expected)
    assert mask.tolist() == [True]


@PROPERTY
@given(st.floats(0, 63), st.floats(0, 31), st.floats(0.3, 6), st.sampled_from([1.0, 2.0, 4.0]))
def test_a_map_sums_to_one_and_peaks_at_its_point(x: float, y: float, sigma: float, stride: float) -> None:
    size = (int(32 / stride), int(64 / stride))
    maps, mask = heatmap.gaussian(torch.tensor([x, y], dtype=torch.float64), size, sigma, stride, normalize="sum")
    assert maps.shape == size
    assert mask.item()
    assert maps.sum().item() == pytest.approx(1)
    row, column = divmod(int(maps.argmax()), size[1])
    assert abs((column + 0.5) * stride - 0.5 - x) <= stride / 2 + 1e-9
    assert abs((row + 0.5) * stride - 0.5 - y) <= stride / 2 + 1e-9


def test_missing_and_outside_points_have_empty_maps() -> None:
    nan = float("nan")
    points = torch.tensor([[-0.5, -0.5], [15.5, 7.5], [-0.6, 3], [15.6, 3], [3, 7.6], [nan, 3], [nan, nan]])
    for normalize in ("peak", "sum"):
        maps, mask = heatmap.gaussian(points, (4, 8), 1.0, 2.0, normalize=normalize)
        assert mask.tolist() == [True, True, False, False, False, False, False]
        assert torch.isfinite(maps).all()
        assert (maps[2:] == 0).all()
        assert (maps[:2].amax((-2, -1)) > 0).all()


def test_any_leading_dimensions_and_dtype_are_kept() -> None:
    points = torch.rand(2, 3, 5, 2, dtype=torch.float64) * 8
    maps, mask = heatmap.gaussian(points, (8, 9), 1.0)
    assert maps.shape == (2, 3, 5, 8, 9)
    assert mask.shape == (2, 3, 5)
    assert maps.dtype == torch.float64
    one, _ = heatmap.gaussian(points[1, 2], (8, 9), 1.0)
    torch.testing.assert_close(maps[1, 2], one)


@pytest.mark.parametrize(("sigma", "stride"), [(0, 1), (-1, 1), (1, 0), (1, -2)])
def test_sigma_and_stride_must_be_positive(sigma: float, stride: float) -> None:
    with pytest.raises(ArgumentError, match="must be positive"):
        heatmap.gaussian(torch.zeros(1, 2), (4, 4), sigma, stride)


def test_points_must_be_pairs() -> None:
    with pytest.raises(ArgumentError, match=r"got \(5, 3\)"):
        heatmap.gaussian(torch.zeros(5, 3), (4, 4), 1.0)


def test_softmax_expectation_and_spread_by_hand() -> None:
    logits = torch.full((2, 5), -torch.inf)
    logits[1, 1] = logits[1, 3] = 7.0
    probability = heatmap.spatial_softmax(logits)
    assert probability[1].tolist() == [0, 0.5, 0, 0.5, 0]
    mean = heatmap.expectation(probability)
    assert mean.tolist() == [2, 1]
    assert heatmap.spread(probability, mean).item() == pytest.approx(math.sqrt(0.5))  # variance 1 in x, 0 in y


def test_a_lower_temperature_is_a_sharper_map() -> None:
    logits = torch.tensor([[0.0, math.log(3)]])
    assert heatmap.spatial_softmax(logits).tolist()[0] == pytest.approx([0.25, 0.75])
    assert heatmap.spatial_softmax(logits, 0.5).tolist()[0] == pytest.approx([0.1, 0.9])


@PROPERTY
@given(st.floats(12, 19), st.floats(12, 19), st.floats(0.8, 2.4))
def test_a_gaussian_has_its_mean_and_spread(x: float, y: float, sigma: float) -> None:
    maps, _ = heatmap.gaussian(torch.tensor([x, y], dtype=torch.float64), (32, 32), sigma, normalize="sum")
    mean = heatmap.expectation(maps)
    assert mean.tolist() == pytest.approx([x, y], abs=1e-4)
    assert heatmap.spread(maps, mean).item() == pytest.approx(sigma, rel=1e-3)


def test_gradients() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)

    def read(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        probability = heatmap.spatial_softmax(x)
        mean = heatmap.expectation(probability)
        return mean, heatmap.spread(probability, mean)

    assert torch.autograd.gradcheck(read, logits)
    points = torch.tensor([[1.2, 2.1], [0.3, 0.4]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p: heatmap.gaussian(p, (4, 5), 0.9, normalize="sum")[0], points)


def test_a_missing_point_has_a_gradient_of_zero() -> None:
    points = torch.tensor([[float("nan"), 1.0], [1.0, 1.0]], requires_grad=True)
    maps, _ = heatmap.gaussian(points, (4, 4), 1.0, normalize="sum")
    (maps * torch.arange(16.0).view(4, 4)).sum().backward()
    assert points.grad is not None
    assert points.grad[0].tolist() == [0, 0]
    assert points.grad[1].abs().sum() > 0
