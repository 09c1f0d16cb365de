"""The face finder: targets, loss, decoding, and pictures of any size."""

from __future__ import annotations

import pickle
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facekp import detector, finder, geometry, hub
from facekp import image as images
from facekp.datasets import frames as framesets
from facekp.errors import ArgumentError, HubError
from facekp.finder.targets import FACE, IGNORE, NOTHING, SIZE_RANGES, box_iou, predicted_boxes
from facekp.metrics import detection
from facekp.training.data import validation_names

SMALL = {"type": "pyramid", "stem": 8, "channels": [8, 8, 8], "depths": [1, 1, 1], "neck": 8, "head": 1}
SIZE = (256, 320)


@pytest.fixture(scope="module")
def small() -> finder.FaceFinder:
    torch.manual_seed(0)
    return finder.FaceFinder(finder.create(SMALL), {"side": 128, "min_score": 0.0})


def ideal(points: torch.Tensor, targets: finder.targets.Targets) -> torch.Tensor:
    """The output of a network that has learnt these targets perfectly."""
    xy = points[:, :2]
    distances = torch.cat([xy - targets.boxes[..., :2], targets.boxes[..., 2:] - xy], -1).clamp(min=1e-3)
    logits = torch.where(targets.positive, 8.0, -8.0)
    return torch.cat([logits[..., None], distances], -1)


# ---------------------------------------------------------------- network


def test_default_network_has_the_promised_size() -> None:
    count = sum(p.numel() for p in finder.create().parameters())
    assert 150_000 <= count <= 350_000


@pytest.mark.parametrize("size", [(32, 32), (64, 96), (96, 256)])
def test_output_has_one_row_per_grid_point(size: tuple[int, int]) -> None:
    output = finder.create(SMALL).eval()(torch.zeros(2, 3, *size))
    assert output.shape == (2, len(finder.grid(size, finder.STRIDES)), 5)
    assert output.dtype == torch.float32
    assert (output[..., 1:] > 0).all()


def test_rows_follow_the_grid() -> None:
    """A disturbance in one corner of the picture moves the rows of that corner's points most."""
    torch.manual_seed(1)
    network = finder.create(SMALL).eval()
    size = (256, 256)
    quiet = torch.zeros(1, 3, *size)
    loud = quiet.clone()
    loud[..., 192:, :64] = 3
    with torch.no_grad():
        change = (network(loud) - network(quiet))[0, :, 0].abs()
    points = finder.grid(size, finder.STRIDES)
    for stride in (8, 16):
        here = points[:, 2] == stride
        x, y = points[here][change[here].argmax(), :2]
        assert x < 128 < y


def test_gradient_reaches_every_parameter() -> None:
    network = finder.create(SMALL)
    points = finder.grid((128, 128), finder.STRIDES)
    boxes = torch.tensor([[[10.0, 12.0, 40.0, 44.0], [20.0, 30.0, 110.0, 120.0]]]).expand(2, -1, -1)
    targets = finder.assign(points, boxes, torch.full((2, 2), FACE))
    parts = finder.loss(points, network(torch.randn(2, 3, 128, 128)), targets)
    (parts.score + parts.box).backward()
    missing = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert not missing


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "yolo"}, "choose one of: pyramid"),
        ({"neck": None}, "expected the keys"),
        ({"depths": [1, 1]}, "depths must be a list of 3"),
        ({"channels": [8, 0, 8]}, "channels must be a list of 3 positive"),
    ],
)
def test_wrong_spec(change: dict[str, object], message: str) -> None:
    spec = {**SMALL, **change}
    spec = {k: v for k, v in spec.items() if v is not None}
    with pytest.raises(ArgumentError, match=message):
        finder.create(spec)


def test_export_to_onnx(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="needs facekp[onnx]")
    ort = pytest.importorskip("onnxruntime", reason="needs facekp[onnx]")
    network, x = finder.create(SMALL).eval(), torch.randn(1, 3, 64, 96)
    file = tmp_path / "finder.onnx"
    torch.onnx.export(
        network, (x,), str(file), input_names=["images"], output_names=["rows"], dynamo=True, verbose=False
    )
    session = ort.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    (rows,) = session.run(None, {"images": x.numpy()})
    np.testing.assert_allclose(rows, network(x).detach().numpy(), rtol=1e-3, atol=1e-3)


