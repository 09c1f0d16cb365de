"""Training end to end on faces drawn for the purpose: small, but every part is the real one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("lightning", reason="needs the extra: pip install 'facekp[train]'")

import torch

from facekp import Detector, datasets, decoders, evaluate, hub, models, schema
from facekp.errors import DatasetError, RecipeError
from facekp.training import data, module, recipe, run
from facekp.training.groups import Teacher
from facekp.training.teacher import taught


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
    assert len(config["int8_ranges"]) > 20

    detector = Detector.from_pretrained(folder, finder=None, device="cpu")
    samples = datasets.create("300w", root=drawn, split="lfpw/trainset")
    report = evaluate.evaluate(detector, samples)
    assert report.faces == 12
    assert 0 < report.nme < 1
    with pytest.raises(RecipeError, match="holds a run already"):
        run.fit(checked, tmp_path / "run")


STEPS = 200
MAPS = {"name": "resnet", "head": "heatmap", "head_width": 64}
CODECS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "argmax": (MAPS, {"sigma": 1.5, "quarter": True}),
    "dark": (MAPS, {"sigma": 1.5}),
    "offset": (MAPS, {"sigma": 1.5}),
    "pip": (MAPS | {"stride": 32}, {}),
    "regression": ({"name": "resnet", "head": "regression"}, {}),
    "simcc": ({"name": "resnet", "head": "simcc", "head_width": 64}, {"sigma": 3.0}),
    "soft_argmax": (MAPS, {}),
    "udp": (MAPS, {"sigma": 1.5}),
    "weighted_argmax": (MAPS, {"sigma": 1.5, "threshold": 0.2}),
}


@pytest.mark.parametrize("name", decoders.names())
def test_every_codec_fits_a_network_that_its_config_builds_again(name: str, drawn: Path, tmp_path: Path) -> None:
    network, codec = CODECS[name]
    checked = recipe.check(values(drawn, network=network, codec={"name": name, **codec}), "test")
    layout = schema.get("ibug68")
    built, read = module.build(checked, 68, layout.mean_shape)
    built.eval()
    config = {"type": "keypoints", "name": name, "codec": read.to_config(), "licence": "none"}
    config["network"] = module.network_options(checked, read, 68)
    hub.save(tmp_path / name, built, config, half=False)
    bundle = hub.load(tmp_path / name, kind="keypoints")
    again = hub.network_of(lambda: models.from_config(bundle.config["network"]), bundle)
    pictures = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        points, scores = read.decode(built(pictures))
        results = decoders.from_config(bundle.config["codec"]).decode(again(pictures))
    torch.testing.assert_close(results, (points, scores))
    assert points.shape == (2, 68, 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", decoders.names())
def test_every_codec_teaches_a_network(name: str, drawn: Path) -> None:
    """A network learns ten drawn faces by heart, to a mean error of 2 pixels of 64."""
    network, codec = CODECS[name]
    checked = recipe.check(values(drawn, network=network, codec={"name": name, **codec}), "test")
    train, _ = data.split(checked.data)
    crops = data.CropDataset(train, checked, "none")
    images, points = (torch.stack(side) for side in zip(*(crops[i] for i in range(len(crops))), strict=True))
    torch.manual_seed(0)
    built, read = module.build(checked, 68, schema.get("ibug68").mean_shape)
    optimizer = torch.optim.Adam(built.parameters())
    pictures, target = module.inputs(images, checked), read.encode(points)
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = 2e-3 * (1 - step / STEPS)
        optimizer.zero_grad()
        output = built(pictures)
        torch.stack(list(read.loss(output, target).values())).sum().backward()
        optimizer.step()
    error = (read.decode(output)[0] - points).norm(dim=-1)
    assert error[target["mask"]].mean() < 2


@pytest.mark.slow
def test_it_learns(drawn: Path, tmp_path: Path) -> None:
    """Ten drawn faces are learned to under 2 % of the picture's width, in the crops that they were learned in."""
    head = {"name": "resnet", "head": "heatmap", "head_width": 64}
    fit = values(drawn, epochs=120, network=head, optimizer={"lr": 1e-3}, validate_every=120)
    folder = run.fit(recipe.check(fit, "test"), tmp_path / "run")
    detector = Detector.from_pretrained(folder, finder=None, device="cpu")
    samples = datasets.create("300w", root=drawn, split="lfpw/trainset")
    seen = [detector(s.image, boxes=s.box[None], refine=False)[0].keypoints for s in samples]
    errors = [np.linalg.norm(points - s.keypoints, axis=1).mean() for points, s in zip(seen, samples, strict=True)]
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


# ---------------------------------------------------------------- packed caches


def pack(root: Path, path: Path, **options: Any) -> datasets.Packed:
    return datasets.pack(datasets.create("300w", root=root, split="lfpw/trainset"), path, **options)


def from_pack(root: Path, path: Path, **changes: Any) -> dict[str, Any]:
    sets = [{"name": "packed", "path": path.name}]
    return values(root, **changes) | {
        "data": {"root": str(path.parent), "sets": sets, "validation": str(root / "validation.txt")}
    }


