"""One contract for all codecs, and the scores that they share."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from facekp import decoders, metrics
from facekp.decoders import Codec, calibration
from facekp.errors import ArgumentError

NAN = float("nan")
MAPS: dict[str, object] = {"input_size": (32, 64), "heatmap_size": (8, 16), "sigma": 1.2}
OPTIONS: dict[str, dict[str, object]] = {
    "argmax": MAPS | {"quarter": True},
    "argmax, disc": MAPS | {"target": "disc", "radius": 1.5},
    "dark": MAPS | {"blur": 0.5, "limit": 1.5},
    "dark, softmax": MAPS | {"loss": "heatmap_cross_entropy", "blur": 0},
    "offset": MAPS | {"offset_weight": 0.1},
    "offset, disc": MAPS | {"target": "disc", "radius": 2.0, "loss": "heatmap_focal", "loss_options": {"beta": 3.0}},
    "pip": {"input_size": (32, 64), "heatmap_size": (2, 4), "neighbors": 2, "score_weight": 5.0},
    "pip, bce": {"input_size": (32, 64), "heatmap_size": (2, 4), "neighbors": 1, "loss": "heatmap_bce"},
    "regression": {"input_size": (32, 64), "loss": "l1"},
    "simcc": {"input_size": (32, 64), "split": 2.0, "sigma": 3.0},
    "simcc, expectation": {"input_size": (32, 64), "split": 1.5, "sigma": 2.0, "reading": "expectation"},
    "soft_argmax": MAPS | {"point_weight": 0.5, "temperature": 0.7},
    "soft_argmax, rated": MAPS | {"rated": True, "rating_weight": 0.5},
    "soft_argmax, regularised": MAPS | {"loss": "dsnt_regulariser", "heatmap_weight": 2.0, "point_loss": "smooth_l1"},
    "udp": MAPS | {"blur": 0},
    "weighted_argmax": MAPS | {"loss": "adaptive_wing"},
    "weighted_argmax, disc": MAPS | {"target": "disc", "radius": 2.0, "window": 9, "threshold": 0.4},
}
#: How far from the truth a clean output may be read, in input pixels; the points of the tests are some 2 sigma inside.
TOLERANCE = {"argmax": 1.8, "argmax, disc": 8.0, "simcc": 0.36, "weighted_argmax, disc": 1.5, "soft_argmax": 0.4}
TOLERANCE |= {"soft_argmax, regularised": 0.4, "soft_argmax, rated": 0.4, "weighted_argmax": 0.4, "dark": 0.4}
everyone = pytest.mark.parametrize("case", OPTIONS)


def codec_of(case: str) -> str:
    return case.partition(",")[0]


def create(case: str, points: int = 3, **more: object) -> Codec:
    name = codec_of(case)
    shape = {"mean_shape": torch.rand(points, 2, generator=torch.Generator().manual_seed(1))}
    wanted = shape if decoders.CODECS[name].uses_mean_shape else {}
    return decoders.create(name, **wanted, **OPTIONS[case] | more)


def interior(codec: Codec, margin: float, count: int = 3, batch: int = 1) -> Tensor:
    """Random points ``(batch, count, 2)`` at least ``margin`` px from the input's edges."""
    height, width = codec.input_size
    unit = torch.rand(batch, count, 2, generator=torch.Generator().manual_seed(0))
    return margin - 0.5 + unit * (torch.tensor([width, height]) - 2 * margin)


def ideal(codec: Codec, points: Tensor) -> Tensor:
    return torch.nan_to_num(codec.ideal_output(codec.encode(points)))


def total(codec: Codec, output: Tensor, target: dict[str, Tensor]) -> Tensor:
    return torch.stack(list(codec.loss(output, target).values())).sum()


def test_every_codec_is_tested_here() -> None:
    assert {codec_of(case) for case in OPTIONS} == set(decoders.CODECS)


