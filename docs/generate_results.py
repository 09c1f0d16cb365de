"""Write ``docs/results.md`` from ``benchmarks/results/systems.json`` and ``mean_face.json``.

    python docs/generate_results.py [--check]

With ``--check`` nothing is written, and it fails when the page is out of date or a picture is missing.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import results_text as say
import yaml
from mean_face_section import section as mean_face

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGE = DOCS / "results.md"
PICTURES = "assets/results"
RESULTS = ROOT / "benchmarks" / "results"
LIST = ROOT / "benchmarks" / "systems.yaml"
Run = dict[str, Any]


def table(head: list[str], rows: list[list[str]], left: int = 1) -> str:
    """A table, its first columns to the left and the others to the right."""
    rule = "|" + "---|" * left + "---:|" * (len(head) - left)
    return "\n".join([f"| {' | '.join(head)} |", rule, *(f"| {' | '.join(row)} |" for row in rows)])


def systems(runs: list[Run], record: dict[str, Any]) -> str:
    """A line for each system: what it saw, what it cost, what it found."""
    kaggle = runs[0]["data"] == "kaggle"
    head = ["system", "data: faces to train on / to validate", "epochs", "time", "loss: training / validation"]
    head += ["MAE, px", "MSE, px²", "NME", "spread", *(["test RMSE, px"] if kaggle else []), "its authors' numbers"]
    rows = []
    for run in runs:
        found = run["errors"]
        losses = [run["loss"]["kept"][part] for part in ("train", "val")]
        tested = [say.number(run.get("test_rmse"))] if kaggle else []
        rows.append(
            [
                say.title(run),
                f"{say.short(record['data'][run['data']])}: {run['train']:,} / {run['validation']:,}",
                say.epochs(run),
                say.duration(run["cpu_seconds"]),
                " / ".join(map(say.number, losses)),
                say.number(found["mae"]),
                say.number(found["mse"]),
                say.percent(found["nme"]),
                f"{found['spread'] / found['spread_truth']:.2f}",
                *tested,
                run["authors"].get("text", ""),
            ]
        )
    return table(head, rows, 2)


def joined(runs: list[Run], record: dict[str, Any]) -> list[Run]:
    """The runs, those that are one system together as one."""
    shown: list[Run] = []
    for run in runs:
        joint = record["joint"].get(run["group"])
        if joint is None:
            shown.append(run)
        elif not any(other.get("group") == run["group"] for other in shown):
            shown.append(run | joint | {"id": run["listed"], "filter_pictures": [], "dead": {}})
    return shown


def details(run: Run) -> str:
    """A closed block with everything else of a run."""
    found, last = run["errors"], run["loss"]["last"]
    lines = [f"![Learning curve, best and worst faces: {run['title']}]({PICTURES}/{run['picture']}){{ loading=lazy }}"]
    lines += [f"![Filters: {run['title']}]({PICTURES}/{name}){{ loading=lazy }}" for name in run["filter_pictures"]]
    seen, full = ("x".join(map(str, size)) for size in (run["crop"], found["of"]))
    numbers = [
        f"recipe `{run['recipe']}`, {seen} pixels{f' instead of {full}' if seen != full else ''}",
        f"{run['parameters']:,} parameters; batches of {run['batch']}, learning rate {run['lr']:g}",
        f"kept: epoch {run['kept_epoch']} of {run['epochs']} (planned: {run['planned']})",
        f"loss in the last epoch: {say.number(last['train'])} in training, {say.number(last['val'])} in validation",
        f"{found['faces']} validation faces: MAE {say.number(found['mae'])} px, MSE {say.number(found['mse'])} px², "
        f"RMSE {say.number(found['rmse'])} px, distance {say.number(found['point'])} px of {full}; "
        f"NME over 8 %: {100 * found['over_8']:.0f} % of the faces",
        f"spread {say.number(found['spread'])} px, of the truth {say.number(found['spread_truth'])} px; NME of the "
        f"mean face {say.percent(found['mean_face_nme'])}",
    ]
    if run["dead"]:
        lost = ", ".join(f"{dead} of {count}" for dead, count in run["dead"].values())
        numbers.append(f"dead filters, layer by layer: {lost}")
    lines += ["\n".join(f"- {line}" for line in numbers), *([run["note"]] if run["note"] else [])]
    lines.append(f"```sh\n{run['command']}\n```")
    inner = "\n\n".join(lines).replace("\n", "\n    ").replace("    \n", "\n")
    return f'??? note "{run["title"]}"\n\n    {inner}'


def sweep(runs: list[Run]) -> str:
    """Learning rates of each network, side by side."""
    rates = sorted({run["lr"] for run in runs})
    recipes = list(dict.fromkeys(run["recipe"] for run in runs))
    cells = {(run["recipe"], run["lr"]): say.percent(run["errors"]["nme"]) for run in runs}
    rows = [[f"`{name}`", *(cells.get((name, rate), "") for rate in rates)] for name in recipes]
    best = {n: min((r for r in runs if r["recipe"] == n), key=lambda r: r["errors"]["nme"])["lr"] for n in recipes}
    said = "; ".join(f"`{name}` is best at {rate:g}" for name, rate in best.items())
    return f"{table(['NME by learning rate', *(f'{r:g}' for r in rates)], rows)}\n\n{said}."


def incomplete(runs: list[Run]) -> str:
    """What Kaggle's incomplete rows buy: runs that differ in nothing else."""
    rows = []
    for more in (run for run in runs if run["rows"] == "all"):
        same = [r for r in runs if r["rows"] != "all" and all(r[k] == more[k] for k in ("recipe", "changes"))]
        for few in same:
            title = few["title"].removesuffix(", complete rows")
            rows.append([title, *_trained_on(few), *_trained_on(more)])
    if not rows:
        return ""
    head = ["system", *(f"{w}: {k}" for w in ("complete rows", "all rows") for k in ("faces", "NME", "test RMSE, px"))]
    text = (
        "**What incomplete rows buy.** A row that lacks points takes part with those that it has (a masked loss, "
        "Wu et al. 2018). Both are measured on held-out faces with all 15 points, and on the same "
        "pictures to submit for."
    )
    return f"{text}\n\n{table(head, rows)}"


