"""ONNX files that programs without PyTorch run, and that give what PyTorch gives."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from facekp import Detector, cli, decoders, export, finder, hub, models, schema
from facekp.errors import ArgumentError, HubError, MissingExtraError
from facekp.export import ExportError

pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
ort = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")

ROOT = Path(__file__).parents[1]
ASTRONAUT = ROOT / "examples" / "astronaut.jpg"
BOX = [180, 60, 270, 180]

#: Every codec, and every network at least once: name of the network, its options, name of the codec, its options.
MODELS: dict[str, tuple[str, dict[str, Any], str, dict[str, Any]]] = {
    "resnet soft_argmax": ("resnet", {}, "soft_argmax", {"heatmap_size": (16, 16), "temperature": 2.0}),
    "unet argmax": ("unet", {"channels": (8, 16), "stride": 4}, "argmax", {"heatmap_size": (16, 16), "quarter": True}),
    "mobile dark": ("mobile", {"width": 0.25}, "dark", {"heatmap_size": (16, 16)}),
    "resnet_unet offset": (
        "resnet_unet",
        {"channels": (8, 8, 8, 8, 8), "stride": 4},
        "offset",
        {"heatmap_size": (16, 16)},
    ),
    "resnet pip": ("resnet", {"stride": 32}, "pip", {"heatmap_size": (2, 2), "neighbors": 3}),
    "simple regression": ("simple", {"input_size": (64, 64)}, "regression", {}),
    "resnet simcc": ("resnet", {"head": "simcc", "input_size": (64, 64), "head_width": 8}, "simcc", {}),
    "mobile simcc": (
        "mobile",
        {"head": "simcc", "input_size": (64, 64), "width": 0.25},
        "simcc",
        {"reading": "expectation"},
    ),
    "resnet grey": ("resnet", {"head": "linear", "in_channels": 1}, "regression", {}),
    "mobile weighted_argmax": (
        "mobile",
        {"width": 0.25},
        "weighted_argmax",
        {"heatmap_size": (16, 16), "window": 5},
    ),
    # Of a shallow network: on the ridges of a random one's maps a Taylor step makes much of a rounding error.
    "unet udp": ("unet", {"channels": (8, 16), "stride": 4}, "udp", {"heatmap_size": (16, 16)}),
    "unet disc": (
        "unet",
        {"channels": (8, 16), "stride": 4},
        "weighted_argmax",
        {"heatmap_size": (16, 16), "target": "disc", "threshold": 0.5},
    ),
}


def test_the_list_is_complete() -> None:
    assert {entry[2] for entry in MODELS.values()} == set(decoders.names())
    assert {entry[0] for entry in MODELS.values()} == set(models.names())


def detector(entry: str) -> Detector:
    """A detector of ibug68 with random weights, whose maps have clear peaks."""
    kind, options, codec_name, codec_options = MODELS[entry]
    layout = schema.get("ibug68")
    if decoders.CODECS[codec_name].uses_mean_shape:
        codec_options = codec_options | {"mean_shape": layout.mean_shape}
    codec = decoders.create(codec_name, input_size=(64, 64), **codec_options)
    torch.manual_seed(1)
    network = models.create(kind, points=68, outputs=codec.channels(68), **options)
    last = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)][-1]
    nn.init.normal_(last.weight, std=0.3)
    config = {
        "name": entry,
        "type": "keypoints",
        "schema": "ibug68",
        "codec": codec.to_config(),
        "crop": {"size": [64, 64], "scale": 1.2, "box": "extent"},
        "preprocessing": {"mean": 127.5, "std": 64.0},
        "licence": "none",
    }
    return Detector(network, config, device="cpu")


@pytest.mark.slow
@pytest.mark.parametrize("entry", MODELS)
def test_every_codec_and_network(entry: str, tmp_path: Path) -> None:
    model = detector(entry)
    done = export.export(model, tmp_path / "a.onnx", pictures=[ASTRONAUT])
    assert done.inputs == ("N", 3, 64, 64)
    assert done.outputs == ("keypoints", "scores")
    session = ort.InferenceSession(str(done.path))
    crops = np.random.default_rng(1).integers(0, 256, (3, 8, 8, 3), np.uint8)
    crops = np.stack([cv2.resize(crop, (64, 64)) for crop in crops])
    points, scores = session.run(None, {"images": crops.transpose(0, 3, 1, 2).astype(np.float32)})
    ours, sure = model.predict(crops)
    assert ours.std(0).max() > 0.1 or entry == "resnet grey", "the example tells nothing"
    np.testing.assert_allclose(points, ours, atol=1e-3)
    np.testing.assert_allclose(scores, sure, atol=1e-4)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models of the package, as the docs export them."""
    folder = tmp_path_factory.mktemp("onnx")
    for words in (
        ["finder", "--size", "320x416", "--output", str(folder / "finder.onnx")],
        ["resnet18-ibug", "--check", str(ASTRONAUT), "--output", str(folder / "keypoints.onnx")],
    ):
        assert cli.main(["export", *words]) == 0
    return folder