@everyone
def test_shapes_and_masks(case: str) -> None:
    codec = create(case)
    points = torch.tensor([[[10.0, 10.0], [NAN, NAN], [20.0, 12.0]], [[30.0, 20.0], [40.0, 14.0], [NAN, 3.0]]])
    given = torch.tensor([[True, True, False], [True, True, True]])
    target = codec.encode(points, given)
    assert target["mask"].tolist() == [[True, False, False], [True, True, False]]
    assert codec.encode(points)["mask"].tolist() == [[True, False, True], [True, True, False]]
    output = torch.nan_to_num(codec.ideal_output(target))
    assert output.shape[:2] == (2, codec.channels(3))
    assert output.shape[2:] == (getattr(codec, "heatmap_size", ()))
    decoded, scores = codec.decode(output)
    assert decoded.shape == (2, 3, 2)
    assert scores.shape == codec.log_spread(output).shape == (2, 3)
    error = (decoded[target["mask"]] - points[target["mask"]]).norm(dim=-1)
    assert error.max() < TOLERANCE.get(case, 1e-3)


@everyone
def test_an_empty_batch(case: str) -> None:
    codec = create(case)
    target = codec.encode(torch.zeros(0, 3, 2))
    output = codec.ideal_output(target).requires_grad_()
    decoded, scores = codec.decode(output)
    assert decoded.shape == (0, 3, 2)
    assert scores.shape == codec.log_spread(output).shape == (0, 3)
    assert total(codec, output, target).item() == 0


@everyone
def test_every_picture_is_decoded_by_itself(case: str) -> None:
    codec = create(case)
    output = torch.randn(4, *ideal(codec, interior(codec, 9)).shape[1:], generator=torch.Generator().manual_seed(0))
    together = codec.decode(output)
    for i in range(4):
        for mine, its in zip(codec.decode(output[i : i + 1]), together, strict=True):
            torch.testing.assert_close(mine[0], its[i])


@everyone
def test_reading_gives_the_points_and_the_spread_at_once(case: str) -> None:
    codec = create(case)
    shape = ideal(codec, interior(codec, 9)).shape
    output = 3 * torch.randn(5, *shape[1:], generator=torch.Generator().manual_seed(0))
    read = codec.read(output)
    torch.testing.assert_close(read[..., :2], codec.decode(output)[0], rtol=0, atol=0)
    torch.testing.assert_close(read[..., 2], codec.log_spread(output), rtol=0, atol=0)


@everyone
def test_scores_are_probabilities_of_the_spread(case: str) -> None:
    codec = create(case)
    shape = ideal(codec, interior(codec, 9)).shape
    for strength in (0.0, 1.0, 30.0):
        output = strength * torch.randn(5, *shape[1:], generator=torch.Generator().manual_seed(0))
        _, scores = codec.decode(output)
        assert ((scores >= 0) & (scores <= 1)).all()
        assert torch.isfinite(codec.log_spread(output)).all()
        torch.testing.assert_close(scores, codec.score(codec.log_spread(output)))


# ---------------------------------------------------------------- losses


@everyone
def test_what_is_masked_adds_nothing_whatever_it_says(case: str) -> None:
    codec = create(case)
    missing = torch.tensor([[[10.0, 10.0], [NAN, NAN], [20.0, 8.0]]])
    elsewhere = torch.tensor([[[10.0, 10.0], [50.0, 20.0], [20.0, 8.0]]])
    given = torch.tensor([[True, False, True]])
    shape = ideal(codec, missing).shape
    results = []
    for target in (codec.encode(missing), codec.encode(elsewhere, given), codec.encode(missing, given)):
        output = torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
        loss = total(codec, output, target)
        loss.backward()
        results.append((loss.detach(), output.grad))
    assert torch.isfinite(results[0][1]).all()
    assert results[0][1].abs().sum() > 0
    for loss, gradient in results[1:]:
        assert torch.equal(loss, results[0][0])
        assert torch.equal(gradient, results[0][1])


