"""The training engine: going on, stopping, sharing work, starting from a model, and networks of one's own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("lightning", reason="needs the extra: pip install 'facekp[train]'")

import cv2
import torch

from facekp import Detector, cli, datasets, decoders, hub, models, plots, schema
from facekp.errors import HubError, RecipeError, TrainingError
from facekp.training import checkpoint, data, dry, init, module, recipe, run, sampler, schedule

NETWORK = '''
import os, signal
import torch
from torch import nn

class Tiny(nn.Module):
    """Eighty weights; a process told so kills itself at a step."""
    output = "vector"

    def __init__(self, points, in_channels=3, fail=0, outputs=None):
        super().__init__()
        self.in_channels, self.steps, self.fail = in_channels, 0, fail
        self.conv, self.norm = nn.Conv2d(in_channels, 4, 3, 4), nn.BatchNorm2d(4)
        self.drop, self.last = nn.Dropout(0.3), nn.Linear(16, outputs or 2 * points)

    def forward(self, x):
        if self.training:
            self.steps += 1
            if str(self.steps) == os.environ.get("KILL_AT"):
                os.kill(os.getpid(), signal.SIGKILL)
            if self.steps == self.fail:
                x = x * float("nan")
        x = nn.functional.adaptive_avg_pool2d(self.norm(self.conv(x)).relu(), 2)
        return self.last(self.drop(x.flatten(1)))

class Crooked(Tiny):
    def forward(self, x):
        if self.fail == "none":
            return 1 / 0
        return (x, x) if self.fail == "two" else x.sum()

def nothing(points):
    return None
'''


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300-W in the small: fifteen pictures of 40 pixels, one face each, and a network of one's own beside them."""
    root = tmp_path_factory.mktemp("faces")
    rng = np.random.default_rng(0)
    mean = schema.get("ibug68").mean_shape
    (root / "lfpw" / "trainset").mkdir(parents=True)
    for i in range(15):
        path = root / "lfpw" / "trainset" / f"image_{i:04d}.png"
        cv2.imwrite(str(path), rng.integers(0, 255, (40, 40, 3), np.uint8))
        datasets.write_pts(path.with_suffix(".pts"), mean * rng.uniform(20, 26) + rng.uniform(17, 22, 2))
    (root / "held.txt").write_text("".join(f"lfpw/trainset/image_{i:04d}.png\n" for i in (0, 5, 9)), "utf-8")
    (root / "tinynet.py").write_text(NETWORK, "utf-8")
    (root / "broken.py").write_text("class Net(:", "utf-8")
    return root


@pytest.fixture(autouse=True)
def inside(faces: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A network of one's own is looked for where the command is run."""
    monkeypatch.chdir(faces)
    monkeypatch.delenv("KILL_AT", raising=False)
    yield
    sys.modules.pop("tinynet", None)


def values(root: Path, **changes: Any) -> dict[str, Any]:
    return {
        "name": "tiny",
        "data": {"sets": [{"name": "300w", "root": str(root), "split": "lfpw/trainset"}], "validation": "held.txt"},
        "crop": {"size": [16, 16]},
        "network": {"name": "tinynet:Tiny"},
        "codec": {"name": "regression"},
        "augment": "classic",
        "epochs": 2,
        "batch_size": 3,
        "workers": 0,
        "schedule": {"warmup": 0},
    } | changes


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / checkpoint.LAST, weights_only=True)["state_dict"]


# ---------------------------------------------------------------- going on


def command(folder: Path, spec: dict[str, Any], *words: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """``facekp train`` in a process of its own."""
    (folder / "main.py").write_text("import sys\nfrom facekp.cli import main\n\nsys.exit(main())\n", "utf-8")
    (folder / "tiny.yaml").write_text(json.dumps(spec), "utf-8")  # JSON is YAML
    line = [sys.executable, str(folder / "main.py"), "train", str(folder / "tiny.yaml"), *words]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""} | extra
    return subprocess.run(line, env=environment, capture_output=True, text=True, check=False)


def test_a_run_killed_in_mid_epoch_and_resumed_ends_as_one_left_alone(faces: Path, tmp_path: Path) -> None:
    plateau = {"name": "plateau", "patience": 1}
    spec = values(faces, epochs=3, ema=0.9, checkpoint_every=1, accumulate=2, schedule=plateau, workers=1)
    checked = recipe.check(spec, "test")
    run.fit(checked, tmp_path / "whole")
    killed = command(tmp_path, spec, "--output", str(tmp_path / "parts"), KILL_AT="8")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    kept = torch.load(tmp_path / "parts" / "last.ckpt", weights_only=True)
    assert kept["position"] == {"epoch": 1, "batches": 2}  # of four: two make a step, and the eighth was its last
    run.fit(checked, tmp_path / "parts", resume=True)
    for name in (checkpoint.LAST, checkpoint.BEST):
        whole, parts = (torch.load(tmp_path / part / name, weights_only=True) for part in ("whole", "parts"))
        for key, value in whole["state_dict"].items():
            assert torch.equal(parts["state_dict"][key], value), key
        for key, value in whole["average"]["state"].items():
            assert torch.equal(parts["average"]["state"][key], value), key
    models_ = [(tmp_path / part / "model" / "model.safetensors").read_bytes() for part in ("whole", "parts")]
    assert models_[0] == models_[1]
    assert (tmp_path / "parts" / "metrics.0.csv").exists()


