"""Words and numbers of ``docs/results.md``; what it says of ranks is computed from the record."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Run = dict[str, Any]

INTRODUCTION = """\
# Results

<!-- Written by docs/generate_results.py from benchmarks/results/systems.json and mean_face.json: do not edit. -->
<!-- code: page skip: what was run for the record, for minutes to hours each, on data that are not in the repository -->

What course projects and small papers on facial keypoints do by hand is a recipe each in facekp
([`facekp train --list`](learn/train.md)). Here every one of them is trained **from scratch**, without pretrained
weights, and measured beside what its authors reported.

{runs} runs, each on one thread of {cpus} CPU cores of an x86-64 with {cpu}; facekp {facekp}, torch {torch};
{hours} of processor time together. *Time* is that of the processor, since runs shared the cores.

**The data are not the authors'**:

{data}

Frames were rescaled, and where it says *quick* the recipe is a smaller one (pictures and epochs stand below each
table), so that **errors in pixels do not compare with the authors'**: compare NME and ranks. Pixels are those of the
crop of the original, full-size recipe.

How to read the tables:

- *Epochs*: the one that is kept, with the lowest validation NME, of those that ran.
- *Loss*, of that epoch: in training over augmented faces and with dropout, in validation over plain ones; coordinates
  are shares of the crop's sides, heatmaps as their recipe has them. With another loss, sigma or picture it is another
  scale.
- *MAE* and *MSE* are over coordinates (x and y are two values), as Kaggle's in-class competitions computed them. *NME*
  is the mean distance over the length named below each table.
- *Spread*: how far predictions lie from their mean over the faces, over how far the truth does. A network that answers
  the mean face has 0.
- Every number is of the validation faces, by which the kept epoch was chosen, and of one seed: small differences
  are chance."""

END = """\
## Again

```sh
python benchmarks/systems.py train DATA --jobs 2      # goes on where it was stopped
python benchmarks/systems.py measure DATA
python docs/generate_results.py
```

`DATA` is the folder of the data sets, in the commands of single systems too; for those of Kaggle it is `out/systems`,
where the first command writes the stand-in to `kaggle`."""

NORMALIZERS = {
    "inter_ocular": "the distance of the outer eye corners",
    "diagonal": "the diagonal of the face's box, or of the crop where there is none",
}


def introduction(record: dict[str, Any]) -> str:
    runs, machine = record["runs"], record["environment"]
    used = dict.fromkeys(run["data"] for run in runs)
    return INTRODUCTION.format(
        runs=len(runs),
        cpus=max(run["cpus"] for run in runs),
        cpu=machine["cpu"].replace("AVX5", "AVX-5"),
        facekp=machine["facekp"],
        torch=machine["torch"],
        hours=duration(sum(run["cpu_seconds"] for run in runs)),
        data="\n".join(f"- {record['data'][key]}" for key in used),
    )


def unit(runs: list[Run]) -> str:
    """Below a table: its NME's length, and the crop of its pixels."""
    lengths = dict.fromkeys(run["errors"]["normalizer"] for run in runs)
    crops = dict.fromkeys("{}x{}".format(*run["errors"]["of"]) for run in runs)
    means = [percent(value) for value in sorted({run["errors"]["mean_face_nme"] for run in runs})]
    means = list(dict.fromkeys(means))
    mean = means[0] if len(means) == 1 else f"{means[0]} to {means[-1]}"
    people = {run["people"] for run in runs if run["people"] is not None}
    few = f" The validation faces are of {' or '.join(map(str, sorted(people)))} people." if people else ""
    return (
        f"NME: over {' or '.join(NORMALIZERS.get(n, n) for n in lengths)}. Pixels: of a crop of "
        f"{' or '.join(crops)}. The mean of the training faces, put into every crop, has an NME of {mean}.{few}"
    )


# ---------------------------------------------------------------- what the numbers say


def _val_loss(run: Run) -> float:
    return float(run["loss"]["kept"]["val"] or "nan")


