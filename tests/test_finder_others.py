"""Finders that are not facekp's own: a function, and OpenCV's YuNet with a network of the same inputs and outputs."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facekp import Detector, detector, finder, geometry, schema
from facekp.errors import ArgumentError, HubError

IMAGE = np.zeros((60, 80, 3), np.uint8)


# ---------------------------------------------------------------- a function


def test_boxes_and_scores_of_a_function() -> None:
    boxes = [[0, 0, 10, 10], [20, 20, 40, 40], [5, 5, 30, 30]]
    (plain,) = finder.FunctionFinder(lambda image: boxes)([IMAGE])
    np.testing.assert_allclose(plain.boxes, boxes)
    assert plain.scores.tolist() == [1, 1, 1]
    assert plain.angles.tolist() == [0, 0, 0]
    scored = finder.FunctionFinder(lambda image: (np.array(boxes), [0.2, 0.9, 0.5]))
    (found,) = scored([IMAGE])
    np.testing.assert_allclose(found.scores, [0.9, 0.5, 0.2])
    assert found.boxes[0].tolist() == boxes[1]
    assert len(scored([IMAGE], min_score=0.4)[0]) == 2
    assert [len(d) for d in finder.FunctionFinder(lambda image: [])([IMAGE, IMAGE])] == [0, 0]
    assert len(finder.FunctionFinder(lambda image: ([], []))([IMAGE])[0]) == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([[0, 0, 1]], "finder: its boxes: expected shape"),
        ("no", "finder: its boxes"),
        ([[5, 5, 1, 9]], "has no area"),
        (([[0, 0, 1, 1]], [0.5, 0.5]), "one score in"),
        (([[0, 0, 1, 1]], [7]), "one score in"),
        (([[0, 0, 1, 1]], ["high"]), "its scores should be numbers"),
    ],
)
def test_what_a_function_may_not_give(given: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        finder.FunctionFinder(lambda image: given)([IMAGE])


def test_a_function_in_a_detector(tiny_models: Path) -> None:
    seen: list[tuple[int, ...]] = []

    def mine(image: np.ndarray) -> list[list[float]]:
        seen.append(image.shape)
        return [[10, 10, 40, 50]]

    model = Detector.from_pretrained(tiny_models / "crops", finder=mine, device="cpu")
    (face,) = model(IMAGE, refine=False)
    assert face.box.tolist() == [10, 10, 40, 50]
    assert seen == [IMAGE.shape]
    with pytest.raises(ArgumentError, match="only facekp's own finder"):
        model(IMAGE, finder_side=640)


# ---------------------------------------------------------------- YuNet

SIDE, TURN = 120.0, 20.0
CENTRE = np.array([5.0, 3.0])  # of the face, from the top-left corner of the cell that sees it


def five_points() -> np.ndarray:
    """YuNet's points of the mean face, ``SIDE`` pixels large and turned, about ``CENTRE``."""
    layout = schema.get("ibug68")
    mean = layout.mean_shape.astype(np.float64)
    places = [layout.names.index(n) for n in ("nose_tip", "right_mouth_corner", "left_mouth_corner")]
    points = np.stack([mean[36:42].mean(0), mean[42:48].mean(0), *mean[places]]) * SIDE
    return geometry.apply(geometry.rotation_matrix(TURN, (0.0, 0.0)), points).astype(np.float64) + CENTRE


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with YuNet's inputs and outputs: on the map of stride 16 a face in every cell that is all white."""
    onnx = pytest.importorskip("onnx", reason="needs facekp[onnx]")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    nodes, weights, outputs = [], [], []
    for kind, channels in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
        for stride in (8, 16, 32):
            name = f"{kind}_{stride}"
            filters, bias = np.zeros((channels, 3, stride, stride), np.float32), np.zeros(channels, np.float32)
            if stride == 16 and channels == 1:
                filters[:] = 0.9 / (255 * 3 * stride**2)
            if stride == 16 and kind == "kps":
                bias[:] = (five_points() / stride).flatten()
            if kind == "bbox":
                bias[2:] = np.log(4)
            weights += [numpy_helper.from_array(filters, f"{name}_w"), numpy_helper.from_array(bias, f"{name}_b")]
            weights.append(numpy_helper.from_array(np.array([1, -1, channels], np.int64), f"{name}_s"))
            nodes += [
                helper.make_node(
                    "Conv",
                    ["input", f"{name}_w", f"{name}_b"],
                    [f"{name}_c"],
                    strides=[stride] * 2,
                    kernel_shape=[stride] * 2,
                ),
                helper.make_node("Transpose", [f"{name}_c"], [f"{name}_t"], perm=[0, 2, 3, 1]),
                helper.make_node("Reshape", [f"{name}_t", f"{name}_s"], [name]),
            ]
            count = (640 // stride) ** 2
            outputs.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, count, channels]))
    picture = helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, [1, 3, 640, 640])
    graph = helper.make_graph(nodes, "stand-in", [picture], outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    path = tmp_path_factory.mktemp("yunet") / "yunet.onnx"
    onnx.save(model, str(path))
    return path


def white_cell(zoom: int = 1) -> np.ndarray:
    image = np.zeros((480 * zoom, 640 * zoom, 3), np.uint8)
    image[160 * zoom : 176 * zoom, 320 * zoom : 336 * zoom] = 255
    return image


@pytest.mark.parametrize("zoom", [1, 2])
def test_yunet_by_hand(stand_in: Path, zoom: int) -> None:
    """Its five points say where the whole face is, and by how much it is turned."""
    yunet = finder.YuNet(stand_in)
    (found,) = yunet([white_cell(zoom)])
    assert len(found) == 1
    assert found.scores[0] == pytest.approx(0.9, abs=0.02)
    assert found.angles[0] == pytest.approx(TURN, abs=0.1)
    whole = geometry.extent(schema.get("ibug68").mean_shape) * SIDE
    centre = np.array([320, 160]) + CENTRE
    expected = (np.concatenate([centre, centre]) + whole) * zoom
    np.testing.assert_allclose(found.boxes[0], expected, atol=1.0 * zoom)
    assert len(yunet([white_cell(zoom)], min_score=0.95)[0]) == 0
    assert len(yunet([np.zeros((480, 640, 3), np.uint8)])[0]) == 0


def test_yunet_in_a_detector(stand_in: Path, tiny_models: Path) -> None:
    for name in (str(stand_in), f"yunet:{stand_in}", stand_in):
        model = Detector.from_pretrained(tiny_models / "crops", finder=name, device="cpu")
        assert isinstance(model.finder, finder.YuNet)
        assert len(model(white_cell())) == 1
    again = pickle.loads(pickle.dumps(model.finder))
    np.testing.assert_array_equal(again([white_cell()])[0].boxes, model.finder([white_cell()])[0].boxes)


def test_yunet_without_its_file(tmp_path: Path) -> None:
    with pytest.raises(HubError, match="no such file"):
        finder.YuNet(tmp_path / "none.onnx")
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"nothing")
    with pytest.raises(HubError, match="OpenCV cannot read it"):
        detector.load_finder(broken)


def test_yunet_from_the_hub_says_what_to_do_without_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub

    def offline(repo: str, file: str, **_: Any) -> str:
        raise OSError(f"no way to {repo}")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", offline)
    with pytest.raises(HubError, match=r"no way to opencv/face_detection_yunet.*yunet:PATH"):
        detector.load_finder("yunet", cache_dir=tmp_path)


@pytest.mark.parametrize("wrong", [3, None, Detector])
def test_what_is_no_finder(wrong: Any) -> None:
    with pytest.raises(ArgumentError, match="finder: expected"):
        detector.load_finder(wrong)


def test_a_finder_of_ones_own_is_taken_as_it_is() -> None:
    class Mine:
        def __call__(self, images: Any, *, min_score: float | None = None) -> list[finder.Detections]:
            return [finder.Detections() for _ in images]

        def to(self, device: Any) -> Mine:
            return self

    mine = Mine()
    assert detector.load_finder(mine) is mine
