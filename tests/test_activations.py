"""What layers give, and which filters do nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from facekp import activations, models
from facekp.errors import ArgumentError


def chain() -> nn.Sequential:
    """Three filters of which the second never passes its ReLU, then two filters and a sum."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(inplace=True), nn.Conv2d(3, 2, 1), nn.Flatten(), nn.LazyLinear(4)
    )
    network(torch.zeros(2, 1, 6, 6))
    with torch.no_grad():
        network[0].weight.abs_()
        network[0].bias.zero_()
        network[1].bias[1] = -1e4
    return network


def test_a_filter_behind_a_closed_relu_is_dead() -> None:
    network, images = chain(), torch.rand(5, 1, 6, 6)
    found = activations.dead_filters(network, images, batch_size=2)
    assert list(found) == ["0", "3"]
    np.testing.assert_array_equal(found["0"], [False, True, False])
    np.testing.assert_array_equal(found["3"], [False, False])


def test_a_filter_that_lives_for_one_picture_lives() -> None:
    network = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU())
    with torch.no_grad():
        network[0].weight.fill_(1.0)
        network[0].bias.fill_(-0.5)
    dark, bright = torch.full((3, 1, 4, 4), 0.2), torch.full((1, 1, 4, 4), 0.9)
    assert activations.dead_filters(network, dark)["0"].tolist() == [True]
    assert activations.dead_filters(network, torch.cat([dark, bright]), batch_size=1)["0"].tolist() == [False]


def test_what_nothing_reads_is_dead_too_and_a_leak_keeps_alive() -> None:
    network = chain()
    with torch.no_grad():
        network[3].weight[0].zero_()
        network[3].weight[1].zero_()
    assert activations.dead_filters(network, torch.rand(2, 1, 6, 6))["0"].all()
    leaky = nn.Sequential(nn.Conv2d(1, 2, 3, bias=True), nn.LeakyReLU(0.1))
    with torch.no_grad():
        leaky[0].bias.fill_(-1e3)
    assert not activations.dead_filters(leaky, torch.rand(2, 1, 6, 6))["0"].any()


def test_the_network_stays_as_it_was() -> None:
    network = chain()
    network.train()
    network[1].eval()
    network[0].weight.requires_grad_(False)
    network[3].weight.grad = torch.ones_like(network[3].weight)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    images = torch.rand(2, 1, 6, 6)
    given = images.clone()
    activations.dead_filters(network, images)
    activations.feature_maps(network, "0", images)
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert [m.training for m in network.modules()] == [True, True, False, True, True, True, True]
    assert network[0].weight.grad is None
    assert not network[0].weight.requires_grad
    assert torch.equal(network[3].weight.grad, torch.ones_like(network[3].weight))
    assert torch.equal(images, given)
    assert not network[0]._forward_hooks


def test_residual_networks_and_lone_convolutions() -> None:
    network = models.create("resnet", points=3, head="regression", head_width=8)
    found = activations.dead_filters(network, torch.rand(2, 3, 32, 32))
    assert set(found) == set(activations.convolutions(network))
    assert found["trunk.conv1"].shape == (64,)
    assert list(activations.dead_filters(nn.Conv2d(1, 2, 3), torch.rand(1, 1, 4, 4))) == [""]


def test_feature_maps_are_what_the_layer_gives() -> None:
    network, images = chain().eval(), torch.rand(2, 1, 6, 6)
    # The norm and the ReLU in place that follow do not reach into the copy.
    torch.testing.assert_close(activations.feature_maps(network, "0", images), network[0](images))
    relu = activations.feature_maps(network, "2", images)
    assert (relu >= 0).all()
    assert relu.shape == (2, 3, 4, 4)
    assert not relu.requires_grad


def test_wrong_input() -> None:
    network = chain()
    with pytest.raises(ArgumentError, match=r"unknown layer 'nose'; choose one of: 0, 1, 2"):
        activations.feature_maps(network, "nose", torch.rand(1, 1, 6, 6))
    with pytest.raises(ArgumentError, match=r"layer '4': expected maps .* gives \(1, 32\)"):
        activations.feature_maps(network, "4", torch.rand(1, 1, 6, 6))

    class Lazy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.spare = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1)

        def forward(self, x: Tensor) -> tuple[Tensor]:
            return (self.used(x),)

    with pytest.raises(ArgumentError, match="does not run it"):
        activations.feature_maps(Lazy(), "spare", torch.rand(1, 1, 2, 2))
    assert activations.dead_filters(Lazy(), torch.rand(1, 1, 2, 2))["spare"].all()
    with pytest.raises(ArgumentError, match="0 convolutions"):
        activations.dead_filters(nn.ReLU(), torch.rand(1, 1, 2, 2))
    with pytest.raises(ArgumentError, match=r"\(0, 1, 6, 6\)"):
        activations.dead_filters(network, torch.rand(0, 1, 6, 6))
