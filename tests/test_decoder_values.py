"""Codecs against values derived by hand and against references in numpy."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from facekp import decoders
from facekp.errors import ArgumentError

NAN = float("nan")
SQUARE = {"input_size": (256, 256), "heatmap_size": (64, 64), "sigma": 2.0}  # stride 4
SMALL = {"input_size": (20, 28), "heatmap_size": (5, 7)}  # stride 4


def random_maps(count: int, sigma: float = 2.0, noise: float = 0.02) -> Tensor:
    """Gaussians somewhere inside 32 x 40 maps, with noise on them: ``(1, count, 32, 40)`` float64."""
    rng = np.random.default_rng(0)
    ys, xs = np.mgrid[:32, :40]
    maps = [
        np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / (2 * sigma**2)) + noise * rng.standard_normal((32, 40))
        for x, y in zip(rng.uniform(12, 27, count), rng.uniform(12, 19, count), strict=True)
    ]
    return torch.from_numpy(np.array([maps]))


# ---------------------------------------------------------------- the round trip


def interior(count: int, margin: float) -> Tensor:
    """Points ``(8, count, 2)`` in input pixels, at least ``margin`` heatmap pixels inside 64 x 64 maps of stride 4."""
    unit = torch.rand(8, count, 2, generator=torch.Generator().manual_seed(0))
    return (margin - 0.5 + unit * (64 - 2 * margin) + 0.5) * 4 - 0.5


@pytest.mark.parametrize(
    ("name", "options", "mean"),
    [
        ("dark", SQUARE, 0.002),
        ("dark", SQUARE | {"blur": 0}, 1e-4),
        ("dark", SQUARE | {"loss": "heatmap_bce"}, 0.002),
        ("dark", SQUARE | {"loss": "heatmap_kl"}, 0.002),
        ("soft_argmax", SQUARE, 0.002),
        ("soft_argmax", SQUARE | {"temperature": 0.1}, 0.002),
        ("weighted_argmax", SQUARE, 0.002),
        ("weighted_argmax", SQUARE | {"window": 13}, 0.01),
        ("udp", SQUARE, 0.002),
        ("offset", SQUARE, 1e-4),
        ("offset", SQUARE | {"target": "disc"}, 1e-4),
        ("simcc", {"input_size": (256, 256), "reading": "expectation"}, 1e-4),
        ("pip", {"input_size": (256, 256), "heatmap_size": (8, 8), "neighbors": [[1], [2], [0]] * 33 + [[0]]}, 1e-4),
        ("regression", {"input_size": (256, 256)}, 1e-4),
        ("weighted_argmax", SQUARE | {"target": "disc", "radius": 3}, 0.13),
    ],
)
def test_what_is_encoded_is_decoded_again(name: str, options: dict[str, object], mean: float) -> None:
    """Errors in heatmap pixels of stride 4, for points 3 sigma inside."""
    codec = decoders.create(name, **options)
    points = interior(100, 6)
    error = (codec.decode(codec.ideal_output(codec.encode(points)))[0] - points).double() / 4
    assert error.norm(dim=-1).mean() < mean
    assert error.mean((0, 1)).abs().max() < 0.005


@pytest.mark.parametrize(("quarter", "reach"), [(False, 0.5), (True, 0.25)])
def test_argmax_errs_by_its_grid_alone(quarter: bool, reach: float) -> None:
    # The mean distance from the middle of a square of side a is a (sqrt 2 + asinh 1) / 6 = 0.3826 a.
    codec = decoders.create("argmax", **SQUARE, quarter=quarter)
    points = interior(500, 6)
    error = (codec.decode(codec.ideal_output(codec.encode(points)))[0] - points) / 4
    assert error.abs().max() < reach + 1e-4
    assert error.norm(dim=-1).mean().item() == pytest.approx(0.3826 * 2 * reach, rel=0.03)
    # One of 4000 is as wide as reach / sqrt 3; so much of their mean is chance.
    assert error.mean((0, 1)).abs().max() < 3 * reach / math.sqrt(3 * 4000)


# Reading a Gaussian off a grid errs by at most 4 pi sigma exp(-2 pi^2 sigma^2) heatmap pixels:
# 0.023 at sigma 0.5, 3e-5 at 0.8, less than float32 can show from 1 on.
@pytest.mark.parametrize("stride", [1, 2, 4, 8])
@pytest.mark.parametrize(("sigma", "tolerance"), [(0.5, 0.024), (0.8, 1e-4), (1.0, 1e-4), (1.5, 1e-4), (2.0, 2e-4)])
def test_soft_argmax_reads_points_far_inside_exactly(stride: int, sigma: float, tolerance: float) -> None:
    codec = decoders.create("soft_argmax", input_size=(24 * stride, 32 * stride), heatmap_size=(24, 32), sigma=sigma)
    unit = torch.rand(1, 200, 2, generator=torch.Generator().manual_seed(0))
    margin = 5 * sigma + 0.5
    points = (margin + unit * (torch.tensor([32, 24]) - 2 * margin)) * stride - 0.5
    decoded, _ = codec.decode(codec.ideal_output(codec.encode(points)))
    assert (decoded - points).abs().max() < tolerance * stride


@pytest.mark.parametrize("name", ["soft_argmax", "weighted_argmax", "dark", "udp"])
@pytest.mark.parametrize("sigma", [0.8, 1.0, 2.0])
def test_at_the_very_edge_a_point_is_off_by_about_sigma_at_most(name: str, sigma: float) -> None:
    codec = decoders.create(name, input_size=(128, 128), heatmap_size=(32, 32), sigma=sigma)
    points = torch.tensor([[[-0.5, 64.0], [127.5, 64.0], [64.0, -0.5], [64.0, 127.5]]])
    decoded, _ = codec.decode(codec.ideal_output(codec.encode(points)))
    assert (decoded - points).abs().max() < 1.05 * sigma * 4  # half of the Gaussian is cut off


# ---------------------------------------------------------------- argmax


def hill() -> Tensor:
    """A 5 x 7 map whose peak is at (3, 1), higher towards the right and below, and one whose peak is in a corner."""
    maps = torch.zeros(1, 2, 5, 7)
    maps[0, 0, 1, 3], maps[0, 0, 1, 4], maps[0, 0, 1, 2], maps[0, 0, 2, 3] = 0.9, 0.5, 0.4, 0.3
    maps[0, 1, 4, 0], maps[0, 1, 3, 0], maps[0, 1, 4, 1] = 0.7, 0.2, 0.6
    return maps


def test_argmax_by_hand() -> None:
    # Stride 4: the centre of cell (3, 1) is input pixel (3.5 * 4 - 0.5, 1.5 * 4 - 0.5).
    plain, _ = decoders.create("argmax", **SMALL).decode(hill())
    assert plain.tolist() == [[[13.5, 5.5], [1.5, 17.5]]]
    quarter, _ = decoders.create("argmax", **SMALL, quarter=True).decode(hill())
    assert quarter.tolist() == [[[14.5, 6.5], [1.5, 17.5]]]  # at the border it stays


def test_weighted_argmax_by_hand() -> None:
    # Masses 0.9 at (3, 1), 0.5 at (4, 1), 0.4 at (2, 1), 0.3 at (3, 2), in all 2.1.
    maps = hill()[:, :1].clone()
    maps[0, 0, 4, 6] = -5.0  # counts as 0

    def read(**options: object) -> list[float]:
        place = decoders.create("weighted_argmax", **SMALL, **options).decode(maps)[0][0, 0]
        return ((place + 0.5) / 4 - 0.5).tolist()

    assert read() == pytest.approx([3 + 0.1 / 2.1, 1 + 0.3 / 2.1], abs=1e-5)
    assert read(threshold=0.4) == pytest.approx([3 + 0.1 / 1.8, 1], abs=1e-5)  # 0.36 and over
    assert read(threshold=0.5) == pytest.approx([3 + 0.5 / 1.4, 1], abs=1e-5)
    maps[0, 0, 4, 3] = 0.8
    assert read(window=3) == pytest.approx([3 + 0.1 / 2.1, 1 + 0.3 / 2.1], abs=1e-5)
    assert read(window=1) == pytest.approx([3, 1], abs=1e-5)


def test_weighted_argmax_of_a_disc_is_its_centroid() -> None:
    rng = np.random.default_rng(0)
    ys, xs = np.mgrid[:32, :40]
    discs = [(xs - x) ** 2 + (ys - y) ** 2 <= r**2 for x, y, r in rng.uniform([5, 5, 2], [35, 27, 9], (20, 3))]
    centroids = [(xs[d].mean(), ys[d].mean()) for d in discs]
    codec = decoders.create("weighted_argmax", input_size=(32, 40), heatmap_size=(32, 40))
    decoded, _ = codec.decode(torch.from_numpy(np.array([discs], np.float32)))
    np.testing.assert_allclose(decoded[0], centroids, atol=1e-4)


def test_an_empty_map_is_read_in_its_middle() -> None:
    codec = decoders.create("weighted_argmax", **SMALL)
    decoded, scores = codec.decode(torch.zeros(1, 1, 5, 7))
    assert decoded.tolist() == [[[13.5, 9.5]]]
    assert scores.item() < 1e-6


# ---------------------------------------------------------------- soft-argmax, DARK, UDP


@pytest.mark.parametrize("temperature", [0.2, 1.0, 3.0])
def test_soft_argmax_is_the_mean_of_the_softmax(temperature: float) -> None:
    logits = 5 * random_maps(7, noise=0.3)
    codec = decoders.create("soft_argmax", input_size=(64, 80), heatmap_size=(32, 40), temperature=temperature)
    ys, xs = np.mgrid[:32, :40]
    for k, logit in enumerate(logits[0].numpy()):
        p = np.exp(logit / temperature)
        p /= p.sum()
        mean = np.array([(p * xs).sum(), (p * ys).sum()])
        spread = np.sqrt((p * ((xs - mean[0]) ** 2 + (ys - mean[1]) ** 2)).sum() / 2)
        np.testing.assert_allclose(codec.decode(logits)[0][0, k], (mean + 0.5) * 2 - 0.5, atol=1e-9)
        np.testing.assert_allclose(codec.log_spread(logits)[0, k], np.log(spread / 40 + 1e-4), atol=1e-9)


def taylor(values: np.ndarray, blur: float, step: int, limit: float) -> np.ndarray:
    """The published refinement of one map, cell by cell, with OpenCV's blur and numpy's solver."""
    y, x = np.unravel_index(values.argmax(), values.shape)
    if blur:
        side = 2 * math.ceil(3 * blur) + 1
        values = cv2.GaussianBlur(values, (side, side), blur, borderType=cv2.BORDER_CONSTANT)
    h = np.log(np.maximum(values, 1e-10))
    gradient = np.array([h[y, x + 1] - h[y, x - 1], h[y + 1, x] - h[y - 1, x]]) / 2
    dxx = (h[y, x + step] - 2 * h[y, x] + h[y, x - step]) / step**2
    dyy = (h[y + step, x] - 2 * h[y, x] + h[y - step, x]) / step**2
    dxy = (h[y + 1, x + 1] - h[y - 1, x + 1] - h[y + 1, x - 1] + h[y - 1, x - 1]) / 4
    way = np.linalg.solve([[dxx, dxy], [dxy, dyy]], -gradient)
    return np.array([x, y]) + np.clip(way, -limit, limit)


@pytest.mark.parametrize(("blur", "limit", "noise"), [(2.0, 1.0, 0.02), (1.0, 0.3, 0.05), (0.0, 1.0, 1e-3)])
def test_dark_is_the_published_refinement(blur: float, limit: float, noise: float) -> None:
    maps = random_maps(30, noise=noise)
    codec = decoders.create("dark", input_size=(64, 80), heatmap_size=(32, 40), sigma=2.0, blur=blur, limit=limit)
    expected = np.array([taylor(m, blur, 2, limit) for m in maps[0].numpy()])
    np.testing.assert_allclose(codec.decode(maps)[0][0], (expected + 0.5) * 2 - 0.5, atol=1e-6)


@pytest.mark.parametrize("blur", [0.0, 2.0])
def test_udp_is_the_published_refinement_in_the_frame_of_unit_lengths(blur: float) -> None:
    maps = random_maps(30, noise=1e-3)
    codec = decoders.create("udp", input_size=(64, 80), heatmap_size=(32, 40), sigma=2.0, blur=blur)
    expected = np.array([taylor(m, blur, 1, 1.0) for m in maps[0].numpy()])
    np.testing.assert_allclose(codec.decode(maps)[0][0], expected * [79 / 39, 63 / 31], atol=1e-6)


def test_udp_puts_corners_on_corners() -> None:
    codec = decoders.create("udp", input_size=(64, 80), heatmap_size=(32, 40), sigma=1.0)
    maps = codec.encode(torch.tensor([[[0.0, 0.0], [79.0, 63.0]]]))["heatmap"]
    assert maps[0, 0, 0, 0] == 1
    assert maps[0, 1, 31, 39] == pytest.approx(1)


@pytest.mark.parametrize("name", ["dark", "udp"])
@pytest.mark.parametrize("x", [-0.4, 0.0, 0.9, 30.6, 31.4])
def test_without_blur_a_gaussian_is_read_exactly_at_the_border_too(name: str, x: float) -> None:
    codec = decoders.create(name, input_size=(32, 32), heatmap_size=(32, 32), sigma=1.5, blur=0)
    points = torch.tensor([[[x, 12.3], [12.3, x]]], dtype=torch.float64)
    decoded, _ = codec.decode(codec.encode(points)["heatmap"])
    np.testing.assert_allclose(decoded, points, atol=1e-6)


@pytest.mark.parametrize("name", ["dark", "udp"])
@pytest.mark.parametrize("sigma", [1.0, 1.5, 2.0, 3.0])
def test_smoothing_moves_no_gaussian_however_near_the_border(name: str, sigma: float) -> None:
    """A symmetric kernel leaves a Gaussian's top where it is; one cut off at the border moved it by up to 1.5 cells."""
    codec = decoders.create(name, input_size=(128, 128), heatmap_size=(32, 32), sigma=sigma)
    x = torch.arange(-0.5, 127.6, 0.75, dtype=torch.float64)
    points = torch.stack([torch.stack([x, 60.3 + 0 * x], -1), torch.stack([x, 0.8 * x + 12], -1)])
    decoded, _ = codec.decode(codec.encode(points)["heatmap"])
    np.testing.assert_allclose(decoded, points, atol=0.08)  # 0.02 cells


