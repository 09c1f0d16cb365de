"""Networks in integers of eight bits: a value by hand, what is quantised, every network, real faces, wrong input."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_engine import NETWORKS, lively
from torch import Tensor, nn
from torch.nn import functional

from facekp import Detector, cli, datasets, engine, evaluate, export, models, schema
from facekp._onnxgraph import CannotRecordError, ranges_of, record
from facekp._onnxint8 import measured
from facekp.engine import Engine
from facekp.errors import ArgumentError, HubError, MissingExtraError
from facekp.models.facts import Facts

onnxruntime = pytest.importorskip("onnxruntime", reason="needs facekp[onnx]")

ASTRONAUT = Path(__file__).parents[1] / "examples" / "astronaut.jpg"


class Sums(nn.Module):
    """One 1 x 1 convolution of eight channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 2, 1)
        nn.init.zeros_(self.conv.weight)
        with torch.no_grad():
            self.conv.weight[:, :2, 0, 0] = torch.tensor([[1.0, 0.34], [0.1, -0.1]])
            self.conv.bias.copy_(torch.tensor([0.25, 0.0]))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.conv(x))


def test_a_value_by_hand() -> None:
    """What goes in is from 0 to 2.55, in steps of 0.01; what comes out from 0 to 5.1, in steps of 0.02."""
    run = Engine(Sums(), "onnx", precision="int8", ranges=[(0.0, 2.55), (0.0, 5.1)])
    x = torch.zeros(1, 8, 1, 1)
    x[0, :2, 0, 0] = torch.tensor([1.004, 2.0])
    # 100 and 200 steps; weights of 63 and 21 sixty-thirds, which are whole; the bias of 1575 steps of 0.01 / 63
    first = 1.00 + 2.00 * 21 / 63 + 0.25
    given = run(x)[0, :, 0, 0]
    assert given[0] == pytest.approx(round(first / 0.02) * 0.02, abs=1e-6)
    assert given[1] == 0  # 0.1 - 0.2, and no less than 0
    x[0, 0, 0, 0] = 9  # beyond its range: as its end
    assert run(x)[0, 0, 0, 0] == pytest.approx(round((2.55 + 2 * 21 / 63 + 0.25) / 0.02) * 0.02, abs=1e-6)


def test_the_ranges_of_two_batches() -> None:
    low, high = torch.full((1, 8, 2, 2), -1.0), torch.full((2, 8, 2, 2), 3.0)
    assert engine.ranges(Sums(), [low, high]) == [(-1.0, 3.0), (0.0, pytest.approx(4.27))]
    assert engine.ranges(Sums(), [high[:0], high]) == [(0.0, 3.0), (0.0, pytest.approx(4.27))]


class Branches(nn.Module):
    """A picture's own layer, pooling, a residual block, and a coarse map joined to a fine one."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.pool = nn.Conv2d(3, 8, 3, padding=1), nn.MaxPool2d(2)
        self.a, self.b = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.c = nn.Conv2d(16, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(torch.relu(self.stem(x)))
        y = torch.relu(x + self.b(torch.relu(self.a(x))))
        up = nn.functional.interpolate(self.pool(y), scale_factor=2.0, mode="nearest")
        return torch.softmax(self.c(torch.cat([y, up], 1)), 1)


def test_what_becomes_integers() -> None:
    """Each convolution but the picture's, with its activation; what is added and joined; not the softmax."""
    from facekp._onnxgraph import _Recorder

    x = torch.randn(1, 3, 16, 16)
    recorder = _Recorder(x)
    with torch.no_grad(), recorder:
        Branches()(x)
    kinds = {node.output: node.kind for node in recorder.nodes}
    names = measured(recorder.nodes, dict(recorder.tensors))
    assert [kinds[name] for name in names] == ["MaxPool", "Relu", "Conv", "Relu", "Concat", "Conv"]
    network = lively(Branches())
    ranges = engine.ranges(network, [x])
    assert len(ranges) == len(names)
    data = record(network, (3, 16, 16), ranges).data
    assert data.count(b"QuantizeLinear") > len(names)
    torch.testing.assert_close(Engine(network, precision="int8", ranges=ranges)(x), network(x), atol=0.05, rtol=0)


