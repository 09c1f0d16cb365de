"""Drawing heatmaps and reading points off them."""

from __future__ import annotations

import math

import numpy as np
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


# ---------------------------------------------------------------- discs, offsets, peaks, patches


def test_a_disc_by_hand() -> None:
    maps, mask = heatmap.disc(torch.tensor([[1.5, 1.0]]), (3, 4), radius=1.0)
    assert maps.tolist() == [[[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]]
    assert mask.tolist() == [True]
    # Stride 2: input (2.5, 2.5) is cell (1, 1), and radius 1 reaches its four neighbours.
    plus, _ = heatmap.disc(torch.tensor([[2.5, 2.5]]), (3, 3), radius=1.0, stride=2.0)
    assert plus.tolist() == [[[0, 1, 0], [1, 1, 1], [0, 1, 0]]]


@PROPERTY
@given(st.floats(-0.5, 39.5), st.floats(-0.5, 29.5), st.floats(0.7072, 12))
def test_a_disc_is_what_lies_within_its_radius(x: float, y: float, radius: float) -> None:
    maps, mask = heatmap.disc(torch.tensor([x, y], dtype=torch.float64), (30, 40), radius)
    ys, xs = np.mgrid[:30, :40]
    distance = np.hypot(xs - x, ys - y)
    assert mask.item()
    assert maps.sum() >= 1
    clear = np.abs(distance - radius) > 1e-9
    assert (maps.numpy() == (distance <= radius))[clear].all()


def test_offsets_by_hand() -> None:
    vectors, mask = heatmap.offsets(torch.tensor([[4.5, 0.5]]), (2, 3), stride=2.0)  # cell (2, 0)
    assert vectors[0, 0].tolist() == [[2, 1, 0], [2, 1, 0]]
    assert vectors[0, 1].tolist() == [[0, 0, 0], [-1, -1, -1]]
    assert mask.tolist() == [True]


@pytest.mark.parametrize("draw", [lambda p: heatmap.disc(p, (4, 8), 2.0, 2.0), lambda p: heatmap.offsets(p, (4, 8), 2)])
def test_missing_and_outside_points_are_not_drawn(draw: object) -> None:
    nan = float("nan")
    points = torch.tensor([[-0.5, -0.5], [15.5, 7.5], [-0.6, 3], [15.6, 3], [3, 7.6], [nan, 3], [nan, nan]])
    maps, mask = draw(points)
    assert mask.tolist() == [True, True, False, False, False, False, False]
    assert (maps[2:] == 0).all()
    assert (maps[:2].flatten(1).abs().amax(-1) > 0).all()


def test_the_first_of_the_highest_cells_is_the_peak() -> None:
    maps = torch.tensor([[[0.0, 3.0, 1.0], [3.0, 2.0, 0.0]], [[-5.0, -5.0, -4.0], [-9.0, -6.0, -5.0]]])
    cells, values = heatmap.peak(maps)
    assert cells.tolist() == [[1, 0], [2, 0]]
    assert cells.dtype == torch.int64
    assert values.tolist() == [3, -4]


def test_patches_by_hand() -> None:
    maps = torch.arange(1.0, 13).view(1, 3, 4)
    squares, inside = heatmap.patches(maps, torch.tensor([[3, 1]]), 1)
    assert squares.tolist() == [[[3, 4, 0], [7, 8, 0], [11, 12, 0]]]
    assert inside.tolist() == [[[True, True, False], [True, True, True]]]
    corner, _ = heatmap.patches(maps, torch.tensor([[0, 0]]), 2)
    assert corner[0, :2].tolist() == [[0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
    assert corner[0, 2].tolist() == [0, 0, 1, 2, 3]


def test_the_centre_of_mass_by_hand() -> None:
    maps = torch.zeros(3, 2, 5)
    maps[0, 0, 1], maps[0, 1, 4], maps[0, 0, 0] = 1.0, 3.0, -7.0
    maps[1] = -1.0
    maps[2] = 2.0
    places, masses = heatmap.centre_of_mass(maps)
    assert places.tolist() == [[3.25, 0.75], [2, 0.5], [2, 0.5]]
    assert masses.tolist() == [4, 0, 20]


def test_an_empty_map_has_a_finite_gradient() -> None:
    maps = torch.zeros(2, 4, 4)
    maps[1, 2, 2] = 1.0
    maps.requires_grad_()
    heatmap.centre_of_mass(maps)[0].sum().backward()
    assert torch.isfinite(maps.grad).all()


@pytest.mark.parametrize("temperature", [0.3, 1.0])
def test_the_soft_argmax_in_blocks_is_that_of_one_piece(temperature: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heatmap, "LARGE", 0)
    logits = 3 * torch.randn(3, 19, 64, 64, generator=torch.Generator().manual_seed(0))
    assert logits.numel() > heatmap.BLOCK
    probability = heatmap.spatial_softmax(logits, temperature)
    mean = heatmap.expectation(probability)
    for layout in (logits, logits.contiguous(memory_format=torch.channels_last), logits.requires_grad_()):
        places, spreads = heatmap.soft_argmax(layout, temperature)
        torch.testing.assert_close(places, mean, atol=1e-4, rtol=0)
        torch.testing.assert_close(spreads, heatmap.spread(probability, mean), atol=1e-4, rtol=0)
    assert places.requires_grad
    half = logits.detach().half()
    torch.testing.assert_close(heatmap.soft_argmax(half), heatmap.soft_argmax(half.float()))


def test_gradients_of_what_is_read_and_drawn() -> None:
    torch.manual_seed(0)
    maps = torch.rand(2, 5, 6, dtype=torch.float64, requires_grad=True)
    cells = torch.tensor([[0, 4], [3, 2]])
    assert torch.autograd.gradcheck(lambda m: heatmap.centre_of_mass(m)[0], maps)
    assert torch.autograd.gradcheck(lambda m: heatmap.soft_argmax(m, 0.7), maps)
    assert torch.autograd.gradcheck(lambda m: heatmap.patches(m, cells, 1)[0], maps)
    points = torch.tensor([[1.2, 2.1], [0.3, 0.4]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p: heatmap.offsets(p, (4, 5), 1.0)[0], points)


def test_empty_batches() -> None:
    points, maps = torch.zeros(0, 5, 2), torch.zeros(0, 5, 4, 6)
    for drawn, mask in (
        heatmap.gaussian(points, (4, 6), 1.0),
        heatmap.gaussian(points, (4, 6), 1.0, normalize="sum"),
        heatmap.disc(points, (4, 6), 1.0),
    ):
        assert drawn.shape == maps.shape
        assert mask.shape == (0, 5)
    assert heatmap.offsets(points, (4, 6))[0].shape == (0, 5, 2, 4, 6)
    assert heatmap.peak(maps)[0].shape == (0, 5, 2)
    assert heatmap.patches(maps, torch.zeros(0, 5, 2, dtype=torch.long), 1)[0].shape == (0, 5, 3, 3)
    assert heatmap.centre_of_mass(maps)[0].shape == (0, 5, 2)
    assert [x.shape for x in heatmap.soft_argmax(maps)] == [(0, 5, 2), (0, 5)]
    assert heatmap.expectation(heatmap.spatial_softmax(maps)).shape == (0, 5, 2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_worked_out_in_float32(dtype: torch.dtype) -> None:
    points = torch.tensor([[100.0, 380.0], [4.5, 12.0]], dtype=dtype)
    size = (400, 300)
    for draw in (
        lambda p: heatmap.gaussian(p, size, 2.0),
        lambda p: heatmap.gaussian(p, size, 2.0, normalize="sum"),
        lambda p: heatmap.disc(p, size, 3.0),
        lambda p: heatmap.offsets(p, size),
    ):
        (mine, mask), (exact, its) = draw(points), draw(points.float())
        assert mine.dtype == dtype
        assert torch.equal(mask, its)
        assert torch.equal(mine, exact.to(dtype))
    logits = torch.full((1, *size), -6e4, dtype=dtype)
    logits[0, 399, 299] = logits[0, 0, 0] = 6e4
    mean, spread = heatmap.soft_argmax(logits, temperature=0.1)
    assert mean.tolist() == [[149.5, 199.5]]
    assert spread.item() == pytest.approx(math.hypot(149.5, 199.5) / math.sqrt(2), rel=1e-6)
    probability = heatmap.spatial_softmax(logits, 0.1)
    assert probability.dtype == dtype
    assert heatmap.expectation(probability).tolist() == [[149.5, 199.5]]
    full = torch.full((1, *size), 6e4, dtype=dtype)
    assert heatmap.centre_of_mass(full)[0].tolist() == [
        [pytest.approx(149.5, abs=1e-3), pytest.approx(199.5, abs=1e-3)]
    ]


def test_nothing_changes_its_input() -> None:
    torch.manual_seed(0)
    points, maps = torch.rand(3, 2) * 8, torch.randn(3, 9, 9)
    kept = points.clone(), maps.clone()
    heatmap.gaussian(points, (9, 9), 1.0, normalize="sum"), heatmap.disc(points, (9, 9), 1.0)
    heatmap.offsets(points, (9, 9)), heatmap.spatial_softmax(maps, 0.5), heatmap.soft_argmax(maps)
    cells, _ = heatmap.peak(maps)
    heatmap.patches(maps, cells, 2), heatmap.centre_of_mass(maps)
    heatmap.spread(maps, heatmap.expectation(maps))
    assert torch.equal(points, kept[0])
    assert torch.equal(maps, kept[1])


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda p: heatmap.disc(p, (4, 4), 0.5), "radius must be at least"),
        (lambda p: heatmap.disc(p, (4, 4), float("nan")), "radius must be at least"),
        (lambda p: heatmap.disc(p, (4, 4), 1.0, 0), "disc: stride must be positive"),
        (lambda p: heatmap.offsets(p, (4, 4), -1), "offsets: stride must be positive"),
        (lambda p: heatmap.offsets(p[..., :1], (4, 4)), r"offsets: points must be \(\.\.\., K, 2\), got \(5, 1\)"),
        (lambda p: heatmap.disc(p[..., :1], (4, 4), 1.0), r"disc: points must be"),
    ],
)
def test_wrong_arguments_are_explained(call: object, says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        call(torch.zeros(5, 2))