def test_a_packed_cache_gives_the_crops_that_the_pictures_give(drawn: Path, tmp_path: Path) -> None:
    plain = recipe.check(values(drawn, augment="strong"), "test")
    pack(drawn, tmp_path / "train.fkp", side=plain.data.cache_side, scale=plain.data.cache_scale)
    packed = recipe.check(from_pack(drawn, tmp_path / "train.fkp", augment="strong"), "test")
    for ours, theirs in zip(data.split(plain.data), data.split(packed.data), strict=True):
        assert [s.meta["name"] for s in ours] == [s.meta["name"] for s in theirs]
        first, second = data.CropDataset(ours, plain, "strong", 1), data.CropDataset(theirs, packed, "strong", 1)
        for epoch in range(3):
            first.epoch = second.epoch = epoch
            for index in range(len(first)):
                assert all(torch.equal(a, b) for a, b in zip(first[index], second[index], strict=True))


def test_packed_faces_stay_in_their_file(drawn: Path, tmp_path: Path) -> None:
    packed = pack(drawn, tmp_path / "train.fkp")
    checked = recipe.check(from_pack(drawn, tmp_path / "train.fkp"), "test")
    crops = data.CropDataset(list(packed), checked, "none")
    assert np.shares_memory(crops.samples[0].image, packed[0].image)


def test_whole_pictures_are_packed_for_whole_crops(drawn: Path, tmp_path: Path) -> None:
    crop = {"size": [64, 64], "box": "full", "scale": 1.0}
    plain = recipe.check(values(drawn, crop=crop), "test")
    packed = pack(drawn, tmp_path / "train.fkp", box="full")
    ours = data.CropDataset(data.split(plain.data)[0], plain, "none")
    theirs = data.CropDataset([s for s in packed if s.subject in {o.subject for o in ours.samples}], plain, "none")
    assert torch.equal(ours[3][0], theirs[3][0])


def test_a_run_from_a_packed_cache(drawn: Path, tmp_path: Path) -> None:
    pack(drawn, tmp_path / "train.fkp", side=96)
    folder = run.fit(recipe.check(from_pack(drawn, tmp_path / "train.fkp", epochs=1), "test"), tmp_path / "run")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    assert config["training_data"][0].startswith("300-W lfpw/trainset without the validation list ")
    assert config["metrics"][0]["faces"] == 2


def test_a_cache_that_lacks_what_the_crop_takes_is_an_error(
    drawn: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pack(drawn, tmp_path / "train.fkp", side=32, scale=1.2)

    def load(**crop: Any) -> None:
        changed = from_pack(drawn, tmp_path / "train.fkp", crop={"size": [64, 64], "scale": 1.2} | crop)
        data.keypoint_loaders(recipe.check(changed, "test"))

    with pytest.raises(RecipeError, match=r"crop\.scale: 1\.3 takes more .* 1\.2 times .*--scale 2\.6"):
        load(scale=1.3)
    with pytest.raises(RecipeError, match=r"crop\.box: full needs whole pictures.*--box full"):
        load(box="full", scale=1.0)
    assert not caplog.records
    load()
    assert "enlarged from 32 to the crop's 64 pixels" in caplog.text
    assert "get black edges; run  facekp pack  again with --scale 2.4" in caplog.text


# ---------------------------------------------------------------- what is trained on


def test_pictures_are_left_out_whatever_their_format(drawn: Path, caplog: pytest.LogCaptureFixture) -> None:
    spec = values(drawn)
    names = ["lfpw/trainset/image_0003.jpg", "lfpw/trainset/image_0005.png"]  # one to train on, one held out
    spec["data"]["leave_out"] = names
    train, held = data.split(recipe.check(spec, "test").data)
    assert (len(train), len(held)) == (9, 1)
    assert not {"lfpw/trainset/image_0003.png", "lfpw/trainset/image_0005.png"} & {
        s.meta["name"] for s in (*train, *held)
    }
    assert not caplog.records
    spec["data"]["leave_out"] = [*names, "lfpw/trainset/image_9999.jpg"]
    data.split(recipe.check(spec, "test").data)
    assert "the sets have 2 of 3 pictures" in caplog.text


def test_a_teacher_moves_the_labels(drawn: Path) -> None:
    """Its predictions at a share of one, those and the labels' mean at a half; what is missing is the teacher's."""
    train, _ = data.split(recipe.check(values(drawn), "test").data)
    few = train[:2]
    few[1] = replace(few[1], keypoints=few[1].keypoints.copy())
    few[1].keypoints[7] = np.nan
    whole = taught(few, Teacher(model="resnet18-ibug", share=1.0))
    half = taught(few, Teacher(model="resnet18-ibug", share=0.5))
    assert all(np.isfinite(s.keypoints).all() for s in (*whole, *half))
    assert not np.allclose(whole[0].keypoints, few[0].keypoints, atol=0.01)
    np.testing.assert_allclose(half[0].keypoints, (few[0].keypoints + whole[0].keypoints) / 2, atol=1e-3)
    np.testing.assert_allclose(half[1].keypoints[7], whole[1].keypoints[7])
    assert np.isnan(few[1].keypoints[7]).all()  # the labels themselves stay


def test_a_teacher_of_other_points_is_refused(drawn: Path) -> None:
    spec = values(drawn)
    spec["data"] |= {"points": ["nose_tip"], "teacher": {"model": "resnet18-ibug"}}
    with pytest.raises(RecipeError, match=r"data\.teacher: resnet18-ibug has the points ibug68, not"):
        run.job(recipe.check(spec, "test"))
