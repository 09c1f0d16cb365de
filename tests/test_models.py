"""One contract for every network and head."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from facekp import hub, models
from facekp.errors import ArgumentError, HubError
from facekp.models import heads
from facekp.models.resnet import BasicBlock, Trunk

POINTS = 5
SMALL = {"name": "resnet", "head_width": 8}
MOBILE = {"name": "mobile", "width": 0.25}
FOUR = {"name": "simple", "channels": [4, 8, 8, 4], "pool": [2, 2, 0, 2]}
CASES: dict[str, dict[str, Any]] = {
    "heatmap": SMALL | {"head": "heatmap"},
    "heatmap, stride 32": SMALL | {"head": "heatmap", "stride": 32, "outputs": 7},
    "heatmap, small first": SMALL | {"head": "heatmap", "first_kernel": 3, "first_pool": False},
    "regression": SMALL | {"head": "regression"},
    "linear": {"name": "resnet", "head": "linear", "first_kernel": 5, "outputs": 7},
    "simcc": SMALL | {"head": "simcc", "outputs": POINTS * 12},
    "bottlenecks": SMALL | {"depth": 50, "head": "regression"},
    "mobile": MOBILE | {"head": "heatmap"},
    "mobile, regression": MOBILE | {"head": "regression", "head_width": 8},
    "mobile, linear": MOBILE | {"head": "linear", "outputs": 7},
    "mobile, simcc": MOBILE | {"head": "simcc", "head_width": 8},
    "unet": {"name": "unet", "channels": [8, 16, 16], "convs": 1, "stride": 2},
    "unet, more": {"name": "unet", "channels": [8, 16], "convs": 1, "stride": 4, "outputs": 7},
    "resnet_unet": {"name": "resnet_unet", "channels": [16, 8, 8, 8, 4], "convs": 1},
    "resnet_unet, stride 4": {"name": "resnet_unet", "channels": [16, 8, 8, 8, 4], "stride": 4, "outputs": 7},
    "simple": FOUR | {"hidden": [12, 8], "activation": "leaky_relu"},
    "simple, same": FOUR | {"kernels": [5, 4, 3, 2], "padding": "same", "hidden": []},
    "simple, strides": FOUR | {"kernels": 5, "strides": [2, 1, 1, 1], "padding": 2, "pool": 0, "outputs": 7},
    "simple, norm": FOUR | {"kernels": 2, "pool_kind": "average", "activation": "tanh", "batch_norm": True},
    "simple, dropout": FOUR | {"dropout": 0.3, "dropout_at": ["features", "hidden", "output"], "activation": "elu"},
}
MULTIPLES = {"unet": 8, "unet, more": 8}  # of what an input's sides must be; others take any size
LARGE = {"bottlenecks", "heatmap, stride 32", "heatmap, small first", "resnet_unet, stride 4"}
everyone = pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[pytest.mark.slow] if case in LARGE else []) for case in CASES]
)


def options(case: str, height: int = 64, width: int = 64) -> dict[str, Any]:
    return CASES[case] | {"points": POINTS, "input_size": [height, width]}


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
    usual = {"heatmap": POINTS, "vector": 2 * POINTS}[network.output]
    if CASES[case].get("head") == "simcc":
        usual = POINTS * 2 * (height + width)
    outputs = CASES[case].get("outputs", usual)
    if network.output == "vector":
        return (batch, outputs)
    return (batch, outputs, -(-height // network.stride), -(-width // network.stride))


def test_every_network_and_head_is_tested_here() -> None:
    assert {case["name"] for case in CASES.values()} == set(models.NETWORKS)
    for name in ("resnet", "mobile"):
        assert {case.get("head") for case in CASES.values() if case["name"] == name} >= set(heads.HEADS)


@everyone
@pytest.mark.parametrize(("channels", "height", "width"), [(1, 64, 64), (3, 32, 96)])
def test_forward_and_backward(case: str, channels: int, height: int, width: int) -> None:
    network = create(case, height, width, in_channels=channels)
    assert network.in_channels == channels
    output = network(torch.randn(2, channels, height, width))
    assert output.shape == expected(network, case, 2, height, width)
    output.square().mean().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key
        assert parameter.grad.abs().sum() > 0, key


@pytest.mark.parametrize("case", MULTIPLES)
def test_sizes_that_do_not_fit_are_refused(case: str) -> None:
    with pytest.raises(ArgumentError, match=r"input_size: .* multiples of 8; got \(45, 64\)"):
        create(case, 45, 64)
    with pytest.raises(ArgumentError, match=r"multiples of 8; got \(64, 50\)"):
        create(case)(torch.zeros(1, 3, 64, 50))


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
    config = {"type": "keypoints", "name": "it", "network": options(case)}
    hub.save(tmp_path, network, config, half=False)
    bundle = hub.load(tmp_path, kind="keypoints")
    again = hub.network_of(lambda: models.from_config(bundle.config["network"]), bundle)
    picture = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(again(picture), network.eval()(picture))
    assert bundle.config["network"] == options(case)  # the config is not used up


@everyone
def test_built_without_memory_and_for_any_size_that_is_legal(case: str) -> None:
    size = (56, 72) if case in MULTIPLES else (45, 67)
    with torch.device("meta"):
        network = models.from_config(options(case, *size))
    assert all(p.is_meta for p in network.parameters())
    assert network(torch.empty(2, 3, *size, device="meta")).shape == expected(network, case, 2, *size)
    assert models.parameters(network) > 1e3


@pytest.mark.parametrize("head", heads.HEADS)
def test_a_depth_is_a_depth(head: str) -> None:
    with torch.device("meta"):
        counts = [models.parameters(create(head, depth=d)) for d in (18, 26, 34, 50)]
    assert counts == sorted(set(counts))


@pytest.mark.slow
@everyone
def test_it_can_be_exported(case: str) -> None:
    network, pictures = create(case).eval(), torch.randn(3, 3, 64, 64)
    batch = {0: torch.export.Dim("batch", min=1, max=64)}
    exported = torch.export.export(network, (pictures[:2],), dynamic_shapes=(batch,)).module()
    with torch.inference_mode():
        torch.testing.assert_close(exported(pictures), network(pictures), atol=1e-5, rtol=1e-5)


ONNX = ("heatmap", "simcc", "mobile", "unet", "resnet_unet", "simple, same", "simple, norm")


@pytest.mark.slow
@pytest.mark.parametrize("case", ONNX)
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


@pytest.mark.parametrize("case", ["mobile, regression", "mobile, linear", "simple", "simple, same"])
def test_coordinates_start_in_the_middle_of_the_picture(case: str) -> None:
    network = models.from_config(options(case)).eval()
    assert (network(torch.randn(1, 3, 64, 64)) == 0.5).all()


def test_simcc_has_two_bins_per_pixel_unless_told() -> None:
    network = models.create("resnet", points=2, head="simcc", input_size=(32, 64)).eval()
    assert network(torch.randn(1, 3, 32, 64)).shape == (1, 2 * 2 * 96)


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_layer_names_are_those_of_torchvision(depth: int) -> None:
    from torchvision.models import get_model

    with torch.device("meta"):
        theirs = {k: v.shape for k, v in get_model(f"resnet{depth}").state_dict().items() if not k.startswith("fc.")}
        mine = {k: v.shape for k, v in models.create("resnet", points=1, depth=depth).trunk.state_dict().items()}
    assert mine == theirs


@pytest.mark.parametrize("depth", [18, 50])
def test_a_trunk_computes_what_torchvision_computes(depth: int) -> None:
    from torchvision.models import get_model

    torch.manual_seed(0)
    theirs, mine = get_model(f"resnet{depth}").eval(), Trunk(depth).eval()
    mine.load_state_dict({k: v for k, v in theirs.state_dict().items() if not k.startswith("fc.")})
    theirs.fc = nn.Identity()
    picture = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(mine(picture)[-1].mean((-2, -1)), theirs(picture))


def test_a_resnet_of_26_layers_has_2_3_4_3_basic_blocks() -> None:
    with torch.device("meta"):
        trunk = Trunk(26)
    assert [len(trunk.get_submodule(f"layer{i}")) for i in (1, 2, 3, 4)] == [2, 3, 4, 3]
    assert all(isinstance(block, BasicBlock) for i in (1, 2, 3, 4) for block in trunk.get_submodule(f"layer{i}"))
    convolutions = [k for k, m in trunk.named_modules() if isinstance(m, nn.Conv2d) and "downsample" not in k]
    assert len(convolutions) + 1 == 26  # and one linear layer


@pytest.mark.parametrize(
    ("first", "strides"),
    [
        ({}, (4, 8, 16, 32)),
        ({"first_kernel": 5}, (4, 8, 16, 32)),
        ({"first_pool": False}, (2, 4, 8, 16)),
        ({"first_kernel": 3, "first_stride": 1, "first_pool": False}, (1, 2, 4, 8)),
        ({"first_stride": 4, "first_pool": False}, (4, 8, 16, 32)),
    ],
)
def test_the_first_layers_set_the_strides(first: dict[str, Any], strides: tuple[int, ...]) -> None:
    with torch.device("meta"):
        trunk = Trunk(18, **first)
        stages = trunk(torch.empty(1, 3, 64, 32))
    assert trunk.strides == strides
    assert [s.shape[1:] for s in stages] == [
        (c, 64 // s, 32 // s) for c, s in zip(trunk.channels, strides, strict=True)
    ]


def test_another_first_convolution_keeps_its_random_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.models import resnet18

    source = resnet18()
    monkeypatch.setattr("torchvision.models.get_model", lambda *_, **__: source)
    network = models.create("resnet_unet", points=1, pretrained=True, in_channels=4)
    assert network.trunk.conv1.weight.shape == (64, 4, 7, 7)
    assert torch.equal(network.trunk.layer1[0].conv1.weight, source.layer1[0].conv1.weight)
    with pytest.raises(ArgumentError, match="weights for depth 18, 34, 50, not for 26"):
        models.create("resnet", points=1, depth=26, pretrained=True)


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
        (
            {"name": "resnett", "points": 1},
            "unknown network 'resnett'; choose one of: mobile, resnet, resnet_u",
        ),
        ({"name": "resnet", "points": 1, "depth": 19}, "depth 19; choose one of: 18, 26, 34, 50"),
        (
            {"name": "resnet", "points": 1, "head": "maps"},
            "head 'maps'; choose one of: heatmap, linear, regression, simcc",
        ),
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
        (
            {"name": "resnet", "points": 1, "stride": 32, "first_pool": False},
            "stride 32; choose one of: 16, 2, 4, 8",
        ),
        ({"name": "resnet", "points": 1, "first_kernel": 4}, "first_kernel must be odd .* got 4 and 2"),
        ({"name": "resnet", "points": 1, "first_stride": 3}, "first_stride 1, 2 or 4, got 7 and 3"),
        ({"name": "resnet", "points": 1, "first_stride": 4.0}, "first_stride 1, 2 or 4, got 7 and 4.0"),
        ({"name": "resnet", "points": 1, "head": "linear", "head_width": 3}, "network resnet:.*width"),
        ({"name": "mobile", "points": 1, "width": 0}, "width must be positive, got 0"),
        ({"name": "resnet_unet", "points": 1, "stride": 8}, "stride: choose 1, 2 or 4, got 8"),
        ({"name": "resnet_unet", "points": 1, "channels": [8]}, "channels: expected five positive numbers"),
        ({"name": "unet", "points": 1, "stride": 3}, "stride: choose 1, 2 or 4, got 3"),
        ({"name": "unet", "points": 1, "channels": [8]}, "channels: expected two or more"),
        ({"name": "simple", "points": 1}, "network simple:.*input_size"),
        ({"points": 1}, "no name"),
    ],
)
def test_wrong_options_are_explained(config: dict[str, object], says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        models.from_config(config)


# ---------------------------------------------------------------- simple networks, by hand


def simple(points: int = 1, input_size: Any = (60, 80), **more: Any) -> nn.Module:
    with torch.device("meta"):
        return models.create("simple", points=points, input_size=input_size, in_channels=1, **more)


def linears(network: nn.Module) -> list[tuple[int, int]]:
    return [(m.in_features, m.out_features) for m in network.modules() if isinstance(m, nn.Linear)]


def test_a_classic_network_is_the_one_on_paper() -> None:
    # 60x80: 54x74 -> 27x37, 23x33 -> 11x16, 9x14 -> 4x7, and 12 * 4 * 7 = 336
    network = simple(channels=[12, 12, 12], kernels=[7, 5, 3], hidden=[168])
    assert linears(network) == [(336, 168), (168, 2)]
    # 120x160: 57x77, 26x36, 11x16, 4x7, 1x3
    network = simple(58, (120, 160), channels=[12, 18, 21, 24, 28], kernels=[7, 5, 4, 3, 2], hidden=[100])
    assert linears(network) == [(84, 100), (100, 116)]


def test_layers_stand_in_their_order() -> None:
    network = simple(channels=[4, 8], pool=[2, 0], batch_norm=True, dropout=0.1, dropout_at=["features", "output"])
    assert [k for k, _ in network.features.named_children()] == [
        *("conv1", "norm1", "act1", "pool1", "drop1"),
        *("conv2", "norm2", "act2", "drop2"),
    ]
    assert [k for k, _ in network.classifier.named_children()] == ["fc1", "act1", "fc2", "drop2"]


def test_dropout_works_in_training_only() -> None:
    torch.manual_seed(0)
    network = models.create("simple", points=50, input_size=(40, 40), dropout=0.35, dropout_at="output")
    picture = torch.randn(8, 3, 40, 40)
    share = (network(picture) == 0).float().mean()
    assert 0.25 < share < 0.45
    assert (network.eval()(picture) != 0).all()


@pytest.mark.parametrize("kernel", [2, 3, 4, 7])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_padding_same_keeps_the_size_or_divides_it_by_the_stride(kernel: int, stride: int) -> None:
    layer = {"channels": [1], "kernels": kernel, "strides": stride, "padding": "same", "pool": 0}
    network = simple(1, (20, 31), **layer)
    picture = torch.empty(1, 1, 20, 31, device="meta")
    assert network.features(picture).shape[-2:] == (-(-20 // stride), -(-31 // stride))
    assert network(picture).shape == (1, 2)


def test_padding_same_is_what_torch_calls_same() -> None:
    torch.manual_seed(0)
    network = models.create("simple", points=1, input_size=(9, 8), channels=[2], kernels=4, padding="same", pool=0)
    picture, own = torch.randn(1, 3, 9, 8), network.features.conv1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says that it copies
        theirs = nn.functional.conv2d(picture, own.weight, own.bias, padding="same")
    torch.testing.assert_close(network.features[:2](picture), theirs)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (
            {"channels": [4] * 6},
            r"input_size \(60, 80\): nothing is left of it after convolution 5 \(kernel 3",
        ),
        ({"channels": []}, "channels and hidden must be lists of positive numbers"),
        ({"channels": [4, 0]}, "channels and hidden must be lists of positive numbers"),
        ({"kernels": [3, 3]}, r"kernels: expected one value, or one for each of the 3 layers; got \[3, 3\]"),
        ({"kernels": 0}, "kernels and strides must be positive"),
        ({"pool": -1}, "pool 0"),
        ({"padding": "reflect"}, "padding 'valid', 'same' or pixels; .* padding 'reflect'"),
        ({"dropout": 1.0}, "dropout: expected a share"),
        ({"dropout_at": "conv"}, "unknown dropout_at 'conv'; choose one of: features, hidden, output"),
        ({"activation": "swish"}, "unknown activation 'swish'; choose one of: elu, leaky_relu"),
        ({"pool_kind": "min"}, "unknown pool_kind 'min'; choose one of: average, max"),
        ({"input_size": 60}, r"input_size: expected two positive numbers \(H, W\), got 60"),
    ],
)
def test_wrong_specifications_are_explained(more: dict[str, Any], says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        simple(**more)


def test_a_picture_of_another_size_is_refused() -> None:
    network = models.create("simple", points=1, input_size=(20, 30), channels=[4])
    with pytest.raises(ArgumentError, match=r"input_size is \(20, 30\), got a batch of pictures of \(30, 20\)"):
        network(torch.zeros(1, 3, 30, 20))


# ---------------------------------------------------------------- costs


def test_costs_by_hand() -> None:
    network = models.create("simple", points=2, input_size=(8, 10), channels=[5], kernels=3, hidden=[], in_channels=1)
    convolution, linear = 6 * 8 * 5 * 9, 5 * 3 * 4 * 4
    assert models.cost(network, (8, 10)) == (5 * 9 + 5 + linear + 4, convolution + linear)
    up = nn.ConvTranspose2d(3, 4, 2, 2, bias=False)
    assert models.cost(up, (5, 6)) == (3 * 4 * 4, 5 * 6 * 3 * 4 * 4)
    apart = nn.Conv2d(3, 6, 3, 2, 1, groups=3, bias=False)
    assert models.cost(apart, (8, 8)) == (6 * 9, 4 * 4 * 6 * 9)


def test_costs_are_those_that_are_known() -> None:
    # torchvision's table: 1.814 and 4.089 GMACs with a last layer of 1000 classes
    for depth, macs, inside in ((18, 1.814e9, 512), (50, 4.089e9, 2048)):
        with torch.device("meta"):
            network = models.create("resnet", points=1, depth=depth, head="linear", outputs=1000)
        cost = models.cost(network, (224, 224))
        assert cost.macs == pytest.approx(macs, rel=1e-3)
        assert cost.parameters == models.parameters(network.trunk) + 1000 * (inside + 1)


def test_counting_leaves_no_trace() -> None:
    network = create("mobile").train()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    assert models.cost(network, (64, 64)) == models.cost(network, (64, 64))
    assert network.training
    assert not any(m._forward_hooks for m in network.modules())
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    with pytest.raises(ArgumentError, match="input_size: expected two positive numbers"):
        models.cost(network, (0, 64))


def test_the_mobile_network_is_small() -> None:
    with torch.device("meta"):
        for head in heads.HEADS:
            network = models.create("mobile", points=68, head=head, input_size=(128, 128))
            assert models.parameters(network) < (1.5e6 if head != "simcc" else 2e6)
        wide, narrow = (models.parameters(models.create("mobile", points=68, width=w)) for w in (1.0, 0.5))
    assert narrow < 0.45 * wide


def test_a_narrow_resnet() -> None:
    network = models.create("resnet", points=4, widths=[8, 12, 16, 24], head_width=8)
    assert network.trunk.channels == (8, 12, 16, 24)
    assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 4, 16, 16)
    assert models.create("resnet", points=4, depth=50, widths=[8, 12, 16, 24]).trunk.channels == (32, 48, 64, 96)
    with pytest.raises(ArgumentError, match="widths: expected four positive numbers"):
        models.create("resnet", points=4, widths=[8, 12, 16])
    with pytest.raises(ArgumentError, match="pretrained: there are ImageNet weights for widths"):
        models.create("resnet", points=4, widths=[8, 12, 16, 24], pretrained=True)
