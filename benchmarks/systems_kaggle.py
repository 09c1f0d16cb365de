"""Kaggle's part of what the runs of systems.py have learned: submissions, and fifteen models as one."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import systems_pictures as pictures
from systems_measure import Trained, errors

from facekp import datasets, predict


def submitted(trained: Trained, kaggle: Path) -> dict[str, float]:
    """Write a submission into the folder of a run with all points, and score it as Kaggle would."""
    if trained.run.data != "kaggle" or len(trained.detector.schema) == 1:
        return {}
    file = trained.folder / "submission.csv"
    predict.submit(trained.detector, kaggle / "test.csv", kaggle / "IdLookupTable.csv", file)
    return {"test_rmse": score(file, kaggle / "solution.csv")}


def joint(models: list[Trained], known: dict[str, Any]) -> dict[str, Any]:
    """Models with a point each as one system; ``known`` is what was measured of each, by its id."""
    first, run = models[0], models[0].run
    kaggle, entries = first.folder.parent / "kaggle", [known[m.run.id] for m in models]
    tests = datasets.KaggleTest(kaggle / "test.csv")
    points, truth, mean = (np.concatenate([getattr(m, k) for m in models], -2) for k in ("points", "truth", "mean"))
    order = [name for m in models for name in m.detector.schema.names]
    schema = tests.schema.subset(order)
    found = np.concatenate([predict.keypoints(m.detector, tests)[0] for m in models], 1)
    place = [order.index(name) for name in tests.schema.names]
    predictions = {s.meta["image_id"]: p[place] for s, p in zip(tests, found, strict=True)}
    file = first.folder.parent / f"{run.listed}-submission.csv"
    datasets.write_submission(file, kaggle / "IdLookupTable.csv", predictions)
    measured = errors(schema, points, truth, first.boxes, mean=mean, unit=first.scale())
    return {
        "title": run.title.rpartition(": ")[0],
        "note": f"Epochs and losses are means over the {len(models)} models, times and parameters their sums.",
        **{key: sum(e[key] for e in entries) for key in ("seconds", "cpu_seconds", "parameters")},
        **{key: round(float(np.mean([e[key] for e in entries]))) for key in ("epochs", "kept_epoch")},
        "loss": {
            when: {part: float(np.mean([e["loss"][when][part] for e in entries])) for part in ("train", "val")}
            for when in ("kept", "last")
        },
        "command": f"{run.command()}\n# and so on for each of {', '.join(order)}",
        "errors": measured | {"of": entries[0]["errors"]["of"]},
        "test_rmse": score(file, kaggle / "solution.csv"),
        "picture": pictures.draw_joint(models, schema, run.listed),
    }


def score(submitted: Path, solution: Path) -> float:
    """The root of the mean squared error over all rows."""
    guess, truth = (_locations(file) for file in (submitted, solution))
    if guess.keys() != truth.keys():
        raise SystemExit(f"{submitted}: its rows are not those of {solution}")
    return float(np.sqrt(np.mean([(guess[row] - truth[row]) ** 2 for row in truth])))


def _locations(file: Path) -> dict[str, float]:
    with file.open(encoding="utf-8", newline="") as stream:
        return {row["RowId"]: float(row["Location"]) for row in csv.DictReader(stream)}
