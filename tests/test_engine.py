"""Every engine gives what PyTorch gives, and says so where it cannot."""

from __future__ import annotations

import itertools
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import facekp
from facekp import Detector, engine, finder, models
from facekp._onnxgraph import CannotRecordError, record
from facekp.engine import Engine, fused
from facekp.errors import ArgumentError, MissingExtraError

ASTRONAUT = Path(__file__).parents[1] / "examples" / "astronaut.jpg"
ENGINES = ("torch", "onnx", "opencv")
NETWORKS: dict[str, tuple[dict[str, Any], tuple[int, int, int]]] = {
    "resnet": ({"points": 5}, (3, 64, 64)),
    "resnet odd": ({"points": 5}, (3, 52, 60)),
    "resnet grey": ({"points": 5, "depth": 50, "in_channels": 1, "head": "linear"}, (1, 64, 64)),
    "resnet regression": ({"points": 5, "head": "regression"}, (3, 64, 64)),
    "resnet simcc": ({"points": 5, "head": "simcc", "input_size": (64, 64), "head_width": 8}, (3, 64, 64)),
    "mobile": ({"points": 5, "width": 0.5}, (3, 64, 64)),
    "unet": ({"points": 5, "channels": (8, 16, 32)}, (3, 64, 64)),
    "unet stride": ({"points": 5, "channels": (8, 16), "stride": 4}, (3, 64, 64)),
    "resnet_unet": ({"points": 5, "channels": (16, 16, 8, 8, 8)}, (3, 64, 64)),
    "resnet_unet odd": ({"points": 5, "channels": (16, 16, 8, 8, 8)}, (3, 52, 60)),
    "simple": ({"points": 5, "input_size": (40, 48), "batch_norm": True, "padding": "same"}, (3, 40, 48)),
    "simple even": (
        {"points": 5, "input_size": (40, 40), "kernels": [4, 3], "channels": [8, 8], "padding": "same"}
        | {"pool_kind": "average", "activation": "elu", "dropout": 0.5},
        (3, 40, 40),
    ),
}


def lively(network: nn.Module) -> nn.Module:
    """Weights and statistics that make every layer count."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = torch.randn_like(module.running_mean) * 0.1
            module.running_var = torch.rand_like(module.running_var) + 0.5
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.05)
    return network.eval().requires_grad_(False)


@pytest.fixture(params=ENGINES)
def name(request: pytest.FixtureRequest) -> str:
    if request.param == "onnx":
        pytest.importorskip("onnxruntime")
    return str(request.param)


@pytest.mark.parametrize("entry", NETWORKS)
def test_every_network(entry: str, name: str) -> None:
    options, size = NETWORKS[entry]
    network = lively(models.create(entry.partition(" ")[0], **options))
    before = {k: v.clone() for k, v in network.state_dict().items()}
    run = Engine(network, name)
    assert run.name == name
    for count in (1, 3, 2, 0):
        inputs = torch.randn(count, *size)
        given, expected = run(inputs), network(inputs)
        assert given.shape == expected.shape
        assert given.dtype == torch.float32
        torch.testing.assert_close(given, expected, atol=2e-5 * float(expected.abs().max()) if count else 0, rtol=0)
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items()), "the network itself was changed"


def test_networks_has_every_name() -> None:
    assert {entry.partition(" ")[0] for entry in NETWORKS} == set(models.names())


@pytest.mark.parametrize("more", [{}, {"light": True, "angle": True}])
def test_the_finder_of_any_size(name: str, more: dict[str, Any]) -> None:
    spec = {"type": "pyramid", "stem": 8, "channels": [8, 12, 16], "depths": [1, 2, 2], "neck": 8, "head": 1, **more}
    network = lively(finder.create(spec))
    run = Engine(network, name)
    for shape in ((1, 64, 96), (2, 96, 64), (1, 160, 128)):
        inputs = torch.randn(shape[0], 3, *shape[1:])
        expected = network(inputs)
        torch.testing.assert_close(run(inputs), expected, atol=1e-5 * float(expected.abs().max()), rtol=0)


def test_pickled_and_shared_by_threads(name: str) -> None:
    network = lively(models.create("mobile", points=5, width=0.25))
    run = Engine(network, name)
    inputs = [torch.randn(n, 3, 64, 64) for n in (1, 2, 3, 1, 2, 3, 1, 2)]
    again = pickle.loads(pickle.dumps(run))
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(run, inputs))
    for given, x in zip(results, inputs, strict=True):
        torch.testing.assert_close(given, network(x), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(again(x), given, atol=1e-5, rtol=1e-5)


class Twice(nn.Module):
    """One norm for the outputs of two convolutions, and a convolution that runs twice: nothing may be folded."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.norm = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.other = nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.b(self.b(x))
        return self.norm(self.a(x)) + self.norm(y) + self.other(y)