def test_a_map_without_a_top_is_read_at_its_highest_cell() -> None:
    codec = decoders.create("dark", input_size=(16, 16), heatmap_size=(16, 16), sigma=1.5)
    flat = torch.ones(1, 1, 16, 16)
    ramp = torch.linspace(0.1, 1, 16).expand(1, 1, 16, 16)
    assert codec.decode(flat)[0].tolist() == [[[0, 0]]]
    assert (codec.decode(ramp)[0] - torch.tensor([15.0, 0.0])).abs().max() <= 1


# ---------------------------------------------------------------- offset, SimCC, PIP, regression


def test_offset_by_hand() -> None:
    codec = decoders.create("offset", **SMALL, radius=1.0)
    output = torch.zeros(1, 6, 5, 7)
    output[0, 0, 2, 3], output[0, 1, 4, 6] = 1.0, 1.0
    output[0, 2, 2, 3], output[0, 3, 2, 3] = 0.25, -0.5  # point 0: x, y
    output[0, 4, 4, 6], output[0, 5, 4, 6] = -1.0, 0.125  # point 1
    # (3.25, 1.5) and (5, 4.125) in cells.
    assert codec.decode(output)[0].tolist() == [[[14.5, 7.5], [21.5, 18.0]]]
    target = codec.encode(torch.tensor([[[14.5, 7.5]]]))
    assert target["offset"][0, 0, :, 2, 3].tolist() == [0.25, -0.5]
    assert target["offset"][0, 0, :, 0, 0].tolist() == [3.25, 1.5]
    assert target["near"][0, 0].nonzero().tolist() == [[1, 3], [1, 4], [2, 3], [2, 4]]


