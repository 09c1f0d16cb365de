"""What the documentation's code expects to lie in the working directory, made small: pictures, data sets, models."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import facekp
from facekp import datasets, geometry, schema
from facekp.sample import Sample

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "astronaut.jpg"
BOX = (180, 60, 270, 180)
HELD = 3  # of twelve faces


def pictures(folder: Path) -> None:
    """``photo.jpg`` and its like, an ``album`` and the example of the repository."""
    for name in (
        "photo.jpg",
        "a.jpg",
        "b.jpg",
        "album/a.jpg",
        "album/b.jpg",
        "photos/a.jpg",
        "more/c.png",
        "examples/astronaut.jpg",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".png"):
            cv2.imwrite(str(folder / name), cv2.imread(str(EXAMPLE)))
        else:
            shutil.copy(EXAMPLE, folder / name)


def faces(layout: schema.KeypointSchema, count: int, size: tuple[int, int], rng: np.random.Generator) -> list[Sample]:
    """The astronaut's face, moved, turned and scaled a little each time, with points of the layout's mean shape."""
    image = facekp.image.read(EXAMPLE)
    whole = layout.mean_shape if layout.spans_face else layout.mean_shape * 0.8
    centre, side = np.array([225.0, 120.0]), 120.0
    found = []
    for _ in range(count):
        box = np.array([*(centre - side / 2), *(centre + side / 2)]) + np.tile(rng.normal(0, 4, 2), 2)
        matrix = geometry.crop_matrix(box, size, 1.6 * rng.uniform(0.9, 1.1), angle=rng.normal(0, 8))
        points = geometry.apply(matrix, whole * side + centre).astype(np.float32)
        pixels = geometry.warp(image, matrix, size, border=None)
        found.append(Sample(points, layout, pixels=pixels))
    return found


def ibug(root: Path, rng: np.random.Generator) -> None:
    """300-W's folders, twelve faces to train on, of which some stand on the package's validation list."""
    text = ROOT.joinpath("src", "facekp", "recipes", "validation", "300w.txt").read_text("utf-8")
    held = [line for line in text.splitlines() if line.startswith("helen/trainset/")][:HELD]
    names = [*held, *(f"helen/trainset/none_{i}.jpg" for i in range(6)), *(f"afw/none_{i}_1.jpg" for i in range(2))]
    names += ["lfpw/trainset/image_none.jpg", *(f"lfpw/testset/image_{i:04d}.jpg" for i in range(2))]
    for name, face in zip(names, faces(schema.get("ibug68"), len(names), (96, 96), rng), strict=True):
        path = root / Path(name).with_suffix(".jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), face.image[..., ::-1])
        datasets.write_pts(path.with_suffix(".pts"), face.keypoints)


def imm(root: Path, name: str, names: list[str], rng: np.random.Generator) -> None:
    """``.asf`` files as IMM has them."""
    root.mkdir(parents=True)
    for stem, face in zip(names, faces(schema.get(name), len(names), (60, 80), rng), strict=True):
        cv2.imwrite(str(root / f"{stem}.jpg"), face.image[..., ::-1])
        rows = [f"0 0 {(x + 0.5) / 80:.6f} {(y + 0.5) / 60:.6f} {i} {i} {i}" for i, (x, y) in enumerate(face.keypoints)]
        (root / f"{stem}.asf").write_text("\n".join([str(len(rows)), *rows, f"{stem}.jpg", ""]), "utf-8")


def kaggle(root: Path, rng: np.random.Generator) -> None:
    """Kaggle's three files: some rows lack points."""
    root.mkdir(parents=True)
    rows = faces(schema.get("kaggle15"), 14, (96, 96), rng)
    for row in rows[:3]:
        row.keypoints[2:9] = np.nan
    datasets.write_kaggle(root / "training.csv", rows)
    tests = faces(schema.get("kaggle15"), 2, (96, 96), rng)
    for i, row in enumerate(tests):
        row.meta = {"image_id": i + 1}
    datasets.write_kaggle(root / "test.csv", tests, labels=False)
    asked = [(i, axis) for i in (1, 2) for axis in ("nose_tip_x", "nose_tip_y", "left_eye_center_x")]
    lines = [f"{row},{image},{name}," for row, (image, name) in enumerate(asked, 1)]
    (root / "IdLookupTable.csv").write_text("\n".join(["RowId,ImageId,FeatureName,Location", *lines, ""]), "utf-8")


