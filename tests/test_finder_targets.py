"""Turned faces in a finder's targets, loss and decoding."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facekp import finder, geometry
from facekp.errors import ArgumentError
from facekp.finder.targets import FACE, IGNORE, predicted_angles, predicted_boxes

SMALL = {"type": "pyramid", "stem": 8, "channels": [8, 8, 8], "depths": [1, 1, 1], "neck": 8, "head": 1}
POINTS = finder.grid((128, 128), finder.STRIDES)


def ideal(targets: finder.targets.Targets) -> torch.Tensor:
    """The output of a network that tells angles and has learnt these targets perfectly."""
    xy = POINTS[:, :2]
    distances = torch.cat([xy - targets.boxes[..., :2], targets.boxes[..., 2:] - xy], -1).clamp(min=1e-3)
    logits = torch.where(targets.positive, 8.0, -8.0)[..., None]
    radians = torch.deg2rad(targets.angles)[..., None]
    return torch.cat([logits, distances, radians.cos(), radians.sin()], -1)


def learnt(box: tuple[float, float, float, float], angle: float) -> finder.targets.Targets:
    return finder.assign(POINTS, torch.tensor([[box]]), torch.tensor([[FACE]]), torch.tensor([[angle]]))


def test_a_face_turned_by_90_degrees_is_learnt_where_it_is_centred() -> None:
    """Its box is the rectangle turned back, so the points and boxes are those of the upright face; the angle is not."""
    upright, turned = learnt((40.0, 30.0, 80.0, 90.0), 0.0), learnt((40.0, 30.0, 80.0, 90.0), 90.0)
    assert (upright.positive == turned.positive).all()
    assert (upright.boxes == turned.boxes).all()
    assert set(turned.angles[turned.positive].tolist()) == {90.0}
    assert (turned.angles[~turned.positive] == 0).all()
    assert (upright.angles == 0).all()
    assert (finder.assign(POINTS, torch.tensor([[[40.0, 30, 80, 90]]]), torch.tensor([[FACE]])).angles == 0).all()
    (found,) = finder.decode(ideal(turned), POINTS, min_score=0.5)
    np.testing.assert_allclose(found.boxes, [[40, 30, 80, 90]], atol=1e-3)
    np.testing.assert_allclose(found.angles, [90], atol=1e-3)


def test_the_crop_of_a_detection_is_upright() -> None:
    """A face turned clockwise by 90 degrees has its brow on its right; the crop by its angle has it on top."""
    (found,) = finder.decode(ideal(learnt((40.0, 30.0, 80.0, 90.0), 90.0)), POINTS, min_score=0.5)
    matrix = geometry.crop_matrix(found.boxes[0], (60, 60), angle=float(found.angles[0]))
    brow, chin = geometry.apply(matrix, np.array([[60 + 30, 60], [60 - 30, 60]], np.float32))
    np.testing.assert_allclose(brow, [29.5, -0.5], atol=1e-2)
    np.testing.assert_allclose(chin, [29.5, 59.5], atol=1e-2)


@settings(max_examples=40, deadline=None)
@given(angle=st.floats(-179.9, 180), x=st.floats(20, 108), y=st.floats(20, 108), side=st.floats(14, 120))
def test_ideal_output_decodes_to_the_angle(angle: float, x: float, y: float, side: float) -> None:
    half = side / 2
    (found,) = finder.decode(ideal(learnt((x - half, y - half, x + half, y + half), angle)), POINTS, min_score=0.5)
    assert len(found) == 1
    assert abs((float(found.angles[0]) - angle + 180) % 360 - 180) < 0.1
    assert -180 < found.angles[0] <= 180
    assert found.angles.dtype == np.float32


def test_angles_by_hand() -> None:
    rows = torch.zeros(5, 7)
    rows[:, 5:] = torch.tensor([[2.0, 0.0], [0.0, 0.1], [-1.0, 0.0], [-1.0, -0.0], [1.0, -1.0]])
    assert predicted_angles(rows).tolist() == pytest.approx([0, 90, 180, 180, -45])
    assert predicted_angles(torch.ones(2, 3, 5)).tolist() == [[0, 0, 0]] * 2


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), channels=st.sampled_from([5, 7]))
def test_decoding_gives_what_is_trained(seed: int, channels: int) -> None:
    """The boxes and angles of the loss, and those of decoding, which takes another way to them."""
    torch.manual_seed(seed)
    output = torch.randn(1, len(POINTS), channels) * 20
    output[..., 0] = torch.linspace(-3, 3, len(POINTS))[torch.randperm(len(POINTS))]
    (found,) = finder.decode(output, POINTS, min_score=0.0, nms_iou=1.0, candidates=len(POINTS), limit=len(POINTS))
    order = output[0, :, 0].argsort(descending=True)
    np.testing.assert_allclose(found.boxes, predicted_boxes(POINTS, output)[0, order])
    apart = (found.angles - predicted_angles(output)[0, order].numpy() + 180) % 360 - 180
    np.testing.assert_allclose(apart, 0, atol=1e-3)


def test_angle_loss_by_hand() -> None:
    """Of unit vectors it is 1 - cos: 1 at a right angle, 2 upside down; ignored and empty points do not count."""
    targets = learnt((40.0, 40.0, 88.0, 88.0), 30.0)
    for off, expected in ((0.0, 0.0), (90.0, 1.0), (180.0, 2.0), (-60.0, 0.5)):
        output = ideal(targets._replace(angles=targets.angles + off))
        parts = finder.loss(POINTS, output, targets)
        assert parts.angle == pytest.approx(expected, abs=1e-5)
        assert parts.box == pytest.approx(0, abs=1e-4)
        assert parts.iou == pytest.approx(1, abs=1e-4)
    ignored = finder.assign(
        POINTS, torch.tensor([[[0.0, 0, 60, 60]]]), torch.tensor([[IGNORE]]), torch.tensor([[45.0]])
    )
    assert finder.loss(POINTS, output, ignored).angle == 0
    assert finder.loss(POINTS, output[..., :5], targets).angle == 0  # a network that tells no angles


def test_a_wrong_angle_does_not_move_the_score() -> None:
    targets = learnt((40.0, 40.0, 88.0, 88.0), 0.0)
    right, wrong = (ideal(targets._replace(angles=targets.angles + off)) for off in (0.0, 180.0))
    assert finder.loss(POINTS, right, targets).score == finder.loss(POINTS, wrong, targets).score


def test_gradients_reach_the_angle_and_are_finite() -> None:
    torch.manual_seed(0)
    network = finder.create({**SMALL, "angle": True})
    output = network(torch.randn(1, 3, 128, 128))
    parts = finder.loss(POINTS, output, learnt((40.0, 30.0, 80.0, 90.0), 135.0))
    sum(parts[:3]).backward()
    assert network.turn is not None
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    assert network.turn.weight.grad.abs().sum() > 0
    nothing = torch.zeros(1, len(POINTS), 7, requires_grad=True)  # a vector of length nought has no direction
    finder.loss(POINTS, nothing, learnt((40.0, 30.0, 80.0, 90.0), 135.0)).angle.backward()
    assert nothing.grad.isfinite().all()


# ---------------------------------------------------------------- the network's channels


@pytest.mark.parametrize("light", [False, True])
def test_a_network_with_angles_has_seven_channels(light: bool) -> None:
    network = finder.create({**SMALL, "light": light, "angle": True}).eval()
    output = network(torch.randn(2, 3, 64, 96))
    assert output.shape == (2, len(finder.grid((64, 96), finder.STRIDES)), 7)
    assert output.dtype == torch.float32
    assert (output[..., 1:5] > 0).all()


def test_old_weights_load_and_say_that_faces_are_upright() -> None:
    old = finder.create(SMALL)  # a spec as it was before there were angles
    again = finder.create({**SMALL, "light": False, "angle": False})
    again.load_state_dict(old.state_dict())
    found = finder.FaceFinder(old, {"side": 128})([np.zeros((50, 60, 3), np.uint8)], min_score=0.0)[0]
    assert len(found) == len(found.angles) > 0
    assert (found.angles == 0).all()
    assert finder.Detections().angles.shape == (0,)
    assert finder.Detections(np.zeros((2, 4)), np.zeros(2)).angles.tolist() == [0, 0]


def test_wrong_options() -> None:
    with pytest.raises(ArgumentError, match="light must be true or false"):
        finder.create({**SMALL, "light": 1})
    with pytest.raises(ArgumentError, match="perhaps angle, kernel, light"):
        finder.create({**SMALL, "angles": True})
    for kernel in (3, 5, 4.0, "7", None, True):
        with pytest.raises(ArgumentError, match="kernel must be 4 or 7"):
            finder.create({**SMALL, "kernel": kernel})


@pytest.mark.parametrize("kernel", [4, 7])
def test_a_stem_of_any_kernel_sees_the_whole_picture_on_the_same_grid(kernel: int) -> None:
    network = finder.create({**SMALL, "kernel": kernel}).eval()
    assert network.stem(torch.zeros(1, 3, 64, 96)).shape == (1, 8, 16, 24)
    assert network(torch.zeros(1, 3, 64, 96)).shape == (1, len(finder.grid((64, 96), finder.STRIDES)), 5)
    for y, x in ((0, 0), (0, 95), (63, 0), (63, 95), (31, 50)):
        dot = torch.zeros(1, 3, 64, 96)
        dot[..., y, x] = 1.0
        seen = network.stem[0](dot).abs().sum(1)[0].nonzero()
        assert [y // 4, x // 4] in seen.tolist()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 999), least=st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1), st.integers(0, 99)))
def test_all_scores_from_the_threshold_on_are_decoded_and_no_others(seed: int, least: float) -> None:
    output = torch.randn(1, 100, 5, generator=torch.Generator().manual_seed(seed)).abs()
    output[..., 0] = torch.randn(100, generator=torch.Generator().manual_seed(seed)) * 8
    scores = 1 / (1 + np.exp(-(output[0, :, 0].numpy() * 1.5 + 0.5)))
    threshold = float(scores[least]) if isinstance(least, int) else least  # one of the scores is still in
    points = torch.rand(100, 3) * 1000
    (found,) = finder.decode(output, points, min_score=threshold, nms_iou=1.0, slope=1.5, bias=0.5)
    assert found.scores.tolist() == sorted((scores[scores >= threshold]).tolist(), reverse=True)


@pytest.mark.slow
def test_a_small_network_learns_angles() -> None:
    """Arrows on a dark ground, learnt within seconds: the angle's target, loss and decoding belong together."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    images, boxes, angles = torch.full((16, 3, 96, 96), -1.0), torch.zeros(16, 1, 4), torch.zeros(16, 1)
    for i in range(16):
        x, y = (int(v) for v in rng.integers(24, 72, 2))
        images[i, :, y - 16 : y + 16, x - 16 : x + 16] = 0.5
        quarter = i % 4  # the brow, 10 px high, is above, right, below or left
        rows, columns = [
            (slice(y - 16, y - 6), slice(x - 16, x + 16)),
            (slice(y - 16, y + 16), slice(x + 6, x + 16)),
            (slice(y + 6, y + 16), slice(x - 16, x + 16)),
            (slice(y - 16, y + 16), slice(x - 16, x - 6)),
        ][quarter]
        images[i, :, rows, columns] = 2.0
        boxes[i, 0] = torch.tensor([x - 16.5, y - 16.5, x + 15.5, y + 15.5])
        angles[i, 0] = (90.0 * quarter + 180) % 360 - 180
    network = finder.create({**SMALL, "stem": 16, "channels": [16, 16, 16], "neck": 16, "angle": True})
    points = finder.grid((96, 96), finder.STRIDES)
    targets = finder.assign(points, boxes, torch.full((16, 1), FACE), angles)
    optimizer = torch.optim.Adam(network.parameters(), 5e-3)
    for _ in range(80):
        parts = finder.loss(points, network(images), targets)
        optimizer.zero_grad()
        (parts.score + 2 * parts.box + parts.angle).backward()
        optimizer.step()
    found = finder.decode(network(images), points, min_score=0.2)
    pairs = zip(found, angles[:, 0].tolist(), strict=True)
    wrong = [abs((float(d.angles[0]) - a + 180) % 360 - 180) if len(d) else 180.0 for d, a in pairs]
    assert np.mean(wrong) < 30
