"""Losses: values by hand, masks, gradients."""

from __future__ import annotations

import math

import pytest
import torch

from facekp import losses
from facekp.losses.points import masked_mean

NAN = float("nan")
POINT_LOSSES = {"l1": losses.l1, "smooth_l1": losses.smooth_l1}
each_point_loss = pytest.mark.parametrize("name", POINT_LOSSES)


def test_l1_by_hand() -> None:
    prediction = torch.tensor([[[0.0, 0.0], [3.0, 4.0]]])
    target = torch.tensor([[[1.0, -2.0], [3.0, 5.0]]])
    assert losses.l1(prediction, target, torch.tensor([[True, True]])).item() == 1.0  # (1 + 2 + 0 + 1) / 4
    assert losses.l1(prediction, target, torch.tensor([[True, False]])).item() == 1.5
    assert losses.l1(prediction, target, torch.tensor([[False, True]])).item() == 0.5


def test_smooth_l1_by_hand() -> None:
    prediction, mask = torch.tensor([[[0.5, 3.0]]]), torch.tensor([[True]])
    zero = torch.zeros(1, 1, 2)
    assert losses.smooth_l1(prediction, zero, mask).item() == pytest.approx((0.125 + 2.5) / 2)
    assert losses.smooth_l1(prediction, zero, mask, beta=2.0).item() == pytest.approx((0.0625 + 2) / 2)
    torch.manual_seed(0)
    x, y, every = torch.randn(4, 5, 2), torch.randn(4, 5, 2), torch.ones(4, 5, dtype=torch.bool)
    expected = torch.nn.functional.smooth_l1_loss(x, y, beta=0.3)
    torch.testing.assert_close(losses.smooth_l1(x, y, every, beta=0.3), expected)


def test_cross_entropy_is_minus_t_log_softmax() -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(2, 3, 4, 5), torch.rand(2, 3, 20).softmax(-1).view(2, 3, 4, 5)
    mask = torch.tensor([[True, True, False], [False, True, True]])
    per_map = -(target.flatten(-2) * torch.log_softmax(logits.flatten(-2), -1)).sum(-1)
    torch.testing.assert_close(losses.cross_entropy(logits, target, mask), per_map[mask].mean())


def test_cross_entropy_by_hand() -> None:
    target = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])
    mask = torch.tensor([[True]])
    assert losses.cross_entropy(torch.zeros(1, 1, 2, 2), target, mask).item() == pytest.approx(math.log(4))
    sure = torch.tensor([[[[50.0, 0.0], [0.0, 0.0]]]])
    assert losses.cross_entropy(sure, target, mask).item() == pytest.approx(0, abs=1e-6)


def test_cross_entropy_is_least_at_the_target() -> None:
    torch.manual_seed(0)
    target = torch.rand(1, 2, 12).softmax(-1).view(1, 2, 3, 4)
    mask = torch.ones(1, 2, dtype=torch.bool)
    entropy = -(target * target.log()).sum((-2, -1)).mean()
    torch.testing.assert_close(losses.cross_entropy(target.log(), target, mask), entropy)
    assert losses.cross_entropy(target.log() + torch.randn_like(target), target, mask) > entropy


def test_a_mean_over_nothing_is_zero() -> None:
    assert masked_mean(torch.tensor([NAN, 3.0]), torch.tensor([False, False])).item() == 0
    assert masked_mean(torch.tensor([NAN, 3.0, 5.0]), torch.tensor([False, True, True])).item() == 4


@each_point_loss
def test_a_missing_target_never_reaches_the_gradient(name: str) -> None:
    prediction = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]], requires_grad=True)
    target = torch.tensor([[[0.0, 0.0], [NAN, NAN], [NAN, 1.0]]])
    loss = POINT_LOSSES[name](prediction, target, torch.isfinite(target).all(-1))
    loss.backward()
    assert torch.isfinite(loss)
    assert prediction.grad is not None
    assert (prediction.grad[0, 0] > 0).all()
    assert (prediction.grad[0, 1:] == 0).all()


@each_point_loss
def test_a_masked_point_changes_nothing(name: str) -> None:
    torch.manual_seed(0)
    prediction, target = torch.randn(2, 4, 2), torch.randn(2, 4, 2)
    mask = torch.tensor([[True, False, True, True], [True, True, False, False]])
    value = POINT_LOSSES[name](prediction, target, mask)
    other = torch.where(mask[..., None], target, torch.full_like(target, 1e6))
    assert torch.equal(value, POINT_LOSSES[name](prediction, other, mask))
    alone = POINT_LOSSES[name](prediction[mask][None], target[mask][None], torch.ones(1, 5, dtype=torch.bool))
    torch.testing.assert_close(value, alone)


@each_point_loss
def test_without_labels_loss_and_gradient_are_zero(name: str) -> None:
    prediction = torch.randn(2, 3, 2, requires_grad=True)
    loss = POINT_LOSSES[name](prediction, torch.full((2, 3, 2), NAN), torch.zeros(2, 3, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert prediction.grad is not None
    assert (prediction.grad == 0).all()


@each_point_loss
def test_gradients_of_point_losses(name: str) -> None:
    torch.manual_seed(0)
    prediction = torch.randn(2, 3, 2, dtype=torch.float64, requires_grad=True)
    target, mask = torch.randn(2, 3, 2, dtype=torch.float64), torch.tensor([[True, False, True], [True, True, True]])
    assert torch.autograd.gradcheck(lambda p: POINT_LOSSES[name](p, target, mask), prediction)


def test_gradients_of_cross_entropy() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    target = torch.rand(2, 2, 9, dtype=torch.float64).softmax(-1).view(2, 2, 3, 3)
    mask = torch.tensor([[True, False], [True, True]])
    assert torch.autograd.gradcheck(lambda z: losses.cross_entropy(z, target, mask), logits)
    losses.cross_entropy(logits, target, mask).backward()
    assert logits.grad is not None
    assert (logits.grad[0, 1] == 0).all()