# ---------------------------------------------------------------- targets and decoding


def test_grid_obeys_the_pixel_centre_rule() -> None:
    points = finder.grid((64, 32), finder.STRIDES)
    assert points[:4].tolist() == [[3.5, 3.5, 8], [11.5, 3.5, 8], [19.5, 3.5, 8], [27.5, 3.5, 8]]
    assert points[-2:].tolist() == [[15.5, 15.5, 32], [15.5, 47.5, 32]]


def test_one_face_by_hand() -> None:
    """A face of 24 x 24 at (32, 32): learnt on stride 8 alone, by the 4 x 4 points within 1.5 strides of its centre."""
    points = finder.grid((64, 64), finder.STRIDES)
    targets = finder.assign(points, torch.tensor([[[20.0, 20.0, 44.0, 44.0]]]), torch.tensor([[FACE]]))
    chosen = points[targets.positive[0]]
    # Points lie at 3.5, 11.5, 19.5, 27.5, 35.5, 43.5; inside the box and within 12 px of 32: 27.5, 35.5 and 43.5.
    assert {tuple(p) for p in chosen[:, :2].tolist()} == {
        (x, y) for x in (27.5, 35.5, 43.5) for y in (27.5, 35.5, 43.5)
    }
    assert set(chosen[:, 2].tolist()) == {8.0}
    assert (targets.boxes[targets.positive] == torch.tensor([20.0, 20.0, 44.0, 44.0])).all()
    assert targets.counted.all()


def test_size_ranges_overlap_and_reach_every_size() -> None:
    assert SIZE_RANGES[0][0] == 0
    assert SIZE_RANGES[-1][1] == float("inf")
    assert all(a[1] > b[0] for a, b in pairwise(SIZE_RANGES))


def test_ignore_regions_teach_nothing_unless_a_face_is_there() -> None:
    points = finder.grid((64, 64), finder.STRIDES)
    boxes = torch.tensor([[[8.0, 8.0, 60.0, 60.0], [20.0, 20.0, 44.0, 44.0]]])
    alone = finder.assign(points, boxes[:, :1], torch.tensor([[IGNORE]]))
    inside = ((points[:, :2] >= 8) & (points[:, :2] <= 60)).all(-1)
    assert (alone.counted[0] == ~inside).all()
    assert not alone.positive.any()
    both = finder.assign(points, boxes, torch.tensor([[IGNORE, FACE]]))
    assert both.positive.any()
    assert both.counted[both.positive].all()
    output = torch.randn(1, len(points), 5).abs().requires_grad_()
    finder.loss(points, output, alone).score.backward()
    assert (output.grad[0, inside] == 0).all()


def test_no_face_at_all() -> None:
    points = finder.grid((64, 64), finder.STRIDES)
    targets = finder.assign(points, torch.zeros(2, 0, 4), torch.zeros(2, 0, dtype=torch.long))
    output = torch.ones(2, len(points), 5, requires_grad=True)
    parts = finder.loss(points, output, targets)
    assert parts.box == 0
    assert parts.score > 0
    padded = finder.assign(points, torch.zeros(2, 3, 4), torch.full((2, 3), NOTHING))
    assert not padded.positive.any()


@settings(max_examples=60, deadline=None)
@given(
    side=st.floats(6, 400),
    ratio=st.floats(0.6, 1.6),
    x=st.floats(0.0, 1.0),
    y=st.floats(0.0, 1.0),
)
def test_ideal_output_decodes_to_the_box(side: float, ratio: float, x: float, y: float) -> None:
    """A face of any size whose centre is in the picture is learnt somewhere, and comes back to 1e-2 px."""
    width, height = side * ratio**0.5, side / ratio**0.5
    cx, cy = x * (SIZE[1] - 1), y * (SIZE[0] - 1)
    box = torch.tensor([[[cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2]]])
    points = finder.grid(SIZE, finder.STRIDES)
    targets = finder.assign(points, box, torch.tensor([[FACE]]))
    assert targets.positive.any()
    (found,) = finder.decode(ideal(points, targets), points, min_score=0.5)
    assert len(found) == 1
    # A tiny face may have no point inside it; then the side next to the point is where the point is.
    slack = 1e-2 if side >= 16 else 8.0
    np.testing.assert_allclose(found.boxes, box[0].numpy(), atol=slack)


