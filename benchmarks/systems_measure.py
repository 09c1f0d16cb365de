"""What the runs of systems.py have learned: errors on the held-out faces, into benchmarks/results/systems.json."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import yaml
from systems import ROOT, System, chosen, done, read

import facekp
from facekp import Detector, activations, geometry, metrics, models, plots
from facekp.sample import Sample
from facekp.schema import KeypointSchema
from facekp.training import data, groups, module, recipe

RESULTS = ROOT / "benchmarks" / "results" / "systems.json"
DEAD_ON = 32  # pictures on which a filter must do something
Array = npt.NDArray[Any]


@cache
def faces(said: str) -> tuple[list[Sample], list[Sample]]:
    """Training and validation faces of a recipe's data, as JSON; read once for all runs that share them."""
    return data.split(groups.Data.model_validate_json(said))


@cache
def mean_face(said: str) -> Array:
    """The mean of the training faces' points in the crop, of a recipe as JSON."""
    plan = recipe.check(json.loads(said), "the mean face")
    train, _ = faces(_data(plan))
    crops = data.CropDataset(train, plan, "none")
    return np.nanmean([crops.view(i).keypoints for i in range(len(crops))], 0)


def _data(plan: Any) -> str:
    return plan.data.model_dump_json(by_alias=True)


def base_of(name: str) -> str | None:
    """The full-size recipe of a quick one."""
    text = (resources.files("facekp") / "recipes" / f"{name}.yaml").read_text("utf-8")
    return yaml.safe_load(text).get("base") if name.endswith("-quick") else None


class Trained:
    """A finished run: its model, and what that says of the validation faces."""

    def __init__(self, run: System, given: argparse.Namespace) -> None:
        self.run, self.folder = run, given.runs / run.id
        trained_as = json.loads((self.folder / "recipe.json").read_text("utf-8"))
        self.plan = recipe.check(trained_as, run.id)
        self.detector = Detector.from_pretrained(self.folder / "model", device="cpu", finder=None)
        self.train, self.held = faces(_data(self.plan))
        # Kaggle's incomplete rows lack the hard points: runs are compared on the faces that have all.
        self.whole = [s for s in self.held if s.mask.all()] if run.data == "kaggle" else self.held
        self.crops = data.CropDataset(self.whole, self.plan, "none")
        self._predict()

    @torch.no_grad()  # not in inference mode: dead filters are found by gradients on the same pictures
    def _predict(self) -> None:
        held = data.Held(self.crops)
        network, codec = self.detector.network, self.detector.codec
        found, images = [], []
        for start in range(0, len(held), 32):
            batch = [held[i] for i in range(start, min(start + 32, len(held)))]
            images.append(module.inputs(torch.stack([image for image, _, _ in batch]), self.plan))
            decoded = codec.decode(network(images[-1]))[0].numpy()
            found += [(p, t.numpy(), b.numpy()) for p, (_, t, b) in zip(decoded, batch, strict=True)]
        self.points, self.truth, self.boxes = (np.stack(column) for column in zip(*found, strict=True))
        self.images = torch.cat(images)[:DEAD_ON]
        self.mean = mean_face(self._crop_of_data())
        self.nme = _nme(self.detector.schema, self.points, self.truth, self.boxes)

    def _crop_of_data(self) -> str:
        """The recipe without what does not change the training faces' crops, so that runs share their mean."""
        kept = self.plan.model_dump(mode="json", by_alias=True, include={"data", "crop"})
        plain = {"network": {"name": "resnet"}, "codec": {"name": "regression"}, "augment": "none"}
        return json.dumps({"name": "mean", **kept, **plain})

    def in_picture(self) -> Array:
        """The predictions ``(N, K, 2)`` in the pixels of ``crops.samples``."""
        crop = self.plan.crop
        matrices = []
        for sample in self.crops.samples:
            full = crop.box == "full"
            box = geometry.image_box(sample.image.shape[:2]) if full else geometry.extent(sample.keypoints)
            matrices.append(geometry.invert(geometry.crop_matrix(box, crop.size, crop.scale)))
        return np.stack([geometry.apply(m, p) for m, p in zip(matrices, self.points, strict=True)])

    # ------------------------------------------------------------ numbers

    def scale(self) -> float:
        """Pixels of the original recipe's crop in one of this run's."""
        base = base_of(self.run.recipe)
        return recipe.load(base).crop.size[0] / self.plan.crop.size[0] if base else 1.0

    def errors(self) -> dict[str, Any]:
        """In pixels of the original recipe's crop, and over the face's length."""
        found = errors(self.detector.schema, self.points, self.truth, self.boxes, mean=self.mean, unit=self.scale())
        return found | {"of": [round(self.scale() * side) for side in self.plan.crop.size]}

    def dead(self) -> dict[str, list[int]]:
        """Layer → dead filters, and how many there are; of plain CNNs only."""
        if self.plan.network["name"] != "simple":
            return {}
        found = activations.dead_filters(self.detector.network, self.images)
        return {name: [int(lost.sum()), len(lost)] for name, lost in found.items()}

    def learning(self) -> dict[str, Any]:
        """Epochs and losses, epochs counted from 1."""
        rows = [row for row in plots.read_metrics(self.folder) if "val/nme" in row]
        best = min(rows, key=lambda row: row["val/nme"])
        shown = {"kept": best if self.plan.keep == "best" else rows[-1], "last": rows[-1]}
        return {
            "epochs": len(rows),
            "planned": self.plan.epochs,
            "kept_epoch": int(shown["kept"]["epoch"]) + 1,
            "loss": {k: {"train": row.get("train/loss"), "val": row.get("val/loss")} for k, row in shown.items()},
        }

    def entry(self) -> dict[str, Any]:
        run, said = self.run, done(self.folder) or {}
        environment = json.loads((self.folder / "environment.json").read_text("utf-8"))
        return {
            **listed(run),
            "base": base_of(run.recipe),
            "crop": list(self.plan.crop.size),
            "network": self.plan.network["name"],
            "parameters": models.parameters(self.detector.network),
            "train": len(self.train),
            "validation": len(self.held),
            "people": _people(self.held),
            "batch": self.plan.batch_size,
            "lr": self.plan.optimizer.lr,
            **self.learning(),
            **{key: said[key] for key in ("seconds", "cpu_seconds", "threads")},
            "cpus": environment["cpus"],
            "errors": self.errors(),
            "dead": self.dead(),
        }


