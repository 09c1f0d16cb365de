"""A trained network is calibrated on its validation faces, measured, and saved."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .. import datasets, engine, hub, metrics, transforms
from .. import schema as schemas
from ..decoders import Codec, calibration
from ..errors import ArgumentError
from ..sample import Sample
from ..schema import KeypointSchema
from .data import CropDataset, Held
from .groups import Data
from .module import inputs, network_options
from .recipe import KeypointRecipe

__all__ = ["save"]

log = logging.getLogger(__name__)

RIGHT = 0.05  # what a score promises: an error under this share of the normaliser
SAID: dict[str, Any] = {
    **dict.fromkeys(("name", "epochs", "batch_size", "augment", "optimizer", "schedule", "init", "seed"), True),
    "data": {"doubled", "teacher"},
}
FACES = 128  # whose maps tell the ranges of integers; their extremes hardly grow with more
JITTERED_COPIES = 3  # boxes in use are a finder's, not the labels': calibrate on such crops too


@dataclass(slots=True)
class _Run:
    """One pass over the validation crops."""

    points: Any
    truth: Any
    boxes: Any
    log_spread: Tensor


def save(network: nn.Module, codec: Codec, recipe: KeypointRecipe, held_out: Sequence[Sample], folder: Path) -> None:
    """Calibrate, measure on the validation faces, and write the model's folder."""
    schema = held_out[0].schema
    by = metrics.default_normalizer(schema)
    crops = CropDataset(held_out, recipe, "none")
    ranges = _ranges(network, crops, recipe)
    plain = _run(network, codec, crops, recipe)
    runs = [plain, *_jittered(network, codec, crops, recipe)]
    spread, right = _examples(runs, schema, by)
    codec.calibration = calibration.fit(spread, right)
    if codec.rates:
        distances = np.concatenate([np.linalg.norm(run.points - run.truth, axis=-1) for run in runs])
        codec.calibration["error"] = calibration.fit_error(spread, torch.from_numpy(distances / max(recipe.crop.size)))
    errors = metrics.nme(plain.points, plain.truth, schema, by, boxes=plain.boxes)
    known = torch.isfinite(spread)
    gap = metrics.expected_calibration_error(codec.score(spread)[known].cpu().numpy(), right[known].numpy())
    numbers = {
        "data": recipe.data.held_out,
        "boxes": "labelled",
        "normalizer": by,
        "faces": len(held_out),
        "nme": round(float(np.nanmean(errors)), 5),
        "failure_rate_8": round(metrics.failure_rate(errors), 4),
        "auc_8": round(metrics.auc(errors), 4),
        "calibration_error": round(gap, 4),
    }
    log.info("%s: %s", recipe.name, numbers)
    hub.save(folder, network, _config(codec, recipe, schema, numbers) | ranges)


def _config(codec: Codec, recipe: KeypointRecipe, schema: KeypointSchema, numbers: dict[str, Any]) -> dict[str, Any]:
    network = network_options(recipe, codec, len(schema))
    return {
        "type": "keypoints",
        "name": recipe.name,
        "licence": recipe.licence,
        "schema": _layout(schema),
        "network": {k: v for k, v in network.items() if k != "pretrained"},
        "codec": codec.to_config(),
        "crop": recipe.crop.model_dump(mode="json"),
        "preprocessing": {**recipe.pixels.model_dump(), "color": "grey" if recipe.grey else "rgb"},
        "training_data": [_said(spec, recipe.data) for spec in recipe.data.sets],
        "recipe": recipe.model_dump(mode="json", include=SAID),
        "metrics": [numbers],
    }


def _layout(schema: KeypointSchema) -> str | dict[str, Any]:
    """A schema's name, where that says everything."""
    data = schema.to_dict()
    known = schema.name in schemas.names() and schemas.get(schema.name).to_dict() == data
    return schema.name if known else data


def _said(spec: dict[str, Any], data: Data) -> str:
    options = ", ".join(f"{key} {value}" for key, value in spec.items() if key not in ("name", "root", "path"))
    # A cache is called by what was packed, on which the model's licence depends.
    name = datasets.Packed(Path(data.root) / spec["path"]).name if spec["name"] == "packed" else spec["name"]
    taught = data.teacher
    more = "" if taught is None else f", labels moved {taught.share:.0%} of the way to what {taught.model} sees"
    return f"{name}{f' ({options})' if options else ''} without the {data.held_out}{more}"


def _ranges(network: nn.Module, crops: CropDataset, recipe: KeypointRecipe) -> dict[str, Any]:
    """What ``precision="int8"`` needs to know; nothing of a network that cannot be run in integers."""
    held = Held(crops)
    count = min(FACES, len(held))
    faces = [held[i * len(held) // count][0] for i in range(count)]
    batches = (inputs(torch.stack(faces[i : i + 16]), recipe).float() for i in range(0, len(faces), 16))
    try:
        return {"int8_ranges": [[*map(_short, pair)] for pair in engine.ranges(network, batches)]}
    # A network of one's own may do anything: it may refuse to be copied, say.  A trained one is not lost for this.
    except (ArgumentError, ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        log.info("%s: no ranges for precision int8: %s", recipe.name, error)
        return {}


def _short(number: float) -> float:
    return float(f"{number:.5g}")


@torch.inference_mode()
def _run(network: nn.Module, codec: Codec, crops: CropDataset, recipe: KeypointRecipe) -> _Run:
    points, truth, boxes, spreads = [], [], [], []
    held = Held(crops)
    for start in range(0, len(held), 32):
        batch = [held[i] for i in range(start, min(start + 32, len(held)))]
        output = network(inputs(torch.stack([image for image, _, _ in batch]), recipe))
        points.append(codec.decode(output)[0])
        spreads.append(codec.log_spread(output))
        truth.append(torch.stack([p for _, p, _ in batch]))
        boxes.append(torch.stack([box for _, _, box in batch]))
    return _Run(torch.cat(points).numpy(), torch.cat(truth).numpy(), torch.cat(boxes).numpy(), torch.cat(spreads))


def _jittered(network: nn.Module, codec: Codec, crops: CropDataset, recipe: KeypointRecipe) -> list[_Run]:
    """Passes over crops as a finder would cut them, some of them partly covered."""
    loose = transforms.RandomAffine(angle=15, scale=0.12, shift=0.05)
    crops.transform = transforms.Compose([crops.transform, loose, transforms.Occlude(0.3, p=0.15)])
    runs = []
    for copy in range(JITTERED_COPIES):
        crops.epoch = copy
        runs.append(_run(network, codec, crops, recipe))
    return runs


def _examples(runs: Sequence[_Run], schema: KeypointSchema, by: str) -> tuple[Tensor, Tensor]:
    """Log spreads ``(N, K)``, NaN where there is no label, and whether each point is right."""
    spreads, rights = [], []
    for run in runs:
        errors = metrics.point_errors(run.points, run.truth, schema, by, boxes=run.boxes)
        known = torch.from_numpy(np.isfinite(errors))
        spreads.append(torch.where(known, run.log_spread, torch.nan))
        rights.append(torch.from_numpy(errors < RIGHT))
    return torch.cat(spreads), torch.cat(rights)
