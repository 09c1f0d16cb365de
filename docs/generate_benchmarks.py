"""Write ``docs/benchmarks.md`` from the committed JSON in ``benchmarks/results``.

    python docs/generate_benchmarks.py [--check]

With ``--check`` nothing is written, and it fails when the page is out of date.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

<!-- Written by docs/generate_benchmarks.py from benchmarks/results/*.json: do not edit. -->

Every number here was measured by the command beside it. 300-W's LFPW test set (224 faces) was not used to choose
anything: it is run once for each weight that ships, and every run stays in `benchmarks/results`.
"""


def accuracy() -> str:
    lines = [
        "## Accuracy",
        "",
        "NME is the mean error over the distance of the outer eye corners. With *labelled* boxes a face is cut out by "
        "the extent of its labelled points. With *finder* boxes the whole picture is given to the finder, and of its "
        "faces the one of highest IoU with the labelled box counts; a face that is missed, or whose NME is 15 % or "
        "more, counts 15 %. The interval is a 95 % bootstrap over faces. *Calibration* is the expected calibration "
        "error of the "
        "points' scores over ten bins of equal count.",
        "",
        "| model | boxes | NME | 95 % interval | median | over 8 % | AUC@8 % | found | calibration |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    commands, notes = [], []
    for path in sorted((ROOT / "benchmarks" / "results").glob("accuracy-*.json")):
        entry = json.loads(path.read_text("utf-8"))["history"][-1]
        for r in entry["reports"]:
            lines.append(_row(r))
            commands.append(r["command"])
        machine = entry["reports"][0]["environment"]
        notes.append(
            f"`{entry['reports'][0]['model']}`: {entry['date']}, facekp {machine['facekp']}, torch {machine['torch']}, "
            f"{machine['device']}, {machine['machine']}; weights {entry['sha256'][:12]}."
        )
    fence = "```sh\n" + "\n".join(commands) + "\n```"
    return "\n".join([*lines, "", *notes, "", fence, "", "Both at once, recorded: `python benchmarks/accuracy.py`."])


def _row(r: dict[str, Any]) -> str:
    low, high = r["nme_interval"]
    return (
        f"| `{r['model']}` | {r['boxes']} | **{r['nme']:.2%}** | {low:.2%} to {high:.2%} | {r['median']:.2%} | "
        f"{r['failure_rate_8']:.2%} | {r['auc_8']:.3f} | {r['found']:.2%} | {r['calibration_error']:.3f} |"
    )


def validation() -> str:
    lines = [
        "## On the validation list",
        "",
        "Choices are made on 201 faces that are cut from the train folders "
        "(`src/facekp/recipes/validation/300w.txt`) and never trained on. Training measures them at its end.",
        "",
        "| model | measured |",
        "|---|---|",
    ]
    for path in sorted((ROOT / "src" / "facekp" / "weights").glob("*/config.json")):
        config = json.loads(path.read_text("utf-8"))
        numbers = config["metrics"][0] if isinstance(config["metrics"], list) else config["metrics"]
        said = ", ".join(f"{k} {v}" for k, v in numbers.items() if not isinstance(v, (dict, list)))
        lines.append(f"| `{config['name']}` | {said} |")
    return "\n".join(lines)


def main() -> None:
    page = "\n".join([HEAD, accuracy(), "", validation(), ""])
    if "--check" in sys.argv[1:]:
        if PAGE.read_text("utf-8") != page:
            sys.exit("docs/benchmarks.md is out of date: run  python docs/generate_benchmarks.py")
        return
    PAGE.write_text(page, "utf-8")


if __name__ == "__main__":
    main()