@pytest.mark.parametrize("entry", [k for k in NETWORKS if k != "resnet grey"])
def test_every_network(entry: str) -> None:
    options, size = NETWORKS[entry]
    torch.manual_seed(0)
    network = lively(models.create(entry.partition(" ")[0], **options))
    inputs = torch.randn(4, *size)
    run = Engine(network, precision="int8", ranges=engine.ranges(network, [inputs]))
    assert run.name == "onnx"
    expected = network(inputs)
    for count in (1, 4, 0):
        given = run(inputs[:count])
        assert given.shape == expected[:count].shape
        if count:
            off = (given - expected[:count]).square().mean().sqrt() / expected.std()
            assert off < 0.2, "noise through random weights: real ones on faces are far nearer"
    again = pickle.loads(pickle.dumps(run))
    torch.testing.assert_close(again(inputs), run(inputs), atol=0, rtol=0)


def test_ranges_of_another_network_are_refused() -> None:
    network, x = lively(models.create("resnet", points=5)), torch.randn(2, 3, 64, 64)
    ranges = engine.ranges(network, [x])
    for wrong in ([*ranges, (0.0, 1.0)], [(0.0, 1e-3)] * len(ranges)):
        with pytest.raises(ArgumentError, match=r"engine 'onnx': .*; use precision='float32'"):
            Engine(network, precision="int8", ranges=wrong)(x)
    with pytest.raises(CannotRecordError, match="ranges for"):
        record(engine.fused(network, x), (3, 64, 64), [*ranges, (0.0, 1.0)])


