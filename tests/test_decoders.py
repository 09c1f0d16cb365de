"""Codecs: what is encoded is decoded again, to a fraction of a pixel."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from facekp import decoders
from facekp.decoders import Codec, calibration
from facekp.errors import ArgumentError

NAN = float("nan")
OPTIONS: dict[str, dict[str, object]] = {
    "regression": {"input_size": (32, 64)},
    "soft_argmax": {"input_size": (32, 64), "heatmap_size": (8, 16), "sigma": 1.2, "point_weight": 0.5},
}
everyone = pytest.mark.parametrize("name", decoders.names())


def create(name: str) -> Codec:
    return decoders.create(name, **OPTIONS[name])


def interior(codec: Codec, margin: float, count: int = 200) -> Tensor:
    """Random points ``(1, count, 2)`` at least ``margin`` px from the input's edges."""
    height, width = codec.input_size
    unit = torch.rand(1, count, 2, generator=torch.Generator().manual_seed(0))
    return margin - 0.5 + unit * (torch.tensor([width, height]) - 2 * margin)


def round_trip(codec: Codec, points: Tensor) -> Tensor:
    decoded, _ = codec.decode(codec.ideal_output(codec.encode(points)))
    return (decoded - points).abs().max()


def test_every_codec_is_tested_here() -> None:
    assert set(OPTIONS) == set(decoders.CODECS)


# ---------------------------------------------------------------- the round trip


# Measured, in heatmap pixels.  Reading a Gaussian off a grid errs by at most 4 pi sigma^2 exp(-2 pi^2 sigma^2):
# 0.023 at sigma 0.5, 3e-5 at 0.8, less than float32 can show from 1 on.
@pytest.mark.parametrize("stride", [1, 2, 4, 8])
@pytest.mark.parametrize(("sigma", "tolerance"), [(0.5, 0.024), (0.8, 1e-4), (1.0, 1e-4), (1.5, 1e-4), (2.0, 2e-4)])
def test_soft_argmax_reads_interior_points_exactly(stride: int, sigma: float, tolerance: float) -> None:
    size = (24 * stride, 32 * stride)
    codec = decoders.create("soft_argmax", input_size=size, heatmap_size=(24, 32), sigma=sigma)
    points = interior(codec, margin=(5 * sigma + 0.5) * stride)
    assert round_trip(codec, points) < tolerance * stride


@pytest.mark.parametrize("sigma", [0.8, 1.0, 2.0])
def test_soft_argmax_at_the_very_edge_is_off_by_less_than_sigma(sigma: float) -> None:
    codec = decoders.create("soft_argmax", input_size=(128, 128), heatmap_size=(32, 32), sigma=sigma)
    points = torch.tensor([[[-0.5, 64.0], [127.5, 64.0], [64.0, -0.5], [64.0, 127.5]]])
    assert round_trip(codec, points) < sigma * codec.stride  # half of the Gaussian is cut off


def test_regression_reads_every_point_exactly_outside_too() -> None:
    codec = decoders.create("regression", input_size=(96, 128))
    assert round_trip(codec, interior(codec, margin=-50)) < 1e-4


def test_regression_by_hand() -> None:
    codec = decoders.create("regression", input_size=(50, 100))
    points, _ = codec.decode(torch.tensor([[0.0, 0.0, 0.5, 0.5, 1.0, 1.0]]))
    assert points[0].tolist() == [[-0.5, -0.5], [49.5, 24.5], [99.5, 49.5]]


# ---------------------------------------------------------------- the contract


@everyone
def test_shapes_and_masks(name: str) -> None:
    codec = create(name)
    points = torch.tensor([[[10.0, 10.0], [NAN, NAN], [20.0, 8.0]], [[30.0, 20.0], [40.0, 14.0], [NAN, 3.0]]])
    given = torch.tensor([[True, True, False], [True, True, True]])
    target = codec.encode(points, given)
    assert target["mask"].tolist() == [[True, False, False], [True, True, False]]
    assert codec.encode(points)["mask"].tolist() == [[True, False, True], [True, True, False]]
    decoded, scores = codec.decode(torch.nan_to_num(codec.ideal_output(target)))
    assert decoded.shape == (2, 3, 2)
    assert scores.shape == (2, 3)
    assert (scores >= 0).all()
    assert (scores <= 1).all()
    torch.testing.assert_close(decoded[target["mask"]], points[target["mask"]], atol=0.3, rtol=0)


