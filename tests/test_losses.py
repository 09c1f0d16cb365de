"""What every loss promises: masks, weights, reductions, dtypes, gradients, errors.  For values: test_loss_values.py."""

from __future__ import annotations

import copy
import inspect
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_batches import LOGITS, MAP_AND_POINT, PIXELS, POINTS, SPREAD, batch, poisoned
from torch import Tensor

from facekp import losses
from facekp.errors import ArgumentError

NAN = float("nan")
NAMES = losses.names()
every_loss = pytest.mark.parametrize("name", NAMES)
MASK = torch.tensor([[True, False, True, True], [False, True, True, False]])


def call(name: str, values: dict[str, Tensor], **options: object) -> Tensor:
    return losses.LOSSES[name](**values, **options)


def value_and_gradient(name: str, values: dict[str, Tensor], **options: object) -> tuple[Tensor, Tensor]:
    pred = values["pred"].clone().requires_grad_()
    loss = call(name, {**values, "pred": pred}, **options)
    (gradient,) = torch.autograd.grad(loss.sum(), pred)
    return loss.detach(), gradient


def test_every_loss_is_tested() -> None:
    assert sorted(NAMES) == sorted([*POINTS, *PIXELS, *LOGITS, *MAP_AND_POINT])
    assert set(NAMES) == set(losses.LOSSES)


# Reductions


@every_loss
def test_reductions_agree(name: str) -> None:
    values = batch(name)
    each = call(name, values, mask=MASK, reduction="none")
    assert each.shape == (2, 4)
    assert (each[~MASK] == 0).all()
    assert (each[MASK] != 0).all()
    torch.testing.assert_close(call(name, values, mask=MASK, reduction="sum"), each.sum())
    torch.testing.assert_close(call(name, values, mask=MASK), each.sum() / 5)  # five are labelled


@every_loss
@pytest.mark.parametrize("shape", [(4,), (3, 2, 4), (1, 1)])
def test_any_leading_dimensions(name: str, shape: tuple[int, ...]) -> None:
    values = batch(name, shape)
    each = call(name, values, reduction="none")
    assert each.shape == shape
    flat = {key: value.reshape(-1, *value.shape[len(shape) :]) for key, value in values.items()}
    torch.testing.assert_close(call(name, flat, reduction="none"), each.flatten())


# Masks


@every_loss
def test_what_is_masked_matters_to_neither_value_nor_gradient(name: str) -> None:
    values = batch(name)
    expected, slope = value_and_gradient(name, values, mask=MASK)
    found, gradient = value_and_gradient(name, poisoned(values, MASK), mask=MASK)
    assert torch.equal(found, expected)
    assert torch.equal(gradient, slope)
    assert (gradient[~MASK] == 0).all()
    assert gradient[MASK].abs().amax() > 0


@every_loss
def test_the_mean_is_over_the_labelled_only(name: str) -> None:
    values = batch(name)
    alone = {key: value[MASK][None] for key, value in values.items()}
    torch.testing.assert_close(call(name, values, mask=MASK), call(name, alone))


@every_loss
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_without_labels_loss_and_gradient_are_zero(name: str, reduction: str) -> None:
    nothing = torch.zeros_like(MASK)
    weight = torch.full((2, 4), 2.0, dtype=torch.float64)
    for options in ({}, {"weight": weight}):
        loss, gradient = value_and_gradient(
            name, poisoned(batch(name), nothing), mask=nothing, reduction=reduction, **options
        )
        assert (loss == 0).all()
        assert (gradient == 0).all()


@pytest.mark.parametrize("name", [*POINTS, *MAP_AND_POINT])
def test_a_missing_label_counts_as_masked(name: str) -> None:
    values = batch(name)
    expected, slope = value_and_gradient(name, values, mask=MASK)
    missing = values["target"].clone()
    missing[..., 0][~MASK] = NAN  # one coordinate is enough
    values["target"] = missing
    for mask in (None, MASK, torch.ones_like(MASK)):
        found, gradient = value_and_gradient(name, values, mask=mask)
        assert torch.equal(found, expected)
        assert torch.equal(gradient, slope)


@pytest.mark.parametrize("name", SPREAD)
def test_a_missing_label_leaves_the_spread_alone(name: str) -> None:
    values = batch(name)
    values["target"][~MASK] = NAN
    spread = values[SPREAD[name]].requires_grad_()
    call(name, values).backward()
    assert spread.grad is not None
    assert (spread.grad[~MASK] == 0).all()
    assert (spread.grad[MASK] != 0).all()


@every_loss
@pytest.mark.parametrize("shape", [(0, 4), (2, 0), (0,)])
def test_an_empty_batch_gives_zero(name: str, shape: tuple[int, ...]) -> None:
    loss, gradient = value_and_gradient(name, batch(name, shape))
    assert loss.item() == 0
    assert gradient.shape[: len(shape)] == shape
    assert call(name, batch(name, shape), reduction="none").shape == shape


