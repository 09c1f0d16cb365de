"""Every recipe of the package takes its first steps on tiny data of its own format, from files to validation."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("pydantic")
pytest.importorskip("lightning")

from facekp import datasets, schema
from facekp.sample import Sample
from facekp.training import dry, recipe

#: Where the layers do not depend on the input's size, a small one shows the same.
SMALL = ("300w-", "pixelwise-", "kaggle-e-resnet", "resnet18-ibug", "mobile-")
FIRST = ("nose-tip-a1", "all-points-b2", "300w-c1-resnet18", "pixelwise-d-unet", "kaggle-e-simple")  # of each family
KEYPOINTS = [name for name in recipe.names() if recipe.load(name).task == "keypoints"]
HELD = (0, 5, 9)


def face(rng: np.random.Generator, layout: schema.KeypointSchema, size: tuple[int, int]) -> Sample:
    shape = layout.mean_shape if layout.mean_shape is not None else rng.uniform(-0.5, 0.5, (len(layout), 2))
    centre = np.array(size[::-1]) / 2 + rng.uniform(-3, 3, 2)
    pixels = rng.integers(0, 256, (*size, 3), np.uint8)
    return Sample(
        (np.asarray(shape) * rng.uniform(0.5, 0.6) * min(size) + centre).astype(np.float32), layout, pixels=pixels
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve faces as 300-W has them, as IMM has them (six people), and fourteen rows as Kaggle has them."""
    root, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    lfpw, imm = root / "300w" / "lfpw" / "trainset", root / "imm"
    lfpw.mkdir(parents=True)
    imm.mkdir()
    for i in range(12):
        one = face(rng, schema.get("ibug68"), (64, 64))
        cv2.imwrite(str(lfpw / f"image_{i:04d}.png"), one.image)
        datasets.write_pts(lfpw / f"image_{i:04d}.pts", one.keypoints)
        one = face(rng, schema.get("imm58"), (60, 80))
        name = f"{i // 2 + 1:02d}-{i % 2 + 1}m"
        one.meta = {"name": f"{name}.jpg"}
        cv2.imwrite(str(imm / f"{name}.jpg"), one.image)
        write_asf(imm / f"{name}.asf", one)
    rows = [face(rng, schema.get("kaggle15"), (96, 96)) for _ in range(14)]
    for row in rows[:2]:
        row.keypoints[4:9] = np.nan
    (root / "kaggle").mkdir()
    datasets.write_kaggle(root / "kaggle" / "training.csv", rows)
    (root / "held.txt").write_text("".join(f"lfpw/trainset/image_{i:04d}.png\n" for i in HELD), "utf-8")
    return root


def write_asf(path: Path, one: Sample) -> None:
    height, width = one.image.shape[:2]
    lines = [str(len(one.schema))]
    for i, (x, y) in enumerate(one.keypoints.tolist()):
        lines.append(f"0 0 {x / width:.6f} {y / height:.6f} {i} {i} {i}")
    path.write_text("\n".join([*lines, f"{path.stem}.jpg"]) + "\n", "utf-8")


def changes(name: str, root: Path) -> list[str]:
    said = [f"data.root={root}", "batch_size=4", "workers=0", "precision=32-true"]
    if name.startswith(SMALL):
        said.append("crop.size=[64, 64]")
    said += ["init=null", "data.teacher=null"]  # models that other recipes make
    if isinstance(recipe.load(name).data.validation, str):
        said.append(f"data.validation={root / 'held.txt'}")
    return said


@pytest.mark.parametrize("name", [n if n in FIRST else pytest.param(n, marks=pytest.mark.slow) for n in KEYPOINTS])
def test_a_recipe_takes_steps(name: str, root: Path) -> None:
    loaded = recipe.load(name, changes(name, root))
    seen = dry.dry_run(loaded)
    channels = 1 if loaded.grey else 3
    assert seen["input"] == (4, channels, *loaded.crop.size)
    assert seen["validation"] >= 1
    faces = seen["train"] // (2 if loaded.data.doubled else 1) + seen["validation"]
    # Rows of Kaggle that lack points are left out; a single point is what all of them have.
    assert faces in ((12, 14) if loaded.data.sets[0]["name"] == "kaggle" else (12,))