@everyone
def test_a_face_without_any_label_has_a_loss_of_zero(case: str) -> None:
    codec = create(case)
    target = codec.encode(torch.full((2, 3, 2), NAN))
    output = torch.randn(ideal(codec, torch.full((2, 3, 2), NAN)).shape).requires_grad_()
    loss = total(codec, output, target)
    loss.backward()
    assert loss.item() == 0
    assert (output.grad == 0).all()


@everyone
def test_nothing_beats_the_ideal_output(case: str) -> None:
    codec = create(case)
    target = codec.encode(interior(codec, 9))
    output = codec.ideal_output(target)
    best = total(codec, output, target)
    torch.manual_seed(0)
    for strength in (0.03, 0.1, 1.0):
        worse = output + strength * torch.randn_like(output)
        assert total(codec, worse, target) > best - 1e-7  # a sigmoid's ideal output is finite: not quite the best


@everyone
def test_an_output_learns_its_points(case: str) -> None:
    """From nothing, by the loss alone."""
    codec = create(case)
    points = interior(codec, 9)
    target = codec.encode(points)
    output = torch.zeros_like(ideal(codec, points)).requires_grad_()
    optimizer = torch.optim.Adam([output], lr=0.1)
    first = total(codec, output, target).item()
    for step in range(150):
        optimizer.param_groups[0]["lr"] = 0.1 * (1 - step / 150)
        optimizer.zero_grad()
        total(codec, output, target).backward()
        optimizer.step()
    assert total(codec, output, target).item() < first
    error = (codec.decode(output)[0] - points).norm(dim=-1)
    assert error.max() < TOLERANCE.get(case, 0.0) + 0.6


@everyone
def test_gradients(case: str) -> None:
    codec = create(case)
    points = interior(codec, 9).double()
    target = codec.encode(points)
    torch.manual_seed(0)
    place = torch.nan_to_num(codec.ideal_output(target))
    output = (place.clamp(-5, 5) + 0.05 * torch.rand_like(place)).requires_grad_()
    assert codec.decode(output)[0].dtype == torch.float64
    if case == "soft_argmax, rated":  # a rating holds the places still: its own gradient is in test_decoder_values
        codec.rating_weight = 0.0  # type: ignore[attr-defined]
    assert torch.autograd.gradcheck(lambda z: total(codec, z, target), output, fast_mode=True)
    if codec.decode(output)[0].requires_grad:
        assert torch.autograd.gradcheck(lambda z: codec.decode(z)[0], output, fast_mode=True)
    else:
        assert case in {"argmax", "argmax, disc", "simcc"}


# ---------------------------------------------------------------- precision


@everyone
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_gives_float32_points(case: str, dtype: torch.dtype) -> None:
    codec = create(case)
    clean = ideal(codec, interior(codec, 9))
    limit = 6e4 if dtype == torch.float16 else 1e30
    for output in (clean, clean * limit, -limit * torch.ones_like(clean), limit * torch.ones_like(clean)):
        if codec.name in ("pip", "regression", "offset") and output is not clean:
            output = output.clamp(-100, 100)  # these outputs are coordinates: what is far is far
        half = output.clamp(-limit, limit).to(dtype)
        points, scores = codec.decode(half)
        assert points.dtype == scores.dtype == torch.float32
        assert torch.isfinite(points).all()
        assert torch.isfinite(scores).all()
        torch.testing.assert_close(points, codec.decode(half.float())[0])
        target = codec.encode(interior(codec, 9))
        if output is clean:
            assert torch.isfinite(total(codec, half, target))


@everyone
def test_half_precision_labels_are_drawn_in_float32(case: str) -> None:
    codec = create(case)
    points = interior(codec, 9).half()
    mine, its = codec.encode(points), codec.encode(points.float())
    assert set(mine) == set(its)
    for key in set(mine) - {"points"}:
        assert torch.equal(mine[key], its[key]), key


