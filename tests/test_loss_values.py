"""Losses against values by hand, and against references in numpy that are written here from the papers."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from loss_batches import batch
from torch import Tensor

from facekp import heatmap, losses

Array = npt.NDArray[np.float64]


def points(*values: tuple[float, float]) -> Tensor:
    return torch.tensor([values], dtype=torch.float64)


def maps(rows: list[list[float]]) -> Tensor:
    return torch.tensor([[rows]], dtype=torch.float64)


# By hand


def test_mse_by_hand() -> None:
    loss = losses.mse(points((0, 0), (3, 4)), points((1, -2), (3, 5)), reduction="none")
    assert loss.tolist() == [[2.5, 0.5]]  # (1 + 4) / 2, (0 + 1) / 2


def test_l1_by_hand() -> None:
    pred, target = points((0, 0), (3, 4)), points((1, -2), (3, 5))
    assert losses.l1(pred, target).item() == 1.0  # (1 + 2 + 0 + 1) / 4
    assert losses.l1(pred, target, mask=torch.tensor([[True, False]])).item() == 1.5
    assert losses.l1(pred, target, mask=torch.tensor([[False, True]])).item() == 0.5


def test_smooth_l1_by_hand() -> None:
    pred, zero = points((0.5, 3)), points((0, 0))
    assert losses.smooth_l1(pred, zero).item() == pytest.approx((0.125 + 2.5) / 2)
    assert losses.smooth_l1(pred, zero, beta=2.0).item() == pytest.approx((0.0625 + 2) / 2)


def test_wing_by_hand() -> None:
    zero = points((0, 0))
    assert losses.wing(points((2, -2)), zero).item() == pytest.approx(10 * math.log(2))
    # C = 10 - 10 ln 6, so 12 px cost 2 + 10 ln 6.
    assert losses.wing(points((12, 12)), zero).item() == pytest.approx(2 + 10 * math.log(6))


def test_soft_wing_by_hand() -> None:
    zero = points((0, 0))
    assert losses.soft_wing(points((1.5, -1.5)), zero).item() == 1.5
    # 1 + 2 / 0.5 = 5 and 1 + 4.5 / 0.5 = 10: 20 ln(10 / 5) over the 2 at the joint.
    assert losses.soft_wing(points((4.5, -4.5)), zero).item() == pytest.approx(2 + 20 * math.log(2))


def test_rectified_wing_by_hand() -> None:
    zero = points((0, 0))
    assert losses.rectified_wing(points((0.4, -0.5)), zero).item() == 0
    assert losses.rectified_wing(points((2.5, -2.5)), zero).item() == pytest.approx(10 * math.log(2))
    assert losses.rectified_wing(points((12, 12)), zero, r=2.0).item() == pytest.approx(2 + 10 * math.log(5))


def test_negative_log_likelihoods_by_hand() -> None:
    pred, target = points((2, 0)), points((0, 0))
    log_two = torch.tensor([[math.log(2)]], dtype=torch.float64)
    # Laplace of b = 2: ln 4 + 2 / 2 and ln 4.  Normal of sigma = 2: ln 2 + ln(2 pi) / 2 + 4 / 8 and the same without.
    assert losses.laplace_nll(pred, target, log_b=log_two).item() == pytest.approx(math.log(4) + 0.5)
    assert losses.gaussian_nll(pred, target, log_sigma=log_two).item() == pytest.approx(
        math.log(2) + math.log(2 * math.pi) / 2 + 0.25
    )
    each = torch.tensor([[[math.log(2), 0]]], dtype=torch.float64)  # b = (2, 1): ln 4 + 1 and ln 2
    assert losses.laplace_nll(pred, target, log_b=each).item() == pytest.approx((math.log(4) + 1 + math.log(2)) / 2)


def test_the_floor_of_the_spread() -> None:
    pred, target = points((0, 0), (1, 1)), points((0, 0), (0, 0))
    log_b = torch.full((1, 2), -50.0, dtype=torch.float64, requires_grad=True)
    loss = losses.laplace_nll(pred, target, log_b=log_b, min_log_b=-3.0, reduction="none")
    assert loss[0].tolist() == pytest.approx([math.log(2) - 3, math.log(2) - 3 + math.exp(3)])
    loss.sum().backward()
    assert log_b.grad is not None
    assert log_b.grad[0].tolist() == pytest.approx([1, 1 - math.exp(3)])  # 1 - |d| / b: the wrong one is led back up


def test_star_by_hand() -> None:
    # Half at (0, 1) and half at (2, 1) of a 3x3 map, where a pixel is one unit of the paper's grid: variance 1 along
    # x, over 1 - (1/4 + 1/4).  The target is (0.5, 0.1) from the mean: smooth L1 of 0.01 gives 0.495 and 0.095.
    pred, target = maps([[0, 0, 0], [0.5, 0, 0.5], [0, 0, 0]]), points((1.5, 1.1))
    along, across = 0.495 / math.sqrt(2 + 1e-5), 0.095 / math.sqrt(1e-5)
    assert losses.star(pred, target).item() == pytest.approx(along + across + 2)
    assert losses.star(pred, target, w=0.0).item() == pytest.approx(along + across)
    assert losses.star(pred, target, w=0.5, detach=True).item() == pytest.approx(along + across + 1)
    turned = maps([[0, 0.5, 0], [0, 0, 0], [0, 0.5, 0]])
    assert losses.star(turned, target).item() == pytest.approx(
        0.495 / math.sqrt(1e-5) + 0.095 / math.sqrt(2) + 2, rel=1e-4
    )


def test_heatmap_mse_by_hand() -> None:
    pred, target = maps([[1, 0], [0, 2]]), maps([[0, 0], [0, 4]])
    assert losses.heatmap_mse(pred, target).item() == (1 + 4) / 4


def test_heatmap_weighted_mse_by_hand() -> None:
    # The 1 in a corner reaches the four pixels of that corner: 4 weigh 11, the other 5 weigh 1, each error is 1.
    target = maps([[1, 0, 0], [0, 0, 0], [0, 0, 0]])
    assert losses.heatmap_weighted_mse(target + 1, target).item() == pytest.approx((4 * 11 + 5) / 9)
    assert losses.heatmap_weighted_mse(target + 1, target, foreground=1.0).item() == pytest.approx((4 * 2 + 5) / 9)
    assert losses.heatmap_weighted_mse(target + 1, 0.2 * target, threshold=0.2).item() == pytest.approx(
        (1.8**2 + 8) / 9
    )


def test_heatmap_bce_by_hand() -> None:
    pred, target = maps([[0, math.log(3)]]), maps([[1, 0.25]])  # sigmoids 1/2 and 3/4
    expected = (math.log(2) - 0.25 * math.log(3 / 4) - 0.75 * math.log(1 / 4)) / 2
    assert losses.heatmap_bce(pred, target).item() == pytest.approx(expected)


def test_heatmap_focal_by_hand() -> None:
    pred, target = maps([[0, math.log(3), 0]]), maps([[1, 0.5, 0]])  # sigmoids 1/2, 3/4, 1/2
    peak = (1 / 2) ** 2 * math.log(2)
    near = (1 / 2) ** 4 * (3 / 4) ** 2 * math.log(4)
    far = (1 / 2) ** 2 * math.log(2)
    assert losses.heatmap_focal(pred, target).item() == pytest.approx(peak + near + far)
    # Of two equal peaks each counts half; a peak below 1 is still the peak; an empty map is all background.
    assert losses.heatmap_focal(0 * pred, maps([[0.8, 0.8, 0]])).item() == pytest.approx(3 / 4 * math.log(2) / 2)
    assert losses.heatmap_focal(0 * pred, 0 * target).item() == pytest.approx(3 / 4 * math.log(2))


def test_heatmap_cross_entropy_by_hand() -> None:
    target = maps([[1, 0], [0, 0]])
    assert losses.heatmap_cross_entropy(0 * target, target).item() == pytest.approx(math.log(4))
    assert losses.heatmap_cross_entropy(50 * target, target).item() == pytest.approx(0, abs=1e-12)


def test_divergences_by_hand() -> None:
    flat, half = maps([[0, 0, 0, 0]]), maps([[0.5, 0.5, 0, 0]])
    assert losses.heatmap_kl(flat, half).item() == pytest.approx(math.log(2))  # twice as likely, always
    # m = (3/8, 3/8, 1/8, 1/8): KL(t || m) = ln(4/3); KL(p || m) = ln(2/3) / 2 + ln(2) / 2.
    expected = (math.log(4 / 3) + math.log(2 / 3) / 2 + math.log(2) / 2) / 2
    assert losses.heatmap_js(flat, half).item() == pytest.approx(expected)
    apart = maps([[100.0, 0, 0, 0]])
    assert losses.heatmap_js(apart, maps([[0, 0, 0, 1.0]])).item() == pytest.approx(math.log(2))


def test_adaptive_wing_by_hand() -> None:
    pred, target = maps([[0.25]]), maps([[0.0]])
    plain = {"foreground": 0.0, "alpha": 3.0, "omega": 8.0}
    assert losses.adaptive_wing(pred, target, **plain).item() == pytest.approx(8 * math.log(1 + 1 / 64))
    # t = 1 leaves the power 2 and q = 1/4: A = 8 * 2 * (1/4) / (1/2 * 5/4) = 6.4, C = 3.2 - 8 ln(5/4).
    assert losses.adaptive_wing(maps([[2.0]]), maps([[1.0]]), **plain).item() == pytest.approx(3.2 + 8 * math.log(1.25))
    assert losses.adaptive_wing(maps([[2.0]]), maps([[1.0]]), alpha=3.0, omega=8.0).item() == pytest.approx(
        11 * (3.2 + 8 * math.log(1.25))
    )


def test_dsnt_regulariser_by_hand() -> None:
    target, size = points((2.2, 1.7)), (5, 6)
    bell = heatmap.gaussian(target, size, 1.3, normalize="sum")[0]
    assert losses.dsnt_regulariser(bell, target, sigma=1.3).item() == pytest.approx(0, abs=1e-12)
    # A map with nothing in common with a very narrow Gaussian at a pixel's centre.
    apart = maps([[0, 0, 0], [0, 0, 1.0]])
    assert losses.dsnt_regulariser(apart, points((0, 0)), sigma=0.05).item() == pytest.approx(math.log(2))


def test_dsnt_regulariser_takes_a_label_off_the_map_for_missing() -> None:
    pred = torch.full((1, 2, 3, 3), 1 / 9, dtype=torch.float64)
    target = points((1, 1), (3, 1))
    each = losses.dsnt_regulariser(pred, target, reduction="none")[0]
    assert each[0] > 0
    assert each[1] == 0
    assert losses.dsnt_regulariser(pred, target).item() == pytest.approx(each[0].item())


# Against references


def scalar_wing(x: float, w: float, e: float) -> float:
    return w * math.log(1 + x / e) if x < w else x - (w - w * math.log(1 + w / e))


def scalar_soft_wing(x: float, w1: float, w2: float, e: float) -> float:
    return x if x < w1 else w2 * math.log(1 + x / e) + (w1 - w2 * math.log(1 + w1 / e))


def scalar_rectified_wing(x: float, r: float, w: float, e: float) -> float:
    if x < r:
        return 0.0
    return w * math.log(1 + (x - r) / e) if x < w else x - (w - w * math.log(1 + (w - r) / e))


def scalar_smooth_l1(x: float, beta: float) -> float:
    return x * x / (2 * beta) if x < beta else x - beta / 2


@pytest.mark.parametrize(
    ("name", "reference", "options"),
    [
        ("mse", lambda x: x * x, {}),
        ("l1", lambda x: x, {}),
        ("smooth_l1", scalar_smooth_l1, {"beta": 3.0}),
        ("wing", scalar_wing, {"w": 6.0, "epsilon": 1.5}),
        ("soft_wing", scalar_soft_wing, {"omega1": 3.0, "omega2": 8.0, "epsilon": 0.7}),
        ("rectified_wing", scalar_rectified_wing, {"r": 1.0, "w": 6.0, "epsilon": 1.5}),
    ],
)
def test_point_losses_against_their_curves(
    name: str, reference: Callable[..., float], options: dict[str, float]
) -> None:
    values = batch(name, (3, 5))
    error = np.abs(values["pred"].numpy() - values["target"].numpy())
    assert error.min() < 1
    assert error.max() > 8  # every piece of every curve is met
    expected = np.vectorize(lambda x: reference(x, *options.values()))(error).mean(-1)
    found = losses.LOSSES[name](**values, **options, reduction="none").numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("name", ["smooth_l1", "wing", "soft_wing", "rectified_wing"])
def test_pieces_meet(name: str) -> None:
    for joint in {"smooth_l1": [1.0], "wing": [10.0], "soft_wing": [2.0], "rectified_wing": [0.5, 10.0]}[name]:
        below, above = (
            losses.LOSSES[name](points((x, x)), points((0, 0))).item() for x in (joint - 1e-9, joint + 1e-9)
        )
        assert below == pytest.approx(above, abs=1e-7)


def test_negative_log_likelihoods_against_densities() -> None:
    values = batch("laplace_nll", (3, 5))
    d, s = (values["pred"] - values["target"]).numpy(), np.exp(values["log_b"].numpy())[..., None]
    laplace = np.exp(-np.abs(d) / s) / (2 * s)
    normal = np.exp(-((d / s) ** 2) / 2) / (s * np.sqrt(2 * np.pi))
    inputs = values["pred"], values["target"]
    found = losses.laplace_nll(*inputs, log_b=values["log_b"], reduction="none").numpy()
    np.testing.assert_allclose(found, -np.log(laplace).mean(-1), rtol=1e-10)
    small = torch.full_like(values["log_b"], 1.0)  # exp(-(d / s)^2 / 2) must not underflow in the reference
    normal = np.exp(-((d / math.e) ** 2) / 2) / (math.e * np.sqrt(2 * np.pi))
    found = losses.gaussian_nll(*inputs, log_sigma=small, reduction="none").numpy()
    np.testing.assert_allclose(found, -np.log(normal).mean(-1), rtol=1e-10)


def pixel_weights(target: Array, foreground: float, threshold: float) -> Array:
    weights = np.ones_like(target)
    for place in np.ndindex(*target.shape):
        *lead, y, x = place
        if target[(*lead, slice(max(y - 1, 0), y + 2), slice(max(x - 1, 0), x + 2))].max() > threshold:
            weights[place] += foreground
    return weights


def test_adaptive_wing_against_the_paper() -> None:
    values = batch("adaptive_wing", (3, 5))
    y, guess = values["target"].numpy(), values["pred"].numpy()
    alpha, omega, e, theta = 2.3, 11.0, 0.8, 0.6
    slope = omega * (1 / (1 + (theta / e) ** (alpha - y))) * (alpha - y) * (theta / e) ** (alpha - y - 1) * (1 / e)
    offset = theta * slope - omega * np.log(1 + (theta / e) ** (alpha - y))
    d = np.abs(y - guess)
    expected = np.where(d < theta, omega * np.log(1 + (d / e) ** (alpha - y)), slope * d - offset)
    expected = (expected * pixel_weights(y, 4.0, 0.8)).mean((-2, -1))
    options = {"alpha": alpha, "omega": omega, "epsilon": e, "theta": theta, "foreground": 4.0, "threshold": 0.8}
    found = losses.adaptive_wing(**values, **options, reduction="none").numpy()
    assert 0.1 < (d < theta).mean() < 0.9
    assert 0.1 < (pixel_weights(y, 1.0, 0.8) > 1).mean() < 0.9
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_pixel_losses_against_numpy() -> None:
    values = batch("heatmap_focal", (3, 5))
    z, t = values["pred"].numpy(), values["target"].numpy()
    s = 1 / (1 + np.exp(-z))
    mse = (z - t) ** 2
    bce = -(t * np.log(s) + (1 - t) * np.log(1 - s))
    peak = t == t.max((-2, -1), keepdims=True)
    focal = np.where(peak, -((1 - s) ** 1.5) * np.log(s), -((1 - t) ** 3) * s**1.5 * np.log(1 - s))
    expected = {
        "heatmap_mse": mse.mean((-2, -1)),
        "heatmap_weighted_mse": (pixel_weights(t, 10.0, 0.2) * mse).mean((-2, -1)),
        "heatmap_bce": bce.mean((-2, -1)),
        "heatmap_focal": focal.sum((-2, -1)),
    }
    for name, value in expected.items():
        options = {"alpha": 1.5, "beta": 3.0} if name == "heatmap_focal" else {}
        found = losses.LOSSES[name](**values, **options, reduction="none").numpy()
        np.testing.assert_allclose(found, value, rtol=1e-12)


def numpy_softmax(z: Array) -> Array:
    e = np.exp(z - z.max((-2, -1), keepdims=True))
    soft: Array = e / e.sum((-2, -1), keepdims=True)
    return soft


def numpy_js(p: Array, t: Array) -> Array:
    m = (p + t) / 2
    js: Array = (p * np.log(p / m)).sum((-2, -1)) / 2 + (t * np.log(t / m)).sum((-2, -1)) / 2
    return js


def test_distribution_losses_against_numpy() -> None:
    values = batch("heatmap_kl", (3, 5))
    p, t = numpy_softmax(values["pred"].numpy()), values["target"].numpy()
    expected = {
        "heatmap_cross_entropy": -(t * np.log(p)).sum((-2, -1)),
        "heatmap_kl": (t * np.log(t / p)).sum((-2, -1)),
        "heatmap_js": numpy_js(p, t),
    }
    for name, value in expected.items():
        found = losses.LOSSES[name](**values, reduction="none").numpy()
        np.testing.assert_allclose(found, value, rtol=1e-9, atol=1e-12)


def test_dsnt_regulariser_against_numpy() -> None:
    values = batch("dsnt_regulariser", (3, 5))
    p, c = values["pred"].numpy(), values["target"].numpy()
    y, x = np.mgrid[:5, :6]
    bell = np.exp(-((x - c[..., 0, None, None]) ** 2 + (y - c[..., 1, None, None]) ** 2) / (2 * 1.5**2))
    expected = numpy_js(p, bell / bell.sum((-2, -1), keepdims=True))
    found = losses.dsnt_regulariser(**values, sigma=1.5, reduction="none").numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def star_reference(p: Array, target: Array, axes: Array | None = None) -> tuple[float, float, Array]:
    """Both parts of STAR of one map, and its axes; with ``axes`` given, along those."""
    height, width = p.shape
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    places = np.stack([x.ravel(), y.ravel()], -1)
    weights = p.ravel() / p.sum()
    mean = weights @ places
    label = 2 * target / (np.array([width, height]) - 1) - 1
    scatter = sum(w * np.outer(q - mean, q - mean) for w, q in zip(weights, places, strict=True))
    covariance = scatter / (1 - (weights**2).sum())
    if axes is None:
        axes = np.linalg.eigh(covariance)[1].T
    eigenvalues = np.array([v @ covariance @ v for v in axes])
    distances = np.array([scalar_smooth_l1(abs(v @ (label - mean)), 0.01) for v in axes])
    return float((distances / np.sqrt(eigenvalues + 1e-5)).sum()), float(eigenvalues.sum()), axes


def test_star_against_an_eigendecomposition() -> None:
    values = batch("star", (3, 5))
    found = losses.star(**values, w=0.7, reduction="none")
    for place in np.ndindex(3, 5):
        part, total, _ = star_reference(values["pred"][place].numpy(), values["target"][place].numpy())
        assert found[place].item() == pytest.approx(part + 0.7 * total, rel=1e-9)


def test_the_gradient_of_star_is_that_along_fixed_axes() -> None:
    values = batch("star", (1, 1))
    pred = values["pred"].requires_grad_()
    (gradient,) = torch.autograd.grad(losses.star(pred, values["target"], w=0.7), pred)
    p, label = pred[0, 0].detach().numpy(), values["target"][0, 0].numpy()
    axes = star_reference(p, label)[2]
    for place in np.ndindex(*p.shape):
        step = np.zeros_like(p)
        step[place] = 1e-6
        (up, wide, _), (down, narrow, _) = (star_reference(p + s, label, axes) for s in (step, -step))
        slope = (up - down + 0.7 * (wide - narrow)) / 2e-6
        assert gradient[0, 0][place].item() == pytest.approx(slope, rel=1e-5, abs=1e-7)


def test_detached_eigenvalues_have_no_gradient() -> None:
    # The target is the mean itself: only a division by eigenvalues could pull, and there is nothing to divide.
    values = batch("star", (1, 1))
    pred = values["pred"].requires_grad_()
    away = values["target"]
    held = torch.autograd.grad(losses.star(pred, away, w=0.0, detach=True), pred)[0]
    free = torch.autograd.grad(losses.star(pred, away, w=0.0), pred)[0]
    assert not torch.allclose(held, free)
    # Held, the gradient is that of the expectation alone, which is linear in x and y over the map (up to its sum).
    y, x = np.mgrid[:5, :6]
    plane = np.stack([np.ones(30), x.ravel(), y.ravel()], -1)
    rest = held.numpy().ravel() - plane @ np.linalg.lstsq(plane, held.numpy().ravel(), rcond=None)[0]
    assert np.abs(rest).max() < 1e-9


def test_star_forgives_what_lies_along_a_wide_map() -> None:
    bell = np.exp(-((np.arange(33) - 16) ** 2) / (2 * 4.0**2))
    thin = np.exp(-((np.arange(33) - 16) ** 2) / 2)
    wide = torch.from_numpy(np.outer(thin, bell))[None, None]  # along x
    along, across = (losses.star(wide, points(p)).item() for p in ((20, 16), (16, 20)))
    assert along < across
    # The penalty on width is the same for both, so it falls out of the difference.
    ratio = (across - losses.star(wide, points((16, 16))).item()) / (along - losses.star(wide, points((16, 16))).item())
    assert ratio == pytest.approx(4, rel=0.02)  # the standard deviations are 4 and 1


@pytest.mark.parametrize("alpha", [2.1, 3.0])
def test_adaptive_wing_is_smooth_at_its_joint(alpha: float) -> None:
    target = maps([[0.0, 0.3, 1.0]])
    pred = (target + 0.5).requires_grad_()
    sides = []
    for shift in (-1e-7, 1e-7):
        loss = losses.adaptive_wing(pred + shift, target, alpha=alpha)
        sides.append((loss.item(), torch.autograd.grad(loss, pred)[0]))
    assert sides[0][0] == pytest.approx(sides[1][0], rel=1e-5)
    torch.testing.assert_close(sides[0][1], sides[1][1], rtol=1e-4, atol=1e-6)


def test_heatmap_kl_and_cross_entropy_have_one_gradient() -> None:
    values = batch("heatmap_kl")
    slopes = []
    for loss in (losses.heatmap_kl, losses.heatmap_cross_entropy):
        pred = values["pred"].clone().requires_grad_()
        slopes.append(torch.autograd.grad(loss(pred, values["target"]), pred)[0])
    torch.testing.assert_close(slopes[0], slopes[1])


def test_a_zero_in_a_distribution_is_no_nan() -> None:
    target = maps([[1.0, 0, 0], [0, 0, 0]])
    for loss in (losses.heatmap_kl, losses.heatmap_js, losses.heatmap_cross_entropy):
        pred = torch.zeros_like(target).requires_grad_()
        value = loss(pred, target)
        value.backward()
        assert torch.isfinite(value)
        assert pred.grad is not None
        assert torch.isfinite(pred.grad).all()