def test_a_run_cut_short_between_two_epochs_ends_as_one_left_alone(faces: Path, tmp_path: Path) -> None:
    checked = recipe.check(values(faces, network={"name": "tinynet:Tiny"}), "test")
    run.fit(checked, tmp_path / "whole")
    run.fit(checked, tmp_path / "parts", max_steps=4)
    run.fit(checked, tmp_path / "parts", resume=True)
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(value, parts[key]) for key, value in whole.items())


def test_a_network_that_cannot_be_run_in_integers_is_saved(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("only leaves support the deepcopy protocol")

    monkeypatch.setattr("facekp.engine.ranges", fail)
    folder = run.fit(recipe.check(values(faces, epochs=1), "test"), tmp_path)
    assert "int8_ranges" not in json.loads((folder / "config.json").read_text("utf-8"))


def test_a_finished_run_is_not_trained_any_further(faces: Path, tmp_path: Path) -> None:
    checked = recipe.check(values(faces, epochs=9, early_stopping={"patience": 2, "min_delta": 10}), "test")
    folder = run.fit(checked, tmp_path)
    steps = torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"]
    assert steps == 3 * 4  # one validation that is better than nothing, and two that are not
    before = (folder / "model.safetensors").read_bytes()
    run.fit(checked, tmp_path, resume=True)
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == steps
    assert (tmp_path / "metrics.csv").is_file()  # and no metrics.0.csv: nothing came to it
    assert not (tmp_path / "metrics.0.csv").exists()
    assert (folder / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"optimizer": {"lr": 0.5}}, r"another optimizer\.lr: 0\.001, now 0\.5; resume .*\(init: .*model\)"),
        ({"network": {"name": "tinynet:Tiny", "outputs": 136}}, r"another network\.outputs: None, now 136"),
        ({"optimizer": {"name": "sgd"}}, r"another optimizer\.name: adamw, now sgd"),
        ({"seed": 1}, "another seed: 0, now 1"),
        ({"epochs": 3, "early_stopping": {"patience": 9}, "validate_every": 3, "workers": 1, "title": "more"}, None),
    ],
)
def test_a_run_goes_on_by_its_own_recipe(
    faces: Path, tmp_path: Path, changes: dict[str, Any], says: str | None
) -> None:
    run.fit(recipe.check(values(faces), "test"), tmp_path, max_steps=4)
    before = (tmp_path / "recipe.json").read_text("utf-8")
    other = recipe.check(values(faces, **changes), "test")
    if says is None:
        run.fit(other, tmp_path, resume=True)
        assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == 3 * 4
        return
    with pytest.raises(RecipeError, match=says):
        run.fit(other, tmp_path, resume=True)
    assert (tmp_path / "recipe.json").read_text("utf-8") == before


@pytest.mark.parametrize("name", [checkpoint.LAST, checkpoint.BEST])
def test_a_damaged_checkpoint_is_named(faces: Path, tmp_path: Path, name: str) -> None:
    checked = recipe.check(values(faces), "test")
    run.fit(checked, tmp_path, max_steps=4)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:500])
    with pytest.raises(TrainingError, match=rf"{name}: cannot be read .*damaged; .* to start anew"):
        run.fit(checked, tmp_path, resume=True)
    torch.save({"weights": 1}, tmp_path / name)
    with pytest.raises(TrainingError, match=rf"{name}: this is no checkpoint of a run"):
        run.fit(checked, tmp_path, resume=True)


