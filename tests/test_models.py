"""One contract for every network and head."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from facekp import models
from facekp.errors import ArgumentError, HubError
from facekp.models import resnet

POINTS = 5
CASES = [(name, head) for name in models.NETWORKS for head in resnet.HEADS]
everyone = pytest.mark.parametrize(("name", "head"), CASES)


def create(name: str, head: str, **options: object) -> nn.Module:
    """A small network whose weights are all random, so that its answer depends on the picture."""
    torch.manual_seed(0)
    network = models.create(name, **{"points": POINTS, "head": head, "head_width": 8, **options})
    with torch.no_grad():
        for parameter in network.head.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return network


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def expected(network: nn.Module, batch: int, height: int, width: int) -> tuple[int, ...]:
    if network.output == "vector":
        return (batch, 2 * POINTS)
    return (batch, POINTS, height // network.stride, width // network.stride)


@everyone
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(64, 64), (32, 96), (96, 32)])
def test_forward_and_backward(name: str, head: str, channels: int, height: int, width: int) -> None:
    network = create(name, head, in_channels=channels)
    output = network(torch.randn(2, channels, height, width))
    assert output.shape == expected(network, 2, height, width)
    output.square().mean().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key
        assert parameter.grad.abs().sum() > 0, key


@everyone
def test_one_picture_is_answered_alone_as_in_a_batch(name: str, head: str) -> None:
    network = create(name, head).eval()
    pictures = torch.randn(3, 3, 64, 64)
    with torch.inference_mode():
        together = network(pictures)
        alone = network(pictures[1:2])
    assert alone.shape == expected(network, 1, 64, 64)
    torch.testing.assert_close(alone[0], together[1], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(together[0], together[1])


@everyone
def test_saved_and_loaded_it_answers_the_same(name: str, head: str, tmp_path: Path) -> None:
    network = create(name, head)
    network(torch.randn(4, 3, 64, 64))  # moves the running statistics
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    options = {"name": name, "points": POINTS, "head": head, "head_width": 8}
    again = models.from_config(options)
    again.load_state_dict(load_file(tmp_path / "model.safetensors"), strict=True)
    picture = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(again.eval()(picture), network.eval()(picture))
    assert options["name"] == name  # the config is not used up


@everyone
def test_it_can_be_built_without_memory(name: str, head: str) -> None:
    with torch.device("meta"):
        network = models.create(name, points=68, head=head)
    assert all(p.is_meta for p in network.parameters())
    assert network(torch.empty(2, 3, 128, 128, device="meta")).shape[0] == 2
    assert models.parameters(network) > 1e6


@everyone
def test_a_depth_is_a_depth(name: str, head: str) -> None:
    with torch.device("meta"):
        counts = [models.parameters(models.create(name, points=POINTS, head=head, depth=d)) for d in (18, 34)]
    assert counts[0] < counts[1]


@pytest.mark.slow
@everyone
def test_onnx_gives_the_same(name: str, head: str, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    network = create(name, head).eval()
    file = tmp_path / "network.onnx"
    batch = {0: torch.export.Dim("batch", min=1, max=64)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.randn(2, 3, 32, 32),),
            file,
            input_names=["pictures"],
            dynamic_shapes=(batch,),
            dynamo=True,
            verbose=False,
        )
    session = runtime.InferenceSession(file, providers=["CPUExecutionProvider"])
    for count in (1, 3):
        pictures = torch.randn(count, 3, 32, 32)
        with torch.inference_mode():
            mine = network(pictures)
        (its,) = session.run(None, {"pictures": pictures.numpy()})
        np.testing.assert_allclose(its, mine.numpy(), atol=1e-4, rtol=1e-4)


def test_a_regression_head_starts_in_the_middle_of_the_picture() -> None:
    network = models.create("resnet", points=POINTS, head="regression").eval()
    assert (network(torch.randn(1, 3, 32, 32)) == 0.5).all()


def test_layer_names_are_those_of_torchvision() -> None:
    from torchvision.models import resnet18

    with torch.device("meta"):
        theirs = {k: v.shape for k, v in resnet18().state_dict().items() if not k.startswith("fc.")}
        mine = {k: v.shape for k, v in models.create("resnet", points=1).trunk.state_dict().items()}
    assert mine == theirs


def test_imagenet_weights_that_cannot_be_had_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("torchvision.models.get_model", refuse)
    with pytest.raises(HubError, match=r"resnet18 could not be downloaded \(no network\).*pretrained: false"):
        models.create("resnet", points=1, pretrained=True)


@pytest.mark.parametrize("channels", [1, 3])
def test_imagenet_weights_fill_the_trunk(channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.models import resnet18

    source = resnet18()
    monkeypatch.setattr("torchvision.models.get_model", lambda *_, **__: source)
    network = models.create("resnet", points=1, pretrained=True, in_channels=channels)
    theirs = source.conv1.weight if channels == 3 else source.conv1.weight.sum(1, keepdim=True)
    assert torch.equal(network.trunk.conv1.weight, theirs)
    assert torch.equal(network.trunk.layer4[1].conv2.weight, source.layer4[1].conv2.weight)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"name": "resnett", "points": 1}, "unknown network 'resnett'; choose one of: resnet"),
        ({"name": "resnet", "points": 1, "depth": 19}, "depth 19; choose one of: 18, 34"),
        ({"name": "resnet", "points": 1, "head": "maps"}, "head 'maps'; choose one of: heatmap, regression"),
        ({"name": "resnet", "points": 0}, "must be positive"),
        ({"name": "resnet"}, "network resnet:.*points"),
        ({"name": "resnet", "points": 1, "width": 3}, "network resnet:.*width"),
        ({"points": 1}, "no name"),
    ],
)
def test_wrong_options_are_explained(options: dict[str, object], says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        models.from_config(options)