def test_two_faces_and_suppression() -> None:
    points = finder.grid(SIZE, finder.STRIDES)
    boxes = torch.tensor([[[10.0, 10.0, 50.0, 60.0], [120.0, 90.0, 260.0, 240.0]]])
    output = ideal(points, finder.assign(points, boxes, torch.full((1, 2), FACE)))
    (found,) = finder.decode(output, points, min_score=0.5)
    order = found.boxes[:, 0].argsort()
    np.testing.assert_allclose(found.boxes[order], boxes[0].numpy(), atol=1e-2)
    assert found.boxes.dtype == found.scores.dtype == np.float32
    (nothing,) = finder.decode(output, points, min_score=0.9999)
    assert nothing.boxes.shape == (0, 4)
    assert nothing.scores.shape == (0,)


def test_the_smaller_of_two_overlapping_faces_wins_a_point() -> None:
    points = finder.grid((128, 128), finder.STRIDES)
    boxes = torch.tensor([[[20.0, 20.0, 72.0, 72.0], [30.0, 30.0, 60.0, 60.0]]])
    targets = finder.assign(points, boxes, torch.full((1, 2), FACE))
    near = (points[:, 2] == 8) & ((points[:, :2] - 45).abs().amax(-1) < 8)
    assert (targets.boxes[0, near] == boxes[0, 1]).all()


def test_box_iou_by_hand() -> None:
    a, b = torch.tensor([0.0, 0.0, 2.0, 2.0]), torch.tensor([1.0, 0.0, 3.0, 2.0])
    iou, diou = box_iou(a, b)
    assert iou == pytest.approx(1 / 3)
    assert diou == pytest.approx(1 / 3 - 1 / (9 + 4))  # centres 1 apart, hull 3 x 2


def test_predicted_boxes_add_the_distances() -> None:
    points = torch.tensor([[3.5, 11.5, 8.0]])
    boxes = predicted_boxes(points, torch.tensor([[[0.0, 1.0, 2.0, 3.0, 4.0]]]))
    assert boxes.tolist() == [[[2.5, 9.5, 6.5, 15.5]]]


# ---------------------------------------------------------------- the finder on pictures


@pytest.mark.parametrize("shape", [(1, 1), (1, 100_000), (100_000, 1), (7, 500), (480, 640), (33, 33)])
def test_any_size_of_picture(small: finder.FaceFinder, shape: tuple[int, int]) -> None:
    (found,) = small([np.zeros((*shape, 3), np.uint8)], min_score=0.0)
    assert found.boxes.shape == (len(found), 4)
    assert np.isfinite(found.boxes).all()
    assert (np.diff(found.scores) <= 0).all()
    matrix, size = small.matrix(shape)
    assert size[0] % 32 == size[1] % 32 == 0
    assert max(size) <= small.config.side
    corners = geometry.apply(matrix, geometry.image_box(shape).reshape(2, 2))
    inside = geometry.image_box(size)
    assert (corners[0] >= inside[:2]).all()
    assert (corners[1] <= inside[2:]).all()


def test_a_list_gives_a_list_in_order(small: finder.FaceFinder) -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*s, 3), np.uint8) for s in [(40, 60), (90, 30), (40, 60), (64, 64), (41, 61)]]
    together = small(images, min_score=0.0)
    for image, found in zip(images, together, strict=True):
        (alone,) = small([image], min_score=0.0)
        np.testing.assert_allclose(found.scores[:5], alone.scores[:5], atol=1e-5)
        np.testing.assert_allclose(found.boxes[:1], alone.boxes[:1], atol=1e-2)
    assert small([]) == []
    assert all(len(d) == 0 for d in small(images, min_score=1.0))


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
        "a.jpg",
    ],
)
def test_wrong_pictures(small: finder.FaceFinder, image: object) -> None:
    with pytest.raises(ArgumentError, match=r"images\[1\]"):
        small([np.zeros((4, 4, 3), np.uint8), image])  # type: ignore[list-item]