def test_offsets_are_learned_near_the_point_only() -> None:
    codec = decoders.create("offset", **SMALL, radius=1.0, offset_weight=1.0)
    target = codec.encode(torch.tensor([[[13.5, 9.5], [NAN, 3.0]]]))  # cell (3, 2): four neighbours are 1 away
    output = torch.zeros(1, 6, 5, 7, requires_grad=True)
    parts = codec.loss(output, target)
    # Smooth L1 of 0 at the cell itself and of (1, 0) at the others: (0 + 4 * 0.25) / 5.
    assert parts["offset"].item() == pytest.approx(0.2)
    parts["offset"].backward()
    assert output.grad[0, 2:4].abs().sum((1, 2)).tolist() == pytest.approx([0.2, 0.2])
    assert (output.grad[0, :2] == 0).all()
    assert (output.grad[0, 4:] == 0).all()


def test_simcc_by_hand() -> None:
    codec = decoders.create("simcc", input_size=(3, 4), split=2.0, sigma=1.0)
    assert codec.channels(5) == 5 * 14
    output = torch.full((1, 1, 14), -1e4)
    output[0, 0, 5], output[0, 0, 8] = 3.0, 1.0  # bin 5 of 8 columns, bin 0 of 6 rows
    expected = [[[5.5 / 2 - 0.5, 0.5 / 2 - 0.5]]]
    assert codec.decode(output)[0].tolist() == expected
    assert codec.decode(output.flatten(1))[0].tolist() == expected
    mean = decoders.create("simcc", input_size=(3, 4), split=2.0, reading="expectation")
    output[0, 0, 7] = 3.0 + math.log(3)  # bins 5 and 7, 1 : 3
    assert mean.decode(output)[0][0, 0, 0].item() == pytest.approx(7 / 2 - 0.5, abs=1e-6)
    # Variance 0.25 * 0.75 * 2^2 = 0.75 along x, 0 along y; per axis 0.375.
    expected_spread = math.log(math.sqrt(0.375) / 8 + 1e-4)
    assert mean.log_spread(output).item() == pytest.approx(expected_spread, abs=1e-5)