# Weights


@every_loss
def test_weights(name: str) -> None:
    values, weight = batch(name), torch.tensor([[1.0, 2.0, 0.0, 0.5], [3.0, 0.25, 1.0, 0.0]], dtype=torch.float64)
    each = call(name, values, mask=MASK, reduction="none")
    weighted = call(name, values, mask=MASK, weight=weight, reduction="none")
    torch.testing.assert_close(weighted, weight * each)
    torch.testing.assert_close(call(name, values, mask=MASK, weight=weight, reduction="sum"), (weight * each).sum())
    mean = (weight * each).sum() / (1 + 0 + 0.5 + 0.25 + 1)
    torch.testing.assert_close(call(name, values, mask=MASK, weight=weight), mean)
    torch.testing.assert_close(call(name, values, mask=MASK, weight=7 * weight), mean)
    poison = torch.where(MASK, weight, torch.full_like(weight, NAN))
    torch.testing.assert_close(call(name, values, mask=MASK, weight=poison), mean)


@every_loss
def test_a_weight_is_how_often_a_point_counts(name: str) -> None:
    values = batch(name, (1, 3))
    weight = torch.tensor([1.0, 0.0, 2.0])
    repeated = {key: value[:, [0, 2, 2]] for key, value in values.items()}
    torch.testing.assert_close(call(name, values, weight=weight), call(name, repeated))


@every_loss
def test_weights_of_zero_give_zero(name: str) -> None:
    loss, gradient = value_and_gradient(name, batch(name), weight=torch.zeros(4))
    assert loss.item() == 0
    assert (gradient == 0).all()


# Precision


def extreme(name: str, dtype: torch.dtype) -> dict[str, Tensor]:
    """As large as half precision holds, and of both signs where that makes sense."""
    big = 60000.0
    values = batch(name, dtype=dtype)
    sign = torch.where(torch.arange(values["pred"].numel()) % 2 == 0, big, -big).view_as(values["pred"]).to(dtype)
    if name in MAP_AND_POINT:
        return {"pred": sign.clamp_min(0), "target": values["target"]}
    if name in POINTS:
        values["target"] = -sign
        if name in SPREAD:  # wide, or the slope d / sigma^2 itself is more than half precision holds
            values[SPREAD[name]] = torch.full_like(values[SPREAD[name]], 5)
    return {**values, "pred": sign}


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_does_not_overflow(name: str, dtype: torch.dtype) -> None:
    for values in (batch(name, dtype=dtype), extreme(name, dtype)):
        loss, gradient = value_and_gradient(name, values)
        assert loss.dtype == torch.float32
        assert torch.isfinite(loss)
        assert gradient.dtype == dtype
        assert torch.isfinite(gradient).all()
        exact = call(name, {key: value.double() for key, value in values.items()})
        torch.testing.assert_close(loss.double(), exact, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SPREAD)
@pytest.mark.parametrize("log_spread", [-60000.0, 60000.0])
def test_half_precision_does_not_overflow_with_any_spread(name: str, log_spread: float) -> None:
    values = extreme(name, torch.float16)
    spread = torch.full((2, 4), log_spread, dtype=torch.float16, requires_grad=True)
    loss = call(name, {**values, SPREAD[name]: spread})
    assert torch.isfinite(loss)
    loss = call(name, {**values, "pred": values["target"], SPREAD[name]: spread})  # 0 / 0 where b underflows
    loss.backward()
    assert torch.isfinite(loss)
    assert spread.grad is not None
    assert torch.isfinite(spread.grad).all()


@every_loss
def test_autocast_changes_nothing(name: str) -> None:
    values = batch(name, dtype=torch.float32)
    expected = call(name, values)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(call(name, values), expected)


@every_loss
def test_float64_stays(name: str) -> None:
    assert call(name, batch(name)).dtype == torch.float64
    assert call(name, batch(name, dtype=torch.float32)).dtype == torch.float32
    single, double = call(name, batch(name, dtype=torch.float32)), call(name, batch(name))
    torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=1e-6)


# Gradients


@every_loss
def test_gradients_are_finite_at_the_target_and_far_from_it(name: str) -> None:
    values = batch(name)
    if name not in MAP_AND_POINT:
        for pred in (values["target"], values["target"] * 0, values["target"] + 1e6):
            assert torch.isfinite(value_and_gradient(name, {**values, "pred": pred})[1]).all()
        return
    one_pixel = torch.zeros_like(values["pred"])
    one_pixel[..., 2, 3] = 1
    for pred in (torch.ones_like(one_pixel), one_pixel, one_pixel * 0):
        assert torch.isfinite(value_and_gradient(name, {**values, "pred": pred})[1]).all()


