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
from facekp.models import heads

POINTS = 5
CASES: dict[str, dict[str, object]] = {
    "heatmap": {"name": "resnet", "head": "heatmap", "head_width": 8},
    "heatmap, stride 8": {"name": "resnet", "head": "heatmap", "head_width": 8, "stride": 8},
    "heatmap, stride 32": {"name": "resnet", "head": "heatmap", "head_width": 8, "stride": 32, "outputs": 7},
    "regression": {"name": "resnet", "head": "regression", "head_width": 8},
    "regression, more": {"name": "resnet", "head": "regression", "head_width": 8, "outputs": 30},
    "simcc": {"name": "resnet", "head": "simcc", "head_width": 8, "outputs": POINTS * 12},
    "unet": {"name": "unet", "channels": [8, 16, 16], "convs": 1, "stride": 2},
    "unet, more": {"name": "unet", "channels": [8, 16], "convs": 1, "stride": 4, "outputs": 7},
}
everyone = pytest.mark.parametrize("case", CASES)


def options(case: str, height: int = 64, width: int = 64) -> dict[str, object]:
    more = {"input_size": [height, width]} if case == "simcc" else {}
    return CASES[case] | {"points": POINTS} | more


def create(case: str, height: int = 64, width: int = 64, **more: object) -> nn.Module:
    """A small network whose weights are all random, so that its answer depends on the picture."""
    torch.manual_seed(0)
    network = models.from_config(options(case, height, width) | more)
    with torch.no_grad():
        for key, parameter in network.named_parameters():
            if not key.startswith("trunk."):
                parameter.add_(0.05 * torch.randn_like(parameter))
    return network


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def expected(network: nn.Module, case: str, batch: int, height: int = 64, width: int = 64) -> tuple[int, ...]:
    usual = POINTS if network.output == "heatmap" else 2 * POINTS
    outputs = CASES[case].get("outputs", usual)
    if network.output == "vector":
        return (batch, outputs)
    return (batch, outputs, height // network.stride, width // network.stride)


def test_every_network_and_head_is_tested_here() -> None:
    assert {case["name"] for case in CASES.values()} == set(models.NETWORKS)
    assert {case.get("head") for case in CASES.values()} >= set(heads.HEADS)


@everyone
@pytest.mark.parametrize(("channels", "height", "width"), [(1, 64, 64), (3, 32, 96), (3, 96, 32)])
def test_forward_and_backward(case: str, channels: int, height: int, width: int) -> None:
    network = create(case, height, width, in_channels=channels)
    output = network(torch.randn(2, channels, height, width))
    assert output.shape == expected(network, case, 2, height, width)
    output.square().mean().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key
        assert parameter.grad.abs().sum() > 0, key


@everyone
def test_one_picture_is_answered_alone_as_in_a_batch(case: str) -> None:
    network = create(case).eval()
    pictures = torch.randn(3, 3, 64, 64)
    with torch.inference_mode():
        together = network(pictures)
        alone = network(pictures[1:2])
    assert alone.shape == expected(network, case, 1)
    torch.testing.assert_close(alone[0], together[1], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(together[0], together[1])


@everyone
def test_saved_and_loaded_it_answers_the_same(case: str, tmp_path: Path) -> None:
    network = create(case)
    network(torch.randn(4, 3, 64, 64))  # moves the running statistics
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    config = options(case)
    again = models.from_config(config)
    again.load_state_dict(load_file(tmp_path / "model.safetensors"), strict=True)
    picture = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(again.eval()(picture), network.eval()(picture))
    assert config == options(case)  # the config is not used up


@everyone
def test_it_can_be_built_without_memory(case: str) -> None:
    with torch.device("meta"):
        network = models.from_config(options(case))
    assert all(p.is_meta for p in network.parameters())
    assert network(torch.empty(2, 3, 64, 64, device="meta")).shape == expected(network, case, 2)
    assert models.parameters(network) > 1e3


@pytest.mark.parametrize("head", heads.HEADS)
def test_a_depth_is_a_depth(head: str) -> None:
    with torch.device("meta"):
        counts = [models.parameters(create(head, depth=d)) for d in (18, 34)]
    assert counts[0] < counts[1]


@pytest.mark.slow
@everyone
def test_onnx_gives_the_same(case: str, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    network = create(case, 32, 32).eval()
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


def test_simcc_has_two_bins_per_pixel_unless_told() -> None:
    network = models.create("resnet", points=2, head="simcc", input_size=(32, 64)).eval()
    assert network(torch.randn(1, 3, 32, 64)).shape == (1, 2 * 2 * 96)


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
    ("config", "says"),
    [
        ({"name": "resnett", "points": 1}, "unknown network 'resnett'; choose one of: resnet, unet"),
        ({"name": "resnet", "points": 1, "depth": 19}, "depth 19; choose one of: 18, 34"),
        ({"name": "resnet", "points": 1, "head": "maps"}, "head 'maps'; choose one of: heatmap, regression, simcc"),
        ({"name": "resnet", "points": 0}, "must be positive"),
        ({"name": "resnet"}, "network resnet:.*points"),
        ({"name": "resnet", "points": 1, "width": 3}, "network resnet:.*width"),
        ({"name": "resnet", "points": 1, "stride": 2}, "stride 2; choose one of: 16, 32, 4, 8"),
        ({"name": "resnet", "points": 1, "head": "regression", "stride": 8}, "network resnet:.*stride"),
        ({"name": "resnet", "points": 1, "head": "simcc"}, r"head simcc: input_size \(H, W\) is missing"),
        (
            {"name": "resnet", "points": 3, "head": "simcc", "input_size": [32, 32], "outputs": 7},
            "head simcc: outputs must be a multiple of 3 points, got 7",
        ),
        ({"points": 1}, "no name"),
    ],
)
def test_wrong_options_are_explained(config: dict[str, object], says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        models.from_config(config)