def test_simcc_targets_are_gaussians_of_sum_one() -> None:
    codec = decoders.create("simcc", input_size=(8, 10), split=3.0, sigma=2.0)
    target = codec.encode(torch.tensor([[[4.2, 6.9]]], dtype=torch.float64))
    for axis, place, length in (("x", 4.7 * 3 - 0.5, 30), ("y", 7.4 * 3 - 0.5, 24)):
        bell = np.exp(-((np.arange(length) - place) ** 2) / 8)
        np.testing.assert_allclose(target[axis][0, 0], bell / bell.sum(), atol=1e-12)


def pip() -> decoders.Codec:
    """Two points on a 2 x 3 grid of stride 32, each the other's neighbour."""
    return decoders.create("pip", input_size=(64, 96), heatmap_size=(2, 3), neighbors=[[1], [0]])


def test_pip_by_hand() -> None:
    codec = pip()
    output = torch.zeros(1, 10, 2, 3)  # scores of both; x of both; y of both; neighbours' x; neighbours' y
    output[0, 0, 1, 2] = output[0, 1, 0, 0] = 1.0
    output[0, 2, 1, 2], output[0, 4, 1, 2] = 0.5, 0.25  # point 0: cell (2, 1) + (0.5, 0.25) = (2.5, 1.25)
    output[0, 3, 0, 0], output[0, 5, 0, 0] = 0.75, 0.5  # point 1: (0.75, 0.5)
    output[0, 6, 1, 2], output[0, 8, 1, 2] = -1.0, -0.5  # point 0 sees point 1 at (1, 0.5)
    output[0, 7, 0, 0], output[0, 9, 0, 0] = 2.0, 1.25  # point 1 sees point 0 at (2, 1.25)
    # Means (2.25, 1.25) and (0.875, 0.5), times 32, less half a pixel.
    assert codec.decode(output)[0].tolist() == [[[71.5, 39.5], [27.5, 15.5]]]
    # Readings of point 0 lie 0.25 cells from their mean along x: the variance per axis is 0.03125.
    expected = [math.log(math.sqrt(0.03125) / 3 + 1e-4), math.log(math.sqrt(0.125**2 / 2) / 3 + 1e-4)]
    assert codec.log_spread(output)[0].tolist() == pytest.approx(expected, abs=1e-5)
    output[0, :2] *= 0.6
    assert codec.log_spread(output)[0, 0].item() == pytest.approx(math.log(math.sqrt(0.43125) / 3 + 1e-4), abs=1e-5)