@pytest.mark.parametrize("name", [n for n in NAMES if n != "star"])  # its axes have no gradient; see the values' tests
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_gradcheck(name: str, reduction: str) -> None:
    values, mask = batch(name, (1, 3)), MASK[:1, :3]
    weight = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)
    keys = ["pred", *([SPREAD[name]] if name in SPREAD else [])]

    def of(*inputs: Tensor) -> Tensor:
        given = dict(zip(keys, inputs, strict=True))
        return call(name, {**values, **given}, mask=mask, weight=weight, reduction=reduction)

    assert torch.autograd.gradcheck(of, tuple(values[key].clone().requires_grad_() for key in keys))


# Inputs


@every_loss
def test_no_input_is_changed(name: str) -> None:
    given_inputs = {**poisoned(batch(name), MASK), "mask": MASK.clone(), "weight": torch.rand(2, 4)}
    before = copy.deepcopy(given_inputs)
    call(name, {**given_inputs, "pred": given_inputs["pred"].requires_grad_()}).backward()
    for key, value in before.items():
        torch.testing.assert_close(given_inputs[key].detach(), value, rtol=0, atol=0, equal_nan=True)


@every_loss
def test_wrong_input_is_named(name: str) -> None:
    values = batch(name)
    wrong = [
        ({"target": values["target"][:1]}, {}, "target must"),
        ({}, {"mask": torch.ones(4, dtype=torch.bool)}, "mask must be .* got .4,"),
        ({}, {"mask": torch.ones(2, 4)}, "mask must be of torch.bool"),
        ({}, {"weight": torch.ones(3)}, "weight must broadcast .* got .3,"),
        ({}, {"weight": torch.ones(5, 2, 4)}, "weight must broadcast"),
        ({}, {"reduction": "average"}, "unknown reduction of .*average.*choose one of: mean, none, sum"),
        ({"pred": values["pred"].long()}, {}, "pred must hold floating-point numbers"),
        ({"pred": values["pred"].flatten(), "target": values["target"].flatten()}, {}, "pred must be"),
    ]
    for inputs, options, message in wrong:
        with pytest.raises(ArgumentError, match=message) as caught:
            call(name, {**values, **inputs}, **options)
        assert name in str(caught.value)


@pytest.mark.parametrize("name", SPREAD)
def test_a_spread_of_another_shape_is_named(name: str) -> None:
    values = batch(name)
    values[SPREAD[name]] = torch.zeros(2, 4, 1)
    with pytest.raises(ArgumentError, match=f"{SPREAD[name]} must be"):
        call(name, values)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("smooth_l1", {"beta": 0}, "beta must be positive, got 0"),
        ("wing", {"w": -1.0}, "w must be positive"),
        ("wing", {"epsilon": NAN}, "epsilon must be positive"),
        ("soft_wing", {"omega1": 0.0}, "omega1 must be positive"),
        ("soft_wing", {"omega2": 0.0}, "omega2 must be positive"),
        ("rectified_wing", {"r": 0.0}, "r must be positive"),
        ("rectified_wing", {"r": 10.0}, "r must be less than w"),
        ("star", {"beta": 0.0}, "beta must be positive"),
        ("star", {"w": -0.1}, "w must be 0 or more"),
        ("heatmap_weighted_mse", {"foreground": -1.0}, "foreground must be 0 or more"),
        ("heatmap_weighted_mse", {"threshold": 0.0}, "threshold must be positive"),
        ("heatmap_focal", {"alpha": 0.0}, "alpha must be positive"),
        ("adaptive_wing", {"alpha": 2.0}, "alpha must be more than 2"),
        ("adaptive_wing", {"theta": 0.0}, "theta must be positive"),
        ("adaptive_wing", {"foreground": -1.0}, "foreground must be 0 or more"),
        ("dsnt_regulariser", {"sigma": 0.0}, "sigma must be positive"),
    ],
)
def test_wrong_options_are_named(name: str, options: dict[str, float], message: str) -> None:
    with pytest.raises(ArgumentError, match=f"{name}: {message}"):
        call(name, batch(name), **options)
    with pytest.raises(ArgumentError, match=f"{name}: {message}"):  # a module says so before the first batch
        losses.create(name, **options)


# Modules


@every_loss
def test_a_module_is_its_function(name: str) -> None:
    values, module = batch(name), losses.create(name)
    assert type(module).__name__.lower() == name.replace("_", "")
    assert type(module).__name__ in losses.__all__
    assert torch.equal(module(**values), call(name, values))
    weight = torch.rand(2, 4)
    options = {"mask": MASK, "weight": weight}
    each = losses.create(name, reduction="none")
    assert torch.equal(each(**values, **options), call(name, values, **options, reduction="none"))
    assert not list(module.parameters())