@pytest.mark.parametrize("engine", ["onnxruntime", "opencv"])
def test_the_example_without_torch(
    files: Path, engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = ROOT / "examples" / "onnx_without_torch.py"
    text = script.read_text("utf-8")
    assert "torch" not in text.split('"""', 2)[2]
    assert "facekp" not in text.split('"""', 2)[2]
    given = [files / "finder.onnx", files / "keypoints.onnx", ASTRONAUT, tmp_path / "new" / "drawn.png", engine]
    monkeypatch.setattr(sys, "argv", [str(script), *map(str, given)])
    runpy.run_path(str(script), run_name="__main__")
    (line,) = capsys.readouterr().out.splitlines()
    corners = np.array(json.loads(line.partition("points ")[2]))[[36, 45]]
    (face,) = Detector.from_pretrained(device="cpu")(ASTRONAUT)
    np.testing.assert_allclose(corners, face.keypoints[[36, 45]], atol=1.0)
    drawn = cv2.imread(str(tmp_path / "new" / "drawn.png"))
    assert (np.abs(drawn.astype(int) - cv2.imread(str(ASTRONAUT))).max(-1) > 60).sum() > 300


def _runs(path: Path, images: np.ndarray) -> dict[str, list[np.ndarray]]:
    session = ort.InferenceSession(str(path))
    names = [output.name for output in session.get_outputs()]
    net = cv2.dnn.readNetFromONNX(str(path))
    net.setInput(images)
    return {"onnxruntime": session.run(names, {"images": images}), "opencv": list(net.forward(names))}


def test_keypoints_on_a_real_face(files: Path) -> None:
    model = Detector.from_pretrained(finder=None, device="cpu", engine="torch")
    (face,) = model(ASTRONAUT, boxes=[BOX], refine=False)
    from facekp import geometry, image

    matrix = geometry.crop_matrix(np.array(BOX, float), model.crop_size, model.crop_scale)
    crop = geometry.warp(image.read(ASTRONAUT), matrix, model.crop_size)
    images = np.repeat(crop.transpose(2, 0, 1)[None].astype(np.float32), 3, axis=0)
    for points, scores in _runs(files / "keypoints.onnx", images).values():
        for p, s in zip(points, scores, strict=True):
            np.testing.assert_allclose(geometry.apply(geometry.invert(matrix), p), face.keypoints, atol=1e-3)
            np.testing.assert_allclose(s, face.scores, atol=1e-4)


def test_what_the_file_says_of_itself(files: Path) -> None:
    said = ort.InferenceSession(str(files / "keypoints.onnx")).get_modelmeta().custom_metadata_map
    model = Detector.from_pretrained(finder=None, device="cpu")
    assert (said["name"], said["schema"], said["color"]) == ("resnet18-ibug", "ibug68", "rgb")
    assert json.loads(said["points"]) == list(model.schema.names)
    assert json.loads(said["crop_size"]) == list(model.crop_size)
    assert [float(said[k]) for k in ("crop_scale", "mean", "std")] == [model.crop_scale, model.mean, model.std]
    assert said["licence"] == model.config["licence"]
    found = ort.InferenceSession(str(files / "finder.onnx")).get_modelmeta().custom_metadata_map
    assert (found["type"], found["name"], json.loads(found["strides"])) == ("finder", "finder", [8, 16, 32])
    assert json.loads(found["finder"])["side"] == 384


def test_a_finder_of_any_size(tmp_path: Path, tiny_models: Path) -> None:
    done = export.export(tiny_models / "finder", tmp_path / "f.onnx")
    assert done.inputs == ("N", 3, "height", "width")
    assert done.outputs == ("rows",)
    bundle = hub.load(tiny_models / "finder", kind="finder")
    network = hub.network_of(lambda: finder.create(bundle.config["network"]), bundle)
    for shape in ((2, 3, 64, 96), (1, 3, 160, 32)):
        images = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
        expected = network((torch.from_numpy(images) - 127.5) / 64).numpy()
        for (rows,) in _runs(done.path, images).values():
            np.testing.assert_allclose(rows, expected, atol=1e-3)


def test_without_the_decoder(tmp_path: Path, tiny_models: Path) -> None:
    done = export.export(tiny_models / "whole", tmp_path / "w.onnx", decoder=False, batch=1)
    assert (done.inputs, done.outputs) == ((1, 3, 32, 32), ("output",))
    assert ort.InferenceSession(str(done.path)).get_outputs()[0].shape == [1, 136]


def test_a_file_that_is_wrong_is_removed(
    tmp_path: Path, tiny_models: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(export, "PIXELS", -1.0)
    path = tmp_path / "w.onnx"
    with pytest.raises(ExportError, match="keypoints differ"):
        export.export(tiny_models / "whole", path)
    assert not path.exists()
    assert cli.main(["export", str(tiny_models / "whole"), "--output", str(path)]) == 2
    assert "keypoints differ" in capsys.readouterr().err


def test_wrong_options(tmp_path: Path, tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, whole, faces = tmp_path / "w.onnx", tiny_models / "whole", tiny_models / "finder"
    for model, options, words in (
        (whole, {"size": (64, 64)}, "works on crops"),
        (faces, {"decoder": True}, "one size"),
        (faces, {"size": (100, 64)}, "multiples of 32"),
        (whole, {"batch": 0}, "batch"),
        (3, {}, "expected a Detector"),
    ):
        with pytest.raises(ArgumentError, match=words):
            export.export(model, path, **options)  # type: ignore[arg-type]
    with pytest.raises(HubError):
        export.export(tmp_path, path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"facekp\[onnx\]"):
        export.export(whole, path)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--size", "320"], "--size 320"),
        (["--batch", "many"], "--batch many"),
        (["--batch", "9" * 5000], "--batch 999"),
        (["--size", "9" * 5000 + "x32"], "--size 999"),
        (["--output", "."], "is a directory"),
        (["--output", ""], "is empty"),
        (["--output", "a.json"], "must end in .onnx"),
    ],
)
def test_the_command_line(words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["export", "finder", "--output", "a.onnx", *words]) == 2
    assert complaint in capsys.readouterr().err


def test_a_model_is_not_written_over(tmp_path: Path, tiny_models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "m"
    shutil.copytree(tiny_models / "whole", folder)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    (folder / "a.onnx").symlink_to(folder / "config.json")
    os.link(folder / "model.safetensors", tmp_path / "b.onnx")
    for target in (folder / "config.json", folder / "a.onnx", tmp_path / "b.onnx"):
        assert cli.main(["export", str(folder), "--output", str(target)]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert {name: (folder / name).read_bytes() for name in before} == before
