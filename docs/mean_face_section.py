"""What ``benchmarks/results/mean_face.json`` says, as a section of docs/results.md."""

from __future__ import annotations

from typing import Any

FEWEST = 5  # faces: a bin with fewer is left out
NETWORKS = {"resnet": "ResNet", "resnet_unet": "U-Net on ResNet", "unet": "U-Net", "simple_cnn": "CNN"}
AUGMENT = {"none": "no augmentation", "classic": "classic augmentation", "strong": "strong augmentation"}
ENOUGH = 20  # faces: of the bins with as many, the most turned one is spoken of
DEFINITION = """\
A network that does not see which way a head is turned does best, by its loss, with the average of what it might be:
the mean face. So faces are sorted by the yaw of their labelled points ([`facekp.pose`](reference/pose.md)), and two
questions are asked of each bin:

- *How large is the error?* It is divided by the root of the box's area, as the eyes' distance shrinks when a head
  turns. The row to compare with is the *mean face* of the training faces, put into every box.
- *What share of the way from the mean face to the truth do predictions go?* That is the slope of a prediction's
  deviation from the mean on the truth's, all points relative to their box
  ([`facekp.metrics.spread`](reference/metrics.md)): 0 is the same face for everybody, 1 goes all the way. Under 15° it
  is about tilt, expression and who it is. *Spread* is the ratio of the standard deviations of both, which noise makes
  larger too. *Nose* is the slope of the nose tip's place across the box alone, which follows the yaw, and *yaw* that
  of the predicted points' yaw.

Boxes are the labelled ones. Intervals are 95 % bootstraps over photographs (300-W) or people (YouTube Faces); a bin of
fewer than five faces is left out. No model was trained on these faces, but runs keep the epoch that is best on the
300-W list. `resnet18-ibug-128` is what the recipe `resnet18-ibug` alone gives; the shipped model of that name, at 192
px, is 2.00 % off, over the box, on the 300-W list ([Reading NME honestly](learn/nme.md)). A machine labelled YouTube
Faces, to some pixels: such noise lowers every slope there a little."""


def section(data: dict[str, Any]) -> str:
    """Markdown from the record that benchmarks/mean_face.py writes."""
    machine = data["environment"]
    parts = [
        "## The mean-face trap",
        DEFINITION,
        _summary(data),
        "![NME by bin of yaw, and the nose tip's place in truth and prediction](assets/results/mean-face.png)",
        _models(data["models"]),
        *(text for key in data["sets"] for text in _tables(data, key)),
        *([_changes(data)] if data["changes"] else []),
        f"facekp {machine['facekp']}, torch {machine['torch']}, CPU, {machine['machine']}; {data['draws']} draws.",
        f"```sh\n{data['command']}\npython docs/draw_mean_face.py\n```",
    ]
    return "\n\n".join(parts)


def bins(data: dict[str, Any], key: str) -> list[str]:
    """The parts of a set that are shown: all of it, and its bins of yaw with enough faces."""
    return [part for part, count in data["sets"][key]["faces"].items() if count >= FEWEST]


def what(about: dict[str, Any] | None) -> str:
    """A model in some words."""
    if about is None:
        return "the mean of the training faces, relative to their boxes"
    network, (height, width) = about["network"], about["size"]
    name = (
        f"{NETWORKS.get(network['name'], network['name'])}{'-' + str(network['depth']) if 'depth' in network else ''}"
    )
    head = "coordinates" if about["codec"] == "regression" else f"heatmaps (`{about['codec']}`)"
    augment = AUGMENT.get(about["augment"], "augmentation of its own")
    loss = f", loss `{about['loss']}`" if about["loss"] else ""
    return f"{name}, {head}{loss}, {height}x{width} px, {augment}, {about['epochs']} epochs"


