"""What the fuzzer reads, and good inputs to begin with."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image

from facekp import datasets, decoders, finder, hub, image, models, schema
from facekp.datasets.asf import read_asf
from facekp.datasets.kaggle import KAGGLE_COLUMNS
from facekp.datasets.pts import read_pts

PICTURES = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP")
MAX_PIXELS = 200_000
PICTURE = np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)


@dataclass(frozen=True)
class Target:
    """A reader, and what it takes.

    Attributes:
        kind: ``"bytes"``, ``"text"`` or ``"json"``: how inputs are mutated.
        seeds: good inputs.
        read: reads one; it may raise facekp's own errors and nothing else.
    """

    kind: str
    seeds: list[bytes]
    read: Callable[[bytes], object]


def targets(folder: Path) -> dict[str, Target]:
    """Every reader by name; files are made in ``folder``."""
    photo = folder / "a.png"
    assert cv2.imwrite(str(photo), np.full((96, 96, 3), 128, np.uint8))
    found = {kind: Target("bytes", pictures(kind), read_picture) for kind in PICTURES}
    for name, seeds, path, read in (
        ("pts", pts(), "a.pts", read_pts),
        ("asf", asf(), "a.asf", lambda p: read_asf(p).pixels((96, 96))),
        ("dlib XML", dlib(), "a.xml", lambda p: touched(datasets.DlibXML(p))),
        ("Kaggle CSV", kaggle(), "a.csv", lambda p: touched(datasets.KaggleFacialKeypoints(p))),
        ("Udacity CSV", udacity(), "training_frames_keypoints.csv", lambda p: touched(udacity_set(p))),
        ("WFLW list", wflw(), "list_98pt_rect_attr_train_test/list_98pt_rect_attr_train.txt", wflw_set),
    ):
        found[name] = Target("text", seeds, through(folder / path, read))
    for place in ("training", "WFLW_images"):
        (folder / place).mkdir()
        (folder / place / "a.png").write_bytes(photo.read_bytes())
    found["config.json"] = Target("json", saved(folder), lambda data: use(folder, data))
    return found


def through(path: Path, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    path.parent.mkdir(parents=True, exist_ok=True)

    def write_and_read(data: bytes) -> object:
        path.write_bytes(data)
        return read(path)

    return write_and_read


def read_picture(data: bytes) -> None:
    found = image.read(data, max_pixels=MAX_PIXELS)
    assert found.dtype == np.uint8
    assert found.ndim == 3
    assert 0 < found.shape[0] * found.shape[1] <= MAX_PIXELS


def touched(samples: datasets.SampleSet) -> None:
    """All that can be known of faces without their pictures."""
    assert len(samples)
    for sample in samples:
        assert sample.keypoints.shape == (len(samples.schema), 2)
        assert sample.keypoints.dtype == np.float32
        assert not np.isinf(sample.keypoints).any()
        assert sample.box.shape == (4,)
        assert not np.isinf(sample.box).any()


def udacity_set(table: Path) -> datasets.SampleSet:
    return datasets.UdacityKeypoints(table.parent)


def wflw_set(table: Path) -> None:
    touched(datasets.WFLW(table.parent.parent))


def use(folder: Path, data: bytes) -> None:
    """Load the model of a config, and look at one small picture with it.

    The weights are those of the seed that has the same type and the same kind of codec: others would not fit.
    """
    from facekp import Detector
    from facekp.detector import load_finder

    place = folder / which(data)
    (place / "config.json").write_bytes(data)
    if place.name == "finder":
        load_finder(place, engine="torch")([PICTURE])
        return
    detector = Detector.from_pretrained(place, finder=None, device="cpu", engine="torch")
    (face,) = detector(PICTURE, boxes="full")
    assert face.keypoints.shape == (len(detector.schema), 2)
    assert ((face.scores >= 0) & (face.scores <= 1)).all()
    detector(PICTURE, boxes=[[4.0, 3.0, 40.0, 38.0]])
    error = detector.codec.expected_error(torch.from_numpy(face.scores)[None])
    assert error is None or error.shape == (1, len(detector.schema))


def which(data: bytes) -> str:
    """The folder whose weights may fit."""
    try:
        config = json.loads(data)
        if config.get("type") == "finder" or "finder" in config:
            return "finder"
        return "heatmap" if "heatmap_size" in config["codec"] else "vector"
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return "vector"


# ---------------------------------------------------------------- good inputs


def pictures(kind: str) -> list[bytes]:
    rows, columns = np.mgrid[:24, :32]
    plain = Image.fromarray(np.stack([rows * 10, columns * 7, rows + columns], -1).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    made: list[tuple[Image.Image, dict[str, Any]]] = [(plain, {})]
    if kind in ("JPEG", "PNG", "WEBP"):
        made.append((plain, {"exif": exif}))
    if kind in ("PNG", "GIF", "TIFF", "BMP"):
        made.append((plain.convert("P"), {}))
    if kind in ("PNG", "TIFF", "WEBP"):
        made.append((plain.convert("RGBA"), {}))
    if kind in ("PNG", "TIFF"):
        made.append((Image.fromarray((rows * 2000).astype(np.uint16)), {}))
    if kind == "JPEG":
        made += [(plain, {"progressive": True}), (plain.convert("L"), {}), (plain.convert("CMYK"), {})]
    if kind == "TIFF":
        made += [(plain, {"compression": c}) for c in ("tiff_lzw", "tiff_deflate", "jpeg", "packbits")]
    if kind == "WEBP":
        made.append((plain, {"lossless": True}))
    if kind in ("GIF", "WEBP"):
        made.append((plain, {"save_all": True, "append_images": [plain.rotate(90)]}))
    found = []
    for picture, options in made:
        stream = io.BytesIO()
        picture.save(stream, kind, **options)
        found.append(stream.getvalue())
    return found


def points(name: str) -> Any:
    return (schema.get(name).mean_shape * 40 + 48).round(3)


def pts() -> list[bytes]:
    rows = "\n".join(f"{x} {y}" for x, y in points("ibug68"))
    return [f"version: 1\nn_points:  68\n{{\n{rows}\n}}\n".encode(), b"{\n1 2\nnan nan\n}"]


def asf() -> list[bytes]:
    rows = "".join(f"0 \t4 \t0.{i}1 \t0.{i}2 \t{i} \t{(i - 1) % 8} \t{(i + 1) % 8}\n" for i in range(8))
    return [f"# a comment\n8\n#\n{rows}\na.png\n".encode()]


def dlib() -> list[bytes]:
    parts = "".join(f"<part name='{i:02d}' x='{int(x)}' y='{int(y)}'/>" for i, (x, y) in enumerate(points("ibug68")))
    box = f"<box top='9' left='8' width='70' height='60'>{parts}</box>"
    body = f"<dataset><name>n</name><images><image file='a.png'>{box}<box ignore='1'/></image></images></dataset>"
    head = "<?xml version='1.0' encoding='ISO-8859-1'?>\n<?xml-stylesheet type='text/xsl' href='a.xsl'?>\n"
    return [(head + body).encode(), body.encode("utf-16")]


def kaggle() -> list[bytes]:
    columns = [f"{c}_{axis}" for c in KAGGLE_COLUMNS.values() for axis in "xy"]
    values = ",".join(map(str, points("kaggle15").ravel()))
    few = ",".join("" if 4 <= i < 26 else "40.5" for i in range(30))
    pixels = " ".join(str(i % 256) for i in range(96 * 96))
    return [f"{','.join(columns)},Image\n{values},{pixels}\n{few},{pixels}\n".encode()]


def udacity() -> list[bytes]:
    row = ",".join(map(str, points("ibug68").ravel()))
    return [f"{',' + ','.join(map(str, range(136)))}\na.png,{row}\n".encode()]


def wflw() -> list[bytes]:
    row = " ".join(map(str, points("wflw98").ravel()))
    return [f"{row} 10 10 80 90 0 0 1 0 0 1 a.png\n".encode()]


def saved(folder: Path) -> list[bytes]:
    """Models of few weights: one that gives coordinates, one that gives maps, and a finder; returns their configs."""
    shared = {"type": "keypoints", "name": "fuzz", "licence": "none"}
    pixels = {"mean": 127.5, "std": 64.0, "color": "rgb", "clahe": 0}
    three = schema.get("ibug68").subset(["left_eye_outer", "right_eye_outer", "nose_tip"], "three")
    fitted = {"slope": -2.5, "bias": [1.0, 2.0, 3.0], "error": {"slope": 1.0, "bias": [0.5]}}
    resnet = {"name": "resnet", "points": 68, "head": "regression", "head_width": 8}
    unet = {"name": "unet", "points": 3, "channels": [4, 8]}
    vector = {
        "schema": "ibug68",
        "network": resnet,
        "codec": decoders.create("regression", input_size=(32, 32)).to_config(),
        "crop": {"size": [32, 32], "scale": 1.2, "box": "extent"},
        "preprocessing": pixels,
    }
    maps = {
        "schema": three.to_dict(),
        "network": unet,
        "codec": decoders.create("dark", input_size=(32, 32), heatmap_size=(32, 32), calibration=fitted).to_config(),
        "crop": {"size": [32, 32], "scale": 1.2, "box": "extent"},
        "preprocessing": {**pixels, "clahe": 2.0},
        "face_score": {"finder": 0.5, "points": 1.0, "bias": 0.1, "least": 0.1, "likely": 0.3, "min_score": 0.5},
    }
    spec = {"type": "pyramid", "stem": 8, "channels": [8, 8, 8], "depths": [1, 1, 1], "neck": 8, "head": 1}
    rule = finder.FinderConfig(side=64, min_score=0.0, turns=(90.0,)).to_dict()
    hub.save(folder / "vector", models.from_config(resnet), {**shared, **vector})
    hub.save(folder / "heatmap", models.from_config(unet), {**shared, **maps})
    hub.save(folder / "finder", finder.create(spec), {"type": "finder", "name": "f", "network": spec, "finder": rule})
    return [(folder / name / "config.json").read_bytes() for name in ("vector", "heatmap", "finder")]