def test_wrong_threshold_and_config(small: finder.FaceFinder) -> None:
    with pytest.raises(ArgumentError, match="min_score"):
        small([], min_score=1.5)
    with pytest.raises(ArgumentError, match="unknown keys"):
        finder.FinderConfig.from_dict({"sides": 3})
    with pytest.raises(ArgumentError, match="side"):
        finder.FinderConfig(side=20)
    with pytest.raises(ArgumentError, match="nms_iou"):
        finder.FinderConfig(nms_iou=0)
    with pytest.raises(ArgumentError, match="slope"):
        finder.FinderConfig(slope=0)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"side": 10_000}, "side: expected a whole number from 32 to 8192, got 10000"),
        ({"side": 384.0}, "side: expected a whole number"),
        ({"side": True}, "side: expected a whole number"),
        ({"max_zoom": 65.0}, "max_zoom: expected a number"),
        ({"max_zoom": 0}, "max_zoom: expected a number"),
        ({"margin": 192}, "margin: must be under half the side"),
        ({"margin": -1}, "margin: expected a whole number"),
        ({"fill": "grey"}, "fill: expected a whole number from 0 to 255, got 'grey'"),
        ({"fill": 256}, "fill: expected a whole number"),
        ({"mean": float("nan")}, "mean: expected a number"),
        ({"mean": [1]}, "mean: expected a number"),
        ({"std": "a"}, "std: expected a number"),
        ({"std": 0}, "std: expected a number"),
        ({"min_score": None}, "min_score: expected a number from 0 to 1, got None"),
        ({"nms_iou": "x"}, "nms_iou: expected a number"),
        ({"batch_size": {"a": 1}}, "batch_size: expected a whole number"),
        ({"batch_size": 5000}, "batch_size: expected a whole number from 1 to 4096"),
        ({"slope": "steep"}, "slope: expected a number"),
        ({"slope": -1}, "slope: expected a number"),
        ({"bias": float("inf")}, "bias: expected a number"),
        ({"turns": 90}, "turns: expected angles"),
        ({"turns": ["a"]}, "turns: expected angles"),
        ({"turns": [1e308]}, "turns: expected angles"),
        ({"turns": [1] * 400}, "turns: expected at most 360 angles"),
    ],
)
def test_a_finder_config_that_is_wrong(
    value: dict[str, Any], says: str, small: finder.FaceFinder, tmp_path: Path
) -> None:
    with pytest.raises(ArgumentError, match=f"finder: {says}") as caught:
        finder.FinderConfig(**value)
    assert "\n" not in str(caught.value)
    hub.save(tmp_path, small.network, {"type": "finder", "name": "small", "network": SMALL, "finder": value})
    with pytest.raises(HubError, match=rf"{tmp_path}: config\.json: finder"):
        detector.load_finder(tmp_path)


def test_a_finder_config_that_is_no_table() -> None:
    with pytest.raises(ArgumentError, match="finder: expected an object, got 'x'"):
        finder.FinderConfig.from_dict("x")  # type: ignore[arg-type]


def test_calibration_changes_scores_and_nothing_else(small: finder.FaceFinder) -> None:
    image = np.random.default_rng(1).integers(0, 256, (50, 70, 3), np.uint8)
    (plain,) = small([image], min_score=0.001)
    config = {**small.config.to_dict(), "slope": 2.0, "bias": -1.0}
    (calibrated,) = finder.FaceFinder(small.network, config)([image], min_score=0)
    raw = plain.scores.astype(float)
    expected = 1 / (1 + np.exp(1 - 2 * np.log(raw / (1 - raw))))
    np.testing.assert_allclose(calibrated.scores[: len(raw)], expected, rtol=1e-4)
    np.testing.assert_array_equal(calibrated.boxes[: len(raw)], plain.boxes)