def _summary(data: dict[str, Any]) -> str:
    """Who goes the shortest and the longest way, in the most turned bin."""
    said = []
    for key, faces in data["sets"].items():
        part = _turned(data, key)
        rows = {name: model["sets"][key]["parts"][part] for name, model in data["models"].items() if model["about"]}
        least, most = (choose(rows, key=lambda name: rows[name]["slope"][0]) for choose in (min, max))
        first = next(iter(data["models"].values()))["sets"][key]["parts"][part]["nme_box"][0]
        ends = [
            f"{rows[n]['slope'][0]:.2f} of the way (`{n}`, {_percent(rows[n]['nme_box'][:1])})" for n in (least, most)
        ]
        said.append(
            f"{faces['title']}, faces turned by {_bin(part)}: the mean face is {_percent([first])} off, "
            f"and models go from {' to '.join(ends)}."
        )
    return "\n".join(f"- {text}" for text in said)


def _models(models: dict[str, Any]) -> str:
    lines = ["| | model | trained on |", "|---|---|---|"]
    for name, model in models.items():
        trained = "; ".join(model["about"]["training_data"]) if model["about"] else ""
        lines.append(f"| `{name}` | {what(model['about'])} | {trained} |")
    return "\n".join(lines)


def _tables(data: dict[str, Any], key: str) -> list[str]:
    said, shown = data["sets"][key], bins(data, key)
    heads = [_head(said, part) for part in shown]
    errors = [f"| NME over the box | {' | '.join(heads)} |", "|---|" + "---|" * len(shown)]
    ways = [
        f"| share of the way | {' | '.join(heads)} | spread | nose | yaw |",
        "|---|" + "---|" * (len(shown) + 3),
    ]
    for name, model in data["models"].items():
        parts = model["sets"][key]["parts"]
        errors.append(f"| `{name}` | {' | '.join(_percent(parts[p]['nme_box']) for p in shown)} |")
        cells = [_number(parts[p]["slope"]) for p in shown]
        cells += [_number(parts["all"][measure][:1]) for measure in ("ratio", "nose", "yaw")]
        ways.append(f"| `{name}` | {' | '.join(cells)} |")
    title = f"### {said['title']}: {said['faces']['all']} faces, {said['groups']['all']} {said['unit']}"
    return [title, "\n".join(errors), "\n".join(ways)]


def _changes(data: dict[str, Any]) -> str:
    """What one thing changes: differences of models on the same faces."""
    columns = [(key, part) for key in data["sets"] for part in ("all", _turned(data, key))]
    heads = [f"{data['sets'][key]['title'].split(',')[0]}, {_bin(part)}" for key, part in columns]
    lines = [
        "### What changes it",
        "",
        "Differences of two models on the same faces, with paired intervals; one that contains 0 shows nothing. They "
        "say how sure the faces make it, not what another seed would give. NME in percentage points.",
        "",
        f"| | {' | '.join(heads)} |",
        "|---|" + "---|" * len(columns),
    ]
    for change in data["changes"]:
        both = f"`{change['from']}` to `{change['to']}`"
        cells = [change["sets"][key][part] for key, part in columns]
        lines.append(f"| {both}: NME | {' | '.join(_cell(c['nme_box'], True, 100, '') for c in cells)} |")
        lines.append(f"| {both}: share of the way | {' | '.join(_cell(c['slope'], True, 1, '') for c in cells)} |")
    return "\n".join(lines)


def _turned(data: dict[str, Any], key: str) -> str:
    """The most turned bin with faces enough."""
    return [part for part, count in data["sets"][key]["faces"].items() if count >= ENOUGH][-1]


def _head(said: dict[str, Any], part: str) -> str:
    return f"{_bin(part)} ({said['faces'][part]})"


def _bin(part: str) -> str:
    return part if part == "all" else f"{part.replace(' to ', '° to ')}°"


def _percent(values: list[float | None]) -> str:
    return _cell(values, False, 100, " %")


def _number(values: list[float | None]) -> str:
    return _cell(values, False, 1, "")


def _cell(values: list[float | None], signed: bool, times: float, unit: str) -> str:
    """A value, and its interval where there is one that is not just the value."""
    texts = ["" if v is None else f"{times * v:{'+' if signed else ''}.2f}" for v in values]
    wide = all(texts) and len(set(texts)) > 1
    return f"{texts[0]}{unit}" + (f" ({texts[1]} to {texts[2]})" if wide else "")