@every_loss
def test_a_module_has_the_options_of_its_function(name: str) -> None:
    shared = {"pred", "target", "mask", "weight", *SPREAD.values()}
    of_function = {
        key: p.default for key, p in inspect.signature(losses.LOSSES[name]).parameters.items() if key not in shared
    }
    of_module = {
        key: p.default
        for key, p in inspect.signature(type(losses.create(name)).__init__).parameters.items()
        if key != "self"
    }
    assert of_module == of_function


def test_a_module_keeps_its_options() -> None:
    module = losses.create("wing", w=5.0, reduction="sum")
    assert repr(module) == "Wing(w=5.0, epsilon=2.0, reduction='sum')"
    values = batch("wing")
    expected = losses.wing(**values, w=5.0, reduction="sum")
    for other in (
        module,
        copy.deepcopy(module),
        pickle.loads(pickle.dumps(module)),
        losses.Wing(w=5.0, reduction="sum"),
    ):
        assert torch.equal(other(**values), expected)


def test_unknown_names_and_options() -> None:
    with pytest.raises(ArgumentError, match="unknown loss 'wings'; choose one of: adaptive_wing, .*wing"):
        losses.create("wings")
    with pytest.raises(ArgumentError, match="loss wing: .*beta"):
        losses.create("wing", beta=1.0)
    with pytest.raises(ArgumentError, match="unknown reduction of Wing 'all'"):
        losses.create("wing", reduction="all")


# Properties

sizes = st.floats(-40, 40, allow_nan=False, width=32)
without_spread = pytest.mark.parametrize("name", [n for n in POINTS if n not in SPREAD])


def point(x: float, y: float) -> Tensor:
    return torch.tensor([[[x, y]]], dtype=torch.float64)


@without_spread
@settings(max_examples=25, deadline=None)
@given(a=st.tuples(sizes, sizes), b=st.tuples(sizes, sizes), shift=sizes)
def test_point_losses_are_distances(name: str, a: tuple[float, float], b: tuple[float, float], shift: float) -> None:
    p, q, loss = point(*a), point(*b), losses.LOSSES[name]
    assert loss(p, p).item() == 0
    assert loss(p, q).item() >= 0
    assert loss(p, q).item() == loss(q, p).item()
    assert loss(p, q).item() == loss(p.flip(-1), q.flip(-1)).item()
    torch.testing.assert_close(loss(p + shift, q + shift), loss(p, q))


@without_spread
@settings(max_examples=25, deadline=None)
@given(near=st.floats(0, 60), further=st.floats(0, 60))
def test_point_losses_grow_with_the_error(name: str, near: float, further: float) -> None:
    loss, zero = losses.LOSSES[name], point(0, 0)
    low, high = sorted([near, further])
    assert loss(point(low, low), zero).item() <= loss(point(high, high), zero).item() + 1e-12


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), width=st.floats(0.1, 10))
def test_divergences(seed: int, width: float) -> None:
    random = torch.Generator().manual_seed(seed)
    z, goal = (width * torch.randn(1, 1, 4, 5, generator=random, dtype=torch.float64) for _ in range(2))
    p, t = (m.flatten(-2).softmax(-1).view_as(m) for m in (z, goal))
    js = losses.heatmap_js(z, t)
    assert 0 <= js.item() <= torch.log(torch.tensor(2.0)).item() + 1e-12
    torch.testing.assert_close(js, losses.heatmap_js(goal, p))
    for loss in (losses.heatmap_kl, losses.heatmap_js):
        assert loss(z, t).item() >= -1e-12
        assert loss(goal, t).item() == pytest.approx(0, abs=1e-12)
        torch.testing.assert_close(loss(z + 3, t), loss(z, t))  # a softmax forgets a constant
    entropy = -(t * t.log()).sum()
    torch.testing.assert_close(losses.heatmap_cross_entropy(z, t), losses.heatmap_kl(z, t) + entropy)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), sharp=st.floats(0.1, 5))
def test_star_and_dsnt_do_not_care_which_axis_is_which(seed: int, sharp: float) -> None:
    random = torch.Generator().manual_seed(seed)
    maps = (sharp * torch.randn(1, 2, 30, generator=random, dtype=torch.float64)).softmax(-1).view(1, 2, 5, 6)
    target = torch.rand(1, 2, 2, generator=random, dtype=torch.float64) * 4
    for loss in (losses.star, losses.dsnt_regulariser):
        torch.testing.assert_close(loss(maps.mT, target.flip(-1)), loss(maps, target))
        torch.testing.assert_close(loss(3 * maps, target), loss(maps, target))  # divided by its sum
        mirrored = torch.stack([5 - target[..., 0], target[..., 1]], -1)
        torch.testing.assert_close(loss(maps.flip(-1), mirrored), loss(maps, target))