def test_a_run_without_a_validation_says_so(faces: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run.fit(recipe.check(values(faces, epochs=1, validate_every=2), "test"), tmp_path)
    assert "validate_every: 2 is more than the 1 epochs: nothing is validated, and the last weights ship" in caplog.text


def test_the_best_weights_ship_or_the_last(faces: Path, tmp_path: Path) -> None:
    checked = recipe.check(values(faces, keep="last"), "test")
    folder = run.fit(checked, tmp_path)
    assert {p.name for p in tmp_path.iterdir()} >= {"best.ckpt", "environment.json", "metrics.csv", "recipe.json"}
    told = json.loads((tmp_path / "environment.json").read_text("utf-8"))
    assert told["packages"]["torch"] == torch.__version__
    bundle = hub.load(folder, kind="keypoints")
    torch.testing.assert_close(bundle.state["last.weight"], weights(tmp_path)["network.last.weight"], atol=1e-3, rtol=0)
    best = tmp_path / checkpoint.BEST
    changed = torch.load(best, weights_only=True)
    changed["state_dict"]["network.last.weight"].fill_(0.25)
    torch.save(changed, best)
    job = run.job(checked)
    assert checkpoint.best_weights(tmp_path, job.module)
    assert (job.module.shipped().last.weight == 0.25).all()
    assert not checkpoint.best_weights(tmp_path / "none", job.module)


def test_matplotlib_draws_the_curves(faces: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    run.fit(recipe.check(values(faces), "test"), tmp_path)
    assert cv2.imread(str(tmp_path / "curves.png")) is not None


def test_tensorboard_has_the_numbers(faces: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="pip install tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run.fit(recipe.check(values(faces), "test"), tmp_path)
    assert list((tmp_path / "tensorboard").glob("events.out.tfevents.*"))
    told = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    logged = read(tmp_path / "metrics.csv")
    for key in ("train/loss", "val/loss", "val/nme"):
        assert told.Scalars(key)[-1].value == pytest.approx(logged[key], rel=1e-5)


def test_a_run_needs_no_tensorboard(faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = run.find_spec
    monkeypatch.setattr(run, "find_spec", lambda name: None if name.startswith("tensorboard") else there(name))
    run.fit(recipe.check(values(faces, epochs=1), "test"), tmp_path)
    assert (tmp_path / "metrics.csv").is_file()
    assert not (tmp_path / "tensorboard").exists()


# ---------------------------------------------------------------- the loss of the faces that are held out


def test_a_validation_has_the_loss_of_its_faces(faces: Path, tmp_path: Path) -> None:
    mse = {"name": "regression", "loss": "mse"}
    checked = recipe.check(values(faces, ema=0.5, batch_size=2, codec=mse), "test")  # three faces are held out
    run.fit(checked, tmp_path)
    kept = torch.load(tmp_path / "last.ckpt", weights_only=True)
    trained = module.KeypointModule(checked, schema.get("ibug68"))
    trained.load_state_dict(kept["state_dict"])
    trained.load_average(kept)
    _, held = data.split(checked.data)
    crops = data.CropDataset(held, checked, "none")
    images, points = (torch.stack(side) for side in zip(*(crops[i] for i in range(3)), strict=True))
    with torch.inference_mode():
        answers = trained.shipped()(module.inputs(images, checked)).unflatten(1, (68, 2))
    by_hand = ((answers - trained.codec.encode(points)["coordinates"]) ** 2).mean()
    logged = read(tmp_path / "metrics.csv")
    assert logged["val/loss"] == pytest.approx(float(by_hand), rel=1e-5)
    pytest.importorskip("matplotlib")
    (axes,) = plots.curves(tmp_path, ["train/loss", "val/loss"]).axes
    assert [line.get_label() for line in axes.lines] == ["train/loss", "val/loss"]
    assert axes.lines[1].get_ydata()[-1] == pytest.approx(logged["val/loss"])


def test_a_held_out_loss_counts_labels_whatever_the_batches(faces: Path) -> None:
    images = torch.randint(0, 256, (5, 3, 16, 16), dtype=torch.uint8)
    points, boxes = 16 * torch.rand(5, 68, 2), torch.tensor([0.0, 0, 15, 15]).expand(5, 4)
    points[0, 3:] = points[1, ::2] = torch.nan
    found = []
    for size, share, fillers in [(3, 5, 0), (1, 2, 2), (2, 1, 3)]:
        torch.manual_seed(0)
        trained = module.KeypointModule(recipe.check(values(faces, batch_size=size), "test"), schema.get("ibug68"))
        trained.eval()
        lost = torch.full((fillers, 68, 2), torch.nan)
        all_ = (torch.cat([images, images[:fillers]]), torch.cat([points, lost]), torch.cat([boxes, boxes[:fillers]]))
        for batch in zip(*(side.split(share) for side in all_), strict=True):
            trained.validation_step(batch, 0)
        found.append(float(trained.held_loss.compute()))
    assert found == pytest.approx([found[0]] * 3, rel=1e-6)
    trained.network.last.bias.data.fill_(torch.nan)
    trained.validation_step((images, points, boxes), 0)
    assert np.isnan(float(trained.held_loss.compute()))  # a diverged run shows it


# ---------------------------------------------------------------- stopping


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_what_was(faces: Path, tmp_path: Path) -> None:
    spec = values(faces, network={"name": "tinynet:Tiny", "fail": 6}, optimizer={"lr": 3e-4})
    says = r"loss is nan in epoch 1 .*, step 5, .*rate of .*; try .*last\.ckpt is from"
    with pytest.raises(TrainingError, match=says):
        run.fit(recipe.check(spec, "test"), tmp_path)
    kept = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert kept["position"] == {"epoch": 1, "batches": 0}
    assert all(v.isfinite().all() for v in kept["state_dict"].values())


def test_a_full_disk_leaves_the_checkpoint_before_whole(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import lightning

    write, calls = lightning.Trainer.save_checkpoint, []

    def fill(self: Any, path: Path, **options: Any) -> None:
        calls.append(path)
        if len(calls) == 3:  # best and last of the first epoch, and the next
            Path(path).write_bytes(b"half")
            raise OSError(28, "No space left on device")
        write(self, path, **options)

    monkeypatch.setattr(lightning.Trainer, "save_checkpoint", fill)
    spec = values(faces, keep="last", checkpoint_every=1)
    spec["validate_every"] = 2
    with pytest.raises(TrainingError, match=r"last\.ckpt: cannot be written \(No space left on device\)"):
        run.fit(recipe.check(spec, "test"), tmp_path)
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["position"] == {"epoch": 0, "batches": 2}
    assert not list(tmp_path.glob("*.part"))


def test_patience_by_hand() -> None:
    patience = schedule.Patience(2, min_delta=0.5)
    seen = []
    for value in (3.0, 2.6, 2.4, float("nan"), 2.2, 2.1, 2.0, 1.0):
        patience.take(value)
        seen.append((patience.best, patience.times))
    assert seen == [(3.0, 0), (3.0, 0), (2.4, 0), (2.4, 0), (2.4, 1), (2.4, 1), (2.4, 2), (1.0, 2)]
    again = schedule.Patience(2, 0.5)
    again.load(patience.state())
    assert again == patience


def test_a_plateau_lowers_the_rate(faces: Path) -> None:
    spec = values(faces, schedule={"name": "plateau", "gamma": 0.5, "warmup": 0.1})
    plateau = schedule.Patience(1)
    factor = schedule.rate(recipe.check(spec, "test"), 10, plateau)  # of 20 steps
    assert [factor(i) for i in (0, 1, 2, 19)] == [0.5, 1, 1, 1]
    for value in (1.0, 2.0, 2.0):
        plateau.take(value)
    assert factor(19) == 0.25


def steps_of(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, float, float]]:
    """What each optimiser step of the runs to come sees: epoch, learning rate, and the gradient's norm."""
    seen: list[tuple[int, float, float]] = []

    def look(self: module.KeypointModule, *_: Any, **__: Any) -> None:
        norm = sum(float(p.grad.square().sum()) for p in self.network.parameters() if p.grad is not None) ** 0.5
        seen.append((self.current_epoch, self.trainer.optimizers[0].param_groups[0]["lr"], norm))

    monkeypatch.setattr(module.KeypointModule, "configure_gradient_clipping", look)
    return seen


def test_a_plateau_is_left_with_the_first_step_after_it(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = steps_of(monkeypatch)
    flat = {"name": "plateau", "patience": 1, "gamma": 0.5, "warmup": 0, "min_delta": 9}
    run.fit(recipe.check(values(faces, epochs=4, schedule=flat, optimizer={"lr": 1.0}), "test"), tmp_path)
    assert [(epoch, rate) for epoch, rate, _ in seen] == [
        (e, r) for e, r in enumerate((1, 1, 0.5, 0.25)) for _ in range(4)
    ]


def test_the_last_step_of_an_epoch_is_a_mean_like_the_others(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = steps_of(monkeypatch)
    network = {"name": "simple", "channels": [2], "hidden": [4]}
    still = {"name": "sgd", "lr": 1e-30}
    for i, accumulate in enumerate((1, 3, 2)):  # of four batches
        spec = values(faces, epochs=1, network=network, optimizer=still, augment="none", accumulate=accumulate)
        run.fit(recipe.check(spec, "test"), tmp_path / str(i))
    norms = [norm for _, _, norm in seen]
    assert len(norms) == 4 + 2 + 2
    assert norms[5] == pytest.approx(norms[3])  # the fourth batch alone


# ---------------------------------------------------------------- sharing


@pytest.mark.parametrize(("count", "world"), [(7, 2), (8, 2), (9, 4), (3, 4), (5, 1)])
def test_shares_are_disjoint(count: int, world: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class Numbers(list[int]):
        epoch = 0

    train, held = [], []
    for rank in range(world):
        monkeypatch.setattr(sampler, "share", lambda rank=rank: (rank, world))
        first = sampler.EpochSampler(Numbers(range(count)), 3, batch_size=1)
        first.set_epoch(2)
        train.append(list(first))
        assert len(first) == len(train[-1]) == count // world
        first.start(2, 1)
        assert list(first) == train[-1][1:]
        first.set_epoch(3)
        assert len(list(first)) == count // world
        second = sampler.ShareSampler(range(count))
        held.append(list(second))
        assert len(second) == len(held[-1]) == -(-count // world)
    everything = [i for part in train for i in part]
    assert len(set(everything)) == len(everything) == count // world * world
    assert sorted(i for part in held for i in part if i != sampler.FILLER) == list(range(count))


@pytest.mark.slow
def test_two_processes_measure_what_one_does(faces: Path, tmp_path: Path) -> None:
    spec = values(faces, epochs=1, ema=0.5, devices=2, strategy="ddp")
    done = command(tmp_path, spec, "--output", str(tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(tmp_path / "run" / "model")]
    logged = read(tmp_path / "run" / "metrics.csv")
    one = recipe.check(spec | {"devices": 1, "strategy": "auto"}, "test")
    job = run.job(one)
    kept = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)
    assert kept["global_step"] == 2  # twelve faces: two processes, batches of three
    job.module.load_state_dict(kept["state_dict"])
    job.module.load_average(kept)
    found = run.trainer(one, logger=False).validate(job.module, job.validation, verbose=False)[0]
    assert found["val/nme"] == pytest.approx(logged["val/nme"], rel=1e-6)
    assert found["val/failure"] == pytest.approx(logged["val/failure"], rel=1e-6)
    assert found["val/loss"] == pytest.approx(logged["val/loss"], rel=1e-6)


def read(path: Path) -> dict[str, float]:
    """The last value of each column."""
    lines = [line.split(",") for line in path.read_text("utf-8").splitlines()]
    found = {}
    for row in lines[1:]:
        found.update({key: float(cell) for key, cell in zip(lines[0], row, strict=True) if cell})
    return found


# ---------------------------------------------------------------- what a recipe may say


def test_grey_pictures_of_any_shape_and_scale_are_the_same_in_use(faces: Path, tmp_path: Path) -> None:
    spec = values(
        faces,
        crop={"size": [16, 12], "box": "full"},
        grey=True,
        pixels={"mean": 0, "std": 255},
        network={"name": "simple", "channels": [4], "hidden": []},
        augment=[{"name": "RandomAffine", "angle": 15, "shift": 0.05}, {"name": "Tone", "p": 0.3}],
        epochs=1,
    )
    checked = recipe.check(spec, "test")
    folder = run.fit(checked, tmp_path)
    detector = Detector.from_pretrained(folder, device="cpu")
    assert detector.config["preprocessing"] == {"mean": 0.0, "std": 255.0, "clahe": 0.0, "color": "grey"}
    assert detector.config["crop"] == {"size": [16, 12], "scale": 1.0, "box": "full"}
    _, held = data.split(checked.data)
    image, _ = data.CropDataset(held, checked, "none")[0]
    seen = detector._input(image.permute(1, 2, 0).numpy()[None])
    assert seen.shape == (1, 1, 16, 12)
    torch.testing.assert_close(seen, module.inputs(image[None], checked), rtol=0, atol=0)
    red, green, blue = image.double()
    by_hand = (0.299 * red + 0.587 * green + 0.114 * blue) / 255
    torch.testing.assert_close(seen[0, 0].double(), by_hand, rtol=0, atol=1e-6)
    points, _ = detector.predict(image.permute(1, 2, 0).numpy()[None])
    face = detector(held[0].image)[0]
    scale = 40 / 12  # 40x40 pictures fit 16x12 by their width
    np.testing.assert_allclose(face.keypoints[:, 0], (points[0, :, 0] + 0.5) * scale - 0.5, atol=1e-3)


@pytest.mark.parametrize("grey", [False, True])
def test_equalised_pictures_are_the_same_in_use(faces: Path, tmp_path: Path, grey: bool) -> None:
    spec = values(faces, pixels={"clahe": 3}, grey=grey, network={"name": "simple", "channels": [4], "hidden": []})
    checked = recipe.check(spec | {"epochs": 1, "crop": {"size": [24, 16]}}, "test")
    detector = Detector.from_pretrained(run.fit(checked, tmp_path), finder=None, device="cpu")
    assert detector.config["preprocessing"]["clahe"] == 3
    _, held = data.split(checked.data)
    plain = data.CropDataset(held, recipe.check(spec | {"pixels": {}, "crop": {"size": [24, 16]}}, "test"), "none")
    equal = data.CropDataset(held, checked, "none")
    crop, learned = plain[0][0].permute(1, 2, 0).numpy(), equal[0][0]
    assert not np.array_equal(crop.transpose(2, 0, 1), learned)
    torch.testing.assert_close(detector._input(crop[None]), module.inputs(learned[None], checked), rtol=0, atol=0)
    if grey:
        luma = cv2.createCLAHE(3, (8, 8)).apply(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY))
        by_hand = (torch.from_numpy(luma).float() - 127.5) / 64
        torch.testing.assert_close(detector._input(crop[None])[0, 0], by_hand, rtol=0, atol=1e-5)
    del detector.config["preprocessing"]["clahe"]  # a model from before there was the key
    old = Detector(detector.network, detector.config, device="cpu")
    torch.testing.assert_close(old._input(crop[None]), module.inputs(plain[0][0][None], checked), rtol=0, atol=0)


@pytest.mark.parametrize(("changes", "points"), [({"schema": "nose_tip"}, 1), ({"points": ["mouth", "nose_tip"]}, 21)])
def test_some_points_of_a_face(faces: Path, tmp_path: Path, changes: dict[str, Any], points: int) -> None:
    spec = values(faces, epochs=1, crop={"size": [16, 16], "box": "full"})
    spec["data"] = spec["data"] | changes
    folder = run.fit(recipe.check(spec, "test"), tmp_path)
    logged = read(tmp_path / "metrics.csv")
    assert 0 < logged["val/nme"] < 2
    detector = Detector.from_pretrained(folder, device="cpu", network=own())
    assert len(detector.schema) == points
    assert detector.config["metrics"][0]["nme"] == pytest.approx(logged["val/nme"], rel=0.02)
    if points == 1:  # as a share of the whole face's diagonal, which these drawings fill by half
        assert detector.config["schema"] == "nose_tip"


def own() -> Any:
    import importlib

    return importlib.import_module("tinynet").Tiny


@pytest.mark.parametrize(
    ("validation", "held"),
    [("held.txt", 3), ({"by": "fraction", "fraction": 0.4}, 6), ({"subjects": ["lfpw/trainset/image_0003"]}, None)],
)
def test_validation_may_be_drawn(faces: Path, validation: Any, held: int | None) -> None:
    spec = values(faces)
    spec["data"] = spec["data"] | {"validation": validation}
    checked = recipe.check(spec, "test")
    if held is None:
        name = data.split(recipe.check(values(faces), "test").data)[1][0].subject
        assert name is not None
        spec["data"]["validation"] = {"subjects": [name]}
        checked, held = recipe.check(spec, "test"), 1
    train, chosen = data.split(checked.data)
    assert (len(train), len(chosen)) == (15 - held, held)
    assert not {s.subject for s in train} & {s.subject for s in chosen}


UNET = {"network": {"name": "unet", "channels": [2, 4]}}
RESNET = {"network": {"name": "resnet", "depth": 18, "head_width": 4}, "codec": {"name": "soft_argmax"}}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"data.validation": "no-list"}, r"data\.validation: 'no-list' is neither .* \(300w, "),
        ({"data.validation": {"subjects": ["nobody"]}}, r"subjects: nobody is called 'nobody'; the sets have lfpw"),
        ({"data.schema": "ibug69"}, r"data\.schema: unknown schema 'ibug69'; choose one of: cofw29"),
        ({"data.points": ["elbow"]}, r"data\.points: unknown point or group of schema ibug68 'elbow'"),
        ({"data.sets": [{"name": "301w"}]}, r"data\.sets\.0: unknown data set format '301w'; choose one of: 300w"),
        ({"data.sets": [{"name": "300w", "rot": "x"}]}, r"data\.sets\.0: data set 300w: .*rot"),
        ({"network": {"name": "tinynet:Gone"}}, r"network\.name: tinynet:Gone cannot be had from .*Gone"),
        ({"network": {"name": "gone:Net"}}, r"network\.name: gone:Net cannot be had from .*No module named 'gone'"),
        ({"network": {"name": "tinynet:nothing"}}, r"network\.name: tinynet:nothing gives a NoneType"),
        ({"network": {"name": "tinynet:Tiny", "depth": 3}}, r"network: tinynet:Tiny: .*depth"),
        ({"network": {"name": "tinynet:Tiny", "outputs": 7}}, r"tinynet:Tiny gives 7 channels, .*regression reads 136"),
        ({"network": {"name": "os:path"}}, r"network\.name: os:path is a module, expected a class"),
        ({"network": {"name": "broken:Net"}}, r"network\.name: broken:Net cannot be had from .*: SyntaxError: "),
        (
            {"network": {"name": "tinynet:Tiny", "depth": 3}},
            r"unknown option 'depth'; it has: points, in_channels, fail",
        ),
        ({"network": {"name": "tinynet:Crooked", "fail": "none"}}, r"crop\.size of \(16, 16\): ZeroDivisionError: div"),
        ({"network": {"name": "tinynet:Crooked", "fail": "two"}}, r"tinynet:Crooked gives tuple; expected maps"),
        ({"network": {"name": "tinynet:Crooked", "fail": "flat"}}, r"tinynet:Crooked gives a tensor \(\); expected"),
        (
            {"codec": {"name": "regression", "sigma": 2}},
            r"codec regression: unknown option 'sigma'; it has: input_size",
        ),
        (
            {"codec": {"name": "regression", "input_size": [8, 8]}},
            r"codec\.input_size: \[8, 8\] is not the .*\(16, 16\)",
        ),
        ({**UNET, "codec": {"name": "dark", "heatmap_size": [8, 8]}}, r"codec\.heatmap_size: \[8, 8\] is not the .*16"),
        ({"data.sets": [{"name": "300w", "rot": "x"}]}, r"unknown option 'rot'; it has: root, split"),
        ({**RESNET, "batch_size": 1}, r"batch_size: resnet cannot learn from batches of one face"),
        ({"codec": {"name": "dark"}}, r"codec\.name: dark reads a heatmap, .*vector; choose one of: regression, simcc"),
        ({"codec": {"name": "regression", "loss": "none"}}, r"codec: unknown loss 'none'; choose one of: l1"),
        ({"init": "lfpw"}, None),
    ],
)
def test_what_does_not_fit_is_named(faces: Path, changes: dict[str, Any], says: str | None) -> None:
    spec = values(faces)
    for key, value in changes.items():
        group, _, last = key.rpartition(".")
        target = spec[group] = dict(spec[group]) if group else None
        (spec if target is None else target)[last] = value
    spec.pop("", None)
    with pytest.raises(RecipeError if says else HubError, match=says or "lfpw: this folder has no config"):
        run.job(recipe.check(spec, "test"))


def test_a_face_that_cannot_be_cut_out_is_named(faces: Path) -> None:
    tips = datasets.PtsFolder(faces, schema="ibug68")
    points = np.full_like(tips[0].keypoints, np.nan)
    points[30] = 9  # one point, and no box
    lone = replace(tips[0], keypoints=points, source_box=None)
    with pytest.raises(RecipeError, match=r"crop\.box: extent: lfpw/.*has no area.*take crop\.box=full"):
        data.CropDataset([lone], recipe.check(values(faces), "test"), "none")


def test_a_codec_is_refused_before_any_data_is_read(tmp_path: Path) -> None:
    spec = values(tmp_path / "nothing here", codec={"name": "dark"})
    with pytest.raises(RecipeError, match=r"codec\.name"):
        run.job(recipe.check(spec, "test"))


def test_an_epoch_has_every_face_and_its_mirror_image(faces: Path) -> None:
    spec = values(faces, augment="none", crop={"size": [40, 40], "box": "full"}, workers=1)
    spec["data"] = spec["data"] | {"doubled": True}
    checked = recipe.check(spec, "test")
    loader, held, _ = data.keypoint_loaders(checked)
    assert (len(loader.dataset), len(loader), len(held.dataset)) == (24, 8, 3)
    layout = schema.get("ibug68")
    for i in range(12):
        image, points = loader.dataset[i]
        image_, points_ = loader.dataset[12 + i]
        assert torch.equal(image_, image.flip(-1))
        np.testing.assert_allclose(points_, layout.mirrored(points.numpy(), 40), atol=1e-4)
    loader.sampler.set_epoch(1)
    seen = torch.cat([points for _, points in loader])
    assert len(seen.unique(dim=0)) == 24
    # What is turned by chance is turned anew, and repeatably.
    crops = data.CropDataset(data.split(checked.data)[0], checked, "strong", doubled=True)
    assert torch.equal(crops[15][0], crops[15][0])
    crops_ = data.CropDataset(data.split(checked.data)[0], checked, "strong", doubled=True)
    crops_.epoch = 1
    assert not torch.equal(crops[15][0], crops_[15][0])


def test_doubled_faces_need_mirror_pairs(faces: Path, tmp_path: Path) -> None:
    spec = values(faces)
    spec["data"] = spec["data"] | {"points": ["left_eye"], "doubled": True}
    with pytest.raises(RecipeError, match=r"data\.doubled: .* has no mirror pairs; leave it out"):
        run.job(recipe.check(spec, "test"))
    gone = values(tmp_path / "nothing here")
    gone["data"] |= {"schema": "ibug68", "points": ["left_eye"], "doubled": True}
    with pytest.raises(RecipeError, match=r"data\.doubled"):  # before any data is read
        run.job(recipe.check(gone, "test"))


def test_a_mirror_needs_pairs(faces: Path) -> None:
    spec = values(faces, augment=[{"name": "Mirror"}])
    spec["data"] = spec["data"] | {"points": ["left_eye"]}
    with pytest.raises(RecipeError, match="augment: .* has no mirror pairs"):
        run.job(recipe.check(spec, "test"))


# ---------------------------------------------------------------- networks of one's own, and trained ones


def test_detector_runs_no_code_that_a_config_names(faces: Path, tmp_path: Path) -> None:
    folder = run.fit(recipe.check(values(faces, epochs=1), "test"), tmp_path)
    kind = own()
    sys.modules.pop("tinynet")
    with pytest.raises(HubError, match=r"tinynet:Tiny, is not part of facekp.*network=Tiny"):
        Detector.from_pretrained(folder, finder=None, device="cpu")
    assert "tinynet" not in sys.modules
    picture = np.zeros((1, 16, 16, 3), np.uint8)
    answers = [
        Detector.from_pretrained(folder, finder=None, device="cpu", network=given).predict(picture)
        for given in (kind, kind(68))
    ]
    np.testing.assert_array_equal(answers[0][0], answers[1][0])


def trained(folder: Path, layout: str, codec: str = "regression", **options: Any) -> dict[str, torch.Tensor]:
    """A model of random weights on disk."""
    spec = {"name": "simple", "input_size": [16, 16], "channels": [4, 4], "hidden": [8], **options}
    spec |= {"points": len(schema.get(layout))}
    config = {
        "type": "keypoints",
        "name": "before",
        "schema": layout,
        "network": spec,
        "codec": decoders.create(codec, input_size=(16, 16)).to_config(),
        "crop": {"size": [16, 16], "scale": 1.2, "box": "extent"},
        "preprocessing": {"mean": 127.5, "std": 64.0, "color": "rgb"},
        "licence": "none",
    }
    network = models.from_config(spec)
    hub.save(folder, network, config, half=False)
    return network.state_dict()


def test_fine_tuning_keeps_the_trunk_and_the_points_of_the_same_name(
    faces: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = trained(tmp_path / "before", "kaggle15")
    network = {"name": "simple", "channels": [4, 4], "hidden": [8]}
    spec = values(faces, network=network, init=str(tmp_path / "before"))
    caplog.set_level("INFO", "facekp")
    job = run.job(recipe.check(spec, "test"))
    after = job.module.network.state_dict()
    last = list(after)[-2:]
    old, new = schema.get("kaggle15").names, schema.get("ibug68").names
    shared = [name for name in new if name in old]
    assert shared
    assert f"{len(after)} of {len(after)} tensors" in caplog.text
    assert f"{len(shared)} of 68 points are in both" in caplog.text
    for key in after:
        if key not in last:
            assert torch.equal(after[key], before[key]), key
            continue
        for name in shared:
            a, b = 2 * old.index(name), 2 * new.index(name)
            assert torch.equal(after[key][b : b + 2], before[key][a : a + 2])
    grey = run.job(recipe.check(spec | {"grey": True}, "test")).module.network.state_dict()
    first = next(iter(after))
    torch.testing.assert_close(grey[first], before[first].sum(1, keepdim=True))


def test_a_model_that_shares_nothing_is_refused(faces: Path, tmp_path: Path) -> None:
    trained(tmp_path / "before", "kaggle15", channels=[5], hidden=[9])
    spec = values(faces, init=str(tmp_path / "before"))
    with pytest.raises(RecipeError, match="init: .*before has no weights that fit network"):
        run.job(recipe.check(spec, "test"))


def test_which_rows_are_whose() -> None:
    one, two = schema.get("kaggle15"), schema.get("ibug68")
    maps = {"input_size": (32, 32), "heatmap_size": (8, 8)}
    soft, pip = (
        decoders.create("soft_argmax", **maps),
        decoders.create("pip", neighbors=2, mean_shape=two.mean_shape, **maps),
    )
    found = init.rows(soft, one, soft, two)
    assert (found.before, found.after) == (15, 68)
    assert [one.names[i] for i in found.take] == [two.names[i] for i in found.put]
    again = init.rows(pip, two, pip, two)
    assert again.take == again.put == list(range(68 * 7))
    assert init.rows(soft, one, pip, two).put == []
    line = decoders.create("regression", input_size=(32, 32))
    assert init.rows(line, two, line, two.subset(["nose_tip"])).take == [60, 61]
    assert init.rows(soft, two, line, two).put == []


def test_maps_keep_their_rows_where_ratings_come_or_go() -> None:
    points = schema.get("ibug68")
    few = points.subset(["nose_tip", "chin"]) if "chin" in points.names else points.subset(["nose_tip"])
    maps = {"input_size": (32, 32), "heatmap_size": (8, 8)}
    plain, rated = decoders.create("soft_argmax", **maps), decoders.create("soft_argmax", rated=True, **maps)
    found = init.rows(plain, points, rated, points)
    assert (found.before, found.after) == (68, 136)
    assert found.take == found.put == list(range(68))
    assert init.rows(rated, points, plain, points).put == list(range(68))
    tip = points.names.index("nose_tip")
    both = init.rows(rated, points, rated, few)
    assert tip in both.take
    assert 68 + tip in both.take
    assert sorted(both.put) == list(range(2 * len(few)))


# ---------------------------------------------------------------- the command


def test_a_rehearsal_writes_nothing(faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "tiny.yaml"
    file.write_text(json.dumps(values(faces)), "utf-8")
    assert cli.main(["train", str(file), "--dry-run", "--output", str(tmp_path / "run")]) == 0
    said = capsys.readouterr().out
    assert "input       (3, 3, 16, 16)" in said
    assert "output      (3, 136)" in said
    numbers = 4 * 3 * 9 + 4 + 8 + 16 * 136 + 136
    assert f"parameters  {numbers:,}" in said
    assert f"MACs        {4 * 4 * 4 * 27 + 16 * 136:,}" in said
    assert "12 to train on, 3 to validate" in said
    assert "MiB at most" in said
    assert {p.name for p in tmp_path.iterdir()} == {"tiny.yaml"}
    assert not (faces / "runs").exists()
    assert dry.dry_run(recipe.check(values(faces), "test"))["batches"] == 4


def test_the_list_says_what_each_recipe_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == recipe.names()
    assert any(line.startswith("resnet18-ibug ") and "ResNet-18" in line for line in lines)
    assert all(len(line.split(maxsplit=1)) == 2 for line in lines)


def test_glibc_keeps_memory() -> None:
    from facekp.training import _memory

    assert _memory.keep_memory() is (_memory.platform.libc_ver()[0] == "glibc")