def test_pip_targets_by_hand() -> None:
    target = pip().encode(torch.tensor([[[71.5, 39.5], [27.5, 15.5]], [[95.5, 63.5], [NAN, 0.0]]]))
    assert target["cell"].tolist() == [[[2, 1], [0, 0]], [[2, 1], [0, 0]]]
    assert target["heatmap"][0, 0].tolist() == [[0, 0, 0], [0, 0, 1]]
    assert target["heatmap"][0, 1].tolist() == [[1, 0, 0], [0, 0, 0]]
    assert (target["heatmap"][1, 1] == 0).all()
    assert target["place"][0].tolist() == [[[0.25, 0.25], [-1.125, -0.5]], [[0.875, 0.5], [2.25, 1.25]]]
    assert target["place"][1, 0, 0].tolist() == [1, 1]  # the input's very corner
    assert target["place"][1, 0, 1].isnan().all()


def test_pip_takes_the_nearest_neighbours_of_the_mean_shape() -> None:
    line = [[0.0, 0.0], [1.0, 0.0], [3.0, 0.0], [7.0, 0.0]]
    codec = decoders.create("pip", input_size=(64, 64), heatmap_size=(2, 2), neighbors=2, mean_shape=line)
    assert codec.to_config()["neighbors"] == [[1, 2], [0, 2], [1, 0], [2, 1]]
    alone = decoders.create("pip", input_size=(64, 64), heatmap_size=(2, 2), neighbors=10, mean_shape=[[0.0, 0.0]])
    assert alone.channels(1) == 3
    points = torch.tensor([[[13.0, 50.0]]])
    decoded, _ = alone.decode(alone.ideal_output(alone.encode(points)))
    torch.testing.assert_close(decoded, points)
    assert set(alone.loss(torch.zeros(1, 3, 2, 2), alone.encode(points))) == {"heatmap", "points"}


