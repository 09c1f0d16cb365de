"""The mean-face trap: do models draw turned heads as they are, or as the average face?

    python benchmarks/mean_face.py ../shared/data --model NAME=FOLDER ... [--change FROM TO ...]

FOLDER is what ``facekp train`` left in ``RUN/model``, or a model that ships.  Two sets, with labelled boxes, which no
model that was trained on 300-W's train folders has seen: the validation list cut from these (201 faces), and
the YouTube Faces frames of ``ytf/test`` (770 frames of 347 people, labelled by a machine).  The row to compare with is
the mean face of the training faces, put into the box.  Measured by bin of the true yaw: NME, and by
``facekp.metrics.spread`` how far predictions follow the truth away from the mean; each with a 95 % bootstrap over
photographs (300-W) or people.  ``--change`` measures the difference of two models, draw by draw on the same faces.

The numbers go to benchmarks/results/mean_face.json; ``python docs/draw_mean_face.py`` draws them.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

import facekp
from facekp import Detector, datasets, metrics, pose, predict
from facekp.sample import Sample
from facekp.schema import KeypointSchema

ROOT = Path(__file__).parents[1]
RECORD = ROOT / "benchmarks" / "results" / "mean_face.json"
MEAN = "mean face"
BINS = tuple(f"{low:g} to {high:g}" for low, high in pose.YAW_BINS)
PARTS = ("all", *BINS)
MEASURES = ("nme_box", "nme_inter_ocular", "ratio", "slope", "nose", "yaw")
TELLING = "nose_tip"  # its place across the box follows the yaw
FEWEST = 5  # groups: of fewer an interval says nothing
# What a model may have been trained on, read from the folders or from a packed cache of them.
UNSEEN = {f"{name} without the validation list 300w" for name in ("300w (split train)", "300-W train")}
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Faces:
    """Faces to measure on; ``groups`` are the indices of those that belong together (a photograph, a person)."""

    title: str
    unit: str
    samples: Sequence[Sample]
    schema: KeypointSchema
    truth: Array
    boxes: Array
    yaw: Array
    groups: list[Array]

    @property
    def parts(self) -> Array:
        """``(P, N)`` bool: which faces each of :data:`PARTS` has."""
        bins = pose.yaw_bin(self.yaw)
        return np.stack([np.ones(len(bins), bool), *(bins == i for i in range(len(BINS)))])


def faces_of(title: str, unit: str, samples: datasets.SampleSet) -> Faces:
    truth = np.stack([s.keypoints for s in samples]).astype(np.float64)
    names = np.array([s.subject or str(i) for i, s in enumerate(samples)])
    return Faces(
        title=title,
        unit=unit,
        samples=samples,
        schema=samples.schema,
        truth=truth,
        boxes=np.stack([s.box for s in samples]).astype(np.float64),
        yaw=pose.angles(truth, samples.schema)[:, 0],
        groups=[np.flatnonzero(names == name) for name in dict.fromkeys(names)],
    )


def load(root: Path) -> tuple[dict[str, Faces], Array]:
    """Both sets, and the mean training face ``(K, 2)`` relative to its box."""
    from facekp.training.data import validation_names

    held = set(validation_names("300w"))
    photographs = datasets.create("300w", root=root / "300w", split="train")
    validation = photographs.where(lambda s: s.meta["name"] in held)
    seen = {s.subject for s in validation}
    training = faces_of("", "", photographs.where(lambda s: s.subject not in seen))
    mean = np.nanmean(metrics.in_boxes(training.truth, training.boxes), axis=0)
    frames = datasets.create("udacity", root=root / "ytf", split="test")
    sets = {
        "300w": faces_of("300-W, validation list", "photographs", validation),
        "ytf": faces_of("YouTube Faces, test frames", "people", frames),
    }
    return sets, mean


def placed(mean: Array, boxes: Array) -> Array:
    """The mean face in every box: the inverse of :func:`facekp.metrics.in_boxes`."""
    side = (boxes[:, 2:] - boxes[:, :2]).max(-1)
    return mean * side[:, None, None] + ((boxes[:, 2:] + boxes[:, :2]) / 2)[:, None]


class Measured:
    """One model's points on one set: every measure is a sum over faces divided by another.

    Attributes:
        above: ``(N, M)`` what each face adds to the sum above the line of each of :data:`MEASURES`.
        below: ``(N, M)`` and to that below.
        nose: ``(N,)`` where the nose tip is across the box.
    """

    def __init__(self, points: Array, faces: Faces) -> None:
        self.faces = faces
        errors = [
            metrics.nme(points, faces.truth, faces.schema, by, boxes=faces.boxes) for by in ("box", "inter_ocular")
        ]
        # As facekp.metrics.spread, of the whole face, of the nose tip across the box, and of the yaw.
        p, t = (metrics.in_boxes(given, faces.boxes) for given in (points, faces.truth))
        tip = faces.schema.names.index(TELLING)
        yaw = pose.angles(points, faces.schema)[:, :1], faces.yaw[:, None]
        pairs = ((p.reshape(len(p), -1), t.reshape(len(t), -1)), (p[:, tip, :1], t[:, tip, :1]), yaw)
        (pp, pt, tt), (_, nose, true_nose), (_, turned, true_turned) = (_products(a, b) for a, b in pairs)
        one = np.ones(len(points))
        self.above = np.stack([*errors, pp, pt, nose, turned], 1)
        self.below = np.stack([one, one, tt, tt, true_nose, true_turned], 1)
        self.nose = p[:, tip, 0]

    def numbers(self, weights: Array) -> Array:
        """``(D, P, M)``: :data:`MEASURES` of :data:`PARTS` with each face counted as often as ``(D, N)`` says.

        The means from which faces deviate stay those of all faces.  NaN where a part has none.
        """
        chosen = weights[:, None] * self.faces.parts
        above, below = chosen @ self.above, chosen @ self.below
        with np.errstate(invalid="ignore"):
            values: Array = np.where(below > 0, above / below, np.nan)
        values[..., MEASURES.index("ratio")] **= 0.5
        return values


def _products(prediction: Array, target: Array) -> tuple[Array, Array, Array]:
    """``(N,)`` each: p.p, p.t and t.t of the deviations from the mean over faces."""
    p, t = prediction - prediction.mean(0), target - target.mean(0)
    return (p * p).sum(1), (p * t).sum(1), (t * t).sum(1)


def drawn_weights(faces: Faces, draws: int, seed: int = 0) -> Array:
    """``(D, N)`` how often each face is drawn, group by group; the same for every model, so differences are paired."""
    count = len(faces.groups)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), draws)
    owner = np.empty(len(faces.truth), int)
    for i, group in enumerate(faces.groups):
        owner[group] = i
    weights: Array = drawn[:, owner].astype(np.float64)
    return weights


def intervals(value: Array, drawn: Array, enough: Sequence[bool]) -> dict[str, dict[str, list[float | None]]]:
    """By part and measure: the value and both ends of its 95 % interval, None where groups are too few."""
    found: dict[str, Any] = {}
    for i, part in enumerate(PARTS):
        if np.isfinite(value[i]).any():
            ends = (
                np.nanquantile(drawn[:, i], [0.025, 0.975], axis=0)
                if enough[i]
                else (np.full(len(MEASURES), np.nan),) * 2
            )
            found[part] = {name: [plain(row[j]) for row in (value[i], *ends)] for j, name in enumerate(MEASURES)}
    return found


def plain(value: float) -> float | None:
    return round(float(value), 5) + 0.0 if np.isfinite(value) else None  # -0.0 + 0.0 is 0.0


def about(detector: Detector) -> dict[str, Any]:
    """What its folder says of a model."""
    config = detector.config
    trained = list(config.get("training_data", []))
    if not trained or set(trained) - UNSEEN:
        sys.exit(f"{detector.name} was trained on {trained or 'unknown data'}; expected {' or '.join(sorted(UNSEEN))}")
    recipe = config.get("recipe", {})
    return {
        "network": {k: config["network"][k] for k in ("name", "depth", "head") if k in config["network"]},
        "codec": config["codec"]["name"],
        "loss": config["codec"].get("loss"),
        "size": config["crop"]["size"],
        "training_data": trained,
        **{k: recipe.get(k) for k in ("augment", "epochs")},
    }


def record(
    sets: dict[str, Faces], answers: dict[str, dict[str, Array]], changes: Iterable[Sequence[str]], draws: int
) -> dict[str, Any]:
    """The numbers of all models: ``answers[model][set]`` are their points."""
    models: dict[str, Any] = {name: {"sets": {}} for name in answers}
    differences = [{"from": a, "to": b, "sets": {}} for a, b in changes]
    for key, faces in sets.items():
        drawn, once = drawn_weights(faces, draws), np.ones((1, len(faces.truth)))
        enough = [sum(bool(part[g].any()) for g in faces.groups) >= FEWEST for part in faces.parts]
        found = {}
        for name, points in answers.items():
            one = Measured(points[key], faces)
            found[name] = one.numbers(once)[0], one.numbers(drawn)
            numbers = intervals(*found[name], enough)
            models[name]["sets"][key] = {"parts": numbers, "nose": np.round(one.nose, 3).tolist()}
        for change in differences:
            (a, drawn_a), (b, drawn_b) = found[change["from"]], found[change["to"]]
            change["sets"][key] = intervals(b - a, drawn_b - drawn_a, enough)
    return {
        "draws": draws,
        "sets": {k: described(f) for k, f in sets.items()},
        "models": models,
        "changes": differences,
    }


def described(faces: Faces) -> dict[str, Any]:
    tip = faces.schema.names.index(TELLING)
    counts = {name: int(part.sum()) for name, part in zip(PARTS, faces.parts, strict=True)}
    groups = {
        name: sum(bool(part[g].any()) for g in faces.groups) for name, part in zip(PARTS, faces.parts, strict=True)
    }
    nose = np.round(metrics.in_boxes(faces.truth, faces.boxes)[:, tip, 0], 3).tolist()
    return {"title": faces.title, "unit": faces.unit, "faces": counts, "groups": groups, "nose": nose}


def measure(given: argparse.Namespace) -> dict[str, Any]:
    sets, mean = load(given.data)
    answers = {MEAN: {key: placed(mean, faces.boxes) for key, faces in sets.items()}}
    said: dict[str, Any] = {MEAN: None}
    for name, folder in given.model:
        detector = Detector.from_pretrained(Path(folder) if Path(folder).is_dir() else folder, device="cpu")
        said[name] = about(detector)
        answers[name] = {k: predict.keypoints(detector, f.samples, batch_size=16)[0] for k, f in sets.items()}
        print(name, "answered", flush=True)
    found = record(sets, answers, given.change, given.draws)
    for name, text in said.items():
        found["models"][name]["about"] = text
    words = [f"--model {n}={f if not Path(f).is_dir() else f'RUNS/{n}/model'}" for n, f in given.model]
    words += [f"--change {a} {b}" for a, b in given.change]
    threads = torch.get_num_threads()
    environment = {
        "facekp": facekp.__version__,
        "torch": torch.__version__,
        "machine": f"{platform.machine()}, {threads} thread{'s' if threads > 1 else ''}",
    }
    return {"command": " ".join(["python benchmarks/mean_face.py DATA", *words]), "environment": environment, **found}


def written(found: dict[str, Any]) -> str:
    """JSON with each list of numbers on one line."""
    text = json.dumps(found, indent=1, allow_nan=False)
    return re.sub(r'\[[^][{}"]*\]', lambda m: " ".join(m[0].split()).replace("[ ", "[").replace(" ]", "]"), text) + "\n"


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the folder that holds 300w/ and ytf/")
    parser.add_argument("--model", action="append", required=True, metavar="NAME=FOLDER", help="repeat it")
    parser.add_argument("--change", nargs=2, action="append", default=[], metavar=("FROM", "TO"), help="repeat it")
    parser.add_argument("--draws", type=int, default=1000, help="of the bootstrap")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--output", type=Path, default=RECORD)
    given = parser.parse_args(words)
    given.model = [tuple(text.split("=", 1)) for text in given.model]
    names = [pair[0] for pair in given.model]
    if any(len(pair) < 2 for pair in given.model) or len({*names, MEAN}) <= len(names):
        parser.error(f"--model: expected NAME=FOLDER with different names, got {names}")
    if unknown := {name for pair in given.change for name in pair} - {*names, MEAN}:
        parser.error(f"--change: no --model is called {', '.join(sorted(unknown))}")
    return given


def main() -> None:
    given = arguments()
    torch.set_num_threads(given.threads)
    given.output.write_text(written(measure(given)), "utf-8")


if __name__ == "__main__":
    main()
