"""Networks in integers of eight bits: a value by hand, what is quantised, every network, real faces, wrong input."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_engine import NETWORKS, lively
from torch import Tensor, nn

from facekp import Detector, datasets, engine, evaluate, export, models
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


class Imaginary(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.special.i0(x)


@pytest.mark.parametrize(
    "given",
    [1, "x", [1], [[0, 1, 2]], [[1, 2]], [[-2, -1]], [[0, float("nan")]], [[0, 1e31]], [[True, 1]], [[0, 1]] * 10_001],
)
def test_wrong_ranges_of_a_config(given: Any) -> None:
    config = Detector.from_pretrained("mobile-ibug", finder=None, device="cpu").config
    with pytest.raises(HubError, match="int8_ranges must be pairs of numbers, the least and the largest"):
        Facts.read({**config, "int8_ranges": given})
    assert Facts.read({**config, "int8_ranges": None}).int8_ranges is None


def test_a_model_without_ranges_says_so() -> None:
    whole = Detector.from_pretrained("mobile-ibug", finder=None, device="cpu")
    config = {k: v for k, v in whole.config.items() if k != "int8_ranges"}
    with pytest.raises(ArgumentError, match="facekp train writes them"):
        Detector(whole.network, config, engine="auto", precision="int8", device="cpu")


@pytest.mark.parametrize("name", ["mobile-ibug", "resnet18-ibug"])
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