@everyone
def test_nothing_changes_its_input(case: str) -> None:
    codec = create(case)
    points = torch.tensor([[[10.0, 10.0], [NAN, NAN], [20.0, 8.0]]])
    mask = torch.tensor([[True, True, False]])
    kept = points.clone(), mask.clone()
    target = codec.encode(points, mask)
    output = torch.nan_to_num(codec.ideal_output(target))
    copies = {k: v.clone() for k, v in target.items()}, output.clone()
    codec.decode(output), codec.log_spread(output), codec.loss(output, target), codec.ideal_output(target)
    assert torch.equal(torch.nan_to_num(points), torch.nan_to_num(kept[0]))
    assert torch.equal(mask, kept[1])
    assert torch.equal(output, copies[1])
    for key, value in target.items():
        assert torch.equal(value, copies[0][key]) or torch.equal(torch.nan_to_num(value), copies[0][key].nan_to_num())


# ---------------------------------------------------------------- configs and errors


@everyone
def test_the_config_survives_json(case: str) -> None:
    codec = create(case, calibration={"slope": -2.5, "bias": [1.0, 2.0, 3.0]})
    again = decoders.from_config(json.loads(json.dumps(codec.to_config())))
    assert type(again) is type(codec)
    assert again.to_config() == codec.to_config()
    points = interior(codec, 9)
    output = ideal(codec, points)
    for mine, its in zip(codec.decode(output), again.decode(output), strict=True):
        assert torch.equal(mine, its)
    assert torch.equal(total(codec, output, codec.encode(points)), total(again, output, again.encode(points)))


@everyone
def test_the_config_says_every_option(case: str) -> None:
    config = create(case).to_config()
    assert set(OPTIONS[case]) <= set(config)
    for key, value in OPTIONS[case].items():
        if key != "neighbors":
            assert config[key] == (list(value) if isinstance(value, tuple) else value), key


@everyone
def test_wrong_shapes_are_refused(case: str) -> None:
    codec = create(case)
    with pytest.raises(ArgumentError, match="expected output"):
        codec.decode(torch.zeros(2, 3, 5))
    with pytest.raises(ArgumentError, match=r"must be \(\.\.\., K, 2\)"):
        codec.encode(torch.zeros(1, 3, 3))


MAP_CODECS = sorted({codec_of(case) for case in OPTIONS if "heatmap_size" in OPTIONS[case]})