COMPARED: dict[str, tuple[str, str, str, Callable[[Run], float]]] = {
    # section: sections that are compared, the authors' number and its name, ours
    "B": ("B", "val_loss", "validation loss", _val_loss),
    "D": ("CD", "mae", "MAE", lambda run: float(run["errors"]["mae"])),
    "E": ("E", "mse", "validation MSE", lambda run: float(run["errors"]["mse"])),
}


def findings(section: str, record: dict[str, Any]) -> list[str]:
    """The best system of a section, and its ranks beside the authors'."""
    runs = [run for run in record["runs"] if run["section"] == section and run["group"] not in record["joint"]]
    best = min(runs, key=lambda run: run["errors"]["nme"])
    said = [f"Lowest NME here: **{best['title']}**, {percent(best['errors']['nme'])}."]
    if section in COMPARED:
        sections, key, name, ours = COMPARED[section]
        pairs = [run for run in record["runs"] if run["section"] in sections and key in run["authors"]]
        if len(pairs) > 1:
            said.append(_ranks(pairs, key, name, ours))
    said += _mean_faces(runs) + _submissions(section, record)
    return [" ".join(said)]


def _mean_faces(runs: list[Run]) -> list[str]:
    worse = [run["title"] for run in runs if run["errors"]["nme"] >= run["errors"]["mean_face_nme"]]
    return [f"No better than the mean face: {'; '.join(worse)}."] if worse else []


def _submissions(section: str, record: dict[str, Any]) -> list[str]:
    """The best submission to Kaggle's stand-in."""
    runs = [run for run in record["runs"] if run["section"] == section and run.get("test_rmse") is not None]
    if not runs:
        return []
    scores = {run["title"]: run["test_rmse"] for run in runs}
    scores |= {one["title"]: one["test_rmse"] for one in record["joint"].values()}
    best = min(scores, key=lambda name: scores[name])
    return [
        f"*Test RMSE* is that of a submission file, over the rows that are asked for, as Kaggle scores it: lowest "
        f"**{number(scores[best])} px**, {best}; its authors report about 3 on Kaggle's own pictures."
    ]


def _ranks(runs: list[Run], key: str, name: str, ours: Callable[[Run], float]) -> str:
    there = sorted(runs, key=lambda run: run["authors"][key])
    here = sorted(runs, key=ours)
    orders = [
        ", ".join(f"{run['title']} ({number(value(run))})" for run in order)
        for order, value in ((there, lambda run: run["authors"][key]), (here, ours))
    ]
    if [run["id"] for run in there] == [run["id"] for run in here]:
        agree = "The order is the same."
    else:
        agree = "The best is the same." if there[0] is here[0] else "The best is another one."
        share = _agreeing(there, ours)
        agree += f" Of all pairs, {share[0]} of {share[1]} are in the same order."
    return f"By {name}, best first, its authors have: {orders[0]}. Here: {orders[1]}. {agree}"


def _agreeing(order: list[Run], ours: Callable[[Run], float]) -> tuple[int, int]:
    pairs = [(a, b) for i, a in enumerate(order) for b in order[i + 1 :]]
    return sum(ours(a) <= ours(b) for a, b in pairs), len(pairs)


# ---------------------------------------------------------------- numbers


def percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f} %"


def number(value: float | None) -> str:
    """Three digits, never as 1e-05."""
    if value is None:
        return "-"
    if value >= 100:
        return f"{value:.0f}"
    text = f"{value:#.3g}"
    return f"{value:.7f}" if "e" in text else text.rstrip(".")


def epochs(run: Run) -> str:
    kept = run["kept_epoch"]
    return f"{kept} of {run['epochs']}"


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def short(data: str) -> str:
    """A data set's name: what stands before the first comma, semicolon or bracket."""
    return re.split("[,;(]", data)[0].strip()


def title(run: Run) -> str:
    return f"{run['title']} *(quick)*" if run["base"] else str(run["title"])
