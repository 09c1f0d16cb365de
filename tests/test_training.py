"""Training end to end on faces drawn for the purpose: small, but every part is the real one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("lightning", reason="needs the extra: pip install 'facekp[train]'")

import torch

from facekp import Detector, datasets, evaluate, schema
from facekp.errors import DatasetError, RecipeError
from facekp.training import data, recipe, run


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 300-W in the small: twelve mean faces, moved, scaled and drawn as blobs."""
    root = tmp_path_factory.mktemp("300w")
    rng = np.random.default_rng(0)
    mean = schema.get("ibug68").mean_shape
    (root / "lfpw" / "trainset").mkdir(parents=True)
    for i in range(12):
        points = mean * rng.uniform(50, 70) + rng.uniform(45, 60, 2)
        image = np.full((110, 110, 3), 90 + 5 * i, np.uint8)
        for k, (x, y) in enumerate(points):
            cv2.circle(image, (round(x), round(y)), 2, (int(3 * k), 255 - int(3 * k), 60 + 8 * i), -1)
        path = root / "lfpw" / "trainset" / f"image_{i:04d}.png"
        cv2.imwrite(str(path), image)
        datasets.write_pts(path.with_suffix(".pts"), points)
    names = [f"lfpw/trainset/image_{i:04d}.png\n" for i in (0, 5)]
    (root / "validation.txt").write_text("".join(names), "utf-8")
    return root


def values(root: Path, **changes: Any) -> dict[str, Any]:
    return {
        "name": "tiny",
        "data": {
            "sets": [{"name": "300w", "root": str(root), "split": "lfpw/trainset"}],
            "validation": str(root / "validation.txt"),
        },
        "crop": {"size": [64, 64], "scale": 1.3},
        "network": {"name": "resnet", "depth": 18, "head": "heatmap", "head_width": 16},
        "codec": {"name": "soft_argmax"},
        "augment": "none",
        "epochs": 2,
        "batch_size": 5,
        "optimizer": {"lr": 1e-3},
        "workers": 0,
    } | changes


def test_a_run_leaves_a_model_that_detector_loads(drawn: Path, tmp_path: Path) -> None:
    checked = recipe.check(values(drawn, ema=0.9, augment="strong"), "test")
    folder = run.fit(checked, tmp_path / "run")
    assert {p.name for p in (tmp_path / "run").iterdir()} >= {
        "recipe.json",
        "validation.txt",
        "metrics.csv",
        "last.ckpt",
    }
    held = (tmp_path / "run" / "validation.txt").read_text("utf-8").split()
    assert held == ["lfpw/trainset/image_0000.png", "lfpw/trainset/image_0005.png"]
    config = json.loads((folder / "config.json").read_text("utf-8"))
    assert config["schema"] == "ibug68"
    assert config["metrics"][0]["faces"] == 2
    assert len(config["codec"]["calibration"]["bias"]) == 68

    detector = Detector.from_pretrained(folder, finder=None, device="cpu")
    samples = datasets.create("300w", root=drawn, split="lfpw/trainset")
    report = evaluate.evaluate(detector, samples)
    assert report.faces == 12
    assert 0 < report.nme < 1
    with pytest.raises(RecipeError, match="holds a run already"):
        run.fit(checked, tmp_path / "run")


def test_a_resumed_run_ends_as_one_left_alone(drawn: Path, tmp_path: Path) -> None:
    whole = recipe.check(values(drawn, epochs=2), "test")
    run.fit(whole, tmp_path / "whole")
    run.fit(whole, tmp_path / "parts", max_steps=2)  # the first epoch's two steps
    run.fit(whole, tmp_path / "parts", resume=True)
    first, second = (
        torch.load(tmp_path / name / "last.ckpt", weights_only=True)["state_dict"] for name in ("whole", "parts")
    )
    for key, value in first.items():
        torch.testing.assert_close(second[key], value, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_it_learns(drawn: Path, tmp_path: Path) -> None:
    """Ten drawn faces are learned to under 2 % of the picture's width."""
    head = {"name": "resnet", "head": "heatmap", "head_width": 64}
    fit = values(drawn, epochs=120, network=head, optimizer={"lr": 1e-3}, validate_every=120)
    folder = run.fit(recipe.check(fit, "test"), tmp_path / "run")
    detector = Detector.from_pretrained(folder, finder=None, device="cpu")
    samples = datasets.create("300w", root=drawn, split="lfpw/trainset")
    errors = [
        np.linalg.norm(detector(s.image, boxes=s.box[None])[0].keypoints - s.keypoints, axis=1).mean() for s in samples
    ]
    assert np.mean(errors) < 0.02 * 110


def test_validation_takes_all_faces_of_a_photograph(drawn: Path) -> None:
    train, held = data.split(recipe.check(values(drawn), "test").data)
    assert (len(train), len(held)) == (10, 2)
    assert not {s.subject for s in train} & {s.subject for s in held}


def test_validation_names_that_fit_nothing_are_an_error(drawn: Path, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("nobody.jpg\n", "utf-8")
    wrong = values(drawn)
    wrong["data"]["validation"] = str(tmp_path / "names.txt")
    with pytest.raises(DatasetError, match="0 to validate"):
        data.split(recipe.check(wrong, "test").data)
    wrong["data"]["validation"] = "no-such-list"
    with pytest.raises(RecipeError, match=r"data\.validation"):
        data.split(recipe.check(wrong, "test").data)


def test_the_same_epoch_gives_the_same_crops_and_another_gives_others(drawn: Path) -> None:
    checked = recipe.check(values(drawn, augment="strong"), "test")
    train, _ = data.split(checked.data)
    crops = data.CropDataset(train, checked, "strong", seed=3)
    first, again = crops[0], crops[0]
    assert torch.equal(first[0], again[0])
    crops.epoch = 1
    assert not torch.equal(first[0], crops[0][0])


def test_the_cache_changes_no_crop(drawn: Path) -> None:
    """A face kept small in memory gives the crop that its picture gives."""
    checked = recipe.check(values(drawn), "test")
    train, _ = data.split(checked.data)
    crop, points = data.CropDataset(train, checked, "none")[0]
    from facekp import geometry

    matrix = geometry.crop_matrix(train[0].box, (64, 64), 1.3)
    np.testing.assert_allclose(points, geometry.apply(matrix, train[0].keypoints), atol=1e-3)
    direct = geometry.warp(train[0].image, matrix, (64, 64)).transpose(2, 0, 1)
    assert np.abs(crop.numpy().astype(int) - direct).mean() < 4