class Raw(nn.Module):
    """A convolution whose output goes to a norm, and past it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return self.norm(y) + y


@pytest.mark.parametrize("kind", [Twice, Raw])
def test_what_cannot_be_folded(kind: type[nn.Module]) -> None:
    network, inputs = lively(kind()), torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(fused(network, inputs)(inputs), network(inputs))


def test_norms_are_folded() -> None:
    folded = fused(lively(models.create("resnet", points=5)), torch.randn(1, 3, 64, 64))
    assert not any(isinstance(m, nn.BatchNorm2d) for m in folded.modules())


class Parts(nn.Module):
    """Parts of channels, sums over some dimensions, and a new one."""

    def forward(self, x: Tensor) -> Tensor:
        first, last = x.narrow(1, 0, 2), x.narrow(1, -2, 2)
        return torch.cat([first.sum((-2, -1)).unsqueeze(-1), last.sum(2, keepdim=True).sum(-1)], 2)


def test_parts_and_sums(name: str) -> None:
    run = Engine(Parts(), name)
    for x in (torch.rand(1, 5, 8, 6), torch.rand(3, 5, 8, 6)):
        torch.testing.assert_close(run(x), Parts()(x))
    assert run.name == name


@pytest.mark.parametrize("given", [lambda x: x.narrow(0, 0, 1), lambda x: x.sum()])
def test_parts_and_sums_of_the_batch_are_not_recorded(given: Any) -> None:
    class Wrong(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return given(x)

    with pytest.raises(CannotRecordError, match=r"narrow|sum"):
        record(Wrong(), (3, 8, 8))


class Odd(nn.Module):
    """Does what has no rule."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.special.i0(x)


class Counts(nn.Module):
    """Uses the batch's size as a number, which a recording would take for a constant."""

    def forward(self, x: Tensor) -> Tensor:
        return x * float(len(x))