def data(root: Path) -> None:
    """The folder ``DATA`` of the pages."""
    rng = np.random.default_rng(0)
    ibug(root / "300w", rng)
    imm(root / "imm_frontal", "imm73", [f"{p:02d}_{s:02d}" for p in range(1, 6) for s in (1, 2)], rng)
    imm(root / "imm_face_db", "imm58", [f"{p:02d}-{s}m" for p in range(1, 6) for s in (1, 2)], rng)
    shutil.copytree(root / "imm_face_db", root / "imm")
    kaggle(root / "kaggle", rng)


def working_directory(folder: Path, prepared: Path) -> None:
    """A page's own folder: pictures of its own, and links to the data."""
    pictures(folder)
    shutil.copytree(prepared, folder / "DATA")
    for name in ("300w", "imm", "imm_frontal", "imm_face_db"):
        (folder / name).symlink_to(folder / "DATA" / name)
    for file in (folder / "DATA" / "kaggle").iterdir():
        shutil.copy(file, folder / file.name)


# ---------------------------------------------------------------- what single pages take for granted


def _picture(folder: Path) -> dict[str, Any]:
    image = facekp.image.read(EXAMPLE)
    x0, y0, x1, y1 = BOX
    names = {"image": image, "bgr": image[..., ::-1], "pil": "a.jpg", "crop": image[40:200, 160:290]}
    return {**names, "x0": x0, "y0": y0, "x1": x1, "y1": y1, "a": "a.jpg", "b": "b.jpg", "boxes_of_a": [BOX]}


def _readme(folder: Path) -> dict[str, Any]:
    return {**_picture(folder), "paths": ["a.jpg", "missing.jpg"]}


def _detect(folder: Path) -> dict[str, Any]:
    return {**_picture(folder), "my_function": lambda picture: [BOX]}


def _augment(folder: Path) -> dict[str, Any]:
    import torch

    sample = datasets.IBUG300W(folder / "300w")[0]
    frames = torch.from_numpy(np.stack([sample.image] * 2)).permute(0, 3, 1, 2)
    keypoints = torch.from_numpy(np.stack([sample.keypoints] * 2))
    return {"sample": sample, "frames": frames, "keypoints": keypoints, "schema": sample.schema}


def _datasets(folder: Path) -> dict[str, Any]:
    whole = faces(schema.get("ibug68"), 2, (128, 128), np.random.default_rng(1))
    datasets.write_coco(whole, folder / "photos.json")
    return {"my_model": lambda picture: np.full((15, 2), 48.0)}


def _hub(folder: Path) -> dict[str, Any]:
    shutil.copytree(ROOT / "src" / "facekp" / "weights" / "resnet18-ibug", folder / "runs" / "my-run")
    return {}


def _video(folder: Path) -> dict[str, Any]:
    image = cv2.resize(cv2.imread(str(EXAMPLE)), (256, 256))
    writer = cv2.VideoWriter(str(folder / "film.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 25, (256, 256))
    for _ in range(4):
        writer.write(image)
    writer.release()
    return {}


def _plots(folder: Path) -> dict[str, Any]:
    (folder / "runs" / "mine").mkdir(parents=True)
    (folder / "runs" / "mine" / "metrics.csv").write_text(
        "epoch,step,train/loss,val/nme\n0,1,2.5,\n1,2,2,0.1\n", "utf-8"
    )
    return {}


def _own_points(folder: Path) -> dict[str, Any]:
    (folder / "mine").mkdir()
    for i, quality in enumerate((95, 60, 40, 80, 70, 50)):
        image = cv2.imread(str(EXAMPLE))[: 480 - 4 * i, 8 * i :]
        cv2.imwrite(str(folder / "mine" / f"{i}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return {}


def _decoders(folder: Path) -> dict[str, Any]:
    import torch

    points = torch.rand(2, 68, 2) * 200 + 20
    return {"points": points, "output": torch.rand(2, 68, 64, 64)}


#: A page's own names and files, beyond those that all have.
PAGES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "README.md": _readme,
    "docs/learn/augment.md": _augment,
    "docs/learn/datasets.md": _datasets,
    "docs/learn/detect.md": _detect,
    "docs/learn/hub.md": _hub,
    "docs/learn/own-points.md": _own_points,
    "docs/learn/video.md": _video,
    "docs/reference/decoders.md": _decoders,
    "docs/reference/plots.md": _plots,
}