@pytest.mark.parametrize("name", [*MAP_CODECS, "simcc"])
def test_a_point_off_the_input_is_masked(name: str) -> None:
    codec = create(name, points=6)
    inside = [[-0.5, 5.0], [63.5, 31.5]]
    outside = [[-0.6, 5.0], [63.6, 5.0], [5.0, -0.6], [5.0, 31.6]]
    target = codec.encode(torch.tensor([inside + outside]))
    assert target["mask"].tolist() == [[True, True, False, False, False, False]]
    drawn = target["heatmap" if name != "simcc" else "x"][0].flatten(1)
    assert (drawn[:2].amax(-1) > 0).all()
    assert (drawn[2:] == 0).all()


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("softargmax", {}, r"'softargmax'; choose one of: argmax, dark, offset, pip, regression, simcc, soft_argmax"),
        ("regression", {"sigma": 2}, "codec regression.*sigma"),
        ("regression", {"input_size": (0, 8)}, "input_size: expected two positive numbers"),
        ("regression", {"loss": "heatmap_mse"}, "unknown loss 'heatmap_mse'; choose one of: l1, mse"),
        ("regression", {"loss": "l1", "loss_options": {"beta": 1}}, "loss l1: unknown option beta; it has: none"),
        ("argmax", {"heatmap_size": (32, 16)}, "must have the shape"),
        ("argmax", {"heatmap_size": "large"}, "heatmap_size: expected two positive numbers"),
        ("argmax", {"sigma": 0}, "sigma: expected a positive, finite number"),
        ("argmax", {"sigma": NAN}, "sigma: expected a positive, finite number"),
        ("argmax", {"radius": 0.5}, "radius must be at least sqrt"),
        ("argmax", {"target": "square"}, "target: unknown 'square'; choose one of: gaussian, disc"),
        ("argmax", {"loss": "wing"}, "unknown loss 'wing'; choose one of: adaptive_wing, heatmap_bce"),
        ("argmax", {"window": 3}, "codec argmax.*window"),
        ("weighted_argmax", {"threshold": 1.0}, "threshold must be at least 0 and under 1"),
        ("weighted_argmax", {"window": 4}, "window must be an odd number"),
        ("soft_argmax", {"temperature": 0}, "temperature: expected a positive, finite number"),
        ("soft_argmax", {"rated": "maybe"}, "rated must be true or false, got 'maybe'"),
        ("soft_argmax", {"rating_weight": -1}, "rating_weight: expected a finite number of at least 0"),
        ("soft_argmax", {"loss": "heatmap_bce"}, "unknown loss 'heatmap_bce'"),
        ("dark", {"blur": -1}, "blur: expected a finite number of at least 0"),
        ("dark", {"limit": 0}, "limit: expected a positive, finite number"),
        ("dark", {"heatmap_size": (4, 4)}, "dark: heatmap_size must be at least 5 a side"),
        ("udp", {"heatmap_size": (2, 2)}, "udp: heatmap_size must be at least 3 a side"),
        ("simcc", {"split": 0}, "split: expected a positive, finite number"),
        ("simcc", {"split": 1.3}, "split: 1.3 gives no whole number of bins"),
        ("simcc", {"reading": "mean"}, "reading: unknown 'mean'; choose one of: argmax, expectation"),
        ("pip", {}, "pip: give mean_shape"),
        ("pip", {"neighbors": -1}, "neighbors must be at least 0"),
        ("pip", {"neighbors": [[1], [2]]}, "neighbors: expected K lists"),
        ("pip", {"neighbors": [[1], []]}, "neighbors: expected K lists"),
        ("pip", {"neighbors": [[1], [0]], "loss": "heatmap_kl"}, "unknown loss 'heatmap_kl'"),
    ],
)
def test_wrong_options_are_explained(name: str, options: dict[str, object], says: str) -> None:
    sizes: dict[str, object] = {"input_size": (64, 64)}
    if name not in ("regression", "simcc"):
        sizes["heatmap_size"] = (16, 16)
    with pytest.raises(ArgumentError, match=says):
        decoders.create(name, **sizes | options)


def test_a_config_needs_a_name() -> None:
    with pytest.raises(ArgumentError, match="no name"):
        decoders.from_config({"input_size": [8, 8]})


def test_pip_knows_its_points() -> None:
    codec = create("pip", points=4)
    with pytest.raises(ArgumentError, match="one list for each of 5 points, got 4"):
        codec.channels(5)
    with pytest.raises(ArgumentError, match=r"pip: expected points \(N, 4, 2\)"):
        codec.encode(torch.zeros(1, 5, 2))


# ---------------------------------------------------------------- calibration


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
    assert metrics.expected_calibration_error(codec.score(spread).flatten().numpy(), right.flatten().numpy()) < 0.015


def test_a_spread_that_is_always_the_same_can_be_calibrated() -> None:
    """A plain regression's: its scores become each point's share of right ones."""
    right = torch.arange(4000).reshape(-1, 2) % 8 < torch.tensor([2, 6])
    codec = decoders.create("regression", input_size=(8, 8))
    codec.calibration = calibration.fit(codec.log_spread(torch.zeros(2000, 4)), right)
    scores = codec.decode(torch.zeros(1, 4))[1][0]
    assert scores.tolist() == pytest.approx(right.double().mean(0).tolist(), abs=0.01)


# ---------------------------------------------------------------- export


class Decode(nn.Module):
    """The decoding of some codecs as one network."""

    def __init__(self, codecs: list[Codec]) -> None:
        super().__init__()
        self.codecs = codecs

    def forward(self, *outputs: Tensor) -> list[Tensor]:
        decoded = [codec.decode(output) for codec, output in zip(self.codecs, outputs, strict=True)]
        return [tensor for pair in decoded for tensor in pair]


def any_outputs(codecs: list[Codec], count: int) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(count)
    shapes = [ideal(codec, interior(codec, 9)).shape[1:] for codec in codecs]
    return tuple(torch.rand((count, *shape), generator=generator) for shape in shapes)


