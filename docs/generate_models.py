"""Write ``docs/models.md``, and the table of models on ``docs/index.md``, from the shipped models' ``config.json``.

    python docs/generate_models.py [--check]

With ``--check`` nothing is written, and it fails when a page is out of date.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from facekp import _hubcard, schema

ROOT = Path(__file__).parents[1]
PAGE, HOME = ROOT / "docs" / "models.md", ROOT / "docs" / "index.md"
WEIGHTS = ROOT / "src" / "facekp" / "weights"
BEGIN, END = "<!-- models: docs/generate_models.py -->", "<!-- end of the models -->"
HEAD = """# Models

<!-- Written by docs/generate_models.py from src/facekp/weights/*/config.json: do not edit. -->

What ships inside the package; nothing is downloaded for these. `Detector.from_pretrained` and `--model` take the names,
`facekp models` lists them, and [Share a model](learn/hub.md) says where other names are looked for.
"""
KINDS = {"keypoints": "points of a face", "finder": "faces in a picture"}
MEASURES = {
    "nme": "NME",
    "failure_rate_8": "over 8 %",
    "auc_8": "AUC@8 %",
    "found": "found",
    "calibration_error": "calibration error",
    "rank_correlation": "rank correlation",
    "recall": "recall at IoU 0.5",
    "ap": "average precision",
    "turned_recall": "recall, turned by any angle",
    "false_without_faces": "false alarms a picture without faces",
}
LONG = ("calibration", "mean_shape")
NUMBERS = ("auc_8", "calibration_error", "rank_correlation", "ap", "false_without_faces")  # the others are shares


def configs() -> list[dict[str, Any]]:
    """Of every shipped model, those of points first and the most exact of them first."""
    found = [json.loads(path.read_text("utf-8")) for path in sorted(WEIGHTS.glob("*/config.json"))]
    return sorted(found, key=lambda c: (c["type"] != "keypoints", _hubcard.headline(c).get("nme", 1), c["name"]))


def megabytes(config: dict[str, Any]) -> str:
    return f"{(WEIGHTS / config['name'] / 'model.safetensors').stat().st_size / 1e6:.1f} MB"


def measured(config: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(row) for row in _hubcard.metrics_of(config)]


def layout(config: dict[str, Any]) -> schema.KeypointSchema | None:
    told = config.get("schema")
    if told is None:
        return None
    return schema.get(told) if isinstance(told, str) else schema.KeypointSchema.from_dict(told)


def points(config: dict[str, Any]) -> str:
    found = layout(config)
    return KINDS[config["type"]] if found is None else f"{len(found)} points, `{found.name}`"


def seen(config: dict[str, Any]) -> str:
    """What the network gets: a crop or a whole picture."""
    if config["type"] == "finder":
        return f"whole picture, long side {config['finder']['side']} px"
    height, width = config["crop"]["size"]
    return f"{width}x{height} px"


def best(config: dict[str, Any]) -> str:
    """The number to quote, and what it was measured on."""
    said = _hubcard.headline(config)
    if "nme" in said:
        return f"**{said['nme']:.2%}** NME, {said.get('data', '')}"
    shares = [row["recall"] for row in measured(config) if "recall" in row]
    return f"**{shares[0]:.1%}** recall, validation" if shares else ""


def overview(found: list[dict[str, Any]], link: str = "") -> str:
    lines = ["| name | finds | sees | size | measured | licence of the weights |", "|---|---|---|---|---|---|"]
    for config in found:
        name = f"[`{config['name']}`]({link}#{config['name']})"
        cells = [name, points(config), seen(config), megabytes(config), best(config), config["licence"]]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def number(key: str, value: Any) -> str:
    if not isinstance(value, (int, float)):
        return "-"
    return f"{value:.3f}" if key in NUMBERS else f"{value:.2%}"


def measures(config: dict[str, Any]) -> str:
    rows = measured(config)
    keys = [key for key in MEASURES if any(key in row for row in rows)]
    if not keys:
        return "Nothing was measured."
    head = ["data", "boxes", "faces", *(MEASURES[key] for key in keys)]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for row in rows:
        about = [row.get("data", "validation frames"), row.get("boxes", ""), row.get("faces", row.get("frames", ""))]
        cells = [str(cell) for cell in about] + [number(key, row.get(key)) for key in keys]
        lines.append(f"| {' | '.join(cells)} |")
    norms = {str(row["normalizer"]).replace("_", "-") for row in rows if "normalizer" in row}
    note = f"Errors are divided by the {' or '.join(sorted(norms))} distance. " if norms else ""
    return "\n".join([*lines, "", f"{note}[Reading NME honestly](learn/nme.md) says what the columns mean."])


