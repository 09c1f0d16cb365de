"""For hub: the model card, which says to people and to the Hub what ``config.json`` says, and the picture on it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from . import draw
from ._hubcheck import schema_of
from ._hubfind import CARD, PICTURE
from .errors import ArgumentError, HubError
from .schema import KeypointSchema

__all__ = ["headline", "metrics_of", "picture", "write"]

_LICENCES = (
    "apache-2.0",
    "bsd-3-clause",
    "cc-by-4.0",
    "cc-by-nc-4.0",
    "cc-by-nc-sa-4.0",
    "cc-by-sa-4.0",
    "cc0-1.0",
    "mit",
)
_NAMES = {
    "nme": "normalised mean error",
    "failure_rate_8": "share of faces with an error over 8 %",
    "auc_8": "area under the cumulative error curve up to 8 %",
    "calibration_error": "expected calibration error of the scores",
    "found": "share of faces found",
    "recall": "share of faces found at IoU 0.5",
    "ap": "average precision",
}
_ABOUT = ("data", "boxes", "normalizer", "faces", "frames", "sha256")  # not measured
_NORMALISED = ("nme", "failure_rate_8", "auc_8")
_DARK = (12, 14, 24)
_SMALL = (cv2.IMWRITE_PNG_COMPRESSION, 9, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE)


def write(folder: Path, config: Mapping[str, Any], usage: str) -> None:
    """Write the card and, where the model has points, their picture.

    Args:
        folder: of the model.
        config: its ``config.json``.
        usage: what to load it by: a name, a repository or a folder.
    """
    layout = _layout(config)
    if layout is not None:
        done, data = cv2.imencode(".png", _few_colours(picture(layout)), _SMALL)
        if not done:
            raise HubError(f"{folder / PICTURE}: OpenCV cannot write PNG")
        (folder / PICTURE).write_bytes(data.tobytes())
    (folder / CARD).write_text(_text(config, layout, usage), "utf-8")


def picture(layout: KeypointSchema, side: int = 960) -> Any:
    """The mean shape, its points numbered: ``(H, W, 3)`` BGR uint8, ``side`` pixels on the longer side."""
    margin = side // 16
    low, high = layout.mean_shape.min(0), layout.mean_shape.max(0)
    if not layout.spans_face:  # a few points are shown where they lie on the face, whose longest side is 1
        low, high = np.minimum(low, -0.5), np.maximum(high, 0.5)
    scale = (side - 2 * margin) / float((high - low).max())
    points = (layout.mean_shape - low) * scale + margin
    width, height = (int(v) for v in np.ceil((high - low) * scale + 2 * margin))
    canvas = np.full((height, width, 3), _DARK, np.uint8)
    size = 5 if len(layout) == 1 else 0.7 if layout.spans_face else 1
    return cv2.cvtColor(draw.points(canvas, points, layout, labels="index", size=size), cv2.COLOR_RGB2BGR)


def _few_colours(drawn: Any) -> Any:
    """A third of the bytes in a PNG file, for what looks the same: nine levels of each colour."""
    return np.clip((drawn.astype(np.int32) + 16) // 32 * 32, 0, 255).astype(np.uint8)


def metrics_of(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What was measured, a mapping for each data set and kind of boxes."""
    said = config.get("metrics") or []
    return [one for one in (said if isinstance(said, list) else [said]) if isinstance(one, Mapping)]