def test_regression_by_hand() -> None:
    codec = decoders.create("regression", input_size=(50, 100))
    points, _ = codec.decode(torch.tensor([[0.0, 0.0, 0.5, 0.5, 1.0, 1.0]]))
    assert points[0].tolist() == [[-0.5, -0.5], [49.5, 24.5], [99.5, 49.5]]
    # Smooth L1 of beta 0.01: |0.05| - 0.005 along x, 0 along y.
    loss = codec.loss(torch.tensor([[0.55, 0.5]]), codec.encode(torch.tensor([[[49.5, 24.5]]])))
    assert loss["points"].item() == pytest.approx(0.045 / 2)


# ---------------------------------------------------------------- targets and scores


@pytest.mark.parametrize("loss", ["heatmap_mse", "heatmap_bce", "heatmap_kl"])
@pytest.mark.parametrize("target", ["gaussian", "disc"])
def test_the_drawn_target(target: str, loss: str) -> None:
    codec = decoders.create(
        "argmax", input_size=(40, 60), heatmap_size=(20, 30), sigma=1.7, target=target, radius=2.5, loss=loss
    )
    x, y = (17.3 + 0.5) / 2 - 0.5, (21.8 + 0.5) / 2 - 0.5
    ys, xs = np.mgrid[:20, :30]
    squared = (xs - x) ** 2 + (ys - y) ** 2
    expected = np.exp(-squared / (2 * 1.7**2)) if target == "gaussian" else (squared <= 2.5**2).astype(float)
    if loss == "heatmap_kl":
        expected = expected / expected.sum()
    maps = codec.encode(torch.tensor([[[17.3, 21.8]]], dtype=torch.float64))["heatmap"]
    np.testing.assert_allclose(maps[0, 0], expected, atol=1e-9)


@pytest.mark.parametrize("tau", [1.5, 3.0])
def test_the_spread_of_an_unsure_network(tau: float) -> None:
    """A map that is the mean of the targets of points scattered by tau per axis."""
    rng = np.random.default_rng(0)
    sizes = {"input_size": (64, 64), "heatmap_size": (64, 64)}
    points = torch.from_numpy(rng.normal(31.5, tau, (1, 4000, 2)))
    blurred = decoders.create("dark", **sizes, sigma=2.0)
    mean = blurred.encode(points)["heatmap"].mean(1, keepdim=True)
    assert blurred.log_spread(mean).exp().item() * 64 == pytest.approx(math.hypot(2.0, tau), rel=0.05)
    disc = decoders.create("weighted_argmax", **sizes, target="disc", radius=4.0)
    logit = torch.logit(disc.encode(points)["heatmap"].mean(1, keepdim=True))
    assert disc.log_spread(logit).exp().item() * 64 == pytest.approx(tau, rel=0.1)