def test_a_point_outside_the_map_is_masked_out() -> None:
    codec = create("soft_argmax")
    target = codec.encode(torch.tensor([[[-1.0, 5.0], [63.4, 31.4], [64.0, 5.0], [5.0, 40.0]]]))
    assert target["mask"].tolist() == [[False, True, False, False]]
    assert target["heatmap"].sum((-2, -1))[0].tolist() == pytest.approx([0, 1, 0, 0])


@everyone
def test_a_missing_label_adds_nothing_and_never_reaches_a_gradient(name: str) -> None:
    codec = create(name)
    points = torch.tensor([[[10.0, 10.0], [NAN, NAN], [20.0, 8.0]]])
    torch.manual_seed(0)
    output = torch.randn_like(torch.nan_to_num(codec.ideal_output(codec.encode(points)))).requires_grad_()
    sum(codec.loss(output, codec.encode(points)).values()).backward()
    assert output.grad is not None
    assert torch.isfinite(output.grad).all()
    by_point = output.grad.reshape(1, 3, -1)
    assert (by_point[:, 1] == 0).all()
    assert (by_point[:, [0, 2]].abs().sum(-1) > 0).all()


@everyone
def test_a_face_without_any_label_has_a_loss_of_zero(name: str) -> None:
    codec = create(name)
    target = codec.encode(torch.full((2, 3, 2), NAN))
    output = torch.zeros_like(torch.nan_to_num(codec.ideal_output(target))).requires_grad_()
    loss = sum(codec.loss(output, target).values())
    loss.backward()
    assert loss.item() == 0
    assert (output.grad == 0).all()


@everyone
def test_nothing_beats_the_ideal_output(name: str) -> None:
    codec = create(name)
    target = codec.encode(interior(codec, margin=9, count=5))
    ideal = codec.ideal_output(target)
    best = sum(codec.loss(ideal, target).values())
    torch.manual_seed(0)
    for strength in (0.01, 0.1, 1.0):
        assert sum(codec.loss(ideal + strength * torch.randn_like(ideal), target).values()) > best


@everyone
def test_half_precision_outputs_give_float32_points(name: str) -> None:
    codec = create(name)
    output = torch.nan_to_num(codec.ideal_output(codec.encode(interior(codec, margin=9, count=5)))).bfloat16()
    points, scores = codec.decode(output)
    assert points.dtype == scores.dtype == torch.float32


@everyone
def test_the_config_survives_json(name: str) -> None:
    codec = decoders.create(name, calibration={"slope": -2.5, "bias": [1.0, 2.0, 3.0]}, **OPTIONS[name])
    again = decoders.from_config(json.loads(json.dumps(codec.to_config())))
    assert type(again) is type(codec)
    assert again.to_config() == codec.to_config()
    output = torch.nan_to_num(codec.ideal_output(codec.encode(interior(codec, margin=9, count=3))))
    for mine, its in zip(codec.decode(output), again.decode(output), strict=True):
        assert torch.equal(mine, its)


@everyone
def test_wrong_shapes_are_refused(name: str) -> None:
    codec = create(name)
    with pytest.raises(ArgumentError, match="expected output"):
        codec.decode(torch.zeros(2, 3, 5))
    with pytest.raises(ArgumentError, match=r"must be \(\.\.\., K, 2\)"):
        codec.encode(torch.zeros(1, 4, 3))


