"""Write the table of ``docs/learn/representations.md`` from ``benchmarks/results/representations.json``.

    python docs/generate_representations.py [--check]

Only what stands between the two marks is written; with ``--check`` nothing is, and it fails when the page is out of
date.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "learn" / "representations.md"
BEGIN, END = "<!-- table: docs/generate_representations.py -->", "<!-- end of the table -->"
LOSSES = {"mse": "mean squared error", "cross_entropy": "cross-entropy"}


def cell(values: list[float]) -> str:
    """Mean and spread (the sample's standard deviation over seeds) in per cent."""
    spread = f" ± {100 * statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{100 * statistics.fmean(values):.2f}{spread}"


def table(record: dict[str, Any]) -> str:
    runs, setting, machine = record["runs"], record["setting"], record["environment"]
    names = list(runs[0]["decoders"])
    kinds = list(dict.fromkeys((r["loss"], r["target"], r["sigma"]) for r in runs))
    kinds.sort(key=lambda kind: (kind[0] != "cross_entropy", kind[1] != "disc", kind[2] or 0))
    lines = [f"| loss | target | {' | '.join(f'`{n}`' for n in names)} |", "|---|---|" + "---|" * len(names)]
    for loss, target, sigma in kinds:
        same = [r for r in runs if (r["loss"], r["target"], r["sigma"]) == (loss, target, sigma)]
        means = {n: [r["decoders"][n]["nme"] for r in same] for n in names}
        best = min(names, key=lambda n: statistics.fmean(means[n]))
        cells = [f"**{cell(means[n])}**" if n == best else cell(means[n]) for n in names]
        drawn = "disc, radius 3" if target == "disc" else f"Gaussian, sigma {sigma:g}"
        lines.append(f"| {LOSSES[loss]} | {drawn} | {' | '.join(cells)} |")
    seeds = len({r["seed"] for r in runs})
    note = (
        f"NME in per cent of the inter-ocular distance, mean ± standard deviation over {seeds} seeds, on "
        f"{setting['validation']} validation faces; {setting['train']} training faces, {setting['epochs']} epochs, "
        f"batches of {setting['batch']}, AdamW with a learning rate of {setting['lr']:g} and a cosine. "
        f"Input {setting['input']} px, maps {setting['maps']}x{setting['maps']}; sigma and radius are those for an "
        f"input of {setting['frame']} px. "
        f"facekp {machine['facekp']}, torch {machine['torch']}, CPU, {machine['machine']}."
    )
    return "\n".join([*lines, "", note])


def main() -> None:
    page = PAGE.read_text("utf-8")
    record = json.loads((ROOT / "benchmarks" / "results" / "representations.json").read_text("utf-8"))
    before, _, rest = page.partition(BEGIN)
    written = f"{before}{BEGIN}\n\n{table(record)}\n\n{END}{rest.partition(END)[2]}"
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(written, "utf-8")
    elif written != page:
        sys.exit(f"{PAGE.name} is out of date: run  python docs/generate_representations.py")


if __name__ == "__main__":
    main()