def headline(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The one measurement to quote: of labelled boxes, and of a test set where there is one."""
    found = [m for m in metrics_of(config) if isinstance(m.get("nme"), (int, float))]
    tests = [m for m in found if not str(m.get("data", "")).startswith("validation")]
    return next(iter(tests or found), {})


def _layout(config: Mapping[str, Any]) -> KeypointSchema | None:
    try:
        return schema_of(config)
    except ArgumentError as error:
        raise HubError(f"schema: {error}") from None


def _text(config: Mapping[str, Any], layout: KeypointSchema | None, usage: str) -> str:
    finds = "face boxes" if layout is None else f"the {len(layout)} points of `{layout.name}` in pictures of faces"
    shown = [] if layout is None else ["", f"![The {len(layout)} points, numbered]({PICTURE})"]
    parts = [
        f"---\n{_metadata(config, layout)}\n---",
        f"# {config.get('name', 'model')}",
        "",
        f"Finds {finds}. Made with `facekp` {config.get('facekp', '')}.",
        *shown,
        "",
        "## How to use",
        "",
        *_usage(config, usage),
        "",
        "## Model",
        "",
        *_facts(config, layout),
        "",
        "## Data",
        "",
        *([f"- {one}" for one in _listed(config.get("training_data"))] or ["Not said."]),
        "",
        "## Licence",
        "",
        f"Of the weights: {config.get('licence', 'unknown')}. `facekp` itself is MIT.",
        "",
        "## Measured",
        "",
        *_table(metrics_of(config)),
        "",
    ]
    return "\n".join(parts)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if value else []


def _usage(config: Mapping[str, Any], usage: str) -> list[str]:
    own = str(_section(config, "network").get("name", "")).partition(":")[2]
    given = f", network={own}" if own else ""
    option = "finder=" if config.get("type") == "finder" else ""
    lines = ["```python", "import facekp", ""]
    lines += [f'detector = facekp.Detector.from_pretrained({option}"{usage}"{given})', 'faces = detector("photo.jpg")']
    if not option:
        lines.append("faces[0].keypoints  # (K, 2), pixels of the photo; faces[0].scores: how sure each point is")
    note = f"`{own}` is code of the author's own, which has to be imported first." if own else ""
    return [*lines, "```", *(["", note] if note else [])]


def _facts(config: Mapping[str, Any], layout: KeypointSchema | None) -> list[str]:
    crop = _section(config, "crop")
    rows = {
        "network": _said(_section(config, "network")),
        "codec": _said({k: v for k, v in _section(config, "codec").items() if k not in ("calibration", "mean_shape")}),
        "crop": _said(crop),
        "pixels": _said(_section(config, "preprocessing")),
        "finder": _said(_section(config, "finder")),
        "points": "" if layout is None else ", ".join(f"{len(v)} {k}" for k, v in layout.groups.items()),
        "weights": f"`model.safetensors`, SHA-256 `{config['sha256']}`" if "sha256" in config else "",
    }
    lines = ["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in rows.items() if value)]
    if layout is not None:
        lines += ["", "Left and right are the subject's. `config.json` holds all of this for programs."]
    return lines


def _table(measured: list[Mapping[str, Any]]) -> list[str]:
    rows = [{k: v for k, v in one.items() if k != "sha256" and not isinstance(v, (list, dict))} for one in measured]
    keys = list(dict.fromkeys(key for row in rows for key in row))
    if not keys:
        return ["Nothing yet."]
    lines = [f"| {' | '.join(key.replace('_', ' ') for key in keys)} |", "|" + "---|" * len(keys)]
    lines += [f"| {' | '.join(str(row.get(key, '')) for key in keys)} |" for row in rows]
    said = [f"{key.replace('_', ' ')}: {name}" for key, name in _NAMES.items() if key in keys]
    return [*lines, *(["", f"{'; '.join(said)}. Errors and shares are fractions: 0.05 is 5 %."] if said else [])]


def _metadata(config: Mapping[str, Any], layout: KeypointSchema | None) -> str:
    from huggingface_hub import ModelCardData  # late, and heavy

    licence = str(config.get("licence", "unknown"))
    known = licence.lower() in _LICENCES
    tags = ["facekp", "face-detection"] if layout is None else ["facekp", "facial-landmarks", "face-alignment"]
    data = ModelCardData(
        library_name="facekp",
        license=licence.lower() if known else "other",
        license_name=None if known else _slug(licence),
        pipeline_tag="object-detection" if layout is None else "keypoint-detection",
        tags=tags if layout is None else [*tags, _slug(layout.name)],
        model_name=str(config.get("name", "model")),
        eval_results=list(_results(config, layout)) or None,
    )
    if data.eval_results is None:
        data.model_name = None  # without results it is no field of the Hub's
    return str(data.to_yaml()).strip()


def _results(config: Mapping[str, Any], layout: KeypointSchema | None) -> Iterable[Any]:
    from huggingface_hub import EvalResult

    for one in metrics_of(config):
        name = str(one.get("data", "validation frames"))
        for key, value in one.items():
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if key in _ABOUT or not number or not math.isfinite(value):
                continue
            yield EvalResult(
                task_type="object-detection" if layout is None else "keypoint-detection",
                task_name="Face detection" if layout is None else "Facial keypoints",
                dataset_type=_slug(name),
                dataset_name=name,
                dataset_config=f"boxes: {one['boxes']}" if "boxes" in one else None,
                metric_type=key,
                metric_name=_NAMES.get(key, key.replace("_", " ")),
                metric_value=value,
                metric_args={"normalizer": one["normalizer"]} if key in _NORMALISED and "normalizer" in one else None,
            )


def _section(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = config.get(key)
    return value if isinstance(value, Mapping) else {}


def _said(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in options.items() if not isinstance(value, dict))


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.") or "unknown"