def test_wrong_names_and_options_are_explained() -> None:
    with pytest.raises(ArgumentError, match=r"'softargmax'; choose one of: regression, soft_argmax"):
        decoders.create("softargmax", input_size=(8, 8))
    with pytest.raises(ArgumentError, match=r"codec regression.*sigma"):
        decoders.create("regression", input_size=(8, 8), sigma=2)
    with pytest.raises(ArgumentError, match="no name"):
        decoders.from_config({"input_size": [8, 8]})
    with pytest.raises(ArgumentError, match="must have the shape"):
        decoders.create("soft_argmax", input_size=(128, 128), heatmap_size=(32, 16))
    with pytest.raises(ArgumentError, match="sigma must be positive"):
        decoders.create("soft_argmax", input_size=(8, 8), heatmap_size=(2, 2), sigma=0)
    with pytest.raises(ArgumentError, match="input_size: expected two positive numbers"):
        decoders.create("regression", input_size=(0, 8))


# ---------------------------------------------------------------- scores


def test_a_wider_map_has_a_lower_score() -> None:
    points = torch.tensor([[[31.0, 15.0]]])
    scores = []
    for sigma in (0.6, 0.8, 1.0, 1.5, 2.5):
        codec = create("soft_argmax")
        codec.sigma = sigma
        scores.append(codec.decode(codec.ideal_output(codec.encode(points)))[1].item())
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == len(scores)


def test_calibration_finds_the_curve_that_made_the_data() -> None:
    generator = torch.Generator().manual_seed(0)
    spread = torch.randn(20000, 3, generator=generator) - 4
    bias = torch.tensor([-7.0, -8.0, -9.0])
    right = torch.rand(spread.shape, generator=generator) < torch.sigmoid(bias - 2 * spread)
    fitted = calibration.fit(spread, right)
    assert fitted["slope"] == pytest.approx(-2, abs=0.1)
    assert fitted["bias"] == pytest.approx(bias.tolist(), abs=0.4)
    unknown = torch.cat([spread, torch.full((50, 3), NAN)])
    assert calibration.fit(unknown, torch.cat([right, torch.ones(50, 3, dtype=torch.bool)])) == fitted
    codec = decoders.create("regression", input_size=(8, 8), calibration=json.loads(json.dumps(fitted)))
    assert calibration.expected_calibration_error(codec.score(spread).flatten(), right.flatten()) < 0.015


def test_calibration_error_by_hand() -> None:
    scores = torch.tensor([0.9, 0.1, 0.9, 0.1])
    right = torch.tensor([True, False, True, True])
    # Two bins: |0.1 - 1/2| and |0.9 - 1|, two faces each.
    assert calibration.expected_calibration_error(scores, right, bins=2) == pytest.approx((0.4 + 0.1) / 2)
    assert calibration.expected_calibration_error(torch.ones(5), torch.ones(5, dtype=torch.bool)) == 0


# ---------------------------------------------------------------- export


class Decode(nn.Module):
    """The decoding of all codecs as one network (an export takes seconds)."""

    def __init__(self, codecs: list[Codec]) -> None:
        super().__init__()
        self.codecs = codecs

    def forward(self, *outputs: Tensor) -> list[Tensor]:
        decoded = [codec.decode(output) for codec, output in zip(self.codecs, outputs, strict=True)]
        return [tensor for pair in decoded for tensor in pair]


def test_decoding_can_be_exported(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    network = Decode([create(name) for name in decoders.names()]).eval()
    outputs = [torch.randn(2, 3, 8, 16) if c.output == "heatmap" else torch.rand(2, 6) for c in network.codecs]
    names = [f"output{i}" for i in range(len(outputs))]
    file = tmp_path / "decode.onnx"
    torch.onnx.export(network, tuple(outputs), file, input_names=names, dynamo=True, verbose=False)
    session = runtime.InferenceSession(file, providers=["CPUExecutionProvider"])
    got = session.run(None, dict(zip(names, (x.numpy() for x in outputs), strict=True)))
    for mine, its in zip(network(*outputs), got, strict=True):
        np.testing.assert_allclose(its, mine.numpy(), atol=1e-4)