def test_saved_and_pickled_finders_are_the_same(small: finder.FaceFinder, tmp_path: Path) -> None:
    config = {"type": "finder", "name": "small", "network": SMALL, "finder": small.config.to_dict(), "licence": "none"}
    hub.save(tmp_path / "small", small.network, config)
    again = detector.load_finder(tmp_path / "small")
    pickled = pickle.loads(pickle.dumps(small))
    image = np.random.default_rng(1).integers(0, 256, (50, 70, 3), np.uint8)
    (expected,) = small([image])
    (found,) = pickled.to("cpu")([image])
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    for key, value in again.network.state_dict().items():  # matrices are saved at half precision
        torch.testing.assert_close(value, small.network.state_dict()[key], rtol=1e-3, atol=1e-3)
    assert again.config == pickled.config == small.config


class _Oracle(torch.nn.Module):
    """Stands for a trained network: says where the brightest pixel is."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        size = (images.shape[-2], images.shape[-1])
        points = finder.grid(size, finder.STRIDES)
        rows = torch.full((len(images), len(points), 5), 1e-3)
        rows[..., 0] = -9
        for i, image in enumerate(images):
            y, x = divmod(int(image.sum(0).argmax()), size[1])
            box = torch.tensor([[[x - 20.0, y - 20.0, x + 20.0, y + 20.0]]])
            rows[i] = ideal(points, finder.assign(points, box, torch.tensor([[FACE]])))[0]
        return rows


@pytest.mark.parametrize("shape", [(480, 640), (100, 90), (300, 60)])
def test_boxes_come_back_in_picture_pixels(shape: tuple[int, int]) -> None:
    image = np.zeros((*shape, 3), np.uint8)
    y, x = shape[0] * 3 // 4, shape[1] // 3
    image[y - 4 : y + 5, x - 4 : x + 5] = 100
    image[y - 1 : y + 2, x - 1 : x + 2] = 255
    face_finder = finder.FaceFinder(_Oracle(), {"side": 256, "margin": 16, "fill": 0})
    (found,) = face_finder([image])
    matrix, _ = face_finder.matrix(shape)
    centre = (found.boxes[0, :2] + found.boxes[0, 2:]) / 2
    np.testing.assert_allclose(centre, [x, y], atol=1.5 / matrix[0, 0])
    np.testing.assert_allclose(found.boxes[0, 2:] - found.boxes[0, :2], 40 / matrix[0, 0], rtol=1e-3)


def test_a_tiny_network_learns_to_find_squares() -> None:
    """Bright squares on a dark ground, learnt within seconds: the loss and decoding belong together."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    images, boxes = torch.full((16, 3, 96, 96), -1.0), torch.zeros(16, 1, 4)
    for i in range(16):
        side, x, y = (int(v) for v in rng.integers((20, 0, 0), (50, 46, 46)))
        images[i, :, y : y + side, x : x + side] = 1.5
        boxes[i, 0] = torch.tensor([x - 0.5, y - 0.5, x + side - 0.5, y + side - 0.5])
    network = finder.create({**SMALL, "stem": 16, "channels": [16, 16, 16], "neck": 16})
    points = finder.grid((96, 96), finder.STRIDES)
    targets = finder.assign(points, boxes, torch.full((16, 1), FACE))
    optimizer = torch.optim.Adam(network.parameters(), 5e-3)
    for _ in range(80):
        parts = finder.loss(points, network(images), targets)
        optimizer.zero_grad()
        (parts.score + 2 * parts.box).backward()
        optimizer.step()
    found = finder.decode(network(images), points, min_score=0.3)
    best = [geometry.iou(d.boxes[:1], b.numpy())[0, 0] if len(d) else 0.0 for d, b in zip(found, boxes, strict=True)]
    assert np.mean(best) > 0.7


# ---------------------------------------------------------------- measuring