@pytest.mark.parametrize("loss", ["heatmap_mse", "heatmap_bce", "heatmap_cross_entropy"])
def test_a_sharp_clean_peak_has_about_the_spread_of_its_target(loss: str) -> None:
    codec = decoders.create("dark", **SQUARE, loss=loss)
    output = codec.ideal_output(codec.encode(torch.tensor([[[121.5, 101.5]]])))
    assert codec.log_spread(output).exp().item() * 64 == pytest.approx(2.0, rel=0.01)


@pytest.mark.parametrize("name", ["argmax", "dark", "offset", "soft_argmax", "udp", "weighted_argmax"])
def test_a_lower_or_wider_map_has_a_lower_score(name: str) -> None:
    codec = decoders.create(name, **SQUARE)
    wide = decoders.create(name, **SQUARE | {"sigma": 5.0})
    points = torch.tensor([[[121.5, 101.5]]])
    sure = codec.decode(codec.ideal_output(codec.encode(points)))[1]
    if name == "soft_argmax":
        unsure = codec.decode(wide.ideal_output(wide.encode(points)))[1]
    else:
        unsure = codec.decode(0.2 * codec.ideal_output(codec.encode(points)))[1]
    assert unsure < 0.5 * sure


# ---------------------------------------------------------------- points that say how far off they may be


def rated(**options: object) -> decoders.Codec:
    return decoders.create("soft_argmax", input_size=(32, 32), heatmap_size=(8, 8), rated=True, **options)


def test_a_rating_by_hand() -> None:
    """A sharp map says u = 0.5 at its peak, and something else where the softmax is nothing."""
    codec = rated()
    assert codec.channels(68) == 136
    output = torch.zeros(1, 2, 8, 8)
    output[0, 0, 3, 5] = 100.0
    output[0, 1] = 3.0
    output[0, 1, 3, 5] = 0.5
    points, _ = codec.decode(output)
    torch.testing.assert_close(points, torch.tensor([[[5.5 * 4 - 0.5, 3.5 * 4 - 0.5]]]))
    torch.testing.assert_close(codec.log_spread(output), torch.tensor([[0.5 - math.log(8)]]))


def test_the_loss_of_a_rating_by_hand() -> None:
    """Off by (3, 4) heatmap pixels with u = log 2: 2 log 2 + 5 / 2; and the best u is that of b = |e| / 2."""
    codec = rated(rating_weight=1.0)
    output = torch.zeros(1, 2, 8, 8)
    output[0, 0, 6, 5] = 100.0
    output[0, 1] = math.log(2)
    target = codec.encode(torch.tensor([[[2.5 * 4 - 0.5, 2.5 * 4 - 0.5]]]))
    torch.testing.assert_close(codec.loss(output, target)["rating"], torch.tensor(2 * math.log(2) + 2.5))
    output[0, 1] = math.log(2.5)
    output.requires_grad_()
    codec.loss(output, target)["rating"].backward()
    torch.testing.assert_close(output.grad, torch.zeros_like(output), atol=1e-6, rtol=0)


def test_a_rating_moves_no_point() -> None:
    codec = rated()
    output = torch.randn(2, 6, 8, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    points = torch.tensor([[[10.0, 12.0], [20.0, 9.0], [float("nan"), 3.0]]]).expand(2, -1, -1)
    codec.loss(output, codec.encode(points))["rating"].backward()
    assert output.grad is not None
    assert not output.grad[:, :3].any()
    assert output.grad[:, 3:5].any()
    assert not output.grad[:, 5].any()  # a missing label rates nothing


def test_rated_maps_come_in_pairs() -> None:
    with pytest.raises(ArgumentError, match=r"expected output \(N, 2 K, \(8, 8\)\), got \(1, 3, 8, 8\)"):
        rated().decode(torch.zeros(1, 3, 8, 8))