def test_decoding_is_one_graph_for_any_batch() -> None:
    codecs = [create(case) for case in decoders.names()]
    batch = tuple({0: torch.export.Dim.DYNAMIC} for _ in codecs)
    program = torch.export.export(Decode(codecs), any_outputs(codecs, 2), dynamic_shapes=(batch,)).module()
    for count in (2, 5):
        outputs = any_outputs(codecs, count)
        torch.testing.assert_close(program(*outputs), Decode(codecs)(*outputs))


@pytest.mark.slow
def test_decoding_can_be_exported_to_onnx(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    codecs = [create(case) for case in OPTIONS]
    names = [f"output{i}" for i in range(len(codecs))]
    file = tmp_path / "decode.onnx"
    options = {"input_names": names, "dynamic_shapes": (({0: "batch"},) * len(codecs),), "dynamo": True}
    torch.onnx.export(Decode(codecs).eval(), any_outputs(codecs, 2), file, verbose=False, **options)
    session = runtime.InferenceSession(file, providers=["CPUExecutionProvider"])
    for count in (2, 5):
        outputs = any_outputs(codecs, count)
        got = session.run(None, dict(zip(names, (x.numpy() for x in outputs), strict=True)))
        for mine, its in zip(Decode(codecs)(*outputs), got, strict=True):
            np.testing.assert_allclose(its, mine.numpy(), atol=1e-3)


def test_scores_by_numpy_are_those_by_torch() -> None:
    codec = create("soft_argmax")
    codec.calibration = {"slope": -2.7, "bias": [-13.0, -12.5, -14.0]}
    spread = torch.linspace(-60, 60, 300).reshape(100, 3)
    by_numpy = codec.scores_of(spread.numpy())
    assert by_numpy.dtype == np.float32
    np.testing.assert_allclose(by_numpy, codec.score(spread), atol=1e-6)


def test_an_expected_error_finds_the_scale_that_made_the_data() -> None:
    """Errors of mean exp(b_k + 0.8 x): the slope and the biases come back, and the scores alone carry them."""
    generator = torch.Generator().manual_seed(0)
    spread = torch.rand(4000, 3, generator=generator) * 2 - 4
    scale = torch.exp(0.8 * spread + torch.tensor([0.0, 0.5, 1.0]))
    error = -torch.log(1 - torch.rand(4000, 3, generator=generator)) * scale
    error[:50, 1] = torch.nan
    fitted = calibration.fit_error(spread, error)
    assert fitted["slope"] == pytest.approx(0.8, abs=0.05)
    scores = calibration.fit(spread, error < 0.05)
    codec = decoders.create("regression", input_size=(40, 80), calibration={**scores, "error": fitted})
    expected = codec.expected_error(codec.score(spread))
    assert expected is not None
    inside = (codec.score(spread) > 1e-5) & (codec.score(spread) < 1 - 1e-5)
    torch.testing.assert_close(expected[inside], (scale * 80)[inside], rtol=0.15, atol=0)


def test_a_codec_that_was_never_fitted_expects_nothing() -> None:
    assert create("soft_argmax").expected_error(torch.rand(2, 3)) is None
    flat = {"slope": 0.0, "bias": [0.3], "error": {"slope": 1.0, "bias": [math.log(0.25)]}}
    codec = decoders.create("regression", input_size=(40, 80), calibration=flat)
    torch.testing.assert_close(codec.expected_error(torch.rand(2, 3)), torch.full((2, 3), 20.0))


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("dark", {"blur": 2000.0}, "blur: must be at most 32"),
        ("weighted_argmax", {"window": 65535}, "window must be an odd number of cells up to 65"),
        ("soft_argmax", {"point_weight": "x"}, "point_weight"),
    ],
)
def test_options_that_would_take_all_memory_or_are_no_numbers(name: str, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        decoders.create(name, input_size=(32, 32), heatmap_size=(32, 32), **options)