def test_match_and_average_precision_by_hand() -> None:
    truth = np.array([[0, 0, 10, 10], [20, 20, 30, 30]], np.float32)
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [50, 50, 60, 60], [70, 70, 80, 80]], np.float32)
    scores = np.array([0.9, 0.8, 0.7, 0.6], np.float32)
    ignore = np.array([[65, 65, 85, 85]], np.float32)
    result = detection.match(boxes, scores, truth, ignore)
    assert result.correct.tolist() == [
        True,
        False,
        False,
    ]  # the second is a double, the third nothing, the fourth ignored
    assert result.found.tolist() == pytest.approx([0.9, 0.0])
    assert result.iou.tolist() == pytest.approx([1.0, 0.0])
    assert detection.average_precision([result]) == pytest.approx(0.5)
    twice = detection.match(boxes[[0, 0]], np.zeros(2, np.float32), truth, ignore)  # one true box is taken once
    assert twice.correct.tolist() == [True, False]
    empty = detection.match(boxes[:0], scores[:0], truth, ignore[:0])
    assert detection.average_precision([empty]) == 0
    nobody = detection.match(boxes, scores, truth[:0], ignore)
    assert nobody.correct.sum() == 0
    assert np.isnan(detection.average_precision([nobody]))


# ---------------------------------------------------------------- the shipped weights


PLACED = {"finder": 0.85, "finder-light": 0.8}  # mean IoU with the labelled boxes


@pytest.fixture(scope="module", params=PLACED)
def shipped(request: pytest.FixtureRequest) -> finder.FaceFinder:
    found = detector.load_finder(request.param)
    assert isinstance(found, finder.FaceFinder)
    return found


def test_shipped_finder_sees_no_face_where_there_is_none(shipped: finder.FaceFinder) -> None:
    blank = [np.zeros(s, np.uint8) for s in [(480, 640, 3), (1, 1, 3), (100_000, 1, 3)]]
    grey = [np.full((300, 200, 3), v, np.uint8) for v in (114, 255)]
    noise = [np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)]
    assert [len(d) for d in shipped([*blank, *grey, *noise])] == [0] * 6


def test_shipped_finder_sees_the_astronaut(shipped: finder.FaceFinder, request: pytest.FixtureRequest) -> None:
    """Her face, and nothing else as sure: whole, grey, mirrored, as a tight crop, and cut by the picture's edge."""
    picture = images.read(Path(__file__).parents[1] / "examples" / "astronaut.jpg")
    light = request.node.callspec.params["shipped"] == "finder-light"  # at its threshold it sees one on her suit
    (found,) = shipped([picture], min_score=0.5 if light else None)
    assert len(found) == 1
    x0, y0, x1, y1 = (float(v) for v in found.boxes[0])
    assert 170 < x0 < x1 < 285
    assert 60 < y0 < y1 < 190
    grey = np.repeat(picture.mean(-1, keepdims=True).astype(np.uint8), 3, -1)
    mirrored = np.ascontiguousarray(picture[:, ::-1])
    tight = np.ascontiguousarray(picture[round(y0) : round(y1), round(x0) : round(x1)])
    cut = np.ascontiguousarray(picture[:, round(x0 + 0.15 * (x1 - x0)) :])
    others = shipped([grey, mirrored, tight, cut], min_score=0.5)
    assert [len(d) for d in others] == [1, 1, 1, 1]
    width = picture.shape[1]
    np.testing.assert_allclose(others[1].boxes[0], [width - 1 - x1, y0, width - 1 - x0, y1], atol=6)
    best = geometry.iou(others[2].boxes + np.array([x0, y0, x0, y0], np.float32), found.boxes)
    assert best.max() > 0.7


def test_shipped_finder_on_held_out_frames(
    shipped: finder.FaceFinder, data_root: Path, request: pytest.FixtureRequest
) -> None:
    names = validation_names("300w")
    frames = framesets.frames_300w(data_root / "300w", names=names[::8])
    matches = []
    for frame, one in zip(frames, shipped([f.image for f in frames]), strict=True):
        matches.append(detection.match(one.boxes, one.scores, frame.boxes, frame.ignore))
    assert all(m.found[0] > 0 for m in matches)  # the labelled face comes first
    assert np.mean([m.iou[0] for m in matches]) > PLACED[request.node.callspec.params["shipped"]]
    assert np.mean([(~m.correct).sum() for m in matches]) < 0.5