def test_wrong_options(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ArgumentError, match=r"precision 'int8': the range of each map must be known.*int8_ranges"):
        Engine(nn.Identity(), precision="int8")
    for name in ("torch", "opencv"):
        with pytest.raises(ArgumentError, match=f"engine '{name}' has no precision 'int8': that is of engine 'onnx'"):
            Engine(nn.Identity(), name, precision="int8", ranges=[])
    with pytest.raises(ArgumentError, match="engine 'onnx' has no compile: that is of engine 'torch'"):
        Engine(nn.Identity(), "onnx", compile=True)
    with pytest.raises(ArgumentError, match="'torch' has no precision 'int8'"):
        Engine(nn.Identity(), "torch", compile=True, precision="int8", ranges=[])
    with pytest.raises(ArgumentError, match="batches: expected some inputs"):
        engine.ranges(nn.Identity(), [])
    with pytest.raises(ArgumentError, match="cannot be run in integers"):
        engine.ranges(Imaginary(), [torch.rand(1, 3, 4, 4)])
    monkeypatch.setattr(engine, "_installed", lambda: False)
    with pytest.raises(MissingExtraError, match=r"facekp\[onnx\]"):
        Detector.from_pretrained(finder=None, device="cpu", precision="int8")


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        (torch.rand(2, 8, 4, 4), r"batches: expected tensors \(N, C, H, W\) of float32, got \(8, 4, 4\) torch.float32"),
        ([torch.rand(1, 8, 4, 4).double()], r"got \(1, 8, 4, 4\) torch.float64"),
        ([np.zeros((1, 8, 4, 4), np.float32)], "got ndarray"),
        ([torch.full((1, 8, 4, 4), torch.nan)], "batches: expected finite numbers, got NaN or infinity"),
        ([torch.rand(1, 8, 4, 4), torch.full((1, 8, 4, 4), torch.inf)], "batches: expected finite numbers"),
    ],
)
def test_wrong_batches(batches: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        engine.ranges(Sums(), batches)


def test_wrong_networks() -> None:
    x = [torch.rand(1, 8, 4, 4)]
    with pytest.raises(ArgumentError, match=r"has weights of torch\.float64"):
        engine.ranges(Sums().double(), x)
    for precision in ("float32", "int8"):
        with pytest.raises(ArgumentError, match=r"engine 'onnx': the network has weights of torch\.bfloat16.*; use"):
            Engine(Sums().bfloat16(), "onnx", precision=precision, ranges=[])(x[0])
    with pytest.raises(ArgumentError, match=r"single tensor, .*; it gives a tuple"):
        engine.ranges(Does(lambda x, a, b: (a(x), x)), x)
    for bad in (torch.nan, torch.inf, 1e31):
        diverged = Sums()
        diverged.conv.bias.data.fill_(bad)
        with pytest.raises(ArgumentError, match="not finite, or beyond 1e30: has it diverged"):
            engine.ranges(diverged, x)


class Does(nn.Module):
    """What is made of a map of eight channels by two convolutions that keep its size."""

    def __init__(self, does: Callable[[Tensor, nn.Conv2d, nn.Conv2d], Any], **options: Any) -> None:
        super().__init__()
        self.does = does
        self.a, self.b = nn.Conv2d(8, 8, 3, padding=1, **options), nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Any:
        return self.does(x, self.a, self.b)


def plus(y: Tensor, does: Callable[[Tensor], Tensor]) -> Tensor:
    return does(y) + y


def unused(y: Tensor) -> Tensor:
    relu(y)
    return y


def gated(y: Tensor) -> Tensor:
    return y * torch.sigmoid(y.mean((2, 3), keepdim=True))


relu = torch.relu
ODD: dict[str, Does] = {
    "one convolution": Does(lambda x, a, b: a(x)),
    "one that runs twice": Does(lambda x, a, b: a(relu(a(x)))),
    "an activation that two take": Does(lambda x, a, b: plus(relu(a(x)), b)),
    "an activation and what is before it": Does(lambda x, a, b: plus(a(x), lambda y: b(relu(y)))),
    "an activation that nothing takes": Does(lambda x, a, b: unused(a(x))),
    "from above zero": Does(lambda x, a, b: b(torch.clamp(a(x), 0.1, 0.5))),
    "from below zero": Does(lambda x, a, b: b(functional.hardtanh(a(x)))),
    "ends before it begins": Does(lambda x, a, b: b(torch.clamp(a(x), 0.0, -1.0)) + x),
    "depthwise": Does(lambda x, a, b: b(relu(a(x))), groups=8),
    "without bias": Does(lambda x, a, b: b(relu(a(x))), bias=False),
    "in its place": Does(lambda x, a, b: b(a(x).add_(x).relu_())),
    "in the input's place": Does(lambda x, a, b: a(x.mul_(0.5))),
    "of one size": Does(lambda x, a, b: b(a(x).reshape(-1, 4, 2, 16, 16).flatten(1, 2))),
    "linear": Does(lambda x, a, b: b(functional.interpolate(a(x), scale_factor=2.0, mode="bilinear"))),
    "pooled and gated": Does(lambda x, a, b: b(gated(a(x)))),
    "joined with itself": Does(lambda x, a, b: b(torch.cat([relu(a(x)), x], 2)) + 1.0),
    "weights of the network's making": Does(lambda x, a, b: functional.conv2d(x, a.weight * 2, a.bias)),
    "constant": Does(lambda x, a, b: a(x) * 0 + 3),
    "one number": Does(lambda x, a, b: torch.flatten(a(x).mean((2, 3)), 1).narrow(1, 0, 1) + 1.0),
    "no convolution": Does(lambda x, a, b: x),
}


def near(network: nn.Module, x: Tensor, *, rounded: Tensor | None = None) -> None:
    """In integers it gives the same but for a little, and for some times what rounding some of its maps alone does.

    Weights and more maps are rounded, too.  What another network gives is off by far more than both.
    """
    network.eval()
    with torch.no_grad():
        expected = network(x.clone())
    run = Engine(network, precision="int8", ranges=engine.ranges(network, [x.clone()]))
    off = (run(x.clone()) - expected).square().mean().sqrt()
    rounding = 0.0 if rounded is None else 6 * (rounded - expected).square().mean().sqrt()
    assert off <= 0.05 * expected.std() + 1e-3 * expected.abs().max() + 1e-6 + rounding


@pytest.mark.parametrize("what", ODD)
def test_odd_networks(what: str) -> None:
    torch.manual_seed(0)
    near(ODD[what], torch.randn(4, 8, 16, 16))


@pytest.mark.parametrize("scale", [0.0, 1e-20, 1e-12, 1e-3])
@pytest.mark.parametrize("rows", [1, 8])
def test_channels_that_hardly_look_at_their_input(scale: float, rows: int) -> None:
    """Their bias is all that they give, and must fit into their integers: training leaves such channels behind."""
    torch.manual_seed(0)
    network = Does(lambda x, a, b: b(relu(a(x))) + x)
    for conv in (network.a, network.b):
        with torch.no_grad():
            conv.weight[:rows] *= scale
            conv.bias[:rows] = 3.0
    near(network, torch.randn(4, 8, 16, 16))


def test_an_activation_stays_whatever_the_ranges_say() -> None:
    network, x = ODD["one convolution"], torch.randn(4, 8, 16, 16)
    clipped = Does(lambda x, a, b: torch.clamp(a(x), 0.0, 0.2))
    clipped.load_state_dict(network.state_dict())
    given = Engine(clipped, precision="int8", ranges=[(-5.0, 5.0), (-2.0, 2.0)])(x)
    assert given.min() == 0
    assert given.max() == pytest.approx(0.2, abs=0.01)


def test_maps_of_next_to_nothing_are_not_taken_for_another_networks() -> None:
    """For noise a network of heatmaps gives less than a step of the integers that its maps have for faces."""
    network = Does(lambda x, a, b: a(x))
    with torch.no_grad():
        network.a.weight.mul_(1e-3)
        network.a.bias.zero_()
    x = torch.rand(2, 8, 16, 16)
    given = Engine(network, precision="int8", ranges=[(0.0, 1.0), (-0.1, 1.0)])(x)
    assert (given - network(x)).abs().max() < 1.1 / 255


Layer = tuple[int, int, int, str | None, str | None, bool]


@settings(max_examples=40, deadline=None)
@given(
    layers=st.lists(
        st.tuples(
            st.sampled_from([8, 12, 16]),
            st.sampled_from([1, 3]),
            st.sampled_from([1, 2, 4]),
            st.sampled_from([None, "relu", "relu6", "silu", "hardtanh", "leaky_relu"]),
            st.sampled_from([None, "max", "mean", "up", "add", "cat", "norm", "transposed"]),
            st.booleans(),
        ),
        min_size=1,
        max_size=5,
    ),
    channels=st.sampled_from([1, 3, 8]),
    seed=st.integers(0, 99),
)
def test_any_network_is_near(layers: list[Layer], channels: int, seed: int) -> None:
    torch.manual_seed(seed)
    network, x = Layers(channels, layers).eval(), torch.rand(3, channels, 16, 16)  # as what an engine tries itself with
    with torch.no_grad():
        near(network, x, rounded=network.forward(x, levels=255))


class Layers(nn.Module):
    """Layers of channels, kernel, groups, activation, what comes after it, and whether there is a bias."""

    def __init__(self, width: int, layers: list[Layer]) -> None:
        super().__init__()
        self.layers, self.parts = layers, nn.ModuleList()
        for out, kernel, groups, _, then, bias in layers:
            groups = groups if width % groups == 0 else 1
            after: nn.Module = nn.Identity()
            if then == "norm":
                after = nn.BatchNorm2d(out)
            elif then == "transposed":
                after = nn.ConvTranspose2d(out, out, 2, 2)
            conv = nn.Conv2d(width, out, kernel, padding=kernel // 2, groups=groups, bias=bias)
            nn.init.kaiming_normal_(conv.weight)  # with PyTorch's own, biases are soon all that is left
            self.parts.extend((conv, after))
            width = 2 * out if then == "cat" else out

    def forward(self, x: Tensor, levels: int = 0) -> Tensor:
        for i, (_, _, _, kind, then, _) in enumerate(self.layers):
            y = self.parts[2 * i](x)
            if levels:
                step = (y.max().clamp_min(0) - y.min().clamp_max(0)) / levels
                y = (y / step).round() * step
            y = getattr(functional, kind)(y) if kind else y
            y = self.parts[2 * i + 1](y)
            if then in ("max", "mean") and y.shape[-1] > 2:
                y = functional.max_pool2d(y, 2) if then == "max" else functional.avg_pool2d(y, 2)
            elif then == "up":
                y = functional.interpolate(y, scale_factor=2.0, mode="bilinear")
            elif then == "add" and y.shape == x.shape:
                y = y + x
            elif then == "cat":
                y = torch.cat([y, torch.sigmoid(y)], 1)
            x = y
        return x


class Imaginary(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.special.i0(x)


@pytest.mark.parametrize(
    "given",
    [1, "x", [1], [[0, 1, 2]], [[1, 2]], [[-2, -1]], [[0, float("nan")]], [[0, 1e31]], [[True, 1]], [[0, 1]] * 10_001],
)
def test_wrong_ranges(given: Any) -> None:
    with pytest.raises(ArgumentError, match=r"ranges: expected what facekp\.engine\.ranges gives, pairs of numbers"):
        Engine(Sums(), precision="int8", ranges=given)
    config = Detector.from_pretrained("mobile-ibug", finder=None, device="cpu").config
    with pytest.raises(HubError, match="int8_ranges must be pairs of numbers, the least and the largest"):
        Facts.read({**config, "int8_ranges": given})
    assert Facts.read({**config, "int8_ranges": None}).int8_ranges is None


def test_a_model_without_ranges_says_so() -> None:
    whole = Detector.from_pretrained("mobile-ibug", finder=None, device="cpu")
    config = {k: v for k, v in whole.config.items() if k != "int8_ranges"}
    with pytest.raises(ArgumentError, match="facekp train writes them"):
        Detector(whole.network, config, engine="auto", precision="int8", device="cpu")


@pytest.mark.parametrize("name", ["mobile-ibug", "mobile-light-ibug", "resnet18-ibug"])
def test_a_shipped_model_is_near(name: str) -> None:
    exact, whole = (Detector.from_pretrained(name, device="cpu", precision=p) for p in ("float32", "int8"))
    assert whole.engine is not None
    assert whole.engine.name == "onnx"
    (a,), (b,) = exact(ASTRONAUT), whole(ASTRONAUT)
    eyes = np.linalg.norm(a.keypoints[36] - a.keypoints[45])
    apart = np.linalg.norm(a.keypoints - b.keypoints, axis=1) / eyes
    assert 0 < apart.mean() < 0.01
    assert apart.max() < 0.05
    np.testing.assert_allclose(a.scores, b.scores, atol=0.1)
    crops = np.stack(
        [np.asarray(np.random.default_rng(i).integers(0, 256, (*exact.crop_size, 3)), np.uint8) for i in range(3)]
    )
    one, many = whole.predict(crops[:1])[0], whole.predict(crops)[0]
    np.testing.assert_array_equal(one[0], many[0])


def test_a_shipped_model_is_as_exact_on_real_faces(data_root: Path) -> None:
    """Its NME on twenty validation faces differs by less than a hundredth of itself."""
    faces = datasets.create("300w", root=data_root / "300w", split="train")[::100]
    found = [
        evaluate.evaluate(Detector.from_pretrained("mobile-ibug", finder=None, device="cpu", precision=p), faces).nme
        for p in ("float32", "int8")
    ]
    assert found[1] == pytest.approx(found[0], rel=0.01)


def test_ranges_are_kept(tmp_path: Path) -> None:
    first = Detector.from_pretrained("mobile-ibug", finder=None, device="cpu")
    first.save_pretrained(tmp_path)
    again = Detector.from_pretrained(tmp_path, finder=None, device="cpu", precision="int8")
    assert again.config["int8_ranges"] == first.config["int8_ranges"]


def test_ranges_in_another_order_are_refused() -> None:
    shipped = Detector.from_pretrained("mobile-ibug", finder=None, device="cpu")
    config = {**shipped.config, "int8_ranges": shipped.config["int8_ranges"][::-1]}
    wrong = Detector(shipped.network, config, engine="auto", precision="int8", device="cpu")
    with pytest.raises(ArgumentError, match="in integers the network gives something else"):
        wrong.predict(np.zeros((1, *wrong.crop_size, 3), np.uint8))


def test_what_is_asked_of_no_engine_is_refused() -> None:
    shipped = Detector.from_pretrained("mobile-ibug", finder=None, device="cpu")
    for options in ({"precision": "int8"}, {"precision": "half"}, {"compile": True}):
        with pytest.raises(ArgumentError, match=r"compile, precision: .*say engine='auto'"):
            Detector(shipped.network, shipped.config, device="cpu", **options)  # type: ignore[arg-type]


def test_the_random_numbers_of_others_are_left_alone() -> None:
    torch.manual_seed(0)
    network, x = Sums(), torch.rand(1, 8, 2, 2)
    state = torch.get_rng_state()
    Engine(network, precision="int8", ranges=engine.ranges(network, [x]))(x)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("verb", ["detect", "video", "evaluate", "predict"])
def test_precision_on_the_command_line(
    verb: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FACEKP_DEBUG", raising=False)
    shipped = Detector.from_pretrained("mobile-ibug", finder=None, device="cpu")
    shipped.config = {k: v for k, v in shipped.config.items() if k != "int8_ranges"}
    shipped.save_pretrained(tmp_path / "old")
    still = cv2.imread(str(ASTRONAUT))
    data = tmp_path / "300w" / "lfpw" / "testset"
    data.mkdir(parents=True)
    assert cv2.imwrite(str(data / "a.png"), still)
    datasets.write_pts(data / "a.pts", np.asarray(schema.get("ibug68").mean_shape) * 90 + [220, 130])
    writer = cv2.VideoWriter(str(tmp_path / "film.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, still.shape[1::-1])
    for _ in range(3):
        writer.write(still)
    writer.release()
    split = ["--split", "lfpw/testset", "--device", "cpu"]
    model, arguments = {
        "detect": (["--model"], [ASTRONAUT, "--device", "cpu"]),
        "video": (["--model"], [tmp_path / "film.avi", "--json", tmp_path / "film.jsonl", "--device", "cpu"]),
        "evaluate": ([], ["--data", tmp_path / "300w", *split]),
        "predict": ([], [tmp_path / "300w", *split, "--to", "coco", "--output", tmp_path / "points.json"]),
    }[verb]

    def run(name: Any, *options: str) -> tuple[int, str]:
        given = [*arguments, *model, name] if model else [name, *arguments]
        code = cli.main([verb, *map(str, [*given, *options])])
        return code, capfd.readouterr().err

    for name, options, message in (
        ("mobile-ibug", ["--precision", "int4"], "unknown precision 'int4'; choose one of: bfloat16, float32, int8"),
        (
            "mobile-ibug",
            ["--precision", "int8", "--engine", "torch"],
            "engine 'torch' has no precision 'int8'",
        ),
        ("mobile-ibug", ["--precision", "bfloat16", "--engine", "onnx"], "engine 'onnx' has no precision 'bfloat16'"),
        (tmp_path / "old", ["--precision", "int8"], "facekp train writes them"),
    ):
        code, said = run(name, *options)
        assert (code, len(said.splitlines())) == (2, 1), said
        assert said.startswith("facekp: ")
        assert message in said
    code, said = run("mobile-ibug", "--precision", "int8")
    assert code == 0, said


def test_ranges_know_only_the_network() -> None:
    """What the codec makes of the maps comes after them, and stays real."""
    network = Detector.from_pretrained("mobile-ibug", finder=None, device="cpu").network
    given = ranges_of(engine.fused(network, torch.rand(1, 3, 128, 128)), [torch.rand(1, 3, 128, 128)])
    assert len(given) == len(Detector.from_pretrained("mobile-ibug", finder=None, device="cpu").config["int8_ranges"])


# ---------------------------------------------------------------- files


@pytest.fixture(scope="module")
def needs_onnx() -> None:
    for package in ("onnx", "onnxscript"):
        pytest.importorskip(package, reason="needs facekp[onnx]")


@pytest.mark.parametrize("decoder", [True, False])
@pytest.mark.usefixtures("needs_onnx")
def test_a_file_gives_what_the_engine_gives(decoder: bool, tmp_path: Path) -> None:
    done = export.export(
        "mobile-ibug", tmp_path / "a.onnx", precision="int8", decoder=decoder, pictures=[ASTRONAUT] if decoder else []
    )
    assert max(done.difference.values()) < 1e-3
    assert done.path.stat().st_size < 2_000_000  # float32: 5.3 million
    run = onnxruntime.InferenceSession(str(done.path), providers=["CPUExecutionProvider"])
    assert run.get_modelmeta().custom_metadata_map["precision"] == "int8"
    whole = Detector.from_pretrained("mobile-ibug", finder=None, device="cpu", precision="int8")
    crops = np.random.default_rng(0).integers(0, 256, (2, 128, 128, 3), np.uint8)
    given = run.run(None, {"images": crops.transpose(0, 3, 1, 2).astype(np.float32)})
    if decoder:
        for mine, its in zip(whole.predict(crops), given, strict=True):
            np.testing.assert_allclose(mine, its, atol=1e-3)
    else:
        assert given[0].shape == (2, 136, 32, 32)
        assert len(np.unique(given[0])) <= 256


@pytest.mark.usefixtures("needs_onnx")
def test_wrong_files(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    with pytest.raises(ArgumentError, match="unknown precision 'int4'; choose one of: float32, int8"):
        export.export("mobile-ibug", path, precision="int4")
    with pytest.raises(ArgumentError, match="precision: a finder's file is in float32"):
        export.export("finder", path, precision="int8")
    whole = Detector.from_pretrained("mobile-ibug", finder=None, device="cpu")
    short = {k: v for k, v in whole.config.items() if k != "int8_ranges"}
    with pytest.raises(ArgumentError, match="facekp train writes them"):
        export.export(Detector(whole.network, short, device="cpu"), path, precision="int8")
    assert not path.exists()