def options(values: dict[str, Any]) -> str:
    """``name resnet, depth 18, optimizer (name adamw, lr 0.001)``; what is fitted or long is left out."""
    return ", ".join(f"{key} {_value(value)}" for key, value in values.items() if key not in LONG)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return f"({options(value)})"
    return value if isinstance(value, str) else json.dumps(value)


def calibrated(config: dict[str, Any]) -> str:
    if config["type"] == "finder":
        return "scores are probabilities (slope and bias fitted to validation pictures)"
    fitted = config["codec"].get("calibration") or {}
    parts = ["scores fitted for each point" if fitted else "scores are not fitted"]
    parts += ["expected errors in pixels"] if "error" in fitted else []
    parts += ["its own verdict on whether it is a face"] if config.get("face_score") else []
    return "; ".join(parts)


def facts(config: dict[str, Any]) -> str:
    rows = {
        "finds": points(config),
        "network": options(config["network"]),
        "read by": options(config.get("codec", {})),
        "crop": options(config.get("crop", {})),
        "pixels": options(config.get("preprocessing", {})),
        "found by": f"[{config['face_finder']}](#{config['face_finder']})" if "face_finder" in config else "",
        "finder": options(config.get("finder", {})),
        "calibration": calibrated(config),
        "trained on": "; ".join(config.get("training_data", [])),
        "training": options({k: v for k, v in config.get("recipe", {}).items() if k != "augment"}),  # that is below
        "licence of the weights": config["licence"],
        "weights": f"{megabytes(config)}, SHA-256 `{config['sha256'][:16]}…`",
        "made with": f"facekp {config['facekp']}",
    }
    lines = ["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in rows.items() if value)]
    return "\n".join(lines)


def recipe(config: dict[str, Any]) -> str:
    """How to train it again, where its recipe is in the package."""
    names = chain(config.get("recipe", {}).get("name", config["name"]))
    if not names:
        return "Its recipe is not in the package."
    commands = "\n".join(f"facekp train {name} --data DATA --output runs/{name}" for name in names)
    lines = ["<!-- code: skip: trains the shipped model, for hours or days -->", f"```sh\n{commands}\n```"]
    for name in names:
        text = ["```yaml", *recipe_text(name).rstrip().splitlines(), "```"]
        lines += ["", f'??? note "The recipe `{name}`"', "", *(f"    {line}".rstrip() for line in text)]
    return "\n".join(lines)


def chain(name: str) -> list[str]:
    """The recipes that lead to a model, first to last: each goes on from the one that its ``init`` names."""
    text = recipe_text(name)
    before = re.search(r"^init: runs/([^/]+)/model$", text, re.MULTILINE)
    return ([*chain(before[1]), name] if before else [name]) if text else []


def recipe_text(name: str) -> str:
    """A recipe of the package; empty where there is none of this name."""
    file = ROOT / "src" / "facekp" / "recipes" / f"{name}.yaml"
    return file.read_text("utf-8") if file.is_file() else ""


def usage(config: dict[str, Any]) -> str:
    finder = config["type"] == "finder"
    argument = f'finder="{config["name"]}"' if finder else f'"{config["name"]}"'
    lines = [f"```python\nimport facekp\n\ndetector = facekp.Detector.from_pretrained({argument})\n```"]
    if finder:
        goes = {c["name"]: c.get("face_finder", "finder") for c in configs() if c["type"] != "finder"}
        mine = ", ".join(f"`{model}`" for model, its in goes.items() if its == config["name"])
        lines += ["", f"The finder of {mine}{', and of models that name none' if config['name'] == 'finder' else ''}."]
    return "\n".join(lines)


def chapter(config: dict[str, Any]) -> str:
    parts = [f"## {config['name']}", usage(config), facts(config), "### Measured { #" + config["name"] + "-measured }"]
    parts += [measures(config), "### Train it again { #" + config["name"] + "-train }", recipe(config)]
    return "\n\n".join(parts)


def pages() -> dict[Path, str]:
    """Both pages as they should be."""
    found = configs()
    page = "\n\n".join([HEAD.rstrip(), overview(found), *(chapter(config) for config in found)]) + "\n"
    before, _, rest = HOME.read_text("utf-8").partition(BEGIN)
    home = f"{before}{BEGIN}\n\n{overview(found, 'models.md')}\n\n{END}{rest.partition(END)[2]}"
    return {PAGE: page, HOME: home}


def main() -> None:
    for path, text in pages().items():
        if "--check" not in sys.argv[1:]:
            path.write_text(text, "utf-8")
        elif not path.is_file() or path.read_text("utf-8") != text:
            sys.exit(f"docs/{path.name} is out of date: run  python docs/generate_models.py")


if __name__ == "__main__":
    main()