def _people(faces: list[Sample]) -> int | None:
    """How many people they are; None where the data does not say, or nearly each is another one."""
    names = {face.subject for face in faces}
    return len(names) if None not in names and 2 * len(names) <= len(faces) else None


def errors(
    schema: KeypointSchema, points: Array, truth: Array, boxes: Array, *, mean: Array, unit: float
) -> dict[str, Any]:
    """What can be said of ``points`` ``(N, K, 2)``; pixels are multiplied by ``unit``."""
    nme = _nme(schema, points, truth, boxes)
    average = _nme(schema, np.broadcast_to(mean, truth.shape), truth, boxes)
    return {
        "faces": len(points),
        "mae": unit * metrics.mae(points, truth),
        "mse": unit**2 * metrics.rmse(points, truth) ** 2,
        "rmse": unit * metrics.rmse(points, truth),
        "point": unit * float(np.nanmean(np.linalg.norm(points - truth, axis=-1))),
        "nme": float(np.nanmean(nme)),
        "normalizer": metrics.default_normalizer(schema),
        "over_8": metrics.failure_rate(nme),
        "mean_face_nme": float(np.nanmean(average)),
        "spread": unit * _spread(points),
        "spread_truth": unit * _spread(truth),
    }


def _nme(schema: KeypointSchema, points: Array, truth: Array, boxes: Array) -> Array:
    return metrics.nme(points, truth, schema, metrics.default_normalizer(schema), boxes=boxes)


def _spread(points: Array) -> float:
    """How far points are from their mean over the faces: the root of the mean variance of their coordinates."""
    return float(np.sqrt(np.nanmean(np.nanvar(points, axis=0))))


# ---------------------------------------------------------------- all of them


def measure(given: argparse.Namespace) -> None:
    """Measure what is done and new, and bring the JSON and the pictures up to date."""
    import systems_kaggle as kaggle
    import systems_pictures as pictures

    torch.set_num_threads(given.threads)
    top, runs = read()
    record: dict[str, Any] = {"joint": {}, "photograph": None, "runs": []}
    record |= json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {}
    known, fresh = {entry["id"]: entry for entry in record["runs"]}, []
    for run in chosen(runs, given.only, given.part):
        said = done(given.runs / run.id)
        if said is None or said["error"]:
            print(f"{run.id}: {said['error'] if said else 'not done'}", flush=True)
            continue
        if not given.again and known.get(run.id, {}).get("cpu_seconds") == rounded(said["cpu_seconds"]):
            continue
        trained = Trained(run, given)
        known[run.id] = trained.entry() | kaggle.submitted(trained, given.runs / "kaggle") | pictures.draw(trained)
        fresh.append(run)
        print(f"{run.id}: NME {known[run.id]['errors']['nme']:.2%}", flush=True)
        _write(record, top, runs, known)
    for name in sorted({run.group for run in fresh if run.id != run.listed}):
        together = [run for run in runs if run.group == name]
        if all(run.id in known for run in together):
            record["joint"][name] = kaggle.joint([Trained(run, given) for run in together], known)
    if any(run.data == "300w" for run in fresh):
        record["photograph"] = pictures.photograph(runs, given)
    _write(record, top, runs, known)


def _write(record: dict[str, Any], top: dict[str, Any], runs: list[System], known: dict[str, Any]) -> None:
    whole = {
        "environment": {
            "facekp": facekp.__version__,
            "torch": torch.__version__,
            "cpu": torch.backends.cpu.get_cpu_capability(),
        },
        **top,
        "joint": record["joint"],
        "photograph": record["photograph"],
        # What the list says may have changed since the run was measured.
        "runs": [known[run.id] | listed(run) for run in runs if run.id in known],
        "missing": [run.id for run in runs if run.id not in known],
    }
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(rounded(whole), indent=1, ensure_ascii=False) + "\n", "utf-8")


def listed(run: System) -> dict[str, Any]:
    """What the list says of a run."""
    return {**{k: v for k, v in asdict(run).items() if k != "set"}, "changes": list(run.set), "command": run.command()}


def rounded(value: Any) -> Any:
    """Five digits: more would only make the file change."""
    if isinstance(value, dict):
        return {key: rounded(v) for key, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    if not isinstance(value, float):
        return value
    return float(f"{value:.5g}") if np.isfinite(value) else None