class Batchwise(nn.Sequential):
    """Normalises by the statistics of each batch, for which the runtimes have no such operation."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False))


@pytest.mark.parametrize("name", ["torch", "auto"])
def test_a_norm_without_running_statistics(name: str) -> None:
    network, inputs = Batchwise().eval(), torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(Engine(network, name)(inputs), network(inputs))


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


@pytest.mark.parametrize("name", ["auto", "torch"])
def test_a_network_of_two_outputs_is_refused(name: str) -> None:
    with pytest.raises(ArgumentError, match="expected one that gives a single tensor, .*; it gives a tuple"):
        Engine(Pair(), name)(torch.rand(2, 3, 8, 8))
    config = Detector.from_pretrained(finder=None, device="cpu").config
    for run in (name, None):  # the engine reads the maps, too; and the network itself
        with pytest.raises(ArgumentError, match="single tensor"):
            Detector(Pair(), config, engine=run, device="cpu").predict(np.zeros((1, 192, 192, 3), np.uint8))


@pytest.mark.parametrize("kind", [Odd, Counts])
def test_what_cannot_be_recorded(kind: type[nn.Module], monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = torch.rand(1, 3, 8, 8)
    if kind is Odd:
        with pytest.raises(CannotRecordError, match="special_i0"):
            record(kind(), (3, 8, 8))
    for network in (kind(), Batchwise().eval()):
        with pytest.raises(ArgumentError, match="use engine='torch'"):
            Engine(network, "opencv")(inputs)
    monkeypatch.setattr(engine, "_installed", lambda: True)
    pytest.importorskip("onnxruntime")
    auto = Engine(kind(), "auto")
    torch.testing.assert_close(auto(inputs), kind()(inputs))
    assert auto.name == "torch"


def test_auto_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_installed", lambda: False)
    assert Engine(models.create("resnet", points=5)).name == "torch"
    assert Engine(models.create("mobile", points=5)).name == "opencv"
    with pytest.raises(MissingExtraError, match=r"facekp\[onnx\]"):
        Engine(nn.Identity(), "onnx")


def test_auto_without_the_extra_runs_one_picture_by_opencv_and_more_by_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_installed", lambda: False)
    narrow = {"points": 5, "widths": [8, 8, 8, 8], "head_width": 8}
    network = lively(models.create("resnet", **narrow))
    auto = Engine(network)
    for size in ((64, 64), (52, 60)):
        inputs = torch.rand(3, 3, *size)
        with torch.inference_mode():
            expected = network(inputs)
        for part in (inputs, inputs[:1]):
            torch.testing.assert_close(auto(part), expected[: len(part)], atol=1e-4, rtol=1e-4)
    assert [auto.by(count) for count in (0, 1, 2)] == ["torch", "opencv", "torch"]
    kinds = {type(runner).__name__ for runner in auto._runners.values()}
    assert kinds == {"OpenCV", "Torch"}
    assert pickle.loads(pickle.dumps(auto)).by(1) == "opencv"
    assert "'torch', 'opencv' for one picture" in repr(auto)
    for side in range(32, 72):
        auto(torch.rand(1, 3, side, side))
    assert len(auto._runners) == engine._MOST
    assert len({id(runner) for runner in auto._runners.values()}) == 2
    assert Engine(network, "torch").by(1) == "torch"
    assert Engine(models.create("resnet", points=5)).by(1) == "torch"  # large
    odd = Engine(Odd())
    torch.testing.assert_close(odd(inputs[:1]), Odd()(inputs[:1]))
    assert odd.by(1) == "torch"


@pytest.mark.parametrize("name", ["onnx", "opencv"])
def test_what_is_rounded_at_one_size_is_recorded_for_it(name: str) -> None:
    if name == "onnx":
        pytest.importorskip("onnxruntime")
    network = lively(models.create("resnet", points=5, widths=[8, 8, 8, 8], head_width=8))
    for sizes in itertools.permutations([(64, 64), (52, 60), (96, 64)]):  # of 52, 2 is to be 4, and 4 to be 7
        runs = Engine(network, name)
        for size in sizes:
            inputs = torch.rand(2, 3, *size)
            with torch.inference_mode():
                torch.testing.assert_close(runs(inputs), network(inputs), atol=1e-4, rtol=1e-4)
        assert len({id(runner) for runner in runs._runners.values()}) == 2

    class Grown(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.interpolate(nn.functional.avg_pool2d(x.mul_(0.5), 2), size=x.shape[-2:])

    grown = Engine(Grown(), name)
    for sides in ((64, 64), (65, 63), (32, 64)):
        inputs = torch.rand(1, 3, *sides)
        torch.testing.assert_close(grown(inputs.clone()), grown.network(inputs.clone()))
    unet = Engine(models.create("unet", points=5), name)
    unet(torch.rand(1, 3, 32, 32))
    with pytest.raises(ArgumentError, match="multiples of 16"):
        unet(torch.rand(1, 3, 40, 32))


def test_auto_on_a_gpu() -> None:
    assert engine._checked("auto", nn.Identity(), torch.device("cuda")) == "torch"
    for name in ("opencv", "onnx"):
        with pytest.raises(ArgumentError, match="does not run on mps"):
            engine._checked(name, nn.Identity(), torch.device("mps"))
    assert Detector.from_pretrained(finder=None, engine="opencv").device.type == "cpu"


def test_wrong_options() -> None:
    with pytest.raises(ArgumentError, match="auto, onnx, opencv, torch"):
        Engine(nn.Identity(), "tensorrt")
    with pytest.raises(ArgumentError, match="bfloat16, float32, int8"):
        Engine(nn.Identity(), precision="float16")
    with pytest.raises(ArgumentError, match="of engine 'torch'"):
        Engine(nn.Identity(), "opencv", precision="bfloat16")
    assert Engine(nn.Identity(), precision="bfloat16").name == "torch"


def test_a_finder_of_a_live_network_follows_its_weights() -> None:
    network = finder.create(
        {"type": "pyramid", "stem": 8, "channels": [8] * 3, "depths": [1] * 3, "neck": 8, "head": 1}
    )
    live = finder.FaceFinder(network, {"side": 64, "min_score": 0.0})
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    assert live.engine is None
    before = live([picture])[0].scores
    with torch.no_grad():
        network.score.bias += 3.0
    assert live([picture])[0].scores.max() > before.max()


@pytest.mark.parametrize("has", [True, False])
def test_half_precision_on_a_cpu_without_it_is_warned_of(
    has: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("facekp.engine._has_bfloat16", lambda: has)
    Engine(nn.Identity(), precision="float32")
    assert caplog.messages == []
    Engine(nn.Identity(), precision="bfloat16")
    assert ["many times slower" in m for m in caplog.messages] == ([] if has else [True])


def test_half_precision_is_near() -> None:
    exact, half = (Detector.from_pretrained(finder=None, device="cpu", precision=p) for p in ("float32", "bfloat16"))
    box = [[180, 60, 270, 180]]
    a, b = (d(ASTRONAUT, boxes=box, refine=False)[0].keypoints for d in (exact, half))
    assert 0 < np.abs(a - b).max() < 1.0


@pytest.mark.parametrize("other", ["onnx", "opencv"])
def test_on_a_photograph(other: str) -> None:
    if other == "onnx":
        pytest.importorskip("onnxruntime")
    _same_faces(*(Detector.from_pretrained(device="cpu", engine=e) for e in ("torch", other)), [ASTRONAUT])


@pytest.mark.parametrize("other", ["onnx", "opencv"])
def test_on_real_faces(data_root: Path, other: str) -> None:
    """Keypoints to 1e-3 px, boxes to 1e-2 px, scores to 1e-4."""
    if other == "onnx":
        pytest.importorskip("onnxruntime")
    pictures = sorted((data_root / "300w" / "afw").glob("*.jpg"))[::48]
    assert len(pictures) > 6
    _same_faces(*(Detector.from_pretrained(device="cpu", engine=e) for e in ("torch", other)), pictures)


def _same_faces(plain: Detector, other: Detector, pictures: list[Path]) -> None:
    for picture in pictures:
        image = facekp.image.read(picture)
        (ours,), (theirs,) = plain.finder([image]), other.finder([image])  # type: ignore[misc]
        np.testing.assert_allclose(theirs.boxes, ours.boxes, atol=1e-2)
        np.testing.assert_allclose(theirs.scores, ours.scores, atol=1e-4)
        # The same boxes: a point off by a thousandth of a pixel must not come from a box that is.
        a, b = (d(image, boxes=ours.boxes, refine=False) for d in (plain, other))
        assert len(a) == len(b) > 0
        for one, two in zip(a, b, strict=True):
            np.testing.assert_allclose(two.keypoints, one.keypoints, atol=1e-3)
            np.testing.assert_allclose(two.scores, one.scores, atol=1e-4)