def _trained_on(run: Run) -> list[str]:
    return [f"{run['train']:,}", say.percent(run["errors"]["nme"]), say.number(run.get("test_rmse"))]


def dead(runs: list[Run]) -> str:
    """Dead filters of each layer of the networks whose filters are drawn."""
    counted = [run for run in runs if run["dead"] and run["filters"]]
    if not counted:
        return ""
    most = max(len(run["dead"]) for run in counted)
    head = ["dead filters", *(f"convolution {i + 1}" for i in range(most))]
    rows = []
    for run in counted:
        cells = [f"{lost} of {count}" for lost, count in run["dead"].values()]
        rows.append([run["title"], *cells, *[""] * (most - len(cells))])
    return table(head, rows)


def section(about: dict[str, Any], record: dict[str, Any]) -> str:
    runs = [run for run in record["runs"] if run["section"] == about["id"]]
    if not runs:
        return ""
    shown = joined(runs, record)
    parts = [
        f"## {about['title']}",
        about["text"],
        systems(shown, record),
        say.unit(shown),
        *say.findings(about["id"], record),
    ]
    swept = [[r for r in runs if r["group"] == g] for g in dict.fromkeys(r["group"] for r in runs)]
    parts += [sweep(group) for group in swept if group[0]["group"] and group[0]["group"] not in record["joint"]]
    parts += [dead(runs), incomplete(shown)]
    if record.get("photograph") == about["id"]:
        text = "On a photograph that is in no data set (NASA's portrait of Eileen Collins), the face found by `finder`:"
        parts.append(f"{text}\n\n![The systems' points on a photograph]({PICTURES}/photograph.webp){{ loading=lazy }}")
    return "\n\n".join(part for part in [*parts, *map(details, shown)] if part)


def missing(record: dict[str, Any]) -> str:
    """What is on the list and not in the record."""
    listed = yaml.safe_load(LIST.read_text("utf-8"))["runs"]
    known = {run["id"] for run in record["runs"]} | set(record["joint"])
    titles = [run["title"] for run in listed if not {run["id"], run.get("group")} & known]
    return f"Listed in `benchmarks/systems.yaml`, and not trained yet: {'; '.join(titles)}." if titles else ""


def page() -> str:
    record = json.loads((RESULTS / "systems.json").read_text("utf-8"))
    parts = [say.introduction(record), missing(record), *(section(about, record) for about in record["sections"])]
    if (RESULTS / "mean_face.json").is_file():
        parts.append(mean_face(json.loads((RESULTS / "mean_face.json").read_text("utf-8"))))
    return "\n\n".join(part for part in [*parts, say.END] if part) + "\n"


def main() -> None:
    written = page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(written, "utf-8")
    elif not PAGE.is_file() or written != PAGE.read_text("utf-8"):
        sys.exit(f"{PAGE.name} is out of date: run  python docs/generate_results.py")


if __name__ == "__main__":
    main()
